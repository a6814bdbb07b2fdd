//! A platform of its own for each test: data folder, scripted engine, port 0.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rempart_domain::GateLevel;
use rempart_engine::Engine;
use rempart_engine::routing::Engines;
use rempart_engine::scripted::{AnswerKind, ScriptedEngine, ScriptedOptions};
use rempart_gateway::{Clock, Gateway, GatewayConfig, Limits, Parts, PostureControl, StandingRules, Tasks, listen};
use rempart_identity::gate::{ControlLimits, GateState};
use rempart_identity::{HashPool, HashPoolOptions, HashPrice, Keyring, KnownKeys, Revocations};
use rempart_mail::{MailLimits, Mailer, Route, Sender};
use rempart_store::{MasterKey, Store, StoreOptions, StoreUrl};
use serde_json::{Value, json};

pub const PASSWORD: &str = "correct horse battery";

pub struct World {
    pub gateway: Arc<Gateway>,
    pub engine: Arc<ScriptedEngine>,
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub revocations: Arc<Revocations>,
    pub posture: Arc<PostureControl>,
    pub url: String,
    pub console_url: String,
    pub address: std::net::SocketAddr,
    pub client: Client<HttpConnector, Full<Bytes>>,
    pub mails: std::path::PathBuf,
    tasks: Tasks,
    pub dir: tempfile::TempDir,
}

pub struct Setup {
    pub limits: Limits,
    /// Whether mail leaves, and addresses can be confirmed.
    pub has_mail: bool,
    /// `None` is auto.
    pub registration: Option<GateLevel>,
    pub engine: ScriptedOptions,
    pub cors_origins: Vec<String>,
    pub mail: MailLimits,
    /// Asked before the scripted one.
    pub first: Vec<Arc<dyn Engine>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            has_mail: true,
            registration: Some(GateLevel::Open),
            engine: engine_options(8, 100_000),
            cors_origins: Vec::new(),
            mail: MailLimits::default(),
            first: Vec::new(),
        }
    }
}

/// Threads for connections on which no member was seen, as the binary has them; one for all tests of a process.
fn strangers() -> tokio::runtime::Handle {
    static THREADS: std::sync::LazyLock<tokio::runtime::Runtime> = std::sync::LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    THREADS.handle().clone()
}

