//! What a generation sends back, and how it can fail.

use rempart_domain::{Millis, Sensitive, TokenCount, Usage};
use serde_json::value::RawValue;

/// One step of a generation.
#[derive(Debug, Clone)]
pub enum EngineEvent {
    /// The prompt was counted (exactly, where the engine can) and taken up.
    Started {
        /// Prompt tokens; `None` when the engine tells only at the end.
        input: Option<TokenCount>,
    },
    /// A piece of the answer.
    Delta(Delta),
    /// The end, with what it cost.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// What it cost. An engine that does not tell counts deltas.
        usage: Usage,
    },
}

/// A piece of the answer: whole UTF-8 characters only.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    /// Text of the answer; may be empty.
    pub content: Sensitive<String>,
    /// Text of the reasoning, for models that show it; may be empty.
    pub reasoning: Sensitive<String>,
    /// Tokens this piece took; 0 when it is unknown (then 1 is charged and settled at the end).
    pub tokens: TokenCount,
    /// Other members of the upstream's delta (`tool_calls`, …), in order, untouched.
    pub extra: Vec<(String, Sensitive<Box<RawValue>>)>,
}

/// Why a generation ended; the words of OpenAI and DeepSeek.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended, or a stop text came.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// Held back by a filter of the upstream.
    ContentFilter,
    /// Cut for lack of capacity; can be continued.
    InsufficientSystemResource,
}

impl EngineError {
    /// Full, and nobody can tell for how long.
    pub const FULL: Self = Self::Full { retry_after: None };

    /// Whether another engine may answer what this one did not, as long as nothing of an answer was told.
    pub const fn may_be_asked_elsewhere(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Starting | Self::Full { .. } | Self::Protocol(_))
    }
}

impl FinishReason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::InsufficientSystemResource => "insufficient_system_resource",
        }
    }

    /// Reads the word; what is unknown counts as a stop.
    pub fn parse(word: &str) -> Self {
        match word {
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "insufficient_system_resource" => Self::InsufficientSystemResource,
            _ => Self::Stop,
        }
    }
}

/// Why an engine did not answer, or stopped answering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Not reachable, breaker open, or a deadline passed.
    #[error("engine is not available")]
    Unavailable,
    /// Its model is being fetched or loaded.
    #[error("engine is starting")]
    Starting,
    /// It went down while it answered.
    #[error("engine went down while it answered")]
    Restarted,
    /// The engine said it is full (upstream 429 or 503), or its KV cache is.
    #[error("engine is full")]
    Full {
        /// When to come again, where the engine told.
        retry_after: Option<Millis>,
    },
    /// No such model here.
    #[error("engine has no such model")]
    ModelNotFound,
    /// Prompt (and the least answer) do not fit.
    #[error("prompt of {input} tokens does not fit a context of {context_len}")]
    ContextLength {
        /// Prompt tokens.
        input: u32,
        /// Tokens that fit.
        context_len: u32,
    },
    /// The engine did not take the request; its words are for the caller and may quote the request, so they are no log text.
    #[error("engine refused the request")]
    Rejected {
        /// The engine's own message.
        message: Sensitive<String>,
        /// The field it named.
        param: Option<String>,
    },
    /// The engine cannot do this kind of work.
    #[error("engine cannot do this")]
    NotSupported,
    /// What it sent made no sense.
    #[error("engine sent what is no answer: {0}")]
    Protocol(&'static str),
}
