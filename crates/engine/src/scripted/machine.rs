//! The scripted engine as a pure step machine: requests in, scheduled tokens out; no clock, no I/O, no randomness.
//!
//! What must stay true: every event carries the exact time it is due, whatever `now` the machine was asked at, so nothing
//! drifts; requests start strictly first come, first served; what is held (sequences, KV tokens) is given back exactly once,
//! at the end or at the cancellation; a token costs constant time and no allocation.
//!
//! The life of a request: it *waits* until a sequence is free and its input and whole answer fit into the KV tokens that are
//! not reserved (vLLM admits on the prompt alone and preempts when it was wrong; reserving the answer shows the same pressure
//! without the recomputation). The head of the queue blocks those behind it, as in vLLM. Then it is *prefilled*: one prompt
//! after the other at the rate of the whole engine; a prompt that is read in slices goes behind all that are read whole, and its likes
//! take turns, a slice each. Then it *decodes*: token `k` (from 1) is due `k / decode_tps` seconds after
//! the end of its prefill, however many other sequences decode.

use std::collections::{HashMap, VecDeque};

use rempart_domain::Millis;

/// A point on a monotonic clock that starts anywhere, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub u64);

impl Nanos {
    /// From whole microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// Time since `earlier`; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// As a standard duration.
    pub const fn to_duration(self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0)
    }

    const fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl From<Millis> for Nanos {
    fn from(millis: Millis) -> Self {
        Self(millis.0.saturating_mul(1_000_000))
    }
}

/// What the machine can do. A zero counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// Generations at once.
    pub sequences: u32,
    /// KV tokens shared by all of them; also the most that input and answer of one request may take together.
    pub kv_tokens: u32,
    /// Prompt tokens a second, shared by the whole engine.
    pub prefill_tps: u32,
    /// Answer tokens a second, of each sequence.
    pub decode_tps: u32,
    /// Tokens of an answer that nothing cuts short.
    pub tokens: u32,
}

/// Something that happened at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When it was due, exactly.
    pub at: Nanos,
    /// The id given to [`Machine::offer`].
    pub id: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What can happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It left the queue; its prompt is prefilled next.
    Started,
    /// An answer token is there.
    Token {
        /// From 0.
        index: u32,
    },
    /// The last token was there; everything it held is free.
    Finished,
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Input and one token of answer can never fit.
    #[error("input of {input} tokens does not fit {kv_tokens} KV tokens")]
    TooLong {
        /// Tokens offered.
        input: u32,
        /// Tokens there are.
        kv_tokens: u32,
    },
    /// The id is in use.
    #[error("request id is in use")]
    IdInUse,
}

/// Counters since the start, and what is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests taken.
    pub offered: u64,
    /// Requests that left the queue.
    pub started: u64,
    /// Requests that came to their end.
    pub finished: u64,
    /// Requests cancelled, waiting or running.
    pub cancelled: u64,
    /// Prompt tokens of what started.
    pub input_tokens: u64,
    /// Answer tokens made.
    pub output_tokens: u64,
    /// Running now.
    pub running: u32,
    /// Waiting now.
    pub waiting: u32,
    /// The most that ever ran at once.
    pub running_max: u32,
    /// KV tokens of inputs and of the answer tokens made so far, of what runs.
    pub kv_held: u32,
    /// KV tokens of inputs and whole answers, of what runs.
    pub kv_reserved: u32,
}

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Prefill,
    Decode,
}

/// The slice of a prompt that is read whole.
const WHOLE: u32 = 0;

#[derive(Debug, Clone, Copy)]
struct Sequence {
    id: u64,
    /// Tells a slot's tenants apart: a [`Place`] of an earlier one is dead.
    turn: u32,
    is_live: bool,
    phase: Phase,
    input: u32,
    answer: u32,
    made: u32,
    /// Prompt tokens read at a time; [`WHOLE`]: all of them.
    slice: u32,
    /// Prompt tokens to go.
    left: u32,
    decode_from: Nanos,
}

/// A reference from a queue to a slot.
#[derive(Debug, Clone, Copy)]
struct Place {
    slot: u32,
    turn: u32,
}

