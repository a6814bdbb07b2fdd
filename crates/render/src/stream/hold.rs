//! What of an unfinished text may be shown already, and what would jump: markers without text, fences, heads of tables, links and
//! formulas that are half written wait; emphasis and code that are open are closed for the eye.
//!
//! What must stay true: nothing waits longer than [`HELD_BYTES_MAX`] bytes; a wrong guess costs a moment's look, never the result.

use crate::limits::{DEPTH_MAX, FORMULA_BYTES_MAX, HELD_BYTES_MAX};
use crate::source::{Prepared, is_delimiter_row, strip_list_marker};
use crate::text::is_cjk;

/// How far the text may be read by the parser: not into a last line that could still become anything.
pub(super) fn visible(region: &str, is_code: bool) -> usize {
    let line_at = region.rfind('\n').map_or(0, |at| at + 1);
    let line = region.get(line_at..).unwrap_or_default();
    let is_open = if is_code { is_fence_like(line) } else { is_undecided(line) };
    if is_open { line_at } else { region.len() }
}

/// A line of code that may become the closing fence.
fn is_fence_like(line: &str) -> bool {
    let line = line.trim_matches([' ', '>']);
    line.len() <= 32
        && !line.is_empty()
        && (line.bytes().all(|byte| byte == b'`') || line.bytes().all(|byte| byte == b'~'))
}

/// A line that may still become a list, a heading, a rule, a fence or plain text.
fn is_undecided(line: &str) -> bool {
    let mut rest = line.trim_start_matches([' ', '\t', '>']);
    if rest.starts_with("```") || rest.starts_with("~~~") {
        return rest.len() <= HELD_BYTES_MAX;
    }
    while let Some(inner) = strip_list_marker(rest) {
        rest = inner.trim_start_matches([' ', '\t', '>']);
    }
    let is_marker = |c: char| {
        matches!(c, '-' | '*' | '_' | '+' | '=' | '#' | '`' | '~' | '|' | ':' | '.' | ')' | ' ' | '\t')
            || c.is_ascii_digit()
    };
    rest.len() <= 64
        && (rest.chars().all(is_marker) || matches!(rest, "[" | "[ " | "[x" | "[X" | "[ ]" | "[x]" | "[X]"))
        && !line.is_empty()
}

/// Where the text is cut for now, and what closes what is open there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InlineEnd {
    pub(super) cut: usize,
    pub(super) closers: String,
}

/// An emphasis, a deletion or a bracket that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    sign: char,
    len: usize,
    at: usize,
}

/// Looks at the last lines of prepared text for what is open at their end.
pub(super) fn inline_end(prepared: &Prepared) -> InlineEnd {
    let text = prepared.text.as_str();
    if prepared.is_in_fence {
        return InlineEnd { cut: text.rfind('\n').map_or(0, |at| at + 1), closers: String::new() };
    }
    let mut end = text.len();
    if let Some(at) = prepared.open_formula_at.filter(|at| end - at <= FORMULA_BYTES_MAX) {
        end = at;
    }
    if let Some(at) = table_head_at(text, prepared.leaf_at) {
        end = end.min(at);
    }
    let mut scan = Scan { text, end, at: prepared.leaf_at.min(end), open: Vec::new() };
    let mut closers = String::new();
    if let Some(at) = scan.run(&mut closers) {
        scan.end = at;
    }
    let end = scan.finish(closers);
    // What is left of the last line may be no more than a marker now.
    match text.get(..end.cut).map(|text| visible(text, false)) {
        Some(cut) if cut < end.cut => InlineEnd { cut, closers: String::new() },
        _ => end,
    }
}

