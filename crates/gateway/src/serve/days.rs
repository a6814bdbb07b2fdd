//! Which day a moment is of, where a person lives.
//!
//! What must stay true: the zones are in the program, none is read from the disk; a name that is unknown is UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rempart_domain::{Day, UnixSeconds};

/// Longest name of a zone, in bytes; the longest there is has 32.
const ZONE_BYTES_MAX: usize = 64;

/// A person's days.
#[derive(Debug, Clone)]
pub(crate) struct Days(TimeZone);

impl Days {
    /// By the name of an IANA zone; none, or one that is not known, counts in UTC.
    pub(crate) fn of(zone: Option<&str>) -> Self {
        Self(zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC))
    }

    /// Whether there is a zone of this name.
    pub(crate) fn is_known(zone: &str) -> bool {
        zone.len() <= ZONE_BYTES_MAX && TimeZone::get(zone).is_ok()
    }

    /// The day of a moment.
    pub(crate) fn day(&self, time: UnixSeconds) -> Day {
        let Ok(timestamp) = Timestamp::from_second(time.0) else { return time.day() };
        UnixSeconds(time.0 + i64::from(self.0.to_offset(timestamp).seconds())).day()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_where_one_lives() {
        let late = UnixSeconds(1_738_007_999); // 27 January 2025, 19:59:59 UTC
        assert_eq!(Days::of(None).day(late), late.day());
        assert_eq!(Days::of(Some("Asia/Shanghai")).day(late).0, late.day().0 + 1);
        assert_eq!(Days::of(Some("Asia/Shanghai")).day(UnixSeconds(late.0 - 4 * 3600)).0, late.day().0);
        assert_eq!(Days::of(Some("Mars/Olympus")).day(late), late.day());
        assert!(Days::is_known("Europe/Paris") && !Days::is_known("../../etc/passwd") && !Days::is_known(""));
    }
}
