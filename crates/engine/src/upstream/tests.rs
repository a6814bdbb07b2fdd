//! The upstream engine against a server of our own that misbehaves as told.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use futures_util::StreamExt as _;
use rempart_domain::{Band, Secret, Sensitive, TokenCount};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{Deadlines, Priority, UpstreamEngine, UpstreamOptions};
use crate::test_server::{Exchange, Server};
use crate::{
    Capacity, EmbedRequest, Engine, EngineError, EngineEvent, EngineStatus, FinishReason, GenerateRequest, Prompt,
    Sampling,
};

const SSE_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
const HELLO: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"你好\"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";

fn engine_with(url: &str, change: impl FnOnce(&mut UpstreamOptions)) -> Arc<UpstreamEngine> {
    let mut options = UpstreamOptions {
        name: "up".to_owned(),
        url: url.to_owned(),
        api_key: Some(Secret::new("sk-test-key".to_owned())),
        models: vec!["small".to_owned()],
        capacity: Capacity { sequences: 4, kv_tokens: 1_000 },
        priority: Priority::None,
        deadlines: Deadlines { connect: Duration::from_secs(5), ..Deadlines::default() },
    };
    change(&mut options);
    UpstreamEngine::new(options).unwrap()
}

fn engine(server: &Server) -> Arc<UpstreamEngine> {
    engine_with(&server.url, |_| {})
}

fn request() -> Arc<GenerateRequest> {
    let messages = r#"[{"role":"user","content":"hi"}]"#;
    Arc::new(GenerateRequest {
        model: "small".to_owned(),
        prompt: Prompt::Chat(Sensitive::new(RawValue::from_string(messages.to_owned()).unwrap())),
        max_tokens: Some(TokenCount(8)),
        sampling: Sampling::default(),
        is_whole: false,
        is_json_object: false,
        extra: Vec::new(),
        account: None,
        band: Band::Member,
        prefill_slice: None,
    })
}

/// Everything a generation sends, in short.
async fn generate(engine: &UpstreamEngine) -> Vec<String> {
    engine.generate(request()).map(|event| shown(&event)).collect().await
}

fn shown(event: &Result<EngineEvent, EngineError>) -> String {
    match event {
        Ok(EngineEvent::Started { .. }) => "started".to_owned(),
        Ok(EngineEvent::Delta(delta)) => delta.content.expose().clone(),
        Ok(EngineEvent::Finished { reason, usage }) => {
            format!("{} {}+{}", reason.as_str(), usage.input.0, usage.output.0)
        }
        Err(error) => format!("{error:?}"),
    }
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A whole streamed answer.
fn answer() -> String {
    format!("{SSE_HEAD}{}{}0\r\n\r\n", chunk(HELLO), chunk(END))
}

const WELL: [&str; 3] = ["started", "你好", "stop 3+1"];

#[tokio::test]
async fn answer_is_streamed_and_its_connection_serves_again() {
    let server = Server::start(|exchange: &mut Exchange<'_>| exchange.write(&answer()));
    let engine = engine(&server);
    for _ in 0..3 {
        assert_eq!(generate(&engine).await, WELL);
    }
    assert_eq!(server.connections(), 1);
    let seen = server.requests();
    assert!(seen[0].head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", seen[0].head);
    assert!(seen[0].head.contains("authorization: Bearer sk-test-key\r\n"), "{}", seen[0].head);
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(body["stream"], true);
    assert_eq!(body["stream_options"]["include_usage"], true);
}

#[tokio::test]
async fn a_short_answer_that_is_wanted_whole_is_asked_for_in_one_piece() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"你好"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        exchange.write(&format!("{head}{body}"));
    });
    let engine = engine(&server);
    for most in [16, 16, 17] {
        let asked = GenerateRequest { is_whole: true, max_tokens: Some(TokenCount(most)), ..(*request()).clone() };
        let events: Vec<String> = engine.generate(Arc::new(asked)).map(|event| shown(&event)).collect().await;
        assert_eq!(events, WELL);
    }
    assert_eq!(server.connections(), 1, "the connection serves again");
    let streams: Vec<bool> = server
        .requests()
        .iter()
        .map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap()["stream"] == true)
        .collect();
    assert_eq!(streams, [false, false, true]);
}

#[tokio::test]
async fn answer_cut_into_single_bytes_reads_the_same() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        let text = format!(": keep-alive\n\n{HELLO}{END}");
        exchange.write(SSE_HEAD);
        for byte in text.bytes() {
            exchange.write_bytes(&[b"1\r\n", &[byte][..], b"\r\n"].concat());
        }
        exchange.write("0\r\n\r\n");
    });
    assert_eq!(generate(&engine(&server)).await, WELL);
}

