//! Attackers, live: closed loops, as greedy as they are answered. Bounded in number, in time and in requests.
//!
//! What must stay true: they stop with their phases; their thread yields to the one of the honest people on the same core.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use tokio::io::AsyncWriteExt as _;
use tokio::task::{JoinSet, LocalSet};

use super::answer::Ending;
use super::ask::{Asker, bearer, junk_of};
use super::line::{Line, Told};
use super::solve;
use super::stage::Shared;
use crate::plan::attack_address;
use crate::scenario::{Attack, AttackKind, Keys, Names, Scenario};
use crate::tally::{Fate, Group, Outcome, Tally};

/// Requests of one run, all attackers together.
const REQUESTS_MAX: u64 = 20_000_000;

/// An answer that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients begin within this time.
const RAMP: Duration = Duration::from_millis(500);

/// A server that refuses connections is asked again after this time.
const BACK_OFF: Duration = Duration::from_millis(2);

/// A reader who takes nothing stays so long.
const SLOW_READER_STAYS: Duration = Duration::from_secs(30);

/// Receive buffer of a reader who takes nothing, in bytes; the kernel doubles it.
const SLOW_READER_BYTES: u32 = 2_048;

/// Between two bytes of a slow head.
const SLOW_HEAD_GAP: Duration = Duration::from_secs(1);

/// Bodies made beforehand for each attack; clients take them in turn.
const BODIES: u32 = 64;

/// What the thread needs.
pub(super) struct AttackTask {
    pub(super) scenario: Scenario,
    pub(super) asker: Asker,
    /// Keys by attack, in the order of the scenario's attacks.
    pub(super) keys: Vec<Vec<String>>,
    pub(super) member_names: Vec<String>,
    pub(super) shared: Arc<Shared>,
}

struct Force {
    name: String,
    attack: Attack,
    spans: Vec<(f64, f64)>,
    asker: Asker,
    keys: Vec<HeaderValue>,
    member_names: Rc<Vec<String>>,
    bodies: Vec<Bytes>,
    addresses: Vec<Ipv4Addr>,
    /// With a rate: when the next request may go.
    next_at: Cell<Instant>,
    sent: Rc<Cell<u64>>,
    number: Cell<u64>,
    tally: Rc<RefCell<Tally>>,
    shared: Arc<Shared>,
}

/// Runs all attacks of a scenario to the end of their phases.
pub(super) fn run(task: AttackTask) -> std::io::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = Rc::new(RefCell::new(Tally::new(task.scenario.spans())));
    let sent = Rc::new(Cell::new(0));
    let names = Rc::new(task.member_names);
    let forces: Vec<Rc<Force>> = task
        .scenario
        .attacks
        .iter()
        .zip(task.keys)
        .map(|((name, attack), keys)| {
            Rc::new(Force {
                name: name.clone(),
                attack: attack.clone(),
                spans: task.scenario.spans_of(attack),
                asker: task.asker.clone(),
                keys: keys.iter().map(|key| bearer(key)).collect(),
                member_names: Rc::clone(&names),
                bodies: bodies_of(&task.asker, attack),
                addresses: (0..attack.clients.max(source_count(attack)))
                    .map(|client| attack_address(&task.scenario, attack.sources, client))
                    .collect(),
                next_at: Cell::new(task.shared.origin),
                sent: Rc::clone(&sent),
                number: Cell::new(0),
                tally: Rc::clone(&tally),
                shared: Arc::clone(&task.shared),
            })
        })
        .collect();
    LocalSet::new().block_on(&runtime, async {
        let mut clients = JoinSet::new();
        for force in &forces {
            for client in 0..force.attack.clients {
                clients.spawn_local(Rc::clone(force).attend(client));
            }
        }
        while clients.join_next().await.is_some() {}
    });
    drop(forces);
    drop(runtime);
    Rc::into_inner(tally).map(RefCell::into_inner).ok_or_else(|| std::io::Error::other("somebody still attacks"))
}

const fn source_count(attack: &Attack) -> u32 {
    match attack.sources {
        crate::scenario::Sources::Own(addresses) => addresses,
        crate::scenario::Sources::Shared(_) => 0,
    }
}

fn bodies_of(asker: &Asker, attack: &Attack) -> Vec<Bytes> {
    if !attack.kind.asks_for_text() {
        return Vec::new();
    }
    let is_stream = attack.stream || attack.kind != AttackKind::Completions;
    (0..BODIES)
        .map(|n| asker.chat_body(&junk_of(u64::from(n), attack.prompt_bytes), attack.max_tokens, is_stream))
        .collect()
}