/// A queue in which the dead are skipped; they are swept out when they outnumber the living, so cancelling costs O(1).
#[derive(Debug, Default)]
struct Line {
    places: VecDeque<Place>,
    dead: usize,
}

/// Fewer dead than this are never worth a sweep.
const DEAD_PLACES_MIN: usize = 64;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The engine. Requests wait without bound, as in vLLM: the caller bounds what it offers.
#[derive(Debug)]
pub struct Machine {
    script: Script,
    now: Nanos,
    slots: Vec<Sequence>,
    free: Vec<u32>,
    by_id: HashMap<u64, u32>,
    waiting: Line,
    /// Prompts that are read whole.
    prefills: Line,
    /// Prompts that are read in slices, when nothing whole waits.
    sliced: Line,
    /// Whose prompt is being read, how many tokens of it, and when that is done.
    reading: Option<(Place, u32)>,
    prefill_end: Nanos,
    /// In order of their next token. All sequences have the same pace, so whoever made a token goes to the back.
    decoding: Line,
    counts: Counts,
}

impl Machine {
    /// An idle engine.
    pub fn new(script: Script) -> Self {
        let script = Script {
            sequences: script.sequences.max(1),
            kv_tokens: script.kv_tokens.max(2),
            prefill_tps: script.prefill_tps.max(1),
            decode_tps: script.decode_tps.max(1),
            tokens: script.tokens.max(1),
        };
        Self {
            script,
            now: Nanos::default(),
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            waiting: Line::default(),
            prefills: Line::default(),
            sliced: Line::default(),
            reading: None,
            prefill_end: Nanos::default(),
            decoding: Line::default(),
            counts: Counts::default(),
        }
    }

    /// The script, with its zeros made ones.
    pub const fn script(&self) -> Script {
        self.script
    }

    /// Counters and what is there now.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Tokens the answer will have, or why it cannot be given: the least of what was asked for, of the script, and of what
    /// the KV cache has beside the input; at least one.
    pub const fn answer_tokens(&self, input: u32, max_tokens: u32) -> Result<u32, OfferError> {
        let kv_tokens = self.script.kv_tokens;
        if input >= kv_tokens {
            return Err(OfferError::TooLong { input, kv_tokens });
        }
        let mut answer = self.script.tokens;
        if max_tokens < answer {
            answer = max_tokens;
        }
        if kv_tokens - input < answer {
            answer = kv_tokens - input;
        }
        Ok(if answer == 0 { 1 } else { answer })
    }

    /// Takes a request at `now`; what happened until then, and its own start if it can start, is appended to `out`.
    pub fn offer(
        &mut self,
        now: Nanos,
        id: u64,
        input: u32,
        max_tokens: u32,
        out: &mut Vec<Event>,
    ) -> Result<(), OfferError> {
        self.offer_sliced(now, id, input, max_tokens, WHOLE, out)
    }

    /// The same; the prompt is read `slice` tokens at a time, behind all that are read whole (a slice of 0).
    pub fn offer_sliced(
        &mut self,
        now: Nanos,
        id: u64,
        input: u32,
        max_tokens: u32,
        slice: u32,
        out: &mut Vec<Event>,
    ) -> Result<(), OfferError> {
        self.advance(now, out);
        let answer = self.answer_tokens(input, max_tokens)?;
        if self.by_id.contains_key(&id) {
            return Err(OfferError::IdInUse);
        }
        let place = self.settle(id, input, answer, slice);
        self.by_id.insert(id, place.slot);
        self.waiting.places.push_back(place);
        self.counts.offered += 1;
        self.counts.waiting += 1;
        self.admit(self.now, out);
        Ok(())
    }

