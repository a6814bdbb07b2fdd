//! The report as JSON: the fields that are fixed, and more beside them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Run;
use crate::promises::Verdict;
use crate::scenario::Scenario;
use crate::tally::{Figures, Group, quantile_ms};

/// The whole report.
pub fn to_json(scenario: &Scenario, run: &Run, verdicts: &[Verdict]) -> Value {
    let promises: Vec<Value> = verdicts
        .iter()
        .map(|v| json!({ "name": v.name, "held": v.held, "value": round(v.value), "limit": round(v.limit), "unit": v.unit, "detail": v.detail }))
        .collect();
    let phases: Vec<Value> = scenario
        .phases
        .iter()
        .zip(&run.spans)
        .enumerate()
        .map(|(at, (phase, (from, to)))| {
            let mut told = json!({
                "name": phase.name, "from_s": from, "to_s": to, "role": phase.role.as_str(), "cpu_s": run.cpu_s(at).map(round),
            });
            if let Some(told) = told.as_object_mut() {
                for group in Group::ALL {
                    let figures = run.tally.figures(at, group);
                    if let Some(figures) = figures.filter(|figures| group != Group::Robbed || figures.sent > 0) {
                        told.insert(group.as_str().to_owned(), figures_json(figures));
                    }
                }
            }
            told
        })
        .collect();
    let titles: BTreeMap<&str, &str> =
        scenario.words.iter().map(|(language, words)| (language.as_str(), words.title.as_str())).collect();
    json!({
        "scenario": run.scenario,
        "title": run.title,
        "titles": titles,
        "seed": run.seed,
        "mode": run.mode.as_str(),
        "held": verdicts.iter().all(|verdict| verdict.held),
        "promises": promises,
        "phases": phases,
        "arrivals": run.arrivals.as_ref().map(|a| json!({
            "came": a.came, "got_in": a.got_in, "served": a.served, "turned_away": a.turned_away, "gave_up": a.gave_up,
        })),
        "generator": run.lateness.as_ref().map(|late| json!({
            "lateness_ms": { "p50": round(quantile_ms(late, 0.5)), "p99": round(quantile_ms(late, 0.99)), "max": round(quantile_ms(late, 1.0)) },
            "cpu_s": round(run.machine.generator_cpu_s),
        })),
        "memory_mb": {
            "first": run.machine.memory_mb.first().copied().map(round),
            "max": run.machine.memory_mb.iter().copied().reduce(f64::max).map(round),
        },
        "lost": run.lost,
        "leaked": run.leaked,
        "notes": run.notes,
        "seconds": seconds_json(run),
    })
}

fn figures_json(figures: &Figures) -> Value {
    json!({
        "sent": figures.sent, "done": figures.done, "refused": figures.refused, "late": figures.late, "cut": figures.cut,
        "broken": figures.broken,
        "ttft_ms": { "p50": round(figures.first_ms(0.5)), "p99": round(figures.first_ms(0.99)) },
        "total_ms": { "p50": round(figures.total_ms(0.5)), "p99": round(figures.total_ms(0.99)) },
        "reasons": figures.reasons,
    })
}

/// A line a second, for charts: sent, done, refused, longest time to first token in ms.
fn seconds_json(run: &Run) -> Value {
    let mut all = serde_json::Map::new();
    for group in Group::ALL {
        let lines: Vec<Value> = run
            .tally
            .seconds(group)
            .map(|second| json!([second.sent, second.done, second.refused, second.first_us_max / 1_000]))
            .collect();
        all.insert(group.as_str().to_owned(), lines.into());
    }
    all.into()
}

/// Two digits are enough for a person and a comparison.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
