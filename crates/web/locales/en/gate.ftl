# Registration gate: challenge, waiting line, invitation, confirmed address.

challenge-working = Your browser is doing a small computation that keeps robots expensive. You can go on typing.
challenge-done = Computation done.
challenge-failed = The computation did not work. You can send the form all the same: you get a place in the waiting line.
challenge-failed-here = The computation did not work. Send the form to try once more, or wait in the line.
challenge-register-otherwise = If your browser cannot do the small computation, you get a place in a waiting line.
challenge-sign-in-otherwise = A device that is not known does a small computation first. If your browser cannot, give your name and wait in the line, or have a link mailed to you.
challenge-mail-otherwise = A small computation comes first. If your browser cannot do it, wait in the line.
challenge-wait = Wait in the line

gate-intro-queue = Registration is limited right now. Choose a name and take a place in the line; you choose your password when it is your turn.
gate-intro-verified = A name, a password and a mail address that you confirm.
gate-intro-turn = It is your turn. Choose your password now: we kept your place, not your password. Your turn lasts { $span }.
gate-intro-confirmed = Your address is confirmed. Choose your password and you are in.
gate-intro-invited = You have an invitation: no waiting. A name and a password are enough.
gate-take-place = Take a place
gate-email-required = (we mail you a link)

wait-title = You are in the line
wait-limited = Registration is limited right now.
wait-unknown-device = Many ask at this door right now. A device that is not known waits for its turn.
wait-turn = It is your turn: go on here.
wait-place = { $position ->
    [1] You are next
   *[other] You are number { $number }
}; { $time }.
wait-time = about { $span }
wait-time-unknown = nobody is let in at the moment, so nobody knows how long
wait-link = You can close this page: the link keeps your place.
wait-look = Look again
wait-look-again = This page looks again by itself.

mailed-sent = If you can read mail at this address, a letter with a link is on its way to you. The link is good for 6 hours.
mailed-not-there = Nothing came? Look among unwanted mail, or send it again, to another address if you like.
mailed-again = Send again
mailed-too-soon = It was not sent again so soon. Wait some minutes, then try once more.

error-challenge = A small computation comes first. It runs while you fill in the form again.
error-ticket = This place in the line is over, or belongs to another name. Take a new one.
error-invite = This invitation was used, taken back, or is over.
error-email-required = A mail address is needed: we mail you a link to finish.
error-email-disposable = Mail to this provider's addresses is thrown away. Use another address.

invites-go = Invite somebody, see your invitations
invites-members-only = You invite once you are a member: newcomers become members with time and good use.
invites-title = Invitations
invites-intro = Whoever comes with your invitation waits in no line. Each is good for one person; you can make { $left } more this month.
invites-none-left = You have made all the invitations of this month.
invites-make = Make an invitation
invites-new = Send this address to the person you invite. It is shown only now:
invites-used = used
invites-used-by = used by { $name }
invites-open = good until { $date }
invites-over = not used
invites-revoke = Take back
invites-revoked = The invitation is taken back.
