//! Two reports side by side: what a change of the product, of its configuration or of the machine did to the promises.
//!
//! What must stay true: it reads what `report.json` fixes and nothing else; a figure that one of the two lacks is shown as missing, never
//! as nought.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::scenario::primary_language;

use super::html::{Language, STYLE, decimal, escape, phase_name, unit};

/// A change below this part of the older figure is no change.
const NOISE: f64 = 0.05;

/// Promises of which more is better; of all others, less is.
const MORE_IS_BETTER: [&str; 4] = ["members_served", "members_served_as_quiet", "newcomers_served", "newcomers_get_in"];

/// The text is not a report of a drill.
#[derive(Debug, thiserror::Error)]
#[error("this is not a report.json of a drill: {0} is missing")]
pub struct NotAReport(&'static str);

/// How the newer figure stands to the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Better by more than the noise.
    Better,
    /// Worse by more than the noise.
    Worse,
    /// Neither, or it cannot be told.
    Same,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "same",
        }
    }
}

/// A figure of both reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The promise; or the phase, whose members' figure it is.
    pub name: String,
    /// `None` for a promise; else the figure's name: `done`, `p50`, `p99`, `cpu`.
    pub figure: Option<&'static str>,
    /// What it counts.
    pub unit: String,
    /// In the older report, and whether it held there (promises).
    pub old: Option<(f64, bool)>,
    /// In the newer report.
    pub new: Option<(f64, bool)>,
    /// How they stand.
    pub change: Change,
}

/// Two reports side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Title of each.
    pub titles: [String; 2],
    /// The newer one's in other languages, by `fr` and `zh`.
    pub titles_in: BTreeMap<String, String>,
    /// Scenario, way and seed of each, as one text.
    pub runs: [String; 2],
    /// Promises first, then members' figures, phase by phase.
    pub rows: Vec<Row>,
}

impl Comparison {
    /// Puts two reports side by side.
    ///
    /// # Errors
    /// One of them is not a report.
    pub fn new(old: &Value, new: &Value) -> Result<Self, NotAReport> {
        let mut rows = Vec::new();
        let (old_promises, new_promises) = (list(old, "promises")?, list(new, "promises")?);
        for name in names(old_promises, new_promises) {
            let find = |list: &[Value]| list.iter().find(|promise| promise["name"] == name.as_str()).cloned();
            let (before, after) = (find(old_promises), find(new_promises));
            let value = |promise: &Option<Value>| {
                let promise = promise.as_ref()?;
                Some((promise["value"].as_f64()?, promise["held"].as_bool()?))
            };
            let unit = before.as_ref().or(after.as_ref()).and_then(|p| p["unit"].as_str()).unwrap_or_default();
            let is_more_better = MORE_IS_BETTER.contains(&name.as_str());
            rows.push(row(name, None, unit, value(&before), value(&after), is_more_better));
        }
        let (old_phases, new_phases) = (list(old, "phases")?, list(new, "phases")?);
        for name in names(old_phases, new_phases) {
            let find = |list: &[Value]| list.iter().find(|phase| phase["name"] == name.as_str()).cloned();
            let (before, after) = (find(old_phases), find(new_phases));
            for (figure, unit, is_more_better) in
                [("done", "%", true), ("p50", "ms", false), ("p99", "ms", false), ("cpu", "s", false)]
            {
                let value = |phase: &Option<Value>| Some((figure_of(phase.as_ref()?, figure)?, true));
                let (before, after) = (value(&before), value(&after));
                if before.is_some() || after.is_some() {
                    rows.push(row(name.clone(), Some(figure), unit, before, after, is_more_better));
                }
            }
        }
        let told = |report: &Value, key: &'static str| report[key].as_str().map(str::to_owned).ok_or(NotAReport(key));
        let run = |report: &Value| -> Result<String, NotAReport> {
            Ok(format!("{}, {}, {}", told(report, "scenario")?, told(report, "mode")?, report["seed"]))
        };
        let titles_in = serde_json::from_value(new["titles"].clone()).unwrap_or_default();
        Ok(Self { titles: [told(old, "title")?, told(new, "title")?], titles_in, runs: [run(old)?, run(new)?], rows })
    }

    /// True where the two are runs of the same thing.
    pub fn is_alike(&self) -> bool {
        self.runs[0] == self.runs[1]
    }

