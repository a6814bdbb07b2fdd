//! The keys that were seen before, kept so that a known caller costs no I/O and outlives a database outage.
//!
//! What must stay true: bounded; what is asked for often stays (TinyLFU), so that ten thousand fresh keys do not push the members'
//! out; a revocation leaves a mark in the key's place, so that a look-up that began before it cannot put the key back.

use std::sync::Arc;

use moka::ops::compute::Op;
use moka::sync::Cache;
use rempart_domain::{AccountId, Day, KeyId, KeyLimits, KeyScope, Provenance, Role, Standing, UnixSeconds};
use subtle::ConstantTimeEq as _;

use crate::PresentedKey;

/// How many keys are remembered by default; about 300 bytes each.
pub const KNOWN_KEYS_LEN_MAX: u64 = 100_000;

/// A key as the store knows it.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// Its public half.
    pub id: KeyId,
    /// Whose it is.
    pub account: AccountId,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// What it opens.
    pub scope: KeyScope,
    /// The account's standing when the row was read; later changes are in [`crate::Revocations`].
    pub standing: Standing,
    /// The account's role when the row was read.
    pub role: Role,
    /// The UTC day the account was made.
    pub created_day: Day,
    /// The minute the account was made, since 1970; 0 if that is not known.
    pub created_minute: u32,
    /// What the account has in common with others.
    pub provenance: Provenance,
    /// The models it may ask for; `None` for all.
    pub models: Option<Box<[Box<str>]>>,
    /// The tokens it may spend; `None` for as many as the account.
    pub limits: KeyLimits,
    /// From this second on it is void.
    pub expires: Option<UnixSeconds>,
    /// The account's epoch when the row was read. A password change ends sessions and leaves keys: keys are revoked one by one.
    pub epoch: u32,
}

/// What is known of a presented key.
#[derive(Debug, Clone)]
pub enum KeyLookup {
    /// Valid now.
    Known(Arc<KnownKey>),
    /// Revoked, expired, or the secret is another: refuse, do not ask the store.
    Refused,
    /// Not remembered: ask the store, then [`KnownKeys::insert`].
    Unknown,
}

#[derive(Clone)]
enum Slot {
    Live(Arc<KnownKey>),
    Revoked,
}

/// The bounded memory of keys. Cheap to clone.
#[derive(Clone)]
pub struct KnownKeys {
    slots: Cache<KeyId, Slot>,
}

impl KnownKeys {
    /// Remembers at most `len_max` keys ([`KNOWN_KEYS_LEN_MAX`] by default).
    pub fn new(len_max: u64) -> Self {
        Self { slots: Cache::builder().max_capacity(len_max).build() }
    }

    /// What is known of that key at `now`. The hash is compared in constant time.
    pub fn find(&self, presented: &PresentedKey, now: UnixSeconds) -> KeyLookup {
        match self.slots.get(&presented.id) {
            None => KeyLookup::Unknown,
            Some(Slot::Live(key)) if key.is_valid(presented, now) => KeyLookup::Known(key),
            Some(_) => KeyLookup::Refused,
        }
    }

    /// Remembers a key that the store gave; the caller checks it with [`KnownKey::is_valid`] as well. A key revoked while
    /// the store was asked stays revoked.
    pub fn insert(&self, key: KnownKey) {
        let key = Arc::new(key);
        self.slots.entry(key.id).and_compute_with(|slot| match slot.map(moka::Entry::into_value) {
            Some(Slot::Revoked) => Op::Nop,
            _ => Op::Put(Slot::Live(Arc::clone(&key))),
        });
    }

    /// The key is void from now on.
    pub fn revoke(&self, id: KeyId) {
        self.slots.insert(id, Slot::Revoked);
    }

    /// Every remembered key of the account is void from now on. Walks all of them: for an operator's or owner's act.
    pub fn revoke_account(&self, account: AccountId) {
        for (id, slot) in &self.slots {
            if matches!(slot, Slot::Live(key) if key.account == account) {
                self.revoke(*id);
            }
        }
    }

    /// How many are remembered, roughly.
    pub fn len(&self) -> u64 {
        self.slots.entry_count()
    }

    /// True if none is remembered, roughly.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for KnownKeys {
    fn default() -> Self {
        Self::new(KNOWN_KEYS_LEN_MAX)
    }
}

impl std::fmt::Debug for KnownKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownKeys").field("len", &self.len()).finish()
    }
}

impl KnownKey {
    /// True if `presented` is this key and its time is not over.
    pub fn is_valid(&self, presented: &PresentedKey, now: UnixSeconds) -> bool {
        let is_same = bool::from(self.hash.ct_eq(&presented.hash));
        is_same && self.id == presented.id && self.expires.is_none_or(|expires| now < expires)
    }

    /// True if the key may ask for that model.
    pub fn may_use_model(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|one| **one == *model))
    }
}
