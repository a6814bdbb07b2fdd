//! What a person does with a conversation: edit and branch, ask again, let go on, pin, instruct, read a long one.

use http::Method;
use http_body_util::BodyExt;
use rempart_gateway::Limits;
use serde_json::{Value, json};

use crate::chat::{begin, content_of, event_of, messages, wait_for_answer};
use crate::world::{Answer, Credential, Setup, World, engine_options};

async fn post(world: &World, cookie: &str, path: &str, body: Value) -> Answer {
    world.call(Method::POST, path, Credential::Cookie(cookie), Some(body)).await
}

async fn patch(world: &World, cookie: &str, id: &str, body: Value) -> Answer {
    world.call(Method::PATCH, &format!("/api/v1/conversations/{id}"), Credential::Cookie(cookie), Some(body)).await
}

fn texts(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_question_is_edited_answered_again_and_every_branch_is_found() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let first = post(&world, &cookie, &path, json!({ "text": "first" })).await;
    let accepted = event_of(&first, "accepted");
    assert_eq!((&accepted["omitted"], &accepted["kept"]), (&json!(0), &json!(true)));
    let done = event_of(&first, "done");
    assert_eq!((&done["message"]["id"], &done["message"]["status"]), (&accepted["answer"], &json!("complete")));
    assert_eq!(done["message"]["text"], content_of(&first));
    // Edited: a new beginning beside the old one.
    let second = post(&world, &cookie, &path, json!({ "text": "first, edited", "parent": null })).await;
    assert_eq!(event_of(&second, "accepted")["siblings"]["count"], 2);
    let rows = messages(&world, &cookie, &id).await;
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["siblings"]["index"], &rows[0]["siblings"]["count"]), (&json!(1), &json!(2)));
    // Another answer to the same question.
    let again = format!("{path}/{}/regenerate", rows[1]["id"].as_str().unwrap());
    let third = post(&world, &cookie, &again, json!({})).await;
    let done = event_of(&third, "done");
    assert_eq!((&done["message"]["siblings"]["index"], &done["message"]["siblings"]["count"]), (&json!(1), &json!(2)));
    assert_eq!(done["message"]["parent"], rows[0]["id"]);
    post(&world, &cookie, &path, json!({ "text": "below" })).await;
    // Back to the first branch, by its question: the branch below it is shown to its end.
    let shown = patch(&world, &cookie, &id, json!({ "current_leaf": accepted["message"] })).await;
    assert_eq!(shown.json()["current_leaf"], accepted["answer"]);
    assert_eq!(texts(&messages(&world, &cookie, &id).await)[0], "first");
    let shown = patch(&world, &cookie, &id, json!({ "current_leaf": rows[0]["id"] })).await;
    assert_eq!(shown.status, 200);
    let rows = messages(&world, &cookie, &id).await;
    assert_eq!((texts(&rows)[0], texts(&rows)[2], rows.len()), ("first, edited", "below", 4));
    let nothing = post(&world, &cookie, &format!("{path}/m_00000000001/regenerate"), json!({})).await;
    nothing.assert_refused(404, "not_found");
}

