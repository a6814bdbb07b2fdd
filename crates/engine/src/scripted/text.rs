//! What a scripted engine reads and says: prompts counted, answers cut into pieces of one token each.
//!
//! What must stay true: a piece is whole characters; the same request gets the same answer; nothing is built ahead of the
//! token that shows it (but for stop texts, which need the whole answer once).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AnswerKind, ScriptedOptions};
use crate::FinishReason;

/// What [`AnswerKind::Words`] says, over and over; no quotes, so that it may stand in JSON.
const WORDS: [&str; 24] = [
    "The",
    " fortress",
    " keeps",
    " its",
    " gate",
    " open",
    " for",
    " members",
    ",",
    " 城门",
    "常开",
    "，",
    "灯火",
    "不灭",
    "。",
    " Même",
    " sous",
    " l’orage",
    ",",
    " the",
    " light",
    " stays",
    " on",
    ".",
];

/// What the reasoning says, over and over.
const THOUGHTS: [&str; 8] = ["Let", " me", " think", " about", " it", ":", " 想一想", "."];

/// Bytes of a run of letters that count as one piece, at most.
const PIECE_LEN_MAX: usize = 32;

/// One message of a chat; only what counts here.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
}

/// What was asked, as far as it decides the answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Tokens of the whole prompt.
    pub(super) input: u32,
    /// What an echo repeats; empty for other answers.
    pub(super) echo: String,
}

impl Asked {
    /// Reads a chat.
    pub(super) fn from_messages(messages: &[Message<'_>], kind: AnswerKind) -> Result<Self, serde_json::Error> {
        let mut len_bytes = 0_usize;
        let mut echo = String::new();
        let last_user =
            messages.iter().rposition(|message| message.role == "user").filter(|_| kind == AnswerKind::Echo);
        for (index, message) in messages.iter().enumerate() {
            let Some(content) = message.content else { continue };
            let is_echoed = last_user == Some(index);
            for text in texts_of(content)? {
                len_bytes += text.len();
                if is_echoed {
                    echo.push_str(&text);
                }
            }
        }
        Ok(Self { input: count_tokens(len_bytes), echo })
    }

    /// Reads the prompt of a completion.
    pub(super) fn from_prompt(prompt: &str, kind: AnswerKind) -> Self {
        let echo = if kind == AnswerKind::Echo { prompt.to_owned() } else { String::new() };
        Self { input: count_tokens(prompt.len()), echo }
    }
}

/// The texts of a message's content: a string, or the text parts of an array; null has none.
fn texts_of<'a>(content: &'a RawValue) -> Result<Vec<Cow<'a, str>>, serde_json::Error> {
    let json = content.get();
    Ok(match json.as_bytes().first() {
        Some(b'"') => vec![serde_json::from_str::<Text<'a>>(json)?.0],
        Some(b'[') => serde_json::from_str::<Vec<Part<'a>>>(json)?.into_iter().filter_map(|part| part.text).collect(),
        _ => Vec::new(),
    })
}

/// The rule of the scripted engine: four bytes are a token.
pub(super) fn count_tokens(len_bytes: usize) -> u32 {
    u32::try_from(len_bytes.div_ceil(4)).unwrap_or(u32::MAX).max(1)
}

/// How an answer is to be made.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// Most tokens, reasoning included.
    pub(super) max_tokens: Option<u32>,
    /// Texts that end the answer.
    pub(super) stop: Vec<String>,
    /// An object is wanted.
    pub(super) is_json_object: bool,
}

/// One token of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) is_reasoning: bool,
}

#[derive(Debug)]
enum Source {
    Words,
    /// A gap and then what is repeated.
    Echo(String),
    Json,
}

/// An answer, told piece by piece.
#[derive(Debug)]
pub(super) struct Answer {
    source: Source,
    reasoning: u32,
    total: u32,
    told: u32,
    /// Byte of the echo that comes next; the first round leaves the gap out.
    at: usize,
    /// Bytes of content that may still be told, where a stop text cuts.
    left: usize,
    reason: FinishReason,
}

