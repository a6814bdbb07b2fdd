//! The posture by the console's API: what is in force, and an operator's hand over it.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{Posture, UnixSeconds};
use serde::Deserialize;
use serde_json::json;

use crate::posture::PostureState;
use crate::refusal::Refusal;
use crate::serve::accounts::parse;
use crate::serve::{Answer, Call, json, rfc3339};

/// The longest time a level is declared for, in seconds: a year.
const FOR_S_MAX: i64 = 366 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// A level, or `auto`.
    level: String,
    /// For how long.
    #[serde(default)]
    for_s: Option<i64>,
}

/// `GET /api/posture`.
pub async fn show(call: Call) -> Answer {
    answer(&call.gateway.posture())
}

/// `POST /api/posture {"level":"siege","for_s":3600}`; `{"level":"auto"}` leaves it to the pressure again.
pub async fn set(call: Call, body: Bytes) -> Answer {
    let wanted: Wanted = parse(&body)?;
    let gateway = &call.gateway;
    let now = gateway.clock.seconds();
    if wanted.for_s.is_some_and(|seconds| !(1..=FOR_S_MAX).contains(&seconds)) {
        return Err(Refusal::parameter("for_s", "1 second to 366 days"));
    }
    let state = if wanted.level == "auto" {
        gateway.posture.set_auto(now)
    } else {
        let level = Posture::parse(&wanted.level)
            .map_err(|_| Refusal::parameter("level", "calm, guarded, siege, fortress or auto"))?;
        gateway.posture.set(level, wanted.for_s.map(|seconds| UnixSeconds(now.0 + seconds)), now)
    };
    gateway.journal.note(now, format!("posture by an operator: {} ({})", state.level, state.source.as_str()));
    // In force already; stored now if the store takes it, else as soon as it does.
    if let Err(error) = gateway.posture.save(&gateway.store).await {
        tracing::warn!(error = %error, "the posture is in force and not stored yet");
    }
    answer(&state)
}

fn answer(state: &PostureState) -> Answer {
    json(
        StatusCode::OK,
        &json!({
            "level": state.level.as_str(), "source": state.source.as_str(), "until": state.until.map(rfc3339),
            "epoch": state.epoch, "incident_since": state.opened.map(rfc3339), "by_pressure": state.auto.as_str(),
        }),
    )
}
