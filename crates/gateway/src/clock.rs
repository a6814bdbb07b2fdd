//! Two clocks: a monotonic one for intervals, and the date. The date is anchored at the start and only slewed, so that a wall clock
//! that jumps ends no session.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rempart_domain::{Millis, UnixMillis, UnixSeconds};

/// How far one slewing step moves the date towards the wall clock, in milliseconds.
const SLEW_STEP_MS: i64 = 50;

/// The clocks of the platform.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// Unix milliseconds at `started`, as slewed since.
    anchor_ms: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::start()
    }
}

impl Clock {
    /// Anchors the date at the wall clock of now.
    pub fn start() -> Self {
        Self { started: Instant::now(), anchor_ms: AtomicI64::new(wall_ms()) }
    }

    /// Monotonic time since the start.
    pub fn now(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The date.
    pub fn date(&self) -> UnixMillis {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        UnixMillis(self.anchor_ms.load(Ordering::Relaxed).saturating_add(elapsed))
    }

    /// Both at once: one look at the system's clock.
    pub fn both(&self) -> (Millis, UnixMillis) {
        let now = self.now();
        let elapsed = i64::try_from(now.0).unwrap_or(i64::MAX);
        (now, UnixMillis(self.anchor_ms.load(Ordering::Relaxed).saturating_add(elapsed)))
    }

    /// The date, in seconds.
    pub fn seconds(&self) -> UnixSeconds {
        self.date().seconds()
    }

    /// Moves the date one small step towards the wall clock; called once a second. A jump of an hour takes 20 hours.
    pub fn slew(&self) {
        let ahead = wall_ms().saturating_sub(self.date().0);
        self.anchor_ms.fetch_add(ahead.clamp(-SLEW_STEP_MS, SLEW_STEP_MS), Ordering::Relaxed);
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
