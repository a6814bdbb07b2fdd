//! What somebody with bad intentions tries, one test a door.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rempart_domain::{AccountId, Day, KeyScope, Standing, UnixSeconds};
use rempart_gateway::Limits;
use rempart_identity::ChangedBy;
use rempart_store::{NewKey, UsageRow};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Answer, Credential, PASSWORD, Setup, World, chat_body, engine_options};

async fn account_of(world: &World, cookie: &str) -> AccountId {
    let me = world.call(Method::GET, "/api/v1/account", Credential::Cookie(cookie), None).await.json();
    me["account"]["id"].as_str().unwrap().parse().unwrap()
}

/// A member's session and key.
async fn member(world: &World, name: &str) -> (String, String) {
    let cookie = world.register(name).await;
    world.store.set_standing(account_of(world, &cookie).await, Standing::Member).await.unwrap();
    let body = json!({ "name": name, "password": PASSWORD });
    let answer = world.call(Method::POST, "/api/v1/sessions", Credential::None, Some(body)).await;
    let cookie = answer.cookie("rmp_session");
    let made =
        world.call(Method::POST, "/api/v1/keys", Credential::Cookie(&cookie), Some(json!({ "name": "k" }))).await;
    (cookie, made.json()["key"].as_str().unwrap().to_owned())
}

/// Announces a body of `len` bytes and sends one.
async fn begin_body(world: &World, key: &str, len: usize) -> TcpStream {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len}\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn status_line(stream: &mut TcpStream) -> String {
    let mut buffer = [0_u8; 12];
    tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&buffer).into_owned()
}

