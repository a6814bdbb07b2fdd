//! Small facts about text: escaping, signs kept for ourselves, Chinese and Japanese signs, addresses that may be linked.

use std::borrow::Cow;

/// Stands where a stream was cut; noncharacters never occur in text meant for others, and are replaced when they come in.
pub(crate) const CUT: char = '\u{FDD0}';
/// Opens the number of a formula.
pub(crate) const FORMULA: char = '\u{FDD1}';
/// Closes the number of a formula.
pub(crate) const FORMULA_END: char = '\u{FDD2}';

/// Replaces the signs that we keep for ourselves, and those that no text needs.
pub(crate) fn defused(text: &str) -> Cow<'_, str> {
    let is_ours = |c: char| matches!(c, CUT | FORMULA | FORMULA_END | '\0');
    if !text.contains(is_ours) && !text.contains('\r') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n").replace(is_ours, "\u{FFFD}"))
}

/// Writes text so that it can stand between tags and in a quoted attribute.
pub(crate) fn push_escaped(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\u{a0}']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut chars = from.chars();
        out.push_str(match chars.next() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            Some('"') => "&quot;",
            _ => "&nbsp;",
        });
        rest = chars.as_str();
    }
    out.push_str(rest);
}

/// Whether no space belongs between this sign and a like one on the next line: Chinese and Japanese are written without.
pub(crate) fn is_cjk(c: char) -> bool {
    matches!(u32::from(c), 0x2E80..=0x303F | 0x3040..=0x312F | 0x3190..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF
        | 0xFE30..=0xFE4F | 0xFF01..=0xFF60 | 0xFFE0..=0xFFE6 | 0x20000..=0x3FFFF)
}

/// The address, if it may be linked: absolute, of the web or mail, without signs that hide what it is.
pub(crate) fn linkable(url: &str) -> Option<&str> {
    let url = url.trim();
    if url.len() > 2_048 || url.contains(|c: char| c.is_control() || c.is_whitespace() || is_invisible(c)) {
        return None;
    }
    let (scheme, rest) = url.split_once(':')?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let is_fit = if is_web {
        rest.strip_prefix("//").is_some_and(|host| !host.is_empty())
    } else {
        scheme.eq_ignore_ascii_case("mailto") && rest.contains('@')
    };
    is_fit.then_some(url)
}

/// Signs that turn the direction of text around or cannot be seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// The next place at or after `at` where the text may be cut.
pub(crate) fn ceil_char(text: &str, at: usize) -> usize {
    (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}
