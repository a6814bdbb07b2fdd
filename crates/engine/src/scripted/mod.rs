//! The scripted engine: a real engine's timing without a model, for tests, drills and benchmarks.
//!
//! What must stay true: the timing is decided by the pure [`machine`] alone; in this process ([`ScriptedEngine`]) and over HTTP
//! ([`serve`]) the same driver plays it in real time; a client that leaves frees its sequence at once; the same request always
//! gets the same answer.
//!
//! Tokens are counted by a rule that tests can compute: the input is the bytes of the prompt's text (for a chat: of all
//! messages' texts, without their JSON) divided by four, rounded up, at least one. Each piece of the answer is one token.

mod driver;
mod engine;
pub mod machine;
mod precise;
mod serve;
mod text;

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod text_tests;

pub use engine::ScriptedEngine;
pub use serve::serve;

use machine::Script;

/// What the answers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnswerKind {
    /// The last user message (or the prompt), again and again: character for character, cut at its words.
    #[default]
    Echo,
    /// A fixed list of words, some of them Chinese.
    Words,
}

impl AnswerKind {
    /// Reads the word of the command line and the configuration.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "echo" => Some(Self::Echo),
            "words" => Some(Self::Words),
            _ => None,
        }
    }
}

/// What a scripted engine is. Rates of zero count as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedOptions {
    /// The NAME of `[engine.NAME]`; shown in metrics.
    pub name: String,
    /// Models it serves. Empty: it says `scripted`, and over HTTP any name is served.
    pub models: Vec<String>,
    /// Generations at once.
    pub sequences: u32,
    /// KV tokens shared by all; also the context of one.
    pub kv_tokens: u32,
    /// Prompt tokens a second, shared by the whole engine.
    pub prefill_tps: u32,
    /// Answer tokens a second, of each sequence.
    pub decode_tps: u32,
    /// Tokens of an answer that nothing cuts short, without its reasoning.
    pub tokens: u32,
    /// What the answers say.
    pub answer: AnswerKind,
    /// Tokens of reasoning before each answer; `max_tokens` counts them too.
    pub reasoning: u32,
}

impl Default for ScriptedOptions {
    /// A small, quick engine: 16 sequences, 65 536 KV tokens, prefill 10 000/s, decode 100/s, 16 tokens of echo.
    fn default() -> Self {
        Self {
            name: "scripted".to_owned(),
            models: Vec::new(),
            sequences: 16,
            kv_tokens: 65_536,
            prefill_tps: 10_000,
            decode_tps: 100,
            tokens: 16,
            answer: AnswerKind::Echo,
            reasoning: 0,
        }
    }
}

impl ScriptedOptions {
    const fn script(&self) -> Script {
        Script {
            sequences: self.sequences,
            kv_tokens: self.kv_tokens,
            prefill_tps: self.prefill_tps,
            decode_tps: self.decode_tps,
            tokens: self.tokens.saturating_add(self.reasoning),
        }
    }

    /// The names it lists.
    fn model_names(&self) -> Vec<String> {
        if self.models.is_empty() { vec!["scripted".to_owned()] } else { self.models.clone() }
    }
}