/// The head of a table waits for the row under it, which tells that it is one.
fn table_head_at(text: &str, leaf_at: usize) -> Option<usize> {
    let mut head = None;
    let mut is_table = false;
    let mut at = leaf_at;
    for line in text.get(leaf_at..)?.split_inclusive('\n') {
        let inner = line.trim_start_matches([' ', '\t', '>']);
        let is_complete = line.ends_with('\n');
        if is_table && (inner.starts_with('|') || is_complete) {
            is_table = inner.contains('|');
        } else if head.is_some() && is_complete && is_delimiter_row(line) {
            (head, is_table) = (None, true);
        } else if inner.starts_with('|') && !(head.is_some() && !is_complete && is_delimiter_row(line)) {
            head = Some(at);
        } else if head.is_none() || is_complete {
            head = None;
        }
        at += line.len();
    }
    head.filter(|at| text.len() - at <= HELD_BYTES_MAX)
}

struct Scan<'a> {
    text: &'a str,
    end: usize,
    at: usize,
    open: Vec<Open>,
}

impl Scan<'_> {
    /// Reads up to the end; gives where to cut if something there cannot be closed for the eye.
    fn run(&mut self, closers: &mut String) -> Option<usize> {
        let mut is_line_start = true;
        while self.at < self.end {
            let rest = self.text.get(self.at..self.end)?;
            if is_line_start {
                self.begin_line(rest);
            }
            let sign = rest.chars().next()?;
            let run = rest.chars().take_while(|c| *c == sign).count();
            is_line_start = sign == '\n';
            match sign {
                '\\' if rest.len() == 1 => return Some(self.at),
                '\\' => self.at += 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
                '`' => {
                    let (next, is_closed) = self.code(rest, run, closers);
                    match (next, is_closed) {
                        (next, true) => self.at = next,
                        (cut, false) => return Some(cut),
                    }
                }
                '*' | '_' | '~' => {
                    if rest.len() == run {
                        return Some(self.at);
                    }
                    self.delimiter(rest, sign, run);
                    self.at += run;
                }
                '[' => {
                    self.push_open(Open { sign, len: 1, at: self.at });
                    self.at += 1;
                }
                ']' => match self.bracket(rest) {
                    Ok(next) => self.at = next,
                    Err(cut) => return Some(cut),
                },
                '<' | '&' if is_half_written(rest) => return Some(self.at),
                '|' => {
                    self.open.clear();
                    self.at += 1;
                }
                _ => self.at += sign.len_utf8(),
            }
        }
        None
    }

    /// A new item, heading or row: nothing that is open reaches into it.
    fn begin_line(&mut self, rest: &str) {
        let line = rest.trim_start_matches([' ', '\t', '>']);
        if line.starts_with(['#', '|']) || strip_list_marker(line).is_some() {
            self.open.clear();
            self.at += rest.len() - strip_list_marker(line).unwrap_or(line).len();
        }
    }

    /// A run of backticks: where to go on, and whether the code was closed; if not, what closes it.
    fn code(&self, rest: &str, run: usize, closers: &mut String) -> (usize, bool) {
        let ticks = "`".repeat(run);
        let body = rest.get(run..).unwrap_or_default();
        let mut from = 0;
        while let Some(found) = body.get(from..).and_then(|body| body.find('`')) {
            let at = from + found;
            let len = body.get(at..).map_or(0, |body| body.chars().take_while(|c| *c == '`').count());
            if len == run {
                return (self.at + run + at + len, true);
            }
            if at + len == body.len() {
                // A run that may still grow to the closing one.
                if !body.get(..at).unwrap_or_default().trim().is_empty() {
                    closers.push_str(&ticks);
                }
                return (self.at + run + at, false);
            }
            from = at + len;
        }
        if body.trim().is_empty() || body.len() > HELD_BYTES_MAX {
            return (if body.trim().is_empty() { self.at } else { self.end }, body.len() > HELD_BYTES_MAX);
        }
        closers.push_str(&ticks);
        (self.at + rest.trim_end().len(), false)
    }

    /// A run of `*`, `_` or `~` that is not the last thing written.
    fn delimiter(&mut self, rest: &str, sign: char, run: usize) {
        let before = self.text.get(..self.at).and_then(|text| text.chars().next_back()).unwrap_or(' ');
        let after = rest.get(run..).and_then(|text| text.chars().next()).unwrap_or(' ');
        let is_sign = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        let is_eased = is_cjk(before) || is_cjk(after);
        let is_left =
            !after.is_whitespace() && (!is_sign(after) || before.is_whitespace() || is_sign(before) || is_eased);
        let is_right =
            !before.is_whitespace() && (!is_sign(before) || after.is_whitespace() || is_sign(after) || is_eased);
        let (mut may_open, mut may_close) = (is_left, is_right);
        if sign == '_' {
            may_open = is_left && (!is_right || is_sign(before));
            may_close = is_right && (!is_left || is_sign(after));
        }
        let mut left = run;
        while may_close && left > 0 {
            let Some(index) = self.open.iter().rposition(|open| open.sign == sign) else { break };
            self.open.truncate(index + 1);
            let Some(open) = self.open.last_mut() else { break };
            let used = open.len.min(left).min(2);
            open.len -= used;
            left -= used;
            if open.len == 0 {
                self.open.pop();
            }
        }
        if may_open && left > 0 && (sign != '~' || left <= 2) {
            self.push_open(Open { sign, len: left, at: self.at });
        }
    }

    /// So deep no text is meant to be: what is opened there stays as it is until it is closed.
    fn push_open(&mut self, open: Open) {
        if self.open.len() < DEPTH_MAX {
            self.open.push(open);
        }
    }

    /// A closing bracket: where to go on, or where to cut if the address after it is half written.
    fn bracket(&mut self, rest: &str) -> Result<usize, usize> {
        let Some(index) = self.open.iter().rposition(|open| open.sign == '[') else { return Ok(self.at + 1) };
        let Some(open) = self.open.get(index).copied() else { return Ok(self.at + 1) };
        let from = self.image_at(open.at);
        let is_short = self.end - from <= HELD_BYTES_MAX;
        let next = match rest.as_bytes().get(1) {
            None if is_short => return Err(from),
            Some(b'(') => match address_len(rest.get(2..).unwrap_or_default()) {
                Some(len) => self.at + 2 + len,
                None if is_short => return Err(from),
                None => self.at + 1,
            },
            _ => self.at + 1,
        };
        self.open.truncate(index);
        Ok(next)
    }

    fn image_at(&self, at: usize) -> usize {
        if self.text.get(..at).is_some_and(|text| text.ends_with('!')) { at - 1 } else { at }
    }

    /// Cuts what must wait and closes the rest, innermost first.
    fn finish(mut self, mut closers: String) -> InlineEnd {
        let mut cut = self.end;
        if let Some(bracket) = self.open.iter().find(|open| open.sign == '[' && self.end - open.at <= HELD_BYTES_MAX) {
            let line = self.text.get(bracket.at..self.end).unwrap_or_default();
            if !line.contains('\n') {
                cut = self.image_at(bracket.at);
                closers.clear();
            }
        }
        self.open.retain(|open| open.sign != '[' && open.at < cut && self.end - open.at <= 4 * HELD_BYTES_MAX);
        while let Some(open) = self.open.last().copied() {
            let body = self.text.get(open.at + open.len..cut).unwrap_or_default();
            if closers.is_empty() && body.trim().is_empty() {
                cut = open.at;
                self.open.pop();
                continue;
            }
            if closers.is_empty() {
                cut -= body.len() - body.trim_end().len();
            }
            break;
        }
        for open in self.open.iter().rev() {
            closers.extend(std::iter::repeat_n(open.sign, open.len));
        }
        InlineEnd { cut, closers }
    }
}

/// The length of an address with its closing parenthesis; `None` while that is missing.
fn address_len(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            _ if at > 4 * HELD_BYTES_MAX => return Some(0),
            '\n' => return Some(0),
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `<https://…`, `<br` or `&amp` without its end.
fn is_half_written(rest: &str) -> bool {
    let mut chars = rest.chars();
    if chars.next() == Some('&') {
        return rest.len() <= 12 && chars.all(|c| c.is_ascii_alphanumeric() || c == '#');
    }
    let is_tag = chars.clone().next().is_none_or(|c| c.is_ascii_alphabetic() || c == '/');
    is_tag && rest.len() <= 128 && chars.all(|c| c != '>' && !c.is_whitespace())
}
