//! The gate's level as the platform shares it: decided by one, read by all, set by operators.
//!
//! What must stay true: reading takes no lock; a level set by hand is in the store before it is here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use rempart_domain::{GateLevel, Millis, UnixSeconds};

use super::control::{Control, ControlLimits, Override, Published, Readings};

/// The setting of the store that keeps a level set by hand.
pub const OVERRIDE_SETTING: &str = "gate_override";

/// The control loop and what it published last.
#[derive(Debug)]
pub struct GateState {
    control: Mutex<Control>,
    published: ArcSwap<Published>,
    line_len: AtomicU64,
    line_eta_ms: AtomicU64,
}

impl GateState {
    /// Starts at rest. `configured` is a fixed level, or `None` for auto.
    pub fn new(limits: ControlLimits, configured: Option<GateLevel>) -> Arc<Self> {
        let control = Control::new(limits, configured);
        let published = ArcSwap::from_pointee(control.published(UnixSeconds(0)));
        Arc::new(Self {
            control: Mutex::new(control),
            published,
            line_len: AtomicU64::new(0),
            line_eta_ms: AtomicU64::new(0),
        })
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The set-point now.
    pub fn published(&self) -> Published {
        **self.published.load()
    }

    /// Who waits, and how long somebody would who came now.
    pub fn line(&self) -> (u64, Millis) {
        (self.line_len.load(Ordering::Relaxed), Millis(self.line_eta_ms.load(Ordering::Relaxed)))
    }

    /// Notes them.
    pub fn set_line(&self, len: u64, eta: Millis) {
        self.line_len.store(len, Ordering::Relaxed);
        self.line_eta_ms.store(eta.0, Ordering::Relaxed);
    }

    /// Sets a level by hand, or takes it back; counts at once.
    pub fn set_override(&self, by_hand: Option<Override>, date: UnixSeconds) -> Published {
        let mut control = self.control();
        control.set_override(by_hand);
        let published = control.published(date);
        self.published.store(Arc::new(published));
        published
    }

    /// Takes the figures of the last second.
    pub fn tick(&self, now: Millis, date: UnixSeconds, readings: &Readings) -> Published {
        let mut control = self.control();
        let published = control.tick(now, date, readings);
        self.published.store(Arc::new(published));
        published
    }
}
