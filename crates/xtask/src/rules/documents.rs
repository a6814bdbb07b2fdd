//! Documents stay short, numbered, dated, and true about the rules they name.

use super::ALL;
use crate::tree::Tree;

/// Most lines of a document.
const DOCUMENT_LINES_MAX: &[(&str, usize)] =
    &[("README.md", 60), ("ARCHITECTURE.md", 300), ("STYLE.md", 120), ("SECURITY.md", 80)];

/// Decisions are one page each.
const DECISION_LINES_MAX: usize = 60;

pub(super) fn documents_are_short(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, lines_max) in DOCUMENT_LINES_MAX {
        match tree.get(path) {
            None => found.push(format!("{path} is missing")),
            Some(text) if text.lines().count() > *lines_max => {
                found.push(format!("{path} has {} lines, over {lines_max}", text.lines().count()));
            }
            Some(_) => {}
        }
    }
    found
}

pub(super) fn decisions_are_numbered(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (index, (path, text)) in tree.under("docs/decisions/", ".md").enumerate() {
        let number = index + 1;
        let name = path.strip_prefix("docs/decisions/").unwrap_or(path);
        if !name.starts_with(&format!("{number:04}-")) {
            found.push(format!("{path}: number {number:04} was expected"));
        }
        if !text.starts_with("# ") || !text.lines().any(|line| line.starts_with("Status: ")) {
            found.push(format!("{path}: a decision begins with its title and has a line `Status: …`"));
        }
        if text.lines().count() > DECISION_LINES_MAX {
            found.push(format!("{path}: a decision is one page"));
        }
    }
    found
}

pub(super) fn notes_are_dated(tree: &Tree) -> Vec<String> {
    tree.under("docs/notes/", ".md")
        .filter(|(path, _)| {
            let name = path.strip_prefix("docs/notes/").unwrap_or(path);
            let shape: String = name.chars().take(11).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            shape != "0000-00-00-"
        })
        .map(|(path, _)| format!("{path}: a note's name begins with its day, YYYY-MM-DD-"))
        .collect()
}

pub(super) fn runbooks_begin_with_what_you_see(tree: &Tree) -> Vec<String> {
    tree.under("docs/operate/", ".md")
        .filter(|(path, _)| !path.ends_with("/README.md"))
        .filter(|(_, text)| text.lines().find(|line| line.starts_with("## ")) != Some("## What you see"))
        .map(|(path, _)| format!("{path}: the first section of a runbook is `## What you see`"))
        .collect()
}

/// A rule is named as `tidy: NAME` in back-quotes.
pub(super) fn documents_name_rules_that_exist(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.under("", ".md") {
        for named in text.split("`tidy: ").skip(1).filter_map(|rest| rest.split('`').next()) {
            if !ALL.iter().any(|rule| rule.name == named) {
                found.push(format!("{path} names the rule {named}, which does not exist"));
            }
        }
    }
    let map = tree.get("ARCHITECTURE.md").unwrap_or_default();
    for rule in ALL {
        if !map.contains(&format!("`tidy: {}`", rule.name)) {
            found.push(format!("ARCHITECTURE.md does not name the rule {}", rule.name));
        }
    }
    found
}
