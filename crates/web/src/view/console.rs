//! Views of the console, for operators.

use rempart_domain::{GateLevel, Posture, ReasonCode};

use crate::{FieldError, ServiceState};

/// `/first-run`: fields `link` (hidden), `name`, `password`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FirstRunView<'a> {
    /// The one-time secret of the address; `None`: used, expired or wrong, the page says how to get a new one.
    pub link: Option<&'a str>,
    /// What was typed, to be shown again; empty at first.
    pub name: &'a str,
    /// What was wrong with the last try.
    pub error: Option<FieldError>,
}

/// The console's front page: a few figures, each with its unit and what is normal beside it.
#[derive(Debug, Clone, Default)]
pub struct ConsoleView<'a> {
    /// Version of the program.
    pub version: &'a str,
    /// Seconds since it was ready.
    pub uptime_s: u64,
    /// The declared state.
    pub posture: Posture,
    /// How far registration is closed.
    pub gate: GateLevel,
    /// Whether the store takes writes.
    pub storage: ServiceState,
    /// Requests served in the last minute.
    pub served_per_min: u64,
    /// Requests refused in the last minute.
    pub refused_per_min: u64,
    /// Median time to first token of the last minutes, in milliseconds; `None` before the first answer.
    pub ttft_p50_ms: Option<u64>,
    /// 99th percentile of the same.
    pub ttft_p99_ms: Option<u64>,
    /// Generations being worked on.
    pub in_flight: u64,
    /// Generations all engines together can hold.
    pub in_flight_max: u64,
    /// Generations waiting for their turn.
    pub queued: u64,
    /// Accounts.
    pub accounts: u64,
    /// Engines in order of preference.
    pub engines: Vec<EngineRow<'a>>,
    /// Refusals since the start by reason, most frequent first, zeros left out.
    pub refusals: Vec<(ReasonCode, u64)>,
}

/// An engine.
#[derive(Debug, Clone, Copy)]
pub struct EngineRow<'a> {
    /// The NAME of `[engine.NAME]`.
    pub name: &'a str,
    /// Whether it answers.
    pub state: ServiceState,
    /// Generations it works on; `None` when it does not tell.
    pub running: Option<u64>,
    /// Generations it can hold.
    pub sequences: u64,
    /// KV tokens in use; `None` when it does not tell.
    pub kv_tokens_used: Option<u64>,
    /// KV tokens it has.
    pub kv_tokens: u64,
}
