# Textes des pages. Écrits dans chaque langue pour elle-même, sans mot à mot.
# { $name } reçoit une valeur ; { $number } est un nombre déjà écrit à la française. Espaces insécables avant ; : ! ? et dans les guillemets.

language-name = Français
skip-to-content = Aller au contenu
nav-label = Pages
nav-status = État
nav-register = Inscription
nav-account = Compte
nav-sign-in = Connexion
languages-label = Langues
site-links-label = À propos de ce service
footer-terms = Conditions
footer-privacy = Vie privée
footer-contact = Contact
# La fin d’une phrase, là où deux textes se suivent.
stop = .

date = { $day ->
    [1] 1er
   *[other] { $day }
} { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[12] décembre
} { $year }
moment = { $date }, { $clock } UTC
span-seconds = { $count ->
    [one] { $number } seconde
   *[other] { $number } secondes
}
span-minutes = { $count ->
    [one] { $number } minute
   *[other] { $number } minutes
}
span-hours = { $count ->
    [one] { $number } heure
   *[other] { $number } heures
}
span-days = { $count ->
    [one] { $number } jour
   *[other] { $number } jours
}

field-name = Nom
field-name-hint = De 2 à 32 caractères : lettres de a à z, chiffres, point, tiret bas, trait d’union.
field-password = Mot de passe
field-password-hint = Au moins 8 caractères. Mieux vaut long que compliqué.
field-current-password = Mot de passe actuel
field-new-password = Nouveau mot de passe
field-email = Adresse électronique
field-email-hint = Conservée chiffrée. Elle vous aide à revenir si vous perdez votre mot de passe.
field-optional = (facultatif)

error-name-length = Un nom compte de 2 à 32 caractères.
error-name-characters = Lettres de a à z, chiffres, point, tiret bas et trait d’union seulement ; le premier et le dernier sont une lettre ou un chiffre.
error-name-taken = Ce nom est déjà pris. Choisissez-en un autre.
error-password-length = Un mot de passe compte au moins 8 caractères, et au plus 1 024 lettres ou chiffres.
error-password-weak = Ce mot de passe est l’un des premiers qu’un attaquant essaie. Choisissez-en un autre.
error-password-wrong = Ce n’est pas votre mot de passe actuel.
error-email = Ce n’est pas une adresse électronique.
error-invalid-credentials = Le nom ou le mot de passe est faux. Vérifiez les deux.
error-key-name = Donnez à la clé un nom de 1 à 64 caractères.
error-key-expires = Donnez un jour à venir, ou laissez vide.
error-keys-full = Vous avez déjà toutes les clés permises à un compte. Révoquez-en une d’abord.
error-form-expired = Cette page est restée ouverte trop longtemps, rien n’a été changé. Envoyez le formulaire encore une fois.

register-title = Créer un compte
register-intro = Un nom et un mot de passe suffisent.
register-send = Créer le compte
register-have-account = Vous avez un compte ?
sign-in-title = Se connecter
sign-in-send = Se connecter
sign-in-no-account = Pas encore de compte ?
sign-in-link-note = Cette adresse vous connecte une seule fois.

standing-suspended = Suspendu
standing-visitor = Visiteur
standing-newcomer = Nouveau venu
standing-member = Membre
standing-trusted = Membre de confiance

account-title = Compte
account-since = depuis le { $date }
notice-key-revoked = La clé est révoquée. Elle ne fonctionne plus, dès maintenant.
notice-session-ended = Cet appareil est déconnecté.
notice-password-changed = Le mot de passe est changé, tous les autres appareils sont déconnectés.

keys-title = Clés d’API
keys-intro = Une clé permet à un programme d’utiliser ce service en votre nom. Gardez-la comme un mot de passe.
keys-address = Adresse pour les clients OpenAI :
keys-none = Pas encore de clé.
key-new = Votre nouvelle clé
key-new-once = Copiez-la maintenant : elle n’est montrée que cette fois.
key-made = créée le { $date }
key-expires = valable jusqu’au { $date }
key-never-expires = sans échéance
key-revoke = Révoquer
key-revoke-named = Révoquer { $name }
key-create = Créer une clé
field-key-name = Nom de la clé
field-key-name-hint = Pour vous, afin de la reconnaître.
field-key-expires = Valable jusqu’au
field-key-expires-hint = La fin de ce jour, UTC.

usage-title = Consommation
usage-none = Rien encore.
usage-day = Jour
usage-requests = Requêtes
usage-input = Jetons lus
usage-output = Jetons écrits
usage-note = Jours en UTC. Un jeton est un morceau de mot, environ quatre lettres.

sessions-title = Appareils connectés
device-unknown = Appareil inconnu
session-current = cet appareil
session-since = depuis le { $date }
session-last-seen = vu le { $date }
session-end = Le déconnecter
sign-out = Se déconnecter
sign-out-everywhere = Se déconnecter partout