pub fn engine_options(sequences: u32, decode_tps: u32) -> ScriptedOptions {
    ScriptedOptions {
        name: "scripted".into(),
        models: vec!["script-1".into()],
        sequences,
        kv_tokens: 100_000,
        prefill_tps: 10_000_000,
        decode_tps,
        tokens: 16,
        answer: AnswerKind::Echo,
        reasoning: 0,
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// Refuses at once, however often: what is tested is who is refused, not when.
    pub async fn hasty() -> Self {
        Self::with(Setup { limits: Limits { refusal_hold_ms: 1, ..Limits::default() }, ..Setup::default() }).await
    }

    pub async fn with(setup: Setup) -> Self {
        let (dir, gate) = (tempfile::tempdir().unwrap(), gate_of(&setup));
        let master = MasterKey::load_or_create(&dir.path().join("keys/master.key")).unwrap();
        let options = StoreOptions::new(StoreUrl::Sqlite(dir.path().join("rempart.db")), master);
        let store = Store::open(StoreOptions { holding: setup.limits.holding(), ..options }).await.unwrap();
        let tasks = Tasks::on(tokio::runtime::Handle::current(), strangers());
        let engine = ScriptedEngine::new(setup.engine);
        tasks.spawn("engine", Arc::clone(&engine).run(tasks.stopping()));
        let mut engines: Vec<Arc<dyn Engine>> = setup.first;
        engines.push(Arc::clone(&engine) as Arc<dyn Engine>);
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let console = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}");
        let console_url = format!("http://{}", console.local_addr().unwrap());
        let (keyring, revocations) = (Keyring::in_memory().unwrap(), Arc::new(Revocations::default()));
        let posture = PostureControl::new(Arc::clone(&revocations));
        let price = HashPrice { memory_kib: 64, passes: 1, lanes: 1 };
        let mails = dir.path().join("outbox");
        std::fs::create_dir(&mails).unwrap();
        let route = Route::Outbox { folder: mails.clone(), files_max: 1000 };
        let sender = Sender::new("Test", "rempart@localhost").unwrap();
        let mailer = Mailer::new(route, sender, setup.mail, setup.has_mail).unwrap();
        tasks.spawn("mail", mailer.clone().run(tasks.stopping()));
        let gateway = Gateway::new(Parts {
            config: GatewayConfig {
                public_url: url.clone(),
                cors_origins: setup.cors_origins,
                trusted_proxies: Vec::new(),
                site: rempart_web::Site::default(),
                standing: StandingRules::default(),
                session_days: 30,
                pdf_reader: Vec::new(),
                version: "0.0.0",
            },
            limits: setup.limits,
            clock: Arc::new(Clock::start()),
            keyring: Arc::clone(&keyring),
            revocations: Arc::clone(&revocations),
            known_keys: KnownKeys::default(),
            hash_pool: HashPool::new(HashPoolOptions { price, ..HashPoolOptions::default() }).unwrap(),
            posture: Arc::clone(&posture),
            gate,
            registration_pool: HashPool::new(HashPoolOptions { price, ..HashPoolOptions::default() }).unwrap(),
            store: store.clone(),
            engines: Arc::new(Engines::new(engines, BTreeMap::new(), "script-1")),
            mailer,
            tasks: tasks.clone(),
        })
        .unwrap();
        gateway.listen(vec![listener], Some(console));
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self {
            gateway,
            engine,
            store,
            keyring,
            revocations,
            posture,
            url,
            console_url,
            address,
            client,
            mails,
            tasks,
            dir,
        }
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let response =
            tokio::time::timeout(Duration::from_secs(20), self.client.request(request)).await.unwrap().unwrap();
        let (head, body) = response.into_parts();
        let bytes = tokio::time::timeout(Duration::from_secs(20), body.collect()).await.unwrap().unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body: bytes }
    }

    pub fn request(
        &self,
        method: Method,
        path: &str,
        credential: Credential<'_>,
        body: Option<&Value>,
    ) -> Request<Full<Bytes>> {
        let mut builder = Request::builder().method(method).uri(format!("{}{path}", self.url));
        builder = match credential {
            Credential::None => builder,
            Credential::Key(key) => builder.header(header::AUTHORIZATION, format!("Bearer {key}")),
            Credential::Cookie(cookie) => builder.header(header::COOKIE, cookie),
        };
        match body {
            Some(body) => {
                builder.header(header::CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body.to_string())))
            }
            None => builder.body(Full::default()),
        }
        .unwrap()
    }

    pub async fn call(&self, method: Method, path: &str, credential: Credential<'_>, body: Option<Value>) -> Answer {
        self.send(self.request(method, path, credential, body.as_ref())).await
    }

    pub async fn open(&self, request: Request<Full<Bytes>>) -> Response<hyper::body::Incoming> {
        self.client.request(request).await.unwrap()
    }

    /// Registers and hands over the session cookie.
    pub async fn register(&self, name: &str) -> String {
        let body = json!({ "name": name, "password": PASSWORD });
        let answer = self.call(Method::POST, "/api/v1/registrations", Credential::None, Some(body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.cookie("rmp_session")
    }

    /// Registers, makes a key, hands over both.
    pub async fn register_with_key(&self, name: &str) -> (String, String) {
        let cookie = self.register(name).await;
        let answer =
            self.call(Method::POST, "/api/v1/keys", Credential::Cookie(&cookie), Some(json!({ "name": "k" }))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        (cookie, answer.json()["key"].as_str().unwrap().to_owned())
    }

    /// The newest mail, as soon as there are `count` of them.
    pub async fn mail(&self, count: usize) -> String {
        let wait = async {
            loop {
                let mut names: Vec<_> = std::fs::read_dir(&self.mails).unwrap().map(|e| e.unwrap().path()).collect();
                names.retain(|name| name.extension().is_some_and(|e| e == "eml"));
                names.sort();
                if names.len() >= count {
                    return std::fs::read_to_string(&names[count - 1]).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("a mail comes")
    }

    pub async fn chat(&self, key: &str, text: &str) -> Answer {
        self.call(Method::POST, "/v1/chat/completions", Credential::Key(key), Some(chat_body(text, false))).await
    }
}

fn gate_of(setup: &Setup) -> Arc<GateState> {
    #[allow(clippy::cast_precision_loss, reason = "small in tests")]
    let rate_max = setup.limits.registrations_per_minute as f64 / 60.0;
    let limits = ControlLimits { rate_max, has_mail: setup.has_mail, ..ControlLimits::default() };
    GateState::new(limits, setup.registration)
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

pub fn chat_body(text: &str, stream: bool) -> Value {
    json!({ "model": "script-1", "stream": stream, "messages": [{ "role": "user", "content": text }] })
}

#[derive(Clone, Copy)]
pub enum Credential<'a> {
    None,
    Key(&'a str),
    Cookie(&'a str),
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// `name=value` of a cookie that was set.
    pub fn cookie(&self, name: &str) -> String {
        let set = self.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap());
        set.filter_map(|v| v.split(';').next()).find(|v| v.starts_with(name)).unwrap().to_owned()
    }

    pub fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.json()["error"]["code"], code, "{}", self.text());
        assert!(!self.header("x-request-id").is_empty());
        if status == 429 || status == 503 {
            assert!(self.header("retry-after").parse::<u64>().unwrap() >= 1);
        }
    }

    /// The `data:` lines of a stream.
    pub fn events(&self) -> Vec<String> {
        self.text().lines().filter_map(|l| l.strip_prefix("data: ")).map(str::to_owned).collect()
    }
}
