//! The embedded engine: llama.cpp in a child process of the same binary, supervised.
//!
//! What must stay true: no native code runs in this process; whatever the child does, each generation ends, with
//! [`EngineError::Restarted`] if the child went down under it; dropping a stream cancels it in the child within one step; a slow
//! reader holds up nobody (its deltas are merged, and the worker never waits for it); the child gets none of our environment but
//! what its runtime needs.

mod estimate;
mod link;
mod restart;
mod supervise;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::StreamExt;
use rempart_domain::TokenCount;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::models::ModelFile;
use crate::worker_protocol::{GenerateParams, Loaded, PromptFrame, SamplingFrame};
use crate::{
    Capacity, Engine, EngineError, EngineLoad, EngineStatus, Estimate, EventStream, GenerateRequest, ModelInfo, Prompt,
};
use link::Link;

/// Generations at once, unless configured.
pub const SEQUENCES_DEFAULT: u32 = 8;
/// KV tokens shared by all generations, unless configured.
pub const KV_TOKENS_DEFAULT: u32 = 8192;
/// Prompt tokens read in one step: 32 cost a third of the speed, 512 hold everybody up for seconds (measured on 2 cores).
pub const CHUNK_TOKENS: u32 = 128;
/// Of them, a stranger's beside a member's: each is a wait for every token that is being said.
const PREFILL_SLICE: TokenCount = TokenCount(CHUNK_TOKENS / 4);
/// Finished generations kept for prompts that begin alike, for each sequence.
const CACHED_PER_SEQUENCE: u32 = 3;
/// A reading older than this is no reading.
const LOAD_FRESH: Duration = Duration::from_secs(2);
/// Fields of the request that a chat template may read.
const TEMPLATE_FIELDS: [&str; 4] = ["tools", "documents", "chat_template_kwargs", "reasoning_effort"];

/// How to run one embedded engine.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The NAME of `[engine.NAME]`.
    pub name: String,
    /// The program that is the worker: our own binary.
    pub worker_exe: PathBuf,
    /// Its arguments: `["engine", "worker"]`.
    pub worker_args: Vec<String>,
    /// The model, once it is whole on disk; the engine loads it as it appears and again when it becomes another.
    pub model_path: watch::Receiver<Option<ModelFile>>,
    /// The name clients use for it; known before it is there, so that they are told `engine_starting`, not `model_not_found`.
    pub model_id: String,
    /// Further names.
    pub aliases: Vec<String>,
    /// Generations at once; [`SEQUENCES_DEFAULT`].
    pub sequences: u32,
    /// KV tokens shared by all generations; [`KV_TOKENS_DEFAULT`].
    pub kv_tokens: u32,
    /// Threads of a step; `None` takes the cores there are.
    pub threads: Option<usize>,
}

/// llama.cpp in a child process.
pub struct EmbeddedEngine {
    options: EmbeddedOptions,
    created: i64,
    status: AtomicU8,
    pid: AtomicU32,
    link: ArcSwapOption<Link>,
    models: ArcSwap<[ModelInfo; 1]>,
    reading: Mutex<Reading>,
}

/// What the supervisor learned last.
#[derive(Default)]
struct Reading {
    load: Option<(EngineLoad, Instant)>,
    loaded: Option<Loaded>,
    down_reason: Option<String>,
}

impl EmbeddedEngine {
    /// Starts nothing: that is [`EmbeddedEngine::run`]'s.
    pub fn new(options: EmbeddedOptions) -> Arc<Self> {
        let created =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
        let model = ModelInfo { id: options.model_id.clone(), context_len: None, created };
        Arc::new(Self {
            options,
            created,
            status: AtomicU8::new(EngineStatus::Loading as u8),
            pid: AtomicU32::new(0),
            link: ArcSwapOption::empty(),
            models: ArcSwap::from_pointee([model]),
            reading: Mutex::default(),
        })
    }

