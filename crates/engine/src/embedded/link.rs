//! One life of a worker as its callers see it: what is in flight, what waits to be written, and a mailbox for each generation.
//!
//! What must stay true: a mailbox holds at most one `Started`, one merged delta and one end, so a slow reader costs no queue; after
//! [`Link::close`] nothing is accepted and everything in flight has ended; a dropped stream leaves a `Cancel` behind, which is never
//! refused for room.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use futures_util::StreamExt;
use rempart_domain::{Sensitive, TokenCount, Usage};
use tokio::sync::Notify;

use crate::worker_protocol::{
    FailureFrame, FinishWord, FromWorker, GenerateParams, TO_WORKER_FRAME_BYTES_MAX, ToWorker, UsageFrame, encode_frame,
};
use crate::{Delta, EngineError, EngineEvent, EventStream, FinishReason};

/// Generations a worker is given at once, running and waiting; admission stays far below.
pub(super) const IN_FLIGHT_MAX: usize = 1024;
/// Bytes of new generations that wait to be written to the worker.
pub(super) const OUTBOX_BYTES_MAX: usize = 64 << 20;

/// One life of a worker.
#[derive(Default)]
pub(super) struct Link {
    state: Mutex<LinkState>,
    to_write: Notify,
}

#[derive(Default)]
struct LinkState {
    outbox: Vec<u8>,
    in_flight: HashMap<u64, Arc<Mailbox>>,
    last_id: u64,
    is_closed: bool,
}

impl Link {
    /// Queues a generation for the worker; dropping the stream cancels it.
    pub(super) fn submit(self: &Arc<Self>, mut params: GenerateParams) -> Result<EventStream, EngineError> {
        let mailbox = Arc::new(Mailbox::default());
        let id = {
            let mut state = self.lock();
            if state.is_closed {
                return Err(EngineError::Starting);
            }
            if state.in_flight.len() >= IN_FLIGHT_MAX || state.outbox.len() >= OUTBOX_BYTES_MAX {
                return Err(EngineError::FULL);
            }
            state.last_id += 1;
            let id = state.last_id;
            state.in_flight.insert(id, Arc::clone(&mailbox));
            id
        };
        let stream = MailboxStream { id, mailbox, link: Arc::clone(self), is_over: false };
        params.id = id;
        let mut frame = Vec::new();
        encode_frame(&mut frame, &ToWorker::Generate(Box::new(params)), TO_WORKER_FRAME_BYTES_MAX)
            .map_err(|_| too_long())?;
        self.lock().outbox.append(&mut frame);
        self.to_write.notify_one();
        Ok(stream.boxed())
    }

    /// What is to be written, as soon as there is something.
    pub(super) async fn next_write(&self) -> Vec<u8> {
        loop {
            let bytes = std::mem::take(&mut self.lock().outbox);
            if !bytes.is_empty() {
                return bytes;
            }
            self.to_write.notified().await;
        }
    }

    /// Takes what the worker said of a generation to whoever waits for it. Others have gone, and are not missed.
    pub(super) fn deliver(&self, frame: FromWorker) {
        match frame {
            FromWorker::Started { id, input, .. } => self.with(id, |mail| mail.started = Some(TokenCount(input))),
            FromWorker::Delta { id, text, tokens } => self.with(id, |mail| mail.merge(text, tokens)),
            FromWorker::Finished { id, reason, usage } => self.end(id, Ok((reason_of(reason), usage_of(usage)))),
            FromWorker::Failed { id, error } => self.end(id, Err(error_of(error))),
            FromWorker::Loaded(_) | FromWorker::LoadFailed { .. } | FromWorker::Stats(_) => {}
        }
    }

    /// The worker is gone: everything in flight ends with `error`, nothing more is taken.
    pub(super) fn close(&self, error: &EngineError) {
        let gone = {
            let mut state = self.lock();
            state.is_closed = true;
            state.outbox = Vec::new();
            std::mem::take(&mut state.in_flight)
        };
        for mailbox in gone.into_values() {
            mailbox.put(|mail| mail.end = Some(Err(error.clone())));
        }
    }

