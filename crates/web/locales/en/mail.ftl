# Texts of the mails. { $name } is the account, { $site } the platform, { $span } a length of time.

mail-greeting = Hello { $name },
mail-once = The link works once, within { $span }.
mail-ignore = If this was not you, do nothing: without the link nothing happens.
mail-act = If this was not you, set a new password now and look at your devices on the account page.
mail-confirm = Confirm this address for your account at { $site }. Open the link and press the button:
    .subject = { $site }: confirm your address
mail-verify = Somebody, you we hope, is registering at { $site } with this address. Open the link to go on:
    .subject = { $site }: go on with your registration
mail-reset = A new password was asked for your account at { $site }. Open the link and choose one:
    .subject = { $site }: choose a new password
mail-sign-in = Here is the link to sign in at { $site } on a device that we do not know yet. Open it on that device and press the button:
    .subject = { $site }: your link to sign in
mail-password-changed = The password of your account at { $site } was changed. All other devices were signed out.
    .subject = { $site }: your password was changed
mail-email-changed = The mail address of your account at { $site } was changed. Mails go to the new address from now on.
    .subject = { $site }: your mail address was changed
mail-factors-changed = The second factors of your account at { $site } were changed.
    .subject = { $site }: your second factors were changed
