//! Figures of a long history: 10 000 conversations and one of 2 000 messages, opened and searched through the door.
//!
//! `cargo run --release -p rempart-gateway --example history` prints, for each call, the middle and the slowest of 40 answers, measured by
//! a client on loopback: what the server takes is less.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a program that measures"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rempart_domain::{AccountId, GateLevel, Sensitive, UnixMillis};
use rempart_engine::Engine;
use rempart_engine::routing::Engines;
use rempart_engine::scripted::{AnswerKind, ScriptedEngine, ScriptedOptions};
use rempart_gateway::{Clock, Gateway, GatewayConfig, Limits, Parts, PostureControl, StandingRules, Tasks, listen};
use rempart_identity::gate::{ControlLimits, GateState};
use rempart_identity::{HashPool, HashPoolOptions, HashPrice, Keyring, KnownKeys, Revocations, random};
use rempart_mail::{MailLimits, Mailer, Route, Sender};
use rempart_store::{
    MasterKey, MessageRole, MessageStatus, NewConversation, NewMessage, Store, StoreOptions, StoreUrl,
};

const CONVERSATIONS: usize = 10_000;
const MESSAGES: usize = 2_000;
const ROUNDS: usize = 40;

/// A paragraph as people write them, in two languages.
const TEXT: &str = "The queue stands before every scarce resource, and who is asking is known before anything scarce is touched. \
                    春天来了，花园里的花都开了。**Members** stay served because of priority; `detection` only makes it cheaper.\n\n\
                    - one\n- two\n- three\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n";

/// Code whose colours cost the most.
const CODE: &str = "export async function pick<T extends { id: string }>(all: readonly T[], id: string): Promise<T | undefined> {\n  \
                    const found = all.find((one) => one.id === `${id}`); // by its name\n  return found ?? undefined;\n}\n\n";

type Http = Client<HttpConnector, Full<Bytes>>;

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let master = MasterKey::load_or_create(&dir.path().join("keys/master.key")).unwrap();
    let options = StoreOptions::new(StoreUrl::Sqlite(dir.path().join("rempart.db")), master);
    let store = Store::open(options).await.unwrap();
    let tasks = Tasks::default();
    let (url, client) = serve(&store, &tasks);
    let cookie = register(&client, &url).await;
    let account: AccountId =
        text_of(&client, &url, "/api/v1/account", &cookie).await.split("\"id\":\"").nth(1).unwrap()[..13]
            .parse()
            .unwrap();
    let started = Instant::now();
    let (long, code) = fill(&store, account).await;
    println!("filled in {:?}: {CONVERSATIONS} conversations, one of {MESSAGES} messages", started.elapsed());
    let rows = [
        ("the list, first page of 50", "/api/v1/conversations".to_owned()),
        ("the long conversation, last page of 50", format!("/api/v1/conversations/{long}/messages")),
        ("the home page", "/".to_owned()),
        ("the long conversation's page", format!("/c/{long}")),
        ("a page of 25 answers of 8 KiB of TypeScript", format!("/c/{code}")),
    ];
    for (what, path) in rows {
        measure(&client, &url, &cookie, what, &path).await;
    }
    search(&client, &url, &cookie).await;
    tasks.stopping().cancel();
}

fn serve(store: &Store, tasks: &Tasks) -> (String, Http) {
    let engine = ScriptedEngine::new(ScriptedOptions {
        name: "scripted".into(),
        models: vec!["script-1".into()],
        sequences: 4,
        kv_tokens: 100_000,
        prefill_tps: 10_000_000,
        decode_tps: 1000,
        tokens: 16,
        answer: AnswerKind::Echo,
        reasoning: 0,
    });
    tasks.spawn("engine", Arc::clone(&engine).run(tasks.stopping()));
    let engines: Vec<Arc<dyn Engine>> = vec![engine];
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let price = HashPrice { memory_kib: 64, passes: 1, lanes: 1 };
    let revocations = Arc::new(Revocations::default());
    // Nothing is mailed here: what waits stays in memory.
    let route = Route::Outbox { folder: std::env::temp_dir(), files_max: 1 };
    let mailer =
        Mailer::new(route, Sender::new("Test", "rempart@localhost").unwrap(), MailLimits::default(), false).unwrap();
    let gateway = Gateway::new(Parts {
        config: GatewayConfig {
            public_url: url.clone(),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            site: rempart_web::Site::default(),
            standing: StandingRules::default(),
            session_days: 30,
            pdf_reader: Vec::new(),
            version: "0.0.0",
        },
        limits: Limits::default(),
        clock: Arc::new(Clock::start()),
        keyring: Keyring::in_memory().unwrap(),
        posture: PostureControl::new(Arc::clone(&revocations)),
        revocations,
        known_keys: KnownKeys::default(),
        hash_pool: HashPool::new(HashPoolOptions { price, ..HashPoolOptions::default() }).unwrap(),
        gate: GateState::new(ControlLimits::default(), Some(GateLevel::Open)),
        registration_pool: HashPool::new(HashPoolOptions { price, workers: 1, ..HashPoolOptions::default() }).unwrap(),
        store: store.clone(),
        engines: Arc::new(Engines::new(engines, BTreeMap::new(), "script-1")),
        mailer,
        tasks: tasks.clone(),
    })
    .unwrap();
    gateway.listen(vec![listener], None);
    (url, Client::builder(TokioExecutor::new()).build(HttpConnector::new()))
}

