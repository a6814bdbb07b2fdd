//! An engine behind any OpenAI-compatible URL: vLLM, SGLang, llama-server, or a provider.
//!
//! What must stay true: each answer is asked for as a stream with usage, or in one piece if it is short and wanted so; our key goes to the configured address only and into no message;
//! the client's words pass unchanged, fields that steer the engine do not ([`body`]); dropping the stream closes the connection; an
//! upstream that fails is left alone by a [`Breaker`]; connections, buffers and waits have bounds.

mod base;
mod body;
mod breaker;
mod chunk;
mod fault;
mod health;
mod sse;
mod stream;
pub(crate) mod wire;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use rempart_domain::{Millis, Secret, TokenCount};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use base::UpstreamConfigError;
pub(crate) use base::is_loopback;
pub use breaker::{Breaker, BreakerOptions, Change, Outcome, Pass};

use crate::{
    Capacity, EmbedRequest, Embeddings, Engine, EngineError, EngineLoad, EngineStatus, Estimate, EventStream,
    GenerateRequest, ModelInfo,
};
use base::Base;
use wire::{Connector, Pool, Wire, WireError};

/// Most connections kept idle to one upstream.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// A kept connection that fails within this time had been closed by its peer before it saw the request: it is asked once more.
const STALE_WITHIN: Duration = Duration::from_millis(500);

/// A reading of the engine's load older than this is none.
const LOAD_FRESH: Duration = Duration::from_secs(2);

/// Largest answer to a request for embeddings.
const EMBED_BYTES_MAX: usize = 32 << 20;

/// Tokens of a chat template around the prompt, in an estimate.
const ESTIMATE_BASE: usize = 16;

/// Bytes of prompt that make at least a token, in an estimate: one Chinese character.
const ESTIMATE_BYTES_PER_TOKEN: usize = 3;

/// Which way an engine's `priority` field counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// It has none, or we do not know.
    #[default]
    None,
    /// vLLM: lower first (`--scheduling-policy priority`).
    Vllm,
    /// SGLang: higher first (`--enable-priority-scheduling`).
    Sglang,
}

/// How long an upstream may take. Admission has its own, shorter ones; these free what hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Name resolution, connecting and TLS.
    pub connect: Duration,
    /// To the head of the answer, and from there to the first event; comments sent meanwhile count as a sign of life.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub between_bytes: Duration,
    /// The whole answer. What came by then is kept: it ends with `insufficient_system_resource`.
    pub whole: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(120),
            between_bytes: Duration::from_secs(30),
            whole: Duration::from_secs(30 * 60),
        }
    }
}

/// What `[engine.NAME]` with `kind = "upstream"` says.
#[derive(Debug)]
pub struct UpstreamOptions {
    /// NAME.
    pub name: String,
    /// `http(s)://host[:port][/path]`, with or without `/v1` at its end.
    pub url: String,
    /// Sent as a bearer token.
    pub api_key: Option<Secret<String>>,
    /// Names it serves; empty asks `GET /models`.
    pub models: Vec<String>,
    /// What it can hold at once.
    pub capacity: Capacity,
    /// Whether and how it orders.
    pub priority: Priority,
    /// How long it may take.
    pub deadlines: Deadlines,
}

/// The engine. Have [`UpstreamEngine::run`] run beside it, else it knows neither its health nor its load.
pub struct UpstreamEngine {
    inner: Arc<Inner>,
}

/// What engine, streams and health loop share.
struct Inner {
    name: String,
    base: Base,
    connector: Connector,
    pool: Pool,
    /// For redaction only; requests carry it in `headers`.
    api_key: Option<Secret<String>>,
    headers: HeaderMap,
    configured: Vec<String>,
    /// Unix seconds at which the engine was configured.
    created: i64,
    capacity: Capacity,
    priority: Priority,
    deadlines: Deadlines,
    models: ArcSwap<Arc<[ModelInfo]>>,
    /// The last health check's finding, a [`Health`].
    health: AtomicU8,
    breaker: Mutex<Breaker>,
    origin: Instant,
    load: Mutex<Option<(Instant, EngineLoad)>>,
    /// Our key or address was refused, and the log has said so.
    is_refusal_told: AtomicBool,
}

