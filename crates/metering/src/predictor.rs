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
        let mut below = 0.0;
        for (i, w) in self.weights.iter().take(BUCKETS - 1).enumerate() {
            if below + w >= 0.9 {
                // Within the bucket, answers are taken to be spread evenly: its bound alone would reserve up to twice too much.
                let (least, most) = (if i == 0 { 0 } else { bound(i - 1) }, bound(i));
                let part = f64::from((0.9 - below) / w.max(f32::MIN_POSITIVE));
                return Some(TokenCount(between(least, most, part)));
            }
            below += w;
        }
        None
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bounds of u32")]
fn between(least: u32, most: u32, part: f64) -> u32 {
    (f64::from(least) + f64::from(most - least) * part.clamp(0.0, 1.0)).ceil() as u32
}

fn bound(bucket: usize) -> u32 {
    FIRST_BOUND.checked_shl(u32::try_from(bucket).unwrap_or(u32::MAX)).unwrap_or(u32::MAX)
}
