//! A circuit breaker as a pure state machine: it stops asking an upstream that fails, and lets one request try whether it is back.
//!
//! *Closed*: everything passes and outcomes are counted. It opens after `failures_in_row` failures, or when at least half of the
//! outcomes of a window (and at least `window_least`) failed. *Open*: nothing passes until its period is over, or until a health check
//! says that the upstream answers again. *Half-open*: one probe passes at a time; success closes, failure opens again for twice as
//! long, up to a bound. A probe that is abandoned (the client left) frees its place; one that never reports is given up after
//! `probe_max`. Passes carry the epoch they were given in: what an older request reports later changes nothing.
//!
//! What must stay true: no clock in here, `now` is an argument; in half-open at most one probe is out.

use rempart_domain::Millis;

/// When to open and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Failures one after the other that open it.
    pub failures_in_row: u32,
    /// Length of the window in which the ratio is taken.
    pub window: Millis,
    /// Outcomes a window needs before its ratio counts.
    pub window_least: u32,
    /// First open period; doubled by each failed probe.
    pub open_for: Millis,
    /// Longest open period.
    pub open_for_max: Millis,
    /// After this a silent probe no longer holds its place.
    pub probe_max: Millis,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures_in_row: 5,
            window: Millis::from_secs(10),
            window_least: 20,
            open_for: Millis::from_secs(1),
            open_for_max: Millis::from_secs(30),
            probe_max: Millis::from_secs(60),
        }
    }
}

/// The right to ask once; report what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    epoch: u64,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered, be it with a refusal.
    Success,
    /// It did not: connect, deadline, 5xx, cut, nonsense.
    Failure,
    /// We cannot tell: the client left first.
    Abandoned,
}

/// What a call changed, for one log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing worth a line.
    None,
    /// From now on nothing passes.
    Opened,
    /// It works again.
    Closed,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { in_row: u32, window_start: Millis, successes: u32, failures: u32 },
    Open { until: Millis, period: Millis },
    HalfOpen { probe_since: Option<Millis>, period: Millis },
}

/// The machine.
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    state: State,
    epoch: u64,
}

impl Breaker {
    /// Closed, nothing counted.
    pub const fn new(options: BreakerOptions) -> Self {
        Self { options, state: closed(Millis(0)), epoch: 0 }
    }

    /// Asks to pass.
    pub fn try_pass(&mut self, now: Millis) -> Option<Pass> {
        self.advance(now);
        match &mut self.state {
            State::Closed { .. } => Some(Pass { epoch: self.epoch }),
            State::Open { .. } => None,
            State::HalfOpen { probe_since, .. } => {
                if probe_since.is_some_and(|since| now.since(since) < self.options.probe_max) {
                    return None;
                }
                *probe_since = Some(now);
                self.epoch += 1;
                Some(Pass { epoch: self.epoch })
            }
        }
    }

    /// Reports what came of a pass.
    pub fn record(&mut self, now: Millis, pass: Pass, outcome: Outcome) -> Change {
        if pass.epoch != self.epoch {
            return Change::None;
        }
        match (self.state, outcome) {
            (State::Closed { .. }, Outcome::Success) => {
                self.count(now, true);
                Change::None
            }
            (State::Closed { .. }, Outcome::Failure) => self.fail(now),
            (State::HalfOpen { .. }, Outcome::Success) => {
                self.state = closed(now);
                Change::Closed
            }
            (State::HalfOpen { period, .. }, Outcome::Failure) => {
                let period = Millis(period.0.saturating_mul(2)).min(self.options.open_for_max);
                self.open(now, period);
                Change::None
            }
            (State::HalfOpen { period, .. }, Outcome::Abandoned) => {
                self.state = State::HalfOpen { probe_since: None, period };
                Change::None
            }
            (State::Open { .. }, _) | (State::Closed { .. }, Outcome::Abandoned) => Change::None,
        }
    }

    /// A health check found the upstream answering: an open breaker lets a probe through at once.
    pub fn note_healthy(&mut self) {
        if let State::Open { period, .. } = self.state {
            self.state = State::HalfOpen { probe_since: None, period };
        }
    }

    /// A health check got no answer: counts as a failure while closed.
    pub fn note_unhealthy(&mut self, now: Millis) -> Change {
        self.advance(now);
        if matches!(self.state, State::Closed { .. }) { self.fail(now) } else { Change::None }
    }

    /// True while nothing passes.
    pub fn is_open(&self, now: Millis) -> bool {
        matches!(self.state, State::Open { until, .. } if now < until)
    }

    /// Open periods end by themselves.
    fn advance(&mut self, now: Millis) {
        if let State::Open { until, period } = self.state
            && now >= until
        {
            self.state = State::HalfOpen { probe_since: None, period };
        }
    }

    fn fail(&mut self, now: Millis) -> Change {
        self.count(now, false);
        let State::Closed { in_row, successes, failures, .. } = self.state else { return Change::None };
        let outcomes = successes.saturating_add(failures);
        let is_half_failing = outcomes >= self.options.window_least && failures >= successes;
        if in_row >= self.options.failures_in_row || is_half_failing {
            self.open(now, self.options.open_for);
            return Change::Opened;
        }
        Change::None
    }

    fn count(&mut self, now: Millis, is_success: bool) {
        let window = self.options.window;
        if let State::Closed { in_row, window_start, successes, failures } = &mut self.state {
            if now.since(*window_start) >= window {
                (*window_start, *successes, *failures) = (now, 0, 0);
            }
            if is_success {
                *in_row = 0;
                *successes = successes.saturating_add(1);
            } else {
                *in_row = in_row.saturating_add(1);
                *failures = failures.saturating_add(1);
            }
        }
    }

    fn open(&mut self, now: Millis, period: Millis) {
        self.epoch += 1;
        self.state = State::Open { until: now + period, period };
    }
}

const fn closed(now: Millis) -> State {
    State::Closed { in_row: 0, window_start: now, successes: 0, failures: 0 }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
