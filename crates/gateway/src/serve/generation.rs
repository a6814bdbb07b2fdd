//! A generation is an object of its own: permit, spool, event ids. An answer's body only subscribes to it.
//!
//! It is *queued* until admission lets it start, *running* while the engine works, and *ended* with a reason or a refusal. Subscribers
//! read its spool at their own pace; a subscriber that takes nothing never holds the engine, because the driving task fills the spool
//! and ends the generation when the spool is full. When the last subscriber of an API generation drops, the generation is cancelled
//! within one step of the engine; a chat generation is parked: it runs on and can be read again by event id.
//!
//! What must stay true: only the owner reads, continues or stops it; the permit is freed exactly once, whatever happens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use rempart_domain::{AccountId, GenerationId, Millis, Sensitive, TokenCount, Usage};
use rempart_engine::{Delta, FinishReason};
use tokio_util::sync::CancellationToken;

use crate::refusal::Refusal;

/// Who listens to a generation, and so what happens when nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Cancelled when the last subscriber leaves; what was read is forgotten.
    Api,
    /// Parked when the last subscriber leaves; everything is kept until it is removed.
    Chat,
}

/// Where a generation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Before admission.
    Queued {
        /// Place in line; 0 when it has not been told yet.
        position: u32,
        /// Until its turn, as far as can be told.
        eta: Option<Millis>,
    },
    /// Admitted; the engine has not taken it up.
    Admitted,
    /// The engine has taken it up.
    Running {
        /// Prompt tokens, where the engine told.
        input: Option<TokenCount>,
    },
    /// Over.
    Ended,
}

/// How a generation ended.
#[derive(Debug, Clone)]
pub enum End {
    /// By itself, by a limit, or by its owner's stop.
    Finished {
        /// Why.
        reason: FinishReason,
        /// What it cost.
        usage: Usage,
        /// True if its owner stopped it.
        is_stopped: bool,
    },
    /// Refused or failed; what was generated stands.
    Failed(Refusal),
}

/// What a subscriber sees at one look.
#[derive(Debug)]
pub struct Look {
    /// Where it stands.
    pub phase: Phase,
    /// Pieces since the last look, with the id of the first.
    pub deltas: Vec<Delta>,
    /// Id of the event after the last piece here.
    pub next_event: u64,
    /// How it ended, once every piece before has been seen.
    pub end: Option<End>,
}

/// When a subscriber wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeOn {
    /// At any news.
    News,
    /// When it leaves the queue or ends: a plain answer needs no wake for each token.
    StartAndEnd,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    spool: VecDeque<Delta>,
    /// Event id of `spool[0]`.
    first_event: u64,
    spool_bytes: usize,
    end: Option<End>,
    wakers: Vec<(WakeOn, Waker)>,
    subscribers: usize,
    ended_at: Option<Instant>,
}

/// Work given to an engine.
#[derive(Debug)]
pub struct Generation {
    /// Its id, opaque outside.
    pub id: GenerationId,
    /// Who may read and stop it.
    pub owner: AccountId,
    kind: Kind,
    cancel: CancellationToken,
    state: Mutex<State>,
}

