//! Pages for people, without script: the same actions as the JSON, by forms that post to themselves. What all of them share.
//!
//! What must stay true: a form of a signed-in person carries the session's own secret; what was typed is shown again when it was not
//! taken, except passwords.

mod account;
pub(crate) mod challenge;
mod chat;
mod door;
mod found;
mod recover;
mod security;
mod shared;
mod side;
mod turns;

use http::{HeaderValue, Response, StatusCode, header};
use rempart_domain::{ReasonCode, RequestId};
use rempart_web::{FieldError, PageCtx};

pub use self::account::{account, account_form};
pub use self::chat::{conversation, conversation_form, home, home_form};
pub(crate) use self::door::{denied_answer, sign_in_answer, take_place, try_sign_in};
pub use self::door::{sign_in, sign_in_form, sign_out_form};
pub use self::recover::{confirm, confirm_form, recover, recover_form, reset, reset_form};
pub(crate) use self::recover::{is_console, second_step};
pub use self::security::{security, security_form};
pub use self::shared::shared;
use crate::refusal::{Refusal, set_retry_after};
use crate::respond::{locale_of, theme_of};
use crate::serve::sessions::own_session;
use crate::serve::{Answer, Call};

/// The fields of a form.
#[derive(Debug)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// A field's value; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether the form has the field at all.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Every value of a field that may come several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads `application/x-www-form-urlencoded`.
pub fn fields(body: &[u8]) -> Result<Fields, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| ReasonCode::BadJson)?;
    let pairs = text.split('&').filter(|p| !p.is_empty()).take(64).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
    });
    pairs.collect::<Option<Vec<_>>>().map(Fields).ok_or_else(|| ReasonCode::BadJson.into())
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A page.
pub fn page(status: StatusCode, html: String) -> Answer {
    let mut response = Response::new(axum::body::Body::from(html));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}

/// 303 to a path of ours.
pub fn see_other(to: &str) -> Answer {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).map_err(|_| ReasonCode::Internal)?;
    response.headers_mut().insert(header::LOCATION, to);
    Ok(response)
}

/// Builds the page's context and hands it over. A language asked for in the address is kept in a cookie.
pub fn with_page(call: &Call, signed_in: Option<&str>, render: impl FnOnce(&PageCtx<'_>) -> Answer) -> Answer {
    let request_id: RequestId = call.ctx.request_id;
    let csrf = own_session(call).map(|session| call.gateway.keyring.form_token(session)).unwrap_or_default();
    let locale = locale_of(&call.head);
    let ctx = PageCtx {
        locale,
        site: &call.gateway.config.site,
        path: call.head.uri.path(),
        signed_in,
        request_id: &request_id.to_string(),
        csrf: &csrf,
        theme: theme_of(&call.head),
    };
    let mut response = render(&ctx)?;
    let asks = format!("{}=", rempart_web::LOCALE_PARAM);
    if call.head.uri.query().is_some_and(|q| q.split('&').any(|p| p.starts_with(&asks))) {
        let cookie = call.gateway.cookies.set(rempart_web::LOCALE_COOKIE, locale.as_str(), 31_536_000);
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

pub(super) fn check_form(call: &Call, form: &Fields) -> Result<(), Refusal> {
    let session = own_session(call).ok_or(ReasonCode::NotSignedIn)?;
    if call.gateway.keyring.is_form_token(session, form.get("csrf")) {
        Ok(())
    } else {
        Err(Refusal { param: Some("csrf".into()), ..ReasonCode::NotAllowed.into() })
    }
}

/// What a refusal is at a form.
pub fn field_error(refusal: &Refusal) -> FieldError {
    match (refusal.reason, refusal.param.as_deref()) {
        (ReasonCode::NameTaken, _) => FieldError::NameTaken,
        (ReasonCode::InvalidCredentials | ReasonCode::BadParameter, Some("code")) => FieldError::CodeWrong,
        (ReasonCode::InvalidCredentials, _) => FieldError::InvalidCredentials,
        (ReasonCode::BadParameter, Some("name")) if refusal.message.contains("2 to 32") => FieldError::NameLength,
        (ReasonCode::BadParameter, Some("name")) => FieldError::NameCharacters,
        (ReasonCode::BadParameter, Some("password")) if refusal.message.contains("common") => FieldError::PasswordWeak,
        (ReasonCode::BadParameter, Some("password")) => FieldError::PasswordLength,
        (ReasonCode::BadParameter, Some("new_password")) if refusal.message.contains("common") => {
            FieldError::NewPasswordWeak
        }
        (ReasonCode::BadParameter, Some("new_password")) => FieldError::NewPasswordLength,
        (ReasonCode::ChallengeRequired, _) => FieldError::Challenge,
        (ReasonCode::BadParameter, Some("ticket")) => FieldError::Ticket,
        (ReasonCode::BadParameter, Some("invite")) => FieldError::Invite,
        (ReasonCode::BadParameter, Some("email")) if refusal.message.contains("needed") => FieldError::EmailRequired,
        (ReasonCode::BadParameter, Some("email")) if refusal.message.contains("thrown away") => {
            FieldError::EmailDisposable
        }
        (ReasonCode::BadParameter, Some("email")) => FieldError::Email,
        (ReasonCode::BadParameter, Some("expires")) => FieldError::KeyExpires,
        (ReasonCode::BadParameter, Some("time_zone")) => FieldError::TimeZone,
        (ReasonCode::NotAllowed, Some("csrf")) => FieldError::FormExpired,
        (reason, _) => FieldError::Reason(reason),
    }
}

/// Adds a refusal's `Retry-After` to the page that shows it.
pub fn with_retry(answer: Answer, refusal: &Refusal) -> Answer {
    answer.map(|mut response| {
        set_retry_after(response.headers_mut(), refusal.retry_after);
        response
    })
}

/// A path of ours to go on to after sign-in: never another site. Browsers drop tabs and line ends: `/<tab>/evil` would be `//evil`.
fn safe_next(next: &str) -> &str {
    let is_plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_ours = is_plain && next.starts_with('/') && !next.starts_with("//");
    if is_ours && next.len() <= 256 { next } else { "/" }
}

pub(super) fn query_value(call: &Call, name: &str) -> Option<String> {
    let query = call.head.uri.query()?;
    let value = query.split('&').find_map(|p| p.split_once('=').filter(|(k, _)| *k == name).map(|(_, v)| v))?;
    decode(value).filter(|v| v.len() <= 256)
}

/// The JSON that a handler of the API answered with.
pub(super) async fn json_of(answer: Answer) -> Result<serde_json::Value, Refusal> {
    /// What an answer of the API that a page shows may have, in bytes.
    const BYTES_MAX: usize = 1 << 20;
    let bytes = axum::body::to_bytes(answer?.into_body(), BYTES_MAX).await.map_err(|_| ReasonCode::Internal)?;
    serde_json::from_slice(&bytes).map_err(|_| ReasonCode::Internal.into())
}
