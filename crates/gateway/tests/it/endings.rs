//! What becomes of a request when an engine, a reader or the platform goes: asked elsewhere, refused, settled, told.
#![allow(clippy::disallowed_methods, reason = "tests spawn what is asked beside them")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::{Method, header};
use http_body_util::BodyExt;
use rempart_domain::{AccountName, Day, KeyId, Millis, TokenCount};
use rempart_engine::{
    Capacity, Engine, EngineError, EngineEvent, EngineStatus, Estimate, EventStream, GenerateRequest,
};
use rempart_engine::{Delta, ModelInfo};
use rempart_gateway::{Limits, starting};
use rempart_store::UsageRow;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Credential, Setup, World, chat_body, engine_options};

/// An engine that serves the scripted one's model and always fails, before or after it was taken up.
struct Failing {
    error: EngineError,
    is_after_start: bool,
    asked: AtomicUsize,
}

impl Failing {
    fn new(error: EngineError, is_after_start: bool) -> Arc<Self> {
        Arc::new(Self { error, is_after_start, asked: AtomicUsize::new(0) })
    }
}

impl Engine for Failing {
    fn name(&self) -> &str {
        "failing"
    }
    fn status(&self) -> EngineStatus {
        EngineStatus::Ready
    }
    fn models(&self) -> Arc<[ModelInfo]> {
        Arc::new([ModelInfo { id: "script-1".into(), context_len: None, created: 0 }])
    }
    fn capacity(&self) -> Capacity {
        Capacity { sequences: 4, kv_tokens: 100_000 }
    }
    fn estimate(&self, _: &GenerateRequest) -> Estimate {
        Estimate { input: TokenCount(10) }
    }
    fn generate(&self, _: Arc<GenerateRequest>) -> EventStream {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut events = Vec::new();
        if self.is_after_start {
            events.push(Ok(EngineEvent::Started { input: None }));
            events.push(Ok(EngineEvent::Delta(Delta { tokens: TokenCount(1), ..Delta::default() })));
        }
        events.push(Err(self.error.clone()));
        futures_util::stream::iter(events).boxed()
    }
}

async fn world_behind(error: EngineError, is_after_start: bool) -> (World, Arc<Failing>, String) {
    let failing = Failing::new(error, is_after_start);
    let first = vec![Arc::clone(&failing) as Arc<dyn Engine>];
    let world = World::with(Setup { first, ..Setup::default() }).await;
    let (_, key) = world.register_with_key("ada").await;
    (world, failing, key)
}