impl Generation {
    /// A queued generation.
    pub fn new(id: GenerationId, owner: AccountId, kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            id,
            owner,
            kind,
            cancel: CancellationToken::new(),
            state: Mutex::new(State {
                phase: Phase::Queued { position: 0, eta: None },
                spool: VecDeque::new(),
                first_event: 0,
                spool_bytes: 0,
                end: None,
                wakers: Vec::new(),
                subscribers: 0,
                ended_at: None,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves the state whole: every change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancelled when its owner stops it or, for the API, when nobody listens any more.
    pub const fn cancelled(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Stops it; what was generated stands.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// How long ago it ended.
    pub fn ended_for(&self) -> Option<Millis> {
        let ended_at = self.state().ended_at?;
        Some(Millis(u64::try_from(ended_at.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }

    /// Everything generated so far, answer and reasoning; a chat's spool keeps all of it.
    pub fn text(&self) -> (String, String) {
        let state = self.state();
        let mut texts = (String::new(), String::new());
        for delta in &state.spool {
            texts.0.push_str(delta.content.expose());
            texts.1.push_str(delta.reasoning.expose());
        }
        texts
    }

    /// Why it failed, if it failed before its first piece: then a refusal can still be the whole answer.
    pub fn failure_without_output(&self) -> Option<Refusal> {
        let state = self.state();
        match &state.end {
            Some(End::Failed(refusal)) if state.first_event == 0 && state.spool.is_empty() => Some(refusal.clone()),
            _ => None,
        }
    }

    /// Tells its place in line.
    pub fn set_queued(&self, position: u32, eta: Option<Millis>) {
        self.update(WakeOn::News, |state| state.phase = Phase::Queued { position, eta });
    }

    /// It was admitted.
    pub fn set_admitted(&self) {
        self.state().phase = Phase::Admitted;
    }

    /// The engine took it up.
    pub fn set_running(&self, input: Option<TokenCount>) {
        self.update(WakeOn::StartAndEnd, |state| state.phase = Phase::Running { input });
    }

    /// Another piece of the answer; `false` if the spool is full.
    pub fn push(&self, delta: Delta, spool_bytes_max: usize) -> bool {
        let bytes = delta_bytes(&delta);
        let mut fits = true;
        // Pieces that an API reader has not taken yet become one: a long answer costs its text. A chat's pieces have ids.
        let merges = self.kind == Kind::Api;
        self.update(WakeOn::News, |state| {
            if state.spool_bytes + bytes > spool_bytes_max {
                fits = false;
                return;
            }
            if let Some(last) = state.spool.back_mut().filter(|_| merges && is_plain(&delta))
                && is_plain(last)
            {
                state.spool_bytes += bytes - size_of::<Delta>();
                append(last, delta);
                return;
            }
            state.spool_bytes += bytes;
            state.spool.push_back(delta);
        });
        fits
    }

    /// It is over. The first end counts.
    pub fn finish(&self, end: End) {
        self.update(WakeOn::StartAndEnd, |state| {
            if state.end.is_none() {
                state.end = Some(end);
                state.phase = Phase::Ended;
                state.ended_at = Some(Instant::now());
            }
        });
    }

    fn update(&self, news: WakeOn, change: impl FnOnce(&mut State)) {
        let mut woken = Vec::new();
        {
            let mut state = self.state();
            change(&mut state);
            if news == WakeOn::StartAndEnd {
                std::mem::swap(&mut woken, &mut state.wakers);
            } else {
                state.wakers.retain(|(wants, waker)| {
                    let wake = *wants == WakeOn::News;
                    if wake {
                        woken.push((*wants, waker.clone()));
                    }
                    !wake
                });
            }
        }
        for (_, waker) in woken {
            waker.wake();
        }
    }

    /// Reads from event `next_event` on. Events that an API reader took are gone; asking for them starts at the first kept.
    pub fn subscribe(self: &Arc<Self>, next_event: u64, wake_on: WakeOn) -> Subscription {
        self.state().subscribers += 1;
        Subscription { generation: Arc::clone(self), next_event, wake_on, has_seen_end: false }
    }
}

/// Text only, and of one kind with its neighbours: a piece that can be joined to another.
const fn is_plain(delta: &Delta) -> bool {
    delta.extra.is_empty()
}

/// Joins a piece to the one before it. Reasoning comes before the answer in every model's stream, so the order of both is kept.
fn append(last: &mut Delta, delta: Delta) {
    let joined = |first: &mut Sensitive<String>, more: Sensitive<String>| {
        let mut text = std::mem::take(first).into_inner();
        text.push_str(more.expose());
        *first = Sensitive::new(text);
    };
    joined(&mut last.content, delta.content);
    joined(&mut last.reasoning, delta.reasoning);
    last.tokens += delta.tokens;
}

/// Bytes that a piece holds in the spool.
fn delta_bytes(delta: &Delta) -> usize {
    let extra: usize = delta.extra.iter().map(|(name, value)| name.len() + value.expose().get().len()).sum();
    delta.content.expose().len() + delta.reasoning.expose().len() + extra + size_of::<Delta>()
}

/// A reader of a generation. Dropping the last one decides: API, cancel; chat, park.
#[derive(Debug)]
pub struct Subscription {
    generation: Arc<Generation>,
    next_event: u64,
    wake_on: WakeOn,
    has_seen_end: bool,
}

impl Subscription {
    /// What is subscribed to.
    pub const fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// From now on, wake at this.
    pub const fn wake_on(&mut self, wake_on: WakeOn) {
        self.wake_on = wake_on;
    }

    /// Where it stands, without taking anything.
    pub fn phase(&self) -> Phase {
        self.generation.state().phase.clone()
    }

    /// Ready when it left the queue and the engine took it up, or it ended.
    pub fn poll_started(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.generation.state();
        if matches!(state.phase, Phase::Running { .. } | Phase::Ended) {
            return Poll::Ready(());
        }
        keep_waker(&mut state.wakers, WakeOn::StartAndEnd, cx.waker());
        Poll::Pending
    }

    /// What is new since the last look; pending when nothing is.
    pub fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Look> {
        let mut state = self.generation.state();
        let held = state.spool.len() as u64;
        let last_event = state.first_event + held;
        let is_due = match self.wake_on {
            WakeOn::News => last_event > self.next_event || state.end.is_some(),
            WakeOn::StartAndEnd => state.end.is_some(),
        };
        if !is_due || self.has_seen_end {
            keep_waker(&mut state.wakers, self.wake_on, cx.waker());
            return Poll::Pending;
        }
        let look = self.take(&mut state, last_event);
        drop(state);
        self.next_event = look.next_event;
        self.has_seen_end = look.end.is_some();
        Poll::Ready(look)
    }

    fn take(&self, state: &mut State, last_event: u64) -> Look {
        let skip = usize::try_from(self.next_event.saturating_sub(state.first_event)).unwrap_or(usize::MAX);
        let deltas: Vec<Delta> = if self.generation.kind == Kind::Api {
            state.first_event = last_event;
            state.spool_bytes = 0;
            state.spool.drain(..).skip(skip).collect()
        } else {
            state.spool.iter().skip(skip).cloned().collect()
        };
        Look { phase: state.phase.clone(), deltas, next_event: last_event, end: state.end.clone() }
    }
}

fn keep_waker(wakers: &mut Vec<(WakeOn, Waker)>, wake_on: WakeOn, waker: &Waker) {
    if !wakers.iter().any(|(wants, kept)| *wants == wake_on && kept.will_wake(waker)) {
        wakers.push((wake_on, waker.clone()));
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let is_last = {
            let mut state = self.generation.state();
            state.subscribers = state.subscribers.saturating_sub(1);
            state.subscribers == 0
        };
        if is_last && self.generation.kind == Kind::Api {
            self.generation.cancel.cancel();
        }
    }
}
