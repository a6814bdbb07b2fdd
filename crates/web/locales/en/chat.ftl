# Texts of the chat. Written in each language for itself, not word by word.
# { $name } is filled in by the page; %p, %t, %n by the script.

history-open = Show the conversations
history-close = Hide the conversations
history-new = New conversation
history-temporary = Temporary chat
history-search = Search
history-found = Found
history-nothing = Nothing found.
history-pinned = Pinned
history-today = Today
history-yesterday = Yesterday
history-week = Last 7 days
history-month = Last 30 days
history-acts-of = More about “{ $name }”
month = { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }
switcher-label = Go to a conversation

ask-note = Enter sends, Shift + Enter begins a new line.
ask-hint = Models make mistakes. Check what matters.
temporary-tag = temporary
temporary-note = This chat is kept nowhere. It is gone when you close the page.
file-add = Add files: text or PDF
file-attached = %n is attached.
file-remove = Remove %n
files-label = Files

answer-begins = The answer begins
answer-queued = You are number %p in line; about %t. You can close this page: the answer will be here.
answer-queued-only = You are number %p in line. You can close this page: the answer will be here.
answer-length = The answer reached its longest length here. Ask it to go on if you want more.
answer-omitted = This conversation is longer than the model can read. It did not see the oldest %n messages for this answer.
answer-reasons = Thinking
answer-reasoned = Reasoning
branches-label = Versions
branch-before = The version before
branch-after = The next version
copy = Copy
copied = Copied.
edit = Edit
regenerate = Answer again
continue = Continue
leave = Cancel
save = Save
lost = The connection was lost. What was written is kept; load the page again.

panel-title = This conversation
panel-note = This holds for the conversation that you begin now.
field-title = Title
field-system = Instructions
field-system-hint = Stand before every question: who the model is, how it shall answer.
field-temperature = Temperature
field-temperature-hint = From 0 (always the likeliest word) to 2. Empty leaves it to the model.
pin = Pin
unpin = Unpin
rename = Rename
delete = Delete
delete-conversation = Delete the conversation
delete-note = It is gone at once, with its files and its link. Nobody can bring it back.
delete-sure = Delete for good
share-title = Share
share-note = A link shows this conversation as it is now, to whoever has it. What you write later is not shown.
share-make = Make a link
share-made = Copy it now: it is shown only this once.
share-exists = There is a link. It was shown when it was made; a new one ends it.
share-again = Make a new link
share-end = End the link
shared-note = Somebody shared this conversation on { $date }. It shows what was said until then.
shared-person = Question
