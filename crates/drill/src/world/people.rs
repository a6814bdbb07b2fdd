//! Who asks, what, and when.

use rempart_domain::{Band, Posture};

use super::engine::EngineShape;
use crate::random::Random;

/// Whose request it is; the machine sees only bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A member before the attack.
    Member,
    /// An honest newcomer.
    Newcomer,
    /// An account made for the attack.
    Attacker,
}

/// How honest people ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Prompt tokens: logarithm's mean and deviation, and the most.
    pub input: (f64, f64, u32),
    /// Answer tokens: logarithm's mean and deviation, and the most. At least 8.
    pub output: (f64, f64, u32),
    /// Mean time between two requests of one person, in seconds.
    pub gap_s: f64,
    /// The first byte is awaited this long, in seconds.
    pub patience_s: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Self { input: (5.5, 0.6, 2_000), output: (5.0, 0.7, 900), gap_s: 25.0, patience_s: 10.0 }
    }
}

/// An attack by registered accounts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attack {
    /// Requests a second, all accounts.
    pub rate: f64,
    /// Accounts.
    pub accounts: u64,
    /// What the accounts are told apart by.
    pub cohorts: u64,
    /// Prompt tokens.
    pub input: u32,
    /// Answer tokens.
    pub output: u32,
    /// From and to, in seconds.
    pub span_s: (f64, f64),
}

impl Default for Attack {
    fn default() -> Self {
        Self { rate: 60.0, accounts: 3_000, cohorts: 40, input: 2_000, output: 900, span_s: (60.0, 200.0) }
    }
}

/// A world to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Members.
    pub members: u64,
    /// Honest newcomers.
    pub newcomers: u64,
    /// How both ask.
    pub habits: Habits,
    /// `None`: a quiet day.
    pub attack: Option<Attack>,
    /// The engine.
    pub engine: EngineShape,
    /// Postures and the second from which each holds; `calm` before.
    pub postures: Vec<(f64, Posture)>,
    /// Length, in seconds.
    pub length_s: f64,
    /// Requests sent within are counted, in seconds.
    pub counted_s: (f64, f64),
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            members: 230,
            newcomers: 40,
            habits: Habits::default(),
            attack: Some(Attack::default()),
            engine: EngineShape::default(),
            postures: vec![(0.0, Posture::Guarded)],
            length_s: 240.0,
            counted_s: (40.0, 220.0),
        }
    }
}

impl Scenario {
    /// The same world without the attack.
    #[must_use]
    pub fn quiet(&self) -> Self {
        Self { attack: None, ..self.clone() }
    }
}

/// One request that will be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) at_us: u64,
    pub(super) kind: Kind,
    pub(super) account: u64,
    pub(super) cohort: u64,
    pub(super) input: u32,
    pub(super) output: u32,
    /// What the client sends as `max_tokens`.
    pub(super) output_cap: u32,
}

impl Kind {
    pub(super) const fn band(self) -> Band {
        match self {
            Self::Member => Band::Member,
            Self::Newcomer | Self::Attacker => Band::Newcomer,
        }
    }
}

/// Everything that will be sent, in order: an open loop, so a slow answer slows nobody down.
pub(super) fn requests(scenario: &Scenario, seed: u64) -> Vec<Request> {
    let mut all = Vec::new();
    let first_newcomer = 1_000_000;
    for member in 0..scenario.members {
        honest(scenario, &mut Random::new(seed, member), Kind::Member, member, &mut all);
    }
    for newcomer in 0..scenario.newcomers {
        let account = first_newcomer + newcomer;
        honest(scenario, &mut Random::new(seed, account), Kind::Newcomer, account, &mut all);
    }
    if let Some(attack) = scenario.attack {
        let mut random = Random::new(seed, u64::MAX);
        let mut at = attack.span_s.0;
        loop {
            at += random.exponential(1.0 / attack.rate);
            if at >= attack.span_s.1 {
                break;
            }
            let account = 2_000_000 + random.below(attack.accounts);
            all.push(Request {
                at_us: to_us(at),
                kind: Kind::Attacker,
                account,
                cohort: 2_000_000 + account % attack.cohorts.max(1),
                input: attack.input,
                output: attack.output,
                output_cap: attack.output,
            });
        }
    }
    all.sort_by_key(|request| (request.at_us, request.account));
    all
}

fn honest(scenario: &Scenario, random: &mut Random, kind: Kind, account: u64, all: &mut Vec<Request>) {
    let habits = &scenario.habits;
    let mut at = random.exponential(habits.gap_s);
    while at < scenario.length_s {
        let (mu, sigma, most) = habits.input;
        let input = tokens(random.lognormal(mu, sigma), 1, most);
        let (mu, sigma, most) = habits.output;
        let output = tokens(random.lognormal(mu, sigma), 8, most);
        all.push(Request { at_us: to_us(at), kind, account, cohort: account, input, output, output_cap: most });
        at += random.exponential(habits.gap_s);
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range of u32")]
fn tokens(drawn: f64, least: u32, most: u32) -> u32 {
    drawn.round().clamp(f64::from(least), f64::from(most)) as u32
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a simulation, never negative")]
pub(super) fn to_us(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}