    /// True where the newer report breaks a promise that the older one kept.
    pub fn is_worse(&self) -> bool {
        let broke = |row: &Row| row.new.is_some_and(|(_, held)| !held) && row.old.is_some_and(|(_, held)| held);
        self.rows.iter().any(broke)
    }

    /// For the terminal.
    pub fn to_lines(&self) -> String {
        let mut text = format!("before: {}\nafter:  {}\n", self.runs[0], self.runs[1]);
        if !self.is_alike() {
            text.push_str("note: these are not runs of the same scenario, way and seed\n");
        }
        for row in &self.rows {
            let name = row.figure.map_or_else(|| row.name.clone(), |figure| format!("{} {figure}", row.name));
            let tell = |value: Option<(f64, bool)>| match value {
                None => "-".to_owned(),
                Some((value, true)) => format!("{value:.2}"),
                Some((value, false)) => format!("{value:.2} BROKEN"),
            };
            let (old, new) = (tell(row.old), tell(row.new));
            let _ok = writeln!(text, "{name:<28} {old:>16} {new:>16} {:<9} {}", row.unit, row.change.as_str());
        }
        text
    }

    fn title_in(&self, code: &str) -> &str {
        self.titles_in.get(primary_language(code)).unwrap_or(&self.titles[1])
    }

    /// As one page that needs nothing else.
    pub fn to_html(&self, language: &Language<'_>) -> String {
        let t = |key: &str| escape(&(language.text)(key));
        let links: String = language
            .others
            .iter()
            .map(|(name, file)| format!("<a href=\"{}\">{}</a>", escape(file), escape(name)))
            .collect();
        let mut page = format!(
            "<!doctype html>\n<html lang=\"{code}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{title}</title><style>{STYLE}</style></head><body><nav>{links}</nav><p class=\"soft\">{title}</p><h1>{scenario}</h1>\
             <p>{before} · {old}<br>{after} · {new}</p>",
            code = escape(language.code),
            title = t("drill-comparison"),
            scenario = escape(self.title_in(language.code)),
            before = t("drill-before"),
            after = t("drill-after"),
            old = escape(&self.runs[0]),
            new = escape(&self.runs[1]),
        );
        if !self.is_alike() {
            let _ok = write!(page, "<p class=\"broken\">{}</p>", t("drill-not-alike"));
        }
        let _ok = write!(
            page,
            "<div class=\"wide\"><table><tr><th>{}</th><th>{}</th><th>{}</th><th class=\"t\"></th></tr>",
            t("drill-promise"),
            t("drill-before"),
            t("drill-after")
        );
        for row in &self.rows {
            let name = match row.figure {
                None => t(&format!("drill-promise-{}", row.name.replace('_', "-"))),
                Some("cpu") => format!("{} · {}", phase_name(&row.name, &t), t("drill-cpu")),
                Some("done") => format!("{} · {}", phase_name(&row.name, &t), t("drill-members-done")),
                Some(figure) => format!("{} · {}", phase_name(&row.name, &t), t(&format!("drill-{figure}"))),
            };
            let unit = unit(&row.unit, &t);
            let tell = |value: Option<(f64, bool)>| {
                value.map_or_else(
                    || "–".to_owned(),
                    |(value, held)| {
                        let class = if held { "" } else { " class=\"broken\"" };
                        format!("<span{class}>{} {}</span>", decimal(value, 2, &t), unit)
                    },
                )
            };
            let (class, word) = match row.change {
                Change::Better => ("held", t("drill-better")),
                Change::Worse => ("broken", t("drill-worse")),
                Change::Same => ("soft", t("drill-same")),
            };
            let _ok = write!(
                page,
                "<tr><td>{name}</td><td>{}</td><td>{}</td><td class=\"t {class}\">{word}</td></tr>",
                tell(row.old),
                tell(row.new)
            );
        }
        let _ok = writeln!(page, "</table></div><p class=\"soft\">{}</p></body></html>", t("drill-noise"));
        page
    }
}

fn list<'a>(report: &'a Value, key: &'static str) -> Result<&'a [Value], NotAReport> {
    report[key].as_array().map(Vec::as_slice).ok_or(NotAReport(key))
}

