//! What a run gave, and how it is told: JSON as `docs` fix it, a page for people, lines for the terminal.

mod chart;
mod compare;
mod html;
mod json;
mod lines;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::tally::Tally;

pub use compare::{Change, Comparison, NotAReport};
pub use html::{Language, to_html};
pub use json::to_json;
pub use lines::to_lines;

/// How a scenario was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In virtual time.
    World,
    /// The real binary.
    Live,
}

impl Mode {
    /// The word in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Live => "live",
        }
    }
}

/// What became of honest people who came to register.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArrivalFates {
    /// All.
    pub came: u64,
    /// Have an account now.
    pub got_in: u64,
    /// And had a question answered.
    pub served: u64,
    /// Were told to go.
    pub turned_away: u64,
    /// Lost patience.
    pub gave_up: u64,
    /// How long those waited who got in, in milliseconds.
    pub waited_ms: Vec<u64>,
}

/// What was seen of the server's process and of the generator's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Machine {
    /// CPU seconds of the server at the beginning of each phase, and at the end.
    pub cpu_at_s: Vec<f64>,
    /// Resident memory of the server, each second, in MB.
    pub memory_mb: Vec<f64>,
    /// CPU seconds of the generator.
    pub generator_cpu_s: f64,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// Where chance began.
    pub seed: u64,
    /// How it was run.
    pub mode: Mode,
    /// From and to of each phase, in seconds.
    pub spans: Vec<(f64, f64)>,
    /// What became of requests.
    pub tally: Tally,
    /// How late the generator sent, in microseconds; live only.
    pub lateness: Option<Histogram<u64>>,
    /// Honest people who came to register.
    pub arrivals: Option<ArrivalFates>,
    /// Processes.
    pub machine: Machine,
    /// What was acknowledged and is not there; `None` where nobody looked.
    pub lost: Option<Vec<String>>,
    /// What was found where it must not be; `None` where nobody looked.
    pub leaked: Option<Vec<String>>,
    /// Anything else worth telling.
    pub notes: Vec<String>,
}

impl Run {
    /// CPU seconds of the server in a phase, if it was watched.
    pub fn cpu_s(&self, phase: usize) -> Option<f64> {
        let from = self.machine.cpu_at_s.get(phase)?;
        let to = self.machine.cpu_at_s.get(phase + 1)?;
        (*to > 0.0).then_some(to - from)
    }

    /// Reasons of refusals over the whole run, of one group.
    pub fn reasons(&self, group: crate::tally::Group) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for phase in 0..self.spans.len() {
            for (reason, count) in self.tally.figures(phase, group).into_iter().flat_map(|figures| &figures.reasons) {
                *all.entry(reason.clone()).or_insert(0) += count;
            }
        }
        all
    }
}