impl Force {
    /// One client, from span to span.
    async fn attend(self: Rc<Self>, client: u32) {
        let spans = self.spans.clone();
        for (from, to) in spans {
            let share = f64::from(client) / f64::from(self.attack.clients.max(1));
            let begin = self.shared.origin + Duration::from_secs_f64(from) + RAMP.mul_f64(share);
            let end = self.shared.origin + Duration::from_secs_f64(to);
            tokio::time::sleep_until(begin.into()).await;
            let _over = tokio::time::timeout_at(end.into(), self.attack_until(client, end)).await;
            if self.is_over() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.shared.is_stopped.load(Ordering::Relaxed) || self.sent.get() >= REQUESTS_MAX
    }

    async fn attack_until(&self, client: u32, end: Instant) {
        let mut line = None;
        let mut turn = 0_u32;
        while Instant::now() < end && !self.is_over() {
            self.pace().await;
            self.sent.set(self.sent.get() + 1);
            let began = Instant::now();
            let address = self.address(client, turn);
            if self.attack.fresh {
                line = None;
            }
            let told = tokio::time::timeout(PATIENCE, self.once(client, turn, address, &mut line)).await;
            turn = turn.wrapping_add(1);
            let told = told.unwrap_or_else(|_| Told::broken());
            if told.ending == Ending::Broken {
                line = None;
                // A server that refuses connections is not asked in a tight loop.
                tokio::time::sleep(BACK_OFF).await;
            }
            self.note(began, &told);
            if self.attack.pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(self.attack.pause_ms)).await;
            }
        }
    }

    /// Waits for this force's rate, if it has one.
    async fn pace(&self) {
        let Some(rate) = self.attack.rate_per_s else { return };
        let at = self.next_at.get().max(Instant::now());
        self.next_at.set(at + Duration::from_secs_f64(1.0 / rate));
        tokio::time::sleep_until(at.into()).await;
    }

    /// A client keeps its address as long as its connection; a new one may come from another.
    fn address(&self, client: u32, turn: u32) -> Ipv4Addr {
        let at = u64::from(client) + u64::from(turn) * u64::from(self.attack.clients);
        let count = u64::try_from(self.addresses.len()).unwrap_or(1).max(1);
        let at = usize::try_from(at % count).unwrap_or(0);
        self.addresses.get(at).copied().unwrap_or(super::ask::HERE)
    }

    fn note(&self, began: Instant, told: &Told) {
        let at_s = began.saturating_duration_since(self.shared.origin).as_secs_f64();
        let fate = match &told.ending {
            Ending::Done => Fate::Done,
            Ending::Refused(reason) => Fate::Refused(reason.clone()),
            Ending::Cut => Fate::Cut,
            Ending::Broken => Fate::Broken,
        };
        let first = told.first.map(|at| at.saturating_duration_since(began));
        self.tally.borrow_mut().count(Group::Attackers, at_s, &Outcome { fate, first, total: began.elapsed() });
        self.shared.attacks_sent.fetch_add(1, Ordering::Relaxed);
    }

    async fn once(&self, client: u32, turn: u32, address: Ipv4Addr, line: &mut Option<Line>) -> Told {
        match self.attack.kind {
            AttackKind::Completions => self.ask(self.chat(client, turn), address, line).await,
            AttackKind::SlowReaders => self.read_slowly(client, turn, address).await,
            AttackKind::Disconnects => self.ask_and_leave(client, turn, address).await,
            AttackKind::Registrations => self.register(address, line).await,
            AttackKind::SignIns => self.ask(self.sign_in(), address, line).await,
            AttackKind::Challenges => {
                self.ask(self.asker.get("/api/v1/challenge?for=registration", None), address, line).await
            }
            AttackKind::Connections => self.knock(address).await,
            AttackKind::SlowHeads => self.send_slowly(address).await,
        }
    }

    fn chat(&self, client: u32, turn: u32) -> Request<Full<Bytes>> {
        let at = u64::from(client) + u64::from(turn) * u64::from(self.attack.clients);
        let take = |len: usize| at.checked_rem(u64::try_from(len).unwrap_or(1)).and_then(|at| usize::try_from(at).ok());
        let key = take(self.keys.len()).and_then(|at| self.keys.get(at));
        let body = take(self.bodies.len()).and_then(|at| self.bodies.get(at)).cloned().unwrap_or_default();
        self.asker.chat(key, body)
    }

    async fn connect(&self, address: Ipv4Addr, receive_bytes: Option<u32>) -> Option<Line> {
        let stream = self.asker.target.connect(address, receive_bytes, PATIENCE).await.ok()?;
        Line::begin(stream).await
    }

    /// Over the kept connection, or over a new one that is kept then.
    async fn ask(&self, request: Request<Full<Bytes>>, address: Ipv4Addr, line: &mut Option<Line>) -> Told {
        let is_kept = match line.as_mut() {
            Some(line) => line.is_ready().await,
            None => false,
        };
        if !is_kept {
            *line = self.connect(address, None).await;
        }
        let Some(line) = line else { return Told::broken() };
        line.ask(request, self.attack.stream, "").await
    }

    async fn read_slowly(&self, client: u32, turn: u32, address: Ipv4Addr) -> Told {
        let Some(mut line) = self.connect(address, Some(SLOW_READER_BYTES)).await else { return Told::broken() };
        let Some(response) = line.send(self.chat(client, turn)).await else { return Told::broken() };
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return refused(head.status.as_u16());
        }
        // The body is held and nothing is taken from the socket.
        tokio::time::sleep(SLOW_READER_STAYS).await;
        drop(body);
        Told { ending: Ending::Done, status: 200, ..Told::broken() }
    }

    async fn ask_and_leave(&self, client: u32, turn: u32, address: Ipv4Addr) -> Told {
        let Some(mut line) = self.connect(address, None).await else { return Told::broken() };
        let Some(response) = line.send(self.chat(client, turn)).await else { return Told::broken() };
        let (head, mut body) = response.into_parts();
        if !head.status.is_success() {
            return refused(head.status.as_u16());
        }
        let first = line.frame(&mut body).await.map(|_| Instant::now());
        Told { ending: Ending::Done, status: 200, first, ..Told::broken() }
    }

    fn sign_in(&self) -> Request<Full<Bytes>> {
        let number = self.next_number();
        let (name, password) = match self.attack.names {
            Names::Stuffing => (format!("nobody{}", number % 1_000_000), format!("leaked-{number:x}")),
            Names::Spraying => {
                let count = u64::try_from(self.member_names.len()).unwrap_or(1).max(1);
                let at = usize::try_from(number % count).unwrap_or(0);
                (self.member_names.get(at).cloned().unwrap_or_default(), "Winter2026!".to_owned())
            }
        };
        let body = serde_json::json!({ "name": name, "password": password });
        self.asker.post("/api/v1/sessions", None, Bytes::from(body.to_string()))
    }

    async fn register(&self, address: Ipv4Addr, line: &mut Option<Line>) -> Told {
        let name = format!("{}{}", self.name.replace(|c: char| !c.is_ascii_lowercase(), ""), self.next_number());
        let mut body = serde_json::json!({ "name": name, "password": format!("attack only {name}") });
        if self.attack.solves {
            let asked = self.asker.get("/api/v1/challenge?for=registration", None);
            let told = self.ask(asked, address, line).await;
            if told.ending == Ending::Done
                && let Some(payload) = solve::solve(&told.body)
                && let Some(body) = body.as_object_mut()
            {
                body.insert("challenge".to_owned(), payload.into());
            }
        }
        let request = self.asker.post("/api/v1/registrations", None, Bytes::from(body.to_string()));
        let told = self.ask(request, address, line).await;
        // 202 is a place in a queue, not an account.
        if told.status == 202 { Told { ending: Ending::Refused("queued".to_owned()), ..told } } else { told }
    }

    fn next_number(&self) -> u64 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    async fn knock(&self, address: Ipv4Addr) -> Told {
        match self.asker.target.connect(address, None, PATIENCE).await {
            Ok(_closed) => Told { ending: Ending::Done, ..Told::broken() },
            Err(_) => Told::broken(),
        }
    }

    async fn send_slowly(&self, address: Ipv4Addr) -> Told {
        let Ok(mut stream) = self.asker.target.connect(address, None, PATIENCE).await else { return Told::broken() };
        for byte in b"POST /v1/chat/completions HTTP/1.1\r\nHost: drill\r\nX-Slow: aaaaaaaaaaaaaaaa" {
            if stream.write_all(&[*byte]).await.is_err() {
                return refused(0);
            }
            tokio::time::sleep(SLOW_HEAD_GAP).await;
        }
        Told { ending: Ending::Done, ..Told::broken() }
    }
}

