//! How Rust, templates and everything else are written.

use crate::tree::{Tree, code_lines, has_word};

/// No file is longer, in lines; most should stay under 450.
const FILE_LINES_MAX: usize = 600;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[&str] = &[];

/// Words the field has better ones for; STYLE.md lists them.
const FOREIGN_WORDS: &[&str] = &["whitelist", "blacklist", "captcha", "defcon", "gatekeeper", "ttfb"];

/// Endings that say nothing of what a type is.
const EMPTY_ENDINGS: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils", "Impl"];

/// Verbs that say nothing of what a function does.
const EMPTY_VERBS: &[&str] = &["process_", "manage_", "perform_", "do_"];

pub(super) fn files_say_what_they_are(tree: &Tree) -> Vec<String> {
    tree.under("", ".rs")
        .filter(|(_, text)| {
            // Inner attributes may come first: `#![cfg(test)]` has to.
            let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("#!["));
            !first.is_some_and(|line| line.starts_with("//!") && line.len() > 10)
        })
        .map(|(path, _)| format!("{path} does not open with `//!` and what it is"))
        .collect()
}

pub(super) fn files_are_short(tree: &Tree) -> Vec<String> {
    tree.under("", ".rs")
        .filter(|(path, _)| !LONG_FILES.contains(path))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{path} has {lines} lines, over {FILE_LINES_MAX}"))
        .collect()
}

pub(super) fn nothing_is_left_for_later(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let shell_and_python = tree
        .iter()
        .filter(|(path, _)| path.ends_with(".sh") || path.ends_with(".py") || matches!(*path, "run" | "test"));
    for (path, text) in tree.rust().chain(shell_and_python) {
        for (index, line) in text.lines().enumerate() {
            // A test that another one starts as its child process is not switched off.
            let line = line.replace("#[ignore = \"started by", "");
            let is_left = ["TODO", "FIXME", "XXX"].iter().any(|word| has_word(&line, word))
                || ["todo!(", "unimplemented!(", "#[ignore"].iter().any(|word| line.contains(word));
            if is_left {
                found.push(format!("{path}:{} leaves something for later", index + 1));
            }
        }
    }
    found
}

pub(super) fn no_machine_paths(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| !path.starts_with("crates/xtask/")) {
        for (index, line) in text.lines().enumerate() {
            // A made-up home, for tests and documents.
            let line = line.replace("/home/someone", "~");
            if ["/work/", "/root/", "/Users/", "/home/"].iter().any(|place| names_path(&line, place)) {
                found.push(format!("{path}:{} names a path of one machine", index + 1));
            }
        }
    }
    found
}

/// True if `place` stands in the line as the beginning of an absolute path.
fn names_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}' | '~' | '*'))
    })
}

pub(super) fn names_are_ours(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        for (line, code) in code_lines(text) {
            let lower = code.to_ascii_lowercase();
            if let Some(word) = FOREIGN_WORDS.iter().find(|word| lower.contains(**word)) {
                found.push(format!("{path}:{line} says {word}; STYLE.md has our word"));
            }
            if let Some(name) = defined(code, &["struct ", "enum ", "trait "])
                && EMPTY_ENDINGS.iter().any(|ending| name.ends_with(ending))
            {
                found.push(format!("{path}:{line} names a type {name}: say what it is"));
            }
            if let Some(name) = defined(code, &["fn "])
                && EMPTY_VERBS.iter().any(|verb| name.starts_with(verb))
            {
                found.push(format!("{path}:{line} names a function {name}: say what it does"));
            }
        }
    }
    found
}

/// The name that a line defines after one of `keywords`.
fn defined<'a>(code: &'a str, keywords: &[&str]) -> Option<&'a str> {
    let code = code.trim_start();
    let code = code.strip_prefix("pub(crate) ").or_else(|| code.strip_prefix("pub ")).unwrap_or(code);
    let code = code.strip_prefix("async ").unwrap_or(code);
    let rest = keywords.iter().find_map(|keyword| code.strip_prefix(keyword))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

pub(super) fn templates_hold_no_text(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.under("crates/web/templates/", ".html") {
        let mut text = text.to_owned();
        for (open, close) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}"), ("<code", "</code>"), ("<", ">")] {
            text = without(&text, open, close);
        }
        // Pieces of attributes that a macro writes are no text.
        let words: Vec<&str> = text
            .split_whitespace()
            .filter(|piece| {
                !piece.contains("=\"")
                    && !piece.ends_with('"')
                    && !piece.starts_with('-')
                    && piece.chars().any(char::is_alphabetic)
            })
            .collect();
        if !words.is_empty() {
            found.push(format!("{path} holds text of its own: {}", words.join(" ")));
        }
    }
    found
}

/// The text without what stands between `open` and `close`, both included.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        kept.push_str(before);
        kept.push(' ');
        rest = after.split_once(close).map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

pub(super) fn the_policy_is_strict(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        for (line, code) in code_lines(text) {
            if code.contains("unsafe-inline") || code.contains("unsafe-eval") {
                found.push(format!("{path}:{line} loosens the content security policy"));
            }
        }
    }
    for (path, text) in tree.under("crates/web/templates/", ".html") {
        if ["<style", "style=\"", "<script>", " onclick=", " onload=", " onsubmit="]
            .iter()
            .any(|word| text.contains(word))
        {
            found.push(format!("{path} has an inline style or script"));
        }
    }
    found
}
