//! What everybody may see: status, gate, the API's description, static files.

use axum::extract::Path;
use http::{HeaderValue, Response, StatusCode, header};
use rempart_domain::{GateLevel, ReasonCode};
use rempart_engine::EngineStatus;
use rempart_store::StoreHealth;
use rempart_web::{ServiceState, StatusView};
use serde_json::json;

use crate::Gateway;
use crate::serve::pages::{page, with_page};
use crate::serve::sessions::own_session;
use crate::serve::{Answer, Call, json, rfc3339};

/// The API's description; a test holds it against the table of routes.
const OPENAPI: &str = include_str!("../openapi.json");

/// What works, measured now.
pub fn status_of(gateway: &Gateway) -> StatusView {
    let storage = match gateway.store.health() {
        StoreHealth::Ok => ServiceState::Works,
        StoreHealth::ReadOnly => ServiceState::Limited,
        StoreHealth::Down => ServiceState::Down,
    };
    let statuses: Vec<EngineStatus> = gateway.lanes().iter().map(|lane| lane.engine.status()).collect();
    let answers = if statuses.contains(&EngineStatus::Ready) {
        ServiceState::Works
    } else if statuses.contains(&EngineStatus::Loading) {
        ServiceState::Starting
    } else {
        ServiceState::Down
    };
    let registration = match (gateway.gate.level(), storage) {
        (GateLevel::Closed, _) => ServiceState::Limited,
        (_, ServiceState::Works) => ServiceState::Works,
        _ => ServiceState::Down,
    };
    let sign_in = if storage == ServiceState::Works { ServiceState::Works } else { ServiceState::Down };
    StatusView {
        checked: gateway.clock.seconds(),
        sign_in,
        registration,
        gate: gateway.gate.level(),
        answers,
        storage,
        posture: gateway.posture.level(),
    }
}

const fn word(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Works => "operational",
        ServiceState::Starting => "starting",
        ServiceState::Limited => "degraded_performance",
        ServiceState::Down => "major_outage",
    }
}

/// `GET /status`.
pub async fn status_page(call: Call) -> Answer {
    let view = status_of(&call.gateway);
    // Whoever is signed in sees so, without the database being asked for a name.
    let signed_in = own_session(&call).map(|_| "");
    with_page(&call, signed_in, |ctx| page(StatusCode::OK, rempart_web::status_page(ctx, &view)))
}

/// `GET /status.json`.
pub async fn status_json(call: Call) -> Answer {
    let view = status_of(&call.gateway);
    json(
        StatusCode::OK,
        &json!({
            "checked": rfc3339(view.checked),
            "components": {
                "sign_in": word(view.sign_in),
                "registration": word(view.registration),
                "answers": word(view.answers),
                "storage": word(view.storage),
            },
            "gate": view.gate.as_str(),
            "posture": view.posture.as_str(),
        }),
    )
}

/// `GET /status.atom`: one entry, the state now; incidents come with detection.
pub async fn status_atom(call: Call) -> Answer {
    let view = status_of(&call.gateway);
    let updated = rfc3339(view.checked);
    let url = &call.gateway.config.public_url;
    let states = format!(
        "sign-in: {}, registration: {}, answers: {}, storage: {}",
        word(view.sign_in),
        word(view.registration),
        word(view.answers),
        word(view.storage)
    );
    let feed = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Status</title>\
         <id>{url}/status</id><updated>{updated}</updated><link href=\"{url}/status\"/><author><name>Rempart</name></author>\
         <entry><title>{states}</title><id>{url}/status#now</id><updated>{updated}</updated><summary>{states}</summary></entry></feed>\n",
        url = escape_xml(url),
    );
    text(feed, "application/atom+xml; charset=utf-8")
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// `GET /openapi.json`.
pub async fn openapi(_call: Call) -> Answer {
    text(OPENAPI.to_owned(), "application/json")
}

/// `GET /.well-known/security.txt` (RFC 9116): where to report, if `[site] contact` says.
pub async fn security_txt(call: Call) -> Answer {
    let contact = &call.gateway.config.site.contact;
    if contact.is_empty() {
        return Err(ReasonCode::NotFound.into());
    }
    let contact = if contact.contains("://") { contact.clone() } else { format!("mailto:{contact}") };
    let expires = rfc3339(rempart_domain::UnixSeconds(call.gateway.clock.seconds().0 + 180 * 86_400));
    let url = &call.gateway.config.public_url;
    text(
        format!(
            "Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en, fr, zh\nCanonical: {url}/.well-known/security.txt\n"
        ),
        "text/plain; charset=utf-8",
    )
}

/// `GET /static/…`: embedded files, compressed once for all; their address carries their version. Nothing is copied for a reader.
pub async fn asset(call: Call, Path(path): Path<String>) -> Answer {
    let asset = rempart_web::asset(&path).ok_or(ReasonCode::NotFound)?;
    let asked = &call.head.headers;
    let says = |name: header::HeaderName| asked.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let gzip = asset.gzip.as_deref().filter(|_| takes_gzip(says(header::ACCEPT_ENCODING)));
    let is_known = says(header::IF_NONE_MATCH) == asset.etag;
    let body = if is_known { &[] } else { gzip.unwrap_or(&asset.bytes) };
    let mut response = Response::new(axum::body::Body::from(bytes::Bytes::from_static(body)));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip.is_some() && !is_known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // A page of another version of the program gets what there is, and must ask again.
    let is_this = call.head.uri.query().and_then(|q| q.strip_prefix("v=")) == Some(rempart_web::asset_version());
    let kept = if is_this { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    Ok(response)
}

/// Whether `Accept-Encoding` names gzip without forbidding it.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

pub(crate) fn text(body: String, content_type: &'static str) -> Answer {
    let mut response = Response::new(axum::body::Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}
