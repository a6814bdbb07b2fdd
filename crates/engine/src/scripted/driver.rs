//! Plays the machine in real time: one task sleeps until the next event and tells the generations.
//!
//! What must stay true: nobody is told through a queue (a generation has two atomics and a waker, so a slow reader costs
//! nothing and loses nothing); the lock is held for a few machine steps only; dropping a [`Running`] cancels it at once.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::machine::{Counts, Event, EventKind, Machine, Nanos, OfferError, Script};
use super::precise::PreciseTimer;

/// Records of requests that are kept for `/stats`; the oldest goes first.
pub(super) const RECORDS_MAX: usize = 4_096;

/// What became of a request; times are nanoseconds since the engine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) input: u32,
    pub(super) answer: u32,
    pub(super) made: u32,
    pub(super) offered_at: Nanos,
    pub(super) started_at: Option<Nanos>,
    pub(super) first_token_at: Option<Nanos>,
    pub(super) ended_at: Nanos,
    pub(super) is_cancelled: bool,
}

/// How far a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// It left the queue.
    pub(super) is_started: bool,
    /// Tokens made.
    pub(super) made: u32,
    /// All are made.
    pub(super) is_finished: bool,
    /// The engine stopped under it.
    pub(super) is_lost: bool,
}

/// States of a [`Cell`]; 0 is waiting.
const STARTED: u8 = 1;
const FINISHED: u8 = 2;
const LOST: u8 = 3;

#[derive(Debug, Default)]
struct Cell {
    made: AtomicU32,
    state: AtomicU8,
    waker: AtomicWaker,
}

impl Cell {
    fn progress(&self) -> Progress {
        let state = self.state.load(Ordering::Acquire);
        Progress {
            is_started: state == STARTED || state == FINISHED,
            made: self.made.load(Ordering::Acquire),
            is_finished: state == FINISHED,
            is_lost: state == LOST,
        }
    }
}

#[derive(Debug)]
struct Flight {
    cell: Arc<Cell>,
    record: Record,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    flights: HashMap<u64, Flight>,
    records: VecDeque<Record>,
    /// Scratch, so that no step allocates.
    events: Vec<Event>,
    next_id: u64,
    /// When the task will wake by itself; an earlier event must wake it.
    armed: Option<Nanos>,
}

/// The machine, the clock it is played by, and whoever waits for it.
#[derive(Debug)]
pub(super) struct Driver {
    inner: Mutex<Inner>,
    wake: Notify,
    origin: Instant,
    is_closed: AtomicBool,
}

/// A generation that runs; dropping it before its end cancels it.
#[derive(Debug)]
pub(super) struct Running {
    driver: Arc<Driver>,
    cell: Arc<Cell>,
    id: u64,
    answer: u32,
}

impl Driver {
    pub(super) fn new(script: Script) -> Self {
        Self {
            inner: Mutex::new(Inner {
                machine: Machine::new(script),
                flights: HashMap::new(),
                records: VecDeque::new(),
                events: Vec::new(),
                next_id: 1,
                armed: None,
            }),
            wake: Notify::new(),
            origin: Instant::now(),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Nanoseconds since the engine's start.
    pub(super) fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().machine.counts()
    }

    pub(super) fn script(&self) -> Script {
        self.lock().machine.script()
    }

    /// The newest `count` records, newest first.
    pub(super) fn records(&self, count: usize) -> Vec<Record> {
        self.lock().records.iter().rev().take(count).copied().collect()
    }

    /// Offers a generation now.
    /// `slice` 0: the prompt is read whole.
    pub(super) fn begin(self: &Arc<Self>, input: u32, max_tokens: u32, slice: u32) -> Result<Running, OfferError> {
        let now = self.now();
        let mut inner = self.lock();
        let answer = inner.machine.answer_tokens(input, max_tokens)?;
        let id = inner.next_id;
        inner.next_id += 1;
        let cell = Arc::new(Cell::default());
        let record = Record { id, input, answer, offered_at: now, ..Record::default() };
        inner.flights.insert(id, Flight { cell: Arc::clone(&cell), record });
        let Inner { machine, events, .. } = &mut *inner;
        let offered = machine.offer_sliced(now, id, input, max_tokens, slice, events);
        inner.tell();
        if let Err(error) = offered {
            inner.flights.remove(&id);
            return Err(error);
        }
        let is_earlier = match (inner.machine.next_event_at(), inner.armed) {
            (Some(next), Some(armed)) => next < armed,
            (next, _) => next.is_some(),
        };
        drop(inner);
        if is_earlier {
            self.wake.notify_one();
        }
        Ok(Running { driver: Arc::clone(self), cell, id, answer })
    }

    /// Plays the machine until `shutdown`; then everything in flight is lost and nothing is taken any more. Without a `timer`
    /// it sleeps by tokio's clock, which tests can pause.
    pub(super) async fn run(&self, timer: Option<PreciseTimer>, shutdown: CancellationToken) {
        loop {
            let next = self.advance();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.wake.notified() => {}
                () = self.sleep_until(next, timer.as_ref()) => {}
            }
        }
        self.is_closed.store(true, Ordering::Release);
        let mut inner = self.lock();
        for (_, flight) in inner.flights.drain() {
            flight.cell.state.store(LOST, Ordering::Release);
            flight.cell.waker.wake();
        }
    }

