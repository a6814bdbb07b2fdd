//! Honest people: how many, from where, how often, what they ask and how long they wait.

use serde::Deserialize;

/// A group that asks in an open loop: a slow answer slows nobody down.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// Accounts.
    pub accounts: u32,
    /// Network addresses that they share.
    #[serde(default = "twenty")]
    pub addresses: u32,
    /// Requests a second, of all of them together; gaps are exponential.
    pub rate_per_s: f64,
    /// Prompt's length.
    #[serde(default = "short_prompt")]
    pub prompt_tokens: Tokens,
    /// `max_tokens` of a request, and so the answer's length.
    #[serde(default = "short_answer")]
    pub answer_tokens: Tokens,
    /// Answers are streamed.
    #[serde(default)]
    pub stream: bool,
    /// The first text must be there after this time, or the request counts as not done.
    #[serde(default = "ten_seconds")]
    pub patience_s: f64,
    /// The whole answer must be there after this time, if given.
    #[serde(default)]
    pub whole_within_s: Option<f64>,
    /// Phases in which they ask; all, if none is named.
    #[serde(default)]
    pub during: Vec<String>,
    /// Of a hundred requests so many open a connection of their own.
    #[serde(default = "ten")]
    pub fresh_connections_percent: u32,
}

/// Honest newcomers: the same, of lower standing.
pub type Newcomers = People;

/// Honest people who come to register: they do what they are told, and ask one question when they are in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// So many a minute, at random moments.
    pub per_minute: f64,
    /// Network addresses that they share.
    #[serde(default = "twenty")]
    pub addresses: u32,
    /// After this time they go away, in seconds.
    #[serde(default = "a_minute")]
    pub patience_s: f64,
    /// Phases in which they come.
    pub during: Vec<String>,
}

/// Members who write messages in conversations of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writers {
    /// Accounts, each with one conversation.
    pub accounts: u32,
    /// Seconds between two messages of one of them.
    pub gap_s: f64,
}

/// A number of tokens: fixed, or drawn from a lognormal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Tokens {
    /// Always so many.
    Fixed(u32),
    /// Drawn.
    Drawn(Drawn),
}

/// A lognormal distribution with an upper end.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// Half lie below.
    pub median: f64,
    /// Of the logarithm.
    pub sigma: f64,
    /// No more.
    pub most: u32,
}

impl Tokens {
    /// The most it can be.
    pub const fn most(self) -> u32 {
        match self {
            Self::Fixed(tokens) => tokens,
            Self::Drawn(drawn) => drawn.most,
        }
    }

    /// The least it can be; one if drawn.
    pub const fn least(self) -> u32 {
        match self {
            Self::Fixed(tokens) => tokens,
            Self::Drawn(_) => 1,
        }
    }
}

const fn twenty() -> u32 {
    20
}

const fn ten() -> u32 {
    10
}

const fn ten_seconds() -> f64 {
    10.0
}

const fn a_minute() -> f64 {
    60.0
}

const fn short_prompt() -> Tokens {
    Tokens::Fixed(25)
}

const fn short_answer() -> Tokens {
    Tokens::Fixed(10)
}
