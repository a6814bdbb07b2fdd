//! Numbers, dates and lengths of time as each language writes them. Order and words come from the texts, grouping from here.

use rempart_domain::{Day, UnixSeconds};

use crate::Locale;

/// A civil date in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: u8,
    pub(crate) day: u8,
}

impl Date {
    pub(crate) fn of_day(day: Day) -> Self {
        Self::of_days(i64::from(day.0))
    }

    pub(crate) fn of_seconds(time: UnixSeconds) -> Self {
        Self::of_days(time.0.div_euclid(86_400))
    }

    /// Days since 1970-01-01 to a date of the proleptic Gregorian calendar: Howard Hinnant's `civil_from_days`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "month is 1..=12 and day 1..=31 by construction"
    )]
    fn of_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u8;
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }
}

/// `14:05`, UTC.
pub(crate) fn clock(time: UnixSeconds) -> String {
    let minutes = time.0.rem_euclid(86_400) / 60;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A whole number with its thousands apart: `12,345` (zh, en), `12 345` with a narrow no-break space (fr).
pub(crate) fn number(locale: Locale, value: u64) -> String {
    let separator = match locale {
        Locale::Zh | Locale::En => ',',
        Locale::Fr => '\u{202f}',
    };
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// A length of time in the largest unit that says it, rounded up: nobody is told a wait that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    Seconds(u64),
    Minutes(u64),
    Hours(u64),
    Days(u64),
}

impl Span {
    pub(crate) const fn of_seconds(seconds: u64) -> Self {
        match seconds {
            0 => Self::Seconds(1),
            1..=90 => Self::Seconds(seconds),
            91..=5_400 => Self::Minutes(seconds.div_ceil(60)),
            5_401..=172_800 => Self::Hours(seconds.div_ceil(3_600)),
            _ => Self::Days(seconds.div_ceil(86_400)),
        }
    }
}