    /// Ends a request at `now`, wherever it is; false if it is not there (any more). No event tells of it.
    pub fn cancel(&mut self, now: Nanos, id: u64, out: &mut Vec<Event>) -> bool {
        self.advance(now, out);
        let Some(slot) = self.by_id.get(&id).copied() else { return false };
        let Some(sequence) = self.slots.get(slot as usize).copied() else { return false };
        self.counts.cancelled += 1;
        self.leave(slot);
        match sequence.phase {
            Phase::Waiting => {
                self.counts.waiting -= 1;
                self.waiting.bury(&self.slots);
            }
            Phase::Prefill => {
                if self.reading.is_some_and(|(place, _)| place.slot == slot) {
                    self.reading = None;
                    self.read_next(self.now);
                } else if sequence.slice == WHOLE {
                    self.prefills.bury(&self.slots);
                } else {
                    self.sliced.bury(&self.slots);
                }
            }
            Phase::Decode => self.decoding.bury(&self.slots),
        }
        self.admit(self.now, out);
        true
    }

    /// Places in all lines, the dead included; for the test that they are swept.
    #[cfg(test)]
    pub(super) fn places_held(&self) -> usize {
        let lines = [&self.waiting, &self.prefills, &self.sliced, &self.decoding];
        lines.iter().map(|line| line.places.len()).sum::<usize>() + self.slots.len()
    }

    /// When the next event is due; `None` while nothing runs.
    pub fn next_event_at(&self) -> Option<Nanos> {
        self.next_step().map(|(at, _)| at)
    }

    /// Appends everything that is due until `now`, in order of time. A `now` that lies back changes nothing.
    pub fn advance(&mut self, now: Nanos, out: &mut Vec<Event>) {
        while let Some((at, phase)) = self.next_step() {
            if at > now {
                break;
            }
            self.now = self.now.max(at);
            if phase == Phase::Decode {
                self.make_token(at, out);
            } else {
                self.end_prefill(at);
            }
        }
        self.now = self.now.max(now);
    }

    /// The earliest step. A token goes before the end of a prefill at the same time: that keeps `decoding` in order.
    fn next_step(&self) -> Option<(Nanos, Phase)> {
        let prefill = self.reading.map(|_| self.prefill_end);
        let token = self.decoding.head(&self.slots).map(|sequence| self.token_due(sequence));
        match (token, prefill) {
            (Some(token), Some(prefill)) if prefill < token => Some((prefill, Phase::Prefill)),
            (Some(token), _) => Some((token, Phase::Decode)),
            (None, prefill) => prefill.map(|at| (at, Phase::Prefill)),
        }
    }

    /// When the next token of `sequence` is due: reckoned from the end of its prefill, so that roundings do not add up.
    fn token_due(&self, sequence: &Sequence) -> Nanos {
        let count = u64::from(sequence.made) + 1;
        sequence.decode_from.plus((count * NANOS_PER_SECOND).div_ceil(u64::from(self.script.decode_tps)))
    }

    fn make_token(&mut self, at: Nanos, out: &mut Vec<Event>) {
        let Some(place) = self.decoding.places.pop_front() else { return };
        let Some(sequence) = self.slots.get_mut(place.slot as usize) else { return };
        let (id, index) = (sequence.id, sequence.made);
        sequence.made += 1;
        let is_last = sequence.made >= sequence.answer;
        self.counts.output_tokens += 1;
        self.counts.kv_held += 1;
        out.push(Event { at, id, kind: EventKind::Token { index } });
        if is_last {
            self.leave(place.slot);
            self.counts.finished += 1;
            out.push(Event { at, id, kind: EventKind::Finished });
            self.decoding.trim(&self.slots);
            self.admit(at, out);
        } else {
            self.decoding.places.push_back(place);
            if self.decoding.dead > 0 {
                self.decoding.trim(&self.slots);
            }
        }
    }

    fn end_prefill(&mut self, at: Nanos) {
        let Some((place, tokens)) = self.reading.take() else { return };
        if let Some(sequence) = self.slots.get_mut(place.slot as usize) {
            sequence.left = sequence.left.saturating_sub(tokens);
            if sequence.left > 0 {
                self.sliced.places.push_back(place);
            } else {
                sequence.phase = Phase::Decode;
                sequence.decode_from = at;
                self.decoding.places.push_back(place);
            }
        }
        self.read_next(at);
    }

