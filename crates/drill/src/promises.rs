//! What was promised, judged: by counts and by times against the same run's quiet phase. World and live are judged by this code alone.

use crate::report::{Mode, Run};
use crate::scenario::{Promises, Role, Scenario};
use crate::tally::{Figures, Group, quantile_ms};

/// A generator that is later than this at its p99 measures itself, in milliseconds.
const LATENESS_P99_MS_MAX: f64 = 5.0;

/// Recovered: this share of members' requests of a second is done again.
const RECOVERED_SHARE: f64 = 0.99;

/// A promise and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Its name.
    pub name: &'static str,
    /// It held.
    pub held: bool,
    /// What was measured.
    pub value: f64,
    /// What was promised.
    pub limit: f64,
    /// Of both.
    pub unit: &'static str,
    /// More, for people.
    pub detail: Option<String>,
}

/// Judges a run.
pub fn judge(scenario: &Scenario, run: &Run) -> Vec<Verdict> {
    let promises = &scenario.promises;
    let quiet = gather(scenario, run, Role::Quiet, Group::Members);
    let attack = gather(scenario, run, Role::Attack, Group::Members);
    let judged = if attack.sent > 0 { &attack } else { &quiet };
    let mut verdicts = Vec::new();
    judge_members(promises, &quiet, judged, attack.sent > 0, &mut verdicts);
    judge_strangers(scenario, run, &mut verdicts);
    if scenario.phases.iter().any(|phase| phase.role == Role::After) {
        let value = recovery_s(scenario, run);
        verdicts.push(at_most("recovery", value, promises.recovery_s_max, "s"));
    }
    for (name, found) in [("nothing_lost", &run.lost), ("nothing_leaked", &run.leaked)] {
        if let Some(found) = found {
            let count = f64::from(u32::try_from(found.len()).unwrap_or(u32::MAX));
            let detail = (!found.is_empty()).then(|| found.join("; "));
            verdicts.push(Verdict { detail, ..at_most(name, count, 0.0, "findings") });
        }
    }
    if let Some(most) = run.machine.memory_mb.iter().copied().reduce(f64::max) {
        let limit = f64::from(u32::try_from(promises.memory_mb_max).unwrap_or(u32::MAX));
        verdicts.push(at_most("memory", most, limit, "MB"));
    }
    if run.mode == Mode::Live
        && let Some(late) = &run.lateness
    {
        let value = quantile_ms(late, 0.99);
        let detail =
            (value > LATENESS_P99_MS_MAX).then(|| "the generator was late: this run does not count".to_owned());
        verdicts.push(Verdict { detail, ..at_most("generator_on_time", value, LATENESS_P99_MS_MAX, "ms") });
    }
    verdicts
}

fn judge_members(promises: &Promises, quiet: &Figures, judged: &Figures, is_attacked: bool, out: &mut Vec<Verdict>) {
    if let Some(least) = promises.members_done_percent_min {
        out.push(at_least("members_served", judged.done_percent(), least, "%"));
    }
    if is_attacked {
        let least = quiet.done_percent() - promises.members_done_points_below_quiet_max;
        out.push(at_least("members_served_as_quiet", judged.done_percent(), least, "%"));
        let mut judge_time = |name, ratio: Option<f64>, was: f64, is: f64| {
            let Some(ratio) = ratio else { return };
            let limit = (was * ratio).max(was + promises.slack_ms);
            let detail = Some(format!("quiet {was:.1} ms, {:.2}x", is / was.max(f64::MIN_POSITIVE)));
            out.push(Verdict { detail, ..at_most(name, is, limit, "ms") });
        };
        let (was, is) = (quiet.first_ms(0.99), judged.first_ms(0.99));
        judge_time("members_ttft_p99", promises.members_ttft_ratio_max, was, is);
        let (was, is) = (quiet.total_ms(0.99), judged.total_ms(0.99));
        judge_time("members_answer_p99", promises.members_total_ratio_max, was, is);
    }
    let most = promises.members_refused_percent_max;
    out.push(at_most("false_refusals", judged.refused_percent(), most, "%"));
}

fn judge_strangers(scenario: &Scenario, run: &Run, out: &mut Vec<Verdict>) {
    let promises = &scenario.promises;
    if let Some(least) = promises.newcomers_done_percent_min {
        let newcomers = gather(scenario, run, Role::Attack, Group::Newcomers);
        out.push(at_least("newcomers_served", newcomers.done_percent(), least, "%"));
    }
    if let (Some(least), Some(arrivals)) = (promises.arrivals_in_percent_min, &run.arrivals) {
        let percent = |part: u64, whole: u64| {
            let (part, whole) = (u32::try_from(part).unwrap_or(0), u32::try_from(whole).unwrap_or(1));
            if whole == 0 { 100.0 } else { 100.0 * f64::from(part) / f64::from(whole) }
        };
        out.push(at_least("newcomers_get_in", percent(arrivals.got_in, arrivals.came), least, "%"));
    }
    if let Some(most) = promises.attackers_done_max {
        let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let attackers = gather(scenario, run, Role::Attack, Group::Attackers);
        out.push(at_most("attackers_get_in", number(attackers.done), number(most), "requests"));
    }
}

/// A group's figures over all phases of a role.
pub fn gather(scenario: &Scenario, run: &Run, role: Role, group: Group) -> Figures {
    let mut all = Figures::default();
    for (at, phase) in scenario.phases.iter().enumerate() {
        if phase.role == role
            && let Some(figures) = run.tally.figures(at, group)
        {
            all.add(figures);
        }
    }
    all
}

/// Seconds from the attack's end to the last second in which members were not served as they should be; 0 if there was none.
fn recovery_s(scenario: &Scenario, run: &Run) -> f64 {
    let after = scenario.phases.iter().zip(&run.spans).find(|(phase, _)| phase.role == Role::After);
    let Some((_, (from, _))) = after else { return 0.0 };
    let mut last_bad = None;
    for (second, line) in run.tally.seconds(Group::Members).enumerate() {
        let at = f64::from(u32::try_from(second).unwrap_or(u32::MAX));
        let (sent, done) = (u32::try_from(line.sent).unwrap_or(0), u32::try_from(line.done).unwrap_or(0));
        if at >= *from && sent > 0 && f64::from(done) < RECOVERED_SHARE * f64::from(sent) {
            last_bad = Some(at);
        }
    }
    last_bad.map_or(0.0, |at| at + 1.0 - from)
}

fn at_least(name: &'static str, value: f64, limit: f64, unit: &'static str) -> Verdict {
    Verdict { name, held: value >= limit - 1e-9, value, limit, unit, detail: None }
}

fn at_most(name: &'static str, value: f64, limit: f64, unit: &'static str) -> Verdict {
    Verdict { name, held: value <= limit + 1e-9, value, limit, unit, detail: None }
}
