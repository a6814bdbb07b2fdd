//! The scripted engine in this process, behind the trait.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream;
use rempart_domain::{Sensitive, TokenCount, Usage};
use tokio_util::sync::CancellationToken;

use super::ScriptedOptions;
use super::driver::{Driver, Running};
use super::machine::OfferError;
use super::text::{Answer, Asked, Message, Wish};
use crate::{
    Capacity, Delta, Engine, EngineError, EngineEvent, EngineLoad, EngineStatus, Estimate, EventStream,
    GenerateRequest, ModelInfo, Prompt,
};

/// A stranger's prompt is read in slices of this many tokens.
const PREFILL_SLICE: TokenCount = TokenCount(256);

/// A scripted engine. Nothing moves before somebody awaits [`ScriptedEngine::run`].
#[derive(Debug)]
pub struct ScriptedEngine {
    options: ScriptedOptions,
    models: Arc<[ModelInfo]>,
    driver: Arc<Driver>,
}

impl ScriptedEngine {
    /// An idle engine. Its clock is tokio's, so a paused one drives it too.
    pub fn new(options: ScriptedOptions) -> Arc<Self> {
        let driver = Arc::new(Driver::new(options.script()));
        let context_len = Some(TokenCount(driver.script().kv_tokens));
        let created = unix_seconds();
        let models = options.model_names().into_iter().map(|id| ModelInfo { id, context_len, created }).collect();
        Arc::new(Self { options, models, driver })
    }

    /// Plays the engine until `shutdown`. What is in flight then ends with `engine_restarted`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        self.driver.run(None, shutdown).await;
    }

    fn begin(&self, request: &GenerateRequest) -> Result<Flow, EngineError> {
        if self.driver.is_closed() {
            return Err(EngineError::Unavailable);
        }
        if !self.models.iter().any(|model| model.id == request.model) {
            return Err(EngineError::ModelNotFound);
        }
        let asked = match &request.prompt {
            Prompt::Chat(messages) => serde_json::from_str::<Vec<Message<'_>>>(messages.expose().get())
                .and_then(|messages| Asked::from_messages(&messages, self.options.answer))
                .map_err(|_| EngineError::Rejected {
                    message: Sensitive::new("messages are not what they should be".to_owned()),
                    param: Some("messages".to_owned()),
                })?,
            Prompt::Text(text) => Asked::from_prompt(text.expose(), self.options.answer),
        };
        let wish = Wish {
            max_tokens: request.max_tokens.map(|tokens| tokens.0),
            stop: request.sampling.stop.clone(),
            is_json_object: request.is_json_object,
        };
        let input = asked.input;
        let mut answer = Answer::plan(&self.options, &asked.echo, &wish);
        let slice = request.prefill_slice.map_or(0, |slice| slice.0);
        let running = self.driver.begin(input, answer.total(), slice).map_err(|error| match error {
            OfferError::TooLong { input, kv_tokens } => EngineError::ContextLength { input, context_len: kv_tokens },
            OfferError::IdInUse => EngineError::Protocol("request id in use"),
        })?;
        answer.shorten(running.answer());
        Ok(Flow { running, answer, input, told: 0, is_start_told: false, is_over: false })
    }
}

impl Engine for ScriptedEngine {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn status(&self) -> EngineStatus {
        if self.driver.is_closed() { EngineStatus::Down } else { EngineStatus::Ready }
    }

    fn models(&self) -> Arc<[ModelInfo]> {
        Arc::clone(&self.models)
    }

    fn capacity(&self) -> Capacity {
        let script = self.driver.script();
        Capacity { sequences: script.sequences, kv_tokens: script.kv_tokens }
    }

    fn prefill_slice(&self) -> Option<TokenCount> {
        Some(PREFILL_SLICE)
    }

    fn load(&self) -> Option<EngineLoad> {
        let counts = self.driver.counts();
        Some(EngineLoad { running: counts.running, waiting: counts.waiting, kv_tokens_used: counts.kv_held })
    }

    fn estimate(&self, request: &GenerateRequest) -> Estimate {
        // JSON is never shorter than the text in it.
        Estimate { input: TokenCount(super::text::count_tokens(request.prompt.len_bytes())) }
    }

    fn generate(&self, request: Arc<GenerateRequest>) -> EventStream {
        match self.begin(&request) {
            Ok(flow) => flow.boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }
}

/// Seconds since 1970; a date for lists of models, never an interval.
pub(super) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(0)
}

/// A generation as its subscriber sees it. Tokens that were made while nobody polled come as one piece.
struct Flow {
    running: Running,
    answer: Answer,
    input: u32,
    told: u32,
    is_start_told: bool,
    is_over: bool,
}

impl Stream for Flow {
    type Item = Result<EngineEvent, EngineError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let flow = self.get_mut();
        if flow.is_over {
            return Poll::Ready(None);
        }
        let progress = match flow.running.poll_progress(cx, flow.told, flow.is_start_told) {
            Poll::Ready(progress) => progress,
            Poll::Pending => return Poll::Pending,
        };
        if progress.is_started && !flow.is_start_told {
            flow.is_start_told = true;
            return Poll::Ready(Some(Ok(EngineEvent::Started { input: Some(TokenCount(flow.input)) })));
        }
        if progress.made > flow.told {
            return Poll::Ready(Some(Ok(EngineEvent::Delta(flow.take(progress.made)))));
        }
        flow.is_over = true;
        if progress.is_lost {
            return Poll::Ready(Some(Err(EngineError::Restarted)));
        }
        let usage = Usage {
            input: TokenCount(flow.input),
            output: TokenCount(flow.answer.total()),
            reasoning: TokenCount(flow.answer.reasoning()),
            cached_input: TokenCount(0),
        };
        Poll::Ready(Some(Ok(EngineEvent::Finished { reason: flow.answer.reason(), usage })))
    }
}

impl Flow {
    /// The tokens up to `made`, as one piece.
    fn take(&mut self, made: u32) -> Delta {
        let tokens = TokenCount(made - self.told);
        let (mut content, mut reasoning) = (String::new(), String::new());
        while self.told < made {
            self.told += 1;
            if let Some(piece) = self.answer.next_piece() {
                if piece.is_reasoning { &mut reasoning } else { &mut content }.push_str(piece.text);
            }
        }
        Delta { content: Sensitive::new(content), reasoning: Sensitive::new(reasoning), tokens, extra: Vec::new() }
    }
}