    /// Begins the next prompt, or slice of one, at `at`, unless one is being read.
    fn read_next(&mut self, at: Nanos) {
        if self.reading.is_some() {
            return;
        }
        let line = if self.prefills.places.is_empty() { &mut self.sliced } else { &mut self.prefills };
        let Some(place) = line.places.pop_front() else { return };
        line.trim(&self.slots);
        if let Some(sequence) = self.slots.get(place.slot as usize) {
            let tokens = if sequence.slice == WHOLE { sequence.left } else { sequence.left.min(sequence.slice) };
            let nanos = (u64::from(tokens) * NANOS_PER_SECOND).div_ceil(u64::from(self.script.prefill_tps));
            self.reading = Some((place, tokens));
            self.prefill_end = at.plus(nanos);
        }
    }

    /// Starts from the head of the queue while sequences and KV tokens are there.
    fn admit(&mut self, at: Nanos, out: &mut Vec<Event>) {
        while let Some(place) = self.waiting.places.front().copied() {
            let Some(sequence) = self.slots.get_mut(place.slot as usize) else { return };
            let need = sequence.input + sequence.answer;
            let is_full = self.counts.running >= self.script.sequences
                || need > self.script.kv_tokens.saturating_sub(self.counts.kv_reserved);
            if is_full {
                return;
            }
            sequence.phase = Phase::Prefill;
            let (id, input, slice) = (sequence.id, sequence.input, sequence.slice);
            self.waiting.places.pop_front();
            self.waiting.trim(&self.slots);
            self.counts.waiting -= 1;
            self.counts.started += 1;
            self.counts.input_tokens += u64::from(input);
            self.counts.running += 1;
            self.counts.running_max = self.counts.running_max.max(self.counts.running);
            self.counts.kv_reserved += need;
            self.counts.kv_held += input;
            out.push(Event { at, id, kind: EventKind::Started });
            let line = if slice == WHOLE { &mut self.prefills } else { &mut self.sliced };
            line.places.push_back(place);
            self.read_next(at);
        }
    }

    /// Gives a request a slot.
    fn settle(&mut self, id: u64, input: u32, answer: u32, slice: u32) -> Place {
        let fresh = Sequence {
            id,
            turn: 0,
            is_live: true,
            phase: Phase::Waiting,
            input,
            answer,
            made: 0,
            slice,
            left: input,
            decode_from: Nanos::default(),
        };
        if let Some(slot) = self.free.pop()
            && let Some(sequence) = self.slots.get_mut(slot as usize)
        {
            let turn = sequence.turn.wrapping_add(1);
            *sequence = Sequence { turn, ..fresh };
            return Place { slot, turn };
        }
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(fresh);
        Place { slot, turn: 0 }
    }

    /// Frees a slot and what its request held.
    fn leave(&mut self, slot: u32) {
        let Some(sequence) = self.slots.get_mut(slot as usize) else { return };
        sequence.is_live = false;
        self.by_id.remove(&sequence.id);
        self.free.push(slot);
        if sequence.phase != Phase::Waiting {
            self.counts.running -= 1;
            self.counts.kv_reserved -= sequence.input + sequence.answer;
            self.counts.kv_held -= sequence.input + sequence.made;
        }
    }
}

impl Line {
    /// The first living one; call `trim` after every change, then it is the front.
    fn head<'a>(&self, slots: &'a [Sequence]) -> Option<&'a Sequence> {
        self.places.front().and_then(|place| slots.get(place.slot as usize))
    }

    /// One of the line died: sweep when the dead outnumber the living, and keep the front alive.
    fn bury(&mut self, slots: &[Sequence]) {
        self.dead += 1;
        if self.dead > DEAD_PLACES_MIN && self.dead * 2 > self.places.len() {
            self.places.retain(|place| place.is_live(slots));
            self.dead = 0;
        }
        self.trim(slots);
    }

    /// Drops the dead from the front.
    fn trim(&mut self, slots: &[Sequence]) {
        while self.dead > 0 && self.places.front().is_some_and(|place| !place.is_live(slots)) {
            self.places.pop_front();
            self.dead -= 1;
        }
    }
}

impl Place {
    fn is_live(self, slots: &[Sequence]) -> bool {
        slots.get(self.slot as usize).is_some_and(|sequence| sequence.is_live && sequence.turn == self.turn)
    }
}
