# What protects an account: second factors, passkeys, mail address, devices, lost passwords.

security-title = Security
security-back = Account
security-open = Look after it
security-summary = Second factors, passkeys, recovery codes, your mail address and the devices that are known.
security-mail-sent = A link is on its way to the mailbox. It works once, within 30 minutes.
security-factor-added = The second factor is set. From now on it is asked for when you sign in.
security-factor-removed = The second factor is removed.
security-device-forgotten = That browser is not known any more. If it is still signed in, end its session on the account page.
security-email-confirmed = The mail address is confirmed.
security-operator = You run this platform: set a second factor first. Everything else opens when it is set.
security-unsure = You signed in on a new device while passwords were being tried here. Until you confirm that it is you, you are served like a newcomer.
security-unsure-send = Mail me a link that confirms it

factors-title = Second factors
factors-intro = Whoever learns your password still cannot sign in without it. A passkey is the easiest.
factors-none = None yet.
factor-passkey = Passkey
factor-totp = Authenticator
factor-since = since { $date }
factor-add = Add a second factor
factor-remove = Remove
passkey-add = Add a passkey
passkey-use = Use a passkey
passkey-sign-in = Sign in with a passkey
passkey-failed = No passkey was used. Try again, or go on without it.
passkey-unavailable = Passkeys need this site to have a name of its own; here it has only an address.
totp-start = Set up an authenticator app
totp-title = Set up an authenticator app
totp-scan = Scan this picture with the app.
totp-qr = QR code for the authenticator app
totp-type = Or type this key:
totp-open = Open the app on this device
totp-code-hint = The six digits that the app shows now.
totp-finish = Set it
field-code = Code
codes-new = Your recovery codes
codes-new-note = Each works once, in place of the second factor. Write them down now: they are shown only this once.
codes-kept = I have kept them
codes-left = { $count ->
    [0] No recovery code left.
    [one] { $number } recovery code left.
   *[other] { $number } recovery codes left.
}
codes-renew = Make new recovery codes

email-title = Mail address
email-none = None. Without one, a lost password cannot be replaced by mail.
email-confirmed = confirmed
email-unconfirmed = not confirmed
email-hint = A link goes there; the address counts when you have opened it.
email-send = Send the link
mail-does-not-leave = This platform does not send mail by itself: its operator finds the link and can pass it on.

devices-title = Known devices
devices-intro = Browsers in which you have signed in before. They get in also while others try passwords on your account.
device-forget = Forget it

second-title = One more step
second-intro = Your password is right. Now show your second factor.
second-code-hint = The six digits of your app, or a recovery code.
second-back = Back to signing in

recover-link = Password lost, or signing in does not work here?
recover-title = Way back in
recover-intro = Tell us your name here, or your mail address. If there is such an account, a link goes to its mailbox.
field-who = Name or mail address
recover-reset = Mail me a link for a new password
recover-sign-in = Mail me a link to sign in
recover-note = Whether there is such an account is told to its mailbox only.
recover-sent = If there is such an account and it has a mail address, a link is on its way there.
recover-sent-note = It works once, within 30 minutes. If nothing comes, look among the unwanted mails; asking again sends another.

reset-title = Choose a new password
reset-send = Set the password
confirm-title = Confirm the mail address
confirm-intro = This address will belong to your account: links for a lost password go there.
confirm-send = Confirm
link-spent = This link is used, expired or incomplete.
link-again = Ask for another one
error-code = This code is not right, or it was used. Take the one that is shown now.
