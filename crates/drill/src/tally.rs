//! What became of requests: counts and histograms by group and phase, and a line for each second. World and live fill the same tally.
//!
//! What must stay true: a request belongs to the phase and the second in which it was meant to start, whenever it ends; times count
//! from that moment (no coordinated omission); memory is bounded by phases, seconds and reasons, never by requests.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time told apart, in microseconds: ten minutes.
const TIME_US_MAX: u64 = 600_000_000;

/// Reasons told apart; others count as `other`.
const REASONS_MAX: usize = 48;

/// Seconds told apart.
const SECONDS_MAX: usize = 3_700;

/// Whose request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Members.
    Members,
    /// Honest newcomers.
    Newcomers,
    /// Attackers.
    Attackers,
    /// Members whose keys were stolen; not judged.
    Robbed,
}

impl Group {
    /// In the order of the report.
    pub const ALL: [Self; 4] = [Self::Members, Self::Newcomers, Self::Attackers, Self::Robbed];

    /// The word in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Newcomers => "newcomers",
            Self::Attackers => "attackers",
            Self::Robbed => "robbed",
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Answered as asked, in time.
    Done,
    /// Answered, but too late for the one who waited, or given up.
    Late,
    /// Refused, with the reason's code.
    Refused(String),
    /// The answer broke off, or ended for lack of room.
    Cut,
    /// No connection, or it closed without an answer.
    Broken,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub fate: Fate,
    /// From its moment to the first text.
    pub first: Option<Duration>,
    /// From its moment to the end.
    pub total: Duration,
}

/// One group in one phase.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Sent.
    pub sent: u64,
    /// Done in time.
    pub done: u64,
    /// Refused.
    pub refused: u64,
    /// Too late.
    pub late: u64,
    /// Broken off.
    pub cut: u64,
    /// Without an answer.
    pub broken: u64,
    /// Refusals by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Times to first text of all that got one.
    pub first: Histogram<u64>,
    /// Times to the end of what was done.
    pub total: Histogram<u64>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            sent: 0,
            done: 0,
            refused: 0,
            late: 0,
            cut: 0,
            broken: 0,
            reasons: BTreeMap::new(),
            first: histogram(),
            total: histogram(),
        }
    }
}

#[allow(clippy::expect_used, reason = "the bounds are constants, and a test makes one")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, TIME_US_MAX, 3).expect("bounds are fixed")
}

impl Figures {
    fn count(&mut self, outcome: &Outcome) {
        self.sent += 1;
        match &outcome.fate {
            Fate::Done => {
                self.done += 1;
                self.total.saturating_record(micros(outcome.total));
            }
            Fate::Late => self.late += 1,
            Fate::Cut => self.cut += 1,
            Fate::Broken => self.broken += 1,
            Fate::Refused(reason) => {
                self.refused += 1;
                bump(&mut self.reasons, reason, 1);
            }
        }
        if let Some(first) = outcome.first {
            self.first.saturating_record(micros(first));
        }
    }

    /// Adds another thread's.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.done += other.done;
        self.refused += other.refused;
        self.late += other.late;
        self.cut += other.cut;
        self.broken += other.broken;
        for (reason, count) in &other.reasons {
            bump(&mut self.reasons, reason, *count);
        }
        // Same bounds on both sides: neither can fail.
        let _added = (self.first.add(&other.first), self.total.add(&other.total));
    }

    /// Done, in percent of sent; 100 if nothing was sent.
    pub fn done_percent(&self) -> f64 {
        percent(self.done, self.sent)
    }

    /// Refused, in percent of sent.
    pub fn refused_percent(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { percent(self.refused, self.sent) }
    }

    /// A quantile of the time to first text, in milliseconds.
    pub fn first_ms(&self, quantile: f64) -> f64 {
        quantile_ms(&self.first, quantile)
    }

    /// A quantile of the time to the end, in milliseconds.
    pub fn total_ms(&self, quantile: f64) -> f64 {
        quantile_ms(&self.total, quantile)
    }
}

/// A quantile of a histogram of microseconds, in milliseconds.
#[allow(clippy::cast_precision_loss, reason = "microseconds of ten minutes are far below 2^52")]
pub fn quantile_ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    if histogram.is_empty() { 0.0 } else { histogram.value_at_quantile(quantile) as f64 / 1_000.0 }
}

#[allow(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// One group in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Sent.
    pub sent: u64,
    /// Done in time.
    pub done: u64,
    /// Refused.
    pub refused: u64,
    /// The longest time to first text, in microseconds.
    pub first_us_max: u64,
}

/// Everything counted.
#[derive(Debug, Clone)]
pub struct Tally {
    spans: Vec<(f64, f64)>,
    phases: Vec<[Figures; 4]>,
    seconds: Vec<[Second; 4]>,
}

impl Tally {
    /// Nothing yet, for phases of these spans.
    pub fn new(spans: Vec<(f64, f64)>) -> Self {
        let phases = spans.iter().map(|_| std::array::from_fn(|_| Figures::default())).collect();
        Self { spans, phases, seconds: Vec::new() }
    }

    /// Counts one request that was meant to start at this second of the run.
    pub fn count(&mut self, group: Group, at_s: f64, outcome: &Outcome) {
        let phase = self.spans.iter().position(|(from, to)| (*from..*to).contains(&at_s));
        if let Some(figures) =
            phase.and_then(|phase| self.phases.get_mut(phase)).and_then(|p| p.get_mut(group as usize))
        {
            figures.count(outcome);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of one run, not negative")]
        let second = at_s.max(0.0) as usize;
        if second >= SECONDS_MAX {
            return;
        }
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, [Second::default(); 4]);
        }
        if let Some(line) = self.seconds.get_mut(second).and_then(|line| line.get_mut(group as usize)) {
            line.sent += 1;
            line.done += u64::from(outcome.fate == Fate::Done);
            line.refused += u64::from(matches!(outcome.fate, Fate::Refused(_)));
            line.first_us_max = line.first_us_max.max(outcome.first.map_or(0, micros));
        }
    }

    /// Adds another thread's tally of the same phases.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.phases.iter_mut().zip(&other.phases) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                mine.add(theirs);
            }
        }
        if self.seconds.len() < other.seconds.len() {
            self.seconds.resize(other.seconds.len(), [Second::default(); 4]);
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                mine.sent += theirs.sent;
                mine.done += theirs.done;
                mine.refused += theirs.refused;
                mine.first_us_max = mine.first_us_max.max(theirs.first_us_max);
            }
        }
    }

    /// A group's figures in a phase.
    pub fn figures(&self, phase: usize, group: Group) -> Option<&Figures> {
        self.phases.get(phase)?.get(group as usize)
    }

    /// A group's seconds.
    pub fn seconds(&self, group: Group) -> impl Iterator<Item = Second> + '_ {
        self.seconds.iter().map(move |line| line.get(group as usize).copied().unwrap_or_default())
    }
}

fn bump(counts: &mut BTreeMap<String, u64>, kind: &str, count: u64) {
    if let Some(known) = counts.get_mut(kind) {
        *known += count;
        return;
    }
    let kind = if counts.len() >= REASONS_MAX { "other" } else { kind };
    *counts.entry(kind.to_owned()).or_insert(0) += count;
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(TIME_US_MAX).clamp(1, TIME_US_MAX)
}
