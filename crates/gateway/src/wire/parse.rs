//! Reads OpenAI's requests: types and ranges are checked here, every fault names its field, content is never quoted.
//!
//! Known fields are typed, amplifying ones are capped or refused, all others are carried untouched to engines that may know them.

use std::borrow::Cow;

use rempart_domain::{ReasonCode, Sensitive, TokenCount};
use rempart_engine::{Prompt, Sampling};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::refusal::Refusal;
use crate::wire::json::Members;

/// Most messages of a chat.
const MESSAGES_MAX: usize = 4096;
/// Most stop texts.
const STOPS_MAX: usize = 16;
/// Longest stop text, in bytes.
const STOP_BYTES_MAX: usize = 256;
/// Longest model name, in bytes.
pub(crate) const MODEL_BYTES_MAX: usize = 256;

/// Which of OpenAI's two generating calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `chat/completions`.
    Chat,
    /// `completions`.
    Completions,
}

/// A request to generate, checked.
#[derive(Debug)]
pub struct Asked {
    /// The model's name as the client wrote it; empty for the default.
    pub model: String,
    /// The prompt.
    pub prompt: Prompt,
    /// `stream`.
    pub is_stream: bool,
    /// `stream_options.include_usage`.
    pub includes_usage: bool,
    /// `max_completion_tokens`, else `max_tokens`.
    pub max_tokens: Option<TokenCount>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// `response_format: {"type":"json_object"}`.
    pub is_json_object: bool,
    /// Everything else.
    pub extra: Vec<(String, Sensitive<Box<RawValue>>)>,
}

/// Reads the body of a generating call.
pub fn parse_generate(call: Call, body: &[u8]) -> Result<Asked, Refusal> {
    let Members(members) = parse_members(body)?;
    let mut asked = Asked {
        model: String::new(),
        prompt: Prompt::Text(Sensitive::new(String::new())),
        is_stream: false,
        includes_usage: false,
        max_tokens: None,
        sampling: Sampling::default(),
        is_json_object: false,
        extra: Vec::new(),
    };
    let mut has_prompt = false;
    for (name, value) in members {
        match (&*name, call) {
            ("model", _) => asked.model = parse_model(value)?,
            ("messages", Call::Chat) => {
                check_messages(value)?;
                asked.prompt = Prompt::Chat(Sensitive::new(value.to_owned()));
                has_prompt = true;
            }
            ("prompt", Call::Completions) => {
                asked.prompt = Prompt::Text(Sensitive::new(parse_prompt(value)?));
                has_prompt = true;
            }
            ("suffix", Call::Completions) if !is_null(value) => {
                return Err(Refusal::parameter("suffix", "filling in the middle is not offered"));
            }
            _ => set_field(&mut asked, name, value)?,
        }
    }
    if has_prompt { Ok(asked) } else { Err(Refusal::parameter(prompt_field(call), "this field is required")) }
}

/// Reads any JSON object, without its inner parts.
pub fn parse_members(body: &[u8]) -> Result<Members<'_>, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let text = if error.is_data() { "the body is not a JSON object" } else { "the body is not valid JSON" };
        Refusal::new(ReasonCode::BadJson, text)
    })
}

