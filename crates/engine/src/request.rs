//! What is asked of an engine. Content is `Sensitive`; what we do not know is carried untouched to engines that may.

use rempart_domain::{AccountId, Band, Sensitive, TokenCount, Usage};
use serde_json::value::RawValue;

/// A prompt, kept as the client's JSON so that an upstream engine gets it unchanged.
#[derive(Debug, Clone)]
pub enum Prompt {
    /// `messages` of a chat completion: a JSON array whose shape the gateway has checked (each has a string `role`, and `content`
    /// that is a string, null or an array of parts).
    Chat(Sensitive<Box<RawValue>>),
    /// `prompt` of a completion: plain text.
    Text(Sensitive<String>),
}

impl Prompt {
    /// Length of the prompt as JSON or text, in bytes.
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Chat(messages) => messages.expose().get().len(),
            Self::Text(text) => text.expose().len(),
        }
    }
}

/// How the next token is chosen. `None` leaves it to the engine's default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: Option<f32>,
    /// Nucleus: keep the likeliest tokens that together reach this probability.
    pub top_p: Option<f32>,
    /// Keep this many of the likeliest.
    pub top_k: Option<u32>,
    /// Keep tokens at least this fraction as likely as the likeliest.
    pub min_p: Option<f32>,
    /// OpenAI's presence penalty, -2 to 2.
    pub presence_penalty: Option<f32>,
    /// OpenAI's frequency penalty, -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// llama.cpp's multiplicative penalty over the last 64 tokens; 1 is none.
    pub repeat_penalty: Option<f32>,
    /// Same seed, same prompt, same load: same answer, as far as batching allows.
    pub seed: Option<u64>,
    /// Up to 16 texts that end the answer and are not part of it.
    pub stop: Vec<String>,
}

/// The field of [`GenerateRequest::extra`] that says: the last message is what the answer said so far, go on with it. Each engine says it
/// in its own way, or takes an assistant's last message so by itself; it goes to none as it stands.
pub const GOES_ON: &str = "rempart_goes_on";

/// A generation, asked for after admission.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// The model's name as the engine knows it (aliases are resolved).
    pub model: String,
    /// The prompt.
    pub prompt: Prompt,
    /// Most tokens of answer, already capped by the band; `None` lets the engine go on to the end of its context.
    pub max_tokens: Option<TokenCount>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The caller wants the answer in one piece: an engine that is asked over a network may be asked so too.
    pub is_whole: bool,
    /// `response_format: {"type":"json_object"}`.
    pub is_json_object: bool,
    /// Fields of the client's body that are none of the above (tools, tool_choice, thinking, …), in order, untouched. The gateway has
    /// removed `model`, `messages`, `prompt`, `stream`, `stream_options`, `priority`, `n`, `best_of` and everything `sampling` holds.
    pub extra: Vec<(String, Sensitive<Box<RawValue>>)>,
    /// Whose it is: salts the prefix cache (CVE-2025-46570) and, for engines that know priorities, orders.
    pub account: Option<AccountId>,
    /// The band it was admitted in.
    pub band: Band,
    /// Its prompt is read in slices of this many tokens, behind those of members; `None`: as fast as it goes.
    pub prefill_slice: Option<TokenCount>,
}

impl GenerateRequest {
    /// Longest answer that is asked for in one piece when the caller wants it so. It costs a quarter of the events of a stream; but of a
    /// longer one we want to see that it comes, count it while it comes, and keep what came when it is cut.
    pub const WHOLE_TOKENS_MAX: TokenCount = TokenCount(16);

    /// Whether an engine that is asked over a network is asked for the answer in one piece.
    pub fn is_asked_whole(&self) -> bool {
        self.is_whole && self.max_tokens.is_some_and(|most| most <= Self::WHOLE_TOKENS_MAX)
    }
}

/// Texts to embed.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// The model's name as the engine knows it.
    pub model: String,
    /// The client's body but `model`, untouched (`input`, `encoding_format`, `dimensions`, …).
    pub body: Vec<(String, Sensitive<Box<RawValue>>)>,
}

/// What an engine answered to [`EmbedRequest`].
#[derive(Debug, Clone)]
pub struct Embeddings {
    /// `data` of the answer, as the engine wrote it.
    pub data: Box<RawValue>,
    /// Only `input` is set.
    pub usage: Usage,
}
