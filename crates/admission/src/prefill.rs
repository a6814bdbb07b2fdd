//! How fast an engine takes prompts up, learnt from its answers; and how many prompt tokens may therefore be on their way at once.
//!
//! A prompt's first token comes after everything before it was read and it was itself: so the quickest answers, per token, tell the
//! engine's speed from below. The estimate follows the quickest and fades slowly. Short prompts tell nothing: their time is the step's.
//!
//! What must stay true: an engine of which nothing is known is not held back.

use rempart_domain::Millis;

use crate::pace::{to_f64, to_u64};

/// Prompts shorter than this say nothing of the speed.
const TOKENS_MIN: u64 = 64;

/// First tokens quicker than this say nothing either: the prompt's part in them is lost in the step's.
const MS_MIN: u64 = 20;

/// The estimate falls by half in this time, unless something confirms it.
const HALF_LIFE_MS: f64 = 600_000.0;

/// What may be on its way is what the engine takes up in this time.
const BURST_MS: f64 = 500.0;

/// And never less than this.
const BURST_TOKENS_MIN: u64 = 512;

/// The learnt speed of one engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct PrefillPace {
    /// Tokens a millisecond, and when it was confirmed.
    speed: Option<(f64, Millis)>,
}

impl PrefillPace {
    /// A prompt of `tokens` had its first token after `took`.
    pub fn observe(&mut self, now: Millis, tokens: u64, took: Millis) {
        if tokens < TOKENS_MIN || took.0 < MS_MIN {
            return;
        }
        let seen = to_f64(tokens) / to_f64(took.0);
        if self.at(now).is_none_or(|speed| seen >= speed) {
            self.speed = Some((seen, now));
        }
    }

    /// Prompt tokens that may be between start and first byte; `most` before anything is known.
    pub fn burst(&self, now: Millis, most: u64) -> u64 {
        let Some(speed) = self.at(now) else { return most };
        to_u64(speed * BURST_MS).max(BURST_TOKENS_MIN).min(most)
    }

    fn at(&self, now: Millis) -> Option<f64> {
        let (speed, confirmed) = self.speed?;
        Some(speed * (-to_f64(now.since(confirmed).0) / HALF_LIFE_MS).exp2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_quickest_and_fades() {
        let mut pace = PrefillPace::default();
        assert_eq!(pace.burst(Millis(0), 30_000), 30_000, "nothing known, nothing held back");
        pace.observe(Millis(0), 5_000, Millis(5_000));
        pace.observe(Millis(0), 5_000, Millis(500));
        pace.observe(Millis(0), 5_000, Millis(2_000));
        assert_eq!(pace.burst(Millis(0), 30_000), 5_000);
        assert_eq!(pace.burst(Millis(600_000), 30_000), 2_500);
        pace.observe(Millis(600_000), 3_000, Millis(500));
        assert_eq!(pace.burst(Millis(600_000), 30_000), 3_000);
    }

    #[test]
    fn short_prompts_and_quick_answers_say_nothing() {
        let mut pace = PrefillPace::default();
        pace.observe(Millis(0), 12, Millis(400));
        pace.observe(Millis(0), 5_000, Millis(5));
        assert_eq!(pace.burst(Millis(0), 30_000), 30_000);
    }
}
