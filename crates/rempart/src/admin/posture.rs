//! The posture by an operator's hand.
//!
//! What must stay true: in force first, stored after; a store that takes no writes keeps nobody from closing the gates, and the operator
//! is told.

use rempart_domain::{Posture, UnixSeconds};
use rempart_gateway::PostureState;
use serde::{Deserialize, Serialize};

use super::{AdminError, Reply};
use crate::dates::rfc3339;
use crate::platform::Platform;

/// The posture as commands show it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PostureRow {
    /// In force.
    pub(crate) level: String,
    /// `auto` or `manual`.
    pub(crate) source: String,
    /// RFC 3339; until when an operator's level holds.
    pub(crate) until: Option<String>,
    /// Rises with each incident.
    pub(crate) epoch: u32,
    /// RFC 3339; since when standing is frozen.
    pub(crate) incident_since: Option<String>,
    /// What the pressure alone says.
    pub(crate) by_pressure: String,
    /// False if the store did not take it yet.
    pub(crate) is_stored: bool,
}

pub(super) fn show(platform: &Platform) -> Reply {
    Reply::Posture(row(&platform.posture.state(), true))
}

/// `level: None` leaves it to the pressure.
pub(super) async fn set(platform: &Platform, level: Option<String>, for_s: Option<i64>) -> Result<Reply, AdminError> {
    let now = platform.clock.seconds();
    let state = match level {
        None => platform.posture.set_auto(now),
        Some(word) => {
            let level = Posture::parse(&word).map_err(|error| AdminError::refuse(error.to_string()))?;
            let until = for_s.map(|seconds| UnixSeconds(now.0.saturating_add(seconds)));
            platform.posture.set(level, until, now)
        }
    };
    let saved = platform.posture.save(&platform.store).await;
    Ok(Reply::Posture(row(&state, saved.is_ok())))
}

fn row(state: &PostureState, is_stored: bool) -> PostureRow {
    PostureRow {
        level: state.level.to_string(),
        source: state.source.as_str().to_owned(),
        until: state.until.map(rfc3339),
        epoch: state.epoch,
        incident_since: state.opened.map(rfc3339),
        by_pressure: state.auto.to_string(),
        is_stored,
    }
}
