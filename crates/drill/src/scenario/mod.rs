//! Scenarios: who asks what, who attacks how, what breaks meanwhile, and what is promised all the same. A scenario is a TOML file.
//!
//! What must stay true: a key that nobody knows is an error that names its line; everything has a bound; a file says everything, so
//! that adding a scenario changes no code. The files of this crate's `scenarios/` are embedded; a folder of one's own can be given.

mod attack;
mod check;
mod file;
mod people;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use attack::{Attack, AttackKind, Keys, Names, SharedSources, Sources};
pub use file::{ScenarioError, catalogue, load, parse};
pub use people::{Arrivals, Newcomers, People, Tokens, Writers};

/// Everything a drill needs to know.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// One line for the list.
    pub title: String,
    /// What it is about, for the report.
    #[serde(default)]
    pub about: String,
    /// Both in other languages, by `fr` and `zh`; where one is missing the English stands.
    #[serde(default)]
    pub words: BTreeMap<String, Words>,
    /// Chance begins here; `--seed` goes over it.
    #[serde(default = "one")]
    pub seed: u64,
    /// The scripted engine behind the platform.
    #[serde(default)]
    pub engine: EngineShape,
    /// How the platform is set up.
    #[serde(default)]
    pub platform: Platform,
    /// Who was a member before.
    pub members: People,
    /// Honest newcomers with an account.
    #[serde(default)]
    pub newcomers: Option<Newcomers>,
    /// Honest people who come to register.
    #[serde(default)]
    pub arrivals: Option<Arrivals>,
    /// Members who write in a conversation; what was acknowledged to them is looked for afterwards.
    #[serde(default)]
    pub writers: Option<Writers>,
    /// Who attacks, by a name of the file's choice.
    #[serde(default)]
    pub attacks: BTreeMap<String, Attack>,
    /// What follows what.
    pub phases: Vec<Phase>,
    /// What breaks.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What must hold.
    #[serde(default)]
    pub promises: Promises,
}

/// What a scenario is called and about, in one language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// One line.
    pub title: String,
    /// What it is about.
    pub about: String,
}

/// `zh` of `zh-Hans`.
pub(crate) fn primary_language(code: &str) -> &str {
    code.split('-').next().unwrap_or(code)
}

impl Scenario {
    /// Title and about in the language of that code (`fr`, `zh-Hans`), or in English.
    pub fn words_in(&self, code: &str) -> (&str, &str) {
        self.words.get(primary_language(code)).map_or((&self.title, &self.about), |words| (&words.title, &words.about))
    }
}

/// The scripted engine: its own words and meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineShape {
    /// Generations at once.
    pub sequences: u32,
    /// KV tokens shared by all of them.
    pub kv_tokens: u32,
    /// Prompt tokens a second, shared by the whole engine.
    pub prefill_tps: u32,
    /// Answer tokens a second, of each sequence.
    pub decode_tps: u32,
    /// Tokens of an answer that nothing cuts short.
    pub tokens: u32,
}

impl Default for EngineShape {
    /// Eight sequences of 100 ms.
    fn default() -> Self {
        Self { sequences: 8, kv_tokens: 1_000_000, prefill_tps: 1_000_000, decode_tps: 100, tokens: 1_000 }
    }
}

/// How the platform is set up. What is not named has its default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Platform {
    /// `[limits]`, by name.
    pub limits: BTreeMap<String, u64>,
    /// `[standing]`, by name.
    pub standing: BTreeMap<String, u64>,
    /// `registration.level`.
    pub registration: Option<String>,
    /// `store.url`'s kind: the drill starts or is given what it needs.
    pub store: StoreKind,
}

/// What keeps the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// The file in the data folder.
    #[default]
    Sqlite,
    /// A server given to the drill, behind a proxy that it can cut.
    Postgres,
}

/// A part of the run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Named in `during` and in the report.
    pub name: String,
    /// How long, in seconds.
    pub seconds: f64,
    /// What it is judged as.
    pub role: Role,
    /// A posture set by hand when it begins; `auto` gives it back to the platform.
    #[serde(default)]
    pub posture: Option<String>,
}

