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
/// What bounds a key besides its account's own budgets; `None` is no bound of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// Tokens it may spend in its life, or in each span of `[limits] key_budget_days`.
    pub budget_tokens: Option<u64>,
    /// Requests a minute, refilled evenly.
    pub requests_per_minute: Option<u64>,
    /// Answers at once, those that wait included.
    pub in_flight: Option<u32>,
}

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

/// What an account has in common with others that came the same way; hashes under a key of ours, 0 where there is none. Kept from the
/// registration on: cohorts of strangers are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Provenance {
    /// The member who invited it.
    pub inviter: u32,
    /// The domain of the mail address that it registered with and confirmed, unless that is one of a large public provider.
    pub mail_domain: u32,
}

impl Provenance {
    /// As one number.
    pub const fn bits(self) -> u64 {
        (self.inviter as u64) << 32 | self.mail_domain as u64
    }

    /// From that number.
    #[allow(clippy::cast_possible_truncation, reason = "the halves of the number")]
    pub const fn from_bits(bits: u64) -> Self {
        Self { inviter: (bits >> 32) as u32, mail_domain: bits as u32 }
    }
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
    /// The session was won from an unknown device during an incident and nothing has confirmed it since: it counts as a newcomer's.
    pub is_unsure: bool,
    /// An operator's session that was won without a second factor: it has no role until one is shown.
    pub lacks_second_factor: bool,
    /// The minute (since 1970) in which the key's account was made, or the session was opened: what a crowd has in common. 0: unknown.
    pub minute: u32,
    /// Who invited the account, where its mail goes.
    pub provenance: Provenance,
}

impl Principal {
    /// Nobody we know.
    pub const VISITOR: Self = Self {
        account: None,
        credential: Credential::None,
        carried_standing: Standing::Visitor,
        role: Role::None,
        created_day: Day(0),
        is_unsure: false,
        lacks_second_factor: false,
        minute: 0,
        provenance: Provenance { inviter: 0, mail_domain: 0 },
    };

    /// True for a caller with a checked credential.
    pub const fn is_known(&self) -> bool {
        self.account.is_some()
    }
}
