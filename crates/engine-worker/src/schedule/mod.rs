//! Continuous batching: which generations are at work, what each step computes, and what it tells.
//!
//! A step: take up waiting prompts while there are sequences and room; one row for each generation that answers, then a chunk of prompt
//! tokens shared out among those that still read; compute; choose a token for each row that asked for logits; write what there is to
//! tell into one buffer. What must stay true: a batch never exceeds `sequences + chunk` rows; room is made by giving up cached
//! sequences first, then by reading less, and only then by cutting a generation, the lowest and latest; a cancelled one is gone before
//! the next step; every generation ends in exactly one `Finished` or `Failed`.

mod cache;
mod cells;
mod plan;
mod running;

use std::collections::{HashSet, VecDeque};

use rempart_engine::worker_protocol::{
    FROM_WORKER_FRAME_BYTES_MAX, FailureFrame, FinishWord, FromWorker, StatsFrame, encode_frame,
};

use crate::native::{Kernel, Row, StepError};
use crate::text::sampler::Scratch;
use crate::vocab::Vocab;
use cache::{Kept, PrefixCache, common};
use cells::{Cells, Held};
use plan::{Reader, share_out};
pub(crate) use running::Job;
use running::{Advance, Running};

/// What the scheduler keeps within.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Generations at work at once.
    pub(crate) sequences: usize,
    /// Finished ones kept for their beginnings.
    pub(crate) cached: usize,
    /// Cells of the pool.
    pub(crate) kv_tokens: usize,
    /// Prompt and answer together.
    pub(crate) context_len: u32,
    /// Prompt tokens a step.
    pub(crate) chunk: usize,
}

/// See the file's head.
pub(crate) struct Schedule<'v, K> {
    kernel: K,
    vocab: &'v Vocab,
    limits: Limits,
    waiting: VecDeque<Job>,
    running: Vec<Running>,
    cells: Cells,
    cache: PrefixCache,
    sequences_free: Vec<u32>,
    /// Cancelled before they came: prompts that are still being tokenised. Bounded by the platform's generations in flight.
    cancelled: HashSet<u64>,
    last_id: u64,
    rows: Vec<Row>,
    /// For each row that wants logits: its place in the batch, and whose it is.
    asked: Vec<(usize, usize)>,
    scratch: Scratch,
    out: Vec<u8>,
    told: StatsFrame,
}

impl<'v, K: Kernel> Schedule<'v, K> {
    /// Nothing is at work.
    pub(crate) fn new(kernel: K, vocab: &'v Vocab, limits: Limits) -> Self {
        let sequences = u32::try_from(limits.sequences + limits.cached).unwrap_or(1).clamp(1, 256);
        Self {
            kernel,
            vocab,
            limits,
            waiting: VecDeque::new(),
            running: Vec::with_capacity(limits.sequences),
            cells: Cells::new(limits.kv_tokens),
            cache: PrefixCache::new(limits.cached),
            sequences_free: (0..sequences).rev().collect(),
            cancelled: HashSet::new(),
            last_id: 0,
            rows: Vec::with_capacity(limits.sequences + limits.chunk),
            asked: Vec::with_capacity(limits.sequences),
            scratch: Scratch::default(),
            out: Vec::with_capacity(4096),
            told: StatsFrame::default(),
        }
    }

    /// Nothing to do until a message comes.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Frames for the platform; the caller writes and clears them.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// A prompt came.
    pub(crate) fn offer(&mut self, job: Job) {
        self.last_id = self.last_id.max(job.params.id);
        if self.cancelled.remove(&job.params.id) {
            return;
        }
        // Higher ranks first, first come first served within one.
        let at =
            self.waiting.iter().position(|other| other.params.rank < job.params.rank).unwrap_or(self.waiting.len());
        self.waiting.insert(at, job);
    }

    /// A prompt could not be taken.
    pub(crate) fn refuse(&mut self, id: u64, error: FailureFrame) {
        self.last_id = self.last_id.max(id);
        if !self.cancelled.remove(&id) {
            self.tell(&FromWorker::Failed { id, error });
        }
    }

    /// Nobody wants it any more; what is not known any more has ended.
    pub(crate) fn cancel(&mut self, id: u64) {
        if let Some(at) = self.running.iter().position(|running| running.id == id) {
            let running = self.running.remove(at);
            self.retire(running);
        } else if let Some(at) = self.waiting.iter().position(|job| job.params.id == id) {
            self.waiting.remove(at);
        } else if id > self.last_id {
            self.cancelled.insert(id);
        }
    }

    /// One step; does nothing when idle but tell so.
    pub(crate) fn step(&mut self) {
        self.take_up();
        if self.plan() {
            match self.kernel.decode(&self.rows) {
                Ok(()) => self.choose(),
                Err(StepError::Full) => self.relieve(),
                Err(StepError::Failed) => self.give_up_batch(),
            }
        }
        self.tell_stats();
    }

