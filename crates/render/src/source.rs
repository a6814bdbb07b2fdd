//! What happens to a text before the Markdown parser sees it: formulas are taken out, bombs are defused.
//!
//! A formula becomes a number between two signs that no text may contain, so that its `_`, `*`, `|` and `\` mean nothing to
//! Markdown; whoever writes code, an address or raw HTML puts the source back, so taking one out by mistake costs nothing.
//!
//! What must stay true: one pass, linear in the text; every position in the prepared text leads back to one in the source.

use crate::limits::{COLUMNS_MAX, FORMULA_BYTES_MAX, FORMULAS_MAX, MISSING_CELLS_MAX, QUOTES_MAX};
use crate::text::{FORMULA, FORMULA_END, ceil_char};

/// A formula between single dollars is short: prose between two prices that lie far apart is none.
const INLINE_REACH: usize = 400;

/// A formula that was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Formula {
    /// As it stood, delimiters included.
    pub(crate) source: String,
    /// What stands between the delimiters.
    pub(crate) tex: String,
    /// Whether it stands on a line of its own.
    pub(crate) is_display: bool,
}

/// A text ready for the parser.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) text: String,
    pub(crate) formulas: Vec<Formula>,
    /// Where prepared text and source part ways: (position in `text`, position in the source), ascending.
    steps: Vec<(usize, usize)>,
    /// Where the last run of lines without a blank one begins in `text`.
    pub(crate) leaf_at: usize,
    /// Whether the text ends inside fenced code.
    pub(crate) is_in_fence: bool,
    /// Where a formula begins that is not closed yet, in `text`.
    pub(crate) open_formula_at: Option<usize>,
}

/// A fence that is open.
struct Fence {
    sign: char,
    len: usize,
}

struct Scan<'a> {
    source: &'a str,
    out: Prepared,
    fence: Option<Fence>,
    /// Columns of the table that the last delimiter row opened.
    columns: usize,
    missing: usize,
}

/// Takes formulas out and defuses bombs.
pub(crate) fn prepare(source: &str) -> Prepared {
    let out = Prepared { text: String::with_capacity(source.len() + 16), ..Prepared::default() };
    let mut scan = Scan { source, out, fence: None, columns: 0, missing: 0 };
    let mut at = 0;
    while at < source.len() {
        at = scan.take_run(at);
    }
    scan.out.is_in_fence = scan.fence.is_some();
    scan.out
}

impl Prepared {
    /// The position in the source that this position of the prepared text stands for.
    pub(crate) fn source_at(&self, at: usize) -> usize {
        let step = self.steps.partition_point(|(text, _)| *text <= at);
        match step.checked_sub(1).and_then(|step| self.steps.get(step)) {
            Some((text, source)) => source + (at - text),
            None => at,
        }
    }

    /// The position in the prepared text where this position of the source went.
    pub(crate) fn text_at(&self, at: usize) -> usize {
        let step = self.steps.partition_point(|(_, source)| *source <= at);
        match step.checked_sub(1).and_then(|step| self.steps.get(step)) {
            Some((text, source)) => text + (at - source),
            None => at,
        }
    }

    /// The text with every formula put back as it stood.
    pub(crate) fn restored(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Formula(number) => out.push_str(self.formulas.get(number).map_or("", |formula| &formula.source)),
            }
        }
        out
    }
}

/// Text between formulas, or the number of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Formula(usize),
}

/// Splits prepared text at its formulas.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.split(FORMULA).enumerate().flat_map(|(index, part)| {
        let (number, text) = match part.split_once(FORMULA_END) {
            Some((number, text)) if index > 0 => (number.parse().ok(), text),
            _ => (None, part),
        };
        number.map(Piece::Formula).into_iter().chain((!text.is_empty()).then_some(Piece::Text(text)))
    })
}

