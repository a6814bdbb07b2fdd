//! API keys: only their SHA-256 is stored.
//!
//! What must stay true: a record says enough of its account to admit a request without a second look-up.

use rempart_domain::{AccountId, Day, KeyId, KeyScope, Role, Standing, UnixSeconds};

use crate::{Store, StoreError};

/// A key to be recorded.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The public half.
    pub id: KeyId,
    /// Whose.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What it opens.
    pub scope: KeyScope,
    /// The models it may use; `None` is all.
    pub models: Option<Vec<String>>,
    /// Tokens it may spend in its life; `None` is without bound of its own.
    pub budget_tokens: Option<u64>,
    /// When it was made.
    pub created: UnixSeconds,
    /// Until when.
    pub expires: Option<UnixSeconds>,
}

/// A key with what must be known of its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The public half.
    pub id: KeyId,
    /// Whose.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What it opens.
    pub scope: KeyScope,
    /// The models it may use; `None` is all.
    pub models: Option<Vec<String>>,
    /// Tokens it may spend in its life.
    pub budget_tokens: Option<u64>,
    /// When it was made.
    pub created: UnixSeconds,
    /// Until when.
    pub expires: Option<UnixSeconds>,
    /// Since when it is revoked.
    pub revoked: Option<UnixSeconds>,
    /// The last day usage was settled on it.
    pub last_used: Option<Day>,
    /// The account's standing.
    pub standing: Standing,
    /// The account's role.
    pub role: Role,
    /// The day the account was made.
    pub created_day: Day,
    /// The account's epoch.
    pub epoch: u32,
}

impl Store {
    /// Records a key. `NotFound` if the account does not exist.
    pub async fn create_key(&self, new: NewKey) -> Result<(), StoreError> {
        self.todo()
    }
    /// A key by its public half, revoked ones included. Sign-in lane.
    pub async fn find_key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.todo()
    }
    /// The account's keys, newest first, revoked ones included, at most 1 000.
    pub async fn list_keys(&self, account: AccountId) -> Result<Vec<KeyRecord>, StoreError> {
        self.todo()
    }
    /// Revokes a key; false if it is unknown, another's or revoked already.
    pub async fn revoke_key(&self, account: AccountId, id: KeyId) -> Result<bool, StoreError> {
        self.todo()
    }
    /// Usable keys, the last used first: warms the cache at start, so that known callers outlive a database outage.
    pub async fn load_keys(&self, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        self.todo()
    }
}
