//! What the engine tells of itself: `/metrics` with vLLM's names, `/stats` for tests and benchmarks.

use std::fmt::Write;

use bytes::Bytes;
use serde::Serialize;

use super::super::driver::{RECORDS_MAX, Record};
use super::super::machine::Nanos;
use super::Shared;

/// Records that `/stats` shows unless `?records=N` says otherwise.
const RECORDS_SHOWN: usize = 100;

#[derive(Serialize)]
struct Stats {
    running: u32,
    waiting: u32,
    running_max: u32,
    offered: u64,
    started: u64,
    finished: u64,
    cancelled: u64,
    input_tokens: u64,
    output_tokens: u64,
    kv_held: u32,
    kv_reserved: u32,
    kv_tokens: u32,
    sequences: u32,
    /// Seconds since the start; times of records are on this clock.
    uptime_s: f64,
    /// Newest first.
    records: Vec<RecordWire>,
}

#[derive(Serialize)]
struct RecordWire {
    id: u64,
    input: u32,
    answer: u32,
    made: u32,
    offered_s: f64,
    started_s: Option<f64>,
    first_token_s: Option<f64>,
    ended_s: f64,
    outcome: &'static str,
}

impl From<Record> for RecordWire {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            input: record.input,
            answer: record.answer,
            made: record.made,
            offered_s: seconds(record.offered_at),
            started_s: record.started_at.map(seconds),
            first_token_s: record.first_token_at.map(seconds),
            ended_s: seconds(record.ended_at),
            outcome: if record.is_cancelled { "cancelled" } else { "finished" },
        }
    }
}

fn seconds(at: Nanos) -> f64 {
    at.to_duration().as_secs_f64()
}

impl Shared {
    /// JSON: counters, what is there now, and the last requests (`?records=N`, at most 4 096).
    pub(super) fn stats(&self, query: Option<&str>) -> Bytes {
        let asked = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("records=")));
        let count = asked.and_then(|count| count.parse().ok()).unwrap_or(RECORDS_SHOWN).min(RECORDS_MAX);
        let records = self.driver.records(count);
        let (counts, script) = (self.driver.counts(), self.driver.script());
        let stats = Stats {
            running: counts.running,
            waiting: counts.waiting,
            running_max: counts.running_max,
            offered: counts.offered,
            started: counts.started,
            finished: counts.finished,
            cancelled: counts.cancelled,
            input_tokens: counts.input_tokens,
            output_tokens: counts.output_tokens,
            kv_held: counts.kv_held,
            kv_reserved: counts.kv_reserved,
            kv_tokens: script.kv_tokens,
            sequences: script.sequences,
            uptime_s: seconds(self.driver.now()),
            records: records.into_iter().map(RecordWire::from).collect(),
        };
        serde_json::to_vec(&stats).unwrap_or_default().into()
    }

    /// Prometheus text.
    pub(super) fn metrics(&self) -> Bytes {
        let (counts, script) = (self.driver.counts(), self.driver.script());
        let used = f64::from(counts.kv_held) / f64::from(script.kv_tokens);
        let name = self.model_names.first().map(String::as_str).unwrap_or_default();
        let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let mut out = String::with_capacity(1_024);
        let mut line = |kind: &str, metric: &str, value: f64| {
            // Writing to a string cannot fail.
            let _ = write!(out, "# TYPE {metric} {kind}\n{metric}{{engine=\"0\",model_name=\"{name}\"}} {value}\n");
        };
        #[allow(clippy::cast_precision_loss, reason = "counters far below 2^53")]
        let total = |count: u64| count as f64;
        line("gauge", "vllm:num_requests_running", f64::from(counts.running));
        line("gauge", "vllm:num_requests_waiting", f64::from(counts.waiting));
        line("gauge", "vllm:kv_cache_usage_perc", used);
        line("counter", "vllm:prompt_tokens_total", total(counts.input_tokens));
        line("counter", "vllm:generation_tokens_total", total(counts.output_tokens));
        line("counter", "vllm:request_success_total", total(counts.finished));
        out.into()
    }
}
