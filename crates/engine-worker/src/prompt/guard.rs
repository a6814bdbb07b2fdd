//! Keeps text of people from becoming control tokens, through any chat template.
//!
//! A template joins, cuts and trims what it is given, so a check of each text alone is not enough: `<|im_` and `start|>` are harmless
//! until they stand side by side. So every control token is given *guard characters*, its first and its last mark (`<` and `>`), and
//! each of them in a person's text is replaced by a stand-in (a Unicode noncharacter) before the template sees it. After rendering, a
//! control token is recognised only where its text stands with the real guards, that is, where the template wrote it; then the
//! stand-ins are turned back and the text between control tokens is tokenised with `parse_special = false`.
//!
//! Templates look for some plain tags in a person's text (`</think>`, to drop old reasoning). Such tags, taken from the template
//! itself, are left as they are unless a control token's text contains them or they contain one.
//!
//! What must stay true: a text made of anything at all, rendered by any template that does not build control tokens out of pieces
//! around it, yields no control token; and it comes out of the tokenizer unchanged.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::vocab::Control;

/// First of the 32 noncharacters U+FDD0 to U+FDEF, which no text has a use for.
const STAND_IN_FIRST: u32 = 0xfdd0;
/// Guard characters told apart; a vocabulary that needs more shares the last stand-in's fate: see [`Guard::new`].
const GUARDS_MAX: usize = 32;
/// Tags of the template that are left alone.
const TAGS_MAX: usize = 64;

/// A piece of a rendered prompt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Written by the template.
    Control(u32),
    /// Tokenise it as plain text.
    Plain(Cow<'a, str>),
}

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Each guard character, in the order of its stand-in.
    guards: Vec<char>,
    tags: Vec<String>,
    /// Control tokens by the first byte of their text, longest first.
    controls: HashMap<u8, Vec<Control>>,
}

impl Guard {
    /// `template`: its source, for the tags it looks for.
    pub(crate) fn new(controls: &[Control], template: &str) -> Self {
        let mut guards: Vec<char> = Vec::new();
        let mut by_first: HashMap<u8, Vec<Control>> = HashMap::new();
        for control in controls {
            let Some((first, last)) = marks(&control.text) else { continue };
            for guard in [first, last] {
                if !guards.contains(&guard) && guards.len() < GUARDS_MAX {
                    guards.push(guard);
                }
            }
            // One that cannot be guarded is never recognised: better a template without it than a person with it.
            if guards.contains(&first) && guards.contains(&last) {
                if let Some(byte) = control.text.bytes().next() {
                    by_first.entry(byte).or_default().push(control.clone());
                }
            }
        }
        for list in by_first.values_mut() {
            list.sort_by_key(|control| std::cmp::Reverse(control.text.len()));
        }
        let is_harmless =
            |tag: &&str| controls.iter().all(|control| !control.text.contains(tag) && !tag.contains(&control.text));
        let mut tags: Vec<String> = tags_of(template).filter(is_harmless).map(str::to_owned).collect();
        tags.sort();
        tags.dedup();
        tags.truncate(TAGS_MAX);
        Self { guards, tags, controls: by_first }
    }

    /// A person's text as the template may see it.
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(tag) = self.tags.iter().find(|tag| rest.starts_with(tag.as_str())) {
                out.push_str(tag);
                rest = rest.get(tag.len()..).unwrap_or_default();
                continue;
            }
            out.push(match self.guards.iter().position(|guard| *guard == character) {
                Some(at) => stand_in(at),
                None if is_stand_in(character) => char::REPLACEMENT_CHARACTER,
                None => character,
            });
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
        out
    }

    /// Cuts what the template wrote into control tokens and plain text, which is as the person wrote it again.
    pub(crate) fn pieces<'a>(&self, rendered: &'a str) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let (mut start, mut at, mut strips) = (0, 0, false);
        let bytes = rendered.as_bytes();
        while let Some(byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let found = self
                .controls
                .get(byte)
                .and_then(|list| list.iter().find(|control| rest.starts_with(control.text.as_bytes())));
            let Some(control) = found else {
                at += 1;
                continue;
            };
            self.push_plain(&mut pieces, rendered.get(start..at), strips, control.strips_before);
            pieces.push(Piece::Control(control.token));
            strips = control.strips_after;
            at += control.text.len();
            start = at;
        }
        self.push_plain(&mut pieces, rendered.get(start..), strips, false);
        pieces
    }

    fn push_plain<'a>(&self, pieces: &mut Vec<Piece<'a>>, text: Option<&'a str>, strips_start: bool, strips_end: bool) {
        let mut text = text.unwrap_or_default();
        if strips_start {
            text = text.trim_start();
        }
        if strips_end {
            text = text.trim_end();
        }
        if !text.is_empty() {
            pieces.push(Piece::Plain(self.unmask(text)));
        }
    }

    fn unmask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !text.chars().any(is_stand_in) {
            return Cow::Borrowed(text);
        }
        let real = |character: char| {
            let at = u32::from(character).checked_sub(STAND_IN_FIRST).map_or(usize::MAX, |at| at as usize);
            self.guards.get(at).copied().unwrap_or(character)
        };
        Cow::Owned(text.chars().map(real).collect())
    }
}

/// The first and last mark of a control token's text: characters that are neither letter, digit nor space; for lack of one, its first
/// and last character.
fn marks(text: &str) -> Option<(char, char)> {
    let is_mark = |character: &char| !character.is_alphanumeric() && !character.is_whitespace();
    let first = text.chars().find(is_mark).or_else(|| text.chars().next())?;
    let last = text.chars().rev().find(is_mark).or_else(|| text.chars().next_back())?;
    Some((first, last))
}

/// `<word>` and `</word>` in a template's source.
fn tags_of(template: &str) -> impl Iterator<Item = &str> {
    template.match_indices('<').filter_map(|(at, _)| {
        let rest = template.get(at..)?;
        let end = rest.find('>')?;
        let tag = rest.get(..=end)?;
        let word = tag.strip_prefix('<')?.strip_suffix('>')?;
        let word = word.strip_prefix('/').unwrap_or(word);
        let is_word =
            !word.is_empty() && word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        is_word.then_some(tag)
    })
}

fn stand_in(at: usize) -> char {
    u32::try_from(at).ok().and_then(|at| char::from_u32(STAND_IN_FIRST + at)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn is_stand_in(character: char) -> bool {
    ('\u{fdd0}'..='\u{fdef}').contains(&character)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