impl Answer {
    /// Plans the answer to `asked`; it has [`Answer::total`] tokens if the engine's KV cache does not cut it shorter.
    pub(super) fn plan(options: &ScriptedOptions, echo: &str, wish: &Wish) -> Self {
        let natural = options.tokens.max(1).saturating_add(options.reasoning);
        let most = wish.max_tokens.unwrap_or(u32::MAX).max(1);
        let source = match options.answer {
            _ if wish.is_json_object => Source::Json,
            AnswerKind::Echo if !echo.trim().is_empty() => Source::Echo(format!(" {echo}")),
            _ => Source::Words,
        };
        let mut answer = Self {
            at: usize::from(matches!(source, Source::Echo(_))),
            source,
            reasoning: options.reasoning.min(natural.min(most)),
            total: natural.min(most),
            told: 0,
            left: usize::MAX,
            reason: if most <= natural { FinishReason::Length } else { FinishReason::Stop },
        };
        if !wish.stop.is_empty() {
            answer.cut_at_stop(&wish.stop);
        }
        answer
    }

    /// Tokens it has.
    pub(super) const fn total(&self) -> u32 {
        self.total
    }

    /// Tokens of reasoning among them.
    pub(super) const fn reasoning(&self) -> u32 {
        self.reasoning
    }

    /// Why it ends.
    pub(super) const fn reason(&self) -> FinishReason {
        self.reason
    }

    /// The engine has room for `total` tokens only.
    pub(super) fn shorten(&mut self, total: u32) {
        if total < self.total {
            self.total = total;
            self.reasoning = self.reasoning.min(total);
            self.reason = FinishReason::Length;
        }
    }

    /// The next token; empty after a stop text began in the one before.
    pub(super) fn next_piece(&mut self) -> Option<Piece<'_>> {
        if self.told >= self.total {
            return None;
        }
        let told = self.told;
        self.told += 1;
        if told < self.reasoning {
            let text = THOUGHTS.get(told as usize % THOUGHTS.len()).copied().unwrap_or_default();
            return Some(Piece { text, is_reasoning: true });
        }
        let index = told - self.reasoning;
        let count = self.total - self.reasoning;
        let text = match &self.source {
            Source::Words => word(index),
            Source::Json => json_piece(index, count),
            Source::Echo(text) => {
                let rest = text.get(self.at..).filter(|rest| !rest.is_empty());
                let rest = rest.unwrap_or_else(|| {
                    self.at = 0;
                    text
                });
                let len = piece_len(rest);
                self.at += len;
                rest.get(..len).unwrap_or(rest)
            }
        };
        let text = text.get(..self.left.min(text.len())).unwrap_or_default();
        if self.left != usize::MAX {
            self.left -= text.len();
        }
        Some(Piece { text, is_reasoning: false })
    }

    /// Ends the answer before the first stop text in it.
    fn cut_at_stop(&mut self, stop: &[String]) {
        let (at, reasoning) = (self.at, self.reasoning);
        let mut whole = String::new();
        let mut ends = Vec::new();
        while let Some(piece) = self.next_piece() {
            if !piece.is_reasoning {
                whole.push_str(piece.text);
                ends.push(whole.len());
            }
        }
        self.told = 0;
        self.at = at;
        let found = stop.iter().filter(|text| !text.is_empty()).filter_map(|text| whole.find(text.as_str())).min();
        if let Some(len_bytes) = found {
            let pieces = ends.partition_point(|end| *end < len_bytes) + usize::from(len_bytes > 0);
            self.total = reasoning.saturating_add(u32::try_from(pieces).unwrap_or(u32::MAX)).max(1);
            self.left = len_bytes;
            self.reason = FinishReason::Stop;
        }
    }
}

fn word(index: u32) -> &'static str {
    WORDS.get(index as usize % WORDS.len()).copied().unwrap_or_default()
}

/// An object with one string, in exactly `count` pieces.
fn json_piece(index: u32, count: u32) -> &'static str {
    match (index, count) {
        (0, 1) => "{}",
        (0, _) => "{\"answer\":\"",
        (_, _) if index + 1 == count => "\"}",
        _ => word(index - 1),
    }
}

/// Bytes of the first piece: white space and the word behind it. A character beyond ASCII is a word of its own.
fn piece_len(text: &str) -> usize {
    let mut len = 0;
    let mut letters = 0_usize;
    for letter in text.chars() {
        let is_space = letter.is_whitespace();
        if letters > 0 && (is_space || !letter.is_ascii() || letters >= PIECE_LEN_MAX) {
            break;
        }
        len += letter.len_utf8();
        if !is_space {
            letters += 1;
            if !letter.is_ascii() {
                break;
            }
        }
    }
    len
}
