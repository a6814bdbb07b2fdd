//! Starts an embedded engine over a model file, and reads its answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rempart_domain::{AccountId, Sensitive, Standing, TokenCount, Usage};
use rempart_engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use rempart_engine::models::ModelFile;
use rempart_engine::{
    Engine, EngineError, EngineEvent, EngineStatus, EventStream, FinishReason, GenerateRequest, Prompt, Sampling,
};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Long enough for a loaded machine; nothing waits for it in a good run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running engine; stops when dropped.
pub(crate) struct Running {
    pub(crate) engine: Arc<EmbeddedEngine>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) model: watch::Sender<Option<ModelFile>>,
    _task: JoinSet<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The path in a variable, or the word that the test is skipped.
pub(crate) fn model(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    if path.is_none() {
        eprintln!("skipped: no model ({variable} names none)");
    }
    path
}

/// An engine over `path`, not waited for.
pub(crate) fn start(path: Option<PathBuf>, change: impl FnOnce(&mut EmbeddedOptions)) -> Running {
    let file = path.map(|path| ModelFile { id: "test-model".to_owned(), path });
    let (model, model_path) = watch::channel(file);
    let mut options = EmbeddedOptions {
        name: "embedded".to_owned(),
        worker_exe: PathBuf::from(env!("CARGO_BIN_EXE_rempart-engine-worker")),
        worker_args: vec!["engine".to_owned(), "worker".to_owned()],
        model_path,
        model_id: "test-model".to_owned(),
        aliases: vec!["alias".to_owned()],
        sequences: 8,
        // The model's own context is 8192; a test that runs to its end would take minutes.
        kv_tokens: 2048,
        threads: None,
    };
    change(&mut options);
    let engine = EmbeddedEngine::new(options);
    let shutdown = CancellationToken::new();
    let mut task = JoinSet::new();
    task.spawn(Arc::clone(&engine).run(shutdown.clone()));
    Running { engine, shutdown, model, _task: task }
}

impl Running {
    /// Waits until the status is this one.
    pub(crate) async fn wait_for(&self, status: EngineStatus) {
        let reached = async {
            while self.engine.status() != status {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the status in time");
    }

    /// A ready engine over the model.
    pub(crate) async fn ready(path: PathBuf) -> Self {
        let running = start(Some(path), |_| {});
        running.wait_for(EngineStatus::Ready).await;
        running
    }

    pub(crate) fn ask(&self, request: GenerateRequest) -> EventStream {
        self.engine.generate(Arc::new(request))
    }

    pub(crate) async fn answer(&self, request: GenerateRequest) -> Result<Answer, EngineError> {
        read(self.ask(request)).await
    }
}

/// What an answer came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) deltas: usize,
    pub(crate) tokens: u32,
    pub(crate) started: Option<TokenCount>,
    pub(crate) reason: FinishReason,
    pub(crate) usage: Usage,
}

/// Reads a stream to its end.
pub(crate) async fn read(mut stream: EventStream) -> Result<Answer, EngineError> {
    let (mut text, mut deltas, mut tokens, mut started) = (String::new(), 0, 0, None);
    loop {
        let event = tokio::time::timeout(PATIENCE, stream.next())
            .await
            .expect("an event in time")
            .expect("an end before the end");
        match event? {
            EngineEvent::Started { input } => started = input,
            EngineEvent::Delta(delta) => {
                deltas += 1;
                tokens += delta.tokens.0;
                text.push_str(delta.content.expose());
            }
            EngineEvent::Finished { reason, usage } => {
                return Ok(Answer { text, deltas, tokens, started, reason, usage });
            }
        }
    }
}

/// A chat of one greedy question.
pub(crate) fn chat(question: &str) -> GenerateRequest {
    messages(&serde_json::json!([{ "role": "user", "content": question }]))
}

/// A greedy chat.
pub(crate) fn messages(messages: &serde_json::Value) -> GenerateRequest {
    request(Prompt::Chat(Sensitive::new(RawValue::from_string(messages.to_string()).unwrap())))
}

/// A greedy request of at most 64 tokens.
pub(crate) fn request(prompt: Prompt) -> GenerateRequest {
    GenerateRequest {
        model: "test-model".to_owned(),
        prompt,
        max_tokens: Some(TokenCount(64)),
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        is_whole: false,
        is_json_object: false,
        extra: Vec::new(),
        account: Some(AccountId::from_bits(1)),
        band: Standing::Member,
        prefill_slice: None,
    }
}
