//! From `[models]` and `[engine.*]` to engines that run: what is built from what, and which tasks keep it alive.
//!
//! What must stay true: the order of the configuration is the fallback order; without any engine configured, one embedded engine runs
//! the default model; a missing model or network keeps nothing from starting.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rempart_engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use rempart_engine::models::{DEFAULT_MODEL, Models, ModelsOptions, Progress, requantise_by_command};
use rempart_engine::routing::Engines;
use rempart_engine::scripted::{AnswerKind, ScriptedEngine, ScriptedOptions};
use rempart_engine::upstream::{Deadlines, Priority, UpstreamConfigError, UpstreamEngine, UpstreamOptions};
use rempart_engine::{Capacity, Engine};
use rempart_gateway::Tasks;

use crate::config::{Config, EngineKind, EnginePriority, EngineSection, ScriptedAnswer};
use crate::outcome::{Failure, chain, tell};

/// Name of the engine that runs when none is configured.
const EMBEDDED_NAME: &str = "embedded";

/// Pauses between attempts to fetch the default model: doubling from the first to the last.
const FETCH_PAUSE_MIN: Duration = Duration::from_secs(10);
const FETCH_PAUSE_MAX: Duration = Duration::from_secs(600);

/// The engines of a platform, not running yet.
pub(crate) struct Fleet {
    /// What generates.
    pub(crate) engines: Arc<Engines>,
    runners: Vec<Runner>,
    models: Arc<Models>,
    /// The model an embedded engine waits for, if it is missing and may be fetched.
    to_fetch: Option<String>,
}

/// An engine as its own type: each is kept alive by a task of its own.
enum Runner {
    Embedded(Arc<EmbeddedEngine>),
    Upstream(Arc<UpstreamEngine>),
    Scripted(Arc<ScriptedEngine>),
}

/// The registry of `[models] dir`.
pub(crate) fn open_models(config: &Config) -> Result<Models, Failure> {
    let options = ModelsOptions {
        requantise: own_program().ok().filter(|_| cfg!(feature = "embedded")).map(requantise_by_command),
        ..ModelsOptions::default()
    };
    Models::open_with(&config.models_dir, options).map_err(|error| Failure::missing("models", &error))
}

/// This program, to start its native half.
fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure::internal("this program's path", &error))
}

/// The model that an empty name means.
pub(crate) fn default_model(config: &Config) -> String {
    let configured = &config.models.default;
    if !configured.is_empty() {
        return configured.clone();
    }
    // An embedded engine without a model runs the built-in one; else whatever is named first.
    let runs_built_in = |engine: &EngineSection| engine.kind == EngineKind::Embedded && engine.models.is_empty();
    let first = config.engine.iter().flat_map(|(_, engine)| engine.models.first()).next();
    if config.engine.is_empty() || config.engine.iter().any(|(_, engine)| runs_built_in(engine)) {
        return DEFAULT_MODEL.to_owned();
    }
    let scripted = config.engine.iter().any(|(_, engine)| engine.kind == EngineKind::Scripted);
    first.cloned().unwrap_or_else(|| if scripted { "scripted" } else { DEFAULT_MODEL }.to_owned())
}

/// The model that an embedded engine runs: its own, or the default (an alias counts as what it points to).
fn embedded_model(config: &Config, engine: &EngineSection) -> String {
    let model = engine.models.first().cloned().unwrap_or_else(|| default_model(config));
    config.models.aliases.get(&model).cloned().unwrap_or(model)
}

/// Builds every engine; starts none.
pub(crate) fn build(config: &Config) -> Result<Fleet, Failure> {
    let models = Arc::new(open_models(config)?);
    let mut sections = config.engine.clone();
    if sections.is_empty() && cfg!(feature = "embedded") {
        sections
            .push((EMBEDDED_NAME.to_owned(), EngineSection { kind: EngineKind::Embedded, ..EngineSection::default() }));
    }
    if sections.is_empty() {
        tell("no engine is configured, and this program was built without the embedded one: set [engine.NAME]");
    }
    let (mut runners, mut to_fetch, mut expected) = (Vec::new(), None, Vec::new());
    for (name, section) in &sections {
        let runner = match section.kind {
            EngineKind::Embedded => {
                let model = embedded_model(config, section);
                if models.find(&model).is_none() {
                    to_fetch = to_fetch.or_else(|| miss(config, &model));
                }
                expected.push((name.clone(), vec![model.clone()]));
                Runner::Embedded(embedded(name, section, &model, &models)?)
            }
            EngineKind::Upstream => {
                let engine = upstream(name, section);
                Runner::Upstream(engine.map_err(|error| Failure::Config(format!("engine.{name}: {}", chain(&error))))?)
            }
            EngineKind::Scripted => Runner::Scripted(ScriptedEngine::new(scripted(name, section))),
        };
        runners.push(runner);
    }
    let all = runners.iter().map(Runner::engine).collect();
    let engines = Engines::new(all, config.models.aliases.clone(), default_model(config));
    let engines = expected.into_iter().fold(engines, |engines, (name, models)| engines.expecting(&name, models));
    Ok(Fleet { engines: Arc::new(engines), runners, models, to_fetch })
}

