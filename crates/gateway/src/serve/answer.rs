//! Bodies that subscribe to a generation: a stream of events, or one JSON answer after blank lines.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use rempart_domain::ReasonCode;
use tokio::time::Sleep;

use crate::body::GeneratedBody;
use crate::refusal::Refusal;
use crate::serve::generation::{End, Look, Phase, Subscription, WakeOn};
use crate::wire::openai::{AnswerWriter, Head, StreamWriter, push_keep_alive};

/// Writes what a subscriber sees into bytes.
pub trait Writer: Send + Unpin + 'static {
    /// What goes out before everything else, once.
    fn preface(&mut self) -> Option<Vec<u8>> {
        None
    }
    /// Appends a look.
    fn push(&mut self, out: &mut Vec<u8>, look: &Look);
    /// Appends a sign of life.
    fn push_alive(&mut self, out: &mut Vec<u8>, phase: &Phase);
}

impl Writer for StreamWriter {
    fn push(&mut self, out: &mut Vec<u8>, look: &Look) {
        self.push_look(out, look);
    }

    fn push_alive(&mut self, out: &mut Vec<u8>, phase: &Phase) {
        match phase {
            Phase::Queued { position, eta } => push_keep_alive(out, *position, eta.map(|e| e.0.div_ceil(1000))),
            _ => push_keep_alive(out, 0, None),
        }
    }
}

/// One JSON answer: gathered, written at the end; blank lines meanwhile.
#[derive(Debug)]
pub struct WholeAnswer {
    /// What the answer has in common with a stream's chunks.
    pub head: Head,
    answer: AnswerWriter,
}

impl WholeAnswer {
    /// An answer that has not begun.
    pub fn new(head: Head) -> Self {
        Self { head, answer: AnswerWriter::default() }
    }
}

impl Writer for WholeAnswer {
    fn push(&mut self, out: &mut Vec<u8>, look: &Look) {
        for delta in &look.deltas {
            self.answer.add(delta);
        }
        match &look.end {
            None => {}
            Some(End::Finished { reason, usage, .. }) => {
                out.extend_from_slice(&self.answer.write(&self.head, *reason, *usage));
            }
            Some(End::Failed(refusal)) => out.extend_from_slice(&refusal.to_json()),
        }
    }

    fn push_alive(&mut self, out: &mut Vec<u8>, _phase: &Phase) {
        out.push(b'\n');
    }
}

/// A body that reads a generation through a writer until its end.
pub struct GenerationBody<W> {
    subscription: Subscription,
    writer: W,
    keep_alive: Duration,
    /// Made when there is first something to wait for.
    alarm: Option<Pin<Box<Sleep>>>,
    has_written_since: bool,
    is_over: bool,
    /// Counts a late refusal, which has no status of its own any more.
    observation: std::sync::Arc<crate::observe::Observation>,
}

impl<W: Writer> GenerationBody<W> {
    /// A body over `subscription`, with a sign of life every `keep_alive` in which nothing else was written.
    pub fn new(
        subscription: Subscription,
        writer: W,
        keep_alive: Duration,
        observation: std::sync::Arc<crate::observe::Observation>,
    ) -> Self {
        Self { subscription, writer, keep_alive, alarm: None, has_written_since: false, is_over: false, observation }
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let keep_alive = self.keep_alive;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(keep_alive)));
        if alarm.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        alarm.as_mut().reset(tokio::time::Instant::now() + keep_alive);
        // Arms the timer anew.
        let _ = alarm.as_mut().poll(cx);
        Poll::Ready(())
    }
}

impl<W> std::fmt::Debug for GenerationBody<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenerationBody").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

impl<W: Writer> GeneratedBody for GenerationBody<W> {}

impl<W: Writer> http_body::Body for GenerationBody<W> {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        if let Some(preface) = this.writer.preface() {
            return Poll::Ready(Some(Ok(Frame::data(preface.into()))));
        }
        loop {
            if let Poll::Ready(look) = this.subscription.poll_look(cx) {
                this.is_over = look.end.is_some();
                if let Some(End::Failed(refusal)) = &look.end {
                    this.observation.refused(refusal.reason);
                }
                let mut out = Vec::with_capacity(256);
                this.writer.push(&mut out, &look);
                if out.is_empty() && !this.is_over {
                    continue;
                }
                this.has_written_since = true;
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
            if this.poll_alarm(cx).is_pending() {
                return Poll::Pending;
            }
            if std::mem::take(&mut this.has_written_since) {
                continue;
            }
            let mut out = Vec::with_capacity(64);
            let phase = this.subscription.phase();
            this.writer.push_alive(&mut out, &phase);
            return Poll::Ready(Some(Ok(Frame::data(out.into()))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

/// What to do with the head of an answer.
#[derive(Debug)]
pub enum Begin {
    /// Send 200 and the body.
    Head,
    /// It was refused before its head: send the refusal as such.
    Refused(Refusal),
}

/// Waits until the engine took the generation up, it failed, or `patience` is over (then the head goes out and the rest is the body's).
pub async fn begin(subscription: &mut Subscription, patience: Duration) -> Begin {
    let started = std::future::poll_fn(|cx| subscription.poll_started(cx));
    if tokio::time::timeout(patience, started).await.is_err() {
        return Begin::Head;
    }
    match subscription.early_failure() {
        Some(refusal) => Begin::Refused(refusal),
        None => Begin::Head,
    }
}

/// The bytes of an answer that is over already: its length is known, so head and body leave together.
pub(crate) fn written_whole<W: Writer>(
    subscription: &mut Subscription,
    writer: &mut W,
    observation: &crate::observe::Observation,
) -> Option<Bytes> {
    let look = subscription.try_look_at_end()?;
    if let Some(End::Failed(refusal)) = &look.end {
        observation.refused(refusal.reason);
    }
    let mut out = Vec::with_capacity(768);
    writer.push(&mut out, &look);
    Some(out.into())
}

/// Waits for the whole generation and hands over its text and end: for callers without a stream (forms).
pub async fn whole(subscription: &mut Subscription) -> (String, String, End) {
    subscription.wake_on(WakeOn::StartAndEnd);
    let (mut text, mut reasoning) = (String::new(), String::new());
    loop {
        let look = std::future::poll_fn(|cx| subscription.poll_look(cx)).await;
        for delta in &look.deltas {
            text.push_str(delta.content.expose());
            reasoning.push_str(delta.reasoning.expose());
        }
        if let Some(end) = look.end {
            return (text, reasoning, end);
        }
    }
}

impl Subscription {
    /// The refusal of a generation that ended before its first piece.
    pub fn early_failure(&self) -> Option<Refusal> {
        self.generation().failure_without_output()
    }
}

/// A reason code for an answer that was stopped by its owner is none; this names the others for logs and pages.
pub const fn reason_of(end: &End) -> Option<ReasonCode> {
    match end {
        End::Finished { .. } => None,
        End::Failed(refusal) => Some(refusal.reason),
    }
}
