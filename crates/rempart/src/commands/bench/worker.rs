//! One connection of a load: asks, reads, notes, asks again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::CreationError;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::KEY_HEADER;
use super::figures::{Ending, Figures};

/// Of a refusal's body, so much is read for its reason code.
const REFUSAL_BYTES_MAX: usize = 4096;

/// What every connection of a run does.
#[derive(Debug)]
pub(super) struct Plan {
    /// Where.
    pub(super) address: SocketAddr,
    /// What.
    pub(super) path: Uri,
    /// How.
    pub(super) method: Method,
    /// Sent with each request.
    pub(super) headers: HeaderMap,
    /// Used in turn; may be empty.
    pub(super) keys: Vec<HeaderValue>,
    /// Sent with each request.
    pub(super) body: Bytes,
    /// The answer is a stream of events.
    pub(super) is_stream: bool,
    /// A connection for each request.
    pub(super) reconnects: bool,
    /// Time between two requests of the whole run; `None` is the closed loop.
    pub(super) interval: Option<Duration>,
    /// Not measured.
    pub(super) warmup: Duration,
    /// Measured.
    pub(super) measured: Duration,
    /// A request that takes longer is given up.
    pub(super) timeout: Duration,
    /// The next request's number, over all connections.
    pub(super) next: AtomicU64,
}

type Sender = SendRequest<Full<Bytes>>;

/// Asks until the plan's end.
pub(super) async fn run(plan: Arc<Plan>, began: Instant) -> Result<Figures, CreationError> {
    let mut figures = Figures::new()?;
    let mut drivers = JoinSet::new();
    let mut sender: Option<Sender> = None;
    let end = began + plan.warmup + plan.measured;
    loop {
        let number = plan.next.fetch_add(1, Ordering::Relaxed);
        let due = match plan.interval {
            Some(interval) => began + interval.mul_f64(as_f64(number)),
            None => Instant::now(),
        };
        if due >= end {
            return Ok(figures);
        }
        tokio::time::sleep_until(due.into()).await;
        let ending = match tokio::time::timeout(plan.timeout, ask(&plan, number, due, &mut sender, &mut drivers)).await
        {
            Ok(ending) => ending,
            Err(_) => {
                sender = None;
                failed("timeout")
            }
        };
        if matches!(ending, Ending::Failed { reason: None, .. }) {
            sender = None;
            // A server that refuses connections is not asked in a tight loop.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if plan.reconnects {
            sender = None;
        }
        while drivers.try_join_next().is_some() {}
        if due >= began + plan.warmup {
            figures.count(ending);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "requests of one run are far below 2^52")]
const fn as_f64(number: u64) -> f64 {
    number as f64
}

fn failed(kind: impl Into<String>) -> Ending {
    Ending::Failed { kind: kind.into(), reason: None }
}

async fn connect(address: SocketAddr, drivers: &mut JoinSet<()>) -> Option<Sender> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    drivers.spawn(async move { drop(connection.await) });
    Some(sender)
}

async fn ask(plan: &Plan, number: u64, due: Instant, sender: &mut Option<Sender>, drivers: &mut JoinSet<()>) -> Ending {
    let is_kept = match sender {
        Some(kept) => kept.ready().await.is_ok(),
        None => false,
    };
    if !is_kept {
        *sender = connect(plan.address, drivers).await;
    }
    let Some(sender) = sender else { return failed("connect") };
    let mut request = Request::new(Full::new(plan.body.clone()));
    *request.method_mut() = plan.method.clone();
    *request.uri_mut() = plan.path.clone();
    *request.headers_mut() = plan.headers.clone();
    let turn = usize::try_from(number).unwrap_or_default().checked_rem(plan.keys.len());
    if let Some(key) = turn.and_then(|turn| plan.keys.get(turn)) {
        request.headers_mut().insert(KEY_HEADER, key.clone());
    }
    match sender.send_request(request).await {
        Ok(response) if response.status().is_success() => read(plan, response, due).await,
        Ok(response) => refused(response).await,
        Err(_) => failed("closed"),
    }
}

