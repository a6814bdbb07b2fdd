//! Keeps one worker alive: waits for a model, starts the child, loads, serves, and starts again.
//!
//! The states: *waiting* for a model file (status `loading`) → *loading* in a fresh child (`loading`) → *serving* (`ready`) → the
//! child ends for whatever reason: everything in flight ends with `Restarted`, and after the wait of [`super::restart`] it loads
//! again. A model that cannot be loaded is `down` with a reason, and tried again after a while or as soon as the file is another.
//!
//! What must stay true: the child is killed when this future is dropped; its socket is its only way in, and has no name.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::restart::Restarts;
use super::{CACHED_PER_SEQUENCE, CHUNK_TOKENS, EmbeddedEngine};
use crate::models::ModelFile;
use crate::worker_protocol::{
    FROM_WORKER_FRAME_BYTES_MAX, FrameReader, FromWorker, LoadParams, Loaded, StatsFrame, TO_WORKER_FRAME_BYTES_MAX,
    ToWorker, encode_frame,
};
use crate::{EngineError, EngineLoad, EngineStatus};

/// A model that does not load within this is given up.
const LOAD_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Wait before a model that could not be loaded is tried again.
const LOAD_RETRY: Duration = Duration::from_secs(30);
/// A child whose socket closed is waited for this long, then killed.
const EXIT_DEADLINE: Duration = Duration::from_secs(1);
/// Longest line of the worker's log that is passed on, in bytes.
const LOG_LINE_BYTES_MAX: usize = 4096;
/// What of our environment the child may see: where its libraries lie and how its threads behave. No key of ours is among it.
const ENVIRONMENT: [&str; 10] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "TMPDIR",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "GOMP_SPINCOUNT",
];

/// How a life of the worker ended.
enum Ended {
    /// The model could not be loaded; the worker says why.
    LoadFailed(String),
    /// The child ended or broke the protocol, after it had served for so long.
    Died { served: Duration },
    /// The model is another one now.
    ModelChanged,
}

pub(super) async fn run(engine: &Arc<EmbeddedEngine>, shutdown: CancellationToken) {
    let supervise = async {
        let mut models = engine.options.model_path.clone();
        let mut restarts = Restarts::default();
        loop {
            let Some(model) = wait_for_model(&mut models).await else {
                engine.set_down("no model is configured".to_owned());
                return std::future::pending().await;
            };
            match live(engine, &model, &mut models).await {
                Ended::ModelChanged => {}
                Ended::Died { served } => tokio::time::sleep(restarts.wait_after(served)).await,
                Ended::LoadFailed(reason) => {
                    tracing::error!(engine.name = %engine.options.name, reason, "the model cannot be loaded");
                    engine.set_down(reason);
                    let _ = timeout(LOAD_RETRY, models.changed()).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => engine.set_status(EngineStatus::Down),
        () = supervise => {}
    }
}

/// The model, as soon as there is one; `None` when there never will be.
async fn wait_for_model(models: &mut watch::Receiver<Option<ModelFile>>) -> Option<ModelFile> {
    models.wait_for(Option::is_some).await.ok().and_then(|model| model.clone())
}

/// Whatever way a life ends, the callers of its link are told and the engine stops offering it.
struct Life<'a> {
    engine: &'a EmbeddedEngine,
    link: Arc<Link>,
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.engine.link.store(None);
        self.engine.pid.store(0, Ordering::Release);
        self.link.close(&EngineError::Restarted);
    }
}

async fn live(engine: &EmbeddedEngine, model: &ModelFile, models: &mut watch::Receiver<Option<ModelFile>>) -> Ended {
    engine.set_status(EngineStatus::Loading);
    let (mut child, socket) = match spawn_worker(engine) {
        Ok(spawned) => spawned,
        Err(error) => return Ended::LoadFailed(format!("the worker cannot be started: {error}")),
    };
    let life = Life { engine, link: Arc::new(Link::default()) };
    engine.pid.store(child.id().unwrap_or(0), Ordering::Release);
    let log = forward_log(child.stderr.take(), &engine.options.name);
    tokio::pin!(log);
    let mut is_log_open = true;
    let ended = {
        let serve = serve(&life, model, models, socket);
        tokio::pin!(serve);
        loop {
            tokio::select! {
                ended = &mut serve => break ended,
                () = &mut log, if is_log_open => is_log_open = false,
            }
        }
    };
    engine.set_status(EngineStatus::Loading);
    let lost = life.link.in_flight();
    drop(life);
    let status = end_child(&mut child, matches!(ended, Ended::ModelChanged)).await;
    if is_log_open {
        let _ = timeout(Duration::from_millis(100), &mut log).await;
    }
    if let Ended::Died { served } = &ended {
        let served_ms = u64::try_from(served.as_millis()).unwrap_or(u64::MAX);
        let status = status.map_or_else(String::new, |status| status.to_string());
        tracing::warn!(engine.name = %engine.options.name, status, served_ms, generations.lost = lost, "the engine worker ended");
    }
    ended
}

/// The command is dropped in here: it holds the child's end of the socket, and we could not see it close.
fn spawn_worker(engine: &EmbeddedEngine) -> std::io::Result<(Child, UnixStream)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let socket = UnixStream::from_std(ours)?;
    let mut command = Command::new(&engine.options.worker_exe);
    command
        .args(&engine.options.worker_args)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| ENVIRONMENT.iter().any(|kept| name == kept)))
        .env("GGML_NO_BACKTRACE", "1")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok((command.spawn()?, socket))
}