#[tokio::test]
async fn an_engine_that_is_full_or_gone_is_left_for_the_next() {
    for error in [EngineError::FULL, EngineError::Unavailable, EngineError::Starting] {
        let (world, failing, key) = world_behind(error, false).await;
        for is_stream in [false, true] {
            let body = Some(chat_body("x", is_stream));
            let answer = world.call(Method::POST, "/v1/chat/completions", Credential::Key(&key), body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(is_stream || answer.json()["usage"]["completion_tokens"] == 16);
        }
        assert_eq!(failing.asked.load(Ordering::Relaxed), 2);
        let held: u32 = world.gateway.lanes().iter().flat_map(|lane| lane.snapshot().groups).map(|g| g.in_flight).sum();
        assert_eq!(held, 0, "a permit was kept");
    }
}

#[tokio::test]
async fn an_engine_that_refuses_or_had_begun_is_not_replaced_by_another() {
    for (error, is_after_start, status, code) in [
        (EngineError::ContextLength { input: 9, context_len: 8 }, false, 400, "context_length_exceeded"),
        (EngineError::NotSupported, false, 400, "bad_parameter"),
        (EngineError::Restarted, false, 503, "engine_restarted"),
    ] {
        let (world, _, key) = world_behind(error, is_after_start).await;
        world.chat(&key, "x").await.assert_refused(status, code);
    }
    let (world, _, key) = world_behind(EngineError::Unavailable, true).await;
    let answer = world.chat(&key, "x").await;
    assert_eq!(answer.json()["error"]["code"], "engine_unavailable", "{}", answer.text());
}

#[tokio::test]
async fn what_the_first_engine_said_is_told_when_none_answers() {
    let full = EngineError::Full { retry_after: Some(Millis(7_000)) };
    let failing = Failing::new(full, false);
    let first = vec![failing as Arc<dyn Engine>];
    let mut engine = engine_options(1, 1);
    engine.models = vec!["another".into()];
    let world = World::with(Setup { first, engine, ..Setup::default() }).await;
    let (_, key) = world.register_with_key("ada").await;
    let answer = world.chat(&key, "x").await;
    answer.assert_refused(503, "overloaded");
    assert_eq!(answer.header("retry-after"), "7", "the upstream's own word");
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn chats_that_the_drain_stops_are_settled_and_kept() {
    let limits = Limits { drain_ms: 100, ..Limits::default() };
    let world = World::with(Setup { limits, engine: engine_options(2, 20), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let made = world.call(Method::POST, "/api/v1/conversations", Credential::Cookie(&cookie), Some(json!({}))).await;
    let path = format!("/api/v1/conversations/{}/messages", made.json()["id"].as_str().unwrap());
    let request = world.request(Method::POST, &path, Credential::Cookie(&cookie), Some(&json!({ "text": "a b c d" })));
    let mut stream = world.open(request).await;
    let (_accepted, _delta) = (stream.body_mut().frame().await, stream.body_mut().frame().await);
    drop(stream);
    world.gateway.drain().await;
    let me = world.store.find_account_by_name(&AccountName::parse("ada").unwrap()).await.unwrap().unwrap();
    let days = world.store.read_usage(me.id, Day(0), Day(u16::MAX)).await.unwrap();
    assert_eq!(days.len(), 1, "the stopped answer was not settled");
    assert!(days[0].input > 0 && days[0].output > 0, "{days:?}");
}

#[tokio::test]
async fn a_platform_that_drains_says_so_and_refuses_all_else() {
    let world = World::with(Setup { engine: engine_options(2, 20), ..Setup::default() }).await;
    let (_, key) = world.register_with_key("ada").await;
    let request =
        world.request(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(&chat_body("x", true)));
    let running = world.open(request).await;
    let (gateway, client, url) = (Arc::clone(&world.gateway), world.client.clone(), world.url.clone());
    let draining = tokio::spawn(async move { gateway.drain().await });
    let ready = async || client.get(format!("{url}/readyz").parse().unwrap()).await;
    until("readyz says draining", async || ready().await.is_ok_and(|answer| answer.status() == 503)).await;
    let answer = world.call(Method::GET, "/readyz", Credential::None, None).await;
    assert_eq!((answer.json()["status"].as_str(), answer.header("connection")), (Some("draining"), "close"));
    assert_eq!(world.call(Method::GET, "/healthz", Credential::None, None).await.status, 200);
    world.chat(&key, "y").await.assert_refused(503, "draining");
    let rest = running.into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&rest).unwrap().ends_with("data: [DONE]\n\n"));
    draining.await.unwrap();
    until("the port is closed", async || TcpStream::connect(world.address).await.is_err()).await;
}

#[tokio::test]
async fn ports_say_that_the_platform_is_starting() {
    let listener = rempart_gateway::listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let ask = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let asked = async {
        // One that says nothing holds nobody up.
        let _silent = TcpStream::connect(address).await.unwrap();
        (ask("/healthz").await, ask("/readyz").await, ask("/v1/models").await)
    };
    let listeners = [&listener];
    let (health, ready, other) = tokio::select! {
        answers = asked => answers,
        never = starting::answer(&listeners, 4) => match never {},
    };
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("x-request-id"), "{health}");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("\"status\":\"starting\""), "{ready}");
    assert!(other.starts_with("HTTP/1.1 503") && other.contains("retry-after: 1"), "{other}");
}