#[tokio::test]
async fn bodies_that_strangers_begin_and_do_not_end_keep_no_member_out() {
    let limits = Limits { body_bytes_total: 400 * 1024, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let (_, member) = member(&world, "ada").await;
    let (_, newcomer) = world.register_with_key("eve").await;
    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.push(begin_body(&world, &newcomer, 100_000).await);
    }
    assert_eq!(status_line(&mut kept[3]).await, "HTTP/1.1 503", "strangers have a part of the memory, not all of it");
    let answer = world.chat(&member, &"word ".repeat(4000)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_prompt_counts_as_memory_until_its_answer_is_over() {
    let limits = Limits { body_bytes_total: 300 * 1024, ..Limits::default() };
    let world = World::with(Setup { limits, engine: engine_options(2, 2), ..Setup::default() }).await;
    let (_, key) = world.register_with_key("eve").await;
    let body = chat_body(&"word ".repeat(12_000), true);
    let request = world.request(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(&body));
    let running = world.open(request).await;
    assert_eq!(running.status(), 200);
    let second = world.call(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(body)).await;
    second.assert_refused(503, "overloaded");
}

#[tokio::test]
async fn operators_reach_the_console_when_every_public_connection_is_taken() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let mut flood = TcpStream::connect(world.address).await.unwrap();
    flood.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(status_line(&mut flood).await, "HTTP/1.1 200");
    let answer = world.client.get(format!("{}/healthz", world.console_url).parse().unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
}

async fn http2(
    world: &World,
    window: u32,
) -> (hyper::client::conn::http2::SendRequest<Empty<Bytes>>, impl Future<Output = hyper::Result<()>>) {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    builder.handshake(TokioIo::new(stream)).await.unwrap()
}

fn http2_get(world: &World, path: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(format!("{}{path}", world.url)).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_reader_over_http2_that_takes_nothing_is_cut_off() {
    let limits = Limits { write_stall_ms: 100, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let (mut sender, connection) = http2(&world, 0).await;
    let asked = async {
        let answer = sender.send_request(http2_get(&world, "/register")).await.unwrap();
        assert_eq!(answer.status(), 200);
        std::future::pending::<()>().await;
    };
    let cut = tokio::time::timeout(Duration::from_secs(8), async {
        tokio::select! { _ = connection => {}, () = asked => {} }
    });
    cut.await.expect("the connection was left open");
}

#[tokio::test]
async fn an_idle_connection_over_http2_is_not_taken_for_a_slow_head() {
    let limits = Limits { header_deadline_ms: 100, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let (mut sender, connection) = http2(&world, 65_535).await;
    let ask = async {
        let answer = sender.send_request(http2_get(&world, "/register")).await.unwrap();
        answer.into_body().collect().await.unwrap();
        std::future::pending::<()>().await;
    };
    let both = async {
        tokio::select! { _ = connection => {}, () = ask => {} }
    };
    assert!(tokio::time::timeout(Duration::from_secs(5), both).await.is_err(), "the connection was cut");
}

#[tokio::test]
async fn a_suspension_holds_against_sessions_and_keys_that_were_read_before_it() {
    let world = World::new().await;
    let (cookie, key) = world.register_with_key("eve").await;
    let account = account_of(&world, &cookie).await;
    world.revocations.set_standing(account, Standing::Suspended, ChangedBy::Operator).unwrap();
    for (path, credential) in [("/v1/models", Credential::Key(&key)), ("/api/v1/keys", Credential::Cookie(&cookie))] {
        world.call(Method::GET, path, credential, None).await.assert_refused(403, "not_allowed");
    }
}

#[tokio::test]
async fn a_revocation_that_was_cut_off_half_way_is_done_by_the_next() {
    let world = World::new().await;
    let (cookie, key) = world.register_with_key("ada").await;
    let account = account_of(&world, &cookie).await;
    let id = world.store.list_keys(account).await.unwrap()[0].id;
    // The store took it, and the caller was gone before memory learnt.
    assert!(world.store.revoke_key(account, id).await.unwrap());
    world.call(Method::DELETE, &format!("/api/v1/keys/{id}"), Credential::Cookie(&cookie), None).await;
    world.chat(&key, "x").await.assert_refused(401, "invalid_api_key");
}

#[tokio::test]
async fn a_revoked_key_buys_one_look_up() {
    let world = World::new().await;
    let cookie = world.register("eve").await;
    let account = account_of(&world, &cookie).await;
    let id = rempart_identity::random::key_id().unwrap();
    let issued = rempart_identity::issue(&world.keyring, id).unwrap();
    let new = NewKey {
        id,
        account,
        name: "old".into(),
        hash: issued.hash,
        scope: KeyScope::Api,
        models: None,
        limits: rempart_domain::KeyLimits::default(),
        created: UnixSeconds(1),
        expires: None,
    };
    world.store.create_key(new).await.unwrap();
    world.store.revoke_key(account, id).await.unwrap();
    world.chat(issued.text.expose(), "x").await.assert_refused(401, "invalid_api_key");
    world.store.close().await;
    world.chat(issued.text.expose(), "x").await.assert_refused(401, "invalid_api_key");
}

#[tokio::test]
async fn a_key_for_some_models_embeds_with_no_other() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let wanted = json!({ "name": "k", "models": ["another"] });
    let made = world.call(Method::POST, "/api/v1/keys", Credential::Cookie(&cookie), Some(wanted)).await.json();
    let key = Credential::Key(made["key"].as_str().unwrap());
    let body = json!({ "model": "script-1", "input": "x" });
    world.call(Method::POST, "/v1/embeddings", key, Some(body)).await.assert_refused(404, "model_not_found");
}

#[tokio::test]
async fn a_long_conversation_buys_no_more_prompt_than_a_long_request() {
    let limits = Limits { body_bytes_api: 3000, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let cookie = world.register("eve").await;
    let made = world.call(Method::POST, "/api/v1/conversations", Credential::Cookie(&cookie), Some(json!({}))).await;
    let path = format!("/api/v1/conversations/{}/messages", made.json()["id"].as_str().unwrap());
    let mut inputs = Vec::new();
    for _ in 0..12 {
        let body = Some(json!({ "text": "word ".repeat(120) }));
        let answer = world.call(Method::POST, &path, Credential::Cookie(&cookie), body).await;
        let done: serde_json::Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
        inputs.push(done["usage"]["prompt_tokens"].as_u64().unwrap());
    }
    assert!(inputs[1] > inputs[0], "the branch is read: {inputs:?}");
    assert_eq!(inputs[10], inputs[11], "{inputs:?}");
}

#[tokio::test]
async fn what_the_path_refuses_by_itself_is_said_in_the_apis_words() {
    let world = World::new().await;
    let (cookie, key) = world.register_with_key("eve").await;
    let by_cookie = Credential::Cookie(&cookie);
    let get = async |path: &str| world.call(Method::GET, path, by_cookie, None).await;
    get("/api/v1/conversations?limit=many").await.assert_refused(400, "bad_parameter");
    get("/api/v1/conversations/%ff").await.assert_refused(400, "bad_parameter");
    get("/chat/completions").await.assert_refused(404, "not_found");
    let post = async |path: &str, body| world.call(Method::POST, path, by_cookie, Some(body)).await;
    for expires in ["2026-01-01T00:00:00+9999999999999999:00", "2099-01-01T00:00:00+24:00"] {
        post("/api/v1/keys", json!({ "name": "k", "expires": expires })).await.assert_refused(400, "bad_parameter");
    }
    let model = "m".repeat(10_000);
    post("/api/v1/conversations", json!({ "model": model })).await.assert_refused(400, "bad_parameter");
    let body = json!({ "name": "eve", "password": "x".repeat(2000) });
    post("/api/v1/sessions", body).await.assert_refused(401, "invalid_credentials");
    assert_eq!(world.chat(&key, "x").await.status, 200);
}

#[tokio::test]
async fn every_answer_carries_its_id_health_too() {
    let world = World::new().await;
    for path in ["/healthz", "/readyz", "/nothing", "/", "/status.json", "/v1/models"] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let answer = world.call(method.clone(), path, Credential::None, None).await;
            assert!(!answer.header("x-request-id").is_empty(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_console_answers_to_no_name_but_localhost() {
    let world = World::new().await;
    let ask = async |host: &str| {
        let request = http::Request::get(format!("{}/sign-in", world.console_url)).header(header::HOST, host);
        world.send(request.body(Full::default()).unwrap()).await.status.as_u16()
    };
    assert_eq!(ask("evil.example:8081").await, 403);
    for host in ["localhost:8081", "127.0.0.1", "[::1]:8081"] {
        assert_eq!(ask(host).await, 200, "{host}");
    }
}

#[tokio::test]
async fn sign_in_leads_to_no_other_site_by_way_of_a_tab() {
    let world = World::new().await;
    world.register("ada").await;
    for next in ["%2F%09%2Fevil.example", "%2F%0D%0A%2Fevil.example", "%2F%20"] {
        let request = http::Request::post(format!("{}/sign-in", world.url))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(format!("name=ada&password={}&next={next}", PASSWORD.replace(' ', "+")).into()))
            .unwrap();
        let answer: Answer = world.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"), "{next}");
    }
}

#[test]
fn an_address_that_two_headers_tell_differently_is_not_believed() {
    let told = |forwarded: &str, other: &str| {
        let mut request = http::Request::builder();
        for (name, value) in [("forwarded", forwarded), ("x-forwarded-for", other)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        rempart_gateway::identify::forwarded_for(&parts).map(|address| address.expose().to_string())
    };
    assert_eq!(told("for=192.0.2.1", "").as_deref(), Some("192.0.2.1"));
    assert_eq!(told("", "198.51.100.9, 192.0.2.1").as_deref(), Some("192.0.2.1"));
    assert_eq!(told("for=192.0.2.1", "192.0.2.1").as_deref(), Some("192.0.2.1"));
    assert_eq!(told("for=203.0.113.7", "192.0.2.1"), None);
}

#[tokio::test]
async fn a_request_that_was_served_to_its_end_is_recorded_as_done() {
    let world = World::new().await;
    let (cookie, key) = world.register_with_key("ada").await;
    assert_eq!(world.chat(&key, "x").await.status, 200);
    let body = Some(chat_body("x", true));
    assert_eq!(world.call(Method::POST, "/v1/chat/completions", Credential::Key(&key), body).await.status, 200);
    world.call(Method::GET, "/status", Credential::Cookie(&cookie), None).await;
    world.call(Method::DELETE, "/api/v1/sessions/current", Credential::Cookie(&cookie), None).await;
    let done = r#"rempart_requests_total{band="newcomer",outcome="done"} 5"#;
    let left = r#"rempart_requests_total{band="newcomer",outcome="left"} 0"#;
    for _ in 0..400 {
        let page = world.gateway.metrics().render();
        if page.contains(done) && page.contains(left) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{}", world.gateway.metrics().render());
}

#[tokio::test]
async fn a_restart_gives_no_days_budget_again() {
    let world = World::new().await;
    let (cookie, key) = world.register_with_key("eve").await;
    let account = account_of(&world, &cookie).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let row = |day: u64, key: Option<rempart_domain::KeyId>| UsageRow {
        account,
        key,
        day: Day(u16::try_from(day).unwrap()),
        model: "script-1".into(),
        requests: 1,
        input: 250_000,
        output: 0,
        cached: 0,
        reasoning: 0,
    };
    let id = world.store.list_keys(account).await.unwrap()[0].id;
    let today = now / 86_400;
    world.store.add_usage(vec![row(today - 1, None), row(today - 1, Some(id))]).await.unwrap();
    world.gateway.restore_budgets().await.unwrap();
    assert_eq!(world.chat(&key, "x").await.status, 200, "yesterday's is over");
    world.store.add_usage(vec![row(today, None), row(today, Some(id))]).await.unwrap();
    world.gateway.restore_budgets().await.unwrap();
    world.chat(&key, "x").await.assert_refused(402, "budget_exhausted");
}
