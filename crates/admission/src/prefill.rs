//! How fast an engine takes prompts up, learnt from its answers; and how many of strangers' prompt tokens may therefore be on their way.
//!
//! A prompt's first token comes after everything before it was read and it was itself: so the quickest answers, per token and beyond what
//! every answer takes, tell the engine's speed from below. The estimate follows the quickest and fades slowly.
//!
//! What must stay true: only strangers are held back by it; what is not known yet is guessed low enough for a slow engine.

use rempart_domain::Millis;

use crate::pace::{to_f64, to_u64};

/// Prompts shorter than this say nothing of the speed.
const TOKENS_MIN: u64 = 64;

/// Nor do first tokens that come this soon after the soonest: the prompt's part in them is lost in the step's.
const MS_MIN: u64 = 20;

/// The estimate falls by half in this time, unless something confirms it.
const HALF_LIFE_MS: f64 = 600_000.0;

/// What may be on its way is what the engine takes up in this time.
const BURST_MS: f64 = 500.0;

/// Never less than this.
const BURST_TOKENS_MIN: u64 = 512;

/// Before anything is known.
const BURST_TOKENS_GUESS: u64 = 4_096;

/// The learnt speed of one engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct PrefillPace {
    /// Tokens a millisecond, and when it was confirmed.
    speed: Option<(f64, Millis)>,
    /// What the soonest first token takes, in milliseconds; rises slowly, so that an engine that moved away is learnt anew.
    soonest_ms: Option<f64>,
}

impl PrefillPace {
    /// A prompt of `tokens` had its first token after `took`.
    pub fn observe(&mut self, now: Millis, tokens: u64, took: Millis) {
        let soonest = self.soonest_ms.map_or(to_f64(took.0), |soonest| (soonest * 1.001).min(to_f64(took.0)));
        self.soonest_ms = Some(soonest);
        let beyond = to_f64(took.0) - soonest;
        if tokens < TOKENS_MIN || beyond < to_f64(MS_MIN) {
            return;
        }
        let seen = to_f64(tokens) / beyond;
        if self.at(now).is_none_or(|speed| seen >= speed) {
            self.speed = Some((seen, now));
        }
    }

    /// Prompt tokens of strangers that may be between start and first byte, as a part of this.
    pub fn burst(&self, now: Millis) -> u64 {
        let Some(speed) = self.at(now) else { return BURST_TOKENS_GUESS };
        to_u64(speed * BURST_MS).max(BURST_TOKENS_MIN)
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
        assert_eq!(pace.burst(Millis(0)), BURST_TOKENS_GUESS);
        pace.observe(Millis(0), 10, Millis(100));
        pace.observe(Millis(0), 5_000, Millis(5_100));
        pace.observe(Millis(0), 5_000, Millis(600));
        pace.observe(Millis(0), 5_000, Millis(2_100));
        let near = |tokens: u64, wanted: u64| tokens.abs_diff(wanted) * 50 < wanted;
        assert!(near(pace.burst(Millis(0)), 5_000), "{}", pace.burst(Millis(0)));
        assert!(near(pace.burst(Millis(600_000)), 2_500));
    }

    #[test]
    fn an_engine_that_is_far_away_is_not_taken_for_a_slow_one() {
        let mut pace = PrefillPace::default();
        for n in 0..50 {
            pace.observe(Millis(0), 300, Millis(900 + n * 7 % 60));
        }
        assert!(pace.burst(Millis(0)) > 3_000, "{}", pace.burst(Millis(0)));
    }

    #[test]
    fn short_prompts_say_nothing_of_the_speed() {
        let mut pace = PrefillPace::default();
        pace.observe(Millis(0), 12, Millis(10));
        pace.observe(Millis(0), 12, Millis(400));
        assert_eq!(pace.burst(Millis(0)), BURST_TOKENS_GUESS);
    }
}
