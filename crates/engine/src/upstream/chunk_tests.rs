//! Chunks as OpenAI, DeepSeek, vLLM and others write them.

use std::collections::VecDeque;

use rempart_domain::{TokenCount, Usage};

use super::Progress;
use crate::{EngineError, EngineEvent, FinishReason};

fn take(chunks: &[&str]) -> Result<Vec<String>, EngineError> {
    let mut progress = Progress::new(TokenCount(11));
    let mut out = VecDeque::new();
    for chunk in chunks {
        progress.take_data(chunk.as_bytes(), &mut out)?;
    }
    if !progress.is_finished() {
        progress.end(&mut out)?;
    }
    Ok(out.iter().map(shown).collect())
}

fn shown(event: &EngineEvent) -> String {
    match event {
        EngineEvent::Started { input } => format!("started {:?}", input.map(|input| input.0)),
        EngineEvent::Delta(delta) => {
            let extra: Vec<_> =
                delta.extra.iter().map(|(key, value)| format!("{key}={}", value.expose().get())).collect();
            format!("delta {}|{}|{}", delta.content.expose(), delta.reasoning.expose(), extra.join(","))
        }
        EngineEvent::Finished { reason, usage } => format!(
            "{} {}+{} reasoning {} cached {}",
            reason.as_str(),
            usage.input.0,
            usage.output.0,
            usage.reasoning.0,
            usage.cached_input.0
        ),
    }
}

#[test]
fn openai_stream_is_read_with_its_usage_chunk() {
    let events = take(&[
        r#"{"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"Par\u00eds 你"},"logprobs":null,"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":2}}}"#,
        "[DONE]",
    ]);
    assert_eq!(
        events,
        Ok(vec!["started None".into(), "delta París 你||".into(), "length 9+4 reasoning 2 cached 8".into()])
    );
}

#[test]
fn deepseek_reasoning_and_cache_fields_are_read() {
    let events = take(&[
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"hm"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"yes","reasoning_content":null},"finish_reason":"insufficient_system_resource"}],"usage":{"prompt_tokens":10,"completion_tokens":3,"prompt_cache_hit_tokens":6,"prompt_cache_miss_tokens":4}}"#,
        "[DONE]",
    ]);
    assert_eq!(
        events,
        Ok(vec![
            "started None".into(),
            "delta |hm|".into(),
            "delta yes||".into(),
            "insufficient_system_resource 10+3 reasoning 0 cached 6".into()
        ])
    );
}

#[test]
fn both_names_of_reasoning_count_once() {
    let events = take(&[r#"{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"},"finish_reason":"stop"}]}"#]);
    assert_eq!(events.unwrap()[1], "delta |a|");
}

#[test]
fn tool_calls_and_unknown_members_pass_untouched_and_in_order() {
    let events = take(&[
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[ {"index":0,"function":{"arguments":"{\"a\": 1.50}"}} ],"annotations":null,"zz":1.0},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ]);
    let delta = r#"delta ||tool_calls=[ {"index":0,"function":{"arguments":"{\"a\": 1.50}"}} ],zz=1.0"#;
    assert_eq!(events.unwrap()[1..], [delta.to_owned(), "tool_calls 11+1 reasoning 0 cached 0".to_owned()]);
}

#[test]
fn completions_text_and_content_parts_are_text() {
    let events = take(&[
        r#"{"choices":[{"index":0,"text":"abc","finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"d"},{"type":"image"},{"type":"text","text":"e"}]},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(events.unwrap()[1..3], ["delta abc||".to_owned(), "delta de||".to_owned()]);
}

#[test]
fn cut_before_the_end_is_restarted_and_before_the_beginning_unavailable() {
    assert_eq!(take(&[r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#]), Err(EngineError::Restarted));
    assert_eq!(take(&[]), Err(EngineError::Unavailable));
}

#[test]
fn error_inside_the_stream_ends_it() {
    let begun = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    assert_eq!(
        take(&[begun, r#"{"error":{"message":"oom","type":"InternalServerError","code":500}}"#]),
        Err(EngineError::Restarted)
    );
    assert_eq!(take(&[r#"{"error":{"message":"oom","code":500}}"#]), Err(EngineError::Unavailable));
    let rejected = take(&[r#"{"error":{"message":"bad stop","type":"BadRequestError","param":"stop","code":400}}"#]);
    assert!(matches!(rejected, Err(EngineError::Rejected { param: Some(param), .. }) if param == "stop"));
}

#[test]
fn nonsense_is_a_protocol_error() {
    for chunk in ["{", "7", "hello", r#"{"choices":[{"delta":{"content":1"#] {
        assert!(matches!(take(&[chunk]), Err(EngineError::Protocol(_))), "{chunk}");
    }
}

#[test]
fn whole_answer_becomes_the_same_events() {
    let mut progress = Progress::new(TokenCount(1));
    let mut out = VecDeque::new();
    let body = br#"{"choices":[{"index":0,"message":{"role":"assistant","content":"hi","tool_calls":[]},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    assert_eq!(progress.take_whole(body, &mut out), Ok(()));
    let events: Vec<_> = out.iter().map(shown).collect();
    assert_eq!(events, ["started Some(5)", "delta hi||tool_calls=[]", "stop 5+2 reasoning 0 cached 0"]);
    assert!(Progress::new(TokenCount(1)).take_whole(br#"{"hello":1}"#, &mut out).is_err());
}

#[test]
fn our_own_cut_keeps_what_came_and_says_that_it_can_be_continued() {
    let mut progress = Progress::new(TokenCount(3));
    let mut out = VecDeque::new();
    progress.take_data(br#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#, &mut out).unwrap();
    assert_eq!(progress.cut_short(&mut out), Ok(()));
    let usage = Usage { input: TokenCount(3), output: TokenCount(1), ..Usage::default() };
    assert!(
        matches!(out.back(), Some(EngineEvent::Finished { reason: FinishReason::InsufficientSystemResource, usage: got }) if *got == usage)
    );
}