    /// Takes waiting prompts up while there is a sequence and room to read them to their end.
    fn take_up(&mut self) {
        while self.running.len() < self.limits.sequences {
            let Some(job) = self.waiting.pop_front() else { return };
            let promised: usize = self.running.iter().filter(|running| !running.is_decoding()).map(Running::left).sum();
            // Each one at work needs a cell a step; counting them once keeps a newcomer from starting into a full pool.
            let needed = promised + job.tokens.len() + 1 + self.running.len();
            if needed > self.cells.free() + self.cells.cached() && !self.running.is_empty() {
                self.waiting.push_front(job);
                return;
            }
            self.start(job);
        }
    }

    fn start(&mut self, job: Job) {
        // The last prompt token is always computed: its logits choose the first token.
        let most = job.tokens.len() - 1;
        let Some(sequence) = self.free_sequence() else {
            self.tell(&FromWorker::Failed { id: job.params.id, error: FailureFrame::Full });
            return;
        };
        let held = self.share_beginning(&job, sequence, most);
        let running = Running::new(job, sequence, held, self.limits.context_len);
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        self.tell(&FromWorker::Started {
            id: running.id,
            input: count(running.input()),
            cached: count(running.cached()),
        });
        self.running.push(running);
    }

    /// The cells of the longest beginning that somebody of the same salt has, or none.
    fn share_beginning(&mut self, job: &Job, sequence: u32, most: usize) -> Held {
        let Some(salt) = job.params.salt.filter(|_| self.limits.cached > 0) else { return self.cells.share(None, 0) };
        let of_running = self.running.iter().filter(|running| running.salt == Some(salt));
        let at_work = of_running
            .map(|running| (common(&running.tokens, &job.tokens).min(running.held.len()), running))
            .max_by_key(|(shared, _)| *shared);
        let kept = self.cache.find(salt, &job.tokens);
        let (from, held, shared) = match (at_work, kept) {
            (Some((shared, running)), kept) if kept.as_ref().is_none_or(|(_, len)| *len < shared) => {
                (running.sequence, &running.held, shared)
            }
            (_, Some((kept, shared))) => (kept.sequence, &kept.held, shared),
            _ => return self.cells.share(None, 0),
        };
        let shared = shared.min(most);
        if shared == 0 {
            return self.cells.share(None, 0);
        }
        self.kernel.share(from, sequence, u32::try_from(shared).unwrap_or(0));
        self.cells.share(Some(held), shared)
    }

    fn free_sequence(&mut self) -> Option<u32> {
        if self.sequences_free.is_empty() {
            self.evict();
        }
        self.sequences_free.pop()
    }

    /// Fills the batch; false when there is nothing to compute.
    fn plan(&mut self) -> bool {
        self.rows.clear();
        self.asked.clear();
        while self.running.iter().filter(|running| running.is_decoding()).count() > self.cells.free() {
            if !self.evict() && !self.cut_one() {
                return false;
            }
        }
        for index in 0..self.running.len() {
            if self.running.get(index).is_some_and(Running::is_decoding) {
                self.push_rows(index, 1);
            }
        }
        let mut readers: Vec<Reader> = self
            .running
            .iter()
            .enumerate()
            .filter(|(_, running)| !running.is_decoding())
            .map(|(index, running)| Reader {
                index,
                left: running.left(),
                rank: running.rank,
                slice: running.prefill_slice,
            })
            .collect();
        if !readers.is_empty() {
            let wanted = self.limits.chunk.min(readers.iter().map(|reader| reader.left).sum());
            while self.cells.free() < wanted && self.evict() {}
            let room = self.cells.free().min(self.limits.chunk);
            let beside_members = self.running.iter().any(|running| running.prefill_slice.is_none());
            for (index, tokens) in share_out(&mut readers, room, beside_members) {
                self.push_rows(index, tokens);
            }
        }
        // All read, none can: somebody has to go, so that the others can.
        !self.rows.is_empty() || (self.cut_one() && self.plan())
    }

    /// The next `count` tokens of a generation; its last token asks for logits.
    fn push_rows(&mut self, index: usize, count: usize) {
        let Some(running) = self.running.get_mut(index) else { return };
        let from = running.held.len();
        if !self.cells.grow(&mut running.held, count) {
            return;
        }
        let last = running.tokens.len() - 1;
        for (position, token) in running.tokens.iter().enumerate().skip(from).take(count) {
            if position == last {
                self.asked.push((self.rows.len(), index));
            }
            self.rows.push(Row {
                token: *token,
                position: u32::try_from(position).unwrap_or(0),
                sequence: running.sequence,
                wants_logits: position == last,
            });
        }
    }