    async fn sleep_until(&self, at: Option<Nanos>, timer: Option<&PreciseTimer>) {
        match (at, timer) {
            (Some(at), Some(timer)) => timer.sleep(at.since(self.now()).to_duration()).await,
            (Some(at), None) => tokio::time::sleep_until(self.origin + at.to_duration()).await,
            (None, _) => std::future::pending().await,
        }
    }

    /// Steps to now; when to come again.
    fn advance(&self) -> Option<Nanos> {
        let now = self.now();
        let mut inner = self.lock();
        let Inner { machine, events, .. } = &mut *inner;
        machine.advance(now, events);
        inner.tell();
        inner.armed = inner.machine.next_event_at();
        inner.armed
    }

    fn cancel(&self, id: u64) {
        let now = self.now();
        let mut inner = self.lock();
        let Inner { machine, events, .. } = &mut *inner;
        let was_there = machine.cancel(now, id, events);
        inner.tell();
        if was_there && let Some(mut flight) = inner.flights.remove(&id) {
            flight.record.is_cancelled = true;
            flight.record.ended_at = now;
            inner.keep(flight.record);
        }
        // What waited may start now: the task is due earlier than it knows.
        let is_earlier = inner.machine.next_event_at().is_some_and(|next| inner.armed.is_none_or(|armed| next < armed));
        drop(inner);
        if is_earlier {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Tells the generations what happened.
    fn tell(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            let Some(flight) = self.flights.get_mut(&event.id) else { continue };
            match event.kind {
                EventKind::Started => {
                    flight.record.started_at = Some(event.at);
                    flight.cell.state.store(STARTED, Ordering::Release);
                    flight.cell.waker.wake();
                }
                EventKind::Token { index } => {
                    if index == 0 {
                        flight.record.first_token_at = Some(event.at);
                    }
                    flight.record.made = index + 1;
                    flight.cell.made.store(index + 1, Ordering::Release);
                    // The end follows at the same time: one waking for both.
                    if index + 1 < flight.record.answer {
                        flight.cell.waker.wake();
                    }
                }
                EventKind::Finished => {
                    flight.cell.state.store(FINISHED, Ordering::Release);
                    flight.cell.waker.wake();
                    let mut record = flight.record;
                    record.ended_at = event.at;
                    self.flights.remove(&event.id);
                    self.keep(record);
                }
            }
        }
        self.events = events;
    }

    fn keep(&mut self, record: Record) {
        if self.records.len() >= RECORDS_MAX {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }
}

impl Running {
    /// Tokens the answer has.
    pub(super) const fn answer(&self) -> u32 {
        self.answer
    }

    /// The engine's own number of it.
    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// Ready when it is further than `told` tokens, or over; a start alone is told when `knows_start` is false.
    pub(super) fn poll_progress(&self, cx: &mut Context<'_>, told: u32, knows_start: bool) -> Poll<Progress> {
        let is_news = |progress: Progress| {
            progress.made > told || progress.is_finished || progress.is_lost || (progress.is_started && !knows_start)
        };
        let progress = self.cell.progress();
        if is_news(progress) {
            return Poll::Ready(progress);
        }
        self.cell.waker.register(cx.waker());
        let progress = self.cell.progress();
        if is_news(progress) { Poll::Ready(progress) } else { Poll::Pending }
    }

    /// Waits for the last token; false if the engine stopped before.
    pub(super) async fn finished(&self) -> bool {
        poll_fn(|cx| self.poll_progress(cx, u32::MAX, true)).await.is_finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let progress = self.cell.progress();
        if !progress.is_finished && !progress.is_lost {
            self.driver.cancel(self.id);
        }
    }
}
