//! Where a long paragraph may be cut: at a space with nothing open, after a sentence if there is one.

use crate::source::Prepared;
use crate::text::{FORMULA, FORMULA_END, is_cjk};

/// The best place to cut prepared text in `from..to`, nothing open there; at any place if it must be.
pub(super) fn cut_at(prepared: &Prepared, from: usize, to: usize, is_forced: bool) -> Option<usize> {
    let text = prepared.text.get(from..to)?;
    let mut best = None;
    let mut any = None;
    let mut stack: Vec<char> = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut before = ' ';
    let mut is_in_formula = false;
    // The signs and spaces that a line in a quote or an item begins with are no place to cut.
    let mut is_line_start = false;
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, c)| *c);
        match c {
            FORMULA => is_in_formula = true,
            FORMULA_END => is_in_formula = false,
            '\\' => drop(chars.next()),
            '`' | '*' | '_' | '~' | '[' | ']' | '(' | ')' | '<' | '>' if next != Some(c) => {
                toggle(&mut stack, c, before, next)
            }
            _ => {}
        }
        // Where a line feed follows a space that may be a hard break, the cut stands before both.
        let is_space = c.is_whitespace() && !before.is_whitespace() && !(c == '\n' && is_cjk(before));
        let is_between = is_cjk(c) && is_cjk(before) && next.is_some();
        is_line_start = c == '\n' || is_line_start && matches!(c, ' ' | '\t' | '>');
        let is_inside = !is_in_formula && at > 0 && (!is_line_start || c == '\n');
        if is_inside && (is_space || is_between) {
            any = Some(from + at);
            if stack.is_empty() {
                best = Some(from + at);
            }
        }
        before = c;
    }
    best.or_else(|| if is_forced { any.or_else(|| last_char_at(text).map(|at| from + at)) } else { None })
}

/// What looks like an opening sign is put on the stack, what looks like its end taken off.
fn toggle(stack: &mut Vec<char>, c: char, before: char, next: Option<char>) {
    let opener = match c {
        ']' => '[',
        ')' => '(',
        '>' => '<',
        other => other,
    };
    let is_closing = matches!(c, ']' | ')' | '>') || stack.contains(&c) && !before.is_whitespace();
    if is_closing {
        if let Some(index) = stack.iter().rposition(|open| *open == opener) {
            stack.truncate(index);
        }
        return;
    }
    let is_address = c == '(' && before != ']' || c == '<' && next.is_some_and(char::is_whitespace);
    if !is_address && next.is_some_and(|next| !next.is_whitespace()) && stack.len() < 32 {
        stack.push(c);
    }
}

/// A text without any space: cut before its last sign, outside a formula.
fn last_char_at(text: &str) -> Option<usize> {
    let end = text.rfind(FORMULA).filter(|_| !text.ends_with(FORMULA_END)).unwrap_or(text.len());
    text.get(..end)?.char_indices().next_back().map(|(at, _)| at).filter(|at| *at > 0)
}
