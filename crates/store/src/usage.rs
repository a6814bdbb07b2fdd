//! Usage: how much, never what. One row per account, key, day and model.

use rempart_domain::{AccountId, Day, KeyId};

use crate::{Store, StoreError};

/// Something to be added to a day's usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Who.
    pub account: AccountId,
    /// By which key; `None` for the chat.
    pub key: Option<KeyId>,
    /// When (UTC).
    pub day: Day,
    /// Which model.
    pub model: String,
    /// Requests.
    pub requests: u64,
    /// Prompt tokens.
    pub input: u64,
    /// Answer tokens, reasoning included.
    pub output: u64,
    /// Of `input`: found in the prefix cache.
    pub cached: u64,
    /// Of `output`: reasoning.
    pub reasoning: u64,
}

/// An account's usage of a day, all keys and models together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageDay {
    /// The day (UTC).
    pub day: Day,
    /// Requests.
    pub requests: u64,
    /// Prompt tokens.
    pub input: u64,
    /// Answer tokens, reasoning included.
    pub output: u64,
    /// Of `input`: found in the prefix cache.
    pub cached: u64,
    /// Of `output`: reasoning.
    pub reasoning: u64,
}

impl Store {
    /// Adds to what is there, all rows or none. Rows of deleted accounts are dropped.
    pub async fn add_usage(&self, rows: Vec<UsageRow>) -> Result<(), StoreError> {
        self.todo()
    }
    /// Days with usage in `from..=to`, oldest first.
    pub async fn read_usage(&self, account: AccountId, from: Day, to: Day) -> Result<Vec<UsageDay>, StoreError> {
        self.todo()
    }
    /// Tokens (input and output) ever spent by the account, or by one of its keys.
    pub async fn budget_spent(&self, account: AccountId, key: Option<KeyId>) -> Result<u64, StoreError> {
        self.todo()
    }
}
