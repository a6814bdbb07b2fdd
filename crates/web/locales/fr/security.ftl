# Ce qui protège un compte : seconds facteurs, clés d’accès, adresse, appareils, mot de passe perdu.

security-title = Sécurité
security-back = Compte
security-open = S’en occuper
security-summary = Seconds facteurs, clés d’accès, codes de secours, adresse de courriel et appareils connus.
security-mail-sent = Un lien part vers la boîte aux lettres. Il sert une seule fois, dans les 30 minutes.
security-factor-added = Le second facteur est en place. Il sera demandé à chaque connexion.
security-factor-removed = Le second facteur est retiré.
security-device-forgotten = Ce navigateur n’est plus connu. S’il est encore connecté, terminez sa session sur la page du compte.
security-email-confirmed = L’adresse de courriel est confirmée.
security-operator = Vous exploitez cette plateforme : mettez d’abord un second facteur en place. Le reste s’ouvre ensuite.
security-unsure = Vous vous êtes connecté sur un nouvel appareil alors que des mots de passe étaient essayés ici. Tant que vous n’avez pas confirmé que c’est vous, vous êtes servi comme un nouveau venu.
security-unsure-send = M’envoyer un lien de confirmation

factors-title = Seconds facteurs
factors-intro = Sans lui, votre mot de passe ne suffit pas à qui l’aurait appris. Une clé d’accès est le plus simple.
factors-none = Aucun pour l’instant.
factor-passkey = Clé d’accès
factor-totp = Application d’authentification
factor-since = depuis le { $date }
factor-add = Ajouter un second facteur
factor-remove = Retirer
passkey-add = Ajouter une clé d’accès
passkey-use = Utiliser une clé d’accès
passkey-sign-in = Se connecter avec une clé d’accès
passkey-failed = Aucune clé d’accès n’a servi. Réessayez, ou continuez sans elle.
passkey-unavailable = Les clés d’accès demandent que ce site ait un nom ; ici, il n’a qu’une adresse.
totp-start = Configurer une application d’authentification
totp-title = Configurer une application d’authentification
totp-scan = Scannez cette image avec l’application.
totp-qr = Code QR pour l’application d’authentification
totp-type = Ou saisissez cette clé :
totp-open = Ouvrir l’application sur cet appareil
totp-code-hint = Les six chiffres que l’application affiche en ce moment.
totp-finish = Mettre en place
field-code = Code
codes-new = Vos codes de secours
codes-new-note = Chacun sert une fois, à la place du second facteur. Notez-les maintenant : ils ne sont affichés qu’ici.
codes-kept = Je les ai notés
codes-left = { $count ->
    [0] Plus aucun code de secours.
    [one] Il reste { $number } code de secours.
   *[other] Il reste { $number } codes de secours.
}
codes-renew = Créer de nouveaux codes de secours

email-title = Adresse de courriel
email-none = Aucune. Sans adresse, un mot de passe perdu ne peut pas être remplacé par courriel.
email-confirmed = confirmée
email-unconfirmed = non confirmée
email-hint = Un lien y est envoyé ; l’adresse compte quand vous l’avez ouvert.
email-send = Envoyer le lien
mail-does-not-leave = Cette plateforme n’envoie pas de courriel elle-même : son exploitant trouve le lien et peut le transmettre.

devices-title = Appareils connus
devices-intro = Les navigateurs où vous vous êtes déjà connecté. Ils entrent même quand d’autres essaient des mots de passe sur votre compte.
device-forget = L’oublier

second-title = Encore une étape
second-intro = Votre mot de passe est juste. Montrez maintenant votre second facteur.
second-code-hint = Les six chiffres de votre application, ou un code de secours.
second-back = Retour à la connexion

recover-link = Mot de passe perdu, ou connexion impossible ici ?
recover-title = Revenir à son compte
recover-intro = Indiquez votre nom ici, ou votre adresse de courriel. Si ce compte existe, un lien part vers sa boîte aux lettres.
field-who = Nom ou adresse de courriel
recover-reset = M’envoyer un lien pour un nouveau mot de passe
recover-sign-in = M’envoyer un lien de connexion
recover-note = L’existence d’un compte n’est dite qu’à sa boîte aux lettres.
recover-sent = Si ce compte existe et qu’il a une adresse de courriel, un lien y est envoyé.
recover-sent-note = Il sert une seule fois, dans les 30 minutes. Si rien n’arrive, regardez parmi les indésirables ; une nouvelle demande en envoie un autre.

reset-title = Choisir un nouveau mot de passe
reset-send = Enregistrer le mot de passe
confirm-title = Confirmer l’adresse de courriel
confirm-intro = Cette adresse appartiendra à votre compte : les liens pour un mot de passe perdu y seront envoyés.
confirm-send = Confirmer
link-spent = Ce lien a déjà servi, a expiré ou est incomplet.
link-again = En demander un autre
error-code = Ce code n’est pas juste, ou il a déjà servi. Prenez celui qui est affiché maintenant.
