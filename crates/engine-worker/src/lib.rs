//! The engine worker: llama.cpp in a child process, so that a native abort never takes the platform down.
//!
//! Three threads: one reads the socket that is our standard input, one renders and tokenises prompts, and one owns model and context
//! and steps them ([`schedule`]). What must stay true: this crate has the only native and the only `unsafe` code of ours; prompts and
//! answers reach no log; the worker ends itself when its socket closes; every queue in here is bounded.

mod cpu;
mod inbox;
mod native;
mod prompt;
mod quantise;
mod schedule;
mod text;
mod vocab;

pub use quantise::requantise;

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use rempart_engine::worker_protocol::{
    FROM_WORKER_FRAME_BYTES_MAX, FromWorker, GenerateParams, LoadParams, Loaded, encode_frame,
};

use inbox::{Inbox, ToStep};
use native::Native;
use prompt::Prompts;
use schedule::{Limits, Schedule};

/// Generations that wait to be tokenised, and messages that wait for the step to end; the platform sends no more than 1024.
const QUEUE_LEN_MAX: usize = 4096;
/// The tokenizers of llama.cpp recurse over long words; their stack is reserved, not taken.
const STACK_BYTES: usize = 256 << 20;

/// Why the worker ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Started by hand, not by a platform.
    #[error("standard input is no socket of a platform")]
    NoSocket(#[source] std::io::Error),
    /// The platform broke the protocol.
    #[error("the platform did not speak the worker's protocol: {0}")]
    Protocol(&'static str),
    /// This processor lacks instructions that the engine was built with.
    #[error(
        "this processor lacks {0}, which the embedded engine was built with; use an upstream engine, or build without AVX2"
    )]
    Processor(String),
    /// The model cannot be loaded.
    #[error("{0}")]
    Load(String),
    /// A file could not be written in another format.
    #[error("the model cannot be requantised: {0}")]
    Requantise(String),
    /// A thread could not be started.
    #[error("a thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The main function of the child: serves the platform at the other end of standard input until that closes.
pub fn run() -> Result<(), WorkerError> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from).map_err(WorkerError::NoSocket)?;
    socket.peer_addr().map_err(WorkerError::NoSocket)?;
    let reader = socket.try_clone().map_err(WorkerError::NoSocket)?;
    let inbox = Inbox::default();
    std::thread::scope(|scope| {
        // Whatever way this ends, the reader must not wait on: the scope joins it.
        let _hang_up = HangUp(&socket);
        let (to_load, load) = std::sync::mpsc::sync_channel(1);
        let (to_prompts, prompts) = std::sync::mpsc::sync_channel(QUEUE_LEN_MAX);
        let (to_step, steps) = std::sync::mpsc::sync_channel(QUEUE_LEN_MAX);
        let reader_to_step = to_step.clone();
        let inbox = &inbox;
        std::thread::Builder::new()
            .name("worker-read".to_owned())
            .spawn_scoped(scope, move || inbox::read(reader, inbox, &to_load, &to_prompts, &reader_to_step))
            .map_err(WorkerError::Thread)?;
        let Ok(params) = load.recv() else { return Ok(()) };
        let loaded = cpu::check().and_then(|()| Native::load(&params, inbox.closed_flag()));
        match loaded {
            Ok(native) => serve(&native, &params, inbox, &socket, prompts, (to_step, steps)),
            Err(error) => {
                send(&socket, &FromWorker::LoadFailed { reason: error.to_string() });
                Err(error)
            }
        }
    })
}

struct HangUp<'a>(&'a UnixStream);

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

fn serve(
    native: &Native,
    params: &LoadParams,
    inbox: &Inbox,
    socket: &UnixStream,
    prompts: Receiver<Box<GenerateParams>>,
    (to_step, steps): (SyncSender<ToStep>, Receiver<ToStep>),
) -> Result<(), WorkerError> {
    let started = Instant::now();
    let kernel = native.kernel(params)?;
    let vocab = native.vocab_tables();
    let renderer = Prompts::new(native, &vocab, native.context_len(&kernel));
    let limits = Limits {
        sequences: params.sequences as usize,
        cached: if native.may_reuse() { params.cached_sequences as usize } else { 0 },
        kv_tokens: kernel.kv_tokens(),
        context_len: native.context_len(&kernel),
        chunk: params.chunk.max(1) as usize,
    };
    send(
        socket,
        &FromWorker::Loaded(Loaded {
            model_name: native.meta("general.name"),
            architecture: native.meta("general.architecture"),
            context_len: limits.context_len,
            kv_tokens: u32::try_from(limits.kv_tokens).unwrap_or(u32::MAX),
            has_chat_template: renderer.has_template(),
            model_bytes: native.model_bytes(),
            load_ms: native.load_ms() + u64::try_from(started.elapsed().as_millis()).unwrap_or(0),
        }),
    );
    std::thread::scope(|scope| {
        // Ends the reader, which ends the prompts, whatever way the steps end.
        let _hang_up = HangUp(socket);
        std::thread::Builder::new()
            .name("worker-prompt".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, move || renderer.serve(&prompts, &to_step))
            .map_err(WorkerError::Thread)?;
        let mut schedule = Schedule::new(kernel, &vocab, limits);
        inbox::step_until_closed(&mut schedule, &steps, inbox, socket);
        Ok(())
    })
}

/// One frame; that the platform is gone shows at the next read.
fn send(mut socket: &UnixStream, frame: &FromWorker) {
    let mut bytes = Vec::new();
    if encode_frame(&mut bytes, frame, FROM_WORKER_FRAME_BYTES_MAX).is_ok() {
        let _ = socket.write_all(&bytes);
    }
}
