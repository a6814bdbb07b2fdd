//! Views of registration, sign-in and the account page.

use rempart_domain::{Day, Standing, UnixSeconds};

use crate::view::gate::{ChallengeView, RegisterGate};
use crate::{FieldError, Locale, Theme};

/// `/register`: fields `name`, `password`, `email`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegisterView<'a> {
    /// What was typed, to be shown again; empty at first.
    pub name: &'a str,
    /// What was typed, to be shown again; empty at first.
    pub email: &'a str,
    /// What was wrong with the last try.
    pub error: Option<FieldError>,
    /// False: registration is closed, the page says so and shows no form.
    pub is_open: bool,
    /// What the gate asks for.
    pub gate: RegisterGate<'a>,
}

/// `/sign-in`: fields `name`, `password`, and hidden `next` when set.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignInView<'a> {
    /// What was typed, to be shown again; empty at first.
    pub name: &'a str,
    /// What was wrong with the last try.
    pub error: Option<FieldError>,
    /// Path to go to afterwards, kept in the hidden field `next`. Only an absolute path of this site is kept.
    pub next: &'a str,
    /// A one-time address from the operator: one button instead of name and password, the hidden field `link`. Only the button uses it
    /// up: mail programs that look at addresses beforehand do not.
    pub link: Option<&'a str>,
    /// Passkeys can be used at this address.
    pub has_passkeys: bool,
    /// A challenge to solve.
    pub challenge: Option<ChallengeView<'a>>,
    /// A place in the line whose turn it is, or empty.
    pub ticket: &'a str,
}

/// What a form on `/account` asks for: its hidden field `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountAction {
    /// Fields `name`, `expires` (a date, `YYYY-MM-DD`, or empty), `models` (as often as there are), `budget` (tokens, or empty),
    /// `requests_per_minute`, `in_flight` (or empty).
    CreateKey,
    /// Field `id`.
    RevokeKey,
    /// Field `id`.
    EndSession,
    /// No field.
    SignOut,
    /// No field: ends every session of the account, this one too.
    SignOutEverywhere,
    /// Fields `password` (the current one) and `new_password`.
    ChangePassword,
    /// Fields `locale`, `theme` and `time_zone`; empty ones follow browser and device.
    SavePreferences,
    /// Field `password`.
    DeleteAccount,
}

impl AccountAction {
    /// The value of the field `action`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateKey => "create_key",
            Self::RevokeKey => "revoke_key",
            Self::EndSession => "end_session",
            Self::SignOut => "sign_out",
            Self::SignOutEverywhere => "sign_out_everywhere",
            Self::ChangePassword => "change_password",
            Self::SavePreferences => "save_preferences",
            Self::DeleteAccount => "delete_account",
        }
    }

    /// Reads the field `action`.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::CreateKey,
            Self::RevokeKey,
            Self::EndSession,
            Self::SignOut,
            Self::SignOutEverywhere,
            Self::ChangePassword,
            Self::SavePreferences,
            Self::DeleteAccount,
        ]
        .into_iter()
        .find(|action| action.as_str() == word)
    }
}

/// What has just been done, said at the top of `/account`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountNotice {
    /// The key works no more.
    KeyRevoked,
    /// That device is signed out.
    SessionEnded,
    /// The password was changed; other sessions were ended.
    PasswordChanged,
    /// Language, colours and time zone are kept.
    PreferencesSaved,
}

/// `/account`.
#[derive(Debug, Clone, Default)]
pub struct AccountView<'a> {
    /// Days that a key's budget of tokens is for; 0 for the key's life.
    pub key_budget_days: u64,
    /// Account name.
    pub name: &'a str,
    /// How well we know the account.
    pub standing: Standing,
    /// When the account was made.
    pub created: UnixSeconds,
    /// API keys, newest first; revoked ones are left out.
    pub keys: Vec<KeyRow<'a>>,
    /// The whole text of a key just made: shown once, here.
    pub new_key: Option<&'a str>,
    /// Sessions that are good, newest first.
    pub sessions: Vec<SessionRow<'a>>,
    /// Days with use, newest first.
    pub usage: Vec<UsageRow>,
    /// The last day of the chart, UTC.
    pub today: Day,
    /// Models that a key can be held to; with fewer than two no choice is shown.
    pub models: Vec<&'a str>,
    /// What was chosen for the pages.
    pub preferences: PreferencesView<'a>,
    /// What has just been done.
    pub notice: Option<AccountNotice>,
    /// The form that failed, and why.
    pub error: Option<(AccountAction, FieldError)>,
    /// Address for API clients, shown with the keys: `public_url` + `/v1`; empty leaves it out.
    pub api_url: &'a str,
}

/// What a person chose for the pages.
#[derive(Debug, Clone, Copy, Default)]
pub struct PreferencesView<'a> {
    /// `None` follows the browser.
    pub locale: Option<Locale>,
    /// Light, dark, or as the device.
    pub theme: Theme,
    /// An IANA name; empty is UTC.
    pub time_zone: &'a str,
}

/// An API key; never the key itself.
#[derive(Debug, Clone)]
pub struct KeyRow<'a> {
    /// `k_…`, the value of `id` when it is revoked.
    pub id: &'a str,
    /// What its owner called it.
    pub name: &'a str,
    /// When it was made.
    pub created: UnixSeconds,
    /// When it ends; `None` for never.
    pub expires: Option<UnixSeconds>,
    /// The models that it may ask, as one text; empty for all.
    pub models: String,
    /// Bounds of its own.
    pub limits: rempart_domain::KeyLimits,
    /// Day of the last use, UTC.
    pub last_used: Option<Day>,
}

/// A sign-in.
#[derive(Debug, Clone, Copy)]
pub struct SessionRow<'a> {
    /// `s_…`, the value of `id` when it is ended.
    pub id: &'a str,
    /// Family of browser and system (`Firefox, Linux`), or empty; never a full address.
    pub device: &'a str,
    /// When it began.
    pub created: UnixSeconds,
    /// Day of the last use, UTC.
    pub last_seen: Option<Day>,
    /// The session that asked for this page.
    pub is_current: bool,
}

/// A day of use.
#[derive(Debug, Clone, Copy)]
pub struct UsageRow {
    /// The UTC day.
    pub day: Day,
    /// Requests that were served.
    pub requests: u64,
    /// Prompt tokens.
    pub input_tokens: u64,
    /// Answer tokens.
    pub output_tokens: u64,
}
