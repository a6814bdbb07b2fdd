//! The hashing pool: a few threads, each with an arena of Argon2 memory that is allocated once and used again and again.
//!
//! Using an arena again saves 2 594 page faults and 7 to 9 ms of kernel time a hash. A hash cannot be stopped half-way, so its permit
//! lives in the thread that computes it: a caller who hangs up frees nothing early (hang-ups would otherwise get past the
//! bound). The one dear allocation at run time, for stored hashes with more memory than ours, happens one at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use argon2::Block;
use rempart_domain::{Millis, Secret};
use tokio::sync::oneshot;

use super::line::{HashLane, Line, LineLimits, Quote, Taken};
use super::phc::{HashPrice, StoredHash, hash_new};
use super::rules::PASSWORD_BYTES_MAX;
use crate::IdentityError;

/// Size and price of the pool.
#[derive(Debug, Clone, Copy)]
pub struct HashPoolOptions {
    /// Threads, and so hashes at once; each holds `price.memory_kib` for good.
    pub workers: usize,
    /// Of them, at most so many for [`HashLane::Unknown`]; by default all but one.
    pub unknown_running_max: usize,
    /// Waiting jobs in each lane.
    pub queue_len_max: usize,
    /// A job that cannot start within this time is refused when it comes.
    pub deadline: Millis,
    /// What a new hash costs. Stored hashes keep theirs, up to [`HashPrice::MAX`].
    pub price: HashPrice,
}

impl Default for HashPoolOptions {
    fn default() -> Self {
        Self {
            workers: 2,
            unknown_running_max: 1,
            queue_len_max: 64,
            deadline: Millis(2000),
            price: HashPrice::DEFAULT,
        }
    }
}

/// Why a password was not hashed or verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The line is full, or too long for the deadline.
    #[error("the password line is full")]
    Busy {
        /// When to come again: the line's length now, with a random quarter more or less, at least a second.
        retry_after: Millis,
    },
    /// Longer than [`PASSWORD_BYTES_MAX`] bytes; see [`crate::check_password`].
    #[error("the password is too long to be one")]
    TooLong,
    /// The pool is shutting down.
    #[error("the password line is closed")]
    Closed,
    /// No random bytes for the salt, or a fault of ours in the thread; logged there.
    #[error("the password could not be hashed")]
    Internal,
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The password is the account's. Always false for an unknown account.
    pub ok: bool,
    /// The password is right and its stored hash is of another price than today's: hash it anew and store that.
    pub needs_rehash: bool,
}

/// Figures of the pool, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HashPoolLoad {
    /// Waiting, from known devices.
    pub queued_known: usize,
    /// Waiting, others.
    pub queued_unknown: usize,
    /// Being hashed.
    pub running: usize,
    /// Hashed since the start.
    pub hashed_total: u64,
    /// Refused since the start, early or late.
    pub refused_total: u64,
}

/// The pool. Dropping it lets running hashes end and refuses the waiting ones.
pub struct HashPool {
    shared: Arc<Shared>,
}

struct Shared {
    options: HashPoolOptions,
    state: Mutex<State>,
    work: Condvar,
    started: Instant,
    /// Verified in place of an unknown account's hash; of the same price.
    dummy: StoredHash,
    hashed: AtomicU64,
    refused: AtomicU64,
    unusable: AtomicU64,
    #[cfg(test)]
    probe: Option<Probe>,
}

/// A test's hook: called in the worker before each hash.
#[cfg(test)]
pub(crate) type Probe = Box<dyn Fn() + Send + Sync>;

struct State {
    line: Line<Job>,
    is_closed: bool,
}

struct Job {
    password: Secret<String>,
    task: Task,
    reply: oneshot::Sender<Result<Outcome, HashError>>,
}

enum Task {
    Hash,
    /// `counts` is false for a dummy: whatever it finds, the answer is no.
    Verify {
        stored: StoredHash,
        counts: bool,
    },
}

enum Outcome {
    Hashed(Secret<String>),
    Verified(Verified),
}

impl HashPool {
    /// Starts the threads. Computes one hash first: the dummy, and the price of the line's first jobs. Blocks for that long.
    pub fn new(options: HashPoolOptions) -> Result<Self, IdentityError> {
        #[cfg(test)]
        return Self::with_probe(options, None);
        #[cfg(not(test))]
        Self::start(options, |shared| shared)
    }

    #[cfg(test)]
    pub(crate) fn with_probe(options: HashPoolOptions, probe: Option<Probe>) -> Result<Self, IdentityError> {
        Self::start(options, |shared| Shared { probe, ..shared })
    }

