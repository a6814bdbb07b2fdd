//! OpenAI's API and DeepSeek's additions, over the wire.

use http::Method;
use http_body_util::BodyExt;
use rempart_engine::Engine as _;
use rempart_gateway::Limits;
use serde_json::{Value, json};

use crate::world::{Credential, Setup, World, chat_body, engine_options};

#[tokio::test]
async fn a_key_gets_an_answer_with_exact_usage_and_chinese_intact() {
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    let answer = world.chat(&key, "你好 世界 bonjour").await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json["object"], "chat.completion");
    assert!(json["choices"][0]["message"]["content"].as_str().unwrap().contains("你好"));
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
    let usage = &json["usage"];
    assert_eq!(usage["completion_tokens"], 16);
    assert_eq!(
        usage["prompt_cache_hit_tokens"].as_u64().unwrap() + usage["prompt_cache_miss_tokens"].as_u64().unwrap(),
        usage["prompt_tokens"].as_u64().unwrap()
    );
}

#[tokio::test]
async fn a_stream_has_role_text_finish_usage_and_done() {
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    let mut body = chat_body("one two three", true);
    body["stream_options"] = json!({ "include_usage": true });
    let answer = world.call(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(body)).await;
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    let events = answer.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> = events[..events.len() - 1].iter().map(|e| serde_json::from_str(e).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let finishes: Vec<_> = chunks.iter().filter(|c| c["choices"][0]["finish_reason"].is_string()).collect();
    assert_eq!(finishes.len(), 1);
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 16);
    let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(text.contains("two"), "{text}");
}

#[tokio::test]
async fn faults_of_a_request_name_their_field_and_never_quote_it() {
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    let rows = [
        (json!({ "model": "script-1" }), "bad_parameter", "messages"),
        (json!({ "messages": [] }), "bad_parameter", "messages"),
        (json!({ "messages": [{ "role": "wizard", "content": "x" }] }), "bad_parameter", "messages[0].role"),
        (json!({ "messages": [{ "role": "user" }] }), "bad_parameter", "messages[0].content"),
        (json!({ "messages": [{ "role": "user", "content": "x" }], "temperature": 9 }), "bad_parameter", "temperature"),
        (json!({ "messages": [{ "role": "user", "content": "x" }], "n": 5 }), "bad_parameter", "n"),
        (json!({ "messages": [{ "role": "user", "content": "x" }], "max_tokens": 0 }), "bad_parameter", "max_tokens"),
        (json!({ "messages": [{ "role": "user", "content": "x" }], "logprobs": true }), "bad_parameter", "logprobs"),
        (json!({ "messages": [{ "role": "user", "content": "x" }], "model": "gpt-9" }), "model_not_found", "model"),
    ];
    for (body, code, param) in rows {
        let answer = world.call(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(body.clone())).await;
        let status = if code == "model_not_found" { 404 } else { 400 };
        answer.assert_refused(status, code);
        assert_eq!(answer.json()["error"]["param"], param, "{body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(!answer.text().contains("wizard"));
        if status == 400 {
            let answer = world.call(Method::POST, "/chat/completions", Credential::Key(&key), Some(body)).await;
            answer.assert_refused(422, code);
        }
    }
    let request = http::Request::post(format!("{}/v1/chat/completions", world.url))
        .header("authorization", format!("Bearer {key}"))
        .body(http_body_util::Full::new("{\"messages\": [".into()))
        .unwrap();
    world.send(request).await.assert_refused(400, "bad_json");
}

#[tokio::test]
async fn a_key_opens_the_api_and_usage_and_nothing_else() {
    let world = World::new().await;
    let (cookie, key) = world.register_with_key("ada").await;
    for (path, status) in [
        ("/v1/models", 200),
        ("/models", 200),
        ("/user/balance", 200),
        ("/api/v1/usage", 200),
        ("/api/v1/keys", 403),
        ("/api/v1/account", 403),
        ("/api/v1/conversations", 403),
    ] {
        let answer = world.call(Method::GET, path, Credential::Key(&key), None).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
    }
    world.call(Method::GET, "/v1/models", Credential::Cookie(&cookie), None).await.assert_refused(403, "not_allowed");
    world.call(Method::GET, "/v1/models", Credential::None, None).await.assert_refused(401, "invalid_api_key");
    let mut forged = key.clone();
    forged.replace_range(10..11, if &key[10..11] == "a" { "b" } else { "a" });
    world.call(Method::GET, "/v1/models", Credential::Key(&forged), None).await.assert_refused(401, "invalid_api_key");
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let world = World::new().await;
    let (cookie, key) = world.register_with_key("ada").await;
    let keys = world.call(Method::GET, "/api/v1/keys", Credential::Cookie(&cookie), None).await.json();
    let id = keys["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/keys/{id}");
    assert_eq!(world.call(Method::DELETE, &path, Credential::Cookie(&cookie), None).await.status, 204);
    world.chat(&key, "x").await.assert_refused(401, "invalid_api_key");
    world.call(Method::DELETE, &path, Credential::Cookie(&cookie), None).await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn client_that_leaves_frees_the_engine_and_settles_the_bill() {
    let world = World::with(Setup { engine: engine_options(1, 20), ..Setup::default() }).await;
    let (cookie, key) = world.register_with_key("ada").await;
    let request =
        world.request(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(&chat_body("x", true)));
    let mut stream = world.open(request).await;
    let _first = stream.body_mut().frame().await.unwrap().unwrap();
    drop(stream);
    // The one sequence is free again well before the answer's 0.8 s would have been over.
    let answer = world.chat(&key, "y").await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.engine.load().unwrap().running, 0);
    let usage = world.call(Method::GET, "/api/v1/usage", Credential::Cookie(&cookie), None).await.json();
    assert_eq!(usage["data"][0]["requests"], 2, "{usage}");
    let output = usage["data"][0]["output_tokens"].as_u64().unwrap();
    assert!((17..32).contains(&output), "the abandoned answer is charged for what was generated: {output}");
}

#[tokio::test]
async fn who_waits_is_told_the_place_and_gets_the_answer() {
    let limits = Limits { stream_head_ms: 50, keep_alive_ms: 60, ..Limits::default() };
    let world = World::with(Setup { engine: engine_options(1, 20), limits, ..Setup::default() }).await;
    let (_, key) = world.register_with_key("ada").await;
    let (_, other) = world.register_with_key("bob").await;
    let request =
        world.request(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(&chat_body("x", true)));
    let first = world.open(request).await;
    let body = chat_body("y", true);
    let second = world.call(Method::POST, "/v1/chat/completions", Credential::Key(&other), Some(body)).await;
    assert!(second.text().contains(": keep-alive position=1"), "{}", second.text());
    assert_eq!(second.events().last().unwrap(), "[DONE]");
    drop(first);
}

#[tokio::test]
async fn a_full_account_is_told_so_about_itself() {
    let limits = Limits { in_flight_per_account: 2, queue_len_per_account: 1, ..Limits::default() };
    let world = World::with(Setup { engine: engine_options(1, 10), limits, ..Setup::default() }).await;
    let (_, key) = world.register_with_key("ada").await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let request =
            world.request(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(&chat_body("x", true)));
        let client = world.client.clone();
        open.push(client.request(request));
    }
    let (first, second) = (open.remove(0), open.remove(0));
    let waiting = async { futures_util::future::join(first, second).await };
    tokio::pin!(waiting);
    let third = async {
        // The first two are on their way once the engine works on one of them.
        while world.gateway.lanes()[0].snapshot().groups.iter().map(|g| g.queued + g.in_flight).sum::<u32>() < 2 {
            tokio::task::yield_now().await;
        }
        world.chat(&key, "z").await
    };
    tokio::select! {
        answer = third => answer.assert_refused(429, "too_many_in_flight"),
        _ = &mut waiting => panic!("the first two ended first"),
    }
}

