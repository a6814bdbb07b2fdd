//! One HTTP/1.1 connection to an upstream, and a pool of idle ones.
//!
//! A connection is driven by whoever uses it, inside their own task: no task of its own, no hop between threads, and dropping the user
//! closes the socket, which is how an upstream learns that nobody listens any more.
//!
//! What must stay true: at most [`Pool::new`]'s bound of connections idle; a connection whose answer was not read to its end is reused only
//! after the rest has come and is small.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_service::Service;

/// Longest a connection may lie idle.
const IDLE_MAX: Duration = Duration::from_secs(55);

/// How many idle connections are looked at before a new one is opened.
const LOOKS_MAX: usize = 4;

/// What may be left of an answer on a connection that is to be reused.
const LEFTOVER_BYTES_MAX: usize = 16 * 1024;

/// Largest read buffer of a connection; a head larger than this is refused.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How we name ourselves.
pub(super) const USER_AGENT: &str = concat!("rempart/", env!("CARGO_PKG_VERSION"));

type Io = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens connections: plain or TLS by the address, web roots, no proxy.
#[derive(Clone)]
pub(crate) struct Connector(HttpsConnector<HttpConnector>);

/// Why no connection or no answer came. Says nothing of the content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// TLS could not be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// Name, connect or handshake failed.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The connection ended and left its answer open.
    #[error("the connection ended")]
    Closed,
    /// A deadline passed.
    #[error("a deadline passed")]
    TimedOut,
}

impl Connector {
    /// Sets TLS up; `connect` bounds name resolution, connecting and handshakes together only through [`Wire::open`].
    pub(crate) fn new() -> Result<Self, WireError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(30)));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(WireError::Tls)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self(connector))
    }
}

/// A connection and the right to send on it.
pub(crate) struct Wire {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: http1::Connection<Io, Full<Bytes>>,
    is_closed: bool,
    is_reused: bool,
}

impl Wire {
    /// Connects to the host of `uri` within `deadline`.
    pub(crate) async fn open(connector: &Connector, uri: &Uri, deadline: Duration) -> Result<Box<Self>, WireError> {
        let mut service = connector.0.clone();
        let connect = async {
            std::future::poll_fn(|cx| service.poll_ready(cx)).await.map_err(WireError::Connect)?;
            let io = service.call(uri.clone()).await.map_err(WireError::Connect)?;
            let mut builder = http1::Builder::new();
            builder.max_buf_size(READ_BUFFER_BYTES_MAX);
            builder.handshake(io).await.map_err(WireError::Broken)
        };
        let (sender, connection) = tokio::time::timeout(deadline, connect).await.map_err(|_| WireError::TimedOut)??;
        // It is handed from pool to request to answer and back: a pointer, not half a kilobyte.
        Ok(Box::new(Self { sender, connection, is_closed: false, is_reused: false }))
    }