    fn start(options: HashPoolOptions, finish: impl FnOnce(Shared) -> Shared) -> Result<Self, IdentityError> {
        let HashPoolOptions { workers, unknown_running_max, queue_len_max, deadline, price } = options;
        if !price.is_bounded() || workers == 0 || unknown_running_max == 0 {
            return Err(IdentityError::HashParameters);
        }
        let limits = LineLimits { workers, unknown_running_max, queue_len_max, deadline };
        let mut first_arena = arena(price.blocks());
        let (dummy, ns_per_kilo_work) = make_dummy(price, &mut first_arena)?;
        let shared = Arc::new(finish(Shared {
            options,
            state: Mutex::new(State { line: Line::new(limits, ns_per_kilo_work), is_closed: false }),
            work: Condvar::new(),
            started: Instant::now(),
            dummy,
            hashed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unusable: AtomicU64::new(0),
            #[cfg(test)]
            probe: None,
        }));
        let pool = Self { shared: Arc::clone(&shared) };
        let arenas = std::iter::once(first_arena).chain(std::iter::repeat_with(|| arena(price.blocks())));
        for (number, mut arena) in (0..workers).zip(arenas) {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || work(&shared, &mut arena))
                .map_err(IdentityError::Thread)?;
        }
        Ok(pool)
    }

    /// Hashes a new password into a PHC string. Check it with [`crate::check_password`] first.
    pub async fn hash(&self, lane: HashLane, password: Secret<String>) -> Result<Secret<String>, HashError> {
        match self.submit(lane, password, self.shared.options.price, Task::Hash)?.await {
            Ok(Ok(Outcome::Hashed(phc))) => Ok(phc),
            Ok(Ok(Outcome::Verified(_))) => Err(HashError::Internal),
            Ok(Err(error)) => Err(error),
            Err(_closed) => Err(HashError::Closed),
        }
    }

    /// Verifies a password against a stored PHC string of Argon2id. `None` is an unknown account: a dummy of the same price is
    /// verified, and the answer is no. A string that is none, or asks for more than [`HashPrice::MAX`], is answered the same.
    pub async fn verify(
        &self,
        lane: HashLane,
        password: Secret<String>,
        phc: Option<&str>,
    ) -> Result<Verified, HashError> {
        let stored = phc.and_then(|phc| StoredHash::parse(phc).map_err(|why| self.shared.count_unusable(why)).ok());
        let counts = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.shared.dummy.clone());
        match self.submit(lane, password, stored.price(), Task::Verify { stored, counts })?.await {
            Ok(Ok(Outcome::Verified(verified))) => Ok(verified),
            Ok(Ok(Outcome::Hashed(_))) => Err(HashError::Internal),
            Ok(Err(error)) => Err(error),
            Err(_closed) => Err(HashError::Closed),
        }
    }

    /// Whether a job of today's price would be taken into that lane now, without offering it: asked before dearer look-ups are done for
    /// somebody who would be refused here anyway.
    ///
    /// # Errors
    /// `Busy`, counted as a refusal.
    pub fn check_room(&self, lane: HashLane) -> Result<(), HashError> {
        let shared = &self.shared;
        let mut state = shared.lock();
        if state.line.queue_len(lane) >= shared.options.queue_len_max {
            state.line.retain(|job| !job.reply.is_closed());
        }
        let refused = state.line.check_room(lane);
        drop(state);
        refused.map_err(|wait| shared.busy(wait))
    }

    /// Most jobs that wait in one lane.
    pub fn queue_len_max(&self) -> usize {
        self.shared.options.queue_len_max
    }

    /// Figures for metrics.
    pub fn load(&self) -> HashPoolLoad {
        let state = self.shared.lock();
        HashPoolLoad {
            queued_known: state.line.queue_len(HashLane::Known),
            queued_unknown: state.line.queue_len(HashLane::Unknown),
            running: state.line.running(),
            hashed_total: self.shared.hashed.load(Ordering::Relaxed),
            refused_total: self.shared.refused.load(Ordering::Relaxed),
        }
    }

    /// A hash whose answer outlives the pool.
    #[cfg(test)]
    pub(crate) fn submit_hash(
        &self,
        lane: HashLane,
        password: Secret<String>,
    ) -> Result<oneshot::Receiver<Result<impl Sized + use<>, HashError>>, HashError> {
        self.submit(lane, password, self.shared.options.price, Task::Hash)
    }

    /// Queues a job or refuses it, without waiting; everything that can be refused is refused here.
    fn submit(
        &self,
        lane: HashLane,
        password: Secret<String>,
        price: HashPrice,
        task: Task,
    ) -> Result<oneshot::Receiver<Result<Outcome, HashError>>, HashError> {
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Err(HashError::TooLong);
        }
        let shared = &self.shared;
        let is_foreign = price.memory_kib > shared.options.price.memory_kib;
        let quote = Quote { work: price.work(), is_foreign };
        let (reply, answer) = oneshot::channel();
        let job = Job { password, task, reply };
        let now = shared.now();
        let mut state = shared.lock();
        if state.is_closed {
            return Err(HashError::Closed);
        }
        if state.line.queue_len(lane) >= shared.options.queue_len_max {
            state.line.retain(|job| !job.reply.is_closed());
        }
        let offered = state.line.offer(now, lane, quote, job);
        drop(state);
        match offered {
            Ok(()) => {
                shared.work.notify_one();
                Ok(answer)
            }
            Err((_job, wait)) => Err(shared.busy(wait)),
        }
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        state.line.clear();
        drop(state);
        self.shared.work.notify_all();
    }
}

