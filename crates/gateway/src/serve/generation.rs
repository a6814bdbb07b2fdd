//! A generation is an object of its own: permit, spool, event ids. An answer's body only subscribes to it.
//!
//! It is *queued* until admission lets it start, *running* while the engine works, and *ended* with a reason or a refusal. Subscribers
//! read its spool at their own pace; a subscriber that takes nothing never holds the engine, because the driving task fills the spool
//! and ends the generation when the spool is full. When the last subscriber of an API generation drops, the generation is cancelled
//! within one step of the engine; a chat generation is parked: it runs on and can be read again by event id.
//!
//! What must stay true: only the owner reads, continues or stops it; the permit is freed exactly once, whatever happens.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use rempart_domain::{
    AccountId, ConversationId, GenerationId, MessageId, Millis, Sensitive, TokenCount, UnixMillis, Usage,
};
use rempart_engine::{Delta, FinishReason};
use tokio_util::sync::CancellationToken;

use crate::refusal::Refusal;
use crate::serve::chat_log::ChatLog;

/// Who listens to a generation, and so what happens when nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Cancelled when the last subscriber leaves; what was read is forgotten.
    Api,
    /// Parked when the last subscriber leaves; everything is kept until it is removed.
    Chat,
    /// The same, but kept nowhere else, and forgotten a minute after its end.
    Temporary,
}

/// Where a chat's answer is kept.
#[derive(Debug, Clone)]
pub struct AnswerPlace {
    /// Its conversation.
    pub conversation: ConversationId,
    /// The answer itself.
    pub message: MessageId,
    /// The question it answers.
    pub parent: Option<MessageId>,
    /// The answers to the same question, this one among them.
    pub siblings: Vec<MessageId>,
    /// The model that answers.
    pub model: String,
    /// When it was begun.
    pub created: UnixMillis,
    /// What an answer that goes on had cost before.
    pub spent: Usage,
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
    /// Pieces since the last look; a chat's are one, whose id is that of the last.
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
    /// A chat's pieces.
    log: ChatLog,
    /// An API answer's pieces that were not read yet.
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
    place: OnceLock<AnswerPlace>,
    /// Ended by us, not by its owner: it can go on.
    is_interrupted: AtomicBool,
    /// Events that the store knows of.
    checkpointed: AtomicU64,
}

impl Generation {
    /// A queued generation.
    pub fn new(id: GenerationId, owner: AccountId, kind: Kind) -> Arc<Self> {
        Self::with(id, owner, kind, ChatLog::default())
    }

    /// A queued generation that goes on with an answer.
    pub fn going_on(id: GenerationId, owner: AccountId, said: &str, reasoning: &str) -> Arc<Self> {
        Self::with(id, owner, Kind::Chat, ChatLog::after(said, reasoning))
    }

    fn with(id: GenerationId, owner: AccountId, kind: Kind, log: ChatLog) -> Arc<Self> {
        Arc::new(Self {
            id,
            owner,
            kind,
            cancel: CancellationToken::new(),
            state: Mutex::new(State {
                phase: Phase::Queued { position: 0, eta: None },
                log,
                spool: VecDeque::new(),
                first_event: 0,
                spool_bytes: 0,
                end: None,
                wakers: Vec::new(),
                subscribers: 0,
                ended_at: None,
            }),
            place: OnceLock::new(),
            is_interrupted: AtomicBool::new(false),
            checkpointed: AtomicU64::new(0),
        })
    }

    /// Says where the answer is kept; once, before it starts.
    pub fn set_place(&self, place: AnswerPlace) {
        // A second place would be a mistake of ours; the first stands.
        let _ = self.place.set(place);
    }

    /// Where the answer is kept; `None` if it is not.
    pub fn place(&self) -> Option<&AnswerPlace> {
        self.place.get()
    }

    /// Who listens to it, and what happens when nobody does.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of text that it holds.
    pub fn bytes(&self) -> usize {
        let state = self.state();
        state.log.bytes() + state.spool_bytes
    }

    /// Readers now.
    pub fn subscribers(&self) -> usize {
        self.state().subscribers
    }

    /// Answer and reasoning so far, if the store does not know of all of it yet.
    pub fn take_checkpoint(&self) -> Option<(String, String)> {
        let state = self.state();
        let events = state.log.len() as u64;
        if state.end.is_some() || self.checkpointed.swap(events, Ordering::Relaxed) == events {
            return None;
        }
        let (content, reasoning) = state.log.texts();
        Some((content.to_owned(), reasoning.to_owned()))
    }

    /// The answer's text before event `next`.
    pub fn text_before(&self, next: u64) -> String {
        self.state().log.content_before(usize::try_from(next).unwrap_or(usize::MAX)).to_owned()
    }

    /// Stops it because the platform stops: what was generated stands, and can go on later.
    pub fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Release);
        self.stop();
    }

    /// True if [`Generation::interrupt`] ended it.
    pub fn was_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Acquire)
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

    /// Whether it lives only as long as somebody listens.
    pub fn is_api(&self) -> bool {
        self.kind == Kind::Api
    }

    /// How long ago it ended.
    pub fn ended_for(&self) -> Option<Millis> {
        let ended_at = self.state().ended_at?;
        Some(Millis(u64::try_from(ended_at.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }

    /// Everything a chat said so far, answer and reasoning.
    pub fn text(&self) -> (String, String) {
        let state = self.state();
        let (content, reasoning) = state.log.texts();
        (content.to_owned(), reasoning.to_owned())
    }

    /// Why it failed, if it failed before its first piece: then a refusal can still be the whole answer.
    pub fn failure_without_output(&self) -> Option<Refusal> {
        let state = self.state();
        match &state.end {
            Some(End::Failed(refusal)) if state.first_event == 0 && state.spool.is_empty() && state.log.len() == 0 => {
                Some(refusal.clone())
            }
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
        let is_api = self.kind == Kind::Api;
        self.update(WakeOn::News, |state| {
            if !is_api {
                fits = state.log.push(&delta, spool_bytes_max);
                return;
            }
            if state.spool_bytes + bytes > spool_bytes_max {
                fits = false;
                return;
            }
            // Pieces that an API reader has not taken yet become one: a long answer costs its text.
            if let Some(last) = state.spool.back_mut().filter(|_| is_plain(&delta))
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
        let mut state = self.state();
        state.subscribers += 1;
        // Whoever names an event that was never sent reads from the end.
        let next_event = if self.kind == Kind::Api { next_event } else { next_event.min(state.log.len() as u64) };
        drop(state);
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

    /// The event that is read next.
    pub const fn next_event(&self) -> u64 {
        self.next_event
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
        let last_event = match self.generation.kind {
            Kind::Api => state.first_event + state.spool.len() as u64,
            Kind::Chat | Kind::Temporary => state.log.len() as u64,
        };
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
        let deltas: Vec<Delta> = if self.generation.kind == Kind::Api {
            let skip = usize::try_from(self.next_event.saturating_sub(state.first_event)).unwrap_or(usize::MAX);
            state.first_event = last_event;
            state.spool_bytes = 0;
            state.spool.drain(..).skip(skip).collect()
        } else {
            // What gathered is one piece: a reader who comes late is told all at once, not event by event.
            let next = usize::try_from(self.next_event).unwrap_or(usize::MAX);
            state.log.since(next).into_iter().collect()
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
