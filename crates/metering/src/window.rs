//! Budgets over time: a day that begins anew at midnight UTC, and a minute that refills evenly.

use rempart_domain::{Day, Millis, UnixSeconds};

const DAY_SECONDS: i64 = 86_400;
const MINUTE_MS: i128 = 60_000;

/// Now, on both clocks: intervals by the monotonic one, days by the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic.
    pub now: Millis,
    /// Wall clock.
    pub wall: UnixSeconds,
}

impl Moment {
    /// To the next UTC midnight.
    pub fn to_midnight(self) -> Millis {
        let seconds = DAY_SECONDS - self.wall.0.rem_euclid(DAY_SECONDS);
        Millis::from_secs(u64::try_from(seconds).unwrap_or(0))
    }
}

/// One of the `x-ratelimit-*` triples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateWindow {
    /// `x-ratelimit-limit-…`.
    pub limit: u64,
    /// `x-ratelimit-remaining-…`.
    pub remaining: u64,
    /// `x-ratelimit-reset-…`: until the whole limit is there again.
    pub reset: Millis,
}

/// What was spent on a day, or in a span of days. A wall clock that jumps back does not give it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DayWindow {
    pub(crate) day: Day,
    pub(crate) tokens: u64,
    pub(crate) requests: u64,
}

impl DayWindow {
    /// Begins anew with the next span of `days` days; with 0 never.
    pub(crate) fn roll(&mut self, at: Moment, days: u16) {
        let day = first_day(at.wall.day(), days);
        if day > self.day {
            *self = Self { day, tokens: 0, requests: 0 };
        }
    }
}

/// The first day of the span of `days` days that `day` is in; with 0, all days are in one.
pub const fn first_day(day: Day, days: u16) -> Day {
    match days {
        0 => Day(0),
        _ => Day(day.0 - day.0 % days),
    }
}

/// An evenly refilled minute, kept as what is missing, in thousandths of a unit; so a changed limit needs no conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bucket {
    missing_milli: i128,
    at: Millis,
}

impl Bucket {
    /// Refills up to `now` at `limit` a minute.
    pub(crate) fn refill(&mut self, now: Millis, limit: u64) {
        let elapsed = i128::from(now.since(self.at).0);
        self.at = self.at.max(now);
        let refilled = elapsed.saturating_mul(i128::from(limit)).saturating_mul(1_000) / MINUTE_MS;
        self.missing_milli = self.missing_milli.saturating_sub(refilled).max(0);
    }

    /// `Err` is the time until `amount` is there.
    pub(crate) fn check(&self, limit: u64, amount: u64) -> Result<(), Millis> {
        let wanted = i128::from(amount.min(limit)) * 1_000;
        let short = self.missing_milli + wanted - i128::from(limit) * 1_000;
        if short <= 0 && limit > 0 { Ok(()) } else { Err(time_to_refill(short, limit)) }
    }

    /// Takes without asking; may go below empty, by one limit at most.
    pub(crate) fn take(&mut self, limit: u64, amount: u64) {
        let most = i128::from(limit) * 2_000;
        self.missing_milli = self.missing_milli.saturating_add(i128::from(amount) * 1_000).min(most);
    }

    pub(crate) fn give_back(&mut self, amount: u64) {
        self.missing_milli = self.missing_milli.saturating_sub(i128::from(amount) * 1_000).max(0);
    }

    pub(crate) fn numbers(&self, limit: u64) -> RateWindow {
        let left = (i128::from(limit) * 1_000 - self.missing_milli).max(0) / 1_000;
        RateWindow {
            limit,
            remaining: u64::try_from(left).unwrap_or(u64::MAX),
            reset: time_to_refill(self.missing_milli, limit),
        }
    }
}

fn time_to_refill(missing_milli: i128, limit: u64) -> Millis {
    if limit == 0 {
        return Millis::from_secs(DAY_SECONDS.unsigned_abs());
    }
    let per = i128::from(limit) * 1_000;
    let ms = (missing_milli.max(0).saturating_mul(MINUTE_MS) + per - 1) / per;
    Millis(u64::try_from(ms).unwrap_or(u64::MAX))
}
