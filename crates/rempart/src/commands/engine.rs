//! `engine …`: engines as processes of their own. `worker` and `requantise` are how the platform starts its native half; people have
//! no use for them, so they are not shown.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use rempart_engine::scripted::{AnswerKind, ScriptedOptions, serve};
use tokio_util::sync::CancellationToken;

use super::on_runtime;
use crate::outcome::{Failure, say};

/// What can be started.
#[derive(Debug, Subcommand)]
pub(crate) enum Engine {
    /// A deterministic engine with an OpenAI-compatible address, for drills and measurements; it asks for no key
    Scripted(Scripted),
    /// The native half of the embedded engine, at the platform's end of a socket
    #[cfg(feature = "embedded")]
    #[command(hide = true)]
    Worker,
    /// Writes a model file in a form that runs faster
    #[cfg(feature = "embedded")]
    #[command(hide = true)]
    Requantise(Requantise),
}

/// Arguments of `engine scripted`.
#[derive(Debug, Args)]
pub(crate) struct Scripted {
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Generations at once; more wait, first come first served, without bound
    #[arg(long, value_name = "N", default_value_t = 16)]
    sequences: u32,
    /// Tokens of KV cache shared by all of them
    #[arg(long, value_name = "K", default_value_t = 65_536)]
    kv_tokens: u32,
    /// Prefill in tokens a second, shared by the whole engine
    #[arg(long, value_name = "P", default_value_t = 10_000)]
    prefill_tps: u32,
    /// Decode in tokens a second, for each generation
    #[arg(long, value_name = "D", default_value_t = 100)]
    decode_tps: u32,
    /// Tokens of an answer that nothing cuts short
    #[arg(long, value_name = "T", default_value_t = 16)]
    tokens: u32,
    /// echo (the last message) or words (a fixed list)
    #[arg(long, value_name = "KIND", default_value = "echo", value_parser = parse_answer)]
    answer: AnswerKind,
    /// Tokens of reasoning before the answer
    #[arg(long, value_name = "R", default_value_t = 0)]
    reasoning: u32,
    /// A name it serves; may be given several times; without it, any name is served
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
}

/// Arguments of `engine requantise`.
#[cfg(feature = "embedded")]
#[derive(Debug, Args)]
pub(crate) struct Requantise {
    /// The model as it came
    from: std::path::PathBuf,
    /// The file to write
    to: std::path::PathBuf,
}

fn parse_answer(word: &str) -> Result<AnswerKind, String> {
    AnswerKind::parse(word).ok_or_else(|| "it is echo or words".to_owned())
}

pub(crate) fn run(command: Engine) -> Result<ExitCode, Failure> {
    match command {
        Engine::Scripted(args) => {
            crate::logs::start_quiet();
            on_runtime(scripted(args)).map(|()| ExitCode::SUCCESS)
        }
        #[cfg(feature = "embedded")]
        Engine::Worker => Ok(tell_parent(rempart_engine_worker::run())),
        #[cfg(feature = "embedded")]
        Engine::Requantise(args) => Ok(tell_parent(rempart_engine_worker::requantise(&args.from, &args.to, "Q4_0"))),
    }
}

/// The parent reads stderr as log lines; `E` marks an error.
#[cfg(feature = "embedded")]
fn tell_parent(done: Result<(), rempart_engine_worker::WorkerError>) -> ExitCode {
    use std::io::Write as _;
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr().lock(), "E {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn scripted(args: Scripted) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind(args.listen).await;
    let listener = listener.map_err(|error| Failure::Missing(format!("cannot listen at {}: {error}", args.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::internal("listener", &error))?;
    let options = ScriptedOptions {
        name: "scripted".to_owned(),
        models: args.model,
        sequences: args.sequences,
        kv_tokens: args.kv_tokens,
        prefill_tps: args.prefill_tps,
        decode_tps: args.decode_tps,
        tokens: args.tokens,
        answer: args.answer,
        reasoning: args.reasoning,
    };
    let stop = CancellationToken::new();
    // Caught before anybody is told that it is ready.
    let mut signals = crate::signals::Signals::listen()?;
    let serving = serve(listener, options, stop.clone());
    tokio::pin!(serving);
    say(&format!("engine  http://{address}"))?;
    say("ready")?;
    tokio::select! {
        served = &mut serving => served,
        () = signals.stop() => {
            stop.cancel();
            serving.await
        }
    }
    .map_err(|error| Failure::internal("scripted engine", &error))
}
