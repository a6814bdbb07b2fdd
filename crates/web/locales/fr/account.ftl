# Textes de la page du compte, venus avec la conversation. Écrits dans chaque langue pour elle-même.

account-back = Retour aux conversations
account-parts = Sur cette page
usage-tokens-in-days = jetons en 30 jours
usage-table = Jour par jour
key-last-used = utilisée le { $date }
key-models = pour
key-budget = { $count ->
    [one] { $number } jeton en tout
   *[other] { $number } jetons en tout
}
key-budget-days = { $count ->
    [one] en un jour
   *[other] en { $number } jours
}
key-requests = { $count ->
    [one] { $number } requête par minute
   *[other] { $number } requêtes par minute
}
key-in-flight = { $count ->
    [one] { $number } réponse à la fois
   *[other] { $number } réponses à la fois
}
field-key-models = Pour ces modèles seulement
field-key-models-hint = Aucun choix : tous.
field-key-budget = Budget en jetons
field-key-budget-hint = Ce que la clé peut dépenser en tout, questions et réponses.
field-key-budget-days = { $count ->
    [one] Le budget recommence chaque jour (UTC).
   *[other] Le budget recommence tous les { $number } jours (UTC).
}
field-key-requests = Requêtes par minute
field-key-in-flight = Réponses à la fois
preferences-title = Langue et apparence
field-locale = Langue
locale-browser = Comme le navigateur
field-theme = Couleurs
theme-auto = Comme l’appareil
theme-light = Claires
theme-dark = Sombres
field-time-zone = Fuseau horaire
field-time-zone-hint = Décide de ce qu’est « aujourd’hui » dans l’historique. Par exemple : Europe/Paris.
error-time-zone = Ce n’est pas le nom d’un fuseau horaire.
notice-preferences-saved = C’est enregistré.
data-title = Vos données
export-note = Tout ce que vous avez écrit et ce qui vous a été répondu, dans un seul fichier.
export-markdown = Exporter en Markdown
export-json = Exporter en JSON
account-delete = Supprimer le compte
account-delete-note = La clé de vos conversations est détruite aussitôt ; plus personne ne pourra les lire, nous non plus. Clés d’API et sessions prennent fin.
account-delete-sure = Supprimer définitivement le compte
