//! The gate as the running platform has it: the machines of `identity::gate` with the platform's clocks, figures and networks.
//!
//! What must stay true: whatever a stranger shows is answered from memory, in microseconds; a lock is never held over an await; the lines
//! reach the store at the platform's pace, never at a stranger's.
//!
//! There are two lines of one kind: for registration, at the rate of the set-point; and for unknown devices that sign in and cannot solve a
//! challenge, at a rate of its own whatever the gate's level is, so that a gate that is closed keeps no owner of an account out.

mod turn;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rempart_domain::{GateLevel, Millis, ReasonCode};
use rempart_identity::gate::{
    ChallengeError, ChallengeOptions, Challenges, GateState, Now, Published, Purpose, QueueLimits, Readings, Shares,
    Shown, TicketQueue,
};
use rempart_identity::{HashPool, Keyring};
use tokio::sync::Semaphore;

use crate::Gateway;
use crate::ctx::Source;
use crate::limits::Limits;
use crate::posture::PostureControl;
use crate::refusal::Refusal;

pub(crate) use turn::Turn;

/// The settings of the store that keep the lines.
const LINES: [(Purpose, &str); 2] = [(Purpose::Registration, "gate_queue"), (Purpose::SignIn, "sign_in_line")];

/// How often a changed queue is written.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);

/// How often turns are given.
const TICK: Duration = Duration::from_millis(250);

/// How often the control loop looks.
const CONTROL_EVERY_MS: u64 = 1_000;

/// Places without a solved challenge that one network may take in ten minutes.
const PLAIN_PLACES: (Millis, u16) = (Millis(600_000), 20);

/// Passwords that one turn in the line of sign-in is good for.
const SIGN_IN_TRIES: u8 = 3;

/// Tries of one invitation.
const INVITE_TRIES: (Millis, u16) = (Millis(60_000), 10);

/// Letters that one place may ask for.
const LETTERS: (Millis, u16) = (Millis(600_000), 3);

/// Counts what comes to the gate between two looks of the control loop.
#[derive(Debug, Default)]
struct Demand {
    asked: AtomicU64,
    met: AtomicU64,
}

/// The gate.
pub(crate) struct Gate {
    state: Arc<GateState>,
    pub(crate) challenges: Challenges,
    queue: Mutex<TicketQueue>,
    sign_in_line: Mutex<TicketQueue>,
    sign_in_rate_per_s: f64,
    demand: Demand,
    /// Hashes newcomers' passwords, and nothing else.
    pub(crate) hash_pool: HashPool,
    /// Solutions that are being derived.
    checking: Arc<Semaphore>,
    pub(crate) plain_places: Shares,
    /// The same for the line of sign-in.
    pub(crate) sign_in_places: Shares,
    /// Tries of each invitation.
    pub(crate) invite_tries: Shares,
    /// Letters for each place.
    pub(crate) letters: Shares,
    /// Its epoch: challenges of an older one are void.
    posture: Arc<PostureControl>,
    network_key: u64,
}

impl Gate {
    /// Joins the parts; the thread that makes challenges starts here.
    pub(crate) fn new(
        state: Arc<GateState>,
        hash_pool: HashPool,
        posture: Arc<PostureControl>,
        keyring: &Keyring,
        limits: &Limits,
    ) -> Result<Self, rempart_identity::IdentityError> {
        let as_usize = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let options = ChallengeOptions {
            pool_len: as_usize(limits.challenge_pool),
            pool_cpu_percent: u8::try_from(limits.challenge_cpu_percent.clamp(1, 100)).unwrap_or(5),
            lasts_s: u32::try_from(limits.challenge_lasts_s).unwrap_or(240),
            ..ChallengeOptions::default()
        };
        let queue = QueueLimits {
            len_max: as_usize(limits.gate_queue_len),
            turn_lasts: Millis(limits.gate_turn_ms),
            ..QueueLimits::default()
        };
        let [a, b, c, d, e, f, g, h, ..] = keyring.lookup_hash("gate-network", "");
        Ok(Self {
            state,
            challenges: Challenges::start(keyring, options)?,
            queue: Mutex::new(TicketQueue::new(queue, crate::random_seed())),
            sign_in_line: Mutex::new(TicketQueue::new(
                QueueLimits { tries_max: SIGN_IN_TRIES, ..queue },
                crate::random_seed(),
            )),
            sign_in_rate_per_s: to_f64(limits.sign_in_places_per_minute) / 60.0,
            demand: Demand::default(),
            hash_pool,
            checking: Arc::new(Semaphore::new(1)),
            plain_places: Shares::new(PLAIN_PLACES.0, PLAIN_PLACES.1),
            sign_in_places: Shares::new(PLAIN_PLACES.0, PLAIN_PLACES.1),
            invite_tries: Shares::new(INVITE_TRIES.0, INVITE_TRIES.1),
            letters: Shares::new(LETTERS.0, LETTERS.1),
            posture,
            network_key: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        })
    }

    /// The set-point.
    pub(crate) fn published(&self) -> Published {
        self.state.published()
    }

    /// What newcomers must show.
    pub(crate) fn level(&self) -> GateLevel {
        self.published().level
    }

    pub(crate) const fn state(&self) -> &Arc<GateState> {
        &self.state
    }

