//! What is told while the platform starts: ports are bound before the store is opened, and a store that migrates takes its time.
//!
//! Health is told as it is, everything else is refused. What must stay true: nothing here needs a store, a key or an engine; connections
//! are few, short and answered once; whoever is still connected when the platform is ready connects again.

use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rempart_domain::{Millis, ReasonCode, RequestId};
use tokio::net::{TcpListener, TcpStream};

use crate::body::Body;
use crate::refusal::{Refusal, set_request_id};

/// Time for a head to come.
const HEAD_DEADLINE: Duration = Duration::from_secs(1);

/// Time for all of a connection.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(3);

/// Pause after an accept that failed: out of file descriptors it would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers at all of `listeners`, at most `connections_max` at once, until it is dropped.
pub async fn answer(listeners: &[&TcpListener], connections_max: u64) -> Infallible {
    let most = usize::try_from(connections_max).unwrap_or(usize::MAX).max(1);
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = accept(listeners), if open.len() < most => match accepted {
                Ok(stream) => open.push(tokio::time::timeout(CONNECTION_DEADLINE, serve(stream))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = open.next(), if !open.is_empty() => {}
        }
    }
}

async fn accept(listeners: &[&TcpListener]) -> std::io::Result<TcpStream> {
    std::future::poll_fn(|cx| {
        let accepted = listeners.iter().map(|listener| listener.poll_accept(cx)).find(Poll::is_ready);
        accepted.unwrap_or(Poll::Pending).map(|accepted| accepted.map(|(stream, _)| stream))
    })
    .await
}

async fn serve(stream: TcpStream) {
    let service = service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(say(request.uri().path())));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).keep_alive(false);
    // Whether the client stayed to read it is its own affair.
    let _gone = builder.serve_connection(TokioIo::new(stream), service).await;
}

fn say(path: &str) -> Response<Body> {
    let request_id = RequestId::from_bits(crate::random_seed());
    let (status, body) = match path {
        "/healthz" => (StatusCode::OK, r#"{"status":"ok"}"#),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"starting","engines":{}}"#),
        _ => {
            let refusal =
                Refusal::new(ReasonCode::StorageUnavailable, "this server is starting: ask again in a moment");
            return refusal.retry_after(Millis(1_000)).into_response(request_id, false);
        }
    };
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set_request_id(headers, request_id);
    response
}