#[tokio::test]
async fn a_stopped_answer_goes_on_in_its_place() {
    let world = World::with(Setup { engine: engine_options(2, 20), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let request = world.request(Method::POST, &path, Credential::Cookie(&cookie), Some(&json!({ "text": "a b c d" })));
    let mut stream = world.open(request).await;
    let accepted = stream.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    let accepted = std::str::from_utf8(&accepted).unwrap();
    let accepted: Value =
        serde_json::from_str(accepted.lines().find_map(|l| l.strip_prefix("data: ")).unwrap()).unwrap();
    let _piece = stream.body_mut().frame().await;
    // While it is on its way it is shown as far as it came, with what it is read on from.
    let rows = messages(&world, &cookie, &id).await;
    assert_eq!((&rows[1]["status"], &rows[1]["generation"]), (&json!("streaming"), &accepted["generation"]));
    assert!(!rows[1]["text"].as_str().unwrap().is_empty());
    let stop = format!("/api/v1/generations/{}/stop", accepted["generation"].as_str().unwrap());
    assert_eq!(world.call(Method::POST, &stop, Credential::Cookie(&cookie), None).await.status, 204);
    stream.into_body().collect().await.unwrap();
    let stopped = wait_for_answer(&world, &cookie, &id).await;
    let said = stopped[1]["text"].as_str().unwrap().to_owned();
    let go_on = format!("{path}/{}/continue", stopped[1]["id"].as_str().unwrap());
    let more = world.call(Method::POST, &go_on, Credential::Cookie(&cookie), None).await;
    assert_eq!(more.status, 200, "{}", more.text());
    assert_eq!(event_of(&more, "accepted")["answer"], stopped[1]["id"]);
    let rows = messages(&world, &cookie, &id).await;
    assert_eq!((&rows[1]["id"], &rows[1]["status"]), (&stopped[1]["id"], &json!("complete")));
    assert_eq!(rows[1]["text"], format!("{said}{}", content_of(&more)));
    assert!(content_of(&more).len() > 1);
    let again = world.call(Method::POST, &go_on, Credential::Cookie(&cookie), None).await;
    again.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn an_answer_on_its_way_is_copied_into_the_store_and_cut_by_a_restart() {
    let limits = Limits { checkpoint_ms: 20, ..Limits::default() };
    let world = World::with(Setup { engine: engine_options(2, 5), limits, ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let request = world.request(Method::POST, &path, Credential::Cookie(&cookie), Some(&json!({ "text": "a b c d" })));
    let mut stream = world.open(request).await;
    let _accepted = stream.body_mut().frame().await;
    let rows = messages(&world, &cookie, &id).await;
    let answer = rows[1]["id"].as_str().unwrap().parse().unwrap();
    let account = world.call(Method::GET, "/api/v1/account", Credential::Cookie(&cookie), None).await.json();
    let account = account["account"]["id"].as_str().unwrap().parse().unwrap();
    for _ in 0..2000 {
        if !world.store.find_message(account, answer).await.unwrap().unwrap().text.expose().is_empty() {
            // What a start does.
            assert_eq!(world.store.cut_streaming_messages().await.unwrap(), 1);
            let kept = world.store.find_message(account, answer).await.unwrap().unwrap();
            assert_eq!(kept.status.as_str(), "cut");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("nothing was copied");
}

#[tokio::test]
async fn what_a_conversation_is_told_reaches_the_model() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let input = |answer: &Answer| event_of(answer, "done")["usage"]["prompt_tokens"].as_u64().unwrap();
    let plain = input(&post(&world, &cookie, &path, json!({ "text": "hi", "parent": null })).await);
    let body = json!({ "system": "word ".repeat(100), "temperature": 0.7, "pinned": true, "title": " 春 ", "model": "script-1" });
    let changed = patch(&world, &cookie, &id, body).await.json();
    assert_eq!(
        (&changed["temperature"], &changed["pinned"], &changed["title"]),
        (&json!(0.7), &json!(true), &json!("春"))
    );
    let told = input(&post(&world, &cookie, &path, json!({ "text": "hi", "parent": null })).await);
    assert!(told > plain + 50, "{told} against {plain}");
    let pinned = world.call(Method::GET, "/api/v1/conversations?pinned=true", Credential::Cookie(&cookie), None).await;
    assert_eq!(pinned.json()["data"][0]["id"], id);
    let cleared =
        patch(&world, &cookie, &id, json!({ "system": null, "temperature": null, "pinned": false })).await.json();
    assert_eq!(
        (&cleared["system"], &cleared["temperature"], &cleared["pinned"]),
        (&Value::Null, &Value::Null, &json!(false))
    );
    let bad = [
        json!({ "temperature": 2.1 }),
        json!({ "temperature": -1 }),
        json!({ "system": "x".repeat(40_000) }),
        json!({ "title": "x".repeat(201) }),
    ];
    for body in bad {
        patch(&world, &cookie, &id, body).await.assert_refused(400, "bad_parameter");
    }
    let missing = patch(&world, &cookie, &id, json!({ "current_leaf": "m_00000000001" })).await;
    missing.assert_refused(404, "not_found");
}

#[tokio::test]
async fn a_conversation_longer_than_the_context_leaves_out_its_oldest_turns_and_says_so() {
    let mut engine = engine_options(8, 100_000);
    engine.kv_tokens = 600;
    let world = World::with(Setup { engine, ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let mut omitted = Vec::new();
    for number in 0..8 {
        let text = format!("{number} {}", "word ".repeat(60));
        let answer = post(&world, &cookie, &path, json!({ "text": text })).await;
        omitted.push(event_of(&answer, "accepted")["omitted"].as_u64().unwrap());
        assert_eq!(event_of(&answer, "done")["finish_reason"], "stop", "{}", answer.text());
    }
    assert_eq!(omitted[0], 0);
    assert!(omitted.is_sorted() && omitted[7] >= 4, "{omitted:?}");
    assert!(omitted[7] < 14, "the newest turns are read: {omitted:?}");
}

#[tokio::test]
async fn an_account_is_told_when_it_holds_as_much_as_it_may() {
    let limits = Limits { conversations_per_account: 2, messages_per_conversation: 4, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    begin(&world, &cookie).await;
    let more = post(&world, &cookie, "/api/v1/conversations", json!({})).await;
    more.assert_refused(403, "not_allowed");
    let path = format!("/api/v1/conversations/{id}/messages");
    for _ in 0..2 {
        assert_eq!(post(&world, &cookie, &path, json!({ "text": "hi" })).await.status, 200);
    }
    post(&world, &cookie, &path, json!({ "text": "hi" })).await.assert_refused(403, "not_allowed");
}

#[tokio::test]
async fn the_newest_answers_have_their_colours_first_and_the_others_when_they_are_seen_again() {
    let limits = Limits { render_colours_bytes: 60, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    for name in ["first", "second"] {
        let text = format!("```rust\nfn {name}() {{ let a = 1; }} // a line of forty\n```");
        post(&world, &cookie, &format!("/api/v1/conversations/{id}/messages"), json!({ "text": text })).await;
    }
    let coloured = |rows: &[Value]| -> Vec<bool> {
        rows.iter().filter_map(|row| row["html"].as_str()).map(|html| html.contains("<span class=")).collect()
    };
    assert_eq!(coloured(&messages(&world, &cookie, &id).await), [false, true]);
    assert_eq!(coloured(&messages(&world, &cookie, &id).await), [true, true]);
    // What was kept is of this account and this text only.
    let rows = messages(&world, &cookie, &id).await;
    assert!(rows[1]["html"].as_str().unwrap().contains("first"));
    assert!(rows[3]["html"].as_str().unwrap().contains("second"));
}
