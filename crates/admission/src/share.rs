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
    /// How a loan is called in.
    pub revocation: Revocation,
    /// In which dimensions the share binds: all, but for comparisons.
    pub dimensions: Dimensions,
}

/// How far a borrower can be made to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revocation {
    /// Not at all: work that is short and cannot be stopped, such as hashing.
    Never,
    /// Until it has sent a byte: nobody sees it.
    BeforeFirstByte,
    /// Its stream may be ended too, politely and with a continuation.
    Streams,
}

/// The dimensions in which a share binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions {
    /// Generations at once.
    pub sequences: bool,
    /// KV tokens.
    pub kv_tokens: bool,
    /// Prompt tokens before the first byte.
    pub prefill_tokens: bool,
}

impl Dimensions {
    /// Whichever binds first holds.
    pub const ALL: Self = Self { sequences: true, kv_tokens: true, prefill_tokens: true };
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
            revocation: Revocation::Streams,
            dimensions: Dimensions::ALL,
        }
    }
}

impl Shares {
    /// The same shares in every posture.
    pub fn constant(share: Share) -> Self {
        Self { by_posture: [share; 4], ..Self::default() }
    }

    /// `percent` of a capacity, where the share binds.
    pub(crate) fn part(&self, capacity: Capacity, percent: u8) -> Amount {
        let part = Amount::of(capacity).percent(percent);
        let binding = |is_bound: bool, part: u64| if is_bound { part } else { u64::MAX };
        Amount {
            sequences: binding(self.dimensions.sequences, part.sequences),
            kv: binding(self.dimensions.kv_tokens, part.kv),
            prefill: binding(self.dimensions.prefill_tokens, part.prefill),
        }
    }

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
