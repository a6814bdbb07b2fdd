//! The engine in this process, on a paused clock.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rempart_domain::{Band, Sensitive, TokenCount};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{AnswerKind, ScriptedEngine, ScriptedOptions};
use crate::{Engine, EngineError, EngineEvent, EngineStatus, FinishReason, GenerateRequest, Prompt, Sampling};

fn request(messages: &str, max_tokens: Option<u32>) -> Arc<GenerateRequest> {
    Arc::new(GenerateRequest {
        model: "scripted".to_owned(),
        prompt: Prompt::Chat(Sensitive::new(serde_json::from_str(messages).unwrap())),
        max_tokens: max_tokens.map(TokenCount),
        sampling: Sampling::default(),
        is_whole: false,
        is_json_object: false,
        extra: Vec::new(),
        account: None,
        band: Band::Member,
        prefill_slice: None,
    })
}

const HELLO: &str = r#"[{"role":"user","content":"你好 world, how are you"}]"#;

struct Running {
    engine: Arc<ScriptedEngine>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

fn run(options: ScriptedOptions) -> Running {
    let engine = ScriptedEngine::new(options);
    let (shutdown, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(Arc::clone(&engine).run(shutdown.clone()));
    Running { engine, shutdown, tasks }
}

#[tokio::test(start_paused = true)]
async fn ten_tokens_at_a_hundred_a_second_take_a_tenth_of_a_second() {
    let running = run(ScriptedOptions { tokens: 10, prefill_tps: 1_000_000, ..ScriptedOptions::default() });
    let start = Instant::now();
    let mut stream = running.engine.generate(request(HELLO, None));
    let (mut text, mut tokens) = (String::new(), 0);
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            EngineEvent::Started { input } => assert_eq!(input, Some(TokenCount(7))),
            EngineEvent::Delta(delta) => {
                text.push_str(delta.content.expose());
                tokens += delta.tokens.0;
            }
            EngineEvent::Finished { reason, usage } => {
                assert_eq!((reason, usage.input, usage.output), (FinishReason::Stop, TokenCount(7), TokenCount(10)));
            }
        }
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_millis(103), "{took:?}");
    assert_eq!((text.as_str(), tokens), ("你好 world, how are you 你好 world, how", 10));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_frees_its_sequence_for_the_next_at_once() {
    let running = run(ScriptedOptions { sequences: 1, tokens: 1_000, ..ScriptedOptions::default() });
    let mut first = running.engine.generate(request(HELLO, None));
    assert!(matches!(first.next().await, Some(Ok(EngineEvent::Started { .. }))));
    let mut second = running.engine.generate(request(HELLO, Some(1)));
    assert_eq!(running.engine.load().unwrap().waiting, 1);
    drop(first);
    assert_eq!(running.engine.load().unwrap().waiting, 0);
    let start = Instant::now();
    while let Some(event) = second.next().await {
        event.unwrap();
    }
    assert!(start.elapsed() < Duration::from_millis(20));
    let load = running.engine.load().unwrap();
    assert_eq!((load.running, load.kv_tokens_used), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn reasoning_comes_first_and_is_counted() {
    let options = ScriptedOptions { tokens: 3, reasoning: 4, answer: AnswerKind::Words, ..ScriptedOptions::default() };
    let running = run(options);
    let events: Vec<_> = running.engine.generate(request(HELLO, None)).collect().await;
    let reasoned = |event: &&Result<EngineEvent, EngineError>| matches!(event, Ok(EngineEvent::Delta(delta)) if !delta.reasoning.expose().is_empty());
    assert_eq!(events.iter().filter(reasoned).count(), 4);
    let Some(Ok(EngineEvent::Finished { usage, .. })) = events.last() else { panic!("no end") };
    assert_eq!((usage.output, usage.reasoning), (TokenCount(7), TokenCount(4)));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stops_ends_what_is_in_flight_with_engine_restarted() {
    let mut running = run(ScriptedOptions::default());
    let mut stream = running.engine.generate(request(HELLO, None));
    assert!(matches!(stream.next().await, Some(Ok(EngineEvent::Started { .. }))));
    running.shutdown.cancel();
    running.tasks.join_next().await;
    assert_eq!(running.engine.status(), EngineStatus::Down);
    let rest: Vec<_> = stream.collect().await;
    assert!(matches!(rest.last(), Some(Err(EngineError::Restarted))));
    let refused: Vec<_> = running.engine.generate(request(HELLO, None)).collect().await;
    assert!(matches!(refused[..], [Err(EngineError::Unavailable)]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_answered_says_why() {
    let running = run(ScriptedOptions { kv_tokens: 7, ..ScriptedOptions::default() });
    let refused: Vec<_> = running.engine.generate(request(HELLO, None)).collect().await;
    assert!(matches!(refused[..], [Err(EngineError::ContextLength { input: 7, context_len: 7 })]));
    let unknown = GenerateRequest { model: "gpt".to_owned(), ..(*request(HELLO, None)).clone() };
    let refused: Vec<_> = running.engine.generate(Arc::new(unknown)).collect().await;
    assert!(matches!(refused[..], [Err(EngineError::ModelNotFound)]));
    assert!(running.engine.estimate(&request(HELLO, None)).input >= TokenCount(7));
}
