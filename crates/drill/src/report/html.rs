//! The report as one page that needs nothing else: words come from the caller's language, charts are SVG, it prints.
//!
//! What must stay true: everything that is not ours (titles, notes) is escaped; no script, no font, no picture from elsewhere.

use std::fmt::Write as _;

use super::Run;
use super::chart::{Chart, Line, draw};
use crate::promises::Verdict;
use crate::scenario::Scenario;
use crate::tally::{Figures, Group};

/// The language of a page.
pub struct Language<'a> {
    /// For the `lang` attribute.
    pub code: &'a str,
    /// The text of a key; see `crates/web/locales/*/drill.ftl`.
    pub text: &'a dyn Fn(&str) -> String,
    /// Names and files of the same page in other languages.
    pub others: &'a [(&'a str, &'a str)],
}

pub(super) const STYLE: &str = "\
:root{--ink:#1d1b18;--soft:#6b655c;--line:#d9d3c7;--paper:#fbf9f4;--accent:#8a3a2b;--good:#2f6b45}
*{box-sizing:border-box}body{margin:0 auto;max-width:62rem;padding:2rem 1.25rem;background:var(--paper);color:var(--ink);font:16px/1.55 Georgia,'Noto Serif','Songti SC',serif}
h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0}h2{font-size:1.2rem;margin:2.2rem 0 .6rem}p{margin:.5rem 0}.soft{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-size:.92rem}th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
th:first-child,td:first-child,td.t,th.t{text-align:left}th{font-weight:600}.wide{overflow-x:auto}
.held{color:var(--good)}.broken{color:var(--accent);font-weight:700}.verdict{font-size:1.15rem}
svg{width:100%;height:auto;display:block}figure{margin:1rem 0}figcaption{color:var(--soft);font-size:.92rem}
nav a{color:inherit;margin-right:1rem}
@media print{body{max-width:none;padding:0;background:#fff}nav{display:none}h2{break-after:avoid}figure,tr{break-inside:avoid}}";

/// The page.
pub fn to_html(scenario: &Scenario, run: &Run, verdicts: &[Verdict], language: &Language<'_>) -> String {
    let t = |key: &str| escape(&(language.text)(key));
    let (title, about) = scenario.words_in(language.code);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{code}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>",
        code = escape(language.code),
        title = escape(title),
    );
    let links: Vec<String> = language
        .others
        .iter()
        .map(|(name, file)| format!("<a href=\"{}\">{}</a>", escape(file), escape(name)))
        .collect();
    let _ok = write!(
        page,
        "<nav>{}</nav><p class=\"soft\">{}</p><h1>{}</h1><p>{}</p>",
        links.join(""),
        t("drill-report"),
        escape(title),
        escape(about)
    );
    let broken = verdicts.iter().filter(|verdict| !verdict.held).count();
    let (class, key) = if broken == 0 { ("held", "drill-all-held") } else { ("broken", "drill-some-broke") };
    let mode = t(if run.mode == super::Mode::Live { "drill-mode-live" } else { "drill-mode-world" });
    let _ok = write!(
        page,
        "<p class=\"verdict {class}\">{}</p><p class=\"soft\">{mode} · {} {}</p>",
        t(key),
        t("drill-seed"),
        run.seed
    );
    page.push_str(&promises_table(verdicts, &t));
    page.push_str(&charts(scenario, run, &t));
    page.push_str(&phases_table(scenario, run, &t));
    page.push_str(&more(run, &t));
    let _ok = writeln!(page, "<h2>{}</h2><p>{}</p></body></html>", t("drill-how"), t("drill-how-text"));
    page
}

fn promises_table(verdicts: &[Verdict], t: &dyn Fn(&str) -> String) -> String {
    let mut table = format!(
        "<h2>{}</h2><div class=\"wide\"><table><tr><th>{}</th><th class=\"t\"></th><th>{}</th><th>{}</th></tr>",
        t("drill-promises"),
        t("drill-promise"),
        t("drill-measured"),
        t("drill-promised")
    );
    for verdict in verdicts {
        let (class, key) = if verdict.held { ("held", "drill-held") } else { ("broken", "drill-broken") };
        let name = t(&format!("drill-promise-{}", verdict.name.replace('_', "-")));
        let _ok = write!(
            table,
            "<tr><td>{name}</td><td class=\"t {class}\">{}</td><td>{} {unit}</td><td>{} {unit}</td></tr>",
            t(key),
            decimal(verdict.value, 2, t),
            decimal(verdict.limit, 2, t),
            unit = unit(verdict.unit, t),
        );
    }
    table.push_str("</table></div>");
    table
}

fn charts(scenario: &Scenario, run: &Run, t: &dyn Fn(&str) -> String) -> String {
    let phases: Vec<(String, f64, f64)> = scenario
        .phases
        .iter()
        .zip(&run.spans)
        .map(|(phase, (from, to))| (phase_name(&phase.name, t), *from, *to))
        .collect();
    let per_second = |group: Group, value: &dyn Fn(crate::tally::Second) -> Option<f64>| -> Vec<(f64, f64)> {
        let seconds = run.tally.seconds(group).enumerate();
        seconds.filter_map(|(at, second)| Some((f64::from(u32::try_from(at).ok()?), value(second)?))).collect()
    };
    let number = |value: u64| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    let done = per_second(Group::Members, &|second| {
        (second.sent > 0).then(|| 100.0 * number(second.done) / number(second.sent))
    });
    let first =
        per_second(Group::Members, &|second| (second.first_us_max > 0).then(|| number(second.first_us_max) / 1_000.0));
    let attacks = per_second(Group::Attackers, &|second| Some(number(second.sent)));
    let answered = per_second(Group::Attackers, &|second| Some(number(second.done)));
    let all = [
        ("drill-chart-members", "%", Some(100.0), vec![Line::new(t("drill-members-done"), "#2f6b45", done)]),
        ("drill-chart-first", "ms", None, vec![Line::new(t("drill-first-most"), "#2f6b45", first)]),
        (
            "drill-chart-attacks",
            "/s",
            None,
            vec![
                Line::new(t("drill-attacks-sent"), "#8a3a2b", attacks),
                Line::new(t("drill-attacks-answered"), "#6b655c", answered),
            ],
        ),
    ];
    let mut text = format!("<h2>{}</h2>", t("drill-second-by-second"));
    for (key, unit, most, lines) in all {
        // Where nobody attacks there is nothing to draw.
        if key == "drill-chart-attacks" && lines.iter().all(Line::is_flat_nought) {
            continue;
        }
        let chart = Chart { title: t(key), unit, most, seconds: scenario.seconds(), phases: &phases, lines };
        let _ok = write!(text, "<figure>{}<figcaption>{}</figcaption></figure>", draw(&chart), t(key));
    }
    text
}

fn phases_table(scenario: &Scenario, run: &Run, t: &dyn Fn(&str) -> String) -> String {
    let heads = [
        "drill-phase",
        "drill-who",
        "drill-sent",
        "drill-done",
        "drill-refused",
        "drill-other",
        "drill-p50",
        "drill-p99",
    ];
    let mut table = format!("<h2>{}</h2><div class=\"wide\"><table><tr>", t("drill-phases"));
    for (at, head) in heads.iter().enumerate() {
        let _ok = write!(table, "<th{}>{}</th>", if at < 2 { " class=\"t\"" } else { "" }, t(head));
    }
    table.push_str("</tr>");
    for (at, phase) in scenario.phases.iter().enumerate() {
        for group in Group::ALL {
            let Some(figures) = run.tally.figures(at, group).filter(|figures| figures.sent > 0) else { continue };
            let who = t(&format!("drill-who-{}", group.as_str()));
            table.push_str(&phase_row(&phase_name(&phase.name, t), &who, figures, t));
        }
    }
    table.push_str("</table></div>");
    table
}

/// The phases of the shipped scenarios, which have words in each language.
const PHASES: [&str; 18] = [
    "warm-up",
    "quiet",
    "after",
    "attack",
    "onset",
    "registrations",
    "proxies",
    "flood",
    "demand",
    "changes-begin",
    "changes",
    "calm",
    "brute-force",
    "botnets",
    "outage",
    "opened",
    "killed",
    "crowd",
];

/// A phase's name in that language; a name of somebody's own stays.
pub(super) fn phase_name(name: &str, t: &dyn Fn(&str) -> String) -> String {
    if PHASES.contains(&name) { t(&format!("drill-phase-is-{name}")) } else { escape(name) }
}

/// A unit as that language writes it.
pub(super) fn unit(unit: &str, t: &dyn Fn(&str) -> String) -> String {
    match unit {
        "findings" => String::new(),
        "MB" => t("drill-unit-mb"),
        other => escape(other),
    }
}

/// A number as that language writes it.
pub(super) fn decimal(value: f64, digits: usize, t: &dyn Fn(&str) -> String) -> String {
    format!("{value:.digits$}").replace('.', &t("drill-decimal-mark"))
}

fn phase_row(phase: &str, who: &str, figures: &Figures, t: &dyn Fn(&str) -> String) -> String {
    format!(
        "<tr><td>{phase}</td><td class=\"t\">{who}</td><td>{}</td><td>{} ({} %)</td><td>{}</td><td>{}</td><td>{:.0} ms</td><td>{:.0} ms</td></tr>",
        figures.sent,
        figures.done,
        decimal(figures.done_percent(), 1, t),
        figures.refused,
        figures.late + figures.cut + figures.broken,
        figures.first_ms(0.5),
        figures.first_ms(0.99)
    )
}

fn more(run: &Run, t: &dyn Fn(&str) -> String) -> String {
    let mut text = String::new();
    if let Some(arrivals) = &run.arrivals {
        let _ok = write!(
            text,
            "<h2>{}</h2><p>{}: {} · {}: {} · {}: {} · {}: {}</p>",
            t("drill-arrivals"),
            t("drill-arrivals-came"),
            arrivals.came,
            t("drill-arrivals-in"),
            arrivals.got_in,
            t("drill-arrivals-away"),
            arrivals.turned_away,
            t("drill-arrivals-gave-up"),
            arrivals.gave_up
        );
    }
    for (key, found) in [("drill-lost", &run.lost), ("drill-leaked", &run.leaked)] {
        let Some(found) = found.as_ref().filter(|found| !found.is_empty()) else { continue };
        let items: String = found.iter().map(|item| format!("<li>{}</li>", escape(item))).collect();
        let _ok = write!(text, "<h2 class=\"broken\">{}</h2><ul>{items}</ul>", t(key));
    }
    text
}

/// For text and attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_of_a_shipped_scenario_has_words() {
        let texts = include_str!("../../../web/locales/fr/drill.ftl");
        for (name, text) in crate::scenario::catalogue(None).unwrap() {
            let scenario = crate::scenario::parse(&name, &text).unwrap();
            for phase in &scenario.phases {
                assert!(PHASES.contains(&phase.name.as_str()), "{} of {name}", phase.name);
                assert!(texts.contains(&format!("\ndrill-phase-is-{} = ", phase.name)), "{}", phase.name);
            }
        }
        assert_eq!(phase_name("<mine>", &|key| key.to_owned()), "&lt;mine&gt;");
    }
}
