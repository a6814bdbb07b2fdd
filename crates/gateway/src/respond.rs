//! How answers leave: refusals in the words of the route, and the headers that every answer carries.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, header};
use rempart_domain::ReasonCode;
use rempart_web::{Locale, PageCtx, RefusalView, Theme};

use crate::Gateway;
use crate::body::Body;
use crate::ctx::{Ctx, Side};
use crate::refusal::{Refusal, set_request_id, set_retry_after, status};
use crate::routes::{Dialect, RouteClass};

/// Writes a refusal: JSON for programs, a page for people; a visitor of a page that needs a session is sent to sign in.
pub(crate) fn refuse(gateway: &Gateway, ctx: &Ctx, parts: &Parts, refusal: Refusal) -> Response<Body> {
    ctx.observation.refused(refusal.reason);
    match ctx.route.dialect {
        Dialect::OpenAi => refusal.into_response(ctx.request_id, false),
        Dialect::DeepSeek => refusal.into_response(ctx.request_id, true),
        Dialect::Page if refusal.reason == ReasonCode::NotSignedIn => redirect("/sign-in"),
        // An operator without a second factor: here it is set, or signing in anew asks for it.
        Dialect::Page if refusal.reason == ReasonCode::SecondFactorRequired && ctx.conn.side == Side::Console => {
            redirect("/security")
        }
        Dialect::Page => refusal_page(gateway, ctx, parts, &refusal),
    }
}

/// 303 to a path of ours.
pub(crate) fn redirect(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::SEE_OTHER;
    if let Ok(value) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

fn refusal_page(gateway: &Gateway, ctx: &Ctx, parts: &Parts, refusal: &Refusal) -> Response<Body> {
    let request_id = ctx.request_id.to_string();
    let page = PageCtx {
        locale: locale_of(parts),
        site: &gateway.config.site,
        path: parts.uri.path(),
        signed_in: None,
        request_id: &request_id,
        csrf: "",
        theme: theme_of(parts),
    };
    let status = status(refusal.reason);
    let view = RefusalView {
        reason: refusal.reason,
        status: status.as_u16(),
        retry_after_s: refusal.retry_after.map(|a| u32::try_from(a.0.div_ceil(1000)).unwrap_or(u32::MAX)),
        request_id: &request_id,
    };
    let html = match ctx.conn.side {
        Side::Public => rempart_web::refusal_page(&page, &view),
        Side::Console => rempart_web::console_refusal_page(&page, &view),
    };
    let mut response = Response::new(Body::full(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set_retry_after(headers, refusal.retry_after);
    response
}

/// The page's language: what the person chose (query, then cookie), else what the browser says.
pub(crate) fn locale_of(parts: &Parts) -> Locale {
    let asked = parts.uri.query().and_then(|q| {
        q.split('&').find_map(|p| p.split_once('=').filter(|(k, _)| *k == rempart_web::LOCALE_PARAM).map(|(_, v)| v))
    });
    let said = asked.or_else(|| crate::identify::cookie(parts, rempart_web::LOCALE_COOKIE));
    Locale::choose(said, parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()))
}

/// The colours that the person chose on this device; else the device's own.
pub(crate) fn theme_of(parts: &Parts) -> Theme {
    crate::identify::cookie(parts, rempart_web::THEME_COOKIE).and_then(Theme::parse).unwrap_or_default()
}

/// What a page of ours may ask the browser for: passkeys, and nothing that watches or pays.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=(), \
                           publickey-credentials-get=(self), publickey-credentials-create=(self)";

/// Headers of every answer.
pub(crate) fn set_common_headers(gateway: &Gateway, response: &mut Response<Body>, ctx: &Ctx) {
    let headers = response.headers_mut();
    set_request_id(headers, ctx.request_id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if ctx.route.dialect == Dialect::Page {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(rempart_web::CSP));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
        headers
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
        headers.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS));
        if ctx.route.class != RouteClass::Light {
            headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
    }
    if ctx.route.class == RouteClass::Generate || ctx.route.class == RouteClass::Read {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if ctx.conn.side == Side::Public && gateway.config.public_url.starts_with("https://") {
        headers
            .insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
    if ctx.key.is_some() {
        set_rate_headers(gateway, headers, ctx);
    }
}

/// `x-ratelimit-*` as OpenAI's: what is left of requests and tokens, and when it is whole again.
fn set_rate_headers(gateway: &Gateway, headers: &mut http::HeaderMap, ctx: &Ctx) {
    let rates = gateway.metering.rates(ctx);
    let windows = [
        (rates.requests, [LIMIT_REQUESTS, REMAINING_REQUESTS, RESET_REQUESTS]),
        (rates.tokens, [LIMIT_TOKENS, REMAINING_TOKENS, RESET_TOKENS]),
    ];
    for (window, [limit, remaining, reset]) in windows {
        if let Some(window) = window {
            headers.insert(limit, HeaderValue::from(window.limit));
            headers.insert(remaining, HeaderValue::from(window.remaining));
            if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(format!("{}ms", window.reset.0))) {
                headers.insert(reset, value);
            }
        }
    }
}

const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
