//! The upstream engine in front of the scripted one, over HTTP: the two ends of the same contract.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rempart_domain::{Band, Sensitive, TokenCount, Usage};
use rempart_engine::scripted::{ScriptedOptions, serve};
use rempart_engine::upstream::{Deadlines, Priority, UpstreamEngine, UpstreamOptions};
use rempart_engine::{Capacity, Engine, EngineEvent, EngineStatus, FinishReason, GenerateRequest, Prompt, Sampling};
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

struct Pair {
    engine: Arc<UpstreamEngine>,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

impl Pair {
    /// A scripted server on a free port, an engine that knows only its address, and its health loop.
    async fn start(options: ScriptedOptions) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let capacity = Capacity { sequences: options.sequences, kv_tokens: options.kv_tokens };
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let server = serve(listener, options, shutdown.clone());
        tasks.spawn(async move { drop(server.await) });
        let engine = UpstreamEngine::new(UpstreamOptions {
            name: "pair".to_owned(),
            url,
            api_key: None,
            models: Vec::new(),
            capacity,
            priority: Priority::Vllm,
            deadlines: Deadlines::default(),
        })
        .unwrap();
        tasks.spawn(Arc::clone(&engine).run(shutdown.clone()));
        let pair = Self { engine, tasks, shutdown };
        pair.until(|engine| engine.status() == EngineStatus::Ready && engine.load().is_some()).await;
        pair
    }

    async fn until(&self, is_so: impl Fn(&UpstreamEngine) -> bool) {
        let wait = async {
            while !is_so(&self.engine) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("did not come true");
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(20), async { while self.tasks.join_next().await.is_some() {} })
            .await
            .expect("did not stop");
    }
}

fn quick() -> ScriptedOptions {
    ScriptedOptions { prefill_tps: 1_000_000, decode_tps: 10_000, ..ScriptedOptions::default() }
}

fn request(text: &str, max_tokens: u32) -> Arc<GenerateRequest> {
    let messages = serde_json::json!([{"role": "user", "content": text}]).to_string();
    Arc::new(GenerateRequest {
        model: "scripted".to_owned(),
        prompt: Prompt::Chat(Sensitive::new(RawValue::from_string(messages).unwrap())),
        max_tokens: Some(TokenCount(max_tokens)),
        sampling: Sampling::default(),
        is_whole: false,
        is_json_object: false,
        extra: Vec::new(),
        account: None,
        band: Band::Member,
        prefill_slice: None,
    })
}

/// Text, reasoning and end of an answer.
async fn answer(engine: &UpstreamEngine, request: Arc<GenerateRequest>) -> (String, String, FinishReason, Usage) {
    let (mut text, mut reasoning, mut end) = (String::new(), String::new(), None);
    let mut events = engine.generate(request);
    while let Some(event) = events.next().await {
        match event.unwrap() {
            EngineEvent::Started { .. } => {}
            EngineEvent::Delta(delta) => {
                text.push_str(delta.content.expose());
                reasoning.push_str(delta.reasoning.expose());
            }
            EngineEvent::Finished { reason, usage } => end = Some((reason, usage)),
        }
    }
    let (reason, usage) = end.expect("an end");
    (text, reasoning, reason, usage)
}

#[tokio::test]
async fn answers_reasoning_and_usage_arrive_whole() {
    let pair = Pair::start(ScriptedOptions { reasoning: 3, tokens: 4, ..quick() }).await;
    let (text, reasoning, reason, usage) = answer(&pair.engine, request("春天 来了 。", 100)).await;
    assert!(text.starts_with("春天"), "{text}");
    assert!(!reasoning.is_empty());
    assert_eq!(reason, FinishReason::Stop);
    assert_eq!((usage.output, usage.reasoning), (TokenCount(7), TokenCount(3)));
    assert!(usage.input > TokenCount(0));
    assert_eq!(answer(&pair.engine, request("a b", 2)).await.2, FinishReason::Length);
    pair.stop().await;
}

#[tokio::test]
async fn a_hundred_generations_at_once_are_kept_apart() {
    let pair = Pair::start(ScriptedOptions { sequences: 64, tokens: 8, ..quick() }).await;
    let mut tasks = JoinSet::new();
    for index in 0..100 {
        let engine = Arc::clone(&pair.engine);
        tasks.spawn(async move {
            let (text, ..) = answer(&engine, request(&format!("n{index}"), 8)).await;
            assert!(text.split_whitespace().all(|word| word == format!("n{index}")), "{index}: {text}");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    pair.stop().await;
}

#[tokio::test]
async fn a_dropped_stream_frees_the_engine() {
    let pair = Pair::start(ScriptedOptions { decode_tps: 1, tokens: 1_000, ..quick() }).await;
    let mut events = pair.engine.generate(request("long", 1_000));
    assert!(matches!(events.next().await, Some(Ok(EngineEvent::Started { .. }))));
    pair.until(|engine| engine.load().is_some_and(|load| load.running == 1)).await;
    drop(events);
    pair.until(|engine| engine.load().is_some_and(|load| load.running == 0 && load.waiting == 0)).await;
    pair.stop().await;
}
