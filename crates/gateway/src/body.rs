//! The answer's body: whole, or a stream; when it ends, however it ends, the request's record is written.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::listen::Serving;
use crate::observe::Watch;

/// A response body.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    watch: Option<Watch>,
    serving: Option<Serving>,
}

/// What subscribes to a generation.
pub(crate) trait GeneratedBody:
    http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + std::fmt::Debug
{
}

#[derive(Debug)]
enum Kind {
    Full(Option<Bytes>),
    Generated(Pin<Box<dyn GeneratedBody>>),
    Axum(axum::body::Body),
}

impl Body {
    /// All of it, at once.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Full(Some(bytes.into())), watch: None, serving: None }
    }

    /// Nothing.
    pub const fn empty() -> Self {
        Self { kind: Kind::Full(None), watch: None, serving: None }
    }

    /// What reads a generation.
    pub(crate) fn generated(body: impl GeneratedBody + 'static) -> Self {
        Self { kind: Kind::Generated(Box::pin(body)), watch: None, serving: None }
    }

    /// What a handler of the router made.
    pub const fn axum(body: axum::body::Body) -> Self {
        Self { kind: Kind::Axum(body), watch: None, serving: None }
    }

    /// The record that is written, and the place on the connection that is given back, when this body ends or is dropped.
    #[must_use]
    pub fn watched(mut self, watch: Watch, serving: Serving) -> Self {
        // hyper does not poll a body that is known to be at its end.
        let is_whole = matches!(self.kind, Kind::Full(_)) || http_body::Body::is_end_stream(&self);
        self.watch = Some(if is_whole { watch.completed() } else { watch });
        serving.reader_owes(true);
        self.serving = Some(serving);
        self
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let polled = match &mut this.kind {
            Kind::Full(bytes) => Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b)))),
            Kind::Generated(body) => body.as_mut().poll_frame(cx).map_err(|never| match never {}),
            Kind::Axum(body) => Pin::new(body).poll_frame(cx),
        };
        if let Some(serving) = &this.serving {
            serving.reader_owes(matches!(polled, Poll::Ready(Some(_))));
        }
        let is_last = polled.is_ready() && this.is_end_stream();
        if let Some(watch) = &mut this.watch {
            match &polled {
                Poll::Ready(Some(Ok(frame))) => {
                    watch.add_bytes(frame.data_ref().map_or(0, Bytes::len));
                    // hyper asks no more of a body that says it is at its end.
                    if is_last {
                        watch.complete();
                    }
                }
                Poll::Ready(None) => watch.complete(),
                Poll::Ready(Some(Err(_))) | Poll::Pending => {}
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Generated(body) => body.is_end_stream(),
            Kind::Axum(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Kind::Generated(body) => body.size_hint(),
            Kind::Axum(body) => body.size_hint(),
        }
    }
}
