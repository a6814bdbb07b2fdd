//! The JSON of an upstream's answer, streamed or whole, turned into events.
//!
//! What must stay true: an answer is finished when the upstream said why it ended, or sent `[DONE]`; usage is the upstream's where it
//! tells, else counted; members of a delta that we do not know are handed on untouched; raw JSON is borrowed, only text is copied.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use rempart_domain::{Sensitive, TokenCount, Usage};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault;
use crate::{Delta, EngineError, EngineEvent, FinishReason};

const NO_JSON: EngineError = EngineError::Protocol("chunk is not the JSON of a completion");

/// Where one answer stands.
#[derive(Debug)]
pub(super) struct Progress {
    /// What is charged for the prompt when the upstream does not tell.
    input_estimate: TokenCount,
    is_started: bool,
    deltas: u32,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    is_finished: bool,
}

impl Progress {
    pub(super) const fn new(input_estimate: TokenCount) -> Self {
        Self { input_estimate, is_started: false, deltas: 0, finish: None, usage: None, is_finished: false }
    }

    /// `Started` went out.
    pub(super) const fn is_started(&self) -> bool {
        self.is_started
    }

    /// `Finished` went out.
    pub(super) const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Takes the data of one server-sent event.
    pub(super) fn take_data(&mut self, data: &[u8], out: &mut VecDeque<EngineEvent>) -> Result<(), EngineError> {
        if self.is_finished {
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            self.finish(out);
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|_| NO_JSON)?;
        self.take_chunk(chunk, out)
    }

    /// Takes an answer that came as one JSON body.
    pub(super) fn take_whole(&mut self, body: &[u8], out: &mut VecDeque<EngineEvent>) -> Result<(), EngineError> {
        let chunk: Chunk<'_> = serde_json::from_slice(body).map_err(|_| NO_JSON)?;
        if chunk.choices.as_ref().is_none_or(Vec::is_empty) && chunk.error.is_none() {
            return Err(NO_JSON);
        }
        self.take_chunk(chunk, out)?;
        self.finish(out);
        Ok(())
    }

    /// The upstream closed, or fell silent.
    pub(super) fn end(&mut self, out: &mut VecDeque<EngineEvent>) -> Result<(), EngineError> {
        if self.finish.is_some() || self.is_finished {
            self.finish(out);
            Ok(())
        } else {
            Err(self.cut())
        }
    }

    /// We end it ourselves for lack of time: what came is kept and can be continued.
    pub(super) fn cut_short(&mut self, out: &mut VecDeque<EngineEvent>) -> Result<(), EngineError> {
        if !self.is_started {
            return Err(EngineError::Unavailable);
        }
        self.finish.get_or_insert(FinishReason::InsufficientSystemResource);
        self.finish(out);
        Ok(())
    }

    /// What a failure is called now: before the first event another engine may still be asked.
    pub(super) const fn cut(&self) -> EngineError {
        if self.is_started { EngineError::Restarted } else { EngineError::Unavailable }
    }

    fn take_chunk(&mut self, chunk: Chunk<'_>, out: &mut VecDeque<EngineEvent>) -> Result<(), EngineError> {
        if let Some(error) = chunk.error.filter(|error| error.get() != "null") {
            return Err(match fault::from_stream(error.get()) {
                EngineError::Unavailable => self.cut(),
                other => other,
            });
        }
        if let Some(usage) = &chunk.usage {
            self.usage = Some(usage.to_usage());
        }
        if !self.is_started {
            self.is_started = true;
            out.push_back(EngineEvent::Started { input: self.usage.map(|usage| usage.input) });
        }
        let Some(choice) = chunk.choices.into_iter().flatten().find(|choice| choice.index == 0) else { return Ok(()) };
        let finish_reason = choice.finish_reason.as_deref().map(FinishReason::parse);
        if let Some(delta) = choice.into_delta() {
            self.deltas = self.deltas.saturating_add(1);
            out.push_back(EngineEvent::Delta(delta));
        }
        self.finish = finish_reason.or(self.finish);
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<EngineEvent>) {
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        if !std::mem::replace(&mut self.is_started, true) {
            out.push_back(EngineEvent::Started { input: self.usage.map(|usage| usage.input) });
        }
        let counted = Usage { input: self.input_estimate, output: TokenCount(self.deltas), ..Usage::default() };
        out.push_back(EngineEvent::Finished {
            reason: self.finish.unwrap_or(FinishReason::Stop),
            usage: self.usage.unwrap_or(counted),
        });
    }
}

/// A chunk of a stream, or a whole completion: the same members under slightly other names.
#[derive(serde::Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    usage: Option<UsageWire>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    delta: Option<DeltaWire<'a>>,
    #[serde(borrow, default)]
    message: Option<DeltaWire<'a>>,
    #[serde(default)]
    text: Option<String>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

impl Choice<'_> {
    /// `None` when nothing is in it (the first chunk often names only the role).
    fn into_delta(self) -> Option<Delta> {
        let wire = self.delta.or(self.message).unwrap_or_default();
        let content = self.text.or_else(|| wire.content.and_then(text_of)).unwrap_or_default();
        let reasoning = wire.reasoning.and_then(text_of).unwrap_or_default();
        if content.is_empty() && reasoning.is_empty() && wire.extra.is_empty() {
            return None;
        }
        Some(Delta {
            content: Sensitive::new(content),
            reasoning: Sensitive::new(reasoning),
            tokens: TokenCount(0),
            extra: wire.extra,
        })
    }
}

/// The members of `delta` or `message`.
#[derive(Default)]
struct DeltaWire<'a> {
    content: Option<&'a RawValue>,
    reasoning: Option<&'a RawValue>,
    extra: Vec<(String, Sensitive<Box<RawValue>>)>,
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for DeltaWire<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = DeltaWire<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a delta")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut wire = DeltaWire::default();
                while let Some(Key(key)) = map.next_key()? {
                    let value: &'de RawValue = map.next_value()?;
                    let is_empty = matches!(value.get(), "null" | "\"\"");
                    match key.as_ref() {
                        "role" => {}
                        _ if is_empty => {}
                        "content" => wire.content = Some(value),
                        // Some upstreams send both names with the same text: the first counts.
                        "reasoning_content" | "reasoning" if wire.reasoning.is_some() => {}
                        "reasoning_content" | "reasoning" => wire.reasoning = Some(value),
                        _ => wire.extra.push((key.into_owned(), Sensitive::new(value.to_owned()))),
                    }
                }
                Ok(wire)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Text, or the texts of an array of parts.
fn text_of(value: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Part {
        #[serde(default)]
        text: Option<String>,
    }
    let json = value.get();
    if json.starts_with('[') {
        let parts: Vec<Part> = serde_json::from_str(json).ok()?;
        return Some(parts.into_iter().filter_map(|part| part.text).collect());
    }
    serde_json::from_str(json).ok()
}

/// `usage` as OpenAI, DeepSeek and vLLM write it.
#[derive(serde::Deserialize)]
pub(super) struct UsageWire {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(serde::Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(serde::Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl UsageWire {
    pub(super) fn to_usage(&self) -> Usage {
        let cached = self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        let reasoning = self.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
        let input = tokens(self.prompt_tokens);
        let output = tokens(self.completion_tokens);
        Usage {
            input,
            output,
            reasoning: tokens(reasoning).min(output),
            cached_input: tokens(cached.or(self.prompt_cache_hit_tokens)).min(input),
        }
    }
}

fn tokens(count: Option<u64>) -> TokenCount {
    TokenCount(u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
