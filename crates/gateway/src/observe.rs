//! One content-free record for each request, written when its body ends, refusals included.
//!
//! What must stay true: a record holds no content, no secret and no address (only a keyed source); the queue is bounded and lossy,
//! and what is lost is counted; the request path never waits here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rempart_domain::{AccountId, Band, Millis, ReasonCode, RequestId, UnixSeconds};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::pressure::Tally;
use crate::routes::RouteClass;

/// No reason: the request was served.
const SERVED: u8 = u8::MAX;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Served to the end.
    Done,
    /// Refused, with a reason.
    Refused(ReasonCode),
    /// The client left before the end.
    Left,
}

/// One request, content-free.
#[derive(Debug, Clone)]
pub struct Record {
    /// When its body ended, monotonic.
    pub ended: Millis,
    /// The id in answer and log.
    pub request_id: RequestId,
    /// What kind of thing was asked for.
    pub class: RouteClass,
    /// The caller's source under a key that changes with every start: tells sources apart, tells none of them.
    pub source_tag: u64,
    /// The account, if known.
    pub account: Option<AccountId>,
    /// The band it was admitted with.
    pub band: Band,
    /// How it ended.
    pub outcome: Outcome,
    /// A member's, and many times what members usually ask.
    pub is_heavy: bool,
    /// Wait before a scarce resource, in milliseconds.
    pub wait_ms: u32,
    /// Time to first token, in milliseconds; 0 when none came.
    pub first_token_ms: u32,
    /// From the complete head to the end of the body, in milliseconds.
    pub total_ms: u32,
    /// Prompt tokens.
    pub input_tokens: u32,
    /// Answer tokens.
    pub output_tokens: u32,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
}

/// What the steps of the path write down while they work; read once, at the end.
#[derive(Debug)]
pub struct Observation {
    reason: AtomicU8,
    is_heavy: AtomicBool,
    wait_ms: AtomicU32,
    first_token_us: AtomicU32,
    input_tokens: AtomicU32,
    output_tokens: AtomicU32,
}

impl Default for Observation {
    fn default() -> Self {
        Self {
            reason: AtomicU8::new(SERVED),
            is_heavy: AtomicBool::new(false),
            wait_ms: AtomicU32::new(0),
            first_token_us: AtomicU32::new(0),
            input_tokens: AtomicU32::new(0),
            output_tokens: AtomicU32::new(0),
        }
    }
}

impl Observation {
    /// The request was refused.
    pub fn refused(&self, reason: ReasonCode) {
        self.reason.store(u8::try_from(reason.index()).unwrap_or(SERVED - 1), Ordering::Relaxed);
    }

    /// It waited before a scarce resource.
    pub fn waited(&self, wait: Millis) {
        self.wait_ms.store(u32::try_from(wait.0).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// It was a member's, and many times what members usually ask.
    pub fn heavy(&self, is_heavy: bool) {
        self.is_heavy.store(is_heavy, Ordering::Relaxed);
    }

    /// Its first token was there, `after_us` microseconds after the head.
    pub fn first_token(&self, after_us: u128) {
        self.first_token_us.store(u32::try_from(after_us).unwrap_or(u32::MAX).max(1), Ordering::Relaxed);
    }

    /// What it cost.
    pub fn tokens(&self, input: u32, output: u32) {
        self.input_tokens.store(input, Ordering::Relaxed);
        self.output_tokens.store(output, Ordering::Relaxed);
    }

    /// The refusal that was written down.
    pub(crate) fn reason(&self) -> Option<ReasonCode> {
        ReasonCode::ALL.get(usize::from(self.reason.load(Ordering::Relaxed))).copied()
    }
}

/// Where records go: counted at once, then queued for whoever learns from them.
#[derive(Debug)]
pub struct Observer {
    journal: mpsc::Sender<Record>,
    lost: AtomicU64,
    source_key: u64,
    metrics: Arc<Metrics>,
    tally: Arc<Tally>,
}

impl Observer {
    /// A queue of `journal_len` records; the receiver is read by [`run_journal`].
    pub(crate) fn new(
        journal_len: usize,
        source_key: u64,
        metrics: Arc<Metrics>,
        tally: Arc<Tally>,
    ) -> (Arc<Self>, mpsc::Receiver<Record>) {
        let (journal, records) = mpsc::channel(journal_len.max(1));
        (Arc::new(Self { journal, lost: AtomicU64::new(0), source_key, metrics, tally }), records)
    }

    /// Records that found no room, since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn write(&self, record: Record) {
        self.metrics.request_ended(&record);
        self.tally.count(&record);
        if self.journal.try_send(record).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.metrics.observation_lost();
        }
    }
}