    /// Keeps a worker alive until `shutdown`: waits for the model, starts the worker, and starts it again whenever it ends (at once the
    /// first time, then after 0.2 s doubling to 1 s).
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        supervise::run(&self, shutdown).await;
    }

    /// The worker's process id while there is one.
    pub fn worker_pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Acquire)).filter(|pid| *pid != 0)
    }

    /// The model's name and its aliases, loaded or not.
    pub fn model_ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.options.model_id.as_str()).chain(self.options.aliases.iter().map(String::as_str))
    }

    /// What the worker said of its model when it loaded it.
    pub fn loaded(&self) -> Option<Loaded> {
        self.reading().loaded.clone()
    }

    /// Why the status is `down`, for an operator.
    pub fn down_reason(&self) -> Option<String> {
        self.reading().down_reason.clone()
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_status(&self, status: EngineStatus) {
        self.status.store(status as u8, Ordering::Release);
    }

    fn set_down(&self, reason: String) {
        self.reading().down_reason = Some(reason);
        self.set_status(EngineStatus::Down);
    }

    fn set_load(&self, load: EngineLoad) {
        self.reading().load = Some((load, Instant::now()));
    }

    fn set_loaded(&self, loaded: Loaded) {
        self.models.store(Arc::new([ModelInfo {
            id: self.options.model_id.clone(),
            context_len: Some(TokenCount(loaded.context_len)),
            created: self.created,
        }]));
        let mut reading = self.reading();
        reading.down_reason = None;
        reading.load = Some((EngineLoad::default(), Instant::now()));
        reading.loaded = Some(loaded);
    }

    fn context_len(&self) -> u32 {
        let [model] = &**self.models.load();
        model.context_len.map_or(self.options.kv_tokens, |len| len.0)
    }

    fn start(&self, request: &GenerateRequest) -> Result<EventStream, EngineError> {
        if !self.model_ids().any(|id| id == request.model) {
            return Err(EngineError::ModelNotFound);
        }
        match self.status() {
            EngineStatus::Ready => {}
            EngineStatus::Loading => return Err(EngineError::Starting),
            EngineStatus::Down => return Err(EngineError::Unavailable),
        }
        let link = self.link.load_full().ok_or(EngineError::Starting)?;
        link.submit(params_of(request))
    }
}

impl Engine for EmbeddedEngine {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn status(&self) -> EngineStatus {
        let word = self.status.load(Ordering::Acquire);
        [EngineStatus::Ready, EngineStatus::Loading]
            .into_iter()
            .find(|status| *status as u8 == word)
            .unwrap_or(EngineStatus::Down)
    }

    fn models(&self) -> Arc<[ModelInfo]> {
        self.models.load_full()
    }

    fn capacity(&self) -> Capacity {
        let kv_tokens = self.reading().loaded.as_ref().map_or(self.options.kv_tokens, |loaded| loaded.kv_tokens);
        Capacity { sequences: self.options.sequences, kv_tokens }
    }

    fn prefill_slice(&self) -> Option<TokenCount> {
        Some(PREFILL_SLICE)
    }

    fn load(&self) -> Option<EngineLoad> {
        let (load, at) = self.reading().load?;
        let is_idle = load == EngineLoad::default();
        (self.status() == EngineStatus::Ready && (is_idle || at.elapsed() <= LOAD_FRESH)).then_some(load)
    }

    fn estimate(&self, request: &GenerateRequest) -> Estimate {
        let text = match &request.prompt {
            Prompt::Chat(messages) => messages.expose().get(),
            Prompt::Text(text) => text.expose(),
        };
        let tools = request.extra.iter().filter(|(name, _)| name == "tools").map(|(_, value)| value.expose().get());
        Estimate { input: TokenCount(estimate::tokens_at_most(std::iter::once(text).chain(tools), self.context_len())) }
    }

    fn generate(&self, request: Arc<GenerateRequest>) -> EventStream {
        self.start(&request).unwrap_or_else(|error| futures_util::stream::once(std::future::ready(Err(error))).boxed())
    }
}

/// The request as the worker reads it; its id is given by the link.
fn params_of(request: &GenerateRequest) -> GenerateParams {
    let sampling = &request.sampling;
    let is_without_tools =
        request.extra.iter().any(|(name, value)| name == "tool_choice" && value.expose().get() == "\"none\"");
    let template_fields: Vec<(String, Box<RawValue>)> = request
        .extra
        .iter()
        .filter(|(name, _)| TEMPLATE_FIELDS.contains(&name.as_str()) && !(is_without_tools && name == "tools"))
        .map(|(name, value)| (name.clone(), value.expose().clone()))
        .collect();
    GenerateParams {
        id: 0,
        prompt: match &request.prompt {
            Prompt::Chat(messages) => PromptFrame::Chat(messages.expose().clone()),
            Prompt::Text(text) => PromptFrame::Text(text.expose().clone()),
        },
        template_fields,
        sampling: SamplingFrame {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k,
            min_p: sampling.min_p,
            presence_penalty: sampling.presence_penalty,
            frequency_penalty: sampling.frequency_penalty,
            repeat_penalty: sampling.repeat_penalty,
            seed: sampling.seed.unwrap_or_else(|| getrandom::u64().unwrap_or(0)),
            stop: sampling.stop.clone(),
        },
        max_tokens: request.max_tokens.map(|tokens| tokens.0),
        is_json_object: request.is_json_object,
        salt: request.account.map(rempart_domain::AccountId::bits),
        rank: request.band.to_u8(),
        prefill_slice: request.prefill_slice.map(|slice| slice.0),
    }
}