#[tokio::test]
async fn a_key_has_bounds_of_its_own_on_requests_and_on_answers_at_once() {
    let world = World::with(Setup { engine: engine_options(8, 20), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let make = async |body: serde_json::Value| {
        world.call(Method::POST, "/api/v1/keys", Credential::Cookie(&cookie), Some(body)).await
    };
    make(json!({ "name": "k", "requests_per_minute": 0 })).await.assert_refused(400, "bad_parameter");
    make(json!({ "name": "k", "in_flight": 0 })).await.assert_refused(400, "bad_parameter");
    let slow = make(json!({ "name": "slow", "requests_per_minute": 2 })).await.json();
    let lonely = make(json!({ "name": "lonely", "in_flight": 1 })).await.json();
    assert_eq!((&slow["requests_per_minute"], &lonely["in_flight"]), (&json!(2), &json!(1)));
    let (slow, lonely) = (slow["key"].as_str().unwrap(), lonely["key"].as_str().unwrap());
    for _ in 0..2 {
        let answer = world.chat(slow, "x").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "2");
    }
    let refused = world.chat(slow, "x").await;
    refused.assert_refused(429, "too_many_requests");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 30);
    // The account's other key is not the poorer for it.
    let request =
        world.request(Method::POST, "/v1/chat/completions", Credential::Key(lonely), Some(&chat_body("x", true)));
    let mut stream = world.open(request).await;
    http_body_util::BodyExt::frame(stream.body_mut()).await.unwrap().unwrap();
    world.chat(lonely, "x").await.assert_refused(429, "too_many_in_flight");
    drop(stream);
    let listed = world.call(Method::GET, "/api/v1/keys", Credential::Cookie(&cookie), None).await.json();
    assert!(listed["data"].as_array().unwrap().iter().any(|key| key["in_flight"] == 1));
}

#[tokio::test]
async fn parallel_first_requests_spend_at_most_a_tiny_budget() {
    let world = World::with(Setup { engine: engine_options(8, 200), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let body = json!({ "name": "tiny", "budget": 60 });
    let made = world.call(Method::POST, "/api/v1/keys", Credential::Cookie(&cookie), Some(body)).await.json();
    let key = made["key"].as_str().unwrap();
    let answers = futures_util::future::join_all((0..8).map(|_| world.chat(key, "x"))).await;
    let spent: u64 =
        answers.iter().filter(|a| a.status == 200).map(|a| a.json()["usage"]["total_tokens"].as_u64().unwrap()).sum();
    assert!(spent > 0 && spent <= 60, "{spent}");
    let refused: Vec<_> = answers.iter().filter(|a| a.status != 200).collect();
    assert!(!refused.is_empty());
    for answer in refused {
        assert!([402, 429].contains(&answer.status.as_u16()), "{}", answer.text());
    }
}

#[tokio::test]
async fn completions_continue_a_text() {
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    let body = json!({ "model": "script-1", "prompt": "once upon", "max_tokens": 3 });
    let json = world.call(Method::POST, "/v1/completions", Credential::Key(&key), Some(body)).await.json();
    assert_eq!(json["object"], "text_completion");
    assert_eq!(json["usage"]["completion_tokens"], 3);
    assert!(json["choices"][0]["text"].as_str().unwrap().contains("once"));
}