    /// Generations in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.lock().in_flight.len()
    }

    fn with(&self, id: u64, put: impl FnOnce(&mut Mail)) {
        let mailbox = self.lock().in_flight.get(&id).cloned();
        if let Some(mailbox) = mailbox {
            mailbox.put(put);
        }
    }

    fn end(&self, id: u64, end: End) {
        let mailbox = self.lock().in_flight.remove(&id);
        if let Some(mailbox) = mailbox {
            mailbox.put(|mail| mail.end = Some(end));
        }
    }

    fn cancel(&self, id: u64) {
        let mut state = self.lock();
        if state.in_flight.remove(&id).is_none() || state.is_closed {
            return;
        }
        let cancel = ToWorker::Cancel { id };
        if encode_frame(&mut state.outbox, &cancel, TO_WORKER_FRAME_BYTES_MAX).is_ok() {
            drop(state);
            self.to_write.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type End = Result<(FinishReason, Usage), EngineError>;

/// What has come for a generation and was not read yet.
#[derive(Default)]
struct Mail {
    started: Option<TokenCount>,
    text: String,
    tokens: u32,
    end: Option<End>,
    waker: Option<Waker>,
}

impl Mail {
    fn merge(&mut self, text: String, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens);
        if self.text.is_empty() {
            self.text = text;
        } else {
            self.text.push_str(&text);
        }
    }

    /// The oldest thing in here, and whether it was the last of all.
    fn take(&mut self) -> Option<(Result<EngineEvent, EngineError>, bool)> {
        if let Some(input) = self.started.take() {
            return Some((Ok(EngineEvent::Started { input: Some(input) }), false));
        }
        if self.tokens > 0 || !self.text.is_empty() {
            let content = Sensitive::new(std::mem::take(&mut self.text));
            let tokens = TokenCount(std::mem::take(&mut self.tokens));
            return Some((Ok(EngineEvent::Delta(Delta { content, tokens, ..Delta::default() })), false));
        }
        self.end.take().map(|end| (end.map(|(reason, usage)| EngineEvent::Finished { reason, usage }), true))
    }
}

#[derive(Default)]
struct Mailbox(Mutex<Mail>);

impl Mailbox {
    fn put(&self, put: impl FnOnce(&mut Mail)) {
        let waker = {
            let mut mail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            put(&mut mail);
            mail.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A caller's end of a generation.
struct MailboxStream {
    id: u64,
    mailbox: Arc<Mailbox>,
    link: Arc<Link>,
    is_over: bool,
}

impl Stream for MailboxStream {
    type Item = Result<EngineEvent, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let taken = {
            let mut mail = self.mailbox.0.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = mail.take();
            if taken.is_none() {
                mail.waker = Some(context.waker().clone());
            }
            taken
        };
        match taken {
            Some((event, is_last)) => {
                self.is_over = is_last;
                Poll::Ready(Some(event))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for MailboxStream {
    fn drop(&mut self) {
        if !self.is_over {
            self.link.cancel(self.id);
        }
    }
}

fn too_long() -> EngineError {
    EngineError::Rejected {
        message: Sensitive::new("the prompt is too long".to_owned()),
        param: Some("messages".to_owned()),
    }
}

fn reason_of(word: FinishWord) -> FinishReason {
    match word {
        FinishWord::Stop => FinishReason::Stop,
        FinishWord::Length => FinishReason::Length,
        FinishWord::InsufficientSystemResource => FinishReason::InsufficientSystemResource,
    }
}

fn usage_of(usage: UsageFrame) -> Usage {
    Usage {
        input: TokenCount(usage.input),
        output: TokenCount(usage.output),
        reasoning: TokenCount(0),
        cached_input: TokenCount(usage.cached),
    }
}

fn error_of(error: FailureFrame) -> EngineError {
    match error {
        FailureFrame::ContextLength { input, context_len } => EngineError::ContextLength { input, context_len },
        FailureFrame::Rejected { message, param } => EngineError::Rejected { message: Sensitive::new(message), param },
        FailureFrame::Full => EngineError::FULL,
        FailureFrame::Internal => EngineError::Unavailable,
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