#[tokio::test]
async fn end_of_the_body_that_comes_late_does_not_cost_the_connection() {
    let (go, gone) = sync_channel::<()>(1);
    let gone = std::sync::Mutex::new(gone);
    let server = Server::start(move |exchange: &mut Exchange<'_>| {
        exchange.write(&format!("{SSE_HEAD}{}{}", chunk(HELLO), chunk(END)));
        gone.lock().unwrap().recv().unwrap();
        exchange.write("0\r\n\r\n");
    });
    let engine = engine(&server);
    assert_eq!(generate(&engine).await, WELL, "the answer is complete with [DONE]");
    go.send(()).unwrap();
    // A second connection is opened only if the last chunk is not there yet; the third request finds it in any case.
    go.send(()).unwrap();
    assert_eq!(generate(&engine).await, WELL);
    go.send(()).unwrap();
    assert_eq!(generate(&engine).await, WELL);
    assert!(server.connections() <= 2, "{}", server.connections());
}

#[tokio::test]
async fn kept_connection_that_its_peer_closed_is_asked_again_on_a_new_one() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        if exchange.connection == 0 && exchange.request == 1 {
            exchange.close();
        } else {
            exchange.write(&answer());
        }
    });
    let engine = engine(&server);
    assert_eq!(generate(&engine).await, WELL);
    assert_eq!(generate(&engine).await, WELL, "asked once more");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn new_connection_that_is_closed_without_an_answer_is_not_asked_again() {
    let server = Server::start(|exchange: &mut Exchange<'_>| exchange.close());
    assert_eq!(generate(&engine(&server)).await, ["Unavailable"]);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let engine = engine_with(&format!("http://127.0.0.1:{port}"), |_| {});
    assert_eq!(generate(&engine).await, ["Unavailable"]);
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let (tell, told) = sync_channel(1);
    let server = Server::start(move |exchange: &mut Exchange<'_>| {
        exchange.write(&format!("{SSE_HEAD}{}", chunk(HELLO)));
        let _ = tell.send(exchange.wait_for_close());
    });
    let engine = engine(&server);
    let mut stream = engine.generate(request());
    assert_eq!(shown(&stream.next().await.unwrap()), "started");
    drop(stream);
    let is_closed = tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_secs(10)));
    assert_eq!(is_closed.await.unwrap(), Ok(true));
}

#[tokio::test]
async fn one_json_body_instead_of_a_stream_is_understood() {
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"你好"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
    let server =
        Server::start(move |exchange: &mut Exchange<'_>| exchange.answer(200, "application/json", body.as_bytes()));
    let engine = engine(&server);
    assert_eq!(generate(&engine).await, WELL);
    assert_eq!(generate(&engine).await, WELL);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn refusals_become_errors_and_our_key_is_never_told() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        let (status, body) = match exchange.request {
            0 => (401, r#"{"error":{"message":"Incorrect API key provided: sk-test-key"}}"#),
            1 => (429, "slow down"),
            2 => (404, r#"{"error":{"message":"no such model","code":"model_not_found"}}"#),
            3 => (400, r#"{"error":{"message":"you sent sk-test-key","param":"messages"}}"#),
            _ => (400, r#"{"error":{"message":"bad stop","param":"stop"}}"#),
        };
        exchange.answer(status, "application/json", body.as_bytes());
    });
    let engine = engine(&server);
    assert_eq!(generate(&engine).await, ["Unavailable"]);
    assert_eq!(generate(&engine).await, ["Full { retry_after: None }"]);
    assert_eq!(generate(&engine).await, ["ModelNotFound"]);
    for message in ["the engine refused the request", "bad stop"] {
        let Some(Err(EngineError::Rejected { message: got, .. })) = engine.generate(request()).next().await else {
            panic!("no rejection")
        };
        assert_eq!(got.expose(), message);
    }
    assert_eq!(server.connections(), 1, "refusals keep the connection");
}

#[tokio::test]
async fn answer_cut_in_the_middle_is_restarted_after_what_came() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        exchange.write(&format!("{SSE_HEAD}{}", chunk(HELLO)));
        exchange.close();
    });
    assert_eq!(generate(&engine(&server)).await, ["started", "你好", "Restarted"]);
}

#[tokio::test]
async fn answer_whose_end_was_told_counts_also_when_the_connection_breaks_then() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
        exchange.write(&format!("{SSE_HEAD}{}", chunk(&format!("{HELLO}{finish}"))));
        exchange.close();
    });
    let estimate = request().prompt.len_bytes() / 3 + 16;
    assert_eq!(generate(&engine(&server)).await, ["started".to_owned(), "你好".into(), format!("length {estimate}+1")]);
}

#[tokio::test]
async fn silence_before_and_in_the_answer_ends_it() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        if exchange.connection > 0 {
            exchange.write(&format!("{SSE_HEAD}{}", chunk(HELLO)));
        }
        exchange.wait_for_close();
    });
    let engine = engine_with(&server.url, |options| {
        options.deadlines.first_byte = Duration::from_millis(150);
        options.deadlines.between_bytes = Duration::from_millis(50);
    });
    assert_eq!(generate(&engine).await, ["Unavailable"]);
    assert_eq!(generate(&engine).await, ["started", "你好", "Restarted"]);
}

