//! One generation on an upstream, polled by whoever reads it.
//!
//! *Asking*: a connection is found and the head of the answer awaited. *Reading*: pieces become events. *Done*. Everything happens in the
//! reader's own task; dropped in any state, the connection is closed and the upstream stops.
//!
//! What must stay true: each wait has a deadline; the breaker hears of each outcome; `Finished` or an error is the last event.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

pub(super) use futures_util::stream::once;

use super::chunk::Progress;
use super::sse::Sse;
use super::wire::Wire;
use super::{Begun, Inner, Outcome, Report, body};
use crate::{EngineError, EngineEvent, GenerateRequest, Prompt};

/// Largest answer that comes as one JSON body.
const WHOLE_BYTES_MAX: usize = 8 << 20;

/// The stream of events.
pub(super) struct Generating {
    inner: Arc<Inner>,
    report: Report,
    state: State,
    progress: Progress,
    queue: VecDeque<EngineEvent>,
    /// What ends it once the queue is empty.
    failure: Option<EngineError>,
    /// When the whole answer must be there.
    whole_at: Instant,
}

enum State {
    Asking(BoxFuture<'static, Result<Begun, EngineError>>),
    Reading(Box<Reading>),
    Done,
}

struct Reading {
    wire: Box<Wire>,
    body: Incoming,
    format: Format,
    last_at: Instant,
    timer: Pin<Box<Sleep>>,
}

enum Format {
    Events(Sse),
    /// The upstream ignored `stream`: its one JSON body so far.
    Whole(Vec<u8>),
}

/// What a step of reading came to.
enum Step {
    /// More may come.
    Went,
    /// The answer is complete; true when the body's end was seen too.
    Complete(bool),
}

impl Generating {
    pub(super) fn new(inner: Arc<Inner>, request: Arc<GenerateRequest>, report: Report) -> Self {
        let progress = Progress::new(inner.estimate(&request).input);
        let whole_at = Instant::now() + inner.deadlines.whole;
        let asking = {
            let inner = Arc::clone(&inner);
            async move {
                let bytes = body::write_generate(&request, inner.priority);
                let path = match &request.prompt {
                    Prompt::Chat(_) => &inner.base.chat,
                    Prompt::Text(_) => &inner.base.text,
                };
                // Neither prompt nor request is held while the answer comes.
                let path = path.clone();
                drop(request);
                inner.ask_well(&path, bytes.into()).await
            }
            .boxed()
        };
        Self { inner, report, state: State::Asking(asking), progress, queue: VecDeque::new(), failure: None, whole_at }
    }

    /// Ends with an error.
    fn fail(&mut self, error: EngineError) -> Poll<Option<Result<EngineEvent, EngineError>>> {
        self.state = State::Done;
        self.report.tell_error(&error);
        Poll::Ready(Some(Err(error)))
    }

    fn begin(&mut self, begun: Begun) {
        let format = if begun.is_event_stream { Format::Events(Sse::default()) } else { Format::Whole(Vec::new()) };
        let now = Instant::now();
        let first_by = (now + self.inner.deadlines.first_byte).min(self.whole_at);
        self.state = State::Reading(Box::new(Reading {
            wire: begun.wire,
            body: begun.body,
            format,
            last_at: now,
            timer: Box::pin(tokio::time::sleep_until(first_by)),
        }));
    }

    /// Reads on until something can be told or nothing is there.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), EngineError>> {
        let State::Reading(reading) = &mut self.state else { return Poll::Ready(Ok(())) };
        let step = match reading.wire.poll_piece(&mut reading.body, cx) {
            Poll::Ready(Some(Ok(piece))) => {
                reading.last_at = Instant::now();
                reading.take_piece(&piece, &mut self.progress, &mut self.queue)
            }
            Poll::Ready(None) => reading.take_end(&mut self.progress, &mut self.queue).map(|()| Step::Complete(true)),
            Poll::Ready(Some(Err(_broken))) => {
                // What was said completely counts, also when the connection broke right after it.
                self.progress.end(&mut self.queue)?;
                self.state = State::Done;
                return Poll::Ready(Ok(()));
            }
            Poll::Pending => {
                let between = if self.progress.is_started() {
                    self.inner.deadlines.between_bytes
                } else {
                    self.inner.deadlines.first_byte
                };
                ready!(reading.poll_late(self.whole_at, between, cx));
                if Instant::now() >= self.whole_at {
                    self.progress.cut_short(&mut self.queue)?;
                } else {
                    self.progress.end(&mut self.queue)?;
                }
                self.state = State::Done;
                return Poll::Ready(Ok(()));
            }
        };
        if let Step::Complete(is_at_end) = step? {
            self.park(is_at_end);
        }
        Poll::Ready(Ok(()))
    }

    /// The answer is complete: its connection can serve again.
    fn park(&mut self, is_at_end: bool) {
        if let State::Reading(reading) = std::mem::replace(&mut self.state, State::Done) {
            let Reading { wire, body, .. } = *reading;
            self.inner.pool.give(wire, (!is_at_end).then_some(body));
        }
    }
}

impl Reading {
    fn take_piece(
        &mut self,
        piece: &[u8],
        progress: &mut Progress,
        queue: &mut VecDeque<EngineEvent>,
    ) -> Result<Step, EngineError> {
        match &mut self.format {
            Format::Events(sse) => {
                sse.feed(piece, &mut |data| progress.take_data(data, queue))?;
                Ok(if progress.is_finished() { Step::Complete(false) } else { Step::Went })
            }
            Format::Whole(bytes) => {
                if bytes.len().saturating_add(piece.len()) > WHOLE_BYTES_MAX {
                    return Err(EngineError::Protocol("answer is too long"));
                }
                bytes.extend_from_slice(piece);
                Ok(Step::Went)
            }
        }
    }

    fn take_end(&mut self, progress: &mut Progress, queue: &mut VecDeque<EngineEvent>) -> Result<(), EngineError> {
        match &mut self.format {
            Format::Events(sse) => {
                sse.finish(&mut |data| progress.take_data(data, queue))?;
                progress.end(queue)
            }
            Format::Whole(bytes) => progress.take_whole(bytes, queue),
        }
    }

    /// Ready when the upstream was silent for `between`, or when it is `whole_at`. The timer is moved only when it rings: pieces that
    /// come in time cost nothing here.
    fn poll_late(&mut self, whole_at: Instant, between: Duration, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let late_at = (self.last_at + between).min(whole_at);
            if self.timer.deadline() > late_at {
                self.timer.as_mut().reset(late_at);
            }
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= late_at {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(late_at);
        }
    }
}

impl Stream for Generating {
    type Item = Result<EngineEvent, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.queue.pop_front() {
                if matches!(event, EngineEvent::Started { .. }) {
                    this.report.tell(Outcome::Success);
                }
                return Poll::Ready(Some(Ok(event)));
            }
            match &mut this.state {
                State::Done => match this.failure.take() {
                    Some(error) => return this.fail(error),
                    None => return Poll::Ready(None),
                },
                State::Asking(asking) => match ready!(asking.as_mut().poll(cx)) {
                    Ok(begun) => this.begin(begun),
                    Err(error) => return this.fail(error),
                },
                State::Reading(_) => {
                    if let Err(error) = ready!(this.poll_read(cx)) {
                        this.failure = Some(error);
                        this.state = State::Done;
                    }
                }
            }
        }
    }
}
