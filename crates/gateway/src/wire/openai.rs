//! Writes OpenAI's answers, with DeepSeek's additions: chunks of a stream and whole answers, into a buffer, without a tree.

use rempart_domain::{ReasonCode, Usage};
use rempart_engine::{Delta, FinishReason};
use serde_json::Value;

use crate::refusal::Refusal;
use crate::serve::generation::Look;
use crate::wire::json::{push_int, push_str};
use crate::wire::parse::Call;

/// What every chunk of an answer has in common.
#[derive(Debug)]
pub struct Head {
    /// Which call.
    pub call: Call,
    /// `chatcmpl-…` or `cmpl-…`.
    pub id: String,
    /// The model's name as the client wrote it.
    pub model: String,
    /// Unix seconds.
    pub created: i64,
    /// `stream_options.include_usage`.
    pub includes_usage: bool,
    /// DeepSeek's root paths: usage stands in the last chunk anyway.
    pub is_deepseek: bool,
}

/// Writes a stream.
#[derive(Debug)]
pub struct StreamWriter {
    head: Head,
    /// `data: {"id":…,"choices":[{"index":0,` as bytes.
    prefix: Vec<u8>,
    has_role: bool,
}

impl StreamWriter {
    /// A stream that has not begun.
    pub fn new(head: Head) -> Self {
        let mut prefix = Vec::with_capacity(160);
        prefix.extend_from_slice(b"data: ");
        push_common(&mut prefix, &head, true);
        prefix.extend_from_slice(b"\"choices\":[{\"index\":0,");
        Self { head, prefix, has_role: false }
    }

    /// Appends everything of a look: pieces, and the end with its last chunks and `[DONE]`, or an error without it.
    pub fn push_look(&mut self, out: &mut Vec<u8>, look: &Look) {
        for delta in &look.deltas {
            self.push_delta(out, delta);
        }
        match &look.end {
            None => {}
            Some(crate::serve::generation::End::Failed(refusal)) => push_error(out, refusal),
            Some(crate::serve::generation::End::Finished { reason, usage, .. }) => {
                self.push_finish(out, *reason, *usage);
            }
        }
    }