impl UpstreamEngine {
    /// Reads the address and prepares TLS; connects to nothing yet.
    ///
    /// # Errors
    /// When the address or key cannot be used.
    pub fn new(options: UpstreamOptions) -> Result<Arc<Self>, UpstreamConfigError> {
        let base = Base::parse(&options.url)?;
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(header::HOST, base.host.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(wire::USER_AGENT));
        if let Some(key) = &options.api_key {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose().trim()))
                .map_err(|_| UpstreamConfigError::Key)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
            if base.is_clear_and_far() {
                tracing::warn!(engine.name = options.name, "the engine's key travels unencrypted: use https");
            }
        }
        let created = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
        let models: Arc<[ModelInfo]> =
            options.models.iter().map(|id| ModelInfo { id: id.clone(), context_len: None, created }).collect();
        let idle_max = usize::try_from(options.capacity.sequences).unwrap_or(IDLE_CONNECTIONS_MAX);
        let inner = Inner {
            name: options.name,
            base,
            connector: Connector::new().map_err(|_| UpstreamConfigError::Tls)?,
            pool: Pool::new(idle_max.clamp(1, IDLE_CONNECTIONS_MAX)),
            api_key: options.api_key,
            headers,
            configured: options.models,
            created,
            capacity: options.capacity,
            priority: options.priority,
            deadlines: options.deadlines,
            models: ArcSwap::from_pointee(models),
            health: AtomicU8::new(Health::Unknown as u8),
            breaker: Mutex::new(Breaker::new(BreakerOptions::default())),
            origin: Instant::now(),
            load: Mutex::new(None),
            is_refusal_told: AtomicBool::new(false),
        };
        Ok(Arc::new(Self { inner: Arc::new(inner) }))
    }

    /// Watches the upstream's health, models and load until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        health::run(&self.inner, shutdown).await;
    }
}

impl Engine for UpstreamEngine {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn status(&self) -> EngineStatus {
        let now = self.inner.now();
        if self.inner.breaker.lock().unwrap_or_else(PoisonError::into_inner).is_open(now) {
            return EngineStatus::Down;
        }
        match Health::read(&self.inner.health) {
            Health::Well => EngineStatus::Ready,
            Health::Unknown | Health::Loading => EngineStatus::Loading,
            Health::Ill => EngineStatus::Down,
        }
    }

    fn models(&self) -> Arc<[ModelInfo]> {
        Arc::clone(&self.inner.models.load())
    }

    fn capacity(&self) -> Capacity {
        self.inner.capacity
    }

    fn load(&self) -> Option<EngineLoad> {
        let load = *self.inner.load.lock().unwrap_or_else(PoisonError::into_inner);
        load.filter(|(read_at, _)| read_at.elapsed() <= LOAD_FRESH).map(|(_, load)| load)
    }

    fn estimate(&self, request: &GenerateRequest) -> Estimate {
        self.inner.estimate(request)
    }

    fn generate(&self, request: Arc<GenerateRequest>) -> EventStream {
        match self.inner.try_pass() {
            Some(report) => Box::pin(stream::Generating::new(Arc::clone(&self.inner), request, report)),
            None => Box::pin(stream::once(std::future::ready(Err(EngineError::Unavailable)))),
        }
    }

    fn embed(&self, request: EmbedRequest) -> BoxFuture<'static, Result<Embeddings, EngineError>> {
        let inner = Arc::clone(&self.inner);
        async move { inner.embed(&request).await }.boxed()
    }
}

/// What the health loop found last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Health {
    Unknown = 0,
    Loading = 1,
    Well = 2,
    Ill = 3,
}

impl Health {
    fn read(cell: &AtomicU8) -> Self {
        match cell.load(Ordering::Relaxed) {
            1 => Self::Loading,
            2 => Self::Well,
            3 => Self::Ill,
            _ => Self::Unknown,
        }
    }
}

/// A pass of the breaker that reports by itself: abandoned, unless something else was reported before it is dropped.
struct Report {
    inner: Arc<Inner>,
    pass: Pass,
    is_told: bool,
}

impl Report {
    fn tell(&mut self, outcome: Outcome) {
        self.is_told = true;
        let now = self.inner.now();
        let change = self.inner.breaker.lock().unwrap_or_else(PoisonError::into_inner).record(now, self.pass, outcome);
        self.inner.log_change(change);
    }

    fn tell_error(&mut self, error: &EngineError) {
        self.tell(outcome_of(error));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(Outcome::Abandoned);
        }
    }
}

/// A refusal is an answer: the upstream is there.
const fn outcome_of(error: &EngineError) -> Outcome {
    match error {
        EngineError::Unavailable | EngineError::Restarted | EngineError::Protocol(_) => Outcome::Failure,
        EngineError::Starting
        | EngineError::Full { .. }
        | EngineError::ModelNotFound
        | EngineError::ContextLength { .. }
        | EngineError::Rejected { .. }
        | EngineError::NotSupported => Outcome::Success,
    }
}

/// An answer whose head has come.
struct Begun {
    wire: Box<Wire>,
    status: StatusCode,
    /// Where it said when to come again.
    retry_after: Option<Millis>,
    is_event_stream: bool,
    body: hyper::body::Incoming,
}