/// Writes a whole request before it reads a byte of the answer, as many programs do.
async fn write_then_read(world: &World, credential: &str, len: usize) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{credential}content-length: {len}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b' '; 64 * 1024];
    for _ in 0..len.div_ceil(piece.len()) {
        stream.write_all(&piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut buffer = [0_u8; 12];
    stream.read_exact(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer).into_owned()
}

#[tokio::test]
async fn a_client_that_writes_all_before_it_reads_gets_to_read_why_it_was_refused() {
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    let by_key = format!("authorization: Bearer {key}\r\n");
    assert_eq!(write_then_read(&world, &by_key, 8 << 20).await, "HTTP/1.1 413");
    assert_eq!(write_then_read(&world, "", 192 << 10).await, "HTTP/1.1 401");
}

#[tokio::test]
async fn a_body_beyond_what_is_thrown_away_is_cut_off() {
    let world =
        World::with(Setup { limits: Limits { discard_bytes: 64 << 10, ..Limits::default() }, ..Setup::default() })
            .await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let flood = async {
        let piece = vec![b' '; 64 * 1024];
        while stream.write_all(&piece).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(5), flood).await.expect("the flood is still read");
}

fn spent(world_day: Day, account: rempart_domain::AccountId, key: KeyId, input: u64) -> UsageRow {
    let model = "script-1".to_owned();
    UsageRow { account, key: Some(key), day: world_day, model, requests: 1, input, output: 0, cached: 0, reasoning: 0 }
}

#[tokio::test]
async fn a_keys_budget_is_for_its_life_unless_it_is_said_to_be_for_days() {
    for (key_budget_days, is_open) in [(0, false), (1, true), (7, true)] {
        let world =
            World::with(Setup { limits: Limits { key_budget_days, ..Limits::default() }, ..Setup::default() }).await;
        let cookie = world.register("ada").await;
        let body = json!({ "name": "k", "budget": 1_000 });
        let made = world.call(Method::POST, "/api/v1/keys", Credential::Cookie(&cookie), Some(body)).await.json();
        let me = world.store.find_account_by_name(&AccountName::parse("ada").unwrap()).await.unwrap().unwrap();
        let id = world.store.list_keys(me.id).await.unwrap()[0].id;
        world.store.add_usage(vec![spent(Day(19_000), me.id, id, 1_000)]).await.unwrap();
        // By the start's reading, and by asking when the table does not know the key.
        for is_restored in [false, true] {
            if is_restored {
                world.gateway.restore_budgets().await.unwrap();
            }
            let answer = world.chat(made["key"].as_str().unwrap(), "x").await;
            assert_eq!(answer.status.as_u16(), if is_open { 200 } else { 402 }, "{key_budget_days}: {}", answer.text());
        }
        let usage =
            world.call(Method::GET, "/api/v1/usage", Credential::Key(made["key"].as_str().unwrap()), None).await;
        assert_eq!(usage.json()["budget"]["days"], key_budget_days);
        assert_eq!(usage.json()["budget"]["spent"].as_u64().unwrap() >= 1_000, !is_open, "{}", usage.text());
        assert!(usage.headers.get(header::CONTENT_TYPE).is_some());
    }
}

#[tokio::test]
async fn usage_is_whole_while_it_is_written() {
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    let told = async || {
        let usage = world.call(Method::GET, "/api/v1/usage", Credential::Key(&key), None).await.json();
        usage["data"].as_array().unwrap().iter().map(|day| day["requests"].as_u64().unwrap()).sum::<u64>()
    };
    for answered in 1..=40_u64 {
        assert_eq!(world.chat(&key, "x").await.status, 200);
        // An answer is settled at its end, which its reader may see a moment earlier.
        while told().await < answered {}
        let (seen, ()) = futures_util::future::join(told(), world.gateway.flush_usage()).await;
        assert_eq!(seen, answered);
        let ((), seen) = futures_util::future::join(world.gateway.flush_usage(), told()).await;
        assert_eq!(seen, answered);
    }
}
