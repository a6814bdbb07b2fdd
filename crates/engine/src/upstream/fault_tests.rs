//! Refusals as engines and providers write them.

use http::StatusCode;
use rempart_domain::Millis;

use super::{from_status, is_ours, retry_after};
use crate::EngineError;

fn fault(status: u16, body: &str) -> EngineError {
    from_status(StatusCode::from_u16(status).unwrap(), body.as_bytes(), Some("sk-our-own-key"), None)
}

fn rejection(status: u16, body: &str) -> (String, Option<String>) {
    match fault(status, body) {
        EngineError::Rejected { message, param } => (message.into_inner(), param),
        other => panic!("{other:?}"),
    }
}

#[test]
fn refusals_of_the_request_are_handed_on_with_their_field() {
    let body = r#"{"error":{"message":"stop is too long","type":"invalid_request_error","param":"stop","code":null}}"#;
    assert_eq!(rejection(400, body), ("stop is too long".to_owned(), Some("stop".to_owned())));
    assert_eq!(rejection(422, r#"{"error":"no"}"#).0, "no");
    assert_eq!(rejection(400, r#"{"object":"error","message":"bad top_p","code":400}"#).0, "bad top_p");
    assert_eq!(rejection(422, r#"{"detail":[{"msg":"field required"}]}"#).0, r#"[{"msg":"field required"}]"#);
    assert_eq!(rejection(400, "<html>").0, "the engine refused the request");
}

#[test]
fn messages_are_bounded_and_never_hold_our_key() {
    let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(5_000));
    assert_eq!(rejection(400, &long).0.len(), 1_000);
    assert_eq!(
        rejection(400, r#"{"error":{"message":"key sk-our-own-key is odd"}}"#).0,
        "the engine refused the request"
    );
}

#[test]
fn trouble_of_our_own_key_is_unavailable_and_ours() {
    for status in [401, 402, 403] {
        let error = fault(status, r#"{"error":{"message":"Incorrect API key provided: sk-our*****key"}}"#);
        assert_eq!(error, EngineError::Unavailable);
        assert!(is_ours(StatusCode::from_u16(status).unwrap(), &error));
    }
    assert!(is_ours(StatusCode::NOT_FOUND, &fault(404, r#"{"detail":"Not Found"}"#)), "a wrong address");
}

#[test]
fn an_upstream_that_says_when_to_come_again_is_believed_within_reason() {
    let told = |value: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("retry-after", value.parse().unwrap());
        retry_after(&headers)
    };
    assert_eq!(told("7"), Some(Millis(7_000)));
    assert_eq!(told("0"), Some(Millis(1_000)));
    assert_eq!(told("86400"), Some(Millis(600_000)));
    assert_eq!(told("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(
        from_status(StatusCode::TOO_MANY_REQUESTS, b"", None, told("7")),
        EngineError::Full { retry_after: told("7") }
    );
}

#[test]
fn full_starting_missing_and_broken_are_told_apart() {
    assert_eq!(fault(429, "{}"), EngineError::FULL);
    assert_eq!(fault(503, ""), EngineError::FULL);
    assert_eq!(
        fault(503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#),
        EngineError::Starting
    );
    assert_eq!(
        fault(404, r#"{"object":"error","message":"The model `x` does not exist.","code":404}"#),
        EngineError::ModelNotFound
    );
    assert_eq!(
        fault(400, r#"{"error":{"message":"no such model","code":"model_not_found"}}"#),
        EngineError::ModelNotFound
    );
    for status in [500, 502, 504, 408, 302] {
        assert_eq!(fault(status, "{}"), EngineError::Unavailable, "{status}");
    }
}

#[test]
fn prompts_that_are_too_long_are_recognised_with_their_numbers() {
    let messages = [
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the messages, 1000 in the completion). Please reduce the length of the messages or completion.",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 8000 tokens.",
        "'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context length is 8192 tokens and your request has 8000 input tokens (500 > 8192 - 8000).",
        "The input (8000 tokens) is longer than the model's context length (8192 tokens).",
    ];
    for message in messages {
        let body = serde_json::json!({"error": {"message": message, "code": "context_length_exceeded"}}).to_string();
        assert_eq!(fault(400, &body), EngineError::ContextLength { input: 8000, context_len: 8192 }, "{message}");
    }
    let llama = r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":30,"n_ctx":20}}"#;
    assert_eq!(fault(400, llama), EngineError::ContextLength { input: 30, context_len: 20 });
    let vague = r#"{"error":{"message":"context length exceeded","code":"context_length_exceeded"}}"#;
    assert_eq!(rejection(400, vague).0, "context length exceeded");
}