async fn end_child(child: &mut Child, must_kill: bool) -> Option<ExitStatus> {
    if !must_kill && let Ok(status) = timeout(EXIT_DEADLINE, child.wait()).await {
        return status.ok();
    }
    let _ = child.start_kill();
    child.wait().await.ok()
}

async fn serve(
    life: &Life<'_>,
    model: &ModelFile,
    models: &mut watch::Receiver<Option<ModelFile>>,
    socket: UnixStream,
) -> Ended {
    let engine = life.engine;
    let (mut input, mut output) = socket.into_split();
    let mut frames = FrameReader::new(FROM_WORKER_FRAME_BYTES_MAX);
    let started = Instant::now();
    let died = Ended::Died { served: Duration::ZERO };
    let load = async {
        write_load(engine, model, &mut output).await?;
        next_frame(&mut input, &mut frames).await
    };
    match timeout(LOAD_DEADLINE, load).await {
        Ok(Some(FromWorker::Loaded(loaded))) => announce(engine, model, loaded, started),
        Ok(Some(FromWorker::LoadFailed { reason })) => return Ended::LoadFailed(reason),
        Ok(_) => return died,
        Err(_) => return Ended::LoadFailed("loading took too long".to_owned()),
    }
    engine.link.store(Some(Arc::clone(&life.link)));
    engine.set_status(EngineStatus::Ready);
    let ready_at = Instant::now();
    let read = async {
        while let Some(frame) = next_frame(&mut input, &mut frames).await {
            match frame {
                FromWorker::Stats(stats) => engine.set_load(load_of(stats)),
                frame => life.link.deliver(frame),
            }
        }
    };
    let write = async { while output.write_all(&life.link.next_write().await).await.is_ok() {} };
    let changed = models.wait_for(|now| now.as_ref().is_some_and(|now| now.path != model.path));
    tokio::select! {
        () = read => Ended::Died { served: ready_at.elapsed() },
        () = write => Ended::Died { served: ready_at.elapsed() },
        Ok(_) = changed => Ended::ModelChanged,
    }
}

async fn write_load(engine: &EmbeddedEngine, model: &ModelFile, output: &mut OwnedWriteHalf) -> Option<()> {
    let options = &engine.options;
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = options.threads.unwrap_or_else(cores).clamp(1, 512);
    let load = ToWorker::Load(LoadParams {
        model_path: model.path.clone(),
        sequences: options.sequences,
        cached_sequences: options.sequences.saturating_mul(CACHED_PER_SEQUENCE),
        kv_tokens: options.kv_tokens,
        threads: u32::try_from(threads).unwrap_or(1),
        chunk: CHUNK_TOKENS,
    });
    let mut bytes = Vec::new();
    encode_frame(&mut bytes, &load, TO_WORKER_FRAME_BYTES_MAX).ok()?;
    output.write_all(&bytes).await.ok()
}

/// The next frame; `None` when the worker is gone or what it sends is no frame.
async fn next_frame(input: &mut OwnedReadHalf, frames: &mut FrameReader) -> Option<FromWorker> {
    loop {
        match frames.next_frame() {
            Ok(Some(frame)) => return Some(frame),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "the engine worker broke the protocol");
                return None;
            }
        }
        match input.read(frames.room()).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => frames.filled(count),
        }
    }
}

fn announce(engine: &EmbeddedEngine, model: &ModelFile, loaded: Loaded, started: Instant) {
    let ready_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        engine.name = %engine.options.name, model.id = %model.id, model.architecture = %loaded.architecture,
        context_len = loaded.context_len, kv_tokens = loaded.kv_tokens, ready_ms, "engine ready"
    );
    if !loaded.has_chat_template {
        tracing::warn!(engine.name = %engine.options.name, model.id = %model.id, "the model brings no chat template that we can read: a plain form is used");
    }
    engine.set_loaded(loaded);
}

fn load_of(stats: StatsFrame) -> EngineLoad {
    EngineLoad { running: stats.running, waiting: stats.waiting, kv_tokens_used: stats.kv_tokens_used }
}

/// Lines of the worker's log: a level letter, a space, the text. Whatever else comes (an abort's last words) is a warning.
async fn forward_log(stderr: Option<ChildStderr>, engine: &str) {
    let Some(stderr) = stderr else { return };
    let mut lines = FramedRead::new(stderr, LinesCodec::new_with_max_length(LOG_LINE_BYTES_MAX));
    while let Some(line) = lines.next().await {
        let Ok(line) = line else { continue };
        match line.split_at_checked(2) {
            Some(("E ", text)) => tracing::error!(engine.name = %engine, "{text}"),
            Some(("W ", text)) => tracing::warn!(engine.name = %engine, "{text}"),
            Some(("I " | "D ", text)) => tracing::debug!(engine.name = %engine, "{text}"),
            _ if line.is_empty() => {}
            _ => tracing::warn!(engine.name = %engine, "{line}"),
        }
    }
}