    /// The line of registration.
    pub(crate) fn queue(&self) -> MutexGuard<'_, TicketQueue> {
        self.line(Purpose::Registration)
    }

    /// Either line.
    pub(crate) fn line(&self, purpose: Purpose) -> MutexGuard<'_, TicketQueue> {
        let line = match purpose {
            Purpose::Registration => &self.queue,
            Purpose::SignIn => &self.sign_in_line,
        };
        line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody asks to register.
    pub(crate) fn note_asked(&self) {
        self.demand.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// They showed what the level asks.
    pub(crate) fn note_met(&self) {
        self.demand.met.fetch_add(1, Ordering::Relaxed);
    }

    /// A tag for where somebody is (an IPv4 /24, an IPv6 /48): the same after a restart, and tells no address.
    pub(crate) fn network(&self, source: Source) -> u32 {
        let [a, b, c, d, ..] = crate::observe::mix(source.network() ^ self.network_key).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// A challenge as JSON; `effort` is an index of [`rempart_identity::gate::EFFORTS`].
    pub(crate) fn issue_challenge(&self, purpose: Purpose, source: Source, effort: u8, now: Now) -> Option<String> {
        let epoch = self.posture.state().epoch;
        self.challenges.issue(purpose, self.network(source), epoch, effort, now)
    }

    /// Takes a solved challenge; a refusal if it is none. One derivation runs at a time, in a thread of its own.
    pub(crate) async fn take_challenge(
        &self,
        purpose: Purpose,
        source: Source,
        now: Now,
        text: &str,
    ) -> Result<(), Refusal> {
        let epoch = self.posture.state().epoch;
        match self.challenges.take(text, purpose, self.network(source), epoch, now).map_err(challenge_refusal)? {
            Shown::Solved => Ok(()),
            Shown::Unproved(unproved) => {
                let permit = Arc::clone(&self.checking).acquire_owned().await.map_err(|_| ReasonCode::Internal)?;
                let checked = tokio::task::spawn_blocking(move || {
                    let checked = unproved.check();
                    drop(permit);
                    checked
                });
                checked.await.map_err(|_| ReasonCode::Internal)?.map_err(challenge_refusal)
            }
        }
    }
}

/// All alike to the caller but one: what could not be checked now is still good.
fn challenge_refusal(error: ChallengeError) -> Refusal {
    match error {
        ChallengeError::Busy => Refusal::from(ReasonCode::Overloaded).retry_after(Millis(5_000)),
        ChallengeError::Expired => {
            Refusal::new(ReasonCode::ChallengeRequired, "the challenge has expired: solve another")
        }
        _ => Refusal::new(ReasonCode::ChallengeRequired, "this is no unused solution of a challenge of ours"),
    }
}

/// The figures that the control loop feeds on.
fn readings(gateway: &Gateway, elapsed_s: f64) -> Readings {
    let (gate, room) = (&gateway.gate, gateway.headroom());
    let per_s = |count: &AtomicU64| to_f64(count.swap(0, Ordering::Relaxed)) / elapsed_s.max(0.001);
    Readings {
        members_saturation: if room.members_waiting > 0 { 1.0 } else { room.members_sequences.max(room.members_kv) },
        newcomers_share: room.strangers_sequences,
        posture: room.posture,
        asked_per_s: per_s(&gate.demand.asked),
        met_per_s: per_s(&gate.demand.met),
        queue_len: gate.queue().len() as u64,
    }
}

/// Gives turns, and looks at the figures once a second, until the platform stops.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    let stop = gateway.tasks.stopping();
    let mut timer = tokio::time::interval(TICK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked = gateway.clock.now();
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            () = stop.cancelled() => return,
        }
        let (gate, now) = (&gateway.gate, gateway.clock.now());
        let elapsed = now.since(looked);
        if elapsed.0 >= CONTROL_EVERY_MS {
            looked = now;
            let readings = readings(&gateway, to_f64(elapsed.0) / 1000.0);
            let before = gate.published();
            let after = gate.state.tick(now, gateway.clock.seconds(), &readings);
            if before.level != after.level {
                tracing::info!(level = %after.level, source = after.source.as_str(), "the gate's level changed");
            }
        }
        let published = gate.published();
        let rate = if published.level == GateLevel::Closed { 0.0 } else { published.rate_per_s };
        gate.line(Purpose::SignIn).tick(now, gate.sign_in_rate_per_s);
        let mut queue = gate.queue();
        queue.tick(now, rate);
        gate.state.set_line(queue.len() as u64, queue.eta());
    }
}

/// Writes the lines when they have changed, every few seconds and once more at the end.
pub(crate) async fn keep_lines(gateway: Arc<Gateway>) {
    let stop = gateway.tasks.stopping();
    loop {
        let is_last = stop.run_until_cancelled(tokio::time::sleep(SNAPSHOT_EVERY)).await.is_none();
        for (purpose, setting) in LINES {
            let snapshot = gateway.gate.line(purpose).take_snapshot(gateway.clock.now());
            if let Some(bytes) = snapshot
                && let Err(error) = gateway.store.set_setting(setting, &STANDARD.encode(bytes)).await
            {
                tracing::debug!(%error, "a waiting line was not written");
            }
        }
        if is_last {
            return;
        }
    }
}

/// Takes the lines over that the last process wrote.
pub(crate) async fn restore_lines(gateway: &Gateway) -> Result<(), rempart_store::StoreError> {
    for (purpose, setting) in LINES {
        let text = gateway.store.get_setting(setting).await?;
        if let Some(bytes) = text.and_then(|text| STANDARD.decode(text).ok()) {
            gateway.gate.line(purpose).restore(&bytes, gateway.clock.now());
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
const fn to_f64(number: u64) -> f64 {
    number as f64
}
