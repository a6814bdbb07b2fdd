//! What the mails say. Plain text, one link at most, no address of a third party.

use crate::Locale;
use crate::words::Words;

/// What a mail is about; `link` is a whole address, `lasts_s` how long it is good.
#[derive(Debug, Clone, Copy)]
pub enum MailTopic<'a> {
    /// Confirm the address of an account.
    Confirm(MailLink<'a>),
    /// Go on with a registration; there is no account yet, so the greeting has no name.
    Verify(MailLink<'a>),
    /// Choose a new password.
    Reset(MailLink<'a>),
    /// Sign in on a device that is not known.
    SignIn(MailLink<'a>),
    /// Told, not asked.
    PasswordChanged,
    /// Told to the old address.
    EmailChanged,
    /// Told, not asked.
    FactorsChanged,
}

/// A link that works once.
#[derive(Debug, Clone, Copy)]
pub struct MailLink<'a> {
    /// The whole address.
    pub url: &'a str,
    /// How long it is good, in seconds.
    pub lasts_s: u64,
}

/// A mail's subject and text.
#[derive(Debug, Clone)]
pub struct MailText {
    /// One line.
    pub subject: String,
    /// Lines end in `\n`.
    pub text: String,
}

/// Writes the mail to the account `name` (empty: to somebody who has none yet) of the site called `site` at `public_url`.
pub fn mail_text(locale: Locale, site: &str, public_url: &str, name: &str, topic: MailTopic<'_>) -> MailText {
    let w = Words::new(locale);
    let site = if site.is_empty() { "Rempart" } else { site };
    let (what, subject, link) = match topic {
        MailTopic::Confirm(link) => ("mail-confirm", "mail-confirm.subject", Some(link)),
        MailTopic::Verify(link) => ("mail-verify", "mail-verify.subject", Some(link)),
        MailTopic::Reset(link) => ("mail-reset", "mail-reset.subject", Some(link)),
        MailTopic::SignIn(link) => ("mail-sign-in", "mail-sign-in.subject", Some(link)),
        MailTopic::PasswordChanged => ("mail-password-changed", "mail-password-changed.subject", None),
        MailTopic::EmailChanged => ("mail-email-changed", "mail-email-changed.subject", None),
        MailTopic::FactorsChanged => ("mail-factors-changed", "mail-factors-changed.subject", None),
    };
    let mut paragraphs = Vec::with_capacity(6);
    if !name.is_empty() {
        paragraphs.push(w.with("mail-greeting", "name", name));
    }
    paragraphs.push(w.with(what, "site", site));
    match link {
        Some(link) => {
            paragraphs.push(link.url.to_owned());
            let once = w.with("mail-once", "span", w.span(&link.lasts_s));
            paragraphs.push(format!("{once}\n{}", w.t("mail-ignore")));
        }
        None => paragraphs.push(w.t("mail-act")),
    }
    paragraphs.push(format!("-- \n{site}\n{public_url}\n"));
    MailText { subject: w.with(subject, "site", site), text: paragraphs.join("\n\n") }
}
