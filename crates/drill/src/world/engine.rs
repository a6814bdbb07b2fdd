//! An engine that works in steps, as continuous batching does: each step every sequence gives a token, and prompts are taken up.
//!
//! What must stay true: a step costs 8 ms and so much a sequence and prompt token; who prefills without a slice is taken up whole.

use rempart_admission::TicketId;

use super::people::Kind;

/// What an engine holds and what a step costs, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineShape {
    /// Sequences at once.
    pub sequences: u32,
    /// KV tokens.
    pub kv_tokens: u64,
    /// Of a step.
    pub step_us: u64,
    /// Of a step, for each sequence.
    pub sequence_us: u64,
    /// Of a step, for each prompt token.
    pub prefill_us: u64,
    /// Prompt tokens that admission lets in before their first byte.
    pub prefill_tokens: u64,
}

impl Default for EngineShape {
    fn default() -> Self {
        Self {
            sequences: 64,
            kv_tokens: 57_600,
            step_us: 8_000,
            sequence_us: 120,
            prefill_us: 50,
            prefill_tokens: u64::MAX,
        }
    }
}

/// One sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence {
    pub(super) ticket: TicketId,
    pub(super) kind: Kind,
    pub(super) request: usize,
    /// Prompt tokens to go.
    pub(super) prefill: u32,
    /// Answer tokens to go.
    pub(super) output: u32,
    pub(super) produced: u32,
}

/// What a step did to a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Produced {
    pub(super) ticket: TicketId,
    pub(super) request: usize,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    pub(super) produced: u32,
}

/// The engine's state.
#[derive(Debug)]
pub(super) struct Engine {
    shape: EngineShape,
    /// Prompt tokens of strangers taken up a step, all of them together; `None`: whole prompts.
    slice: Option<u32>,
    sequences: Vec<Sequence>,
}

impl Engine {
    pub(super) const fn new(shape: EngineShape, slice: Option<u32>) -> Self {
        Self { shape, slice, sequences: Vec::new() }
    }

    pub(super) fn start(&mut self, sequence: Sequence) {
        self.sequences.push(sequence);
    }

    /// The client left, or it was revoked.
    pub(super) fn stop(&mut self, ticket: TicketId) -> Option<Sequence> {
        let at = self.sequences.iter().position(|s| s.ticket == ticket)?;
        Some(self.sequences.remove(at))
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.sequences.is_empty()
    }

    /// One step: its length in microseconds, and what it produced.
    pub(super) fn step(&mut self, produced: &mut Vec<Produced>) -> u64 {
        let mut left = self.slice.unwrap_or(u32::MAX);
        let mut prefilled = 0_u64;
        let shape = self.shape;
        let count = u64::try_from(self.sequences.len()).unwrap_or(0);
        self.sequences.retain_mut(|s| {
            if s.prefill > 0 {
                let part = if s.kind == Kind::Member { s.prefill } else { s.prefill.min(left) };
                if s.kind != Kind::Member {
                    left -= part;
                }
                s.prefill -= part;
                prefilled += u64::from(part);
                if s.prefill > 0 {
                    return true;
                }
            }
            s.produced += 1;
            s.output = s.output.saturating_sub(1);
            let is_last = s.output == 0;
            let (ticket, request) = (s.ticket, s.request);
            produced.push(Produced { ticket, request, is_first: s.produced == 1, is_last, produced: s.produced });
            !is_last
        });
        shape.step_us + shape.sequence_us * count + shape.prefill_us * prefilled
    }
}
