//! `bench`: the figures that the documents quote. `functions` times what a stranger can order, `path` whole requests before a scripted engine,
//! `load` sends requests to a server that already runs.
//!
//! `bench load`: requests at a fixed rate (open loop) or as fast as answers come (closed loop), and what became of them, as JSON.
//!
//! What must stay true: it asks literal loopback addresses only; in the open loop a request's time counts from when it was due, not
//! from when a connection was free (no coordinated omission); what is asked is fixed by the arguments.

mod figures;
mod functions;
mod path;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use http::Uri;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method};
use tokio::task::JoinSet;

use crate::outcome::{Failure, say};
use figures::Figures;
use worker::Plan;

/// Connections of one run.
const STREAMS_MAX: u32 = 16_384;

/// Keys that are read from the file.
const KEYS_MAX: usize = 1_000_000;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Sends requests to a server on this machine and prints what became of them, as JSON
    Load(Box<Load>),
    /// CPU time of single functions: keys, sessions, challenges, decisions of admission
    Functions,
    /// CPU time of the whole platform for a request: starts one of its own before a scripted engine
    Path(path::Path),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// GET of the URL
    Get,
    /// A chat completion in one piece; the URL is the whole address
    Chat,
    /// A chat completion as a stream; the URL is the whole address
    Stream,
}

/// Arguments of `bench load`.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Whole address: http://127.0.0.1:8080/v1/chat/completions. Loopback only
    #[arg(long)]
    url: Uri,
    /// What is asked for
    #[arg(long, value_enum, default_value = "chat")]
    mode: Mode,
    /// Connections, and so requests at once
    #[arg(long, alias = "connections", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=i64::from(STREAMS_MAX)))]
    streams: u32,
    /// Requests a second, evenly spaced; without it, each connection asks again as soon as it has its answer
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// Seconds before, not measured
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// A file of API keys, one a line, used in turn; a line of an account import is fine too
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The model that is named
    #[arg(long, default_value = "default")]
    model: String,
    /// The question
    #[arg(long, default_value = "What is the capital of France?")]
    prompt: String,
    /// The question is padded to so many bytes
    #[arg(long, default_value_t = 0)]
    prompt_bytes: usize,
    /// Most tokens of an answer
    #[arg(long, default_value_t = 16)]
    max_tokens: u32,
    /// A connection for each request
    #[arg(long)]
    reconnect: bool,
    /// Seconds until a request is given up
    #[arg(long, default_value_t = 60.0)]
    timeout: f64,
    /// Threads of the generator
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

pub(crate) fn run(command: Bench) -> Result<ExitCode, Failure> {
    let args = match command {
        Bench::Load(args) => args,
        Bench::Functions => return functions::run(),
        Bench::Path(args) => return path::run(&args),
    };
    let figures = load_figures(&args)?;
    say(&figures.report(plan_of(&args)?.measured).to_string())?;
    Ok(ExitCode::from(u8::from(figures.is_empty())))
}

/// Sends what is asked for.
fn load_figures(args: &Load) -> Result<Figures, Failure> {
    let plan = Arc::new(plan_of(args)?);
    let runtime = if args.threads > 1 {
        tokio::runtime::Builder::new_multi_thread().worker_threads(args.threads).enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    };
    let runtime = runtime.map_err(|error| Failure::internal("runtime", &error))?;
    runtime.block_on(load(&plan, args.streams))
}

/// Runs all connections to the end of the plan and adds up what they saw.
async fn load(plan: &Arc<Plan>, streams: u32) -> Result<Figures, Failure> {
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..streams {
        workers.spawn(worker::run(Arc::clone(plan), began));
    }
    let mut all = Figures::new().map_err(|error| Failure::internal("histogram", &error))?;
    while let Some(joined) = workers.join_next().await {
        let figures = joined.map_err(|error| Failure::internal("worker", &error))?;
        all.add(&figures.map_err(|error| Failure::internal("histogram", &error))?);
    }
    Ok(all)
}

fn plan_of(args: &Load) -> Result<Plan, Failure> {
    let seconds = |name: &str, value: f64| {
        Duration::try_from_secs_f64(value)
            .map_err(|_| Failure::Usage(format!("--{name} {value}: no number of seconds")))
    };
    let interval = match args.rate {
        Some(rate) if rate.is_finite() && rate > 0.0 => Some(Duration::from_secs_f64(1.0 / rate)),
        Some(rate) => return Err(Failure::Usage(format!("--rate {rate}: a rate is above 0"))),
        None => None,
    };
    let (method, body) = match args.mode {
        Mode::Get => (Method::GET, Bytes::new()),
        Mode::Chat | Mode::Stream => (Method::POST, chat_body(args)),
    };
    let warmup = seconds("warmup", args.warmup)?;
    let measured = seconds("duration", args.duration)?;
    Ok(Plan {
        address: loopback_of(&args.url)?,
        path: args
            .url
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .parse()
            .map_err(|_| Failure::Usage("--url: no path".to_owned()))?,
        method,
        headers: headers_of(args)?,
        keys: read_keys(args)?,
        body,
        is_stream: args.mode == Mode::Stream,
        reconnects: args.reconnect,
        interval,
        warmup,
        measured,
        timeout: seconds("timeout", args.timeout)?,
        next: AtomicU64::new(0),
    })
}

/// The address of a URL whose host is this machine; no name is looked up but `localhost`.
fn loopback_of(url: &Uri) -> Result<SocketAddr, Failure> {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    let ip: std::net::IpAddr =
        host.parse().map_err(|_| Failure::Usage(format!("--url: {host:?} is no loopback address")))?;
    if !ip.is_loopback() || url.scheme_str() != Some("http") {
        return Err(Failure::Usage(
            "--url must be http:// and a loopback address: load goes to this machine only".to_owned(),
        ));
    }
    Ok(SocketAddr::new(ip, url.port_u16().unwrap_or(80)))
}

fn headers_of(args: &Load) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    let authority = args.url.authority().map_or("localhost", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority).map_err(|_| Failure::Usage("--url: no host".to_owned()))?;
    headers.insert(HOST, host);
    if args.mode != Mode::Get {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(headers)
}

fn chat_body(args: &Load) -> Bytes {
    let padding = args.prompt_bytes.saturating_sub(args.prompt.len());
    let prompt = format!("{}{}", args.prompt, " word".repeat(padding / 5));
    let body = serde_json::json!({
        "model": args.model,
        "messages": [{ "role": "user", "content": prompt }],
        "max_tokens": args.max_tokens,
        "stream": args.mode == Mode::Stream,
    });
    Bytes::from(body.to_string())
}

/// Keys as `Authorization` values: bare, or taken from what `account import` wrote.
fn read_keys(args: &Load) -> Result<Vec<HeaderValue>, Failure> {
    let Some(path) = &args.keys else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let found: Vec<String> = match serde_json::from_str::<crate::admin::ImportedRow>(line) {
            Ok(row) => row.keys,
            Err(_) => vec![line.to_owned()],
        };
        for key in found.into_iter().take(KEYS_MAX.saturating_sub(keys.len())) {
            let value = HeaderValue::from_str(&format!("{} {key}", "Bearer"));
            keys.push(value.map_err(|_| Failure::Usage(format!("{}: a line is no key", path.display())))?);
        }
    }
    if keys.is_empty() { Err(Failure::Usage(format!("{} holds no key", path.display()))) } else { Ok(keys) }
}

/// The header that carries a key.
pub(super) const KEY_HEADER: http::HeaderName = AUTHORIZATION;
