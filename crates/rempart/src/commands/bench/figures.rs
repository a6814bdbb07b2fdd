//! What a run saw: counts and two histograms, in microseconds with three significant digits.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde_json::{Value, json};

/// Longest time that is told apart, in microseconds: ten minutes.
const TIME_US_MAX: u64 = 600_000_000;

/// Kinds of failure and reasons that are told apart; others count as `other`.
const KINDS_MAX: usize = 64;

/// Counts and times of one connection, or of all.
#[derive(Debug)]
pub(super) struct Figures {
    /// Requests that were begun.
    sent: u64,
    /// Requests that were answered as asked.
    done: u64,
    /// Bytes of bodies.
    bytes: u64,
    /// Pieces of streamed answers that carry text.
    pieces: u64,
    /// Failures by status, or by what broke.
    errors: BTreeMap<String, u64>,
    /// Refusals by reason code.
    reasons: BTreeMap<String, u64>,
    first: Histogram<u64>,
    total: Histogram<u64>,
}

/// What became of one request.
#[derive(Debug)]
pub(super) enum Ending {
    /// Answered.
    Done {
        /// From when it was due to the first text (stream) or byte of the body.
        first: Duration,
        /// From when it was due to the end.
        total: Duration,
        /// Bytes of the body.
        bytes: u64,
        /// Pieces with text.
        pieces: u64,
    },
    /// Not answered as asked.
    Failed {
        /// `429`, `connect`, `timeout`, `cut`.
        kind: String,
        /// The reason code, if the server gave one.
        reason: Option<String>,
    },
}

impl Figures {
    /// Nothing yet.
    pub(super) fn new() -> Result<Self, CreationError> {
        Ok(Self {
            sent: 0,
            done: 0,
            bytes: 0,
            pieces: 0,
            errors: BTreeMap::new(),
            reasons: BTreeMap::new(),
            first: Histogram::new_with_bounds(1, TIME_US_MAX, 3)?,
            total: Histogram::new_with_bounds(1, TIME_US_MAX, 3)?,
        })
    }

    /// Requests that came to an end, and of them those answered as asked.
    pub(super) const fn counts(&self) -> (u64, u64) {
        (self.sent, self.done)
    }

    /// Counts one request.
    pub(super) fn count(&mut self, ending: Ending) {
        self.sent += 1;
        match ending {
            Ending::Done { first, total, bytes, pieces } => {
                self.done += 1;
                self.bytes += bytes;
                self.pieces += pieces;
                self.first.saturating_record(micros(first));
                self.total.saturating_record(micros(total));
            }
            Ending::Failed { kind, reason } => {
                bump(&mut self.errors, kind, 1);
                if let Some(reason) = reason {
                    bump(&mut self.reasons, reason, 1);
                }
            }
        }
    }

    /// Adds another connection's.
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.done += other.done;
        self.bytes += other.bytes;
        self.pieces += other.pieces;
        for (kind, count) in &other.errors {
            bump(&mut self.errors, kind.clone(), *count);
        }
        for (reason, count) in &other.reasons {
            bump(&mut self.reasons, reason.clone(), *count);
        }
        // Same bounds on both sides: neither can fail.
        let _added = (self.first.add(&other.first), self.total.add(&other.total));
    }

    /// True if nothing was answered.
    pub(super) const fn is_empty(&self) -> bool {
        self.done == 0
    }

    /// The report.
    pub(super) fn report(&self, measured: Duration) -> Value {
        let seconds = measured.as_secs_f64().max(f64::MIN_POSITIVE);
        #[allow(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
        let rate = |count: u64| (count as f64 / seconds * 10.0).round() / 10.0;
        json!({
            "seconds": measured.as_secs_f64(),
            "sent": self.sent,
            "done": self.done,
            "requests_per_s": rate(self.done),
            "refused_per_s": rate(self.sent - self.done),
            "bytes": self.bytes,
            "pieces": self.pieces,
            "pieces_per_s": rate(self.pieces),
            "ttft_ms": spread(&self.first),
            "total_ms": spread(&self.total),
            "errors": self.errors,
            "reasons": self.reasons,
        })
    }
}

fn bump(counts: &mut BTreeMap<String, u64>, kind: String, count: u64) {
    let is_new = !counts.contains_key(&kind);
    let kind = if is_new && counts.len() >= KINDS_MAX { "other".to_owned() } else { kind };
    *counts.entry(kind).or_insert(0) += count;
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(TIME_US_MAX).clamp(1, TIME_US_MAX)
}

fn spread(histogram: &Histogram<u64>) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "microseconds of ten minutes are far below 2^52")]
    let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    json!({
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0),
        "mean": (histogram.mean().round()) / 1000.0,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn connections_add_up() {
        let mut all = Figures::new().unwrap();
        for millis in [1, 2, 3] {
            let mut one = Figures::new().unwrap();
            let time = Duration::from_millis(millis);
            one.count(Ending::Done { first: time, total: time * 2, bytes: 10, pieces: 1 });
            one.count(Ending::Failed { kind: "429".to_owned(), reason: Some("too_many_requests".to_owned()) });
            all.add(&one);
        }
        let report = all.report(Duration::from_secs(3));
        assert_eq!((report["sent"].as_u64(), report["done"].as_u64()), (Some(6), Some(3)));
        assert_eq!(report["requests_per_s"], 1.0);
        assert_eq!(report["errors"]["429"], 3);
        assert_eq!(report["reasons"]["too_many_requests"], 3);
        assert!((report["ttft_ms"]["p50"].as_f64().unwrap() - 2.0).abs() < 0.01);
        assert!((report["total_ms"]["max"].as_f64().unwrap() - 6.0).abs() < 0.01);
    }

    #[test]
    fn kinds_of_failure_are_bounded() {
        let mut figures = Figures::new().unwrap();
        for kind in 0..200 {
            figures.count(Ending::Failed { kind: kind.to_string(), reason: None });
        }
        let report = figures.report(Duration::from_secs(1));
        assert!(report["errors"].as_object().unwrap().len() <= KINDS_MAX + 1);
        assert_eq!(report["sent"], 200);
    }
}
