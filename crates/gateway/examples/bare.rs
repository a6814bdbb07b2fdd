//! A bare hyper server on one thread: what a request costs that is read and refused at once, to compare with. `bare ADDR`.
//!
//! It reads the whole body and answers 403 with a refusal of our length. Loopback only.
#![allow(clippy::disallowed_methods, reason = "a yardstick spawns its own tasks")]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};

/// As long as a refusal of the platform, heads apart.
const BODY: &str = r#"{"error":{"message":"solve a challenge first: GET /api/v1/challenge?for=registration","type":"rempart","code":"challenge_required"}}"#;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let _body = request.into_body().collect().await?;
    let mut response = Response::new(Full::new(Bytes::from_static(BODY.as_bytes())));
    *response.status_mut() = StatusCode::FORBIDDEN;
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: std::net::SocketAddr = std::env::args().nth(1).ok_or("name the address")?.parse()?;
    if !address.ip().is_loopback() {
        return Err("loopback only".into());
    }
    let listener = tokio::net::TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            let served = server
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer));
            // Whoever hangs up is not waited for.
            drop(served.await);
        });
    }
}
