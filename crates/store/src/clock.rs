//! The wall clock, for times that are only recorded; nothing here waits or expires by it.

use std::time::{SystemTime, UNIX_EPOCH};

use rempart_domain::UnixSeconds;

pub(crate) fn now_seconds() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    UnixSeconds(i64::try_from(since).unwrap_or(i64::MAX))
}