#[tokio::test]
async fn answer_that_outlasts_its_time_is_kept_and_can_be_continued() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        exchange.write(&format!("{SSE_HEAD}{}", chunk(HELLO)));
        exchange.wait_for_close();
    });
    let engine = engine_with(&server.url, |options| options.deadlines.whole = Duration::from_millis(100));
    let events: Vec<_> = engine.generate(request()).collect().await;
    assert!(
        matches!(
            events.last(),
            Some(Ok(EngineEvent::Finished { reason: FinishReason::InsufficientSystemResource, .. }))
        ),
        "{events:?}"
    );
}

#[tokio::test]
async fn engine_that_fails_again_and_again_is_left_alone() {
    let server = Server::start(|exchange: &mut Exchange<'_>| exchange.answer(500, "text/plain", b"oops"));
    let engine = engine(&server);
    for _ in 0..8 {
        assert_eq!(generate(&engine).await, ["Unavailable"]);
    }
    assert_eq!(server.requests().len(), 5, "then the breaker is open");
    assert_eq!(engine.status(), EngineStatus::Down);
}

#[tokio::test]
async fn endless_nonsense_is_cut_off() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        exchange.write(SSE_HEAD);
        let block = chunk(&"x".repeat(60_000));
        while exchange.stream.write_all(block.as_bytes()).is_ok() {}
    });
    assert_eq!(generate(&engine(&server)).await, [r#"Protocol("event is too long")"#]);
}

#[tokio::test]
async fn health_loop_learns_models_and_load_and_sees_the_engine_go() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        if exchange.seen.head.starts_with("GET /v1/models ") {
            let list = br#"{"data":[{"id":"a","max_model_len":4096,"created":7},{"id":"b"}]}"#;
            exchange.answer(200, "application/json", list);
        } else {
            assert!(exchange.seen.head.starts_with("GET /metrics "), "{}", exchange.seen.head);
            assert!(!exchange.seen.head.contains("authorization"), "our key does not go to /metrics");
            let text = b"vllm:num_requests_running 2\nvllm:num_requests_waiting 1\nvllm:kv_cache_usage_perc 0.5\n";
            exchange.answer(200, "text/plain", text);
        }
    });
    let engine = engine_with(&server.url, |options| options.models = Vec::new());
    assert_eq!(engine.status(), EngineStatus::Loading);
    assert!(engine.models().is_empty());
    let shutdown = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(Arc::clone(&engine).run(shutdown.clone()));
    until(|| engine.status() == EngineStatus::Ready && engine.load().is_some()).await;
    let models = engine.models();
    assert_eq!((models[0].id.as_str(), models[0].context_len, models[0].created), ("a", Some(TokenCount(4096)), 7));
    assert_eq!((models[1].id.as_str(), models[1].context_len), ("b", None));
    let load = engine.load().unwrap();
    assert_eq!((load.running, load.waiting, load.kv_tokens_used), (2, 1, 500));
    shutdown.cancel();
    assert!(tasks.join_next().await.unwrap().is_ok(), "the loop ends");
    until(|| engine.load().is_none()).await;

    server.stop();
    tasks.spawn(Arc::clone(&engine).run(CancellationToken::new()));
    until(|| engine.status() == EngineStatus::Down).await;
    assert_eq!(engine.models().len(), 2, "models stay known");
}

/// Waits for what must come true; fails after 20 s.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("did not come true");
}

#[tokio::test]
async fn embeddings_pass_through() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        let body = br#"{"object":"list","data":[{"embedding":[0.10,2]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#;
        exchange.answer(200, "application/json", body);
    });
    let input = Sensitive::new(RawValue::from_string("\"x\"".to_owned()).unwrap());
    let request = EmbedRequest { model: "e".to_owned(), body: vec![("input".to_owned(), input)] };
    let answer = engine(&server).embed(request).await.unwrap();
    assert_eq!(answer.data.get(), r#"[{"embedding":[0.10,2]}]"#);
    assert_eq!(answer.usage.input, TokenCount(4));
    assert_eq!(server.requests()[0].body, br#"{"model":"e","input":"x"}"#);
}

#[test]
fn estimate_is_an_upper_bound_within_the_context() {
    let engine = engine_with("http://127.0.0.1:1", |_| {});
    assert_eq!(
        engine.estimate(&request()).input,
        TokenCount(u32::try_from(request().prompt.len_bytes() / 3 + 16).unwrap())
    );
    let long = GenerateRequest { prompt: Prompt::Text(Sensitive::new("a".repeat(1 << 20))), ..(*request()).clone() };
    assert_eq!(engine.estimate(&long).input, TokenCount(1_000));
}
