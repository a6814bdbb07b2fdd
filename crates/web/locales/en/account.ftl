# Texts of the account's page that came with the chat. Written in each language for itself.

account-back = Back to the chat
account-parts = On this page
usage-tokens-in-days = tokens in the last 30 days
usage-table = Day by day
key-last-used = last used { $date }
key-models = for
key-budget = { $count ->
    [one] { $number } token in all
   *[other] { $number } tokens in all
}
key-budget-days = { $count ->
    [one] in a day
   *[other] in { $number } days
}
key-requests = { $count ->
    [one] { $number } request a minute
   *[other] { $number } requests a minute
}
key-in-flight = { $count ->
    [one] { $number } answer at once
   *[other] { $number } answers at once
}
field-key-models = Only for these models
field-key-models-hint = None chosen: all of them.
field-key-budget = Token budget
field-key-budget-hint = What the key may spend in all, prompts and answers.
field-key-budget-days = { $count ->
    [one] The budget begins anew each day (UTC).
   *[other] The budget begins anew every { $number } days (UTC).
}
field-key-requests = Requests a minute
field-key-in-flight = Answers at once
preferences-title = Language and appearance
field-locale = Language
locale-browser = As the browser
field-theme = Colours
theme-auto = As the device
theme-light = Light
theme-dark = Dark
field-time-zone = Time zone
field-time-zone-hint = Decides what “today” is in the history. For example: Europe/Paris.
error-time-zone = This is not the name of a time zone.
notice-preferences-saved = Saved.
data-title = Your data
export-note = Everything that you wrote and were answered, in one file.
export-markdown = Export as Markdown
export-json = Export as JSON
account-delete = Delete the account
account-delete-note = The key of your conversations is destroyed at once; nobody can read them again, we neither. Keys and sessions end.
account-delete-sure = Delete the account for good
