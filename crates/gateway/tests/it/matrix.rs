//! Two accounts, every route: no page, call or event stream of one is reached by the other by naming its ids.
//!
//! The rows are made from the table of routes: a new route with an id in it fails here until it is said what stands for its id.

use futures_util::future::join_all;
use http::{Method, Request, header};
use http_body_util::Full;
use rempart_domain::UnixSeconds;
use rempart_gateway::Limits;
use rempart_gateway::ctx::Side;
use rempart_gateway::routes::{Access, BodyLimit, Dialect, Route, TABLE};
use rempart_store::NewInvite;
use serde_json::{Value, json};

use crate::chat::{begin, event_of};
use crate::keeping::upload;
use crate::world::{Answer, Credential, Setup, World};

/// What Ada has.
struct Ids {
    conversation: String,
    question: String,
    answer: String,
    generation: String,
    file: String,
    key: String,
    session: String,
    device: String,
    invite: String,
    share: String,
}

async fn make_all(world: &World, ada: &str) -> Ids {
    let post = |path: String, body: Value| async move {
        world.call(Method::POST, &path, Credential::Cookie(ada), Some(body)).await
    };
    let file = upload(world, ada, "a.txt", "text/plain", b"secret of ada").await.json();
    let conversation = begin(world, ada).await;
    let asked = json!({ "text": "secret of ada", "attachments": [file["id"]] });
    let sent = post(format!("/api/v1/conversations/{conversation}/messages"), asked).await;
    let accepted = event_of(&sent, "accepted");
    let shared = post(format!("/api/v1/conversations/{conversation}/share"), json!({})).await.json();
    let keys = world.call(Method::GET, "/api/v1/keys", Credential::Cookie(ada), None).await.json();
    let sessions = world.call(Method::GET, "/api/v1/sessions", Credential::Cookie(ada), None).await.json();
    let devices = world.call(Method::GET, "/api/v1/devices", Credential::Cookie(ada), None).await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let me = world.call(Method::GET, "/api/v1/account", Credential::Cookie(ada), None).await.json();
    let (created, expires) = (UnixSeconds(0), UnixSeconds(i64::from(u32::MAX)));
    let inviter = Some(text(&me["account"]["id"]).parse().unwrap());
    let invite = NewInvite { id: 7, inviter, created, expires, budget: None };
    assert!(world.store.create_invite(invite).await.unwrap());
    Ids {
        invite: format!("i_{:016x}", 7),
        conversation,
        question: text(&accepted["message"]),
        answer: text(&accepted["answer"]),
        generation: text(&accepted["generation"]),
        file: text(&file["id"]),
        key: text(&keys["data"][0]["id"]),
        session: text(&sessions["data"][0]["id"]),
        device: text(&devices["data"][0]["id"]),
        share: text(&shared["id"]),
    }
}

/// Ada's ids in the place of a pattern's; `None` for a pattern whose ids are nobody's.
fn path_of(pattern: &str, ids: &Ids) -> Option<String> {
    // A second factor is deleted with a password in hand: the store's contract asks that with two accounts.
    let public = ["/v1/models/{*id}", "/static/{*path}", "/s/{token}", "/api/v1/factors/{id}"];
    if public.contains(&pattern) {
        return None;
    }
    let id = [
        ("/api/v1/conversations/", &ids.conversation),
        ("/c/", &ids.conversation),
        ("/api/v1/generations/", &ids.generation),
        ("/api/v1/files/", &ids.file),
        ("/api/v1/keys/", &ids.key),
        ("/api/v1/sessions/", &ids.session),
        ("/api/v1/devices/", &ids.device),
        ("/api/v1/invites/", &ids.invite),
    ];
    let (_, id) = id
        .iter()
        .find(|(prefix, _)| pattern.starts_with(prefix))
        .unwrap_or_else(|| panic!("say what stands for the id in {pattern}"));
    Some(pattern.replace("{id}", id).replace("{mid}", &ids.answer))
}

async fn ask(world: &World, route: &Route, path: &str, cookie: Option<&str>) -> Answer {
    let mut request = Request::builder().method(route.method.clone()).uri(format!("{}{path}", world.url));
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    let body = match (path, &route.method) {
        _ if route.body == BodyLimit::None => "",
        (path, &Method::POST) if path.ends_with("/messages") => r#"{"text":"intruder"}"#,
        _ => "{}",
    };
    let kind = if route.dialect == Dialect::Page { "application/x-www-form-urlencoded" } else { "application/json" };
    world.send(request.header(header::CONTENT_TYPE, kind).body(Full::new(body.into())).unwrap()).await
}

