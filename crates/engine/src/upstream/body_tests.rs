//! What an upstream is sent: the client's words as they were, our fields and no smuggled ones.

use rempart_domain::{AccountId, Band, Sensitive, TokenCount};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{write_embed, write_generate};
use crate::upstream::Priority;
use crate::{EmbedRequest, GenerateRequest, Prompt, Sampling};

fn raw(text: &str) -> Sensitive<Box<RawValue>> {
    Sensitive::new(RawValue::from_string(text.to_owned()).unwrap())
}

fn request() -> GenerateRequest {
    GenerateRequest {
        model: "small \"one\"".to_owned(),
        prompt: Prompt::Chat(raw(r#"[{"role":"user","content":"你好  \u00e9"}]"#)),
        max_tokens: Some(TokenCount(7)),
        sampling: Sampling {
            temperature: Some(0.7),
            seed: Some(42),
            stop: vec!["\n\n".to_owned()],
            ..Sampling::default()
        },
        is_whole: false,
        is_json_object: false,
        extra: vec![("tools".to_owned(), raw(r#"[ {"type":"function"} ]"#)), ("thinking".to_owned(), raw("1.50"))],
        account: Some(AccountId::from_bits(5)),
        band: Band::Member,
        prefill_slice: None,
    }
}

fn sent(request: &GenerateRequest, priority: Priority) -> Value {
    serde_json::from_slice(&write_generate(request, priority)).unwrap()
}

#[test]
fn engines_own_names_for_what_we_cap_or_refuse_do_not_pass() {
    let smuggled = ["n_predict", "max_completion_tokens", "n_probs", "prompt_logprobs", "id_slot", "n_cmpl", "lora"];
    let extra = smuggled.iter().map(|name| ((*name).to_owned(), raw("99"))).collect();
    let body = sent(&GenerateRequest { extra, ..request() }, Priority::None);
    for name in smuggled {
        assert!(body.get(name).is_none(), "{name}");
    }
    assert_eq!(body["max_tokens"], 7);
}

#[test]
fn messages_and_unknown_fields_are_copied_byte_for_byte() {
    let body = String::from_utf8(write_generate(&request(), Priority::None)).unwrap();
    assert!(body.contains(r#""messages":[{"role":"user","content":"你好  \u00e9"}]"#), "{body}");
    assert!(body.contains(r#""tools":[ {"type":"function"} ]"#), "{body}");
    assert!(body.contains(r#""thinking":1.50"#), "{body}");
}

#[test]
fn body_has_exactly_what_was_asked_and_always_streams_with_usage() {
    assert_eq!(
        sent(&request(), Priority::None),
        json!({
            "model": "small \"one\"",
            "messages": [{"role": "user", "content": "你好  é"}],
            "stream": true, "stream_options": {"include_usage": true},
            "max_tokens": 7, "temperature": 0.7, "seed": 42, "stop": ["\n\n"],
            "tools": [{"type": "function"}], "thinking": 1.50,
        })
    );
    let text = GenerateRequest {
        prompt: Prompt::Text(Sensitive::new("a \"b\"\n".to_owned())),
        is_json_object: true,
        ..request()
    };
    let body = sent(&text, Priority::None);
    assert_eq!(body["prompt"], "a \"b\"\n");
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    assert!(body.get("messages").is_none());
}

#[test]
fn engines_order_members_first_each_in_its_own_direction() {
    let with = |band| GenerateRequest { band, ..request() };
    let vllm: Vec<i64> = [Band::Trusted, Band::Member, Band::Newcomer, Band::Visitor]
        .map(|band| sent(&with(band), Priority::Vllm)["priority"].as_i64().unwrap())
        .into();
    assert_eq!(vllm, [0, 1, 2, 3]);
    let sglang: Vec<i64> = [Band::Trusted, Band::Member, Band::Newcomer, Band::Visitor]
        .map(|band| sent(&with(band), Priority::Sglang)["priority"].as_i64().unwrap())
        .into();
    assert_eq!(sglang, [4, 3, 2, 1]);
}

#[test]
fn smuggled_engine_fields_never_pass() {
    let smuggled = ["priority", "cache_salt", "stream", "rid", "bootstrap_host", "custom_logit_processor", "n"];
    let extra = smuggled.map(|key| (key.to_owned(), raw("-99"))).into();
    let body = write_generate(&GenerateRequest { extra, ..request() }, Priority::Vllm);
    assert!(!String::from_utf8(body.clone()).unwrap().contains("-99"));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["priority"], 1);
    assert_eq!(body["cache_salt"], AccountId::from_bits(5).to_string());
}

#[test]
fn numbers_that_json_cannot_say_are_left_out() {
    let sampling = Sampling { temperature: Some(f32::NAN), top_p: Some(f32::INFINITY), ..Sampling::default() };
    let body = sent(&GenerateRequest { sampling, ..request() }, Priority::None);
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
}

#[test]
fn embedding_body_keeps_the_clients_fields() {
    let body = vec![("input".to_owned(), raw(r#"["a","b"]"#)), ("model".to_owned(), raw("\"x\""))];
    let sent: Value = serde_json::from_slice(&write_embed(&EmbedRequest { model: "e".to_owned(), body })).unwrap();
    assert_eq!(sent, json!({"model": "e", "input": ["a", "b"]}));
}

#[test]
fn an_answer_that_goes_on_is_said_in_the_engines_own_way() {
    let extra = vec![(crate::GOES_ON.to_owned(), raw("true"))];
    let going_on = GenerateRequest { extra, ..request() };
    let body = sent(&going_on, Priority::Vllm);
    assert_eq!((&body["continue_final_message"], &body["add_generation_prompt"]), (&json!(true), &json!(false)));
    let body = sent(&going_on, Priority::None);
    assert!(body.get("continue_final_message").is_none() && body.get(crate::GOES_ON).is_none(), "{body}");
}