impl Scan<'_> {
    /// Takes a run of lines up to a blank one, or one line of code; gives where the next begins.
    fn take_run(&mut self, at: usize) -> usize {
        let rest = self.source.get(at..).unwrap_or_default();
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        if self.fence.is_some() || line.trim().is_empty() || fence_of(line).is_some() {
            self.take_line(at, line);
            self.out.leaf_at = self.out.text.len();
            return at + line.len();
        }
        self.out.leaf_at = self.out.text.len();
        self.out.open_formula_at = None;
        let mut len = 0;
        for line in rest.split_inclusive('\n') {
            if line.trim().is_empty() || fence_of(line).is_some() {
                break;
            }
            len += line.len();
        }
        self.take_leaf(at, rest.get(..len).unwrap_or(rest));
        at + len
    }

    /// A line of code, a blank one or a fence: taken as it is.
    fn take_line(&mut self, at: usize, line: &str) {
        self.sync(at);
        self.out.text.push_str(line);
        self.columns = 0;
        self.out.open_formula_at = None;
        match (&self.fence, fence_of(line)) {
            (Some(open), Some(fence)) if closes(open, &fence, line) => self.fence = None,
            (None, Some(fence)) => self.fence = Some(fence),
            _ => {}
        }
    }

    /// Lines of text: formulas out, bombs defused.
    fn take_leaf(&mut self, at: usize, leaf: &str) {
        let mut inline = Inline { leaf, missing: Vec::new(), open_at: None };
        let mut line_at = 0;
        let mut copied = 0;
        for line in leaf.split_inclusive('\n') {
            let line_end = line_at + line.len();
            // A formula may have swallowed the beginning of this line, or all of it.
            if copied <= line_at {
                self.defuse(at, leaf, line_at, line);
                copied = line_at + indent_of(line);
            }
            while let Some((from, to, formula)) = inline.next_formula(copied, line_end) {
                self.copy(at, leaf, copied, from);
                self.push_formula(formula);
                copied = to;
                self.sync(at + to);
            }
            self.copy(at, leaf, copied, line_end);
            copied = copied.max(line_end);
            line_at = line_end;
        }
        self.out.open_formula_at = inline.open_at.map(|open| self.out.text_at(at + open));
    }

    fn copy(&mut self, at: usize, leaf: &str, from: usize, to: usize) {
        if from < to {
            self.sync(at + from);
            self.out.text.push_str(leaf.get(from..to).unwrap_or_default());
        }
    }

    fn push_formula(&mut self, formula: Formula) {
        if self.out.formulas.len() >= FORMULAS_MAX {
            self.out.text.push_str(&formula.source.replace('\n', " "));
            return;
        }
        self.out.text.push(FORMULA);
        self.out.text.push_str(&self.out.formulas.len().to_string());
        self.out.text.push(FORMULA_END);
        self.out.formulas.push(formula);
    }

    /// Notes where in the source the prepared text goes on.
    fn sync(&mut self, source: usize) {
        let text = self.out.text.len();
        if self.out.source_at(text) != source {
            self.out.steps.push((text, source));
        }
    }

    /// Writes the indent of a line, and after it what keeps the line from being a bomb.
    fn defuse(&mut self, at: usize, leaf: &str, line_at: usize, line: &str) {
        let pipes = line.bytes().filter(|byte| *byte == b'|').count();
        let mut is_text = false;
        if is_delimiter_row(line) {
            is_text = pipes > COLUMNS_MAX;
            self.columns = if is_text { 0 } else { pipes + 1 };
        } else if self.columns > 0 {
            self.missing += self.columns.saturating_sub(pipes.max(1));
            if self.missing > MISSING_CELLS_MAX {
                self.sync(at + line_at);
                self.out.text.push('\n');
                self.columns = 0;
            }
        }
        // A line that begins with so many is no quote: all of them are text.
        let is_marker =
            |byte: &u8| matches!(byte, b'>' | b' ' | b'\t' | b'-' | b'+' | b'*' | b'.' | b')') || byte.is_ascii_digit();
        is_text |= line.bytes().take_while(is_marker).filter(|byte| *byte == b'>').count() > QUOTES_MAX;
        self.copy(at, leaf, line_at, line_at + indent_of(line));
        if is_text {
            self.sync(at + line_at + indent_of(line));
            self.out.text.push('\\');
        }
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

/// Whether this line is what stands under the head of a table.
pub(crate) fn is_delimiter_row(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '>', '\t']).trim_end();
    line.contains('-')
        && line.bytes().all(|byte| matches!(byte, b'|' | b'-' | b':' | b' ' | b'\t'))
        && (line.contains('|') || line.contains(':'))
}

/// The fence that this line is, whatever list or quote it stands in.
fn fence_of(line: &str) -> Option<Fence> {
    let mut rest = line.trim_start_matches([' ', '\t', '>']);
    for _ in 0..4 {
        let Some(inner) = strip_list_marker(rest) else { break };
        rest = inner.trim_start_matches([' ', '\t', '>']);
    }
    let sign = rest.chars().next().filter(|sign| matches!(sign, '`' | '~'))?;
    let len = rest.chars().take_while(|c| *c == sign).count();
    let info = rest.get(len..).unwrap_or_default();
    (len >= 3 && (sign == '~' || !info.contains('`'))).then_some(Fence { sign, len })
}

/// What follows `- `, `* `, `+ `, `1. ` or `1) `.
pub(crate) fn strip_list_marker(line: &str) -> Option<&str> {
    let rest = match line.strip_prefix(['-', '*', '+']) {
        Some(rest) => rest,
        None => {
            let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = line.len() - rest.len();
            if !(1..=9).contains(&digits) {
                return None;
            }
            rest.strip_prefix(['.', ')'])?
        }
    };
    rest.starts_with([' ', '\t']).then_some(rest)
}

fn closes(open: &Fence, fence: &Fence, line: &str) -> bool {
    fence.sign == open.sign
        && fence.len >= open.len
        && line.trim_end().ends_with(fence.sign)
        && line.trim_start_matches([' ', '\t', '>']).trim_end().chars().all(|c| c == fence.sign)
}

