//! CORS by list: `[server] cors_origins`. Preflights are answered before anybody is identified.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use rempart_domain::RequestId;

use crate::Gateway;
use crate::body::Body;
use crate::refusal::set_request_id;

/// The caller's origin, if it is on the list.
pub(crate) fn allowed_origin(gateway: &Gateway, parts: &Parts) -> Option<HeaderValue> {
    if gateway.config.cors_origins.is_empty() {
        return None;
    }
    let origin = parts.headers.get(header::ORIGIN)?;
    let is_listed = gateway.config.cors_origins.iter().any(|o| o.as_bytes() == origin.as_bytes());
    is_listed.then(|| origin.clone())
}

/// Answers a preflight: with permission for a listed origin, without for any other.
pub(crate) fn preflight(gateway: &Gateway, parts: &Parts, request_id: RequestId) -> Option<Response<Body>> {
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(origin) = allowed_origin(gateway, parts) {
        set_headers(&mut response, origin);
        let headers = response.headers_mut();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PATCH, DELETE, OPTIONS"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            parts
                .headers
                .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
                .cloned()
                .unwrap_or(HeaderValue::from_static("authorization, content-type")),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    set_request_id(response.headers_mut(), request_id);
    Some(response)
}

/// Lets a page of `origin` read the answer; never with cookies.
pub(crate) fn set_headers(response: &mut Response<Body>, origin: HeaderValue) {
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("x-request-id, retry-after, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"),
    );
}
