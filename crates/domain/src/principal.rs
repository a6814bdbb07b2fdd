//! Who asks now.

use crate::posture::words;
use crate::{AccountId, Day, KeyId, SessionId, Standing, UnknownWord};

/// What an account may do beyond using the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// Uses the platform.
    #[default]
    None,
    /// Runs it: the console is theirs.
    Operator,
}

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyScope {
    /// `/v1`, the root paths and `GET /api/v1/usage`.
    #[default]
    Api,
    /// The console's API; implies `metrics`.
    Console,
    /// `/metrics` only.
    Metrics,
}

words!(Role, "role", None = "none", Operator = "operator");
words!(KeyScope, "scope", Api = "api", Console = "console", Metrics = "metrics");

/// What a principal showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// Nothing.
    None,
    /// A session cookie.
    Session(SessionId),
    /// An API key.
    Key(KeyId, KeyScope),
}

/// Who asks now. Built by `gateway::identify` only, from a checked credential; everything after it reads and never widens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// `None` for a visitor.
    pub account: Option<AccountId>,
    /// What was shown.
    pub credential: Credential,
    /// What session or key carries; admission reads the band through one function that knows freezes and demotions.
    pub carried_standing: Standing,
    /// Beyond using the platform.
    pub role: Role,
    /// The day the account was made, UTC.
    pub created_day: Day,
    /// The minute (since 1970) in which the key's account was made, or the session was opened: what a crowd has in common. 0: unknown.
    pub minute: u32,
}

impl Principal {
    /// Nobody we know.
    pub const VISITOR: Self = Self {
        account: None,
        credential: Credential::None,
        carried_standing: Standing::Visitor,
        role: Role::None,
        created_day: Day(0),
        minute: 0,
    };

    /// True for a caller with a checked credential.
    pub const fn is_known(&self) -> bool {
        self.account.is_some()
    }
}