    /// A token for each row that asked.
    fn choose(&mut self) {
        let mut over: Vec<(usize, Result<FinishWord, FailureFrame>)> = Vec::new();
        for (row, index) in std::mem::take(&mut self.asked) {
            let Some(running) = self.running.get_mut(index) else { continue };
            let advance = running.advance(self.kernel.logits(row), &mut self.scratch, self.vocab);
            if let Some((text, tokens)) = running.take_text() {
                let id = running.id;
                self.tell(&FromWorker::Delta { id, text, tokens });
            }
            match advance {
                Advance::GoesOn => {}
                Advance::Over(reason) => over.push((index, Ok(reason))),
                Advance::Stuck => over.push((index, Err(FailureFrame::Internal))),
            }
        }
        over.sort_unstable_by_key(|(index, _)| std::cmp::Reverse(*index));
        for (index, end) in over {
            let running = self.running.remove(index);
            self.end(running, end);
        }
    }

    /// The pool was fuller than we knew: nothing of the batch was computed.
    fn relieve(&mut self) {
        self.take_back_batch();
        while self.evict() {}
        self.cut_one();
    }

    /// llama.cpp failed: whoever was in the batch may be half computed.
    fn give_up_batch(&mut self) {
        let in_batch: HashSet<u32> = self.rows.iter().map(|row| row.sequence).collect();
        let (lost, kept) =
            std::mem::take(&mut self.running).into_iter().partition(|running| in_batch.contains(&running.sequence));
        self.running = kept;
        for mut running in Vec::<Running>::from(lost) {
            running.salt = None;
            self.end(running, Err(FailureFrame::Internal));
        }
    }

    /// Takes the rows of a batch that was not computed out of the mirror.
    fn take_back_batch(&mut self) {
        for running in &mut self.running {
            let count = self.rows.iter().filter(|row| row.sequence == running.sequence).count();
            let before = running.held.len().saturating_sub(count);
            self.cells.cut(&mut running.held, before);
        }
    }

    /// Gives up the oldest kept sequence; false when there is none.
    fn evict(&mut self) -> bool {
        let gone = self.cache.evict();
        let is_gone = gone.is_some();
        gone.into_iter().for_each(|kept| self.forget(kept));
        is_gone
    }

    /// Ends the generation of the lowest rank, of these the last to come; false when nothing is at work.
    fn cut_one(&mut self) -> bool {
        let lowest =
            self.running.iter().enumerate().min_by_key(|(_, running)| (running.rank, std::cmp::Reverse(running.id)));
        let Some(index) = lowest.map(|(index, _)| index) else { return false };
        let mut running = self.running.remove(index);
        // Its cells are what is needed: none are kept.
        running.salt = None;
        running.cut();
        if let Some((text, tokens)) = running.take_text() {
            self.tell(&FromWorker::Delta { id: running.id, text, tokens });
        }
        let end =
            if running.is_decoding() { Ok(FinishWord::InsufficientSystemResource) } else { Err(FailureFrame::Full) };
        self.end(running, end);
        true
    }

    fn end(&mut self, running: Running, end: Result<FinishWord, FailureFrame>) {
        let (id, usage) = (running.id, running.usage());
        self.retire(running);
        match end {
            Ok(reason) => self.tell(&FromWorker::Finished { id, reason, usage }),
            Err(error) => self.tell(&FromWorker::Failed { id, error }),
        }
    }

    /// Its cells are kept for what may begin alike, or freed.
    fn retire(&mut self, running: Running) {
        let Running { sequence, salt, mut tokens, mut held, .. } = running;
        self.cells.rest(&mut held);
        tokens.truncate(held.len());
        let gone = match salt {
            Some(salt) => self.cache.keep(sequence, salt, tokens, held),
            None => {
                self.release(sequence, held);
                return;
            }
        };
        gone.into_iter().for_each(|kept| self.forget(kept));
    }

    fn forget(&mut self, kept: Kept) {
        self.release(kept.sequence, kept.held);
    }

    fn release(&mut self, sequence: u32, held: Held) {
        self.kernel.remove(sequence);
        self.cells.drop_all(held);
        self.sequences_free.push(sequence);
    }

    fn tell(&mut self, frame: &FromWorker) {
        // The only frames that could be too long carry one token's text: none is.
        let _ = encode_frame(&mut self.out, frame, FROM_WORKER_FRAME_BYTES_MAX);
    }

    /// The reading of ourselves, when it changed: it rides along with what the step tells anyway.
    fn tell_stats(&mut self) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let now = StatsFrame {
            running: count(self.running.len()),
            waiting: count(self.waiting.len()),
            kv_tokens_used: count(self.cells.busy()),
            kv_tokens_cached: count(self.cells.cached()),
        };
        if now != self.told {
            self.told = now;
            self.tell(&FromWorker::Stats(now));
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
