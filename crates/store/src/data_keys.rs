//! Data keys in memory: a bounded map that forgets the oldest first.
//!
//! What must stay true: a destroyed key never comes back, even if a reader that fetched it before its destruction puts it here later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use rempart_domain::AccountId;

use crate::seal::DataKey;

#[derive(Debug, Default)]
struct Inner {
    /// `None` marks a destroyed key.
    keys: HashMap<AccountId, Option<Arc<DataKey>>>,
    order: VecDeque<AccountId>,
}

#[derive(Debug)]
pub(crate) struct DataKeys {
    inner: Mutex<Inner>,
    len_max: usize,
}

impl DataKeys {
    pub(crate) fn new(len_max: usize) -> Self {
        Self { inner: Mutex::default(), len_max: len_max.max(1) }
    }

    /// `Some(None)` is a destroyed key, `None` one that is not here.
    pub(crate) fn get(&self, account: AccountId) -> Option<Option<Arc<DataKey>>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).keys.get(&account).cloned()
    }

    /// Keeps a key unless it was destroyed meanwhile; returns what holds.
    pub(crate) fn insert(&self, account: AccountId, key: DataKey) -> Option<Arc<DataKey>> {
        self.keep(account, Some(Arc::new(key)), false)
    }

    pub(crate) fn destroy(&self, account: AccountId) {
        self.keep(account, None, true);
    }

    fn keep(&self, account: AccountId, key: Option<Arc<DataKey>>, replaces: bool) -> Option<Arc<DataKey>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = inner.keys.get_mut(&account) {
            if replaces {
                *held = key;
            }
            return held.clone();
        }
        while inner.order.len() >= self.len_max {
            if let Some(oldest) = inner.order.pop_front() {
                inner.keys.remove(&oldest);
            }
        }
        inner.order.push_back(account);
        inner.keys.insert(account, key.clone());
        key
    }
}
