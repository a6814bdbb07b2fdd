//! Units: a number without its unit does not cross a crate.

use std::ops::{Add, AddAssign, Sub};

/// Milliseconds on a monotonic clock, or a length of time; never a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// From seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Time since `earlier`; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// As a standard duration.
    pub const fn to_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl Add for Millis {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A date and time, in seconds since 1970 UTC; wall clock, so never for intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixSeconds(pub i64);

/// A date and time, in milliseconds since 1970 UTC; wall clock, so never for intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Cut to whole seconds.
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.div_euclid(1000))
    }

    /// The UTC day it falls in.
    pub const fn day(self) -> Day {
        self.seconds().day()
    }
}

impl UnixSeconds {
    /// The UTC day it falls in; before 1970 is day 0, after 2149 the last day of the field.
    pub const fn day(self) -> Day {
        let days = self.0.div_euclid(86_400);
        if days < 0 {
            Day(0)
        } else if days > u16::MAX as i64 {
            Day(u16::MAX)
        } else {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
            Day(days as u16)
        }
    }
}

/// Days since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Day(pub u16);

/// A number of units of model text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TokenCount(pub u32);

impl Add for TokenCount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for TokenCount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for TokenCount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// What a generation cost, in tokens, as the engine counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The whole prompt.
    pub input: TokenCount,
    /// The answer, reasoning included.
    pub output: TokenCount,
    /// Of `output`: reasoning.
    pub reasoning: TokenCount,
    /// Of `input`: found in the prefix cache.
    pub cached_input: TokenCount,
}
