//! The registration gate by an operator's hand: stored first, then in force.

use rempart_domain::{GateLevel, UnixSeconds};
use rempart_identity::gate::{InviteFields, OVERRIDE_SETTING, Override, Published, seal_invite};
use rempart_identity::random;
use rempart_store::NewInvite;

use super::{AdminError, GateRow, Reply};
use crate::dates::rfc3339;
use crate::platform::Platform;

/// The longest that a level may be set for, in seconds: a year.
const FOR_S_MAX: i64 = 366 * 86_400;

pub(super) fn show(platform: &Platform) -> Reply {
    let Published { level, source, until, rate_per_s, .. } = platform.gate.published();
    let (queue_len, eta) = platform.gate.line();
    Reply::Gate(GateRow {
        level: level.to_string(),
        source: source.as_str().to_owned(),
        until: until.map(rfc3339),
        rate_per_s,
        queue_len,
        eta_s: if queue_len == 0 { 0 } else { eta.0.div_ceil(1000) },
    })
}

/// `None` gives it back to configuration.
pub(super) async fn set(platform: &Platform, level: Option<String>, for_s: Option<i64>) -> Result<Reply, AdminError> {
    let date = platform.clock.seconds();
    let level = level.map(|word| GateLevel::parse(&word)).transpose();
    let level = level.map_err(|error| AdminError::refuse(error.to_string()))?;
    if for_s.is_some_and(|lasts| !(1..=FOR_S_MAX).contains(&lasts)) {
        return Err(AdminError::refuse("a level is set for a second to a year"));
    }
    let until = for_s.map(|lasts| UnixSeconds(date.0 + lasts));
    let by_hand = level.map(|level| Override { level, until });
    let text = by_hand.map_or_else(String::new, Override::to_text);
    platform.store.set_setting(OVERRIDE_SETTING, &text).await?;
    platform.gate.set_override(by_hand, date);
    Ok(show(platform))
}

/// An invitation by an operator's hand: recorded first, then shown, this once.
pub(super) async fn invite(platform: &Platform, for_s: i64) -> Result<Reply, AdminError> {
    if !(1..=FOR_S_MAX).contains(&for_s) {
        return Err(AdminError::refuse("an invitation is good for a second to a year"));
    }
    let (id, now) = (random::session_id()?.bits(), platform.clock.seconds());
    let expires = UnixSeconds(now.0 + for_s);
    let new = NewInvite { id, inviter: None, created: now, expires, budget: None };
    platform.store.create_invite(new).await?;
    let fields = InviteFields { id, inviter: None, is_operators: true, expires };
    let url = format!("{}/register?invite={}", platform.public_url, seal_invite(&platform.keyring, &fields, now));
    Ok(Reply::Link { url, expires: rfc3339(expires) })
}
