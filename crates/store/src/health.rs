//! Whether the store can be used, as its own work has shown it.
//!
//! What must stay true: reading it is one atomic load; only a change of state is logged, with its cause, so an outsider cannot fill
//! the log; a state that forbids work lets a trial through every second, so that it ends by itself.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Outage, outage_of};
use crate::{StoreError, StoreHealth};

/// While down, one call in this time goes through to see whether it still is.
const TRIAL_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Health {
    state: AtomicU8,
    started: Instant,
    last_trial_ms: AtomicU64,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(0), started: Instant::now(), last_trial_ms: AtomicU64::new(0) }
    }

    pub(crate) fn get(&self) -> StoreHealth {
        match self.state.load(Ordering::Relaxed) {
            0 => StoreHealth::Ok,
            1 => StoreHealth::ReadOnly,
            _ => StoreHealth::Down,
        }
    }

    /// Sets the state; true if it changed.
    fn set(&self, state: StoreHealth) -> bool {
        let code = match state {
            StoreHealth::Ok => 0,
            StoreHealth::ReadOnly => 1,
            StoreHealth::Down => 2,
        };
        self.state.swap(code, Ordering::Relaxed) != code
    }

    pub(crate) fn note_error(&self, error: &sqlx::Error) {
        let state = match outage_of(error) {
            Some(Outage::ReadOnly) => StoreHealth::ReadOnly,
            Some(Outage::Down) => StoreHealth::Down,
            _ => return,
        };
        if self.set(state) {
            tracing::error!(store.health = ?state, error = %error, "store takes no writes");
        }
    }

    /// Whatever a database says instead of giving a connection, it cannot be used.
    pub(crate) fn note_unreachable(&self, error: &sqlx::Error) -> StoreError {
        let outage = outage_of(error).unwrap_or(Outage::Down);
        if outage == Outage::Down && self.set(StoreHealth::Down) {
            tracing::error!(store.health = ?StoreHealth::Down, error = %error, "store cannot be reached");
        }
        StoreError::Unavailable(outage)
    }

    pub(crate) fn note_down(&self, why: &'static str) {
        if self.set(StoreHealth::Down) {
            tracing::error!(store.health = ?StoreHealth::Down, why, "store takes no writes");
        }
    }

    pub(crate) fn note_write(&self) {
        if self.set(StoreHealth::Ok) {
            tracing::info!(store.health = ?StoreHealth::Ok, "store takes writes again");
        }
    }

    /// A read that works while nothing else was known to.
    pub(crate) fn note_read(&self) {
        if self.get() == StoreHealth::Down && self.set(StoreHealth::ReadOnly) {
            tracing::info!(store.health = ?StoreHealth::ReadOnly, "store answers reads again");
        }
    }

    /// False while down, but for one trial each [`TRIAL_EVERY`].
    pub(crate) fn may_try(&self) -> bool {
        if self.get() != StoreHealth::Down {
            return true;
        }
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.last_trial_ms.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(last) >= u64::try_from(TRIAL_EVERY.as_millis()).unwrap_or(u64::MAX);
        is_due && self.last_trial_ms.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
