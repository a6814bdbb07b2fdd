# Texts of the pages. Said in each language in its own way, not translated word by word.
# A place for a value is { $name }; { $number } is a number already written the way this language writes it.

language-name = English
skip-to-content = Skip to the content
nav-label = Pages
nav-status = Status
nav-register = Register
nav-account = Account
nav-sign-in = Sign in
languages-label = Languages
site-links-label = About this service
footer-terms = Terms
footer-privacy = Privacy
footer-contact = Contact
# The end of a sentence, where two texts meet in a line.
stop = .

date = { $day } { $month ->
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
moment = { $date }, { $clock } UTC
span-seconds = { $count ->
    [one] { $number } second
   *[other] { $number } seconds
}
span-minutes = { $count ->
    [one] { $number } minute
   *[other] { $number } minutes
}
span-hours = { $count ->
    [one] { $number } hour
   *[other] { $number } hours
}
span-days = { $count ->
    [one] { $number } day
   *[other] { $number } days
}

field-name = Name
field-name-hint = 2 to 32 characters: letters a to z, digits, dot, underscore, hyphen.
field-password = Password
field-password-hint = At least 8 characters. Long is better than complicated.
field-current-password = Current password
field-new-password = New password
field-email = E-mail
field-email-hint = Kept encrypted. It helps you back in if you lose your password.
field-optional = (optional)

error-name-length = A name has 2 to 32 characters.
error-name-characters = Use only letters a to z, digits, dot, underscore and hyphen; begin and end with a letter or a digit.
error-name-taken = This name is taken. Choose another one.
error-password-length = A password has at least 8 characters, and at most 1,024 letters or digits.
error-password-weak = This password is one of the first that an attacker tries. Choose another one.
error-password-wrong = This is not your current password.
error-email = This is not a mail address.
error-invalid-credentials = Name or password is wrong. Check both.
error-key-name = Give the key a name of 1 to 64 characters.
error-key-expires = Give a day in the future, or leave it empty.
error-keys-full = You have as many keys as an account may have. Revoke one first.
error-form-expired = This page was open for too long, nothing was changed. Send the form once more.

register-title = Register
register-intro = A name and a password are enough.
register-send = Register
register-have-account = You have an account?
sign-in-title = Sign in
sign-in-send = Sign in
sign-in-no-account = No account yet?
sign-in-link-note = This address signs you in once.

standing-suspended = Suspended
standing-visitor = Visitor
standing-newcomer = Newcomer
standing-member = Member
standing-trusted = Trusted member

account-title = Account
account-since = since { $date }
notice-key-revoked = The key is revoked. It works no more, from now on.
notice-session-ended = That device is signed out.
notice-password-changed = The password is changed, and all other devices are signed out.

keys-title = API keys
keys-intro = A key lets a program use this service in your name. Treat it like a password.
keys-address = Address for OpenAI clients:
keys-none = No key yet.
key-new = Your new key
key-new-once = Copy it now: it is shown only this once.
key-made = made { $date }
key-expires = valid until { $date }
key-never-expires = does not expire
key-revoke = Revoke
key-revoke-named = Revoke { $name }
key-create = Make a key
field-key-name = Name of the key
field-key-name-hint = For yourself, to know it again.
field-key-expires = Valid until
field-key-expires-hint = The end of this day, UTC.

usage-title = Use
usage-none = Nothing used yet.
usage-day = Day
usage-requests = Requests
usage-input = Tokens in
usage-output = Tokens out
usage-note = Days in UTC. A token is a piece of a word, about four letters of English.

sessions-title = Signed-in devices
device-unknown = Unknown device
session-current = this device
session-since = since { $date }
session-last-seen = last seen { $date }
session-end = Sign it out
sign-out = Sign out
sign-out-everywhere = Sign out everywhere

password-title = Password
password-change = Change the password
password-change-note = All other devices are signed out then. API keys stay as they are.

home-title = Chat and API
home-heading = Ask. It answers, on a bad day too.
home-what = A chat and an API on top of language models, run by the people of this site.
home-promise = Members are served first, also while the service is under attack. Newcomers then wait a little longer, and are told how long.
home-chat-title = Chat
home-chat = Your conversations are stored encrypted, under a key of your own account.
home-api-title = API
home-api = OpenAI’s clients work unchanged, with the address of this site and a key.
home-api-link = Description of the API
home-status-title = Status
home-status = What works at this moment and what does not, said openly.
home-status-link = See the status

ask-title = What would you like to know?
ask-label = Your question
ask-more-label = Go on
ask-model = Model
ask-send = Send
ask-wait = That is in { $span }.
history-title = Conversations
history-none = None yet. They appear here when you have asked something.
history-more = Older ones
untitled = Conversation without a title
conversation-earlier = Earlier messages
speaker-you = You
speaker-model = Answer
answer-streaming = The answer is still being written.
answer-show-more = Show what has come
answer-stop = Stop
answer-stopped = You stopped this answer here.
answer-cut = The answer was cut off here for want of capacity. What had come is kept. To have the rest, ask it to go on.
answer-failed = No answer came. Nothing was charged; send the question again.
answer-not-kept = Answers cannot be stored right now. You can go on, but copy what you want to keep.

refusal-wait = Send it again in
refusal-home = Front page
refusal-status = Status of the service
refusal-number = Number of this request:

state-works = works
state-starting = starting
state-limited = works with limits
state-down = does not work
gate-open = open to everybody
gate-challenge = open, with a small computation in the browser
gate-verified = open, with a confirmed contact
gate-queue = with a waiting line
gate-closed = closed
posture-calm = Calm
posture-guarded = On guard
posture-siege = Under siege
posture-fortress = Fortress

status-title = Status
status-all-work = Everything works
status-some-limited = Works with limits
status-some-down = Something does not work
status-checked = As of { $moment }
status-answers = Answers, in the chat and by the API
status-sign-in = Sign-in
status-registration = Registration
status-storage = Storing conversations
status-incident = Many more requests than usual are coming in. Members are served first; newcomers may have to wait.
status-note = This page is made by the service itself, from what it measures. If it does not open at all, nothing works.

console-name = Console
console-title = Console
console-registration = Registration: { $gate }
console-storage = Storing conversations:
console-version = Rempart { $version }
console-uptime = running for { $span }
console-accounts = { $count ->
    [one] { $number } account
   *[other] { $number } accounts
}
first-run-title = The operator’s account
first-run-intro = This link works once. Choose the name and the password with which you will run this platform.
first-run-send = Make the account
first-run-spent = This link is used, expired or incomplete. On the machine itself, this command makes a new one for an account that exists:
figure-served = Served
figure-served-note = in the last minute
figure-refused = Refused
figure-refused-note = normal on a quiet day: near 0
figure-first-token = First token, median
figure-first-token-p99 = 99 of 100 within { $ms } ms
figure-first-token-none = no answer yet
figure-in-flight = Answers in progress
figure-of = of { $max }
figure-queued = { $count ->
    [0] nobody waits
    [one] { $number } waits
   *[other] { $number } wait
}
unit-per-min = / min
unit-ms = ms
engines-title = Engines
engines-none = No engine is configured: nothing can be answered. See [engine.NAME] in the configuration.
engine-name = Name
engine-state = State
engine-running = Answers
engine-kv = KV tokens
refusals-title = Refusals since the start
refusals-none = None.
refusal-reason = Reason
refusal-count = Number
