//! What an account or a key may spend, and how a request is refused that would spend more.

use rempart_domain::{AccountId, Band, KeyId, Millis, ReasonCode, TokenCount};

/// What may be spent. `None` is unlimited; limits by time and by number at once are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Days that the two limits of a day are for, counted from 1970: 1 is the UTC day, 0 never begins anew.
    pub days: u16,
    /// Input and output together, a UTC day. Exhausted: 402.
    pub tokens_per_day: Option<u64>,
    /// Requests a UTC day. Exhausted: 402.
    pub requests_per_day: Option<u64>,
    /// Input and output together, a minute, refilled evenly. Exceeded: 429.
    pub tokens_per_minute: Option<u64>,
    /// Requests a minute, refilled evenly. Exceeded: 429.
    pub requests_per_minute: Option<u64>,
    /// Requests at once: the primary limit. Exceeded: 429.
    pub in_flight: Option<u32>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

impl Budget {
    /// No limit of any kind.
    pub const UNLIMITED: Self = Self {
        days: 1,
        tokens_per_day: None,
        requests_per_day: None,
        tokens_per_minute: None,
        requests_per_minute: None,
        in_flight: None,
    };

    /// Generous defaults: members are bound by concurrency; what a minute allows them is far beyond one person's program and is there to
    /// be told in `x-ratelimit-*`. Strangers are bound by the day as well.
    pub const fn of_band(band: Band) -> Self {
        match band {
            Band::Trusted => Self {
                tokens_per_minute: Some(40_000_000),
                requests_per_minute: Some(60_000),
                in_flight: Some(64),
                ..Self::UNLIMITED
            },
            Band::Member => Self {
                tokens_per_minute: Some(4_000_000),
                requests_per_minute: Some(6_000),
                in_flight: Some(16),
                ..Self::UNLIMITED
            },
            Band::Newcomer => Self {
                days: 1,
                tokens_per_day: Some(500_000),
                requests_per_day: Some(2_000),
                tokens_per_minute: Some(60_000),
                requests_per_minute: Some(60),
                in_flight: Some(4),
            },
            Band::Visitor => Self {
                days: 1,
                tokens_per_day: Some(20_000),
                requests_per_day: Some(50),
                tokens_per_minute: Some(8_000),
                requests_per_minute: Some(10),
                in_flight: Some(1),
            },
            Band::Suspended => Self {
                days: 1,
                tokens_per_day: Some(0),
                requests_per_day: Some(0),
                tokens_per_minute: Some(0),
                requests_per_minute: Some(0),
                in_flight: Some(0),
            },
        }
    }
}

/// Who pays: an account, and the key it was asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payer {
    /// The account, or a number standing for a source of visitors.
    pub account: AccountId,
    /// The key, if the request came with one. It has a budget of its own within the account's.
    pub key: Option<KeyId>,
}

/// What is to be held before a request starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Who pays.
    pub payer: Payer,
    /// Its band: teaches and tells how long answers are, for accounts of which nothing is known yet.
    pub band: Band,
    /// The account's budget.
    pub account_budget: Budget,
    /// The key's budget; ignored without a key.
    pub key_budget: Budget,
    /// Upper bound of the prompt.
    pub input: TokenCount,
    /// Most tokens of answer. The day's budget may lower it: see `Hold::output_cap`.
    pub output_cap: TokenCount,
}

/// Why nothing was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// Tokens of the day are spent or held.
    #[error("the day's tokens are spent")]
    TokensPerDay {
        /// To the next UTC day.
        retry_after: Millis,
    },
    /// Requests of the day are spent.
    #[error("the day's requests are spent")]
    RequestsPerDay {
        /// To the next UTC day.
        retry_after: Millis,
    },
    /// Tokens of the minute.
    #[error("too many tokens a minute")]
    TokensPerMinute {
        /// Until enough has been refilled.
        retry_after: Millis,
    },
    /// Requests of the minute.
    #[error("too many requests a minute")]
    RequestsPerMinute {
        /// Until one has been refilled.
        retry_after: Millis,
    },
    /// As many requests as allowed are in flight.
    #[error("too many requests in flight")]
    InFlight,
    /// The table is full of accounts that all have requests in flight.
    #[error("the meter's table is full")]
    TableFull,
}

impl BudgetError {
    /// The closed code told outside: 402 is about the balance, 429 about the rate, 503 about us.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::TokensPerDay { .. } | Self::RequestsPerDay { .. } => ReasonCode::BudgetExhausted,
            Self::TokensPerMinute { .. } | Self::RequestsPerMinute { .. } => ReasonCode::TooManyRequests,
            Self::InFlight => ReasonCode::TooManyInFlight,
            Self::TableFull => ReasonCode::Overloaded,
        }
    }

    /// When asking again can help.
    pub const fn retry_after(self) -> Millis {
        match self {
            Self::TokensPerDay { retry_after }
            | Self::RequestsPerDay { retry_after }
            | Self::TokensPerMinute { retry_after }
            | Self::RequestsPerMinute { retry_after } => retry_after,
            Self::InFlight | Self::TableFull => Millis(1_000),
        }
    }
}
