//! Formulas: TeX in, MathML out, or nothing where TeX is wrong, too long, too deep, or defines macros.
//!
//! What must stay true: a formula costs no more than its length allows. Definitions are refused, because a few lines of them
//! expand to megabytes; the library's own bounds are far too wide for a page that a stranger fills.

use pulldown_latex::config::DisplayMode;
use pulldown_latex::{Parser, RenderConfig, Storage, push_mathml};

use crate::guard::unharmed;
use crate::limits::{FORMULA_BYTES_MAX, FORMULA_DEPTH_MAX, MATHML_BYTES_MAX};

/// Control words that define or rename others.
const DEFINITIONS: [&str; 12] = [
    "def",
    "edef",
    "gdef",
    "xdef",
    "let",
    "futurelet",
    "newcommand",
    "renewcommand",
    "providecommand",
    "long",
    "outer",
    "global",
];

/// Sets a formula; `None` means: show the source.
pub(crate) fn mathml(tex: &str, is_display: bool) -> Option<String> {
    if !is_tame(tex) {
        return None;
    }
    unharmed(|| written(tex, is_display)).flatten()
}

/// Without a wall around it; only for what is tame.
pub(crate) fn written(tex: &str, is_display: bool) -> Option<String> {
    let storage = Storage::new();
    let events: Vec<_> = Parser::new(tex, &storage).take(FORMULA_BYTES_MAX * 4).collect::<Result<_, _>>().ok()?;
    let display_mode = if is_display { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    let mut out = String::new();
    push_mathml(&mut out, events.into_iter().map(Ok::<_, std::convert::Infallible>), config).ok()?;
    (out.len() <= MATHML_BYTES_MAX).then_some(out)
}

/// Whether a formula has a fit length, braces and environments balance within the depth allowed, nothing is defined, and no sign
/// stands where the library cuts a number out of bytes.
pub(crate) fn is_tame(tex: &str) -> bool {
    let has_number = ["\\char", "alignat", "alignedat"].iter().any(|word| tex.contains(word));
    if tex.trim().is_empty() || tex.len() > FORMULA_BYTES_MAX || has_number && !tex.is_ascii() {
        return false;
    }
    let mut depth = 0_usize;
    let mut rest = tex;
    while let Some(at) = rest.find(['\\', '{', '}']) {
        let (_, from) = rest.split_at(at);
        let mut chars = from.chars();
        match chars.next() {
            Some('{') => depth += 1,
            Some('}') => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => {
                let word: String = chars.clone().take_while(char::is_ascii_alphabetic).take(24).collect();
                if DEFINITIONS.contains(&word.as_str()) {
                    return false;
                }
                match word.as_str() {
                    "" => drop(chars.next()),
                    "left" | "begin" => depth += 1,
                    "right" | "end" => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
        if depth > FORMULA_DEPTH_MAX {
            return false;
        }
        rest = chars.as_str();
    }
    depth == 0
}
