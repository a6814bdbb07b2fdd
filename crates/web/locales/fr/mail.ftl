# Textes des courriels. { $name } est le compte, { $site } la plateforme, { $span } une durée.

mail-greeting = Bonjour { $name },
mail-once = Ce lien sert une seule fois, dans un délai de { $span }.
mail-ignore = Si vous n’avez rien demandé, ne faites rien : sans ce lien, rien ne se passe.
mail-act = Si ce n’était pas vous, choisissez tout de suite un nouveau mot de passe et vérifiez vos appareils sur la page du compte.
mail-confirm = Confirmez cette adresse pour votre compte sur { $site }. Ouvrez le lien, puis appuyez sur le bouton :
    .subject = { $site } : confirmez votre adresse
mail-verify = Quelqu’un, vous sans doute, s’inscrit sur { $site } avec cette adresse. Ouvrez le lien pour continuer :
    .subject = { $site } : poursuivez votre inscription
mail-reset = Un nouveau mot de passe a été demandé pour votre compte sur { $site }. Ouvrez le lien pour le choisir :
    .subject = { $site } : choisissez un nouveau mot de passe
mail-sign-in = Voici le lien pour vous connecter à { $site } sur un appareil que nous ne connaissons pas encore. Ouvrez-le sur cet appareil, puis appuyez sur le bouton :
    .subject = { $site } : votre lien de connexion
mail-password-changed = Le mot de passe de votre compte sur { $site } a été changé. Tous les autres appareils ont été déconnectés.
    .subject = { $site } : votre mot de passe a été changé
mail-email-changed = L’adresse de courriel de votre compte sur { $site } a été changée. Les courriels partent désormais à la nouvelle adresse.
    .subject = { $site } : votre adresse de courriel a été changée
mail-factors-changed = Les seconds facteurs de votre compte sur { $site } ont été changés.
    .subject = { $site } : vos seconds facteurs ont été changés