/// Names of both lists, each once, in the order of the newer one.
fn names(old: &[Value], new: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in new.iter().chain(old).filter_map(|item| item["name"].as_str()) {
        if !all.iter().any(|known| known == name) {
            all.push(name.to_owned());
        }
    }
    all
}

/// A figure of a phase's members; `None` where the phase has none.
fn figure_of(phase: &Value, figure: &str) -> Option<f64> {
    let members = &phase["members"];
    let sent = members["sent"].as_f64().filter(|sent| *sent > 0.0);
    match figure {
        "done" => Some(100.0 * members["done"].as_f64()? / sent?),
        "cpu" => phase["cpu_s"].as_f64(),
        _ => sent.and(members["ttft_ms"].get(figure).and_then(Value::as_f64)),
    }
}

fn row(
    name: String,
    figure: Option<&'static str>,
    unit: &str,
    old: Option<(f64, bool)>,
    new: Option<(f64, bool)>,
    is_more_better: bool,
) -> Row {
    let change = match (old, new) {
        (Some((_, true)), Some((_, false))) => Change::Worse,
        (Some((_, false)), Some((_, true))) => Change::Better,
        (Some((before, _)), Some((after, _))) if (after - before).abs() > NOISE * before.abs() => {
            if (after > before) == is_more_better { Change::Better } else { Change::Worse }
        }
        _ => Change::Same,
    };
    Row { name, figure, unit: unit.to_owned(), old, new, change }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn report(served: f64, p99: f64, held: bool) -> Value {
        json!({
            "scenario": "quiet", "title": "A <quiet> day", "mode": "live", "seed": 7, "held": held,
            "promises": [
                { "name": "members_served", "held": held, "value": served, "limit": 99.5, "unit": "%" },
                { "name": "members_ttft_p99", "held": true, "value": p99, "limit": 400.0, "unit": "ms" },
            ],
            "phases": [{ "name": "attack", "members": { "sent": 200, "done": 100, "ttft_ms": { "p50": 1.0, "p99": p99 } }, "cpu_s": null }],
        })
    }

    fn change(comparison: &Comparison, name: &str, figure: Option<&str>) -> Change {
        comparison.rows.iter().find(|row| row.name == name && row.figure == figure).unwrap().change
    }

    #[test]
    fn what_became_better_worse_or_neither_is_told() {
        let comparison = Comparison::new(&report(100.0, 200.0, true), &report(90.0, 100.0, false)).unwrap();
        assert_eq!(change(&comparison, "members_served", None), Change::Worse);
        assert_eq!(change(&comparison, "members_ttft_p99", None), Change::Better);
        assert_eq!(change(&comparison, "attack", Some("done")), Change::Same);
        assert_eq!(change(&comparison, "attack", Some("p99")), Change::Better);
        assert!(comparison.is_worse() && comparison.is_alike());
        let within_noise = Comparison::new(&report(100.0, 200.0, true), &report(99.0, 205.0, true)).unwrap();
        assert!(within_noise.rows.iter().all(|row| row.change == Change::Same) && !within_noise.is_worse());
    }

    #[test]
    fn what_one_lacks_is_missing_and_not_nought() {
        let mut new = report(100.0, 200.0, true);
        new["promises"] = json!([]);
        let comparison = Comparison::new(&report(100.0, 200.0, true), &new).unwrap();
        let served = comparison.rows.iter().find(|row| row.name == "members_served").unwrap();
        assert_eq!((served.new, served.change), (None, Change::Same));
        assert!(comparison.rows.iter().all(|row| row.figure != Some("cpu")));
        assert!(Comparison::new(&json!({}), &new).unwrap_err().to_string().contains("promises"));
    }

    #[test]
    fn other_scenarios_are_told_and_titles_are_text() {
        let mut other = report(100.0, 200.0, true);
        other["seed"] = json!(8);
        let comparison = Comparison::new(&report(100.0, 200.0, true), &other).unwrap();
        assert!(!comparison.is_alike() && comparison.to_lines().contains("note: "));
        let text = |key: &str| format!("[{key}]");
        let page = comparison.to_html(&Language { code: "en", text: &text, others: &[] });
        assert!(
            page.contains("A &lt;quiet&gt; day") && page.contains("[drill-not-alike]") && !page.contains("<quiet>")
        );
    }
}
