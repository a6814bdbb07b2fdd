//! What is read from a request; everything unknown is passed over.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;

use super::super::AnswerKind;
use super::super::machine::OfferError;
use super::super::text::{Asked, Message, Wish};

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Chat,
    Completions,
    Models,
    Health,
    Metrics,
    Stats,
}

/// A generation that was asked for.
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) asked: Asked,
    pub(super) wish: Wish,
    pub(super) is_stream: bool,
    pub(super) wants_usage: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum AskError {
    NotFound,
    TooLarge,
    BadJson(String),
    BadParameter(&'static str),
    ModelNotFound(String),
    Offer(OfferError),
    Stopped,
}

impl AskError {
    /// Status, vLLM's type, the field, and the words for the caller.
    pub(super) fn describe(&self) -> (StatusCode, &'static str, Option<&'static str>, String) {
        let bad = StatusCode::BAD_REQUEST;
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "NotFoundError", None, "no such route".to_owned()),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "BadRequestError", None, "body is too large".to_owned()),
            Self::BadJson(error) => (bad, "BadRequestError", None, format!("body is no request: {error}")),
            Self::BadParameter(name) => {
                (bad, "BadRequestError", Some(name), format!("{name} is missing or out of range"))
            }
            Self::ModelNotFound(name) => {
                (StatusCode::NOT_FOUND, "NotFoundError", Some("model"), format!("The model `{name}` does not exist."))
            }
            Self::Offer(OfferError::TooLong { input, kv_tokens }) => (
                bad,
                "BadRequestError",
                Some("messages"),
                format!(
                    "This model's maximum context length is {kv_tokens} tokens. However, your request has {input} input tokens."
                ),
            ),
            Self::Offer(OfferError::IdInUse) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", None, "request id in use".to_owned())
            }
            Self::Stopped => {
                (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableError", None, "engine stopped".to_owned())
            }
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    #[serde(borrow, default)]
    messages: Option<Vec<Message<'a>>>,
    #[serde(default)]
    prompt: Option<OneOrMany>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    stop: Option<OneOrMany>,
    #[serde(borrow, default)]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct ResponseFormat<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl Ask {
    /// Reads the body of `route`.
    pub(super) fn read(route: Route, body: &[u8], kind: AnswerKind) -> Result<Self, AskError> {
        let bad_json = |error: serde_json::Error| AskError::BadJson(error.to_string());
        let wire: Wire<'_> = serde_json::from_slice(body).map_err(bad_json)?;
        let asked = if route == Route::Chat {
            let messages = wire.messages.filter(|messages| !messages.is_empty());
            Asked::from_messages(&messages.ok_or(AskError::BadParameter("messages"))?, kind).map_err(bad_json)?
        } else {
            let prompt = wire.prompt.ok_or(AskError::BadParameter("prompt"))?.into_vec();
            Asked::from_prompt(&prompt.concat(), kind)
        };
        let max_tokens = wire.max_completion_tokens.or(wire.max_tokens);
        if max_tokens == Some(0) {
            return Err(AskError::BadParameter("max_tokens"));
        }
        Ok(Self {
            model: wire.model.into_owned(),
            asked,
            wish: Wish {
                max_tokens,
                stop: wire.stop.map(OneOrMany::into_vec).unwrap_or_default(),
                is_json_object: wire.response_format.is_some_and(|format| format.kind == "json_object"),
            },
            is_stream: wire.stream.unwrap_or(false),
            wants_usage: wire.stream_options.is_some_and(|options| options.include_usage),
        })
    }
}
