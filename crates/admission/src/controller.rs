//! How much of an engine's capacity is used: a budget that shrinks when tokens come slowly or the engine queues, and grows back.
//!
//! Fed by the time between tokens, not by round trips: those are long because answers are long. The decrease is proportional to the
//! overshoot (Breakwater, OSDI'20), the increase a small step. A window with too few samples decides nothing, nor does one in which
//! the budget was not used. When the engine's own figures go stale the last good budget is held, then a static safe one: neither a
//! halt nor a free-for-all.
//!
//! What must stay true: the budget stays between its bounds whatever is fed in.

use rempart_domain::Millis;

use crate::pace::{to_f64, to_u64};
use crate::types::Capacity;

/// Times the gap of a half idle engine that is too slow: batches are slower than one alone.
const USUAL_TIMES: f64 = 4.0;

/// Windows over which what is usual is learnt.
const USUAL_WINDOWS: f64 = 600.0;

const BUCKETS: usize = 64;

/// Buckets an octave: each is 19 % wider than the one before.
const BUCKETS_PER_OCTAVE: f64 = 4.0;

/// The bounds and targets of a controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControllerLimits {
    /// What the engine says it can hold: the budget's upper end.
    pub nominal: Capacity,
    /// Time between tokens that nine of ten should stay under; but never less than three times what is usual for the engine.
    pub token_gap_target: Millis,
    /// Requests the engine may hold back.
    pub waiting_target: u32,
    /// Percent of KV tokens in use that is full enough.
    pub kv_percent_target: u8,
    /// Decides once in this time.
    pub window: Millis,
    /// Fewer token gaps in a window say nothing.
    pub samples_min: u32,
    /// Least budget, in percent of nominal.
    pub budget_percent_min: u8,
    /// The budget when nothing is known for long, in percent of nominal.
    pub budget_percent_safe: u8,
    /// A reading of the engine older than this is stale.
    pub fresh_for: Millis,
    /// The last good budget is held this long after readings went stale.
    pub hold_for: Millis,
}

impl ControllerLimits {
    /// Defaults for an engine of this capacity.
    pub const fn new(nominal: Capacity) -> Self {
        Self {
            nominal,
            token_gap_target: Millis(200),
            waiting_target: 2,
            kv_percent_target: 90,
            window: Millis(1_000),
            samples_min: 20,
            budget_percent_min: 10,
            budget_percent_safe: 50,
            fresh_for: Millis(2_000),
            hold_for: Millis(5_000),
        }
    }
}

/// What an engine says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Requests it holds back.
    pub waiting: u32,
    /// KV tokens in use.
    pub kv_tokens_used: u64,
}

/// What the budget rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Measurements.
    Measured,
    /// The last measurements, gone stale.
    Held,
    /// Nothing: the static safe budget.
    Safe,
}

/// The budget of one engine.
#[derive(Debug)]
pub struct Controller {
    limits: ControllerLimits,
    /// Part of nominal, 0 to 1.
    budget: f64,
    basis: Basis,
    gaps: [u32; BUCKETS],
    gaps_total: u32,
    /// The middle gap of windows in which the engine was half idle, as a slowly fading mean, in milliseconds.
    usual_gap_ms: Option<f64>,
    in_flight_max: u32,
    window_from: Millis,
    reading: Option<(Millis, Reading)>,
}

impl Controller {
    /// Starts with the whole capacity.
    pub const fn new(limits: ControllerLimits) -> Self {
        Self {
            limits,
            budget: 1.0,
            basis: Basis::Measured,
            gaps: [0; BUCKETS],
            gaps_total: 0,
            usual_gap_ms: None,
            in_flight_max: 0,
            window_from: Millis(0),
            reading: None,
        }
    }

    /// The time between two tokens of one stream.
    pub fn observe_gap(&mut self, gap: Millis) {
        let at = bucket_of(gap).min(BUCKETS - 1);
        if let Some(count) = self.gaps.get_mut(at) {
            *count = count.saturating_add(1);
            self.gaps_total = self.gaps_total.saturating_add(1);
        }
    }

    /// A fresh reading of the engine. An engine that never tells is judged by its token gaps alone.
    pub const fn observe_reading(&mut self, now: Millis, reading: Reading) {
        self.reading = Some((now, reading));
    }

    /// How many run now: a budget that was not used is not raised.
    pub fn observe_in_flight(&mut self, in_flight: u32) {
        self.in_flight_max = self.in_flight_max.max(in_flight);
    }

