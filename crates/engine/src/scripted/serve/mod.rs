//! The scripted engine over HTTP: an OpenAI-compatible server of its own, on plain hyper, cheap enough to sit behind benchmarks.
//!
//! What must stay true: a client that leaves frees its sequence at once (hyper drops the body, the body's generation cancels);
//! a token is one write and no JSON tree; it works on a runtime of one thread; requests wait without bound, as in vLLM, but
//! connections and bodies are bounded.
//!
//! There is no credential here: it is for loopback and closed networks, like the engines it stands for.

mod answer;
mod ask;
mod body;
mod stats;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::ask::{Ask, AskError, Route};
use self::body::Body;
use super::ScriptedOptions;
use super::driver::Driver;
use super::engine::unix_seconds;
use super::precise::PreciseTimer;
use super::text::Answer;

/// Connections at once; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 65_536;
/// A request's body.
const BODY_LEN_MAX: usize = 16 * 1024 * 1024;
/// After a failed accept (no file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection shares.
struct Shared {
    options: ScriptedOptions,
    model_names: Vec<String>,
    driver: Arc<Driver>,
    created: i64,
}

/// Serves until `shutdown`; then open connections are cut.
pub async fn serve(listener: TcpListener, options: ScriptedOptions, shutdown: CancellationToken) -> io::Result<()> {
    let driver = Arc::new(Driver::new(options.script()));
    let model_names = options.model_names();
    let shared = Arc::new(Shared { options, model_names, driver, created: unix_seconds() });
    // Dropped at the end, and all that runs in it with it.
    let mut running = JoinSet::new();
    running.spawn({
        let (driver, shutdown) = (Arc::clone(&shared.driver), shutdown.clone());
        async move { driver.run(Some(PreciseTimer::new()), shutdown).await }
    });
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            Some(_) = running.join_next() => {}
            accepted = listener.accept(), if running.len() <= CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    running.spawn(serve_connection(stream, Arc::clone(&shared)));
                }
                Err(error) => {
                    tracing::debug!(error = %error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(error = %error, "connection ended");
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(route) = Route::of(request.method(), request.uri().path()) else {
            return answer::refuse(&AskError::NotFound);
        };
        match route {
            Route::Health => respond(StatusCode::OK, "text/plain", Bytes::new()),
            Route::Models => {
                respond(StatusCode::OK, JSON, answer::models(&self.model_names, self.kv_tokens(), self.created))
            }
            Route::Metrics => respond(StatusCode::OK, "text/plain; version=0.0.4", self.metrics()),
            Route::Stats => respond(StatusCode::OK, JSON, self.stats(request.uri().query())),
            Route::Chat | Route::Completions => {
                self.generate(route, request).await.unwrap_or_else(|error| answer::refuse(&error))
            }
        }
    }

    fn kv_tokens(&self) -> u32 {
        self.driver.script().kv_tokens
    }

    async fn generate(&self, route: Route, request: Request<Incoming>) -> Result<Response<Body>, AskError> {
        let body = Limited::new(request.into_body(), BODY_LEN_MAX).collect().await.map_err(|_| AskError::TooLarge)?;
        let ask = Ask::read(route, &body.to_bytes(), self.options.answer)?;
        let is_known =
            self.options.models.is_empty() || ask.model.is_empty() || self.options.models.contains(&ask.model);
        if !is_known {
            return Err(AskError::ModelNotFound(ask.model));
        }
        let mut answer = Answer::plan(&self.options, &ask.asked.echo, &ask.wish);
        let input = ask.asked.input;
        let running = self.driver.begin(input, answer.total(), 0).map_err(AskError::Offer)?;
        answer.shorten(running.answer());
        let frame = answer::Frame { route, id: running.id(), created: unix_seconds(), model: ask.model };
        if ask.is_stream {
            let body = Body::stream(frame, running, answer, input, ask.wants_usage);
            let mut response = respond_body(StatusCode::OK, "text/event-stream; charset=utf-8", body);
            response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
            return Ok(response);
        }
        if !running.finished().await {
            return Err(AskError::Stopped);
        }
        Ok(respond(StatusCode::OK, JSON, frame.whole(answer, input)))
    }
}

const JSON: &str = "application/json";

fn respond(status: StatusCode, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    respond_body(status, content_type, Body::full(bytes))
}

fn respond_body(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

impl Route {
    /// With and without `/v1`, as engines and DeepSeek have it.
    fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        match (method, path) {
            (&Method::POST, "/chat/completions") => Some(Self::Chat),
            (&Method::POST, "/completions") => Some(Self::Completions),
            (&Method::GET, "/models") => Some(Self::Models),
            (&Method::GET, "/health") => Some(Self::Health),
            (&Method::GET, "/metrics") => Some(Self::Metrics),
            (&Method::GET, "/stats") => Some(Self::Stats),
            _ => None,
        }
    }
}