    fn push_delta(&mut self, out: &mut Vec<u8>, delta: &Delta) {
        out.extend_from_slice(&self.prefix);
        match self.head.call {
            Call::Chat => self.push_chat_delta(out, delta),
            Call::Completions => {
                out.extend_from_slice(b"\"text\":");
                push_str(out, delta.content.expose());
            }
        }
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":null}]");
        if self.head.includes_usage {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn push_chat_delta(&mut self, out: &mut Vec<u8>, delta: &Delta) {
        out.extend_from_slice(b"\"delta\":{");
        let mut sep: &[u8] = b"";
        if !self.has_role {
            out.extend_from_slice(b"\"role\":\"assistant\"");
            self.has_role = true;
            sep = b",";
        }
        let has_reasoning = !delta.reasoning.expose().is_empty();
        if has_reasoning {
            out.extend_from_slice(sep);
            out.extend_from_slice(b"\"reasoning_content\":");
            push_str(out, delta.reasoning.expose());
            sep = b",";
        }
        if !delta.content.expose().is_empty() || (!has_reasoning && delta.extra.is_empty()) {
            out.extend_from_slice(sep);
            out.extend_from_slice(b"\"content\":");
            push_str(out, delta.content.expose());
            sep = b",";
        }
        for (name, value) in &delta.extra {
            out.extend_from_slice(sep);
            push_str(out, name);
            out.push(b':');
            out.extend_from_slice(value.expose().get().as_bytes());
            sep = b",";
        }
        out.push(b'}');
    }

    fn push_finish(&self, out: &mut Vec<u8>, reason: FinishReason, usage: Usage) {
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(match self.head.call {
            Call::Chat if self.has_role => b"\"delta\":{}".as_slice(),
            Call::Chat => b"\"delta\":{\"role\":\"assistant\",\"content\":\"\"}".as_slice(),
            Call::Completions => b"\"text\":\"\"".as_slice(),
        });
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        push_str(out, reason.as_str());
        out.extend_from_slice(b"}]");
        if self.head.is_deepseek {
            out.extend_from_slice(b",\"usage\":");
            push_usage(out, usage);
        } else if self.head.includes_usage {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.extend_from_slice(b"}\n\n");
        if self.head.includes_usage && !self.head.is_deepseek {
            out.extend_from_slice(b"data: ");
            push_common(out, &self.head, true);
            out.extend_from_slice(b"\"choices\":[],\"usage\":");
            push_usage(out, usage);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

/// Appends a late refusal as a stream's last event: without `[DONE]`.
pub fn push_error(out: &mut Vec<u8>, refusal: &Refusal) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&refusal.to_json());
    out.extend_from_slice(b"\n\n");
}

/// Appends the place in line as a comment.
pub fn push_keep_alive(out: &mut Vec<u8>, position: u32, eta_s: Option<u64>) {
    out.extend_from_slice(b": keep-alive");
    if position > 0 {
        out.extend_from_slice(b" position=");
        push_int(out, position);
        if let Some(eta_s) = eta_s {
            out.extend_from_slice(b" eta_s=");
            push_int(out, i64::try_from(eta_s).unwrap_or(i64::MAX));
        }
    }
    out.extend_from_slice(b"\n\n");
}

fn push_common(out: &mut Vec<u8>, head: &Head, is_chunk: bool) {
    out.extend_from_slice(b"{\"id\":");
    push_str(out, &head.id);
    out.extend_from_slice(b",\"object\":");
    push_str(
        out,
        match (head.call, is_chunk) {
            (Call::Chat, true) => "chat.completion.chunk",
            (Call::Chat, false) => "chat.completion",
            (Call::Completions, _) => "text_completion",
        },
    );
    out.extend_from_slice(b",\"created\":");
    push_int(out, head.created);
    out.extend_from_slice(b",\"model\":");
    push_str(out, &head.model);
    out.push(b',');
}

/// Appends the usage object: OpenAI's fields and DeepSeek's.
pub fn push_usage(out: &mut Vec<u8>, usage: Usage) {
    let (input, output) = (i64::from(usage.input.0), i64::from(usage.output.0));
    let cached = i64::from(usage.cached_input.0).min(input);
    let parts: [(&[u8], i64); 7] = [
        (b"{\"prompt_tokens\":", input),
        (b",\"completion_tokens\":", output),
        (b",\"total_tokens\":", input + output),
        (b",\"prompt_cache_hit_tokens\":", cached),
        (b",\"prompt_cache_miss_tokens\":", input - cached),
        (b",\"prompt_tokens_details\":{\"cached_tokens\":", cached),
        (b"},\"completion_tokens_details\":{\"reasoning_tokens\":", i64::from(usage.reasoning.0)),
    ];
    for (name, value) in parts {
        out.extend_from_slice(name);
        push_int(out, value);
    }
    out.extend_from_slice(b"}}");
}

/// Gathers a whole answer.
#[derive(Debug, Default)]
pub struct AnswerWriter {
    content: String,
    reasoning: String,
    extra: serde_json::Map<String, Value>,
}

impl AnswerWriter {
    /// Takes a piece up.
    pub fn add(&mut self, delta: &Delta) {
        self.content.push_str(delta.content.expose());
        self.reasoning.push_str(delta.reasoning.expose());
        for (name, value) in &delta.extra {
            if let Ok(value) = serde_json::from_str(value.expose().get()) {
                merge(self.extra.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
    }

    /// The whole answer.
    pub fn write(&self, head: &Head, reason: FinishReason, usage: Usage) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.content.len() + self.reasoning.len());
        push_common(&mut out, head, false);
        out.extend_from_slice(b"\"choices\":[{\"index\":0,");
        match head.call {
            Call::Chat => self.push_message(&mut out),
            Call::Completions => {
                out.extend_from_slice(b"\"text\":");
                push_str(&mut out, &self.content);
            }
        }
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        push_str(&mut out, reason.as_str());
        out.extend_from_slice(b"}],\"usage\":");
        push_usage(&mut out, usage);
        out.push(b'}');
        out
    }

    fn push_message(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"message\":{\"role\":\"assistant\",\"content\":");
        if self.content.is_empty() && self.extra.contains_key("tool_calls") {
            out.extend_from_slice(b"null");
        } else {
            push_str(out, &self.content);
        }
        if !self.reasoning.is_empty() {
            out.extend_from_slice(b",\"reasoning_content\":");
            push_str(out, &self.reasoning);
        }
        for (name, value) in &self.extra {
            out.push(b',');
            push_str(out, name);
            out.push(b':');
            let _ = serde_json::to_writer(&mut *out, value);
        }
        out.push(b'}');
    }
}

/// Joins pieces of a streamed member as OpenAI's clients do: texts are appended, lists joined by `index`, objects by name.
fn merge(into: &mut Value, piece: Value) {
    match (into, piece) {
        (Value::String(text), Value::String(more)) => text.push_str(&more),
        (Value::Object(object), Value::Object(more)) => {
            for (name, value) in more {
                match object.get_mut(&name) {
                    // An index, an id or a type comes again; it is not appended to itself.
                    Some(_) if matches!(&*name, "index" | "id" | "type") => {}
                    Some(old) => merge(old, value),
                    None => {
                        object.insert(name, value);
                    }
                }
            }
        }
        (Value::Array(list), Value::Array(more)) => {
            for value in more {
                let index = value.get("index").cloned();
                match list.iter_mut().find(|old| index.is_some() && old.get("index") == index.as_ref()) {
                    Some(old) => merge(old, value),
                    None => list.push(value),
                }
            }
        }
        (into, piece) if !piece.is_null() => *into = piece,
        _ => {}
    }
}

/// What an engine's failure is in our words.
pub fn refusal_of(error: &rempart_engine::EngineError) -> Refusal {
    use rempart_engine::EngineError as E;
    match error {
        E::Unavailable | E::Protocol(_) => ReasonCode::EngineUnavailable.into(),
        E::Starting => ReasonCode::EngineStarting.into(),
        E::Restarted => ReasonCode::EngineRestarted.into(),
        E::Full { retry_after } => {
            let refusal = Refusal::from(ReasonCode::Overloaded);
            Refusal { retry_after: retry_after.or(refusal.retry_after), ..refusal }
        }
        E::ModelNotFound => Refusal { param: Some("model".into()), ..ReasonCode::ModelNotFound.into() },
        E::ContextLength { input, context_len } => Refusal {
            param: Some("messages".into()),
            ..Refusal::new(
                ReasonCode::ContextLengthExceeded,
                format!("the prompt has {input} tokens; this model's context holds {context_len}, the answer included"),
            )
        },
        E::Rejected { message, param } => Refusal {
            param: param.clone().map(Into::into),
            ..Refusal::new(ReasonCode::BadParameter, message.expose().clone())
        },
        E::NotSupported => Refusal::parameter("model", "this model cannot do this"),
    }
}
