//! The report for the terminal: a table of phases, then the promises.

use std::fmt::Write as _;

use super::Run;
use crate::promises::Verdict;
use crate::scenario::Scenario;
use crate::tally::{Figures, Group, quantile_ms};

/// A few lines.
pub fn to_lines(scenario: &Scenario, run: &Run, verdicts: &[Verdict]) -> String {
    let mut text = format!("{} ({}, seed {})\n", run.title, run.mode.as_str(), run.seed);
    let _ok = writeln!(
        text,
        "{:<14} {:<10} {:>8} {:>8} {:>8} {:>7} {:>9} {:>9} {:>9}",
        "phase", "who", "sent", "done", "refused", "other", "ttft p50", "p99 ms", "whole p99"
    );
    for (at, phase) in scenario.phases.iter().enumerate() {
        for group in Group::ALL {
            let Some(figures) = run.tally.figures(at, group).filter(|figures| figures.sent > 0) else { continue };
            text.push_str(&row(&phase.name, group, figures));
        }
    }
    if let Some(arrivals) = &run.arrivals {
        let _ok = writeln!(
            text,
            "registration: {} came, {} got in, {} had a question answered, {} were turned away, {} lost patience",
            arrivals.came, arrivals.got_in, arrivals.served, arrivals.turned_away, arrivals.gave_up
        );
    }
    for group in [Group::Members, Group::Attackers] {
        let reasons = run.reasons(group);
        if !reasons.is_empty() {
            let told: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            let _ok = writeln!(text, "{} were refused: {}", group.as_str(), told.join(", "));
        }
    }
    if let Some(late) = &run.lateness {
        let (p99, max) = (quantile_ms(late, 0.99), quantile_ms(late, 1.0));
        let _ok = writeln!(text, "generator: late by {p99:.1} ms (p99), {max:.1} ms (most)");
    }
    for note in &run.notes {
        let _ok = writeln!(text, "note: {note}");
    }
    for verdict in verdicts {
        let word = if verdict.held { "held  " } else { "BROKEN" };
        let _ok = writeln!(
            text,
            "{word} {:<26} {:>10.2} {:<9} limit {:.2}{}",
            verdict.name,
            verdict.value,
            verdict.unit,
            verdict.limit,
            verdict.detail.as_ref().map(|detail| format!("  ({detail})")).unwrap_or_default()
        );
    }
    text
}

fn row(phase: &str, group: Group, figures: &Figures) -> String {
    format!(
        "{phase:<14} {:<10} {:>8} {:>8} {:>8} {:>7} {:>9.1} {:>9.1} {:>9.1}\n",
        group.as_str(),
        figures.sent,
        figures.done,
        figures.refused,
        figures.late + figures.cut + figures.broken,
        figures.first_ms(0.5),
        figures.first_ms(0.99),
        figures.total_ms(0.99)
    )
}
