//! The closed set of refusals, the one table to HTTP, and how a refusal is written.
//!
//! What must stay true: a reason's status and type stand in one table; every 429 and 503 carries `Retry-After`; a message names the
//! input and never quotes it; writing a refusal does no I/O and asks nobody.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use rempart_domain::{Millis, ReasonCode, RequestId};

use crate::body::Body;

/// Why a request was not served, with what the caller needs to do better.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The stable code.
    pub reason: ReasonCode,
    /// For the person; English, one sentence.
    pub message: Cow<'static, str>,
    /// The field that was wrong.
    pub param: Option<Cow<'static, str>>,
    /// When to come again.
    pub retry_after: Option<Millis>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason.as_str())
    }
}

impl From<ReasonCode> for Refusal {
    fn from(reason: ReasonCode) -> Self {
        Self {
            reason,
            message: Cow::Borrowed(default_message(reason)),
            param: None,
            retry_after: default_retry(reason),
        }
    }
}

impl Refusal {
    /// A reason with its own message.
    pub fn new(reason: ReasonCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..Self::from(reason) }
    }

    /// `bad_parameter`, naming the field.
    pub fn parameter(param: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { param: Some(param.into()), ..Self::new(ReasonCode::BadParameter, message) }
    }

    /// Sets when to come again.
    #[must_use]
    pub fn retry_after(mut self, after: Millis) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The error object of OpenAI's shape, without the outer braces' siblings: `{"error":{…}}`.
    pub fn to_json(&self) -> Bytes {
        #[derive(serde::Serialize)]
        struct Outer<'a> {
            error: Inner<'a>,
        }
        #[derive(serde::Serialize)]
        struct Inner<'a> {
            message: &'a str,
            r#type: &'static str,
            param: Option<&'a str>,
            code: &'static str,
        }
        let outer = Outer {
            error: Inner {
                message: &self.message,
                r#type: error_type(self.reason),
                param: self.param.as_deref(),
                code: self.reason.as_str(),
            },
        };
        serde_json::to_vec(&outer).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
    }

    /// The answer as JSON. `unprocessable` turns a parameter error's 400 into DeepSeek's 422.
    pub fn into_response(self, request_id: RequestId, unprocessable: bool) -> Response<Body> {
        let mut response = Response::new(Body::full(self.to_json()));
        *response.status_mut() = match (self.reason, unprocessable) {
            (ReasonCode::BadParameter, true) => StatusCode::UNPROCESSABLE_ENTITY,
            (reason, _) => status(reason),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        set_retry_after(headers, self.retry_after);
        set_request_id(headers, request_id);
        if self.reason == ReasonCode::InvalidApiKey {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Writes `Retry-After` in whole seconds, at least one.
pub fn set_retry_after(headers: &mut http::HeaderMap, after: Option<Millis>) {
    if let Some(after) = after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.0.div_ceil(1000).max(1)));
    }
}

/// Writes `x-request-id`.
pub fn set_request_id(headers: &mut http::HeaderMap, request_id: RequestId) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(request_id.to_string())) {
        headers.insert(http::HeaderName::from_static("x-request-id"), value);
    }
}

/// The status of a reason: the one table.
pub const fn status(reason: ReasonCode) -> StatusCode {
    use ReasonCode as R;
    match reason {
        R::BadJson | R::BadParameter | R::ContextLengthExceeded => StatusCode::BAD_REQUEST,
        R::InvalidApiKey | R::NotSignedIn | R::InvalidCredentials => StatusCode::UNAUTHORIZED,
        R::BudgetExhausted => StatusCode::PAYMENT_REQUIRED,
        R::NotAllowed | R::ChallengeRequired | R::SecondFactorRequired | R::RegistrationClosed => StatusCode::FORBIDDEN,
        R::NotFound | R::ModelNotFound => StatusCode::NOT_FOUND,
        R::NameTaken => StatusCode::CONFLICT,
        R::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        R::TooManyRequests | R::TooManyInFlight => StatusCode::TOO_MANY_REQUESTS,
        R::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        R::Overloaded
        | R::EngineUnavailable
        | R::EngineStarting
        | R::EngineRestarted
        | R::StorageUnavailable
        | R::Draining => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// OpenAI's `type` of a reason.
pub const fn error_type(reason: ReasonCode) -> &'static str {
    match status(reason).as_u16() {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

const fn default_retry(reason: ReasonCode) -> Option<Millis> {
    match status(reason).as_u16() {
        429 => Some(Millis(2000)),
        503 => Some(Millis(3000)),
        _ => None,
    }
}

const fn default_message(reason: ReasonCode) -> &'static str {
    use ReasonCode as R;
    match reason {
        R::BadJson => "the body is not valid JSON",
        R::BadParameter => "a parameter is missing or out of range",
        R::ContextLengthExceeded => "prompt and answer do not fit the model's context",
        R::InvalidApiKey => "the API key is missing, unknown, revoked or expired",
        R::NotSignedIn => "sign in first",
        R::InvalidCredentials => "name or password is wrong",
        R::BudgetExhausted => "the budget is spent",
        R::NotAllowed => "this is not allowed with these credentials",
        R::ChallengeRequired => "solve a challenge first",
        R::SecondFactorRequired => "a second factor is required",
        R::RegistrationClosed => "registration is closed",
        R::NotFound => "there is nothing here by that name",
        R::ModelNotFound => "no engine serves this model",
        R::NameTaken => "this name belongs to somebody",
        R::TooLarge => "the request is too large",
        R::TooManyRequests => "too many requests: wait, then try again",
        R::TooManyInFlight => "too many requests at once: wait until one ends",
        R::Internal => "something is broken here; the request id helps to find it",
        R::Overloaded => "every place is taken: try again after the time in Retry-After",
        R::EngineUnavailable => "the engine does not answer now",
        R::EngineStarting => "the model is being loaded",
        R::EngineRestarted => "the engine went down while it answered: ask again",
        R::StorageUnavailable => "storage takes no writes now; nothing was kept",
        R::Draining => "this server is stopping: ask again",
    }
}
