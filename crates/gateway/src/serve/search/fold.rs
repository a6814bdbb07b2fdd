//! Text as a search compares it: NFKC, lower case. `ＡＢＣ` is found by `abc`, `é` by `é` however it was typed, Chinese by itself.
//!
//! What must stay true: folding works segment by segment (a character with the marks that follow it), so that a hit leads back to the
//! characters it was found in; what needs no folding is copied in runs, because nearly all text is such.

use std::ops::Range;

use memchr::memmem::Finder;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Characters shown before a hit, and after it.
const SNIPPET_BEFORE: usize = 40;
const SNIPPET_AFTER: usize = 120;

/// Ranges told of one snippet.
const RANGES_MAX: usize = 16;

/// What is looked for.
#[derive(Debug)]
pub(super) struct Needle(Finder<'static>);

/// Where a text was hit, as the reader sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snippet {
    /// A piece of the text around the first hit, on one line.
    pub(super) text: String,
    /// Start and length of each hit in it, in UTF-16 units as a browser counts.
    pub(super) ranges: Vec<(usize, usize)>,
}

impl Needle {
    /// `None` if nothing is left to look for.
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut folded = String::new();
        fold(text.trim(), &mut folded);
        (!folded.is_empty()).then(|| Self(Finder::new(folded.as_bytes()).into_owned()))
    }

    /// The first hit in `text`, if there is one. `folded` is the caller's buffer, so that a scan allocates once.
    pub(super) fn find(&self, text: &str, folded: &mut String) -> Option<Snippet> {
        folded.clear();
        fold(text, folded);
        let at = self.0.find(folded.as_bytes())?;
        Some(self.show(text, at))
    }

    /// The piece of `text` around byte `at` of its folded form.
    fn show(&self, text: &str, at: usize) -> Snippet {
        let segments = segments_around(text, at, self.0.needle().len());
        let folded: String = segments.iter().map(|segment| segment.folded.as_str()).collect();
        let hits =
            self.0.find_iter(folded.as_bytes()).take(RANGES_MAX).map(|start| start..start + self.0.needle().len());
        let hits: Vec<Range<usize>> = hits.collect();
        let (mut shown, mut units, mut offset) = (String::new(), 0, 0);
        let mut ranges: Vec<Option<(usize, usize)>> = vec![None; hits.len()];
        for segment in &segments {
            let end = offset + segment.folded.len();
            let piece = one_line(segment.source);
            let len = piece.encode_utf16().count();
            for (hit, range) in hits.iter().zip(ranges.iter_mut()) {
                if hit.start < end && offset < hit.end {
                    let start = range.map_or(units, |(start, _)| start);
                    *range = Some((start, units + len - start));
                }
            }
            shown.push_str(&piece);
            units += len;
            offset = end;
        }
        Snippet { text: shown, ranges: ranges.into_iter().flatten().collect() }
    }
}

/// Line ends and other controls as spaces.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A character with its marks, and what it is folded to.
struct Segment<'a> {
    source: &'a str,
    folded: String,
}

/// The segments around a hit of `len` bytes at `at` in the folded text: some before it, all of it, some after.
fn segments_around(text: &str, at: usize, len: usize) -> Vec<Segment<'_>> {
    let mut window: std::collections::VecDeque<Segment<'_>> = std::collections::VecDeque::new();
    let (mut offset, mut after) = (0, 0);
    for source in segments(text) {
        let mut folded = String::new();
        fold_segment(source, &mut folded);
        let is_before = offset + folded.len() <= at;
        offset += folded.len();
        window.push_back(Segment { source, folded });
        if is_before && window.len() > SNIPPET_BEFORE {
            window.pop_front();
        }
        if !is_before {
            after += 1;
            if after > SNIPPET_AFTER && offset >= at + len {
                break;
            }
        }
    }
    window.into()
}

/// Splits a text where folding never joins: before each character that takes no part in what stands before it.
fn segments(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        chars.next()?;
        let end = chars.find(|(_, c)| !joins_the_one_before(*c)).map_or(rest.len(), |(at, _)| at);
        let (segment, after) = rest.split_at(end);
        rest = after;
        Some(segment)
    })
}

/// Marks, and the vowels and finals of Hangul that compose with what stands before them.
fn joins_the_one_before(c: char) -> bool {
    c >= '\u{300}'
        && (is_combining_mark(c)
            || matches!(c, '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}' | '\u{ff9e}' | '\u{ff9f}'))
}

/// True for characters that are folded to themselves and join nothing: ideographs, kana without marks, common punctuation.
const fn is_stable(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{3001}' | '\u{3002}' | '\u{300a}'..='\u{3011}')
}

