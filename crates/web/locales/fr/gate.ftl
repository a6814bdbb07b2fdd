# Porte d’inscription : calcul, file d’attente, invitation, adresse confirmée.

challenge-working = Votre navigateur fait un petit calcul qui rend les robots coûteux. Vous pouvez continuer à écrire.
challenge-done = Calcul terminé.
challenge-failed = Le calcul n’a pas abouti. Envoyez quand même le formulaire : vous aurez une place dans la file d’attente.
challenge-failed-here = Le calcul n’a pas abouti. Envoyez le formulaire pour réessayer, ou attendez dans la file.
challenge-register-otherwise = Si votre navigateur ne peut pas faire ce petit calcul, vous aurez une place dans une file d’attente.
challenge-sign-in-otherwise = Un appareil inconnu fait d’abord un petit calcul. Si votre navigateur ne le peut pas, donnez votre nom et attendez dans la file, ou demandez un lien par courrier.
challenge-mail-otherwise = Un petit calcul vient d’abord. Si votre navigateur ne peut pas le faire, attendez dans la file.
challenge-wait = Attendre dans la file

gate-intro-queue = Les inscriptions sont limitées en ce moment. Choisissez un nom et prenez une place dans la file ; vous choisirez le mot de passe quand viendra votre tour.
gate-intro-verified = Un nom, un mot de passe et une adresse que vous confirmez.
gate-intro-turn = C’est votre tour. Choisissez votre mot de passe : nous avons gardé votre place, pas votre mot de passe. Votre tour dure { $span }.
gate-intro-confirmed = Votre adresse est confirmée. Choisissez votre mot de passe et vous y êtes.
gate-intro-invited = Vous avez une invitation : pas d’attente. Un nom et un mot de passe suffisent.
gate-take-place = Prendre une place
gate-email-required = (nous vous envoyons un lien)

wait-title = Vous êtes dans la file
wait-limited = Les inscriptions sont limitées en ce moment.
wait-unknown-device = Beaucoup de demandes en ce moment : un appareil inconnu attend son tour.
wait-turn = C’est votre tour : continuez ici.
wait-place = { $position ->
    [1] Vous êtes le prochain nom
   *[other] Vous êtes n° { $number }
} ; { $time }.
wait-time = environ { $span }
wait-time-unknown = personne n’entre pour l’instant, la durée est donc inconnue
wait-link = Vous pouvez fermer cette page : le lien garde votre place.
wait-look = Regarder à nouveau
wait-look-again = Cette page se met à jour d’elle-même.

mailed-sent = Si vous lisez le courrier de cette adresse, une lettre avec un lien est en route. Le lien est valable 6 heures.
mailed-not-there = Rien n’est arrivé ? Cherchez parmi les indésirables, ou renvoyez-la, à une autre adresse si vous voulez.
mailed-again = Renvoyer
mailed-too-soon = Rien n’a été renvoyé si vite. Attendez quelques minutes, puis réessayez.

error-challenge = Un petit calcul vient d’abord. Il se fait pendant que vous remplissez à nouveau le formulaire.
error-ticket = Cette place est périmée, ou appartient à un autre nom. Prenez-en une nouvelle.
error-invite = Cette invitation a servi, a été reprise ou est périmée.
error-email-required = Il faut une adresse : nous vous envoyons un lien pour terminer.
error-email-disposable = Le courrier de ce fournisseur est jeté. Prenez une autre adresse.

invites-go = Inviter quelqu’un, voir vos invitations
invites-members-only = Vous pourrez inviter une fois membre : on le devient avec le temps et un bon usage.
invites-title = Invitations
invites-intro = Qui vient avec votre invitation n’attend pas. Chacune vaut pour une personne ; il vous en reste { $left } ce mois-ci.
invites-none-left = Vous avez fait toutes les invitations de ce mois.
invites-make = Faire une invitation
invites-new = Envoyez cette adresse à la personne invitée. Elle n’est montrée que maintenant :
invites-used = utilisée
invites-used-by = utilisée par { $name }
invites-open = valable jusqu’au { $date }
invites-over = non utilisée
invites-revoke = Reprendre
invites-revoked = L’invitation est reprise.