    /// True when it served an earlier request: its peer may have closed it meanwhile.
    pub(crate) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, WireError> {
        let Self { sender, connection, is_closed, .. } = self;
        let mut answer = pin!(sender.send_request(request));
        std::future::poll_fn(|cx| {
            if !*is_closed {
                *is_closed = Pin::new(&mut *connection).poll(cx).is_ready();
            }
            // The answer moves only while the connection is polled, which wakes us: it needs no waker of its own (each would wake this
            // very task once more for nothing).
            match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => Poll::Ready(answer.map_err(WireError::Broken)),
                Poll::Pending if *is_closed => Poll::Ready(Err(WireError::Closed)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// The next piece of the answer; `None` at its end.
    pub(crate) fn poll_piece(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, WireError>>> {
        // As in `send`: the connection wakes us, the body need not.
        let mut quiet = Context::from_waker(Waker::noop());
        loop {
            let mut frame = Pin::new(&mut *body).poll_frame(&mut quiet);
            if frame.is_pending() && !self.is_closed {
                self.is_closed = Pin::new(&mut self.connection).poll(cx).is_ready();
                frame = Pin::new(&mut *body).poll_frame(&mut quiet);
            }
            return match frame {
                Poll::Pending if self.is_closed => Poll::Ready(Some(Err(WireError::Closed))),
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(WireError::Broken(error)))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => continue,
                },
            };
        }
    }

    /// A plain GET, for files: an answer that is read with [`Wire::next_piece`].
    pub(crate) async fn get(&mut self, url: &Uri, mut headers: HeaderMap) -> Result<Answer, WireError> {
        let authority = url.authority().map_or("", http::uri::Authority::as_str);
        if let Ok(host) = HeaderValue::try_from(authority) {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut request = Request::new(Full::new(Bytes::new()));
        let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        *request.uri_mut() = path.parse().unwrap_or_default();
        *request.headers_mut() = headers;
        let (head, body) = self.send(request).await?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// The next piece of an [`Answer`].
    pub(crate) async fn next_piece(&mut self, answer: &mut Answer) -> Option<Result<Bytes, WireError>> {
        self.piece(&mut answer.body).await
    }

    /// The next piece, awaited.
    pub(crate) async fn piece(&mut self, body: &mut Incoming) -> Option<Result<Bytes, WireError>> {
        std::future::poll_fn(|cx| self.poll_piece(body, cx)).await
    }

    /// Reads the whole answer, or its beginning: no more than `bytes_max` bytes are kept, and whether that was all is told.
    pub(crate) async fn collect(
        &mut self,
        body: &mut Incoming,
        bytes_max: usize,
    ) -> Result<(Vec<u8>, bool), WireError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece(body).await {
            let piece = piece?;
            let room = bytes_max.saturating_sub(whole.len());
            whole.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            if piece.len() > room {
                return Ok((whole, false));
            }
        }
        Ok((whole, true))
    }

    /// Whether the connection can take a request now; polls it once.
    fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_closed {
            self.is_closed = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
        !self.is_closed && self.sender.is_ready()
    }
}

/// The answer to [`Wire::get`].
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
}

/// A connection that waits for its next request.
struct Idle {
    wire: Box<Wire>,
    /// The end of the last answer, if it was not there yet when the answer was complete (the last chunk of a chunked body).
    leftover: Option<Incoming>,
    leftover_bytes: usize,
    since: Instant,
}

impl Idle {
    fn look(&mut self, now: Instant) -> Look {
        if now.duration_since(self.since) > IDLE_MAX {
            return Look::Dead;
        }
        let mut cx = Context::from_waker(Waker::noop());
        while let Some(body) = &mut self.leftover {
            match self.wire.poll_piece(body, &mut cx) {
                Poll::Pending => return Look::Busy,
                Poll::Ready(None) => self.leftover = None,
                Poll::Ready(Some(Ok(piece))) if self.leftover_bytes + piece.len() <= LEFTOVER_BYTES_MAX => {
                    self.leftover_bytes += piece.len();
                }
                Poll::Ready(Some(_)) => return Look::Dead,
            }
        }
        match self.wire.is_ready(&mut cx) {
            true => Look::Ready,
            false if self.wire.is_closed => Look::Dead,
            false => Look::Busy,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Look {
    Ready,
    /// The end of the last answer is still on its way.
    Busy,
    Dead,
}

/// Idle connections to one upstream; the one used last is used next.
pub(crate) struct Pool {
    idle: Mutex<Vec<Idle>>,
    idle_max: usize,
}

impl Pool {
    /// Keeps at most `idle_max` connections.
    pub(crate) const fn new(idle_max: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), idle_max }
    }

    /// An idle connection that can be used at once.
    pub(crate) fn take(&self) -> Option<Box<Wire>> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = idle.len();
        for _ in 0..LOOKS_MAX {
            index = index.checked_sub(1)?;
            match idle.get_mut(index)?.look(now) {
                Look::Ready => {
                    let mut wire = idle.remove(index).wire;
                    wire.is_reused = true;
                    return Some(wire);
                }
                Look::Busy => {}
                Look::Dead => drop(idle.remove(index)),
            }
        }
        None
    }

    /// Gives a connection back once its answer is complete; `leftover` is the body if its end was not seen.
    pub(crate) fn give(&self, wire: Box<Wire>, leftover: Option<Incoming>) {
        if wire.is_closed && leftover.is_none() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.idle_max {
            idle.push(Idle { wire, leftover, leftover_bytes: 0, since: Instant::now() });
        }
    }

    /// Closes what its peer closed or what lay too long.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|entry| entry.look(now) != Look::Dead);
    }
}