password-title = Mot de passe
password-change = Changer le mot de passe
password-change-note = Tous les autres appareils seront déconnectés. Les clés d’API restent telles quelles.

home-title = Conversation et API
home-heading = Demandez. On vous répond, même les mauvais jours.
home-what = Des conversations et une API sur des modèles de langue, tenues par les gens de ce site.
home-promise = Qui est déjà membre est servi d’abord, même pendant une attaque. Les nouveaux venus attendent alors un peu plus, et on leur dit combien de temps.
home-chat-title = Conversations
home-chat = Les vôtres sont conservées chiffrées, sous une clé propre à votre compte.
home-api-title = API
home-api = Les clients d’OpenAI fonctionnent tels quels, avec l’adresse de ce site et une clé.
home-api-link = Description de l’API
home-status-title = État
home-status = Ce qui marche en ce moment et ce qui ne marche pas, dit franchement.
home-status-link = Voir l’état du service

ask-title = Que voulez-vous savoir ?
ask-label = Votre question
ask-more-label = Poursuivre
ask-model = Modèle
ask-send = Envoyer
ask-wait = C’est dans { $span }.
history-title = Conversations
history-none = Aucune pour l’instant. Elles apparaîtront ici quand vous aurez posé une question.
history-more = Plus anciennes
untitled = Conversation sans titre
conversation-earlier = Messages précédents
speaker-you = Vous
speaker-model = Réponse
answer-streaming = La réponse est en train de s’écrire.
answer-show-more = Montrer ce qui est venu
answer-stop = Arrêter
answer-stopped = Vous avez arrêté la réponse ici.
answer-cut = La réponse a été coupée ici, faute de capacité. Ce qui était écrit est gardé. Pour le reste, demandez-lui de poursuivre.
answer-failed = Aucune réponse n’est venue. Rien n’a été compté ; envoyez la question de nouveau.
answer-not-kept = Les réponses ne peuvent pas être enregistrées en ce moment. Vous pouvez poursuivre, mais copiez ce que vous voulez garder.

refusal-wait = Renvoyez-la dans
refusal-home = Page d’accueil
refusal-status = État du service
refusal-number = Numéro de cette requête :

state-works = fonctionne
state-starting = démarre
state-limited = fonctionne avec des limites
state-down = ne fonctionne pas
gate-open = ouvertes à tous
gate-challenge = ouvertes, avec un petit calcul du navigateur
gate-verified = ouvertes, avec un contact confirmé
gate-queue = avec une file d’attente
gate-closed = fermées
posture-calm = Calme
posture-guarded = En garde
posture-siege = Assiégé
posture-fortress = Forteresse

status-title = État du service
status-all-work = Tout fonctionne
status-some-limited = Des limites en ce moment
status-some-down = Une partie ne fonctionne pas
status-checked = Au { $moment }
status-answers = Réponses, en conversation et par l’API
status-sign-in = Connexion
status-registration = Inscriptions
status-storage = Conservation des conversations
status-incident = Les demandes sont bien plus nombreuses que d’habitude. Les membres sont servis d’abord ; les nouveaux venus devront peut-être patienter.
status-note = Cette page est faite par le service lui-même, d’après ce qu’il mesure. Si elle ne s’ouvre pas du tout, rien ne fonctionne.

console-name = Console
console-title = Console
console-registration = Inscriptions : { $gate }
console-storage = Conservation des conversations :
console-version = Rempart { $version }
console-uptime = en marche depuis { $span }
console-accounts = { $count ->
    [one] { $number } compte
   *[other] { $number } comptes
}
first-run-title = Le compte de l’opérateur
first-run-intro = Ce lien ne sert qu’une fois. Choisissez le nom et le mot de passe avec lesquels vous conduirez cette plateforme.
first-run-send = Créer le compte
first-run-spent = Ce lien a déjà servi, a expiré ou est incomplet. Sur la machine elle-même, cette commande en fait un nouveau pour un compte qui existe :
figure-served = Servies
figure-served-note = dans la dernière minute
figure-refused = Refusées
figure-refused-note = un jour calme : près de 0
figure-first-token = Premier jeton, médiane
figure-first-token-p99 = 99 sur 100 en moins de { $ms } ms
figure-first-token-none = pas encore de réponse
figure-in-flight = Réponses en cours
figure-of = sur { $max }
figure-queued = { $count ->
    [0] personne n’attend
    [one] { $number } attend
   *[other] { $number } attendent
}
unit-per-min = / min
unit-ms = ms
engines-title = Moteurs
engines-none = Aucun moteur n’est configuré : rien ne peut être répondu. Voyez [engine.NAME] dans la configuration.
engine-name = Nom
engine-state = État
engine-running = Réponses
engine-kv = Jetons KV
refusals-title = Refus depuis le démarrage
refusals-none = Aucun.
refusal-reason = Raison
refusal-count = Nombre
