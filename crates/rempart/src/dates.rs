//! Dates and lengths of time as an operator writes and reads them: RFC 3339 in UTC, and `90d`, `12h`, `15m`, `45s`.
//!
//! What must stay true: no clock is asked here; reading never panics.

use rempart_domain::{UnixMillis, UnixSeconds};

const DAY_S: i64 = 86_400;

/// `2026-07-25T08:00:00Z`.
pub(crate) fn rfc3339(at: UnixSeconds) -> String {
    let (days, second) = (at.0.div_euclid(DAY_S), at.0.rem_euclid(DAY_S));
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Reads `2026-07-25`, `2026-07-25T08:00:00Z`, with fractions and offsets.
pub(crate) fn parse_rfc3339(text: &str) -> Option<UnixMillis> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * DAY_S;
    match time {
        None => Some(UnixMillis(seconds * 1000)),
        Some(time) => Some(UnixMillis(seconds * 1000 + parse_time_ms(time)?)),
    }
}

/// Milliseconds since midnight UTC of `08:00:00.5+02:00`; may be negative or more than a day.
fn parse_time_ms(text: &str) -> Option<i64> {
    let (clock, offset_s) = if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        (clock, 0)
    } else {
        let at = text.rfind(['+', '-'])?;
        let (clock, offset) = text.split_at_checked(at)?;
        let sign = if offset.starts_with('-') { -1 } else { 1 };
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        (clock, sign * (number(hours, 2)? * 3600 + number(minutes, 2)? * 60))
    };
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.splitn(3, ':');
    let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if hour > 23
        || minute > 59
        || second > 60
        || fraction.len() > 9
        || !fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some((hour * 3600 + minute * 60 + second - offset_s) * 1000 + millis)
}

/// Exactly `len` digits.
fn number(text: &str, len: usize) -> Option<i64> {
    (text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Seconds of `90d`, `12h`, `15m`, `45s`.
pub(crate) fn parse_length_s(text: &str) -> Option<i64> {
    let unit_at = text.len().checked_sub(1)?;
    let (digits, unit) = text.split_at_checked(unit_at)?;
    let unit_s = match unit {
        "d" => DAY_S,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    let count: u32 = digits.parse().ok()?;
    (count > 0 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| i64::from(count) * unit_s)
}

/// Howard Hinnant's `days_from_civil`, from <https://howardhinnant.github.io/date_algorithms.html>; years from 1970 on.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse, same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn dates_survive_the_trip_to_text() {
        for second in (0..4_102_444_800_i64).step_by(39_916_801) {
            let text = rfc3339(UnixSeconds(second));
            assert_eq!(parse_rfc3339(&text).unwrap().seconds(), UnixSeconds(second), "{text}");
        }
        assert_eq!(rfc3339(UnixSeconds(951_782_400)), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn the_forms_that_people_write_are_read() {
        let noon = parse_rfc3339("2025-01-27T12:00:00Z").unwrap();
        assert_eq!(noon, UnixMillis(1_737_979_200_000));
        assert_eq!(parse_rfc3339("2025-01-27T20:00:00+08:00"), Some(noon));
        assert_eq!(parse_rfc3339("2025-01-27 12:00:00.250Z"), Some(UnixMillis(noon.0 + 250)));
        assert_eq!(parse_rfc3339("2025-01-27"), Some(UnixMillis(noon.0 - 43_200_000)));
        for bad in [
            "",
            "2025-02-29",
            "2025-1-27",
            "2025-01-27T12:00",
            "2025-01-27T12:00:00",
            "yesterday",
            "2025-01-27T25:00:00Z",
            "2025-01-27T12:00:00é",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn lengths_have_a_unit() {
        assert_eq!(parse_length_s("90d"), Some(7_776_000));
        assert_eq!(parse_length_s("15m"), Some(900));
        for bad in ["", "d", "90", "0s", "-1d", "1w", "+1d", "1é"] {
            assert_eq!(parse_length_s(bad), None, "{bad}");
        }
    }
}
