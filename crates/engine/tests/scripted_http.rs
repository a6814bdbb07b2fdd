//! The scripted engine through its HTTP door.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rempart_engine::scripted::{AnswerKind, ScriptedOptions, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

struct Served {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _tasks: JoinSet<std::io::Result<()>>,
}

async fn start(options: ScriptedOptions) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, options, CancellationToken::new()));
    Served { url, client: Client::builder(TokioExecutor::new()).build_http(), _tasks: tasks }
}

impl Served {
    async fn send(&self, method: Method, path: &str, body: String) -> http::Response<Incoming> {
        let request =
            Request::builder().method(method).uri(format!("{}{path}", self.url)).body(Full::from(body)).unwrap();
        self.client.request(request).await.unwrap()
    }

    async fn text(&self, method: Method, path: &str, body: String) -> (StatusCode, String) {
        let response = self.send(method, path, body).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let (status, text) = self.text(Method::POST, path, body.to_string()).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn stats(&self) -> Value {
        serde_json::from_str(&self.text(Method::GET, "/stats", String::new()).await.1).unwrap()
    }

    /// Asks until `is_reached`; each ask is a round trip, so the server moves on between them.
    async fn stats_when(&self, is_reached: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..20_000 {
            let stats = self.stats().await;
            if is_reached(&stats) {
                return stats;
            }
        }
        panic!("never reached: {}", self.stats().await);
    }
}

fn quick() -> ScriptedOptions {
    ScriptedOptions { prefill_tps: 1_000_000, decode_tps: 10_000, ..ScriptedOptions::default() }
}

fn chat(text: &str) -> Value {
    json!({"model": "any", "messages": [{"role": "user", "content": text}]})
}

#[tokio::test]
async fn a_chat_is_answered_in_openai_s_shape() {
    let served = start(quick()).await;
    for path in ["/v1/chat/completions", "/chat/completions"] {
        let (status, answer) = served.post(path, chat("say \"你好\"\n\tnow")).await;
        assert_eq!(status, StatusCode::OK);
        let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(content.starts_with("say \"你好\"\n\tnow say"), "{content}");
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(answer["model"], "any");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!(answer["usage"]["prompt_tokens"], 5);
        assert_eq!(answer["usage"]["completion_tokens"], 16);
        assert_eq!(answer["usage"]["total_tokens"], 21);
    }
}

#[tokio::test]
async fn a_stream_tells_each_token_then_the_reason_then_the_usage() {
    let served = start(ScriptedOptions { tokens: 6, reasoning: 2, decode_tps: 100, ..quick() }).await;
    let mut body = chat("城门常开");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let mut response = served.send(Method::POST, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let (mut text, mut frames) = (String::new(), 0);
    while let Some(frame) = response.body_mut().frame().await {
        text.push_str(std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap());
        frames += 1;
    }
    assert!(frames >= 6, "one write a token, {frames} seen");
    let mut events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
    assert_eq!(events.pop(), Some("data: [DONE]"));
    let chunks: Vec<Value> =
        events.iter().map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect();
    let join = |field: &str| -> String {
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"][field].as_str()).collect()
    };
    assert_eq!(join("content"), "城门常开 城门");
    assert_eq!(join("reasoning_content"), "Let me");
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 8);
    assert_eq!(last["usage"]["completion_tokens_details"]["reasoning_tokens"], 2);
}

#[tokio::test]
async fn completions_stops_objects_and_limits_are_honoured() {
    let served = start(ScriptedOptions { answer: AnswerKind::Words, ..quick() }).await;
    let (_, answer) = served.post("/v1/completions", json!({"model": "any", "prompt": "x", "max_tokens": 3})).await;
    assert_eq!(answer["choices"][0]["text"], "The fortress keeps");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    let mut body = chat("x");
    body["stop"] = json!(" gate");
    let (_, answer) = served.post("/v1/chat/completions", body).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "The fortress keeps its");
    let mut body = chat("x");
    body["response_format"] = json!({"type": "json_object"});
    let (_, answer) = served.post("/v1/chat/completions", body).await;
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(content).unwrap().is_object());
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_frees_the_sequence() {
    let served =
        start(ScriptedOptions { sequences: 1, tokens: 100_000, decode_tps: 50, kv_tokens: 1_000_000, ..quick() }).await;
    let mut body = chat("stay");
    body["stream"] = json!(true);
    let mut response = served.send(Method::POST, "/v1/chat/completions", body.to_string()).await;
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(served.stats().await["running"], 1);
    drop(response);
    let stats = served.stats_when(|stats| stats["running"] == 0).await;
    assert_eq!((&stats["cancelled"], &stats["kv_held"]), (&json!(1), &json!(0)));
    assert_eq!(stats["records"][0]["outcome"], "cancelled");
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_or_is_not_streamed_frees_its_place() {
    let served =
        start(ScriptedOptions { sequences: 1, tokens: 100_000, decode_tps: 50, kv_tokens: 1_000_000, ..quick() }).await;
    let both = tokio::time::timeout(std::time::Duration::from_millis(200), async {
        tokio::join!(served.post("/v1/chat/completions", chat("a")), served.post("/v1/chat/completions", chat("b")))
    });
    assert!(both.await.is_err());
    let stats = served.stats_when(|stats| stats["running"] == 0 && stats["waiting"] == 0).await;
    assert_eq!(stats["cancelled"], 2);
    assert_eq!(stats["running_max"], 1);
}

#[tokio::test]
async fn refusals_have_vllm_s_shape() {
    let served = start(ScriptedOptions { models: vec!["one".to_owned()], kv_tokens: 50, ..quick() }).await;
    let (status, answer) = served.post("/v1/chat/completions", chat("x")).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!(404)));
    let mut body = chat(&"long ".repeat(100));
    body["model"] = json!("one");
    let (status, answer) = served.post("/v1/chat/completions", body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["error"]["message"].as_str().unwrap().contains("maximum context length is 50"));
    for bad in [
        "{",
        "{}",
        r#"{"model":"one","messages":[]}"#,
        r#"{"model":"one","messages":[{"role":"user","content":"x"}],"max_tokens":0}"#,
    ] {
        let (status, text) = served.text(Method::POST, "/v1/chat/completions", bad.to_owned()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(serde_json::from_str::<Value>(&text).unwrap()["error"]["message"].is_string(), "{bad}");
    }
    assert_eq!(served.text(Method::GET, "/v2", String::new()).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn it_tells_of_itself_with_vllm_s_names() {
    let served = start(quick()).await;
    assert_eq!(served.text(Method::GET, "/health", String::new()).await.0, StatusCode::OK);
    let (_, models) = served.text(Method::GET, "/v1/models", String::new()).await;
    let models: Value = serde_json::from_str(&models).unwrap();
    assert_eq!((&models["data"][0]["id"], &models["data"][0]["max_model_len"]), (&json!("scripted"), &json!(65_536)));
    served.post("/v1/chat/completions", chat("x")).await;
    let (_, metrics) = served.text(Method::GET, "/metrics", String::new()).await;
    for line in [
        "vllm:num_requests_running{engine=\"0\",model_name=\"scripted\"} 0",
        "vllm:num_requests_waiting{engine=\"0\",model_name=\"scripted\"} 0",
        "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"scripted\"} 0",
        "vllm:generation_tokens_total{engine=\"0\",model_name=\"scripted\"} 16",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} not in {metrics}");
    }
    let stats = served.stats().await;
    assert_eq!((&stats["finished"], &stats["output_tokens"]), (&json!(1), &json!(16)));
    assert_eq!(stats["records"][0]["made"], 16);
}
