//! One connection: asks, reads, and says what became of it. Plain hyper; the connection is driven by whoever waits for its answer, so
//! that a client costs one task.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::answer::{Answer, Ending, reason_of};

/// Of a refusal's body, so much is read for its reason.
const REFUSAL_BYTES_MAX: usize = 4_096;

/// Of an answer in one piece, so much is kept.
const ANSWER_BYTES_MAX: usize = 4 << 20;

type Driver = Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>;

/// A connection.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// Gone when the connection ended: what it holds in hand would otherwise be waited for for ever.
    driver: Option<Driver>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Told {
    /// Status of the head; 0 if none came.
    pub(super) status: u16,
    /// What became of it.
    pub(super) ending: Ending,
    /// When the first text (stream) or byte of the body came.
    pub(super) first: Option<Instant>,
    /// The head's fields.
    pub(super) headers: HeaderMap,
    /// The body, of answers in one piece and of refusals.
    pub(super) body: Vec<u8>,
    /// Somebody else's canary was in it.
    pub(super) is_leak: bool,
}

impl Told {
    pub(super) fn broken() -> Self {
        Self {
            status: 0,
            ending: Ending::Broken,
            first: None,
            headers: HeaderMap::new(),
            body: Vec::new(),
            is_leak: false,
        }
    }
}

impl Line {
    /// Begins HTTP/1 on a stream.
    pub(super) async fn begin(stream: TcpStream) -> Option<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        Some(Self { sender, driver: Some(Box::pin(connection)) })
    }

    /// True unless it was seen to close.
    pub(super) const fn is_open(&self) -> bool {
        self.driver.is_some()
    }

    /// The connection's turn; it is dropped with its end.
    fn go_on(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
        if driver.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
            *driver = None;
        }
    }

    /// Does `work` while the connection goes on.
    async fn drive<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            Self::go_on(driver, cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// True if it takes a request: a server that closed meanwhile is noticed here.
    pub(super) async fn is_ready(&mut self) -> bool {
        let Self { sender, driver } = self;
        poll_fn(|cx| {
            Self::go_on(driver, cx);
            Poll::Ready(())
        })
        .await;
        if driver.is_some() && Self::drive(driver, sender.ready()).await.is_err() {
            *driver = None;
        }
        driver.is_some()
    }

    /// Sends a request; the head of the answer.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Option<Response<Incoming>> {
        let Self { sender, driver } = self;
        let sent = Self::drive(driver, sender.send_request(request)).await;
        if sent.is_err() {
            *driver = None;
        }
        sent.ok()
    }

    /// The next piece of a body.
    pub(super) async fn frame(&mut self, body: &mut Incoming) -> Option<Result<Bytes, ()>> {
        let Self { driver, .. } = self;
        loop {
            match Self::drive(driver, body.frame()).await {
                None => return None,
                Some(Err(_)) => return Some(Err(())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
            }
        }
    }

    /// Sends a request and reads the answer to its end. `canary` is the only one that may be in it.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>, is_stream: bool, canary: &str) -> Told {
        self.ask_seen(request, is_stream, canary, &Cell::new(false)).await
    }

    /// The same; `has_first` is set when the first text is there.
    pub(super) async fn ask_seen(
        &mut self,
        request: Request<Full<Bytes>>,
        is_stream: bool,
        canary: &str,
        has_first: &Cell<bool>,
    ) -> Told {
        let Some(response) = self.send(request).await else { return Told::broken() };
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        let is_stream = is_stream && head.status.is_success();
        let most = if head.status.is_success() { ANSWER_BYTES_MAX } else { REFUSAL_BYTES_MAX };
        let mut told = Told { status, headers: head.headers, ..Told::broken() };
        let mut answer = Answer::new(canary);
        while let Some(data) = self.frame(&mut body).await {
            let Ok(data) = data else {
                told.ending = Ending::Cut;
                return told;
            };
            let has_text = answer.read(&data);
            if told.first.is_none() && (has_text || !is_stream) {
                told.first = Some(Instant::now());
                has_first.set(true);
            }
            if !is_stream {
                told.body.extend(data.iter().take(most.saturating_sub(told.body.len())));
            }
        }
        told.is_leak = answer.is_leak;
        told.ending = match status {
            200..300 if is_stream => answer.ending(),
            200..300 if answer.is_cut => Ending::Cut,
            // Blank lines, then a refusal: it waited too long for a status.
            200..300 if answer.has_error => Ending::Refused(reason_of(status, &told.body)),
            200..300 => Ending::Done,
            _ => Ending::Refused(reason_of(status, &told.body)),
        };
        told
    }
}
