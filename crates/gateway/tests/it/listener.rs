//! The accept loop and the path's first steps: caps, deadlines, CORS, health, drain, records.

use std::time::Duration;

use http::{Method, header};
use http_body_util::Full;
use rempart_gateway::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Credential, Setup, World, chat_body};

#[tokio::test]
async fn a_source_gets_no_more_connections_than_its_share() {
    let limits = Limits { connections_per_source: 3, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut buffer = [0_u8; 64];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        kept.push(stream);
    }
    // The reset may come before the connection is seen to stand.
    if let Ok(mut fourth) = TcpStream::connect(world.address).await {
        let _ = fourth.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut buffer = [0_u8; 64];
        assert!(matches!(fourth.read(&mut buffer).await, Ok(0) | Err(_)));
    }
    drop(kept);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let limits = Limits { header_deadline_ms: 100, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.unwrap();
    let mut buffer = [0_u8; 64];
    let read = tokio::time::timeout(Duration::from_secs(8), stream.read(&mut buffer)).await;
    assert!(matches!(read.expect("the connection was left open"), Ok(0) | Err(_)));
}

#[tokio::test]
async fn bodies_over_their_limit_are_refused_by_length_and_by_count() {
    let world = World::new().await;
    let big = vec![b'x'; 5000];
    let request = http::Request::post(format!("{}/api/v1/registrations", world.url))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(big.clone().into()))
        .unwrap();
    world.send(request).await.assert_refused(413, "too_large");
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /api/v1/registrations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1388\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&big).await.unwrap();
    stream.write_all(b"\r\n0\r\n\r\n").await.unwrap();
    let mut buffer = [0_u8; 64];
    let len = stream.read(&mut buffer).await.unwrap();
    assert!(std::str::from_utf8(&buffer[..len]).unwrap().starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_message_with_both_framings_is_not_served_twice() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let smuggled = "POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(smuggled.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(!text.contains("\"status\":\"ok\""), "{text}");
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn preflights_are_answered_by_list() {
    let setup = Setup { cors_origins: vec!["https://app.example".into()], ..Setup::default() };
    let world = World::with(setup).await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let request = http::Request::builder()
            .method(Method::OPTIONS)
            .uri(format!("{}/v1/chat/completions", world.url))
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .body(Full::default())
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin") == origin, allowed);
    }
}

#[tokio::test]
async fn health_and_metrics_say_what_is() {
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    world.chat(&key, "x").await;
    let ready = world.call(Method::GET, "/readyz", Credential::None, None).await.json();
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["engines"]["scripted"], "ready");
    let journal = world.gateway.metrics().render();
    assert!(journal.contains("rempart_requests_total{band=\"newcomer\",outcome=\"done\"}"), "{journal}");
    assert!(journal.contains("rempart_time_to_first_token_seconds"));
}

#[tokio::test]
async fn draining_refuses_new_work_and_lets_the_old_end() {
    let world = World::with(Setup { engine: crate::world::engine_options(2, 20), ..Setup::default() }).await;
    let (_, key) = world.register_with_key("ada").await;
    let request =
        world.request(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(&chat_body("x", true)));
    let running = world.open(request).await;
    let draining = world.gateway.drain();
    let reading = async {
        use http_body_util::BodyExt;
        running.into_body().collect().await.unwrap().to_bytes()
    };
    let (_, bytes) = futures_util::future::join(draining, reading).await;
    assert!(std::str::from_utf8(&bytes).unwrap().ends_with("data: [DONE]\n\n"));
    assert!(
        TcpStream::connect(world.address).await.is_err()
            || world.client.get(format!("{}/healthz", world.url).parse().unwrap()).await.is_err()
    );
}

#[tokio::test]
async fn a_slow_reader_never_holds_the_engine() {
    use rempart_engine::Engine as _;
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    let body = chat_body("x", true).to_string();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Nothing is read from the socket; the engine must end all the same.
    for _ in 0..400 {
        let snapshot = world.gateway.lanes()[0].snapshot();
        let busy = snapshot.groups.iter().map(|g| g.in_flight).sum::<u32>();
        let rendered = world.gateway.metrics().render();
        if busy == 0
            && world.engine.load().unwrap().running == 0
            && rendered.contains("rempart_time_to_first_token_seconds_count")
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the engine is still held");
}
