//! The body of an answer: all at once, or one frame per token as it is made.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Frame as BodyFrame, SizeHint};

use super::super::driver::Running;
use super::super::text::Answer;
use super::answer::{Frame, StreamText};

/// Bytes a frame of one token usually takes.
const FRAME_LEN: usize = 384;

/// What hyper writes.
pub(super) enum Body {
    Full(Option<Bytes>),
    Stream(Box<Stream>),
}

/// A generation that is written as it is made. Dropped by hyper when the client leaves: that cancels it.
pub(super) struct Stream {
    text: StreamText,
    running: Running,
    answer: Answer,
    input: u32,
    told: u32,
    wants_usage: bool,
    is_over: bool,
}

impl Body {
    pub(super) const fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes))
    }

    pub(super) fn stream(frame: Frame, running: Running, answer: Answer, input: u32, wants_usage: bool) -> Self {
        let text = frame.into_stream();
        Self::Stream(Box::new(Stream { text, running, answer, input, told: 0, wants_usage, is_over: false }))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(BodyFrame::data(bytes)))),
            Self::Stream(stream) => stream.poll_bytes(cx).map(|bytes| bytes.map(|bytes| bytes.map(BodyFrame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(stream) => stream.is_over,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

impl Stream {
    /// The next write: every token made since the last one, and the end with it when it came.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let progress = match self.running.poll_progress(cx, self.told, true) {
            Poll::Ready(progress) => progress,
            Poll::Pending => return Poll::Pending,
        };
        if progress.is_lost {
            self.is_over = true;
            return Poll::Ready(Some(Err(io::Error::other("engine stopped"))));
        }
        let mut out = BytesMut::with_capacity(FRAME_LEN);
        if self.told == 0 {
            self.text.push_role(&mut out);
        }
        while self.told < progress.made {
            self.told += 1;
            if let Some(piece) = self.answer.next_piece() {
                self.text.push_piece(&mut out, piece);
            }
        }
        if progress.is_finished {
            self.is_over = true;
            self.text.push_end(&mut out, self.answer.reason());
            if self.wants_usage {
                self.text.push_usage(&mut out, &self.answer, self.input);
            }
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
        Poll::Ready(Some(Ok(out.freeze())))
    }
}
