//! What an upstream's refusal means to us.
//!
//! What must stay true: our own key's trouble (401, 402, 403) never reaches a client as theirs; a message handed on is bounded and never
//! holds our key.

use http::{HeaderMap, StatusCode, header};
use rempart_domain::{Millis, Sensitive};
use serde_json::Value;

use crate::EngineError;

/// Longest message handed on to a client, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// Longest wait that an upstream may tell our callers, in seconds.
const RETRY_AFTER_S_MAX: u64 = 600;

/// Most bytes of an error body that are read.
pub(super) const ERROR_BYTES_MAX: usize = 64 * 1024;

/// What a status outside 2xx and its body mean.
pub(super) fn from_status(
    status: StatusCode,
    body: &[u8],
    api_key: Option<&str>,
    retry_after: Option<Millis>,
) -> EngineError {
    let error = Words::read(body);
    match status.as_u16() {
        404 if error.is_some() => EngineError::ModelNotFound,
        401 | 402 | 403 | 404 | 408 => EngineError::Unavailable,
        503 if error.as_ref().is_some_and(Words::is_loading) => EngineError::Starting,
        429 | 503 => EngineError::Full { retry_after },
        400..=499 => error.unwrap_or_default().into_rejection(api_key),
        _ => EngineError::Unavailable,
    }
}

/// `Retry-After` as a number of seconds, within reason: an upstream that says "tomorrow" does not speak for this platform. A date is not
/// read: no engine that we know sends one.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Millis> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Millis::from_secs(seconds.clamp(1, RETRY_AFTER_S_MAX)))
}

/// True when the trouble is our configuration: a key, a balance, an address. Said once in the log.
pub(super) fn is_ours(status: StatusCode, error: &EngineError) -> bool {
    matches!(status.as_u16(), 401..=403) || (status.as_u16() == 404 && *error == EngineError::Unavailable)
}

/// What an `error` object inside a stream means; the status is in its `code`, if anywhere.
pub(super) fn from_stream(error: &str) -> EngineError {
    let Some(words) = serde_json::from_str(error).ok().as_ref().and_then(Words::from_error) else {
        return EngineError::Unavailable;
    };
    match words.status {
        Some(429 | 503) => EngineError::FULL,
        Some(400 | 413 | 422) => words.into_rejection(None),
        Some(404) => EngineError::ModelNotFound,
        Some(_) => EngineError::Unavailable,
        None if words.kind.contains("invalid_request") || words.kind.contains("BadRequest") => {
            words.into_rejection(None)
        }
        None if words.kind.contains("rate_limit") || words.kind.contains("overloaded") => EngineError::FULL,
        None => EngineError::Unavailable,
    }
}

/// An error object, whoever wrote it.
#[derive(Debug, Default)]
struct Words {
    message: String,
    kind: String,
    code: String,
    status: Option<u64>,
    param: Option<String>,
    /// llama-server tells both numbers of a prompt that is too long.
    lengths: Option<(u32, u32)>,
}

impl Words {
    /// OpenAI's `{"error":{…}}`, `{"error":"…"}`, vLLM's bare `{"object":"error","message":…}`, FastAPI's `{"detail":…}`.
    fn read(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        if let Some(error) = value.get("error") {
            return Self::from_error(error);
        }
        if value.get("message").is_some() {
            return Self::from_error(&value);
        }
        // A framework's own answer, such as "Not Found" for an unknown address: words, but no model's.
        let detail = value.get("detail")?;
        (detail != "Not Found").then(|| Self { message: text(detail), ..Self::default() })
    }

    fn from_error(error: &Value) -> Option<Self> {
        if let Some(message) = error.as_str() {
            return Some(Self { message: message.to_owned(), ..Self::default() });
        }
        error.as_object()?;
        let number = |key: &str| error.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let code = error.get("code");
        Some(Self {
            message: error.get("message").map(text).unwrap_or_default(),
            kind: error.get("type").and_then(Value::as_str).unwrap_or_default().to_owned(),
            code: code.and_then(Value::as_str).unwrap_or_default().to_owned(),
            status: code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok())),
            param: error.get("param").and_then(Value::as_str).map(|param| bounded(param, 64)),
            lengths: number("n_prompt_tokens").zip(number("n_ctx")),
        })
    }

    /// llama-server while it loads.
    fn is_loading(&self) -> bool {
        self.message.to_ascii_lowercase().contains("loading model")
    }

    fn into_rejection(self, api_key: Option<&str>) -> EngineError {
        let lower = self.message.to_ascii_lowercase();
        let is_length = self.code == "context_length_exceeded"
            || self.kind == "exceed_context_size_error"
            || lower.contains("context length");
        if is_length && let Some((input, context_len)) = self.lengths.or_else(|| read_lengths(&lower)) {
            return EngineError::ContextLength { input, context_len };
        }
        if self.code == "model_not_found" {
            return EngineError::ModelNotFound;
        }
        let holds_key = api_key.is_some_and(|key| !key.is_empty() && self.message.contains(key));
        let message = if holds_key || self.message.is_empty() {
            "the engine refused the request".to_owned()
        } else {
            bounded(&self.message, MESSAGE_BYTES_MAX)
        };
        EngineError::Rejected { message: Sensitive::new(message), param: self.param }
    }
}

/// The two numbers of "maximum context length is 8192 tokens. However, … 9000 tokens (8000 in the messages, 1000 in the completion)"
/// and its relatives: what the context holds, and what the prompt has (or all that was asked, where only that is told).
fn read_lengths(lower: &str) -> Option<(u32, u32)> {
    let (before, after) = lower.split_once("context length")?;
    let context_len = first_number(after)?;
    let input = number_before(lower, " in the messages")
        .or_else(|| number_before(lower, " in the prompt"))
        .or_else(|| number_before(lower, " input tokens"))
        .or_else(|| after.split_once("resulted in").and_then(|(_, rest)| first_number(rest)))
        .or_else(|| after.split_once("requested").and_then(|(_, rest)| first_number(rest)))
        .or_else(|| first_number(before))?;
    Some((input, context_len))
}

fn first_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}

fn number_before(text: &str, words: &str) -> Option<u32> {
    let (before, _) = text.split_once(words)?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// At most `bytes_max` bytes, cut between characters.
fn bounded(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "fault_tests.rs"]
mod tests;
