//! The JSON of answers, written by hand: no tree is built for a token.

use bytes::{BufMut, Bytes, BytesMut};
use http::Response;

use super::super::text::{Answer, Piece};
use super::ask::{AskError, Route};
use super::body::Body;
use super::{JSON, respond};
use crate::FinishReason;

/// What is the same in every part of an answer.
pub(super) struct Frame {
    pub(super) route: Route,
    pub(super) id: u64,
    pub(super) created: i64,
    pub(super) model: String,
}

/// The parts of a stream: what stands before and behind the text of a token.
pub(super) struct StreamText {
    is_chat: bool,
    /// `data: {…,"choices":[{"index":0,`
    head: Bytes,
    /// As `head`, up to `"choices":`.
    head_len_usage: usize,
}

impl Frame {
    fn is_chat(&self) -> bool {
        self.route == Route::Chat
    }

    /// `{"id":…,"object":…,"created":…,"model":…,"choices":`
    fn push_head(&self, out: &mut BytesMut, is_stream: bool) {
        let (prefix, object) = match (self.is_chat(), is_stream) {
            (true, true) => ("chatcmpl", "chat.completion.chunk"),
            (true, false) => ("chatcmpl", "chat.completion"),
            (false, _) => ("cmpl", "text_completion"),
        };
        push(out, "{\"id\":\"");
        push(out, prefix);
        push(out, "-");
        push_hex(out, self.id);
        push(out, "\",\"object\":\"");
        push(out, object);
        push(out, "\",\"created\":");
        push_number(out, u64::try_from(self.created).unwrap_or(0));
        push(out, ",\"model\":\"");
        push_json(out, &self.model);
        push(out, "\",\"choices\":");
    }

    /// The whole answer, not streamed.
    pub(super) fn whole(&self, mut answer: Answer, input: u32) -> Bytes {
        let mut out = BytesMut::with_capacity(512);
        self.push_head(&mut out, false);
        let (mut content, mut reasoning) = (BytesMut::new(), BytesMut::new());
        while let Some(piece) = answer.next_piece() {
            push_json(if piece.is_reasoning { &mut reasoning } else { &mut content }, piece.text);
        }
        if self.is_chat() {
            push(&mut out, "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
            out.extend_from_slice(&content);
            if answer.reasoning() > 0 {
                push(&mut out, "\",\"reasoning_content\":\"");
                out.extend_from_slice(&reasoning);
            }
            push(&mut out, "\"},\"logprobs\":null,\"finish_reason\":\"");
        } else {
            push(&mut out, "[{\"index\":0,\"text\":\"");
            out.extend_from_slice(&reasoning);
            out.extend_from_slice(&content);
            push(&mut out, "\",\"logprobs\":null,\"finish_reason\":\"");
        }
        push(&mut out, answer.reason().as_str());
        push(&mut out, "\"}],\"usage\":");
        push_usage(&mut out, &answer, input);
        push(&mut out, "}");
        out.freeze()
    }

    pub(super) fn into_stream(self) -> StreamText {
        let mut head = BytesMut::with_capacity(256);
        push(&mut head, "data: ");
        self.push_head(&mut head, true);
        let head_len_usage = head.len();
        push(&mut head, "[{\"index\":0,");
        StreamText { is_chat: self.is_chat(), head: head.freeze(), head_len_usage }
    }
}

impl StreamText {
    /// Chats open with the role.
    pub(super) fn push_role(&self, out: &mut BytesMut) {
        if self.is_chat {
            out.extend_from_slice(&self.head);
            push(
                out,
                "\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
            );
        }
    }