/// What the record needs of the request, moved into its body.
#[derive(Debug)]
pub struct Watch {
    observer: Arc<Observer>,
    observation: Arc<Observation>,
    arrived: Instant,
    request_id: RequestId,
    class: RouteClass,
    source_bits: u64,
    account: Option<AccountId>,
    band: Band,
    now: Millis,
    bytes_out: u64,
    is_complete: bool,
}

impl Watch {
    /// Watches the answer to the request of `ctx`; `now` is the monotonic time of its arrival.
    pub fn new(observer: Arc<Observer>, ctx: &crate::ctx::Ctx, now: Millis) -> Self {
        Self {
            observer,
            observation: Arc::clone(&ctx.observation),
            arrived: ctx.arrived,
            request_id: ctx.request_id,
            class: ctx.route.class,
            source_bits: ctx.source.bits(),
            account: ctx.principal.account,
            band: ctx.band,
            now,
            bytes_out: 0,
            is_complete: false,
        }
    }

    /// More of the body went out.
    pub const fn add_bytes(&mut self, len: usize) {
        self.bytes_out = self.bytes_out.saturating_add(len as u64);
    }

    /// The body ended by itself.
    pub const fn complete(&mut self) {
        self.is_complete = true;
    }

    /// The body is whole and needs no more polling.
    #[must_use]
    pub const fn completed(mut self) -> Self {
        self.is_complete = true;
        self
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let total_ms = u32::try_from(self.arrived.elapsed().as_millis()).unwrap_or(u32::MAX);
        let outcome = match self.observation.reason() {
            Some(reason) => Outcome::Refused(reason),
            None if self.is_complete => Outcome::Done,
            None => Outcome::Left,
        };
        let load = |cell: &AtomicU32| cell.load(Ordering::Relaxed);
        self.observer.write(Record {
            ended: self.now + Millis(u64::from(total_ms)),
            request_id: self.request_id,
            class: self.class,
            source_tag: mix(self.source_bits ^ self.observer.source_key),
            account: self.account,
            band: self.band,
            outcome,
            is_heavy: self.observation.is_heavy.load(Ordering::Relaxed),
            wait_ms: load(&self.observation.wait_ms),
            first_token_ms: load(&self.observation.first_token_us).div_ceil(1000),
            total_ms,
            input_tokens: load(&self.observation.input_tokens),
            output_tokens: load(&self.observation.output_tokens),
            bytes_out: self.bytes_out,
        });
    }
}

/// splitmix64's finaliser: every bit of the key and the source reaches every bit of the tag.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How many of the last records are kept for the console.
pub const JOURNAL_KEPT: usize = 1024;

/// How many of the last events are kept for the console.
const EVENTS_KEPT: usize = 256;

/// Something that the platform decided over others than one request: a posture, a demotion, a promotion.
#[derive(Debug, Clone)]
pub struct Event {
    /// The date.
    pub at: UnixSeconds,
    /// What, in a few words; ids of accounts only.
    pub what: String,
}

/// The journal: the last records and events, newest last.
#[derive(Debug, Default)]
pub struct Journal {
    records: std::sync::Mutex<std::collections::VecDeque<Record>>,
    events: std::sync::Mutex<std::collections::VecDeque<Event>>,
}

impl Journal {
    /// The last `limit` records, newest first.
    pub fn last(&self, limit: usize) -> Vec<Record> {
        self.records.lock().map(|r| r.iter().rev().take(limit).cloned().collect()).unwrap_or_default()
    }

    /// Writes an event down.
    pub fn note(&self, at: UnixSeconds, what: String) {
        if let Ok(mut events) = self.events.lock() {
            if events.len() >= EVENTS_KEPT {
                events.pop_front();
            }
            events.push_back(Event { at, what });
        }
    }

    /// The last `limit` events, newest first.
    pub fn events(&self, limit: usize) -> Vec<Event> {
        self.events.lock().map(|e| e.iter().rev().take(limit).cloned().collect()).unwrap_or_default()
    }

    fn take(&self, waiting: &mut mpsc::Receiver<Record>) {
        let Ok(mut records) = self.records.lock() else { return };
        while let Ok(record) = waiting.try_recv() {
            if records.len() >= JOURNAL_KEPT {
                records.pop_front();
            }
            records.push_back(record);
        }
    }
}

/// How often the queue is emptied. Nothing is woken by a record: in a flood that would be a change of thread for each refusal.
const TAKEN_EVERY: Duration = Duration::from_millis(50);

/// Empties the queue at its own pace until the platform stops.
pub async fn run_journal(
    journal: Arc<Journal>,
    mut records: mpsc::Receiver<Record>,
    stop: tokio_util::sync::CancellationToken,
) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(TAKEN_EVERY) => {}
            () = stop.cancelled() => {}
        }
        journal.take(&mut records);
    }
}
