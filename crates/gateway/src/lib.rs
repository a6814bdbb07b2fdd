//! The data plane. [`path`] lists every step of a request on one screen: read it first.
//!
//! Verbs are modules (listen, identify, admit, serve, meter, observe), thin, and know HTTP; the machinery is in the noun crates.
//! What must stay true: only this crate and `web` know axum's names; no generation is cancelled or read but by its owner; members'
//! admission depends on no table that registrations write to.

pub mod admit;
pub mod authorise;
pub mod body;
mod budgets;
pub mod clock;
mod cookies;
mod cors;
pub mod ctx;
mod discard;
mod door;
mod gate;
mod health;
pub mod identify;
pub mod limits;
pub mod listen;
mod memory;
pub mod meter;
pub mod metrics;
pub mod observe;
mod pace;
pub mod path;
pub mod posture;
mod pressure;
pub mod proxies;
pub mod refusal;
mod respond;
pub mod routes;
pub mod serve;
mod standing;
pub mod starting;
pub mod tasks;
mod upkeep;
pub mod wire;
pub mod work;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rempart_admission::cohort::Cohorts;
use rempart_domain::RequestId;
use rempart_engine::routing::Engines;
use rempart_identity::factor::Passkeys;
use rempart_identity::gate::GateState;
use rempart_identity::sign_in::SignInGuard;
use rempart_identity::{HashPool, IdentityError, Keyring, KnownKeys, Revocations};
use rempart_mail::Mailer;
use rempart_store::Store;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use clock::Clock;
pub use limits::{LimitSpec, Limits};
pub use posture::{PostureControl, PostureState};
pub use pressure::Headroom;
pub use proxies::Network;
pub use standing::StandingRules;
pub use tasks::Tasks;

use crate::admit::Lane;
use crate::cookies::Cookies;
use crate::ctx::Side;
use crate::listen::Connections;
use crate::meter::Metering;
use crate::metrics::Metrics;
use crate::observe::{Journal, Observer};
use crate::serve::places::Places;
use crate::serve::registry::Generations;
use crate::serve::share::Pace;

/// Time for generations that a drain stops to settle.
const SETTLE: Duration = Duration::from_secs(1);

/// What the gateway is told by configuration.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Decides links, cookie flags and CORS; no slash at the end.
    pub public_url: String,
    /// Origins whose pages may read the API.
    pub cors_origins: Vec<String>,
    /// Proxies whose word about addresses is believed.
    pub trusted_proxies: Vec<Network>,
    /// `[site]`.
    pub site: rempart_web::Site,
    /// How standing is earned.
    pub standing: StandingRules,
    /// Days a session lasts.
    pub session_days: u32,
    /// The command that reads a PDF (its text to standard output); empty: none is read.
    pub pdf_reader: Vec<std::ffi::OsString>,
    /// The program's version.
    pub version: &'static str,
}

/// The parts that the binary opens and hands over.
pub struct Parts {
    /// What configuration says.
    pub config: GatewayConfig,
    /// Every bound.
    pub limits: Limits,
    /// Monotonic time and the date.
    pub clock: Arc<Clock>,
    /// Keys for tickets and API keys.
    pub keyring: Arc<Keyring>,
    /// Epochs, ended sessions, standing.
    pub revocations: Arc<Revocations>,
    /// API keys that need no look-up.
    pub known_keys: KnownKeys,
    /// The bounded pool for password hashing.
    pub hash_pool: HashPool,
    /// The declared state, as it was when the last process ended.
    pub posture: Arc<PostureControl>,
    /// The gate's level, shared with operators' commands.
    pub gate: Arc<GateState>,
    /// Hashes newcomers' passwords, and nothing else.
    pub registration_pool: HashPool,
    /// Accounts, keys, conversations, usage.
    pub store: Store,
    /// What generates.
    pub engines: Arc<Engines>,
    /// The way out for mail; the binary runs it.
    pub mailer: Mailer,
    /// Background tasks.
    pub tasks: Tasks,
}

/// Counters that listener and path raise; resolved once.
pub(crate) struct Counters {
    pub(crate) connections_refused: ::metrics::Counter,
    pub(crate) connections_stalled: ::metrics::Counter,
    /// Connections that went from the strangers' threads to the members'.
    pub(crate) connections_moved: ::metrics::Counter,
    pub(crate) demotions: ::metrics::Counter,
}