/// Formulas in lines of text, left to right.
struct Inline<'a> {
    leaf: &'a str,
    /// Closers that do not occur any more, so that nobody looks for them again: linear time.
    missing: Vec<String>,
    /// Where the first formula begins that does not end in these lines.
    open_at: Option<usize>,
}

impl Inline<'_> {
    /// The next formula that begins in `from..to`: where it begins and ends.
    fn next_formula(&mut self, mut from: usize, to: usize) -> Option<(usize, usize, Formula)> {
        while from < to {
            let at = from + self.leaf.get(from..to)?.find(['\\', '`', '$'])?;
            let tail = self.leaf.get(at..)?;
            let sign = tail.chars().next()?;
            let run = if sign == '\\' { 1 } else { tail.chars().take_while(|c| *c == sign).count() };
            let found = match (sign, tail.as_bytes().get(1)) {
                ('`', _) => {
                    let end = self.find(at + run, &"`".repeat(run.min(64)), usize::MAX, is_exact_run);
                    from = end.map_or(at + run, |end| end + run);
                    continue;
                }
                ('\\', Some(b'(')) => self.delimited(at, 2, "\\)", false),
                ('\\', Some(b'[')) => self.delimited(at, 2, "\\]", true),
                ('\\', _) => {
                    from = at + 1 + tail.chars().nth(1).map_or(0, char::len_utf8);
                    continue;
                }
                _ if run == 2 => self.delimited(at, 2, "$$", true),
                _ if run == 1 && !tail.chars().nth(1).is_some_and(char::is_whitespace) => {
                    self.delimited(at, 1, "$", false)
                }
                _ => None,
            };
            if found.is_some() {
                return found;
            }
            from = at + if sign == '$' { run } else { 2 };
        }
        None
    }

    fn delimited(&mut self, at: usize, len: usize, closer: &str, is_display: bool) -> Option<(usize, usize, Formula)> {
        let (is_fit, reach): (fn(&str, usize, usize) -> bool, _) = match closer {
            "$" => (is_closing_dollar, INLINE_REACH),
            _ => (is_unescaped, FORMULA_BYTES_MAX * 2),
        };
        let Some(end) = self.find(at + len, closer, reach, is_fit) else {
            // A price is no formula that waits for its end, and one that is too long will be none.
            let inner = self.leaf.get(at + len..)?;
            if inner.len() < reach && !(closer == "$" && inner.starts_with(|c: char| c.is_ascii_digit())) {
                self.open_at.get_or_insert(at);
            }
            return None;
        };
        let to = end + closer.len();
        let tex = self.leaf.get(at + len..end)?;
        if tex.trim().is_empty() {
            return None;
        }
        let formula = Formula { source: self.leaf.get(at..to)?.to_owned(), tex: without_quote_signs(tex), is_display };
        Some((at, to, formula))
    }

    /// The first `closer` that fits within `reach` bytes of `from`.
    fn find(
        &mut self,
        from: usize,
        closer: &str,
        reach: usize,
        is_fit: fn(&str, usize, usize) -> bool,
    ) -> Option<usize> {
        if self.missing.iter().any(|missing| missing == closer) {
            return None;
        }
        let mut at = from;
        let end = ceil_char(self.leaf, from.saturating_add(reach));
        while let Some(offset) = self.leaf.get(at..end).and_then(|rest| rest.find(closer)) {
            let found = at + offset;
            if is_fit(self.leaf, found, closer.len()) {
                return Some(found);
            }
            at = found + 1;
        }
        if end == self.leaf.len() {
            self.missing.push(closer.to_owned());
        }
        None
    }
}

/// Backticks close code only in a run of the same length.
fn is_exact_run(leaf: &str, at: usize, len: usize) -> bool {
    let bytes = leaf.as_bytes();
    bytes.get(at + len) != Some(&b'`') && at.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&b'`')
}

/// `\\]` ends a row and then closes nothing; `\]` closes.
fn is_unescaped(leaf: &str, at: usize, _len: usize) -> bool {
    let slashes =
        leaf.as_bytes().get(..at).map_or(0, |before| before.iter().rev().take(64).take_while(|b| **b == b'\\').count());
    slashes.is_multiple_of(2)
}

/// A dollar closes a formula when no space stands before it and no digit after it: two prices are no formula.
fn is_closing_dollar(leaf: &str, at: usize, len: usize) -> bool {
    let before = leaf.get(..at).and_then(|text| text.chars().next_back());
    let after = leaf.get(at + len..).and_then(|text| text.chars().next());
    is_unescaped(leaf, at, len)
        && before.is_some_and(|c| !c.is_whitespace() && c != '$')
        && after.is_none_or(|c| !c.is_ascii_digit() && c != '$')
}

/// In a quote each line of a formula begins with a sign of its own.
fn without_quote_signs(tex: &str) -> String {
    if !tex.contains("\n>") {
        return tex.to_owned();
    }
    tex.split('\n').map(|line| line.trim_start_matches(['>', ' '])).collect::<Vec<_>>().join("\n")
}