async fn register(client: &Http, url: &str) -> String {
    let request = Request::post(format!("{url}/api/v1/registrations"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(r#"{"name":"ada","password":"correct horse battery"}"#.into()))
        .unwrap();
    let answer = client.request(request).await.unwrap();
    let cookies = answer.headers().get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap());
    let session = cookies.filter_map(|v| v.split(';').next()).find(|v| v.starts_with("rmp_session"));
    session.unwrap().to_owned()
}

/// Writes the history behind the gateway's back; the last conversation is the long one, the one before it is about code.
async fn fill(store: &Store, account: AccountId) -> (String, String) {
    let now = UnixMillis(1_760_000_000_000);
    let (mut long, mut about_code) = (String::new(), String::new());
    let code = format!("```ts\n{}```\n", CODE.repeat(8 * 1024 / CODE.len()));
    for number in 0..CONVERSATIONS {
        let id = random::conversation_id().unwrap();
        let created = UnixMillis(now.0 + i64::try_from(number).unwrap() * 60_000);
        let title = Sensitive::new(format!("Conversation {number} 谈话"));
        let new = NewConversation { id, title, model: "script-1".into(), system: None, temperature: None, created };
        store.create_conversation(account, new).await.unwrap();
        let is_code = number + 2 == CONVERSATIONS;
        let messages = if number + 1 == CONVERSATIONS {
            MESSAGES
        } else if is_code {
            50
        } else {
            2
        };
        let mut parent = None;
        for batch in (0..messages).collect::<Vec<_>>().chunks(100) {
            let mut batch: Vec<NewMessage> = batch
                .iter()
                .map(|turn| NewMessage {
                    id: random::message_id().unwrap(),
                    conversation: id,
                    parent: None,
                    role: if turn % 2 == 0 { MessageRole::User } else { MessageRole::Assistant },
                    text: Sensitive::new(match turn % 2 {
                        0 => TEXT.to_owned(),
                        _ if is_code => code.clone(),
                        _ => TEXT.repeat(4),
                    }),
                    reasoning: None,
                    model: Some("script-1".into()),
                    status: MessageStatus::Complete,
                    created: UnixMillis(created.0 + i64::try_from(*turn).unwrap()),
                })
                .collect();
            for message in &mut batch {
                message.parent = parent;
                parent = Some(message.id);
            }
            store.append_messages(account, batch, Vec::new()).await.unwrap();
        }
        (about_code, long) = (long, id.to_string());
    }
    (long, about_code)
}

async fn text_of(client: &Http, url: &str, path: &str, cookie: &str) -> String {
    let request = Request::get(format!("{url}{path}")).header(header::COOKIE, cookie).body(Full::default()).unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn measure(client: &Http, url: &str, cookie: &str, what: &str, path: &str) {
    let mut times: Vec<Duration> = Vec::new();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        bytes = text_of(client, url, path, cookie).await.len();
        times.push(started.elapsed());
    }
    let first = times[0];
    times.sort();
    println!("{what}: first {first:?}, middle {:?}, slowest {:?}, {bytes} bytes", times[ROUNDS / 2], times[ROUNDS - 1]);
}

/// Looks for what is nowhere, so that everything is read, and for what is in the newest messages.
async fn search(client: &Http, url: &str, cookie: &str) {
    let (started, mut calls, mut cursor) = (Instant::now(), 0, String::new());
    loop {
        let page = text_of(client, url, &format!("/api/v1/search?q=nowhere%20to%20be%20found{cursor}"), cookie).await;
        calls += 1;
        let Some(next) = page.split("\"next\":\"").nth(1).and_then(|rest| rest.split('"').next()) else { break };
        cursor = format!("&cursor={next}");
    }
    let messages = 2 * (CONVERSATIONS - 1) + MESSAGES;
    let bytes = messages / 2 * TEXT.len() * 5;
    let rate = bytes as f64 / 1e6 / started.elapsed().as_secs_f64();
    println!(
        "search through everything: {:?}, {calls} calls, {messages} messages, {} MB, {rate:.0} MB/s",
        started.elapsed(),
        bytes / 1_000_000
    );
    measure(client, url, cookie, "search, first page of hits", "/api/v1/search?q=%E8%8A%B1%E5%9B%AD").await;
}
