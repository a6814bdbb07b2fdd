//! How capacity is split between members and the rest, by posture.
//!
//! What must stay true: what strangers hold beyond their share is borrowed, and goes back when a member waits.

use rempart_domain::{Posture, TokenCount};

use crate::types::Capacity;

/// What a posture leaves to strangers, in percent of each dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Newcomers and visitors together. Members keep the rest whatever happens.
    pub strangers_percent: u8,
    /// Visitors alone, within the above.
    pub visitors_percent: u8,
    /// Of the members' reserve: what strangers may borrow while it is idle. The rest of it stays empty, so that a member who
    /// arrives starts at once.
    pub borrow_percent: u8,
}

/// The shares of each posture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// By posture, `calm` first.
    pub by_posture: [Share; 4],
    /// Strangers' prompts are taken up in slices of this many tokens a step. None in `calm`.
    pub prefill_slice: TokenCount,
    /// Whether a borrower that has sent bytes may be ended for a member. If not, borrowers are revoked before their first byte only.
    pub streams_yield: bool,
}

impl Default for Shares {
    fn default() -> Self {
        let share = |strangers_percent, visitors_percent, borrow_percent| Share {
            strangers_percent,
            visitors_percent,
            borrow_percent,
        };
        Self {
            by_posture: [share(35, 35, 60), share(35, 15, 0), share(10, 5, 0), share(5, 0, 0)],
            prefill_slice: TokenCount(256),
            streams_yield: true,
        }
    }
}

impl Shares {
    /// The share of a posture.
    pub fn of(&self, posture: Posture) -> Share {
        let [calm, guarded, siege, fortress] = self.by_posture;
        match posture {
            Posture::Calm => calm,
            Posture::Guarded => guarded,
            Posture::Siege => siege,
            Posture::Fortress => fortress,
        }
    }
}

/// Amounts of each dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amount {
    pub(crate) sequences: u64,
    pub(crate) kv: u64,
    pub(crate) prefill: u64,
}

impl Amount {
    pub(crate) fn of(capacity: Capacity) -> Self {
        Self { sequences: u64::from(capacity.sequences), kv: capacity.kv_tokens, prefill: capacity.prefill_tokens }
    }

    /// `percent` of each dimension, rounded down.
    pub(crate) fn percent(self, percent: u8) -> Self {
        let of = |n: u64| u64::try_from(u128::from(n) * u128::from(percent.min(100)) / 100).unwrap_or(n);
        Self { sequences: of(self.sequences), kv: of(self.kv), prefill: of(self.prefill) }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            sequences: self.sequences.saturating_add(other.sequences),
            kv: self.kv.saturating_add(other.kv),
            prefill: self.prefill.saturating_add(other.prefill),
        }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            sequences: self.sequences.saturating_sub(other.sequences),
            kv: self.kv.saturating_sub(other.kv),
            prefill: self.prefill.saturating_sub(other.prefill),
        }
    }

    /// Whether `self` is within `bound` in each dimension.
    pub(crate) fn fits(self, bound: Self) -> bool {
        self.sequences <= bound.sequences && self.kv <= bound.kv && self.prefill <= bound.prefill
    }
}