fn refused(status: u16) -> Told {
    Told { status, ending: Ending::Refused(status.to_string()), ..Told::broken() }
}

/// Guessed keys: of the form of ours, of the form of others, and of no form.
pub(super) fn guessed_keys(count: u32, seed: u64) -> Vec<String> {
    let mut random = crate::random::Random::new(seed, 0x9e55);
    let mut letters = |count: usize| -> String {
        (0..count)
            .map(|_| {
                let at = usize::try_from(random.below(36)).unwrap_or(0);
                char::from(b"abcdefghijklmnopqrstuvwxyz0123456789".get(at).copied().unwrap_or(b'x'))
            })
            .collect()
    };
    (0..count)
        .map(|number| match number % 3 {
            0 => format!("rmp_{}", letters(56)),
            1 => format!("sk-{}", letters(48)),
            _ => letters(32),
        })
        .collect()
}

/// Which keys an attack uses.
pub(super) fn keys_of(
    attack: &Attack,
    new: &[String],
    turned: &[String],
    members: &[String],
    seed: u64,
) -> Vec<String> {
    let count = usize::try_from(attack.accounts).unwrap_or(usize::MAX);
    let first = |keys: &[String]| keys.iter().take(count).cloned().collect();
    if !attack.kind.asks_for_text() {
        return Vec::new();
    }
    match attack.keys {
        Keys::New => first(new),
        Keys::Turned => first(turned),
        Keys::Stolen => first(members),
        Keys::Invalid => guessed_keys(attack.accounts, seed),
    }
}