/// Appends the folded form of `text`.
fn fold(text: &str, out: &mut String) {
    out.reserve(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let plain = ascii_run(rest);
        let (run, after) = rest.split_at(plain);
        let from = out.len();
        out.push_str(run);
        if let Some(pushed) = out.get_mut(from..) {
            pushed.make_ascii_lowercase();
        }
        rest = after;
        let stable = stable_run(rest);
        let (run, after) = rest.split_at(stable);
        out.push_str(run);
        rest = after;
        if plain + stable == 0
            && let Some(segment) = segments(rest).next()
        {
            fold_segment(segment, out);
            rest = rest.get(segment.len()..).unwrap_or_default();
        }
    }
}

/// Bytes of ASCII at the beginning that nothing after them joins.
fn ascii_run(text: &str) -> usize {
    let end = text.bytes().position(|byte| !byte.is_ascii()).unwrap_or(text.len());
    let is_joined = text.get(end..).and_then(|rest| rest.chars().next()).is_some_and(joins_the_one_before);
    if is_joined { end.saturating_sub(1) } else { end }
}

/// Bytes of stable characters at the beginning that nothing after them joins.
fn stable_run(text: &str) -> usize {
    let mut last = 0;
    for (at, c) in text.char_indices() {
        if !is_stable(c) {
            return if joins_the_one_before(c) { last } else { at };
        }
        last = at;
    }
    text.len()
}

fn fold_segment(segment: &str, out: &mut String) {
    out.extend(segment.nfkc().flat_map(char::to_lowercase));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::string_slice, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn found(needle: &str, text: &str) -> Option<Vec<String>> {
        let snippet = Needle::new(needle).unwrap().find(text, &mut String::new())?;
        let units: Vec<u16> = snippet.text.encode_utf16().collect();
        Some(
            snippet
                .ranges
                .iter()
                .map(|(start, len)| String::from_utf16(&units[*start..start + len]).unwrap())
                .collect(),
        )
    }

    #[test]
    fn a_word_is_found_however_it_was_typed() {
        let row = |needle: &str, text: &str, hits: &[&str]| assert_eq!(found(needle, text).unwrap(), hits, "{needle}");
        row("春天", "写一首关于春天的诗。春天来了", &["春天", "春天"]);
        row("ABC", "an ａｂｃ here", &["ａｂｃ"]);
        row("é", "caf\u{65}\u{301}", &["\u{65}\u{301}"]);
        row("CAFÉ", "un café, deux cafés", &["café", "café"]);
        row("fi", "oﬃce", &["ﬃ"]);
        row(
            "한글",
            "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}",
            &["\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"],
        );
        row("ガ", "ｶﾞｿﾘﾝ", &["ｶﾞ"]);
        row("x😀", "xx😀!", &["x😀"]);
        assert_eq!(found("春天", "夏天"), None);
        assert!(Needle::new("  ").is_none());
    }

    #[test]
    fn a_hit_deep_in_a_long_text_is_shown_with_what_stands_around_it() {
        let text = format!("{}\nNEEDLE\n{}", "前".repeat(5000), "后".repeat(5000));
        let snippet = Needle::new("needle").unwrap().find(&text, &mut String::new()).unwrap();
        assert!(snippet.text.chars().count() <= SNIPPET_BEFORE + SNIPPET_AFTER + 1, "{}", snippet.text);
        assert_eq!(snippet.ranges, [(SNIPPET_BEFORE, 6)]);
    }

    proptest! {
        #[test]
        fn folding_in_runs_is_folding_by_segments(text in "[a-zA-Zé\u{300}\u{301}一二ｶﾞﬁ한ᅡᆨ ,。\u{1100}]{0,24}") {
            let mut runs = String::new();
            fold(&text, &mut runs);
            let mut each = String::new();
            for segment in segments(&text) {
                fold_segment(segment, &mut each);
            }
            prop_assert_eq!(&runs, &each);
            let whole: String = text.nfkc().flat_map(char::to_lowercase).collect();
            prop_assert_eq!(runs, whole);
        }

        #[test]
        fn any_part_of_a_text_is_found_in_it(text in "\\PC{1,60}", from in 0_usize..60, len in 1_usize..10) {
            let parts: Vec<&str> = segments(&text).collect();
            let from = from % parts.len();
            let part: String = parts[from..(from + len).min(parts.len())].concat();
            if let Some(needle) = Needle::new(&part) && part.trim() == part {
                let snippet = needle.find(&text, &mut String::new());
                prop_assert!(snippet.is_some_and(|s| !s.ranges.is_empty()), "{part:?} in {text:?}");
            }
        }
    }
}
