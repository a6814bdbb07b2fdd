# Textes de la conversation. Écrits dans chaque langue pour elle-même, sans mot à mot.
# { $name } est rempli par la page ; %p, %t, %n par le script. Espaces insécables avant ; : ! ? et dans les guillemets.

history-open = Montrer les conversations
history-close = Masquer les conversations
history-new = Nouvelle conversation
history-temporary = Conversation éphémère
history-search = Rechercher
history-found = Résultats
history-nothing = Rien trouvé.
history-pinned = Épinglées
history-today = Aujourd’hui
history-yesterday = Hier
history-week = Les 7 derniers jours
history-month = Les 30 derniers jours
history-acts-of = Autres actions pour « { $name } »
month = { $month ->
    [1] Janvier
    [2] Février
    [3] Mars
    [4] Avril
    [5] Mai
    [6] Juin
    [7] Juillet
    [8] Août
    [9] Septembre
    [10] Octobre
    [11] Novembre
   *[12] Décembre
} { $year }
switcher-label = Aller à une conversation

ask-note = Entrée envoie, Maj + Entrée passe à la ligne.
ask-hint = Les modèles se trompent. Vérifiez ce qui compte.
temporary-tag = éphémère
temporary-note = Cette conversation n’est conservée nulle part. Elle disparaît quand vous fermez la page.
file-add = Joindre des fichiers : texte ou PDF
file-attached = %n est joint.
file-remove = Retirer %n
files-label = Fichiers

answer-begins = La réponse commence
answer-queued = Vous êtes n° %p dans la file ; environ %t. Vous pouvez fermer cette page : la réponse vous y attendra.
answer-queued-only = Vous êtes n° %p dans la file. Vous pouvez fermer cette page : la réponse vous y attendra.
answer-length = La réponse a atteint sa longueur maximale. Demandez-lui de poursuivre si vous en voulez davantage.
answer-omitted = Cette conversation dépasse ce que le modèle peut lire. Pour cette réponse, il n’a pas vu les %n messages les plus anciens.
answer-reasons = Réflexion en cours
answer-reasoned = Raisonnement
branches-label = Versions
branch-before = Version précédente
branch-after = Version suivante
copy = Copier
copied = Copié.
edit = Modifier
regenerate = Répondre à nouveau
continue = Poursuivre
leave = Annuler
save = Enregistrer
lost = La connexion est perdue. Ce qui était écrit est gardé ; rechargez la page.

panel-title = Cette conversation
panel-note = Vaut pour la conversation que vous allez commencer.
field-title = Titre
field-system = Consignes
field-system-hint = Placées avant chaque question : qui est le modèle, comment il doit répondre.
field-temperature = Température
field-temperature-hint = De 0 (toujours le mot le plus probable) à 2. Vide, le modèle décide.
pin = Épingler
unpin = Détacher
rename = Renommer
delete = Supprimer
delete-conversation = Supprimer la conversation
delete-note = Elle disparaît aussitôt, avec ses fichiers et son lien. Personne ne peut la rétablir.
delete-sure = Supprimer définitivement
share-title = Partager
share-note = Un lien montre cette conversation telle qu’elle est maintenant à quiconque l’a. Ce que vous écrirez ensuite n’y paraîtra pas.
share-make = Créer un lien
share-made = Copiez-le maintenant : il n’est montré que cette fois.
share-exists = Un lien existe. Il a été montré à sa création ; un nouveau le remplace.
share-again = Créer un nouveau lien
share-end = Retirer le lien
shared-note = Cette conversation a été partagée le { $date }. On y lit ce qui était dit jusque-là.
shared-person = Question