const fn prompt_field(call: Call) -> &'static str {
    match call {
        Call::Chat => "messages",
        Call::Completions => "prompt",
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

fn typed<'a, T: Deserialize<'a>>(
    name: &'static str,
    value: &'a RawValue,
    expected: &'static str,
) -> Result<Option<T>, Refusal> {
    serde_json::from_str(value.get()).map_err(|_| Refusal::parameter(name, expected))
}

fn in_range(name: &'static str, value: &RawValue, low: f32, high: f32) -> Result<Option<f32>, Refusal> {
    let number: Option<f32> = typed(name, value, "this must be a number")?;
    match number {
        Some(n) if !(low..=high).contains(&n) => {
            Err(Refusal::parameter(name, format!("this must lie between {low} and {high}")))
        }
        other => Ok(other),
    }
}

fn set_field(asked: &mut Asked, name: Cow<'_, str>, value: &RawValue) -> Result<(), Refusal> {
    let sampling = &mut asked.sampling;
    match &*name {
        "stream" => asked.is_stream = typed("stream", value, "this must be true or false")?.unwrap_or(false),
        "stream_options" => asked.includes_usage = parse_stream_options(value)?,
        "max_completion_tokens" => asked.max_tokens = parse_max_tokens("max_completion_tokens", value)?,
        "max_tokens" => {
            let max = parse_max_tokens("max_tokens", value)?;
            asked.max_tokens = asked.max_tokens.or(max);
        }
        "temperature" => sampling.temperature = in_range("temperature", value, 0.0, 2.0)?,
        "top_p" => sampling.top_p = in_range("top_p", value, 0.0, 1.0)?,
        "min_p" => sampling.min_p = in_range("min_p", value, 0.0, 1.0)?,
        "top_k" => sampling.top_k = parse_top_k(value)?,
        "presence_penalty" => sampling.presence_penalty = in_range("presence_penalty", value, -2.0, 2.0)?,
        "frequency_penalty" => sampling.frequency_penalty = in_range("frequency_penalty", value, -2.0, 2.0)?,
        "repeat_penalty" | "repetition_penalty" => {
            sampling.repeat_penalty = in_range("repetition_penalty", value, 0.1, 10.0)?;
        }
        "seed" => {
            let seed: Option<i64> = typed("seed", value, "this must be a whole number")?;
            sampling.seed = seed.map(i64::cast_unsigned);
        }
        "stop" => sampling.stop = parse_stop(value)?,
        "n" | "best_of" => refuse_amplifier(&name, value)?,
        "logprobs" | "top_logprobs" => refuse_logprobs(value)?,
        "response_format" => {
            asked.is_json_object = parse_response_format(value)?;
            if !asked.is_json_object && !is_null(value) {
                asked.extra.push((name.into_owned(), Sensitive::new(value.to_owned())));
            }
        }
        // Ours to say, never the client's: an engine that knows priorities would obey.
        "priority" => {}
        _ => asked.extra.push((name.into_owned(), Sensitive::new(value.to_owned()))),
    }
    Ok(())
}

fn parse_model(value: &RawValue) -> Result<String, Refusal> {
    let model: Option<String> = typed("model", value, "this must be a text")?;
    let model = model.unwrap_or_default();
    if model.len() > MODEL_BYTES_MAX {
        return Err(Refusal::parameter("model", "this name is too long"));
    }
    Ok(model)
}

fn parse_max_tokens(name: &'static str, value: &RawValue) -> Result<Option<TokenCount>, Refusal> {
    match typed::<u32>(name, value, "this must be a whole number of at least 1")? {
        Some(0) => Err(Refusal::parameter(name, "this must be a whole number of at least 1")),
        other => Ok(other.map(TokenCount)),
    }
}

fn parse_top_k(value: &RawValue) -> Result<Option<u32>, Refusal> {
    let top_k: Option<i64> = typed("top_k", value, "this must be a whole number")?;
    Ok(top_k.and_then(|k| u32::try_from(k).ok()).filter(|k| *k > 0))
}

fn parse_stream_options(value: &RawValue) -> Result<bool, Refusal> {
    #[derive(Deserialize)]
    struct Options {
        #[serde(default)]
        include_usage: Option<bool>,
    }
    let options: Option<Options> = typed("stream_options", value, "this must be an object")?;
    Ok(options.and_then(|o| o.include_usage).unwrap_or(false))
}

fn parse_stop(value: &RawValue) -> Result<Vec<String>, Refusal> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stop {
        One(String),
        Many(Vec<String>),
    }
    let stop: Option<Stop> = typed("stop", value, "this must be a text or a list of texts")?;
    let stops = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Many(texts)) => texts,
    };
    if stops.len() > STOPS_MAX || stops.iter().any(|s| s.is_empty() || s.len() > STOP_BYTES_MAX) {
        return Err(Refusal::parameter("stop", "at most 16 texts of 1 to 256 bytes"));
    }
    Ok(stops)
}

fn parse_response_format(value: &RawValue) -> Result<bool, Refusal> {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
    }
    let format: Option<Format<'_>> = typed("response_format", value, "this must be an object with a type")?;
    match format.as_ref().map(|f| &*f.r#type) {
        Some("json_object") => Ok(true),
        None | Some("text" | "json_schema") => Ok(false),
        Some(_) => Err(Refusal::parameter("response_format", "the type must be text, json_object or json_schema")),
    }
}

fn refuse_amplifier(name: &str, value: &RawValue) -> Result<(), Refusal> {
    let count: Option<u32> = serde_json::from_str(value.get())
        .map_err(|_| Refusal::parameter(name.to_owned(), "this must be a whole number"))?;
    if count.unwrap_or(1) == 1 {
        Ok(())
    } else {
        Err(Refusal::parameter(name.to_owned(), "one answer a request is offered"))
    }
}

/// Log-probabilities give the model away (Carlini et al. 2024: 590 answers reveal the hidden width): none by default.
fn refuse_logprobs(value: &RawValue) -> Result<(), Refusal> {
    match value.get() {
        "null" | "false" | "0" => Ok(()),
        _ => Err(Refusal::parameter("logprobs", "log-probabilities are not offered")),
    }
}

fn parse_prompt(value: &RawValue) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        One(String),
        Many(Vec<String>),
    }
    let text: Option<Text> = typed("prompt", value, "this must be a text, or a list of one text")?;
    match text {
        Some(Text::One(text)) => Ok(text),
        Some(Text::Many(texts)) if texts.len() == 1 => Ok(texts.into_iter().next().unwrap_or_default()),
        _ => Err(Refusal::parameter("prompt", "this must be a text, or a list of one text")),
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// Checks the shape of `messages` without keeping any of it.
fn check_messages(value: &RawValue) -> Result<(), Refusal> {
    let messages: Vec<Message<'_>> = serde_json::from_str(value.get()).map_err(|_| {
        Refusal::parameter("messages", "this must be a list of objects, each with a role and a content")
    })?;
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        return Err(Refusal::parameter("messages", format!("this must hold 1 to {MESSAGES_MAX} messages")));
    }
    for (index, message) in messages.iter().enumerate() {
        let known = ["system", "developer", "user", "assistant", "tool", "function", "latest_reminder"];
        if !known.contains(&&*message.role) {
            return Err(Refusal::parameter(format!("messages[{index}].role"), "this role is unknown"));
        }
        let first = message.content.and_then(|c| c.get().bytes().next());
        let may_be_absent = &*message.role == "assistant";
        if !(matches!(first, Some(b'"' | b'[')) || (may_be_absent && matches!(first, None | Some(b'n')))) {
            return Err(Refusal::parameter(
                format!("messages[{index}].content"),
                "this must be a text or a list of parts",
            ));
        }
    }
    Ok(())
}