impl Inner {
    fn now(&self) -> Millis {
        Millis(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn try_pass(self: &Arc<Self>) -> Option<Report> {
        let pass = self.breaker.lock().unwrap_or_else(PoisonError::into_inner).try_pass(self.now())?;
        Some(Report { inner: Arc::clone(self), pass, is_told: false })
    }

    fn log_change(&self, change: Change) {
        match change {
            Change::None => {}
            Change::Opened => tracing::warn!(engine.name = self.name, "engine fails, it is not asked for a while"),
            Change::Closed => tracing::info!(engine.name = self.name, "engine answers again"),
        }
    }

    fn estimate(&self, request: &GenerateRequest) -> Estimate {
        let extra: usize = request.extra.iter().map(|(_, value)| value.expose().get().len()).sum();
        let bytes = request.prompt.len_bytes().saturating_add(extra);
        let models = self.models.load();
        let context = models.iter().find(|info| info.id == request.model).and_then(|info| info.context_len);
        let most = context.map_or(self.capacity.kv_tokens, |context| context.0);
        let tokens = bytes / ESTIMATE_BYTES_PER_TOKEN + ESTIMATE_BASE;
        Estimate { input: TokenCount(u32::try_from(tokens).unwrap_or(u32::MAX).min(most)) }
    }

    /// Sends a request and waits for the head of its answer: on a kept connection if there is one, and once more on a new one if that
    /// turns out to have been closed by its peer.
    async fn ask(&self, method: Method, path: &Uri, body: Bytes, with_key: bool) -> Result<Begun, WireError> {
        let mut kept = self.pool.take();
        loop {
            let mut wire = match kept.take() {
                Some(wire) => wire,
                None => Wire::open(&self.connector, &self.base.origin, self.deadlines.connect).await?,
            };
            let asked_at = Instant::now();
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = path.clone();
            *request.headers_mut() = self.headers.clone();
            if !with_key {
                request.headers_mut().remove(header::AUTHORIZATION);
            }
            match tokio::time::timeout(self.deadlines.first_byte, wire.send(request)).await {
                Ok(Ok(answer)) => {
                    let (head, body) = answer.into_parts();
                    let kind = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
                    let is_event_stream = kind.starts_with(b"text/event-stream");
                    let retry_after = fault::retry_after(&head.headers);
                    return Ok(Begun { wire, status: head.status, retry_after, is_event_stream, body });
                }
                Ok(Err(_)) if wire.is_reused() && asked_at.elapsed() < STALE_WITHIN => {}
                Ok(Err(error)) => return Err(error),
                Err(_elapsed) => return Err(WireError::TimedOut),
            }
        }
    }

    /// The same, where anything but 200 is an error.
    async fn ask_well(&self, path: &Uri, body: Bytes) -> Result<Begun, EngineError> {
        let mut begun = self.ask(Method::POST, path, body, true).await.map_err(|error| self.lost(&error))?;
        if begun.status == StatusCode::OK {
            self.is_refusal_told.store(false, Ordering::Relaxed);
            return Ok(begun);
        }
        let read = begun.wire.collect(&mut begun.body, fault::ERROR_BYTES_MAX);
        let words = match tokio::time::timeout(self.deadlines.connect, read).await {
            Ok(Ok((words, is_all))) => {
                if is_all {
                    self.pool.give(begun.wire, None);
                }
                words
            }
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let error = fault::from_status(
            begun.status,
            &words,
            self.api_key.as_ref().map(|key| key.expose().trim()),
            begun.retry_after,
        );
        if fault::is_ours(begun.status, &error) {
            self.tell_refusal(begun.status);
        }
        Err(error)
    }

    /// Our key, balance or address does not work: said once, until something works again.
    fn tell_refusal(&self, status: StatusCode) {
        if !self.is_refusal_told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                engine.name = self.name,
                http.status = status.as_u16(),
                "the engine refuses us: check url and api_key_file"
            );
        }
    }

    /// A failure below HTTP. Logged at `debug`: the breaker's changes are what an operator reads.
    fn lost(&self, error: &WireError) -> EngineError {
        let source = std::error::Error::source(error).map(ToString::to_string);
        tracing::debug!(engine.name = self.name, %error, source, "engine did not answer");
        EngineError::Unavailable
    }

    async fn embed(self: &Arc<Self>, request: &EmbedRequest) -> Result<Embeddings, EngineError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            data: Box<RawValue>,
            #[serde(default)]
            usage: Option<chunk::UsageWire>,
        }
        let mut report = self.try_pass().ok_or(EngineError::Unavailable)?;
        let read = async {
            let mut begun = self.ask_well(&self.base.embeddings, body::write_embed(request).into()).await?;
            let collect = begun.wire.collect(&mut begun.body, EMBED_BYTES_MAX);
            let (bytes, is_all) = collect.await.map_err(|error| self.lost(&error))?;
            if !is_all {
                return Err(EngineError::Protocol("answer is too long"));
            }
            self.pool.give(begun.wire, None);
            let answer: Answer =
                serde_json::from_slice(&bytes).map_err(|_| EngineError::Protocol("not the JSON of embeddings"))?;
            let usage = answer.usage.map(|usage| usage.to_usage()).unwrap_or_default();
            Ok(Embeddings { data: answer.data, usage })
        };
        let result = match tokio::time::timeout(self.deadlines.first_byte, read).await {
            Ok(result) => result,
            Err(_elapsed) => Err(EngineError::Unavailable),
        };
        report.tell(result.as_ref().err().map_or(Outcome::Success, outcome_of));
        result
    }
}

#[cfg(test)]
mod tests;