/// The running data plane: one for each platform, shared by every connection.
pub struct Gateway {
    pub(crate) config: GatewayConfig,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<Clock>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) posture: Arc<PostureControl>,
    pub(crate) tally: Arc<pressure::Tally>,
    /// Which strangers look alike.
    pub(crate) cohorts: Mutex<Cohorts>,
    pub(crate) standings: standing::Standings,
    pub(crate) known_keys: KnownKeys,
    pub(crate) hash_pool: HashPool,
    pub(crate) sign_in_guard: SignInGuard,
    /// `None` where the public address is no name.
    pub(crate) passkeys: Option<Passkeys>,
    pub(crate) passkey_answers: serve::factors::passkeys::TakenAnswers,
    /// Requests for a mailed link that are being looked up.
    pub(crate) mail_requests: Arc<Semaphore>,
    pub(crate) gate: gate::Gate,
    pub(crate) store: Store,
    pub(crate) engines: Arc<Engines>,
    pub(crate) mailer: Mailer,
    pub(crate) tasks: Tasks,
    pub(crate) cookies: Cookies,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) counters: Counters,
    pub(crate) observer: Arc<Observer>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) metering: Arc<Metering>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) pacer: pace::Pacer,
    pub(crate) work: work::Work,
    pub(crate) console_connections: Arc<Connections>,
    /// Those that came while the platform drains.
    pub(crate) late_connections: Arc<Connections>,
    pub(crate) generations: Arc<Generations>,
    /// Look-ups of unknown keys at once.
    pub(crate) key_lookups: Semaphore,
    /// Bodies of refused requests that are thrown away.
    pub(crate) discards: Arc<Semaphore>,
    /// Request bodies in memory.
    pub(crate) body_memory: memory::BodyMemory,
    /// Files in memory while they are read.
    pub(crate) file_memory: memory::BodyMemory,
    pub(crate) rendered: serve::rendered::Rendered,
    /// Who exports, has a file read, reads a shared page: a few at a time.
    pub(crate) exports: Places,
    pub(crate) uploads: Places,
    pub(crate) share_readers: Places,
    /// Shared pages that a stranger may read.
    pub(crate) share_pace: Pace,
    /// Cancelled when the platform stops: nothing new is begun.
    pub(crate) draining: CancellationToken,
    /// Cancelled when the drain is over: ports are closed.
    pub(crate) closed: CancellationToken,
    lanes: Vec<Arc<Lane>>,
    is_ready: AtomicBool,
    started: Instant,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Joins the parts and starts the housekeeping tasks; nothing listens yet.
    ///
    /// # Errors
    /// The system gives no thread or no random bytes.
    #[allow(clippy::too_many_lines, reason = "a line for each part of the gateway, and nothing else")]
    pub fn new(parts: Parts) -> Result<Arc<Self>, IdentityError> {
        let Parts { config, limits, clock, keyring, revocations, known_keys, hash_pool, posture, .. } = parts;
        let Parts { gate, registration_pool, store, engines, mailer, tasks, .. } = parts;
        let gate = gate::Gate::new(gate, registration_pool, Arc::clone(&posture), &keyring, &limits)?;
        let metrics = Arc::new(Metrics::new());
        let as_usize = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let tally: Arc<pressure::Tally> = Arc::default();
        let (observer, records) =
            Observer::new(as_usize(limits.journal_len), random_seed(), Arc::clone(&metrics), Arc::clone(&tally));
        let journal = Arc::new(Journal::default());
        tasks.spawn("journal", observe::run_journal(Arc::clone(&journal), records, tasks.stopping()));
        let lanes =
            engines.all().map(|e| Lane::new(Arc::clone(e), &limits, Arc::clone(&clock), random_seed())).collect();
        let counters = Counters {
            connections_refused: metrics.counter("rempart_connections_refused_total", &[]),
            connections_stalled: metrics.counter("rempart_connections_stalled_total", &[]),
            connections_moved: metrics.counter("rempart_connections_moved_total", &[]),
            demotions: metrics.counter("rempart_demotions_total", &[]),
        };
        let gateway = Arc::new(Self {
            cookies: Cookies::for_url(&config.public_url),
            sign_in_guard: SignInGuard::new(limits.sign_in()),
            passkeys: Passkeys::new(&config.public_url, &config.site.name),
            passkey_answers: serve::factors::passkeys::TakenAnswers::new(limits.passkey_answers),
            mail_requests: Arc::new(Semaphore::new(as_usize(limits.mail_requests))),
            cohorts: Mutex::new(Cohorts::new(random_seed())),
            standings: standing::Standings::new(config.standing, limits.demoted_members_percent),
            metering: Metering::new(
                limits.usage_rows,
                limits.key_budget_days,
                budgets::Budgets::new(&limits),
                Arc::clone(&clock),
            ),
            connections: Arc::default(),
            work: work::Work::new(&limits, &clock, random_seed),
            pacer: pace::Pacer::new(limits.refusals_held, limits.refusal_hold_ms, random_seed()),
            console_connections: Arc::default(),
            late_connections: Arc::default(),
            discards: discard::places(limits.discards),
            generations: Arc::new(Generations::new(as_usize(limits.generations_parked), as_usize(limits.parked_bytes))),
            key_lookups: Semaphore::new(as_usize(limits.key_lookups)),
            body_memory: memory::BodyMemory::new(limits.body_bytes_total, limits.members_share_percent),
            file_memory: memory::BodyMemory::new(limits.body_bytes_files_total, limits.members_share_percent),
            rendered: serve::rendered::Rendered::new(limits.rendered_bytes),
            exports: Places::new(limits.exports, limits.members_share_percent),
            uploads: Places::new(limits.uploads, limits.members_share_percent),
            share_readers: Places::new(limits.share_readers, limits.members_share_percent),
            share_pace: Pace::new(limits.share_reads_per_minute, limits.share_reads_burst, random_seed()),
            draining: CancellationToken::new(),
            closed: CancellationToken::new(),
            is_ready: AtomicBool::new(false),
            started: Instant::now(),
            config,
            limits,
            clock,
            keyring,
            revocations,
            posture,
            tally,
            known_keys,
            hash_pool,
            gate,
            store,
            engines,
            mailer,
            tasks,
            metrics,
            counters,
            observer,
            journal,
            lanes,
        });
        upkeep::start(&gateway);
        Ok(gateway)
    }

    /// Takes over from the store what budgets have been spent of; called before [`Gateway::listen`].
    pub async fn restore_budgets(&self) -> Result<(), rempart_store::StoreError> {
        self.metering.restore(&self.store).await
    }

    /// Takes the waiting lines over that the last process left; called before [`Gateway::listen`].
    pub async fn restore_gate(&self) -> Result<(), rempart_store::StoreError> {
        gate::restore_lines(self).await
    }

    /// Starts accepting on every listener; returns at once.
    pub fn listen(self: &Arc<Self>, public: Vec<TcpListener>, console: Option<TcpListener>) {
        for listener in public {
            self.tasks.spawn_for_stranger(listen::accept_loop(Arc::clone(self), listener, Side::Public));
        }
        if let Some(listener) = console {
            self.tasks.spawn("accept console", listen::accept_loop(Arc::clone(self), listener, Side::Console));
        }
        self.is_ready.store(true, Ordering::Release);
    }

    /// Stops beginning anything, waits for what is in flight at most `[limits] drain_ms`, writes what has gathered. Ports answer until then:
    /// `readyz` with `draining`, all else with a refusal.
    pub async fn drain(&self) {
        self.draining.cancel();
        let deadline = Instant::now() + Duration::from_millis(self.limits.drain_ms);
        while Instant::now() < deadline && (self.connections.open() > 0 || self.generations.running() > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.generations.stop_all();
        // What was stopped settles first: its usage is written with the rest.
        let settled = Instant::now() + SETTLE;
        while Instant::now() < settled && self.generations.running() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.flush_usage().await;
        self.closed.cancel();
    }

    /// Writes the usage that has gathered; done every few seconds besides.
    pub async fn flush_usage(&self) {
        self.metering.flush(&self.store).await;
    }

    /// What waits before each engine, in configured order.
    pub fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    /// The declared state now: one atomic load.
    pub fn posture(&self) -> PostureState {
        self.posture.state()
    }

    /// The figures at `/metrics`.
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// True once the store is migrated and ports are open.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    pub(crate) fn lane_of(&self, engine: &str) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.engine.name() == engine)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// A request id: unique, not secret, made without a system call.
    pub(crate) fn next_request_id(&self) -> RequestId {
        thread_local! {
            static STATE: Cell<u64> = Cell::new(random_seed());
        }
        STATE.with(|state| {
            let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            state.set(next);
            let mut z = next;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            RequestId::from_bits(z ^ (z >> 31))
        })
    }

    /// The origin that pages of this side have.
    pub(crate) fn origin_of(&self, side: Side, parts: &http::request::Parts) -> String {
        match side {
            Side::Public => self.config.public_url.clone(),
            Side::Console => {
                let host = parts.headers.get(http::header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("");
                format!("http://{host}")
            }
        }
    }
}

fn random_seed() -> u64 {
    let mut bytes = [0_u8; 8];
    // Without the system's randomness seeds repeat; nothing secret hangs on them.
    let _ = rempart_identity::random::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
