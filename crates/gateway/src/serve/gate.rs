//! The gate for everybody: its set-point, and challenges. For operators: setting it.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use rempart_domain::{GateLevel, ReasonCode, UnixSeconds};
use rempart_identity::gate::{Now, OVERRIDE_SETTING, Override, Published, Purpose};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Gateway;
use crate::refusal::Refusal;
use crate::serve::accounts::parse;
use crate::serve::{Answer, Call, json, rfc3339, store_refusal};

/// The longest that a level may be set for, in seconds: a year.
const OVERRIDE_S_MAX: i64 = 366 * 86_400;

/// Both clocks now.
pub(crate) fn now(gateway: &Gateway) -> Now {
    Now { clock: gateway.clock.now(), date: gateway.clock.seconds() }
}

/// How dear a challenge is for whoever asks: the gate's price for a new account, the guard's for a password.
pub(crate) fn effort_of(call: &Call, purpose: Purpose) -> u8 {
    let gateway = &call.gateway;
    match purpose {
        Purpose::Registration => gateway.gate.published().effort,
        Purpose::SignIn => gateway.sign_in_guard.effort(gateway.clock.now(), call.ctx.source.network()),
    }
}

/// The set-point as everybody sees it.
pub(crate) fn gate_json(gateway: &Gateway) -> Value {
    let Published { level, source, until, rate_per_s, .. } = gateway.gate.published();
    let (len, eta) = gateway.gate.state().line();
    json!({
        "level": level.as_str(),
        "source": source.as_str(),
        "until": until.map(rfc3339),
        "rate_per_s": (rate_per_s * 100.0).round() / 100.0,
        "queue": { "length": len, "eta_s": if len == 0 { 0 } else { eta.0.div_ceil(1000) } },
    })
}

/// `GET /api/v1/gate`, and `GET /api/gate` of the console.
pub async fn show(call: Call) -> Answer {
    json(StatusCode::OK, &gate_json(&call.gateway))
}

/// `GET /api/v1/challenge?for=registration|sign-in`.
pub async fn challenge(call: Call) -> Answer {
    let query = call.head.uri.query().unwrap_or_default();
    let said = query.split('&').find_map(|pair| pair.strip_prefix("for="));
    let purpose =
        said.and_then(Purpose::parse).ok_or_else(|| Refusal::parameter("for", "this is registration or sign-in"))?;
    let gateway = &call.gateway;
    let effort = effort_of(&call, purpose);
    let issued = gateway.gate.issue_challenge(purpose, call.ctx.source, effort, now(gateway));
    let text = issued.ok_or(ReasonCode::Internal)?;
    let mut response = http::Response::new(axum::body::Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    /// A level, or `auto`.
    level: String,
    #[serde(default)]
    for_s: Option<i64>,
}

/// `POST /api/gate` of the console: stored first, then in force.
pub async fn set(call: Call, body: Bytes) -> Answer {
    let asked: Setting = parse(&body)?;
    let gateway = &call.gateway;
    let date = gateway.clock.seconds();
    let by_hand = match asked.level.as_str() {
        "auto" => None,
        word => {
            let level = GateLevel::parse(word).map_err(|e| Refusal::parameter("level", e.to_string()))?;
            let lasts = asked.for_s.map(|s| Some(s).filter(|s| (1..=OVERRIDE_S_MAX).contains(s)).ok_or(s)).transpose();
            let lasts = lasts.map_err(|_| Refusal::parameter("for_s", "between a second and a year"))?;
            Some(Override { level, until: lasts.map(|lasts| UnixSeconds(date.0 + lasts)) })
        }
    };
    let text = by_hand.map_or_else(String::new, Override::to_text);
    gateway.store.set_setting(OVERRIDE_SETTING, &text).await.map_err(|e| store_refusal(&e))?;
    gateway.gate.state().set_override(by_hand, date);
    tracing::info!(level = asked.level.as_str(), "an operator set the gate");
    json(StatusCode::OK, &gate_json(gateway))
}
