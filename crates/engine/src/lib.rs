//! Engines behind one trait: what generates text, wherever it runs.
//!
//! What must stay true: an engine is asked only after admission; dropping an [`EventStream`] cancels the generation within one
//! step of the engine; [`Engine::estimate`] is local, takes microseconds and never tokenises; no prompt or answer reaches a log.

pub mod embedded;
mod event;
pub mod models;
mod request;
pub mod routing;
pub mod scripted;
#[cfg(test)]
mod test_server;
pub mod upstream;
pub mod worker_protocol;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use rempart_domain::TokenCount;

pub use event::{Delta, EngineError, EngineEvent, FinishReason};
pub use request::{EmbedRequest, Embeddings, GOES_ON, GenerateRequest, Prompt, Sampling};

/// What a generation sends, in order: `Started`, any number of `Delta`, `Finished`; or an error at any point, which ends it.
pub type EventStream = BoxStream<'static, Result<EngineEvent, EngineError>>;

/// Whether an engine can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineStatus {
    /// It answers.
    Ready,
    /// It starts, or fetches or loads its model: `engine_starting`.
    Loading,
    /// It does not answer: `engine_unavailable`.
    Down,
}

impl EngineStatus {
    /// The word on the wire (`/readyz`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Loading => "loading",
            Self::Down => "down",
        }
    }
}

/// What an engine can hold at once; admission keeps within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Generations at once.
    pub sequences: u32,
    /// Tokens of KV cache shared by all of them.
    pub kv_tokens: u32,
}

/// An upper bound of what a generation will hold, made without tokenising.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Prompt tokens, at most.
    pub input: TokenCount,
}

/// A model an engine serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The name clients use.
    pub id: String,
    /// Tokens of prompt and answer together; `None` when the engine does not tell.
    pub context_len: Option<TokenCount>,
    /// Unix seconds, for `/v1/models`; when the file was made or the engine configured.
    pub created: i64,
}

/// What a running engine measured of itself; stale readings say so by their age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineLoad {
    /// Generations it works on.
    pub running: u32,
    /// Generations it holds back.
    pub waiting: u32,
    /// KV tokens in use.
    pub kv_tokens_used: u32,
}

/// Something that generates. Implementations: [`embedded`], [`upstream`], [`scripted`].
pub trait Engine: Send + Sync + 'static {
    /// The NAME of `[engine.NAME]`.
    fn name(&self) -> &str;
    /// Whether it can be asked now.
    fn status(&self) -> EngineStatus;
    /// What it serves; empty while loading.
    fn models(&self) -> Arc<[ModelInfo]>;
    /// What it can hold at once.
    fn capacity(&self) -> Capacity;
    /// Its last reading of itself, if it has any that is fresh.
    fn load(&self) -> Option<EngineLoad> {
        None
    }
    /// In slices of how many tokens it reads a stranger's prompt beside a member's, if it can ([`GenerateRequest::prefill_slice`]);
    /// `None`: prompts are read whole, one after the other.
    fn prefill_slice(&self) -> Option<TokenCount> {
        None
    }
    /// An upper bound for `request`; microseconds, no tokenising.
    fn estimate(&self, request: &GenerateRequest) -> Estimate;
    /// Starts a generation. Call it only with a permit; drop the stream to cancel.
    fn generate(&self, request: Arc<GenerateRequest>) -> EventStream;
    /// Embeddings, where the engine can.
    fn embed(&self, _request: EmbedRequest) -> BoxFuture<'static, Result<Embeddings, EngineError>> {
        Box::pin(async { Err(EngineError::NotSupported) })
    }
}