impl std::fmt::Debug for HashPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashPool").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Counts a refusal and says when to come again.
    fn busy(&self, wait: Millis) -> HashError {
        let count = self.refused.fetch_add(1, Ordering::Relaxed);
        let wait = wait.0.clamp(1000, 60_000);
        // Spread evenly by the golden ratio: no two refusals of a burst come back together.
        let spread = ((count.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * (wait / 2)) >> 32;
        HashError::Busy { retry_after: Millis((wait - wait / 4 + spread).max(1000)) }
    }

    /// Outsiders can trigger this by signing in: logged at the first, second, fourth … time only.
    fn count_unusable(&self, why: super::phc::Unusable) {
        let count = self.unusable.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(count, reason = ?why, "a stored password hash was refused");
        }
    }
}

/// Holds a running job's place until the hash has ended, even if it ended in a panic.
struct Permit<'a> {
    shared: &'a Shared,
    lane: HashLane,
    quote: Quote,
    took_ns: Option<u64>,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.shared.lock().line.finish(self.lane, self.quote, self.took_ns);
        self.shared.work.notify_one();
    }
}

fn work(shared: &Shared, arena: &mut [Block]) {
    loop {
        let mut state = shared.lock();
        let (job, permit) = loop {
            if state.is_closed {
                return;
            }
            match state.line.take(shared.now()) {
                Taken::Run(job, lane, quote) => break (job, Some(Permit { shared, lane, quote, took_ns: None })),
                Taken::Late(job) => break (job, None),
                Taken::Nothing => state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(state);
        let Some(mut permit) = permit else {
            let busy = shared.busy(shared.options.deadline);
            let _gone = job.reply.send(Err(busy));
            continue;
        };
        if job.reply.is_closed() {
            continue;
        }
        let Job { password, task, reply } = job;
        let before = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(shared, arena, &password, &task)));
        permit.took_ns = u64::try_from(before.elapsed().as_nanos()).ok();
        drop(permit);
        shared.hashed.fetch_add(1, Ordering::Relaxed);
        let _gone = reply.send(outcome.unwrap_or_else(|_| {
            tracing::error!("a hashing job panicked");
            Err(HashError::Internal)
        }));
    }
}

fn run(shared: &Shared, arena: &mut [Block], password: &Secret<String>, task: &Task) -> Result<Outcome, HashError> {
    #[cfg(test)]
    if let Some(probe) = &shared.probe {
        probe();
    }
    let password = password.expose().as_bytes();
    let price = shared.options.price;
    match task {
        Task::Hash => {
            let mut salt = [0_u8; 16];
            crate::random::fill(&mut salt).map_err(|_| HashError::Internal)?;
            let phc = hash_new(password, salt, price, arena).ok_or(HashError::Internal)?;
            Ok(Outcome::Hashed(Secret::new(phc)))
        }
        Task::Verify { stored, counts } => {
            let blocks = stored.price().blocks();
            let is_same = if blocks > arena.len() {
                stored.verify(password, &mut self::arena(blocks))
            } else {
                stored.verify(password, arena)
            };
            let ok = is_same & counts;
            Ok(Outcome::Verified(Verified { ok, needs_rehash: ok && !stored.is_current(price) }))
        }
    }
}

fn arena(blocks: usize) -> Vec<Block> {
    vec![Block::new(); blocks]
}

/// A hash of the pool's price that nobody knows the password of, and how long a thousand KiB took.
fn make_dummy(price: HashPrice, arena: &mut [Block]) -> Result<(StoredHash, u64), IdentityError> {
    let (mut password, mut salt) = ([0_u8; 32], [0_u8; 16]);
    crate::random::fill(&mut password)?;
    crate::random::fill(&mut salt)?;
    let before = Instant::now();
    let phc = hash_new(&password, salt, price, arena).ok_or(IdentityError::HashParameters)?;
    let took_ns = u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let dummy = StoredHash::parse(&phc).map_err(|_| IdentityError::HashParameters)?;
    Ok((dummy, took_ns.saturating_mul(1000) / price.work().max(1)))
}
