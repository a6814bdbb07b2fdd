//! How long an account's answers usually are: eight logarithmic buckets with fading weights.

use rempart_domain::TokenCount;

const BUCKETS: usize = 8;

/// Upper bound of the first bucket, in tokens; each next one is twice as wide, the last has no bound.
const FIRST_BOUND: u32 = 32;

/// Weight of a new answer.
const WEIGHT: f32 = 1.0 / 16.0;

/// Answers before the prediction is used.
const LEARNT_AFTER: u8 = 4;

/// A fading histogram of answer lengths; 33 bytes, whatever the account does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predictor {
    weights: [f32; BUCKETS],
    seen: u8,
}

impl Default for Predictor {
    fn default() -> Self {
        Self { weights: [0.0; BUCKETS], seen: 0 }
    }
}

impl Predictor {
    /// Learns one answer.
    pub fn observe(&mut self, output: TokenCount) {
        let bucket = (0..BUCKETS - 1).find(|&i| output.0 <= bound(i)).unwrap_or(BUCKETS - 1);
        // The first answers weigh alike, so that the weights sum to one from the first on.
        let weight = WEIGHT.max(1.0 / (f32::from(self.seen) + 1.0));
        for (i, w) in self.weights.iter_mut().enumerate() {
            *w *= 1.0 - weight;
            if i == bucket {
                *w += weight;
            }
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// Nine of ten answers stay under this. `None` before enough was seen, or when the answer has no bound.
    pub fn p90(&self) -> Option<TokenCount> {
        if self.seen < LEARNT_AFTER {
            return None;
        }
        let mut sum = 0.0;
        for (i, w) in self.weights.iter().take(BUCKETS - 1).enumerate() {
            sum += w;
            if sum >= 0.9 {
                return Some(TokenCount(bound(i)));
            }
        }
        None
    }
}

fn bound(bucket: usize) -> u32 {
    FIRST_BOUND.checked_shl(u32::try_from(bucket).unwrap_or(u32::MAX)).unwrap_or(u32::MAX)
}
