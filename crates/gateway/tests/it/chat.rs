//! Conversations: durable questions, parked answers, resumed streams.

use http::Method;
use http_body_util::BodyExt;
use rempart_engine::Engine as _;
use serde_json::{Value, json};

use crate::world::{Answer, Credential, Setup, World, engine_options};

pub async fn begin(world: &World, cookie: &str) -> String {
    let answer = world.call(Method::POST, "/api/v1/conversations", Credential::Cookie(cookie), Some(json!({}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub async fn messages(world: &World, cookie: &str, id: &str) -> Vec<Value> {
    let path = format!("/api/v1/conversations/{id}/messages");
    let answer = world.call(Method::GET, &path, Credential::Cookie(cookie), None).await;
    answer.json()["data"].as_array().unwrap().clone()
}

/// The text of all `delta` events.
pub fn content_of(answer: &Answer) -> String {
    let events = answer.events().into_iter().filter_map(|e| serde_json::from_str::<Value>(&e).ok());
    events.filter_map(|e| e["content"].as_str().map(str::to_owned)).collect()
}

/// The data of the one event of a name.
pub fn event_of(answer: &Answer, name: &str) -> Value {
    let mut lines = answer.text().lines().skip_while(|l| *l != format!("event: {name}")).skip(1);
    serde_json::from_str(lines.next().unwrap().strip_prefix("data: ").unwrap()).unwrap()
}

pub async fn wait_for_answer(world: &World, cookie: &str, id: &str) -> Vec<Value> {
    for _ in 0..2000 {
        let found = messages(world, cookie, id).await;
        if found.len() >= 2 && found[1]["status"] != "streaming" {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("no answer was kept");
}

#[tokio::test]
async fn a_question_is_accepted_answered_and_kept() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let body = json!({ "text": "你好 hello" });
    let answer = world.call(Method::POST, &path, Credential::Cookie(&cookie), Some(body)).await;
    assert!(answer.text().starts_with("event: accepted\n"), "{}", answer.text());
    assert!(answer.text().contains("event: done\n"));
    let kept = wait_for_answer(&world, &cookie, &id).await;
    assert_eq!(kept[0]["role"], "user");
    assert_eq!(kept[0]["text"], "你好 hello");
    assert_eq!(kept[1]["role"], "assistant");
    assert_eq!(kept[1]["parent"], kept[0]["id"]);
    assert!(kept[1]["text"].as_str().unwrap().contains("你好"));
    let list = world.call(Method::GET, "/api/v1/conversations", Credential::Cookie(&cookie), None).await.json();
    assert_eq!(list["data"][0]["title"], "你好 hello");
}

#[tokio::test]
async fn an_answer_goes_on_when_the_tab_closes_and_is_read_again_by_event_id() {
    let world = World::with(Setup { engine: engine_options(2, 40), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let request = world.request(Method::POST, &path, Credential::Cookie(&cookie), Some(&json!({ "text": "a b c d" })));
    let mut stream = world.open(request).await;
    let accepted = stream.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    let accepted = std::str::from_utf8(&accepted).unwrap();
    let data: Value = serde_json::from_str(accepted.lines().find_map(|l| l.strip_prefix("data: ")).unwrap()).unwrap();
    let generation = data["generation"].as_str().unwrap();
    let _first = stream.body_mut().frame().await;
    drop(stream);
    let path = format!("/api/v1/generations/{generation}/events");
    let mut request = world.request(Method::GET, &path, Credential::Cookie(&cookie), None);
    request.headers_mut().insert("last-event-id", "0".parse().unwrap());
    let resumed = world.send(request).await;
    assert!(resumed.text().contains("event: done\n"));
    let whole = world.call(Method::GET, &path, Credential::Cookie(&cookie), None).await;
    let kept = wait_for_answer(&world, &cookie, &id).await;
    assert_eq!(kept[1]["status"], "complete");
    let text = kept[1]["text"].as_str().unwrap();
    assert_eq!(content_of(&whole), text);
    let rest = content_of(&resumed);
    assert!(text.ends_with(&rest) && !rest.is_empty() && rest.len() < text.len(), "{rest:?} of {text:?}");
    let ids: Vec<u64> = resumed.text().lines().filter_map(|l| l.strip_prefix("id: ")?.parse().ok()).collect();
    assert!(
        ids.first() == Some(&0) && ids.iter().skip(1).all(|id| *id >= 1) && ids.is_sorted() && ids.last() == Some(&16),
        "{ids:?}"
    );
}

#[tokio::test]
async fn a_stopped_answer_is_kept_as_far_as_it_came_and_frees_the_engine() {
    let world = World::with(Setup { engine: engine_options(1, 10), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let request = world.request(Method::POST, &path, Credential::Cookie(&cookie), Some(&json!({ "text": "a b c d" })));
    let mut stream = world.open(request).await;
    let accepted = stream.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&accepted).unwrap();
    let data: Value = serde_json::from_str(text.lines().find_map(|l| l.strip_prefix("data: ")).unwrap()).unwrap();
    let _first = stream.body_mut().frame().await;
    let stop = format!("/api/v1/generations/{}/stop", data["generation"].as_str().unwrap());
    assert_eq!(world.call(Method::POST, &stop, Credential::Cookie(&cookie), None).await.status, 204);
    let rest = stream.into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&rest).unwrap().contains("\"stopped\":true"));
    assert_eq!(wait_for_answer(&world, &cookie, &id).await[1]["status"], "stopped");
    assert_eq!(world.engine.load().unwrap().running, 0);
}

#[tokio::test]
async fn a_question_asked_while_an_answer_is_on_its_way_stands_below_it() {
    let world = World::with(Setup { engine: engine_options(2, 20), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let request = world.request(Method::POST, &path, Credential::Cookie(&cookie), Some(&json!({ "text": "first" })));
    let mut stream = world.open(request).await;
    let _accepted = stream.body_mut().frame().await;
    world.call(Method::POST, &path, Credential::Cookie(&cookie), Some(json!({ "text": "second" }))).await;
    let texts: Vec<_> =
        messages(&world, &cookie, &id).await.iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert_eq!((&*texts[0], &*texts[2]), ("first", "second"));
}

#[tokio::test]
async fn the_answer_is_kept_when_its_end_is_told() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    for number in 0..10 {
        let body = json!({ "text": format!("question {number}") });
        let answer = world.call(Method::POST, &path, Credential::Cookie(&cookie), Some(body)).await;
        assert!(answer.text().contains("event: done\n"));
        let kept = messages(&world, &cookie, &id).await;
        assert_eq!(kept.len(), 2 * (number + 1));
        assert_eq!(kept.last().unwrap()["status"], "complete");
    }
}

#[tokio::test]
async fn a_branch_is_made_by_naming_the_parent() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    world.call(Method::POST, &path, Credential::Cookie(&cookie), Some(json!({ "text": "first" }))).await;
    let kept = wait_for_answer(&world, &cookie, &id).await;
    world.call(Method::POST, &path, Credential::Cookie(&cookie), Some(json!({ "text": "second" }))).await;
    let body = json!({ "text": "other second", "parent": kept[1]["id"] });
    world.call(Method::POST, &path, Credential::Cookie(&cookie), Some(body)).await;
    let mut texts = Vec::new();
    for _ in 0..2000 {
        let branch = messages(&world, &cookie, &id).await;
        texts = branch.iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect();
        if texts.len() == 4 && texts[2] == "other second" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{texts:?}");
}

/// What a page shows after the patches of a stream: blocks by number, as far as no block stands in another.
fn shown(answer: &Answer) -> std::collections::BTreeMap<u64, String> {
    let mut blocks = std::collections::BTreeMap::new();
    for event in answer.events().iter().filter_map(|e| serde_json::from_str::<Value>(e).ok()) {
        for patch in event["patches"].as_array().into_iter().flatten() {
            let (block, html) = (patch[1].as_u64().unwrap(), patch[2].as_str().unwrap().to_owned());
            match patch[0].as_str().unwrap() {
                "set" => drop(blocks.insert(block, html)),
                "append" => blocks.get_mut(&block).unwrap().push_str(&html),
                other => panic!("{other}"),
            }
        }
    }
    blocks
}

#[tokio::test]
async fn whoever_comes_back_is_shown_the_same_page() {
    let world = World::with(Setup { engine: engine_options(2, 40), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let body = json!({ "text": "**bold** <script>alert(1)</script> 你好" });
    let live = world.call(Method::POST, &path, Credential::Cookie(&cookie), Some(body)).await;
    let page = shown(&live);
    let html: String = page.values().cloned().collect();
    assert!(html.contains("<strong>bold</strong>") && !html.contains("<script"), "{html}");
    let generation = event_of(&live, "accepted")["generation"].as_str().unwrap().to_owned();
    for after in [None, Some("0"), Some("7"), Some("14"), Some("15")] {
        let path = format!("/api/v1/generations/{generation}/events");
        let mut request = world.request(Method::GET, &path, Credential::Cookie(&cookie), None);
        if let Some(after) = after {
            request.headers_mut().insert("last-event-id", after.parse().unwrap());
        }
        let resumed = world.send(request).await;
        assert_eq!(shown(&resumed), page, "after {after:?}: {}", resumed.text());
    }
    let row = &messages(&world, &cookie, &id).await[1];
    assert!(row["html"].as_str().unwrap().contains("<strong>bold</strong>"), "{row}");
    assert_eq!(event_of(&live, "done")["message"]["html"], row["html"]);
    assert_eq!(messages(&world, &cookie, &id).await[0]["html"], Value::Null);
}
