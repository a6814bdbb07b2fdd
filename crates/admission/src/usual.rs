//! What members usually ask, learnt on calm days; and what is many times as much: heavy.
//!
//! Whoever was bought, stolen or patient has a member's standing, asks for what holds the engine longest, and leaves the others no moment
//! to begin, although none of them takes more than a fair part: a fair order is no help when every place is taken for seconds. So what is
//! heavy starts behind everybody who asks the usual; and in an incident, or while those have to wait, the reserve is for them: beside what
//! members usually have running of it, heavy requests have the part that is left to strangers, before these.
//!
//! What must stay true: nothing is learnt while an incident is open; one request moves the mean by a bounded part, however large it is.

use rempart_domain::Millis;

use crate::pace::{to_f64, to_u64};
use crate::share::Amount;

/// Weight of one request in the means.
const WEIGHT: f64 = 1.0 / 256.0;

/// Requests seen before anything is called heavy.
const LEARNT_AFTER: u32 = 32;

/// A request counts in the means as at most so many times the mean.
const OUTLIER_TIMES: f64 = 4.0;

/// Half of what was learnt of heavy requests running is forgotten in this time.
const HALF_LIFE_MS: f64 = 600_000.0;

/// As if so much of the past had been without any: a minute's worth, so that the first seconds of an attack do not become usual.
const DOUBT: f64 = 0.067;

/// What may run in an incident: so many times what usually did.
const ALLOWED_TIMES: f64 = 2.0;

/// Means of a resource's members.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usual {
    input: f64,
    output: f64,
    seen: u32,
    /// Heavy requests running, as a fading mean over time: sequences, KV tokens.
    running: (f64, f64),
    /// How much of the past those means speak for, 0 to 1.
    spoken_for: f64,
    at: Millis,
}

impl Usual {
    /// A member's request ended on a calm day.
    pub(crate) fn learn(&mut self, input: u64, output: u64) {
        self.seen = self.seen.saturating_add(1);
        let weight = WEIGHT.max(1.0 / f64::from(self.seen));
        let is_known = self.is_known();
        let toward = |mean: &mut f64, value: f64| {
            let value = if is_known { value.min(mean.max(1.0) * OUTLIER_TIMES) } else { value };
            *mean += (value - *mean) * weight;
        };
        toward(&mut self.input, to_f64(input));
        toward(&mut self.output, to_f64(output));
    }

    /// So much of heavy requests ran from the last call until now, on a calm day.
    pub(crate) fn learn_running(&mut self, now: Millis, held: Amount) {
        let elapsed = to_f64(now.since(self.at).0);
        self.at = self.at.max(now);
        let part = 1.0 - (-elapsed / HALF_LIFE_MS).exp2();
        self.running.0 += (to_f64(held.sequences) - self.running.0) * part;
        self.running.1 += (to_f64(held.kv) - self.running.1) * part;
        self.spoken_for += (1.0 - self.spoken_for) * part;
    }

    /// Time passed that nothing is learnt from.
    pub(crate) fn skip_to(&mut self, now: Millis) {
        self.at = self.at.max(now);
    }

    /// Whether a request of `input` and an expected `output` is `times` what members usually ask, in either.
    pub(crate) fn is_heavy(&self, input: u64, output: u64, times: u32) -> bool {
        let over = |value: u64, mean: f64| to_f64(value) > mean.max(1.0) * f64::from(times);
        times > 0 && self.is_known() && (over(input, self.input) || over(output, self.output))
    }

    /// An answer is long from here on: `times` what members usually get. `None` if that is not known.
    pub(crate) fn long_output(&self, times: u32) -> Option<u64> {
        (times > 0 && self.is_known()).then(|| to_u64(self.output.max(1.0) * f64::from(times)))
    }

    /// What heavy requests of members may hold in an incident beside the strangers' share.
    pub(crate) fn allowance(&self) -> Amount {
        let of = |mean: f64| to_u64((mean / (self.spoken_for + DOUBT).min(1.0) * ALLOWED_TIMES).round());
        let sequences = of(self.running.0);
        // Prompts are taken up in turn; what is allowed to run may be read.
        Amount { sequences, kv: of(self.running.1), prefill: if sequences == 0 { 0 } else { u64::MAX / 4 } }
    }

    const fn is_known(&self) -> bool {
        self.seen >= LEARNT_AFTER
    }
}
