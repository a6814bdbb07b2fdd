//! `calm → guarded → siege → fortress`, by pressure: a machine that is shown one reading a second.
//!
//! A level goes **up** when two independent signals are lit together for two seconds. From `guarded` on it goes higher only if somebody
//! is hurt meanwhile (members wait, the hashing threads or the connections are full): a flood that is refused and hurts nobody stays at
//! `guarded`, however large. `fortress` needs half a minute of members hurt in `siege`.
//!
//! It goes **down** one level after a time of quiet, in which every figure stayed under half of what lights it. That time is a minute;
//! it doubles, up to five, when the level had to go up again soon after it came down: an attacker who stops and starts gains nothing.
//!
//! What is usual (`quiet values`) is learnt in `calm` only, while nothing is lit: an attack that begins slowly does not become usual.
//! What must stay true: one dark reading ends no count (readings come late on a loaded machine), two do; the level moves one step a tick.

use rempart_domain::{Millis, Posture};

/// What a second looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Members who wait for an engine now.
    pub members_waiting: u32,
    /// Mean wait of the members' requests that ended, in milliseconds; 0 without any.
    pub members_wait_ms: u64,
    /// Mean time to first token of the members' answers that ended; `None` without any.
    pub members_ttft_ms: Option<u64>,
    /// Requests of everybody else.
    pub strangers_asked: u32,
    /// Of them, refused.
    pub strangers_refused: u32,
    /// Passwords that were not hashed for want of a thread.
    pub hashing_refused: u32,
    /// How full the line before the hashing threads is, in percent.
    pub hashing_percent: u8,
    /// Connections turned away at the door.
    pub connections_refused: u32,
    /// How full the table of connections is, in percent.
    pub connections_percent: u8,
}

/// A sign that something is wrong. Two of them are evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Members wait, or their first token comes later than usual.
    MembersSlow,
    /// Strangers are refused, many and more than usual.
    StrangersRefused,
    /// Strangers ask far more than usual.
    StrangersSurge,
    /// The password line is full.
    HashingFull,
    /// The door is full.
    ConnectionsFull,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::MembersSlow, Self::StrangersRefused, Self::StrangersSurge, Self::HashingFull, Self::ConnectionsFull];

    /// A word for the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MembersSlow => "members_slow",
            Self::StrangersRefused => "strangers_refused",
            Self::StrangersSurge => "strangers_surge",
            Self::HashingFull => "hashing_full",
            Self::ConnectionsFull => "connections_full",
        }
    }

    /// Somebody is hurt, not only busy.
    const fn is_harm(self) -> bool {
        matches!(self, Self::MembersSlow | Self::HashingFull | Self::ConnectionsFull)
    }
}

/// The times of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostureRules {
    /// Two signals for this long: one level up.
    pub up_after: Millis,
    /// Members hurt in `siege` for this long: `fortress`.
    pub fortress_after: Millis,
    /// Quiet for this long: one level down.
    pub quiet_min: Millis,
    /// The longest that time becomes.
    pub quiet_max: Millis,
    /// Up again within this time of a step down: that time doubles.
    pub relapse_within: Millis,
}

impl Default for PostureRules {
    fn default() -> Self {
        Self {
            up_after: Millis::from_secs(2),
            fortress_after: Millis::from_secs(30),
            quiet_min: Millis::from_secs(60),
            quiet_max: Millis::from_secs(300),
            relapse_within: Millis::from_secs(1_800),
        }
    }
}

/// A level that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: Posture,
    /// From now on.
    pub to: Posture,
    /// When the first of the signals was lit, for a step up.
    pub since: Millis,
    /// What was lit.
    pub signals: Vec<Signal>,
}

/// See the file's head.
#[derive(Debug)]
pub struct PostureMachine {
    rules: PostureRules,
    level: Posture,
    level_since: Millis,
    usual: Usual,
    /// Since when two signals are lit; and the last reading in which they were.
    evidence: Run,
    /// The same, with harm among them.
    harm: Run,
    /// The same, with members slow among them.
    members: Run,
    quiet_since: Option<Millis>,
    quiet_for: Millis,
    stepped_down: Option<Millis>,
}

/// A condition that holds over several readings.
#[derive(Debug, Clone, Copy, Default)]
struct Run(Option<(Millis, Millis)>);

/// A reading later than this after the last lit one finds the condition gone.
const GAP_MAX: Millis = Millis(2_500);

impl Run {
    fn note(&mut self, now: Millis, holds: bool) {
        self.0 = match self.0 {
            Some((since, _)) if holds => Some((since, now)),
            Some((since, last)) if now.since(last) < GAP_MAX => Some((since, last)),
            None if holds => Some((now, now)),
            _ => None,
        };
    }

    fn lasted(self, now: Millis, long: Millis) -> bool {
        // Only a lit reading decides: the memory of one does not.
        self.0.is_some_and(|(since, last)| last == now && now.since(since) >= long)
    }
}

/// What is usual, as fading means.
#[derive(Debug, Clone, Copy, Default)]
struct Usual {
    members_ttft_ms: Option<f64>,
    strangers_asked: f64,
    strangers_refused: f64,
}

/// Weight of a quiet second: half is forgotten in ten minutes.
const WEIGHT: f64 = 1.0 / 866.0;

