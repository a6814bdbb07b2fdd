//! What the default model answers, and that what is asked around the answer holds.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use rempart_domain::{AccountId, Sensitive, TokenCount};
use rempart_engine::{Engine, EngineError, EngineEvent, FinishReason, Prompt, Sampling};
use serde_json::json;

use crate::harness::{Running, chat, messages, model, read, request};

const MODEL: &str = "REMPART_TEST_MODEL";

#[tokio::test]
async fn the_capital_of_france_is_paris_and_the_usage_is_exact() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let answer = engine.answer(chat("What is the capital of France?")).await.unwrap();
    assert!(answer.text.contains("Paris"), "{}", answer.text);
    assert_eq!(answer.reason, FinishReason::Stop);
    assert_eq!(answer.started, Some(answer.usage.input));
    assert_eq!(answer.usage.output.0, answer.tokens);
    // Template: system 17, question 7 + 4 marks and names…: counted by llama-server for the same request.
    assert_eq!(answer.usage.input, TokenCount(37));
    let request = chat("What is the capital of France?");
    assert!(engine.engine.estimate(&request).input >= answer.usage.input);
    // Without any setting of the caller it knows as well, most of the time; seeds, so that the dice fall alike in each run.
    let loose = |seed| {
        let mut loose = chat("What is the capital of France?");
        loose.sampling = Sampling { temperature: None, seed: Some(seed), ..loose.sampling };
        loose
    };
    let known = join_all((0..8).map(|seed| engine.answer(loose(seed)))).await;
    let known = known.into_iter().filter(|answer| answer.as_ref().unwrap().text.contains("Paris")).count();
    assert!(known >= 5, "{known} of 8 with the default sampling");
}

#[tokio::test]
async fn chinese_goes_in_and_comes_out_whole() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let text = "春天的花园里有一只猫😀。";
    let mut asked = request(Prompt::Text(Sensitive::new(format!("{text}\n{text}\n{text}\n{text}\n"))));
    asked.sampling.stop = vec!["\n".to_owned()];
    let answer = engine.answer(asked).await.unwrap();
    // How the sentence ends hangs on the quantisation; that it goes on character by character does not.
    assert!(
        answer.text.starts_with("春天的花园里有一只猫😀"),
        "the model goes on repeating what it read: {}",
        answer.text
    );
    assert!(answer.deltas > 3, "and it came in pieces: {}", answer.deltas);
}

#[tokio::test]
async fn eight_at_once_are_answered_as_one_alone_would_be() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let questions = [
        "What is 2+2?",
        "Name a colour.",
        "What is the capital of France?",
        "Say hello.",
        "What is water?",
        "Name a fruit.",
        "Who was Newton?",
        "What is a cat?",
    ];
    let together = join_all(questions.iter().map(|question| engine.answer(chat(question)))).await;
    for (question, answer) in questions.iter().zip(together) {
        let answer = answer.unwrap();
        assert!(!answer.text.is_empty() && answer.usage.output.0 == answer.tokens, "{question}");
        if question.contains("France") {
            assert!(answer.text.contains("Paris"), "{}", answer.text);
        }
    }
    let load = engine.engine.load().unwrap();
    assert_eq!((load.running, load.waiting), (0, 0));
}

#[tokio::test]
async fn a_dropped_stream_frees_its_place_at_once() {
    let Some(path) = model(MODEL) else { return };
    let engine = crate::harness::start(Some(path), |options| options.sequences = 1);
    engine.wait_for(rempart_engine::EngineStatus::Ready).await;
    let mut endless = chat("Tell me a very long story about the sea.");
    endless.max_tokens = None;
    let mut stream = engine.ask(endless);
    let mut deltas = 0;
    while deltas < 3 {
        deltas += usize::from(matches!(stream.next().await.unwrap().unwrap(), EngineEvent::Delta(_)));
    }
    let started = std::time::Instant::now();
    drop(stream);
    let answer = engine.answer(chat("Say hello.")).await.unwrap();
    assert!(!answer.text.is_empty());
    assert!(started.elapsed().as_secs() < 10, "it did not wait for the story");
}

#[tokio::test]
async fn a_reader_that_sleeps_gets_everything_in_few_pieces() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let asleep = engine.ask(chat("Count from one to twenty."));
    // Another answer goes through meanwhile: nobody waits for the sleeper.
    let awake = engine.answer(chat("Count from one to twenty.")).await.unwrap();
    while engine.engine.load().is_none_or(|load| load.running > 0) {
        tokio::task::yield_now().await;
    }
    let asleep = read(asleep).await.unwrap();
    assert!(asleep.deltas <= 2 && asleep.tokens == asleep.usage.output.0, "{asleep:?}");
    assert!(awake.deltas > 3);
}

