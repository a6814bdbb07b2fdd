//! `/healthz` and `/readyz`: no permit, no database, no identity.

use http::{HeaderValue, Response, StatusCode, header};
use rempart_domain::RequestId;

use crate::Gateway;
use crate::body::Body;
use crate::refusal::set_request_id;
use crate::routes::{Handler, Route};

/// Answers a health route; `None` for all others.
pub(crate) fn answer(gateway: &Gateway, route: &Route, request_id: RequestId) -> Option<Response<Body>> {
    let mut response = match route.handler {
        Handler::Health => json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned()),
        Handler::Ready => ready(gateway),
        _ => return None,
    };
    set_request_id(response.headers_mut(), request_id);
    Some(response)
}

fn ready(gateway: &Gateway) -> Response<Body> {
    let (status, word) = if gateway.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if gateway.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting")
    };
    let engines: serde_json::Map<String, serde_json::Value> = gateway
        .lanes()
        .iter()
        .map(|lane| (lane.engine.name().to_owned(), lane.engine.status().as_str().into()))
        .collect();
    json(status, serde_json::json!({ "status": word, "engines": engines }).to_string())
}

fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