async fn read(plan: &Plan, response: Response<Incoming>, due: Instant) -> Ending {
    let mut body = response.into_body();
    let (mut first, mut bytes, mut pieces, mut tail) = (None, 0_u64, 0_u64, Tail::default());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return failed("cut") };
        let Some(data) = frame.data_ref() else { continue };
        bytes += data.len() as u64;
        if plan.is_stream {
            let found = tail.read(data);
            pieces += found;
            if found > 0 && first.is_none() {
                first = Some(due.elapsed());
            }
        } else if first.is_none() {
            first = Some(due.elapsed());
        }
    }
    let total = due.elapsed();
    match (plan.is_stream, tail.is_done, tail.is_refusal) {
        (true, _, true) => failed("refused_in_stream"),
        (true, false, _) => failed("cut"),
        _ => Ending::Done { first: first.unwrap_or(total), total, bytes, pieces },
    }
}

/// Looks for text, refusals and the end in a stream of events. Events may be cut anywhere, so the last bytes are kept; an event that is
/// cut inside one of the marks counts with the piece after it.
#[derive(Debug, Default)]
struct Tail {
    kept: Vec<u8>,
    is_done: bool,
    is_refusal: bool,
}

/// What comes before text in a delta; the byte after it tells whether there is any.
const TEXT_MARK: &[u8] = b"content\":\"";
const DONE_MARK: &[u8] = b"data: [DONE]";
const REFUSAL_MARK: &[u8] = b"data: {\"error\"";
const KEPT_LEN: usize = REFUSAL_MARK.len() - 1;

impl Tail {
    /// How many deltas with text are in `data`.
    fn read(&mut self, data: &[u8]) -> u64 {
        let mut joined = std::mem::take(&mut self.kept);
        let seen = joined.len();
        joined.extend_from_slice(data);
        let ends_new = |at: usize, mark: &[u8]| at + mark.len() > seen;
        let mut pieces = 0;
        for at in find_all(&joined, TEXT_MARK) {
            let after = at + TEXT_MARK.len();
            // The byte after the mark decides; if it is new, the piece is.
            if after >= seen && joined.get(after).is_some_and(|byte| *byte != b'"') {
                pieces += 1;
            }
        }
        self.is_done |= find_all(&joined, DONE_MARK).any(|at| ends_new(at, DONE_MARK));
        self.is_refusal |= find_all(&joined, REFUSAL_MARK).any(|at| ends_new(at, REFUSAL_MARK));
        let keep_from = joined.len().saturating_sub(KEPT_LEN);
        self.kept = joined.split_off(keep_from);
        pieces
    }
}

fn find_all<'a>(text: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(mark.len()).enumerate().filter(move |(_, window)| *window == mark).map(|(at, _)| at)
}

async fn refused(response: Response<Incoming>) -> Ending {
    let kind = response.status().as_u16().to_string();
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            text.extend(data.iter().take(REFUSAL_BYTES_MAX.saturating_sub(text.len())));
        }
    }
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
    let reason = parsed.as_ref().and_then(|value| value.pointer("/error/code")).and_then(|code| code.as_str());
    Ending::Failed { kind, reason: Some(reason.unwrap_or("none").to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_counted_wherever_the_stream_is_cut() {
        let stream = b"data: {\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}\n\ndata: {\"delta\":{\"content\":\"Par\"}}\n\ndata: {\"delta\":{\"reasoning_content\":\"x\"}}\n\ndata: [DONE]\n\n";
        for len in 1..stream.len() {
            let mut tail = Tail::default();
            let pieces: u64 = stream.chunks(len).map(|chunk| tail.read(chunk)).sum();
            assert_eq!(pieces, 2, "pieces of {len} bytes");
            assert!(tail.is_done && !tail.is_refusal);
        }
    }

    #[test]
    fn a_refusal_inside_a_stream_is_no_answer() {
        let mut tail = Tail::default();
        tail.read(b": keep-alive\n\ndata: {\"err");
        tail.read(b"or\":{\"code\":\"overloaded\"}}\n\n");
        assert!(tail.is_refusal && !tail.is_done);
    }
}
