//! What a person does with what was said: find it, attach to it, share it, take it along, leave no trace of it.

use http::{Method, Request, header};
use http_body_util::Full;
use rempart_gateway::Limits;
use serde_json::{Value, json};

use crate::chat::{begin, content_of, event_of, messages};
use crate::world::{Answer, Credential, Setup, World};

async fn get(world: &World, cookie: &str, path: &str) -> Answer {
    world.call(Method::GET, path, Credential::Cookie(cookie), None).await
}

async fn post(world: &World, cookie: &str, path: &str, body: Value) -> Answer {
    world.call(Method::POST, path, Credential::Cookie(cookie), Some(body)).await
}

pub async fn upload(world: &World, cookie: &str, name: &str, kind: &str, body: &[u8]) -> Answer {
    let name: String = name.bytes().map(|b| format!("%{b:02x}")).collect();
    let request = Request::post(format!("{}/api/v1/files?name={name}", world.url))
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, kind)
        .body(Full::new(body.to_vec().into()))
        .unwrap();
    world.send(request).await
}

async fn find_all(world: &World, cookie: &str, query: &str) -> Vec<Value> {
    let encoded: String = query.bytes().map(|b| format!("%{b:02x}")).collect();
    let (mut hits, mut cursor) = (Vec::new(), String::new());
    for _ in 0..100 {
        let page = get(world, cookie, &format!("/api/v1/search?q={encoded}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        hits.extend(page["data"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return hits,
        }
    }
    panic!("the search never ends");
}

#[tokio::test]
async fn what_was_said_is_found_in_titles_and_messages_chinese_too() {
    let world = World::new().await;
    let (ada, bob) = (world.register("ada").await, world.register("bob").await);
    let id = begin(&world, &ada).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    post(&world, &ada, &path, json!({ "text": "写一首关于春天的诗" })).await;
    post(&world, &ada, &path, json!({ "text": "ＣＡＦÉ au lait" })).await;
    let hits = find_all(&world, &ada, "春天").await;
    assert_eq!(hits[0]["message"], Value::Null, "the title is taken from the first question: {hits:?}");
    assert!(hits.len() >= 2 && hits.iter().all(|hit| hit["conversation"]["id"] == *id));
    let rows = messages(&world, &ada, &id).await;
    let question = hits.iter().find(|hit| hit["message"] == rows[0]["id"]).unwrap();
    assert_eq!((&question["snippet"], &question["ranges"]), (&json!("写一首关于春天的诗"), &json!([[5, 2]])));
    assert!(find_all(&world, &ada, "café").await.iter().any(|hit| hit["message"] == rows[2]["id"]));
    assert!(find_all(&world, &ada, "夏天").await.is_empty());
    assert!(find_all(&world, &bob, "春天").await.is_empty());
    get(&world, &ada, "/api/v1/search?q=%20").await.assert_refused(400, "bad_parameter");
    get(&world, &ada, "/api/v1/search?q=x&cursor=m.x").await.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn a_search_stops_at_its_bound_and_goes_on_where_it_was() {
    let limits = Limits { search_bytes: 500, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    for number in 0..30 {
        let id = begin(&world, &cookie).await;
        let path = format!("/api/v1/conversations/{id}/messages");
        post(&world, &cookie, &path, json!({ "text": format!("needle {number} {}", "x".repeat(100)) })).await;
    }
    let hits = find_all(&world, &cookie, "NEEDLE").await;
    // Each is in the title, the question and its echo.
    assert_eq!(hits.len(), 90);
    let first = get(&world, &cookie, "/api/v1/search?q=nowhere").await.json();
    assert!(first["data"].as_array().unwrap().is_empty() && first["next"].is_string(), "{first}");
}

#[tokio::test]
async fn a_file_is_read_attached_and_stands_before_the_question() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let made =
        upload(&world, &cookie, "dir/笔记.txt", "text/plain; charset=utf-8", "第一行\nsecond line".as_bytes()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let file = made.json();
    assert_eq!(
        (&file["name"], &file["kind"], &file["bytes"], &file["chars"]),
        (&json!("笔记.txt"), &json!("text"), &json!(21), &json!(15))
    );
    let id = begin(&world, &cookie).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let answer = post(&world, &cookie, &path, json!({ "text": "what is in it?", "attachments": [file["id"]] })).await;
    assert!(
        content_of(&answer).contains("[file: 笔记.txt]"),
        "the scripted engine says what it was sent: {}",
        content_of(&answer)
    );
    let rows = messages(&world, &cookie, &id).await;
    assert_eq!((&rows[0]["attachments"][0]["id"], &rows[0]["text"]), (&file["id"], &json!("what is in it?")));
    // Asked again, the file is there again.
    let again =
        post(&world, &cookie, &format!("{path}/{}/regenerate", rows[1]["id"].as_str().unwrap()), json!({})).await;
    assert!(content_of(&again).contains("[file: 笔记.txt]"));
    // Edited, it can be attached again.
    let edited =
        post(&world, &cookie, &path, json!({ "text": "edited", "parent": null, "attachments": [file["id"]] })).await;
    assert_eq!(edited.status, 200);
    let twice = post(&world, &cookie, &path, json!({ "text": "x", "attachments": [file["id"], file["id"]] })).await;
    twice.assert_refused(400, "bad_parameter");
    let delete = format!("/api/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(world.call(Method::DELETE, &delete, Credential::Cookie(&cookie), None).await.status, 204);
    world.call(Method::DELETE, &delete, Credential::Cookie(&cookie), None).await.assert_refused(404, "not_found");
    assert_eq!(messages(&world, &cookie, &id).await[0]["attachments"], json!([]));
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_refused_with_a_reason() {
    let limits = Limits { file_text_bytes: 1000, body_bytes_file: 5000, files_per_account: 1, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    upload(&world, &cookie, "a.bin", "application/octet-stream", b"x").await.assert_refused(400, "bad_parameter");
    upload(&world, &cookie, "a.txt", "text/plain", b"a\0b").await.assert_refused(400, "bad_parameter");
    upload(&world, &cookie, "a.txt", "text/plain", b"").await.assert_refused(400, "bad_parameter");
    upload(&world, &cookie, "a.pdf", "application/pdf", b"no pdf").await.assert_refused(400, "bad_parameter");
    upload(&world, &cookie, "", "text/plain", b"x").await.assert_refused(400, "bad_parameter");
    upload(&world, &cookie, "a.txt", "text/plain", &[b'x'; 2000]).await.assert_refused(413, "too_large");
    upload(&world, &cookie, "a.txt", "text/plain", &[b'x'; 6000]).await.assert_refused(413, "too_large");
    assert_eq!(upload(&world, &cookie, "a.txt", "text/plain", b"x").await.status, 201);
    upload(&world, &cookie, "b.txt", "text/plain", b"x").await.assert_refused(403, "not_allowed");
}

#[tokio::test]
async fn a_shared_link_is_told_once_and_ends_when_it_is_revoked() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let id = begin(&world, &cookie).await;
    let share = format!("/api/v1/conversations/{id}/share");
    post(&world, &cookie, &share, json!({})).await.assert_refused(400, "bad_parameter");
    post(&world, &cookie, &format!("/api/v1/conversations/{id}/messages"), json!({ "text": "你好" })).await;
    let made = world.call(Method::POST, &share, Credential::Cookie(&cookie), None).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let url = made.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{}/s/", world.url)) && url.len() > world.url.len() + 50, "{url}");
    let row = get(&world, &cookie, &format!("/api/v1/conversations/{id}")).await.json();
    assert_eq!(row["shared"], true);
    assert!(!row.to_string().contains(url.rsplit('/').next().unwrap()), "the link is told once");
    assert_eq!(world.call(Method::DELETE, &share, Credential::Cookie(&cookie), None).await.status, 204);
    world.call(Method::DELETE, &share, Credential::Cookie(&cookie), None).await.assert_refused(404, "not_found");
    assert_eq!(get(&world, &cookie, &format!("/api/v1/conversations/{id}")).await.json()["shared"], false);
}

#[tokio::test]
async fn everything_of_an_account_is_exported_in_both_forms() {
    let world = World::new().await;
    let (ada, bob) = (world.register("ada").await, world.register("bob").await);
    let file = upload(&world, &ada, "notes.txt", "text/plain", b"what is in the file").await.json();
    for number in 0..3 {
        let id = begin(&world, &ada).await;
        let path = format!("/api/v1/conversations/{id}/messages");
        let attachments = if number == 0 { json!([file["id"]]) } else { json!([]) };
        post(&world, &ada, &path, json!({ "text": format!("question {number}"), "attachments": attachments })).await;
        post(&world, &ada, &path, json!({ "text": format!("question {number}, edited"), "parent": null })).await;
    }
    let exported = get(&world, &ada, "/api/v1/export?format=json").await;
    assert!(exported.header("content-disposition").contains("rempart-export.json"));
    let exported = exported.json();
    assert_eq!(exported["account"]["name"], "ada");
    let conversations = exported["conversations"].as_array().unwrap();
    assert_eq!(conversations.len(), 3);
    assert!(conversations.iter().all(|c| c["messages"].as_array().unwrap().len() == 4), "all branches");
    assert!(exported.to_string().contains("what is in the file"));
    let markdown = get(&world, &ada, "/api/v1/export?format=markdown").await;
    assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
    assert!(
        markdown.text().contains("question 2, edited") && markdown.text().contains("## script-1"),
        "{}",
        markdown.text()
    );
    assert_eq!(get(&world, &bob, "/api/v1/export").await.json()["conversations"], json!([]));
    get(&world, &ada, "/api/v1/export?format=xml").await.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn a_temporary_chat_leaves_nothing_but_its_usage() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let path = "/api/v1/temporary/messages";
    let asked = json!({ "messages": [{ "role": "user", "text": "hi" }, { "role": "assistant", "text": "hello" }, { "role": "user", "text": "canary 你好" }], "system": "be brief", "temperature": 0 });
    let answer = post(&world, &cookie, path, asked).await;
    let accepted = event_of(&answer, "accepted");
    assert_eq!(
        (&accepted["kept"], &accepted["temporary"], &accepted["message"]),
        (&json!(false), &json!(true), &Value::Null)
    );
    assert!(content_of(&answer).contains("canary"));
    assert_eq!(event_of(&answer, "done")["message"], Value::Null);
    // A reader who lost the connection reads it again.
    let again =
        get(&world, &cookie, &format!("/api/v1/generations/{}/events", accepted["generation"].as_str().unwrap())).await;
    assert_eq!(content_of(&again), content_of(&answer));
    assert_eq!(get(&world, &cookie, "/api/v1/conversations").await.json()["data"], json!([]));
    let usage = get(&world, &cookie, "/api/v1/usage").await.json();
    assert_eq!(usage["data"][0]["requests"], 1);
    let dump = world.dir.path().join("all.jsonl");
    world.store.dump(&dump).await.unwrap();
    assert!(!std::fs::read_to_string(&dump).unwrap().contains("\"message\",\"columns\""), "no message is stored");
    for bad in [
        json!({ "messages": [] }),
        json!({ "messages": [{ "role": "assistant", "text": "x" }] }),
        json!({ "messages": [{ "role": "system", "text": "x" }] }),
    ] {
        post(&world, &cookie, path, bad).await.assert_refused(400, "bad_parameter");
    }
}

#[tokio::test]
async fn language_theme_and_time_zone_are_chosen_and_told() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let patch = |body: Value| {
        let (world, cookie) = (&world, &cookie);
        async move { world.call(Method::PATCH, "/api/v1/account", Credential::Cookie(cookie), Some(body)).await }
    };
    let told = patch(json!({ "theme": "dark", "time_zone": "Asia/Shanghai", "locale": "zh" })).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let me = get(&world, &cookie, "/api/v1/account").await.json();
    assert_eq!(
        (&me["account"]["theme"], &me["account"]["time_zone"], &me["account"]["locale"]),
        (&json!("dark"), &json!("Asia/Shanghai"), &json!("zh"))
    );
    assert_eq!(
        patch(json!({ "theme": "auto", "time_zone": null })).await.json(),
        json!({ "locale": "zh", "theme": "auto", "time_zone": null })
    );
    for bad in [
        json!({ "theme": "pink" }),
        json!({ "time_zone": "Mars/Base" }),
        json!({ "locale": "xx" }),
        json!({ "standing": "trusted" }),
    ] {
        patch(bad).await.assert_refused(400, "bad_parameter");
    }
}

#[tokio::test]
async fn a_key_tells_what_it_spent_today() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let body = json!({ "name": "k", "budget": 100_000, "models": ["script-1"], "expires": "2099-01-01" });
    let key = post(&world, &cookie, "/api/v1/keys", body).await.json();
    assert_eq!(world.chat(key["key"].as_str().unwrap(), "hello").await.status, 200);
    let row = get(&world, &cookie, "/api/v1/keys").await.json()["data"][0].clone();
    assert!(row["spent"].as_u64().unwrap() > 10, "{row}");
    assert_eq!((&row["budget"], &row["models"]), (&json!(100_000), &json!(["script-1"])));
    assert!(row["expires"].is_string());
}
