//! One generation at work: its tokens, where it stands, and how its text comes out.

use rempart_engine::worker_protocol::{FinishWord, GenerateParams, UsageFrame};

use super::cells::Held;
use crate::text::json::JsonObject;
use crate::text::sampler::{Sampler, Scratch};
use crate::text::stop::StopWatch;
use crate::text::utf8::Utf8Decoder;
use crate::vocab::Vocab;

/// A prompt that is ready to be taken up.
pub(crate) struct Job {
    /// The whole prompt; never empty, and shorter than the context.
    pub(crate) tokens: Vec<u32>,
    /// What was asked. The prompt's text in it is not read any more.
    pub(crate) params: Box<GenerateParams>,
}

/// See the file's head.
pub(crate) struct Running {
    pub(crate) id: u64,
    pub(crate) rank: u8,
    /// Its prompt is read so much a step while somebody without a slice is at work.
    pub(crate) prefill_slice: Option<usize>,
    pub(crate) salt: Option<u64>,
    pub(crate) sequence: u32,
    /// Prompt and answer.
    pub(crate) tokens: Vec<u32>,
    /// The KV cells of the first of them.
    pub(crate) held: Held,
    input: usize,
    cached: usize,
    output: usize,
    output_max: usize,
    sampler: Sampler,
    json: Option<JsonObject>,
    decoder: Utf8Decoder,
    stops: StopWatch,
    /// Text and tokens that were not sent yet.
    text: String,
    unsent: u32,
}

/// What a chosen token led to.
pub(crate) enum Advance {
    /// It goes on.
    GoesOn,
    /// It is over.
    Over(FinishWord),
    /// No token could be chosen.
    Stuck,
}

impl Running {
    /// `cached`: how much of the prompt is in `held` already.
    pub(crate) fn new(job: Job, sequence: u32, held: Held, context_len: u32) -> Self {
        let Job { tokens, params } = job;
        let input = tokens.len();
        let room = (context_len as usize).saturating_sub(input);
        Self {
            id: params.id,
            rank: params.rank,
            prefill_slice: params.prefill_slice.map(|slice| slice.max(1) as usize),
            salt: params.salt,
            sequence,
            cached: held.len(),
            held,
            input,
            output: 0,
            output_max: params.max_tokens.map_or(room, |most| (most as usize).min(room)).max(1),
            sampler: Sampler::new(&params.sampling, &tokens),
            json: params.is_json_object.then(JsonObject::new),
            decoder: Utf8Decoder::default(),
            stops: StopWatch::new(params.sampling.stop),
            text: String::new(),
            unsent: 0,
            tokens,
        }
    }

    /// Tokens that are not in the KV pool yet: the rest of the prompt, or the last chosen token.
    pub(crate) fn left(&self) -> usize {
        self.tokens.len() - self.held.len().min(self.tokens.len())
    }

    /// Whether the answer began.
    pub(crate) fn is_decoding(&self) -> bool {
        self.output > 0
    }

    /// Chooses the next token from the logits of the last one.
    pub(crate) fn advance(&mut self, logits: &[f32], scratch: &mut Scratch, vocab: &Vocab) -> Advance {
        let token = match &self.json {
            None => self.sampler.choose(logits, scratch, None),
            Some(json) => {
                let takes = |token: u32| !vocab.ends_answer(token) && { *json }.push(vocab.piece(token));
                self.sampler.choose(logits, scratch, Some(&takes))
            }
        };
        let Some(token) = token else { return Advance::Stuck };
        if vocab.ends_answer(token) {
            self.stops.finish(&mut self.text);
            return Advance::Over(FinishWord::Stop);
        }
        self.tokens.push(token);
        self.sampler.accept(token);
        self.output += 1;
        self.unsent += 1;
        let piece = vocab.piece(token);
        let mut text = String::new();
        self.decoder.push(piece, &mut text);
        if self.stops.push(&text, &mut self.text) {
            return Advance::Over(FinishWord::Stop);
        }
        if let Some(json) = &mut self.json {
            json.push(piece);
            if json.is_done() {
                self.stops.finish(&mut self.text);
                return Advance::Over(FinishWord::Stop);
            }
        }
        if self.output >= self.output_max {
            self.stops.finish(&mut self.text);
            return Advance::Over(FinishWord::Length);
        }
        Advance::GoesOn
    }

    /// Text that is to be sent, with the tokens it took; nothing while all is held back.
    pub(crate) fn take_text(&mut self) -> Option<(String, u32)> {
        (!self.text.is_empty()).then(|| (std::mem::take(&mut self.text), std::mem::take(&mut self.unsent)))
    }

    /// It is cut before its end: what was held back belongs to the answer.
    pub(crate) fn cut(&mut self) {
        self.stops.finish(&mut self.text);
    }

    pub(crate) fn input(&self) -> usize {
        self.input
    }

    pub(crate) fn cached(&self) -> usize {
        self.cached
    }

    pub(crate) fn usage(&self) -> UsageFrame {
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        UsageFrame { input: count(self.input), cached: count(self.cached), output: count(self.output) }
    }
}
