//! The words every Rempart crate shares: who asks, how well we know them, what a request cost, why it was refused.
//!
//! What must stay true: no I/O, no async, no clock, no randomness, no serde. A word that only one crate needs lives there.

mod id;
mod name;
mod posture;
mod principal;
mod reason;
pub mod sabotage;
mod secret;
mod standing;
mod units;

#[cfg(test)]
mod tests;

pub use id::{
    AccountId, ConversationId, FileId, GenerationId, IdParseError, KeyId, MessageId, RequestId, SessionId, ShareId,
};
pub use name::{AccountName, NameError};
pub use posture::{GateLevel, Posture};
pub use principal::{Credential, KeyLimits, KeyScope, Principal, Provenance, Role};
pub use reason::ReasonCode;
pub use secret::{Secret, Sensitive};
pub use standing::{Band, Standing};
pub use units::{Day, Millis, TokenCount, UnixMillis, UnixSeconds, Usage};

/// A word of a closed set that was not one of it; carries the input, cut to 64 bytes, for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    /// What kind of word was expected: `standing`, `posture`, `gate level`, `scope`.
    pub expected: &'static str,
    /// The word that came.
    pub word: String,
}

impl UnknownWord {
    /// Names the set and keeps at most 64 characters of the input.
    pub fn new(expected: &'static str, word: &str) -> Self {
        Self { expected, word: word.chars().take(64).collect() }
    }
}

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is no {}", self.word, self.expected)
    }
}

impl std::error::Error for UnknownWord {}