    /// Decides at the end of a window: the new capacity if it changed.
    pub fn tick(&mut self, now: Millis) -> Option<Capacity> {
        if now.since(self.window_from) < self.limits.window {
            return None;
        }
        let before = self.capacity();
        self.decide(now);
        self.window_from = now;
        self.gaps = [0; BUCKETS];
        self.gaps_total = 0;
        self.in_flight_max = 0;
        let after = self.capacity();
        (after != before).then_some(after)
    }

    /// The budget as a capacity.
    pub fn capacity(&self) -> Capacity {
        let nominal = self.limits.nominal;
        let part = |n: u64| if n == u64::MAX { n } else { to_u64(to_f64(n) * self.budget).max(1).min(n) };
        let sequences = u32::try_from(part(u64::from(nominal.sequences))).unwrap_or(nominal.sequences);
        Capacity { sequences, kv_tokens: part(nominal.kv_tokens), prefill_tokens: part(nominal.prefill_tokens) }
    }

    /// What the budget rests on.
    pub const fn basis(&self) -> Basis {
        self.basis
    }

    /// The engine restarted or was replaced: begin anew with the whole of its capacity.
    pub fn reset(&mut self, now: Millis, nominal: Capacity) {
        *self = Self { window_from: now, ..Self::new(ControllerLimits { nominal, ..self.limits }) };
    }

    fn decide(&mut self, now: Millis) {
        let limits = self.limits;
        self.learn_gap();
        let age = self.reading.map(|(at, _)| now.since(at));
        if age.is_some_and(|age| age > limits.fresh_for + limits.hold_for) {
            self.basis = Basis::Safe;
            self.budget = self.budget.min(f64::from(limits.budget_percent_safe) / 100.0);
            self.bound();
            return;
        }
        if age.is_some_and(|age| age > limits.fresh_for) {
            self.basis = Basis::Held;
            return;
        }
        self.basis = Basis::Measured;
        let Some(pressure) = self.pressure() else { return };
        let used = f64::from(self.in_flight_max) >= f64::from(self.capacity().sequences) / 2.0;
        if pressure > 1.0 {
            self.budget *= (1.0 - 0.2 * (pressure - 1.0)).max(0.5);
        } else if used {
            self.budget += 0.02;
        }
        self.bound();
    }

    /// How far the worst figure is over its target: 1 is on it. `None`: nothing measured.
    fn pressure(&self) -> Option<f64> {
        let limits = &self.limits;
        let gaps = (self.gaps_total >= limits.samples_min).then(|| to_f64(self.gap_at(9).0) / self.gap_target_ms());
        let reading = self.reading.map(|(_, reading)| {
            let waiting = f64::from(reading.waiting) / f64::from(limits.waiting_target.max(1));
            let full = to_f64(limits.nominal.kv_tokens) * f64::from(limits.kv_percent_target) / 100.0;
            waiting.max(to_f64(reading.kv_tokens_used) / full.max(1.0))
        });
        match (gaps, reading) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }

    /// An engine that is slow by nature is not taken for one that is overloaded.
    fn gap_target_ms(&self) -> f64 {
        let usual = self.usual_gap_ms.unwrap_or(0.0);
        to_f64(self.limits.token_gap_target.0.max(1)).max(usual * USUAL_TIMES)
    }

    fn learn_gap(&mut self) {
        let is_half_idle = f64::from(self.in_flight_max) <= f64::from(self.limits.nominal.sequences) / 2.0;
        if is_half_idle && self.gaps_total >= self.limits.samples_min {
            let middle = to_f64(self.gap_at(5).0);
            let usual = self.usual_gap_ms.get_or_insert(middle);
            *usual += (middle - *usual) / USUAL_WINDOWS;
        }
    }

    /// The gap that so many tenths stay under.
    fn gap_at(&self, tenths: u64) -> Millis {
        let wanted = u64::from(self.gaps_total) * tenths / 10;
        let mut sum = 0;
        for (at, count) in self.gaps.iter().enumerate() {
            sum += u64::from(*count);
            if sum > wanted {
                return bound_of(at);
            }
        }
        bound_of(BUCKETS - 1)
    }

    fn bound(&mut self) {
        let least = f64::from(self.limits.budget_percent_min) / 100.0;
        self.budget = self.budget.clamp(least.clamp(0.01, 1.0), 1.0);
    }
}

fn bucket_of(gap: Millis) -> usize {
    let octaves = to_f64(gap.0.max(1)).log2();
    usize::try_from(to_u64(octaves * BUCKETS_PER_OCTAVE)).unwrap_or(BUCKETS)
}

/// The middle of a bucket.
fn bound_of(bucket: usize) -> Millis {
    let octaves = (to_f64(bucket as u64) + 0.5) / BUCKETS_PER_OCTAVE;
    Millis(to_u64(octaves.exp2().round()))
}