/// What a phase is judged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Connections are made, nothing is judged.
    Warmup,
    /// The yardstick.
    Quiet,
    /// The attack begins: told, not judged.
    Onset,
    /// Judged against the quiet phase.
    Attack,
    /// The attack is over: judged for recovery.
    After,
}

impl Role {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Quiet => "quiet",
            Self::Onset => "onset",
            Self::Attack => "attack",
            Self::After => "after",
        }
    }
}

/// Something breaks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When, in seconds from the beginning.
    pub at_s: f64,
    /// For how long.
    pub seconds: f64,
}

/// What can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The engine's process is killed; a new one takes its address afterwards.
    EngineDown,
    /// The database cannot be reached (`store = "postgres"`).
    DatabaseDown,
    /// The platform is killed (SIGKILL) and started again at once.
    PlatformKilled,
}

/// What must hold. Percentages are of requests sent; ratios are to the quiet phase of the same run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Promises {
    /// Members' requests done, at least.
    pub members_done_percent_min: Option<f64>,
    /// Members' requests done may lie so many points under their quiet phase.
    pub members_done_points_below_quiet_max: f64,
    /// Members' time to first token, p99, to their quiet phase's.
    pub members_ttft_ratio_max: Option<f64>,
    /// Members' time to the whole answer, p99, to their quiet phase's.
    pub members_total_ratio_max: Option<f64>,
    /// A time that is no more than this above its quiet one holds whatever the ratio, in milliseconds.
    pub slack_ms: f64,
    /// Honest newcomers' requests done, at least.
    pub newcomers_done_percent_min: Option<f64>,
    /// Honest people who came to register and got in, at least.
    pub arrivals_in_percent_min: Option<f64>,
    /// Attackers' requests done while the attack lasts, at most: accounts made, where they come to register.
    pub attackers_done_max: Option<u64>,
    /// Members' requests refused while the attack lasts, in percent of those sent, at most.
    pub members_refused_percent_max: f64,
    /// Seconds after the attack's end until members are served as on a quiet day, at most.
    pub recovery_s_max: f64,
    /// Resident memory of the platform, at most.
    pub memory_mb_max: u64,
}

impl Default for Promises {
    fn default() -> Self {
        Self {
            members_done_percent_min: None,
            members_done_points_below_quiet_max: 0.5,
            members_ttft_ratio_max: Some(1.5),
            members_total_ratio_max: None,
            slack_ms: 0.0,
            newcomers_done_percent_min: None,
            arrivals_in_percent_min: None,
            attackers_done_max: None,
            members_refused_percent_max: 0.1,
            recovery_s_max: 5.0,
            memory_mb_max: 1_024,
        }
    }
}

impl Scenario {
    /// Length of all phases, in seconds.
    pub fn seconds(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }

    /// From and to of each phase, in seconds.
    pub fn spans(&self) -> Vec<(f64, f64)> {
        let mut at = 0.0;
        let spans = self.phases.iter().map(|phase| {
            let from = at;
            at += phase.seconds;
            (from, at)
        });
        spans.collect()
    }

    /// When an attack is on, in seconds, its pauses taken out; in order.
    pub fn spans_of(&self, attack: &Attack) -> Vec<(f64, f64)> {
        let mut spans: Vec<(f64, f64)> = Vec::new();
        for (phase, (from, to)) in self.phases.iter().zip(self.spans()) {
            if !attack.during.contains(&phase.name) {
                continue;
            }
            match spans.last_mut() {
                Some((_, end)) if (*end - from).abs() < 1e-9 => *end = to,
                _ => spans.push((from, to)),
            }
        }
        let Some((on, off)) = attack.on_s.zip(attack.off_s) else { return spans };
        let mut cut = Vec::new();
        for (from, to) in spans {
            let mut at = from;
            while at < to {
                cut.push((at, (at + on).min(to)));
                at += on + off;
            }
        }
        cut
    }
}

const fn one() -> u64 {
    1
}