/// Says what is missing; the model's name if it may be fetched.
fn miss(config: &Config, model: &str) -> Option<String> {
    if config.models.fetch && model == DEFAULT_MODEL {
        tell(&format!(
            "the model {model} is missing and is being fetched; its requests get engine_starting until then"
        ));
        return Some(model.to_owned());
    }
    tell(&format!("the model {model} is missing: rempart model pull {model}"));
    None
}

fn embedded(name: &str, section: &EngineSection, model: &str, models: &Models) -> Result<Arc<EmbeddedEngine>, Failure> {
    Ok(EmbeddedEngine::new(EmbeddedOptions {
        name: name.to_owned(),
        worker_exe: own_program()?,
        worker_args: vec!["engine".to_owned(), "worker".to_owned()],
        model_path: models.watch(model),
        model_id: model.to_owned(),
        aliases: Vec::new(),
        sequences: section.sequences_or_default(),
        kv_tokens: section.kv_tokens_or_default(),
        threads: usize::try_from(section.threads).ok().filter(|threads| *threads > 0),
    }))
}

/// Builds an upstream engine; connects to nothing. The configuration check asks here too.
pub(crate) fn upstream(name: &str, section: &EngineSection) -> Result<Arc<UpstreamEngine>, UpstreamConfigError> {
    UpstreamEngine::new(UpstreamOptions {
        name: name.to_owned(),
        url: section.url.clone(),
        api_key: section.api_key.to_secret(),
        models: section.models.clone(),
        capacity: Capacity { sequences: section.sequences_or_default(), kv_tokens: section.kv_tokens_or_default() },
        priority: match section.priority {
            EnginePriority::None => Priority::None,
            EnginePriority::Vllm => Priority::Vllm,
            EnginePriority::Sglang => Priority::Sglang,
        },
        deadlines: Deadlines::default(),
    })
}

fn scripted(name: &str, section: &EngineSection) -> ScriptedOptions {
    ScriptedOptions {
        name: name.to_owned(),
        models: section.models.clone(),
        sequences: section.sequences_or_default(),
        kv_tokens: section.kv_tokens_or_default(),
        prefill_tps: section.prefill_tps,
        decode_tps: section.decode_tps,
        tokens: section.tokens,
        answer: match section.answer {
            ScriptedAnswer::Words => AnswerKind::Words,
            ScriptedAnswer::Echo => AnswerKind::Echo,
        },
        reasoning: section.reasoning,
    }
}

impl Runner {
    fn engine(&self) -> Arc<dyn Engine> {
        match self {
            Self::Embedded(engine) => Arc::clone(engine) as Arc<dyn Engine>,
            Self::Upstream(engine) => Arc::clone(engine) as Arc<dyn Engine>,
            Self::Scripted(engine) => Arc::clone(engine) as Arc<dyn Engine>,
        }
    }

    fn start(self, tasks: &Tasks) {
        let stop = tasks.stopping();
        match self {
            Self::Embedded(engine) => tasks.spawn("engine", engine.run(stop)),
            Self::Upstream(engine) => tasks.spawn("engine", engine.run(stop)),
            Self::Scripted(engine) => tasks.spawn("engine", engine.run(stop)),
        }
    }
}

impl Fleet {
    /// Starts every engine, the watch over the model folder, and the fetching of what is missing.
    pub(crate) fn start(self, tasks: &Tasks) {
        for runner in self.runners {
            runner.start(tasks);
        }
        tasks.spawn("model folder", Arc::clone(&self.models).run(tasks.stopping()));
        if let Some(model) = self.to_fetch {
            let (models, stop) = (self.models, tasks.stopping());
            tasks.spawn("model fetch", async move {
                // A stop drops the fetch where it is; what came is resumed by the next.
                stop.run_until_cancelled(Box::pin(fetch(&models, &model))).await;
            });
        }
    }
}

async fn fetch(models: &Models, model: &str) {
    let mut pause = FETCH_PAUSE_MIN;
    loop {
        let progress = |progress: Progress| {
            if let Progress::Note(note) = progress {
                tracing::info!(model.name = model, note, "fetching the model");
            }
        };
        match models.pull(model, progress).await {
            Ok(_) => {
                tracing::info!(model.name = model, "the model is here");
                return;
            }
            Err(error) => {
                tracing::warn!(
                    model.name = model,
                    error = chain(&error),
                    retry_s = pause.as_secs(),
                    "the model cannot be fetched"
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(FETCH_PAUSE_MAX);
    }
}
