//! The one authorisation function, before every protocol: what a route asks for against what the principal showed.

use http::{HeaderMap, Method, header};
use rempart_domain::{Band, Credential, KeyScope, Principal, ReasonCode, Role, Standing};

use crate::identify::has_scope;
use crate::refusal::Refusal;
use crate::routes::{Access, BodyLimit, Dialect, Route};

/// May this principal ask for this route? Nothing after this widens it; owners of rows are checked where the rows are.
/// `band` is what the account counts for now: a suspension holds against a session or key that was read before it.
pub fn authorise(route: &Route, principal: &Principal, band: Band) -> Result<(), Refusal> {
    if route.access == Access::Open {
        return Ok(());
    }
    let is_session = matches!(principal.credential, Credential::Session(_));
    let is_operator_session = is_session && principal.role == Role::Operator;
    let is_key = |scope| has_scope(principal, scope);
    let is_allowed = match route.access {
        Access::Open => true,
        Access::Session => is_session,
        Access::Key => is_key(KeyScope::Api),
        Access::SessionOrKey => is_session || is_key(KeyScope::Api),
        Access::Console => is_operator_session || is_key(KeyScope::Console),
        Access::Metrics => is_operator_session || is_key(KeyScope::Console) || is_key(KeyScope::Metrics),
    };
    if !is_allowed {
        let reason = match (principal.is_known(), route.access) {
            (true, _) => ReasonCode::NotAllowed,
            (false, Access::Key) => ReasonCode::InvalidApiKey,
            (false, _) => ReasonCode::NotSignedIn,
        };
        return Err(reason.into());
    }
    if principal.carried_standing == Standing::Suspended || band == Band::Suspended {
        return Err(Refusal::new(ReasonCode::NotAllowed, "this account is suspended"));
    }
    Ok(())
}

/// A changing call by cookie must come from our own pages: another site can send the cookie, not these headers.
pub fn check_origin(
    route: &Route,
    method: &Method,
    headers: &HeaderMap,
    principal: &Principal,
    public_origin: &str,
) -> Result<(), Refusal> {
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let is_by_key = matches!(principal.credential, Credential::Key(..));
    if !changes || is_by_key || route.access == Access::Key {
        return Ok(());
    }
    let refused = || Err(Refusal::new(ReasonCode::NotAllowed, "this call must come from this site's own pages"));
    match headers.get("sec-fetch-site").map(|v| v.as_bytes()) {
        Some(b"same-origin" | b"none") => {}
        Some(_) => return refused(),
        None => match headers.get(header::ORIGIN).map(|v| v.as_bytes()) {
            Some(origin) if origin != public_origin.as_bytes() => return refused(),
            // A program without a browser sends neither; then there is no cookie of a person to misuse unless one was given to it.
            _ => {}
        },
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if route.body == BodyLimit::File {
        let is_file = kind.starts_with("text/") || kind == "application/pdf";
        let words = "a file is text/* or application/pdf";
        return if is_file { Ok(()) } else { Err(Refusal::new(ReasonCode::BadParameter, words)) };
    }
    let is_json = kind == "application/json";
    let needs_json = route.dialect != Dialect::Page && !matches!(*method, Method::DELETE) && has_body(headers);
    if needs_json && !is_json {
        return Err(Refusal::new(ReasonCode::BadJson, "the content type must be application/json"));
    }
    Ok(())
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|v| v.as_bytes() != b"0")
}