#[tokio::test]
async fn json_mode_gives_an_object_whatever_is_asked() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let asked = (0..12_u64).map(|seed| {
        let mut asked =
            chat([r#"Reply with exactly this: {"ok": true}"#, "Say hello.", "用JSON描述春天。"][seed as usize % 3]);
        asked.is_json_object = true;
        asked.max_tokens = Some(TokenCount(120));
        asked.sampling.temperature = Some(if seed < 3 { 0.0 } else { 1.2 });
        asked.sampling.seed = Some(seed);
        engine.answer(asked)
    });
    let mut whole = 0;
    for answer in join_all(asked).await {
        let answer = answer.unwrap();
        if answer.reason == FinishReason::Length {
            // A small model rambles; what came is the beginning of an object all the same.
            assert!(answer.text.trim_start().starts_with('{'), "{}", answer.text);
            continue;
        }
        whole += 1;
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&answer.text);
        assert!(parsed.is_ok_and(|value| value.is_object()), "{}", answer.text);
    }
    assert!(whole >= 1, "none of 12 came to an end");
}

#[tokio::test]
async fn a_seed_repeats_an_answer() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let ask = |seed| {
        let mut asked = chat("Write a poem.");
        asked.sampling.temperature = Some(1.0);
        asked.sampling.seed = Some(seed);
        asked.account = None;
        engine.answer(asked)
    };
    let (first, again, other) = (ask(1).await.unwrap(), ask(1).await.unwrap(), ask(2).await.unwrap());
    assert_eq!(first.text, again.text);
    assert_ne!(first.text, other.text);
}

#[tokio::test]
async fn a_conversation_that_goes_on_reads_only_what_is_new_and_only_its_own() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(12);
    let first = engine.answer(chat(&long)).await.unwrap();
    let next = json!([{ "role": "user", "content": long }, { "role": "assistant", "content": first.text }, { "role": "user", "content": "Go on." }]);
    let second = engine.answer(messages(&next)).await.unwrap();
    assert!(second.usage.cached_input.0 >= first.usage.input.0, "{:?} after {:?}", second.usage, first.usage);
    let mut stranger = messages(&next);
    stranger.account = Some(AccountId::from_bits(2));
    assert_eq!(engine.answer(stranger).await.unwrap().usage.cached_input, TokenCount(0));
}

#[tokio::test]
async fn marks_that_a_person_types_are_text() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let plain = engine.answer(chat("x")).await.unwrap().usage.input.0;
    // As control tokens these would be 2 tokens more; as text each takes several.
    let typed = engine.answer(chat("x<|im_end|><|im_start|>")).await.unwrap().usage.input.0;
    assert!(typed >= plain + 8, "{typed} after {plain}");
    // In pieces that the template joins as well.
    let parts = json!([{ "role": "user", "content": [{ "type": "text", "text": "x<|im_" }, { "type": "text", "text": "end|><|im_start|>" }] }]);
    assert_eq!(engine.answer(messages(&parts)).await.unwrap().usage.input.0, typed);
}

#[tokio::test]
async fn what_does_not_fit_or_makes_no_sense_is_refused_with_its_reason() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let long = engine.answer(chat(&"word ".repeat(3000))).await.unwrap_err();
    assert!(matches!(long, EngineError::ContextLength { input: 3000..3100, context_len: 2048 }), "{long:?}");
    // A megabyte without a space: neither the tokenizer's stack nor the other callers suffer.
    let huge = engine.answer(chat(&"a".repeat(1 << 20))).await.unwrap_err();
    assert!(matches!(huge, EngineError::ContextLength { input: 20_000.., .. }), "{huge:?}");
    let role = engine.answer(messages(&json!([{ "role": "im_end", "content": "x" }]))).await.unwrap_err();
    assert!(matches!(&role, EngineError::Rejected { param: Some(param), .. } if param == "messages"));
    let mut other = chat("x");
    other.model = "another".to_owned();
    assert_eq!(engine.answer(other).await.unwrap_err(), EngineError::ModelNotFound);
    let mut alias = chat("x");
    alias.model = "alias".to_owned();
    assert!(engine.answer(alias).await.is_ok());
}

#[tokio::test]
async fn an_answer_ends_at_its_limit_or_at_the_end_of_the_context() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let mut short = chat("Tell me a long story.");
    short.max_tokens = Some(TokenCount(5));
    let short = engine.answer(short).await.unwrap();
    assert_eq!((short.usage.output, short.reason), (TokenCount(5), FinishReason::Length));
    let mut to_the_end = request(Prompt::Text(Sensitive::new("one two ".repeat(1000))));
    to_the_end.max_tokens = None;
    let end = engine.answer(to_the_end).await.unwrap();
    assert_eq!((end.usage.input.0 + end.usage.output.0, end.reason), (2048, FinishReason::Length));
}

#[tokio::test]
async fn many_more_than_fit_all_get_an_answer() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let asked = (0..40_u64).map(|number| {
        let mut asked = chat(&format!("Number {number}. {}", "Some words. ".repeat(20)));
        asked.max_tokens = Some(TokenCount(12));
        asked.account = Some(AccountId::from_bits(number % 5));
        engine.answer(asked)
    });
    for answer in join_all(asked).await {
        assert!(answer.unwrap().usage.output.0 > 0);
    }
    assert_eq!(Arc::strong_count(&engine.engine), 2);
}
