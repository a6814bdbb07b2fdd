//! `bench path`: a platform of its own, with everything on, before a scripted engine of its own; CPU time of the platform's process for each answer.
//!
//! What must stay true: the load is the one of `bench load`; what is told is user and system time of the platform's process, all its
//! threads, over requests that came to an end, so that a shared machine moves it least.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use rempart_drill::live::Stand;
use rempart_drill::scenario;

use super::{Load, Mode};
use crate::outcome::{Failure, say};

/// Arguments of `bench path`.
#[derive(Debug, Args)]
pub(crate) struct Path {
    /// Seconds of each row
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Rounds of all rows; medians are told
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// The engine answers at once, so that nothing is waited for but the platform.
const SCENARIO: &str = r#"
title = "bench path"
about = "whole requests before a scripted engine"
[platform.limits]
refusal_hold_ms = 1
requests_per_minute_member = 100000000
[engine]
sequences = 64
kv_tokens = 1000000
prefill_tps = 1000000
decode_tps = 1000000
tokens = 16
[members]
accounts = 1024
rate_per_s = 1.0
[[phases]]
name = "quiet"
seconds = 1
role = "quiet"
"#;

/// Name, mode, most tokens, whether the keys are members', a connection for each.
const ROWS: [(&str, Mode, u32, bool, bool); 6] = [
    ("answer of one token, whole", Mode::Chat, 1, true, false),
    ("the same on a new connection", Mode::Chat, 1, true, true),
    ("answer of 16 tokens, streamed", Mode::Stream, 16, true, false),
    ("guessed key refused", Mode::Chat, 1, false, false),
    ("the same on a new connection", Mode::Chat, 1, false, true),
    ("health", Mode::Get, 0, true, false),
];

pub(super) fn run(args: &Path) -> Result<ExitCode, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::internal("bench", &error);
    let scenario = scenario::parse("bench-path", SCENARIO).map_err(|error| failed(&error))?;
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let stand = Stand::open(&program, &scenario).map_err(|error| failed(&error))?;
    let file_of = |keys: &[String]| -> std::io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(keys.join("\n").as_bytes())?;
        Ok(file)
    };
    let guessed: Vec<String> = (0..1_024).map(|n| format!("rmp_{n:056}")).collect();
    let members = file_of(stand.members()).map_err(|error| failed(&error))?;
    let guessed = file_of(&guessed).map_err(|error| failed(&error))?;
    let mut spent = vec![Vec::new(); ROWS.len()];
    for _ in 0..args.rounds.max(1) {
        for ((_, mode, max_tokens, are_members, reconnect), spent) in ROWS.iter().zip(&mut spent) {
            let at = if *mode == Mode::Get { "/healthz" } else { "/v1/chat/completions" };
            let load = Load {
                url: format!("{}{at}", stand.url()).parse().map_err(|error| failed(&error))?,
                mode: *mode,
                streams: 32,
                rate: None,
                duration: args.seconds,
                warmup: 0.0,
                keys: Some(if *are_members { members.path() } else { guessed.path() }.to_owned()),
                model: "scripted".to_owned(),
                prompt: "What is the capital of France?".to_owned(),
                prompt_bytes: 0,
                max_tokens: *max_tokens,
                reconnect: *reconnect,
                timeout: 60.0,
                threads: 1,
            };
            let before = stand.cpu_s();
            let (sent, done) = super::load_figures(&load)?.counts();
            if let (Some(before), Some(after)) = (before, stand.cpu_s()) {
                let sent_f = f64::from(u32::try_from(sent.max(1)).unwrap_or(u32::MAX));
                spent.push((1e6 * (after - before) / sent_f, sent, done));
            }
        }
    }
    say("request                                   CPU us of the platform   requests   answered")?;
    for ((name, ..), mut rows) in ROWS.iter().zip(spent) {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((us, sent, done)) = rows.get(rows.len() / 2) {
            say(&format!("{name:<42} {us:>21.1} {sent:>10} {done:>10}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
