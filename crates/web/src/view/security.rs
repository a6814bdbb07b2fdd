//! Views of what protects an account: `/security`, the second step of a sign-in, lost passwords, mailed links.

use rempart_domain::{Day, UnixSeconds};

use crate::FieldError;
use crate::view::gate::ChallengeView;

/// What a form on `/security` asks for: its hidden field `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityAction {
    /// Fields `email`, `password`: mails a link to the new address.
    ChangeEmail,
    /// No field: mails a link that confirms this session.
    ConfirmSession,
    /// Field `password`: begins to set up an authenticator.
    StartTotp,
    /// Fields `setup`, `code`, `name`.
    FinishTotp,
    /// Fields `id`, `password`.
    DeleteFactor,
    /// Field `password`.
    RenewCodes,
    /// Field `id`.
    EndDevice,
    /// By script: adds a passkey.
    AddPasskey,
}

impl SecurityAction {
    /// The value of the field `action`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChangeEmail => "change_email",
            Self::ConfirmSession => "confirm_session",
            Self::StartTotp => "start_totp",
            Self::FinishTotp => "finish_totp",
            Self::DeleteFactor => "delete_factor",
            Self::RenewCodes => "renew_codes",
            Self::EndDevice => "end_device",
            Self::AddPasskey => "add_passkey",
        }
    }

    /// Reads the field `action`.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::ChangeEmail,
            Self::ConfirmSession,
            Self::StartTotp,
            Self::FinishTotp,
            Self::DeleteFactor,
            Self::RenewCodes,
            Self::EndDevice,
            Self::AddPasskey,
        ];
        all.into_iter().find(|action| action.as_str() == word)
    }
}

/// What has just been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityNotice {
    /// A link is on its way to the mailbox.
    MailSent,
    /// The factor counts from now on.
    FactorAdded,
    /// It counts no more.
    FactorRemoved,
    /// That browser is a stranger again.
    DeviceForgotten,
    /// The address belongs to the account.
    EmailConfirmed,
}

/// `/security`.
#[derive(Debug, Clone, Default)]
pub struct SecurityView<'a> {
    /// Account name.
    pub name: &'a str,
    /// Its mail address; empty for none.
    pub email: &'a str,
    /// Somebody opened a link that was mailed there.
    pub email_confirmed: bool,
    /// Mail really leaves; else a page says that it does not.
    pub mail_leaves: bool,
    /// This session counts as a newcomer's until it is confirmed.
    pub is_unsure: bool,
    /// An operator who has no second factor yet: nothing else opens before.
    pub needs_factor: bool,
    /// Forms ask for the password; only an operator's first factor does without.
    pub asks_password: bool,
    /// Second factors, the oldest first.
    pub factors: Vec<FactorRow<'a>>,
    /// Recovery codes that are left.
    pub codes_left: u64,
    /// Recovery codes just made: shown once, here.
    pub new_codes: Vec<&'a str>,
    /// An authenticator that is being set up.
    pub totp: Option<TotpView<'a>>,
    /// Passkeys can be used at this address.
    pub has_passkeys: bool,
    /// Browsers that are known, the last used first.
    pub devices: Vec<DeviceRow<'a>>,
    /// What has just been done.
    pub notice: Option<SecurityNotice>,
    /// The form that failed, and why.
    pub error: Option<(SecurityAction, FieldError)>,
}

/// A second factor.
#[derive(Debug, Clone, Copy)]
pub struct FactorRow<'a> {
    /// `k_…`.
    pub id: &'a str,
    /// A passkey, else an authenticator.
    pub is_passkey: bool,
    /// What its owner calls it; may be empty.
    pub name: &'a str,
    /// When it was added.
    pub created: UnixSeconds,
}

/// An authenticator that is being set up.
#[derive(Debug, Clone, Copy)]
pub struct TotpView<'a> {
    /// The secret, to be typed.
    pub secret: &'a str,
    /// The same as an address; becomes a QR code.
    pub otpauth: &'a str,
    /// Shown again with the first code.
    pub setup: &'a str,
}

/// A known browser.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRow<'a> {
    /// `s_…`.
    pub id: &'a str,
    /// Family of browser and system, or empty.
    pub device: &'a str,
    /// When it signed in first.
    pub created: UnixSeconds,
    /// Day of its last sign-in.
    pub last_seen: Day,
    /// The browser that asked for this page.
    pub is_current: bool,
}

/// The second step of a sign-in: fields `half`, `code`, `next`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SecondStepView<'a> {
    /// Proves the first step.
    pub half: &'a str,
    /// Path to go to afterwards.
    pub next: &'a str,
    /// What was wrong with the last try.
    pub error: Option<FieldError>,
    /// Passkeys can be used at this address.
    pub has_passkeys: bool,
}

/// `/recover`: fields `who`, `for`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecoverView<'a> {
    /// What was typed.
    pub who: &'a str,
    /// What was wrong with the last try.
    pub error: Option<FieldError>,
    /// The request was taken: the page says what happens now.
    pub is_sent: bool,
    /// Mail really leaves.
    pub mail_leaves: bool,
    /// A challenge to solve.
    pub challenge: Option<ChallengeView<'a>>,
    /// A place in the line whose turn it is, or empty.
    pub ticket: &'a str,
}

/// `/reset` and `/confirm`: a mailed link that is used by a button.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkView<'a> {
    /// The link's secret; `None` says that it is used, expired or incomplete.
    pub link: Option<&'a str>,
    /// What was wrong with the last try.
    pub error: Option<FieldError>,
    /// It was used; the page says so.
    pub is_done: bool,
}
