//! The accept loop: connection caps, deadlines for heads, idleness and slow readers, HTTP/1 and HTTP/2 limits.
//!
//! `axum::serve` sets no header deadline and no caps; this loop is ours. A connection carries a watchdog instead of timers for each
//! request: reads and writes note the time in atomics, the watchdog looks at them every few seconds and ends the connection that has
//! stalled. What must stay true: a connection over a cap costs an accept and a reset; nothing here allocates by what a caller says.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rempart_domain::Millis;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::Gateway;
use crate::body::Body;
use crate::ctx::{ConnFacts, Side, Source};
pub use crate::door::Connections;
use crate::door::{Caps, Place};

/// Pending connections that the kernel holds for us.
const BACKLOG: i32 = 4096;

/// How often a connection's watchdog looks.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Binds a listener: address reuse, no dual stack (an IPv6 listener is IPv6 only, so that `[::]` and `0.0.0.0` stand side by side).
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// What a connection's reads, writes and requests note for its watchdog. Times are milliseconds of the platform's clock.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Requests that are being served.
    serving: AtomicUsize,
    /// When the last request ended, or the connection began.
    idle_since: AtomicU64,
    /// When bytes of a head came that no request has been made of yet, plus one; 0 when none wait.
    head_since: AtomicU64,
    /// When a write found no room, plus one; 0 when writes go through.
    stalled_since: AtomicU64,
    /// HTTP/2: its frames are no heads, and a reader can stop one answer by flow control while the socket is drained.
    is_http2: AtomicBool,
    /// The connection is served by the members' threads from now on.
    rises: AtomicBool,
    /// For each answer over HTTP/2 when its reader last took something and owes the next taking, plus one; 0 when we owe it.
    readers: Mutex<Vec<Weak<AtomicU64>>>,
}

/// Forgotten readers are cleared away when there are so many.
const READERS_KEPT: usize = 64;

impl Pulse {
    fn begin_reader(&self) -> Arc<AtomicU64> {
        self.is_http2.store(true, Ordering::Relaxed);
        let reader = Arc::new(AtomicU64::new(0));
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() >= READERS_KEPT {
            readers.retain(|reader| reader.strong_count() > 0);
        }
        readers.push(Arc::downgrade(&reader));
        reader
    }

    /// Since when the slowest reader takes nothing, plus one; 0 when none does.
    fn slowest_reader(&self) -> u64 {
        if !self.is_http2.load(Ordering::Relaxed) {
            return 0;
        }
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|reader| reader.strong_count() > 0);
        let since = readers.iter().filter_map(Weak::upgrade).map(|reader| reader.load(Ordering::Relaxed));
        since.filter(|since| *since > 0).min().unwrap_or(0)
    }
}

/// A request is being served, until this is dropped.
#[derive(Debug)]
pub struct Serving {
    pulse: Arc<Pulse>,
    gateway: Arc<Gateway>,
    reader: Option<Arc<AtomicU64>>,
}

impl Serving {
    fn begin(gateway: &Arc<Gateway>, pulse: &Arc<Pulse>, version: http::Version) -> Self {
        pulse.serving.fetch_add(1, Ordering::Relaxed);
        pulse.head_since.store(0, Ordering::Relaxed);
        let reader = (version == http::Version::HTTP_2).then(|| pulse.begin_reader());
        Self { pulse: Arc::clone(pulse), gateway: Arc::clone(gateway), reader }
    }