    /// One token.
    pub(super) fn push_piece(&self, out: &mut BytesMut, piece: Piece<'_>) {
        out.extend_from_slice(&self.head);
        push(
            out,
            match (self.is_chat, piece.is_reasoning) {
                (true, true) => "\"delta\":{\"reasoning_content\":\"",
                (true, false) => "\"delta\":{\"content\":\"",
                (false, _) => "\"text\":\"",
            },
        );
        push_json(out, piece.text);
        push(out, if self.is_chat { "\"}" } else { "\"" });
        push(out, ",\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    }

    /// The end with its reason.
    pub(super) fn push_end(&self, out: &mut BytesMut, reason: FinishReason) {
        out.extend_from_slice(&self.head);
        push(out, if self.is_chat { "\"delta\":{}" } else { "\"text\":\"\"" });
        push(out, ",\"logprobs\":null,\"finish_reason\":\"");
        push(out, reason.as_str());
        push(out, "\"}]}\n\n");
    }

    /// What it cost, with no choices, as `include_usage` asks for.
    pub(super) fn push_usage(&self, out: &mut BytesMut, answer: &Answer, input: u32) {
        out.extend_from_slice(&self.head.slice(..self.head_len_usage));
        push(out, "[],\"usage\":");
        push_usage(out, answer, input);
        push(out, "}\n\n");
    }
}

fn push_usage(out: &mut BytesMut, answer: &Answer, input: u32) {
    let output = answer.total();
    push(out, "{\"prompt_tokens\":");
    push_number(out, u64::from(input));
    push(out, ",\"total_tokens\":");
    push_number(out, u64::from(input) + u64::from(output));
    push(out, ",\"completion_tokens\":");
    push_number(out, u64::from(output));
    push(out, ",\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":");
    push_number(out, u64::from(answer.reasoning()));
    push(out, "}}");
}

/// `/v1/models`, with vLLM's `max_model_len`.
pub(super) fn models(names: &[String], kv_tokens: u32, created: i64) -> Bytes {
    let mut out = BytesMut::new();
    push(&mut out, "{\"object\":\"list\",\"data\":[");
    for (index, name) in names.iter().enumerate() {
        push(&mut out, if index == 0 { "{\"id\":\"" } else { ",{\"id\":\"" });
        push_json(&mut out, name);
        push(&mut out, "\",\"object\":\"model\",\"created\":");
        push_number(&mut out, u64::try_from(created).unwrap_or(0));
        push(&mut out, ",\"owned_by\":\"rempart\",\"max_model_len\":");
        push_number(&mut out, u64::from(kv_tokens));
        push(&mut out, "}");
    }
    push(&mut out, "]}");
    out.freeze()
}

/// A refusal in OpenAI's shape, with vLLM's types.
pub(super) fn refuse(error: &AskError) -> Response<Body> {
    let (status, kind, param, message) = error.describe();
    let mut out = BytesMut::new();
    push(&mut out, "{\"error\":{\"message\":\"");
    push_json(&mut out, &message);
    push(&mut out, "\",\"type\":\"");
    push(&mut out, kind);
    push(&mut out, "\",\"param\":");
    match param {
        Some(name) => {
            push(&mut out, "\"");
            push(&mut out, name);
            push(&mut out, "\"");
        }
        None => push(&mut out, "null"),
    }
    push(&mut out, ",\"code\":");
    push_number(&mut out, u64::from(status.as_u16()));
    push(&mut out, "}}");
    respond(status, JSON, out.freeze())
}

pub(super) fn push(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn push_number(out: &mut BytesMut, number: u64) {
    let mut digits = [0_u8; 20];
    let mut rest = number;
    let mut from = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        from -= 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

fn push_hex(out: &mut BytesMut, number: u64) {
    for shift in (0..16).rev() {
        let nibble = u8::try_from((number >> (shift * 4)) & 15).unwrap_or(0);
        out.put_u8(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

/// `text` as it stands between the quotes of a JSON string.
pub(super) fn push_json(out: &mut BytesMut, text: &str) {
    let is_plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' => push(out, "\\\""),
            b'\\' => push(out, "\\\\"),
            b'\n' => push(out, "\\n"),
            b'\r' => push(out, "\\r"),
            b'\t' => push(out, "\\t"),
            0..0x20 => {
                push(out, if byte < 16 { "\\u000" } else { "\\u001" });
                let low = byte & 15;
                out.put_u8(if low < 10 { b'0' + low } else { b'a' + low - 10 });
            }
            _ => out.put_u8(byte),
        }
    }
}