impl Usual {
    fn learn(&mut self, reading: &Reading) {
        let toward = |mean: &mut f64, value: f64| *mean += (value - *mean) * WEIGHT;
        if let Some(ttft) = reading.members_ttft_ms {
            let ttft = number(ttft);
            toward(self.members_ttft_ms.get_or_insert(ttft), ttft);
        }
        toward(&mut self.strangers_asked, f64::from(reading.strangers_asked));
        toward(&mut self.strangers_refused, f64::from(reading.strangers_refused));
    }

    /// Whether a signal is lit; with `part` 0.5, whether it is still above half of that.
    fn is_lit(&self, signal: Signal, reading: &Reading, part: f64) -> bool {
        let asked = f64::from(reading.strangers_asked);
        let refused = f64::from(reading.strangers_refused);
        match signal {
            Signal::MembersSlow => {
                let waits = reading.members_waiting >= 2 || number(reading.members_wait_ms) >= 250.0 * part;
                let usual = self.members_ttft_ms.unwrap_or(f64::INFINITY);
                waits || reading.members_ttft_ms.is_some_and(|ttft| number(ttft) > usual + (usual * 0.5 + 100.0) * part)
            }
            Signal::StrangersRefused => {
                refused >= 10.0 * part
                    && refused >= asked * 0.2 * part
                    && refused >= self.strangers_refused * 4.0 * part
            }
            Signal::StrangersSurge => asked >= (20.0 + self.strangers_asked * 4.0) * part,
            Signal::HashingFull => {
                f64::from(reading.hashing_refused) >= 3.0 * part || f64::from(reading.hashing_percent) >= 50.0 * part
            }
            Signal::ConnectionsFull => {
                f64::from(reading.connections_refused) >= 3.0 * part
                    || f64::from(reading.connections_percent) >= 80.0 * part
            }
        }
    }
}

impl PostureMachine {
    /// In `calm`, knowing nothing.
    pub fn new(rules: PostureRules) -> Self {
        Self::resumed(rules, Posture::Calm, Millis(0))
    }

    /// At a level that held before a restart: quiet counts from `now`.
    pub fn resumed(rules: PostureRules, level: Posture, now: Millis) -> Self {
        Self {
            rules,
            level,
            level_since: now,
            usual: Usual::default(),
            evidence: Run::default(),
            harm: Run::default(),
            members: Run::default(),
            quiet_since: None,
            quiet_for: rules.quiet_min,
            stepped_down: None,
        }
    }

    /// The level by pressure.
    pub const fn level(&self) -> Posture {
        self.level
    }

    /// The signals that a reading lights.
    pub fn signals(&self, reading: &Reading) -> Vec<Signal> {
        Signal::ALL.into_iter().filter(|signal| self.usual.is_lit(*signal, reading, 1.0)).collect()
    }

    /// Takes a reading in; the change that it makes.
    pub fn tick(&mut self, now: Millis, reading: &Reading) -> Option<Change> {
        let lit = self.signals(reading);
        let is_evidence = lit.len() >= 2;
        let since = self.evidence.0.map_or(now, |(since, _)| since);
        self.evidence.note(now, is_evidence);
        self.harm.note(now, is_evidence && lit.iter().any(|signal| signal.is_harm()));
        self.members.note(now, is_evidence && lit.contains(&Signal::MembersSlow));
        let is_quiet = !Signal::ALL.into_iter().any(|signal| self.usual.is_lit(signal, reading, 0.5));
        self.quiet_since = is_quiet.then(|| self.quiet_since.unwrap_or(now));
        if self.level == Posture::Calm && lit.is_empty() && is_quiet {
            self.usual.learn(reading);
        }
        let to = self.next_level(now)?;
        let from = std::mem::replace(&mut self.level, to);
        if to > from {
            let is_relapse = self.stepped_down.is_some_and(|at| now.since(at) < self.rules.relapse_within);
            let doubled = Millis(self.quiet_for.0.saturating_mul(2).min(self.rules.quiet_max.0));
            self.quiet_for = if is_relapse { doubled } else { self.rules.quiet_min };
            self.stepped_down = None;
        } else {
            self.stepped_down = Some(now);
        }
        self.level_since = now;
        self.quiet_since = None;
        Some(Change { from, to, since, signals: lit })
    }

    fn next_level(&self, now: Millis) -> Option<Posture> {
        let up = self.rules.up_after;
        let held = now.since(self.level_since);
        match self.level {
            Posture::Calm if self.evidence.lasted(now, up) => return Some(Posture::Guarded),
            Posture::Guarded if held >= up && self.harm.lasted(now, up) => return Some(Posture::Siege),
            Posture::Siege
                if held >= self.rules.fortress_after && self.members.lasted(now, self.rules.fortress_after) =>
            {
                return Some(Posture::Fortress);
            }
            _ => {}
        }
        let was_quiet = self.quiet_since.is_some_and(|since| now.since(since) >= self.quiet_for);
        match self.level {
            Posture::Fortress if was_quiet => Some(Posture::Siege),
            Posture::Siege if was_quiet => Some(Posture::Guarded),
            Posture::Guarded if was_quiet => Some(Posture::Calm),
            _ => None,
        }
    }
}

/// Times and counts here stay far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "see above")]
const fn number(value: u64) -> f64 {
    value as f64
}
