//! Attackers: what they send, with whose keys, from where, how many at once. All of them ask in closed loops, as greedily as they are
//! answered: whoever is refused asks again at once, unless a pause or a rate says otherwise.

use serde::Deserialize;

/// One kind of attacker; a scenario has as many as it wants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// What they send.
    pub kind: AttackKind,
    /// At once: each has one connection and one request in flight.
    pub clients: u32,
    /// Phases in which they are there.
    pub during: Vec<String>,
    /// Where they come from.
    #[serde(default)]
    pub sources: Sources,
    /// Whose keys they use, where the kind takes one.
    #[serde(default)]
    pub keys: Keys,
    /// Accounts, keys or names that they take in turn.
    #[serde(default = "a_thousand")]
    pub accounts: u32,
    /// Length of a prompt, in bytes.
    #[serde(default = "a_hundred")]
    pub prompt_bytes: u32,
    /// What they ask as `max_tokens`.
    #[serde(default = "ten")]
    pub max_tokens: u32,
    /// They read streams.
    #[serde(default)]
    pub stream: bool,
    /// Registration: they solve what they are asked to solve.
    #[serde(default)]
    pub solves: bool,
    /// Each request on a connection of its own, with the challenge before it.
    #[serde(default)]
    pub fresh: bool,
    /// Sign-in: whose names they try.
    #[serde(default)]
    pub names: Names,
    /// Pause after an answer, in milliseconds.
    #[serde(default)]
    pub pause_ms: u64,
    /// Together no more than so many requests a second.
    #[serde(default)]
    pub rate_per_s: Option<f64>,
    /// They stop after this many seconds…
    #[serde(default)]
    pub on_s: Option<f64>,
    /// …and begin again after so many more.
    #[serde(default)]
    pub off_s: Option<f64>,
}

/// What attackers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackKind {
    /// Ask for answers.
    Completions,
    /// Ask for long streams and take nothing of them from the socket.
    SlowReaders,
    /// Ask for answers and leave as soon as they begin.
    Disconnects,
    /// Register accounts.
    Registrations,
    /// Guess passwords.
    SignIns,
    /// Ask for challenges and never solve them.
    Challenges,
    /// Open connections and close them again.
    Connections,
    /// Open connections and send a request's head byte by byte.
    SlowHeads,
}

impl AttackKind {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completions => "completions",
            Self::SlowReaders => "slow_readers",
            Self::Disconnects => "disconnects",
            Self::Registrations => "registrations",
            Self::SignIns => "sign_ins",
            Self::Challenges => "challenges",
            Self::Connections => "connections",
            Self::SlowHeads => "slow_heads",
        }
    }

    /// True if it sends requests for text, with a key.
    pub const fn asks_for_text(self) -> bool {
        matches!(self, Self::Completions | Self::SlowReaders | Self::Disconnects)
    }
}

/// Whose keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// Valid ones of accounts made for the attack.
    #[default]
    New,
    /// Valid ones of members gone bad.
    Turned,
    /// Those of honest members, who go on using them; these members are told apart and not judged.
    Stolen,
    /// Guessed.
    Invalid,
}

/// Whose names are tried at the sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// Each name with a password of its own (stuffing); most names do not exist.
    #[default]
    Stuffing,
    /// One password with the members' names, one after the other (spraying).
    Spraying,
}

/// Where attackers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Sources {
    /// So many addresses, each in a network of its own.
    Own(u32),
    /// The members' addresses.
    Shared(SharedSources),
}

/// The one word for shared sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedSources {
    /// The members' addresses.
    Members,
}

impl Default for Sources {
    fn default() -> Self {
        Self::Own(256)
    }
}

const fn a_thousand() -> u32 {
    1_000
}

const fn a_hundred() -> u32 {
    100
}

const fn ten() -> u32 {
    10
}