    /// The reader has something to take, or (`false`) waits for us. Over HTTP/1 the socket tells as much.
    pub(crate) fn reader_owes(&self, owes: bool) {
        if let Some(reader) = &self.reader {
            reader.store(if owes { self.gateway.clock.now().0 + 1 } else { 0 }, Ordering::Relaxed);
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.pulse.idle_since.store(self.gateway.clock.now().0, Ordering::Relaxed);
        self.pulse.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The socket, noting when bytes come and when writes stall.
struct Watched {
    /// `None` only if it could not be taken along to the members' threads.
    stream: Option<TcpStream>,
    pulse: Arc<Pulse>,
    gateway: Arc<Gateway>,
    /// It was taken along: the members' threads are told when it is ready.
    has_risen: bool,
}

impl Watched {
    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if !self.has_risen && self.pulse.rises.load(Ordering::Relaxed) {
            self.has_risen = true;
            let stream = self.stream.take().map(TcpStream::into_std).transpose()?;
            self.stream = stream.map(TcpStream::from_std).transpose()?;
        }
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.stream()?.poll_read(cx, buf);
        if polled.is_ready()
            && buf.filled().len() > before
            && self.pulse.serving.load(Ordering::Relaxed) == 0
            && self.pulse.head_since.load(Ordering::Relaxed) == 0
        {
            self.pulse.head_since.store(self.gateway.clock.now().0 + 1, Ordering::Relaxed);
        }
        polled
    }
}

impl Watched {
    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        let stalled = self.pulse.stalled_since.load(Ordering::Relaxed);
        match (&polled, stalled) {
            (Poll::Pending, 0) => self.pulse.stalled_since.store(self.gateway.clock.now().0 + 1, Ordering::Relaxed),
            (Poll::Ready(_), 1..) => self.pulse.stalled_since.store(0, Ordering::Relaxed),
            _ => {}
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.stream()?.poll_write(cx, buf);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.stream()?.poll_write_vectored(cx, bufs);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

/// Connections that are taken before everything else on the strangers' threads has its turn: a member's new connection among those of a
/// flood waits for the taking of what came before it (8 us each), not for the answering (40 us).
const ACCEPTED_AT_ONCE: u64 = 64;

/// The same where strangers' connections have no threads of their own: there it is the members' work that would wait.
const ACCEPTED_AT_ONCE_BESIDE_MEMBERS: u64 = 4;

/// Accepts until the platform stops.
pub async fn accept_loop(gateway: Arc<Gateway>, listener: TcpListener, side: Side) {
    let stop = gateway.closed.clone();
    let is_apart = gateway.tasks.has_strangers_threads();
    // Bound elsewhere: from here on the threads that accept are told of its connections.
    let listener = match listener.into_std().and_then(TcpListener::from_std) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(error = %error, "a listener cannot be used"),
    };
    let at_once = if is_apart { ACCEPTED_AT_ONCE } else { ACCEPTED_AT_ONCE_BESIDE_MEMBERS };
    for turn in 1_u64.. {
        if turn.is_multiple_of(at_once) {
            tokio::task::yield_now().await;
        }
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit_connection(&gateway, stream, peer, side),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: accepting again at once would spin.
                tracing::warn!(error = %error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn admit_connection(gateway: &Arc<Gateway>, stream: TcpStream, peer: SocketAddr, side: Side) {
    let source = Source::of(peer.ip());
    let is_trusted_proxy = gateway.config.trusted_proxies.iter().any(|p| p.contains(peer.ip()));
    let per_source = if is_trusted_proxy { u64::MAX } else { gateway.limits.connections_per_source };
    let (limits, now) = (&gateway.limits, gateway.clock.now());
    let place = match side {
        // While the platform drains, only health and refusals are told, and whoever asks keeps it from ending no longer.
        _ if gateway.draining.is_cancelled() => {
            let all = limits.connections_late;
            gateway.late_connections.take(source, Caps { all, per_source: all, reserved: 0 }, now)
        }
        Side::Public => {
            let reserved = limits.connections / 100 * limits.connections_reserved_percent.min(100);
            gateway.connections.take(source, Caps { all: limits.connections, per_source, reserved }, now)
        }
        Side::Console => {
            let all = limits.connections_console;
            gateway.console_connections.take(source, Caps { all, per_source: all, reserved: 0 }, now)
        }
    };
    let Some(place) = place else {
        gateway.counters.connections_refused.increment(1);
        // Closing with zero linger sends a reset and leaves no socket in TIME_WAIT.
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        return;
    };
    let _ = stream.set_nodelay(true);
    let manners = Arc::clone(&place.manners);
    // Who is a member nobody knows yet. Where members were seen, and nobody is being refused, it is likely.
    let is_likely = place.is_known && !gateway.pacer.is_noisy(source, now);
    let conn = Arc::new(ConnFacts { peer, side, source, is_trusted_proxy, manners });
    let (gateway, tasks) = (Arc::clone(gateway), gateway.tasks.clone());
    let is_apart = side == Side::Public && tasks.has_strangers_threads();
    if !is_apart {
        tasks.spawn_light(serve_connection(gateway, stream, conn, place, false));
    } else if !is_likely {
        tasks.spawn_for_stranger(serve_connection(gateway, stream, conn, place, true));
    } else if let Ok(stream) = stream.into_std() {
        // Accepting tied the socket to the strangers' threads.
        tasks.spawn_light(async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                serve_connection(gateway, stream, conn, place, false).await;
            }
        });
    }
}

/// A connection and what ends it.
struct Attended<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    gateway: Arc<Gateway>,
    pulse: Arc<Pulse>,
    place: Place,
    served: Pin<Box<auto::Connection<'static, TokioIo<Watched>, S, TokioExecutor>>>,
    stop: CancellationToken,
    is_stopping: bool,
    is_closing: bool,
}

async fn serve_connection(
    gateway: Arc<Gateway>,
    stream: TcpStream,
    conn: Arc<ConnFacts>,
    place: Place,
    is_strangers: bool,
) {
    let pulse = Arc::new(Pulse::default());
    let now = gateway.clock.now().0;
    pulse.idle_since.store(now, Ordering::Relaxed);
    pulse.head_since.store(now + 1, Ordering::Relaxed);
    let watched =
        Watched { stream: Some(stream), pulse: Arc::clone(&pulse), gateway: Arc::clone(&gateway), has_risen: false };
    let service = {
        let (gateway, pulse) = (Arc::clone(&gateway), Arc::clone(&pulse));
        service_fn(move |request: Request<Incoming>| {
            let serving = Serving::begin(&gateway, &pulse, request.version());
            let (gateway, conn) = (Arc::clone(&gateway), Arc::clone(&conn));
            async move {
                let is_http1 = request.version() <= http::Version::HTTP_11;
                let mut response = crate::path::run(Arc::clone(&gateway), conn, serving, request).await;
                if is_http1 && gateway.draining.is_cancelled() {
                    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        })
    };
    let served = http_builder(&gateway).serve_connection(TokioIo::new(watched), service).into_owned();
    // A connection that comes while the platform drains is told so, and ends with its answer or with the drain.
    let is_late = gateway.draining.is_cancelled();
    let stop = if is_late { gateway.closed.clone() } else { gateway.draining.clone() };
    let tasks = gateway.tasks.clone();
    let served = Box::pin(served);
    let mut attended = Attended { gateway, pulse, place, served, stop, is_stopping: false, is_closing: false };
    if attended.attend(is_strangers).await {
        attended.pulse.rises.store(true, Ordering::Relaxed);
        attended.gateway.counters.connections_moved.increment(1);
        tasks.spawn_light(async move {
            attended.attend(false).await;
        });
    }
}

impl<S> Attended<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    /// Serves it to its end; true if strangers' threads have it and a member asks on it: then it goes on among the members'.
    async fn attend(&mut self, is_strangers: bool) -> bool {
        let Self { gateway, pulse, place, served, stop, is_stopping, is_closing } = self;
        loop {
            tokio::select! {
                // In this order: what a request asked to happen to its connection happens before the request goes on.
                biased;
                () = place.manners.rise.notified(), if is_strangers => return true,
                _ = served.as_mut() => return false,
                () = place.manners.end.notified() => return false,
                () = place.manners.close.notified(), if !*is_closing => {
                    *is_closing = true;
                    served.as_mut().graceful_shutdown();
                }
                () = watchdog(gateway, pulse) => {
                    gateway.counters.connections_stalled.increment(1);
                    return false;
                }
                () = stop.cancelled(), if !*is_stopping => {
                    *is_stopping = true;
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Returns when the connection has stalled: a head that does not end, idleness, a reader that takes nothing.
async fn watchdog(gateway: &Gateway, pulse: &Pulse) {
    let limits = &gateway.limits;
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let now = gateway.clock.now();
        let over = |since: u64, limit_ms: u64| since > 0 && now.since(Millis(since - 1)).0 >= limit_ms;
        let serving = pulse.serving.load(Ordering::Relaxed) > 0;
        let idle_since = pulse.idle_since.load(Ordering::Relaxed);
        let is_stalled = over(pulse.stalled_since.load(Ordering::Relaxed), limits.write_stall_ms)
            || over(pulse.slowest_reader(), limits.write_stall_ms)
            || (!serving
                && !pulse.is_http2.load(Ordering::Relaxed)
                && over(pulse.head_since.load(Ordering::Relaxed), limits.header_deadline_ms))
            || (!serving && over(idle_since + 1, limits.idle_ms));
        if is_stalled {
            return;
        }
    }
}

fn http_builder(gateway: &Gateway) -> auto::Builder<TokioExecutor> {
    let limits = &gateway.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let as_usize = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(as_usize(limits.header_bytes).max(8192))
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(limits.http2_streams).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(as_usize(limits.http2_pending_resets))
        .max_local_error_reset_streams(as_usize(limits.http2_local_resets))
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
