//! How fast a group is served, measured while somebody waits; and the jitter of `Retry-After`.

use rempart_domain::Millis;

use crate::table::mix;

/// What was measured this long ago counts half.
const HALF_LIFE_MS: f64 = 5_000.0;

/// Less waiting than this measures nothing.
const BUSY_MS_MIN: f64 = 500.0;

/// Starts a millisecond of waiting. Time without a queue is not counted: then starts tell how many came, not how many could.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    starts: f64,
    busy_ms: f64,
    at: Millis,
}

impl Pace {
    /// Time has passed; `is_busy` says whether somebody waited meanwhile.
    pub(crate) fn pass(&mut self, now: Millis, is_busy: bool) {
        let elapsed = now.since(self.at).0;
        self.at = self.at.max(now);
        if elapsed > 0 && is_busy {
            let elapsed = to_f64(elapsed);
            let fade = (-elapsed / HALF_LIFE_MS).exp2();
            self.starts *= fade;
            self.busy_ms = self.busy_ms * fade + elapsed;
        }
    }

    /// A waiter started.
    pub(crate) fn count_start(&mut self) {
        self.starts += 1.0;
    }

    /// The resource changed so much that what was measured says nothing.
    pub(crate) fn forget(&mut self) {
        self.starts = 0.0;
        self.busy_ms = 0.0;
    }

    /// Time until `turns` more have started. `None` before enough was measured.
    pub(crate) fn time_for(&self, turns: u64) -> Option<Millis> {
        if self.busy_ms < BUSY_MS_MIN {
            return None;
        }
        // Half a start more than was seen: a group that nobody of was served yet has a long wait, not an endless one.
        let ms = to_f64(turns) * self.busy_ms / (self.starts + 0.5);
        Some(Millis(to_u64(ms)))
    }
}

/// A seeded spread, so that the refused do not come back together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Between 75 and 125 percent of `time`, within 1 s and `most`.
    pub(crate) fn spread(&mut self, time: Millis, most: Millis) -> Millis {
        self.0 = self.0.wrapping_add(1);
        let percent = 75 + mix(self.0) % 51;
        // What would pass the most is spread below it, or all of it would come back at that moment.
        let most = most.0.max(1_000);
        let time = time.0.clamp(1_334, (most / 5 * 4).max(1_334));
        Millis((time.saturating_mul(percent) / 100).min(most))
    }
}

/// Exact up to 2^53: no time or number here comes near.
#[allow(clippy::cast_precision_loss, reason = "times and counts stay far below 2^53")]
pub(crate) const fn to_f64(number: u64) -> f64 {
    number as f64
}

/// Saturating; what is no number is 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates and maps NaN to 0")]
pub(crate) const fn to_u64(number: f64) -> u64 {
    number as u64
}