#[tokio::test]
async fn no_route_with_an_id_answers_another_account() {
    let limits = Limits { refusal_hold_ms: 1, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let (ada, _) = world.register_with_key("ada").await;
    let bob = world.register("bob").await;
    let ids = make_all(&world, &ada).await;
    let routes = TABLE.iter().filter(|route| route.side == Side::Public && route.pattern.contains('{'));
    let rows: Vec<_> = routes.filter_map(|route| Some((route, path_of(route.pattern, &ids)?))).collect();
    assert!(rows.len() >= 16, "{} routes with an id", rows.len());
    let (world, bob) = (&world, bob.as_str());
    // Together, because refusals to strangers are held back.
    join_all(rows.iter().map(|(route, path)| async move {
        assert_ne!(route.access, Access::Open, "{path}");
        let answer = ask(world, route, path, Some(bob)).await;
        // A form of a page may be refused for its secret before anything is looked up.
        let is_form = route.dialect == Dialect::Page && route.method == Method::POST;
        let is_refused = answer.status == 404 || (is_form && answer.status == 403);
        assert!(is_refused, "{} {path}: {} {}", route.method, answer.status, answer.text());
        assert!(!answer.text().contains("secret of ada"), "{} {path}", route.method);
        let stranger = ask(world, route, path, None).await;
        assert!([401, 303].contains(&stranger.status.as_u16()), "{} {path}: {}", route.method, stranger.status);
    }))
    .await;
    // All of it is still there, and hers.
    let path = format!("/api/v1/conversations/{}/messages", ids.conversation);
    let kept = world.call(Method::GET, &path, Credential::Cookie(&ada), None).await.json();
    assert_eq!(
        (kept["data"].as_array().unwrap().len(), &kept["data"][0]["attachments"][0]["id"]),
        (2, &json!(ids.file))
    );
}

#[tokio::test]
async fn ids_of_another_account_in_bodies_and_queries_are_not_found() {
    let world = World::new().await;
    let (ada, _) = world.register_with_key("ada").await;
    let bob = world.register("bob").await;
    let ids = make_all(&world, &ada).await;
    let own = begin(&world, &bob).await;
    let messages = format!("/api/v1/conversations/{own}/messages");
    let call = |method: Method, path: String, body: Option<Value>| {
        let (world, bob) = (&world, &bob);
        async move { world.call(method, &path, Credential::Cookie(bob), body).await }
    };
    for parent in [&ids.question, &ids.answer] {
        call(Method::POST, messages.clone(), Some(json!({ "text": "x", "parent": parent })))
            .await
            .assert_refused(404, "not_found");
        call(Method::PATCH, format!("/api/v1/conversations/{own}"), Some(json!({ "current_leaf": parent })))
            .await
            .assert_refused(404, "not_found");
        for verb in ["regenerate", "continue"] {
            call(Method::POST, format!("{messages}/{parent}/{verb}"), None).await.assert_refused(404, "not_found");
        }
        let page = call(Method::GET, format!("{messages}?cursor={parent}"), None).await;
        assert_eq!(page.json()["data"], json!([]));
    }
    let attached = json!({ "text": "x", "attachments": [ids.file] });
    call(Method::POST, messages.clone(), Some(attached)).await.assert_refused(404, "not_found");
    // Lists, search and export hold what is one's own.
    for path in [
        "/api/v1/conversations",
        "/api/v1/conversations?pinned=true",
        "/api/v1/search?q=secret",
        "/api/v1/export",
        "/api/v1/export?format=markdown",
        "/api/v1/keys",
        "/api/v1/usage",
        "/api/v1/account",
        "/api/v1/sessions",
    ] {
        let answer = call(Method::GET, path.to_owned(), None).await;
        assert_eq!(answer.status, 200, "{path}");
        for id in [&ids.conversation, &ids.question, &ids.answer, &ids.file, &ids.key, &ids.session, &ids.share] {
            assert!(!answer.text().contains(id.as_str()), "{path} names {id}");
        }
        assert!(!answer.text().contains("secret of ada"), "{path}");
    }
    // A cursor made of another's row leads to one's own rows only.
    let far = format!("/api/v1/search?q=secret&cursor=m.99999999999999.{}", ids.question);
    assert_eq!(call(Method::GET, far, None).await.json()["data"], json!([]));
    let list = format!("/api/v1/conversations?cursor=99999999999999.{}", ids.conversation);
    assert!(!call(Method::GET, list, None).await.text().contains(&ids.conversation));
}
