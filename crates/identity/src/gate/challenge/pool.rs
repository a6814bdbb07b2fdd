//! Challenges made beforehand, by a thread that gives way to everybody and never takes more than its part of a core. Each effort has its part of
//! the pool: registration and sign-in may ask for different ones at a time, and an effort that rises finds a stock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use altcha::{ChallengeParameters, CreateChallengeOptions, create_challenge};
use rempart_domain::Secret;

use super::{ALGORITHM, COST, ChallengeOptions, EFFORTS, tries_max};
use crate::IdentityError;

/// How long the thread rests when the pool is full.
const REST: Duration = Duration::from_millis(200);

/// Added to the priority of the thread that mints: the scheduler's least.
const NICE: i32 = 19;

/// By effort.
type Minted = [VecDeque<ChallengeParameters>; EFFORTS.len()];

#[derive(Debug)]
pub(super) struct Pool {
    minted: Mutex<Minted>,
    taken: Condvar,
    /// The effort that was asked for last: it is filled first.
    effort: AtomicU8,
    /// Of each effort.
    len_max: usize,
}

impl Pool {
    pub(super) fn start(options: &ChallengeOptions, key: &str) -> Result<Arc<Self>, IdentityError> {
        let pool = Arc::new(Self {
            minted: Mutex::new(Minted::default()),
            taken: Condvar::new(),
            effort: AtomicU8::new(0),
            len_max: options.pool_len.div_ceil(EFFORTS.len()),
        });
        let (weak, key) = (Arc::downgrade(&pool), Secret::new(key.to_owned()));
        let rest_per_work = 100_u32.saturating_sub(u32::from(options.pool_cpu_percent.clamp(1, 100)))
            / u32::from(options.pool_cpu_percent.clamp(1, 100));
        std::thread::Builder::new()
            .name("mint".to_owned())
            .spawn(move || mint(&weak, &key, rest_per_work))
            .map_err(IdentityError::Thread)?;
        Ok(pool)
    }

    fn lock(&self) -> MutexGuard<'_, Minted> {
        self.minted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().iter().map(VecDeque::len).sum()
    }

    /// One of that effort, if there is one.
    pub(super) fn take(&self, effort: u8) -> Option<ChallengeParameters> {
        self.effort.store(effort, Ordering::Relaxed);
        let found = self.lock().get_mut(usize::from(effort)).and_then(VecDeque::pop_front);
        self.taken.notify_one();
        found
    }

    /// The effort that lacks challenges: the one asked for last, then the cheapest.
    fn lacking(&self, minted: &Minted) -> Option<u8> {
        let lacks = |effort: u8| minted.get(usize::from(effort)).is_some_and(|held| held.len() < self.len_max);
        let asked = self.effort.load(Ordering::Relaxed);
        std::iter::once(asked).chain((0_u8..).take(EFFORTS.len())).find(|effort| lacks(*effort))
    }
}

fn mint(pool: &Weak<Pool>, key: &Secret<String>, rest_per_work: u32) {
    give_way();
    while let Some(pool) = pool.upgrade() {
        let minted = pool.lock();
        let Some(effort) = pool.lacking(&minted) else {
            drop(pool.taken.wait_timeout(minted, REST));
            continue;
        };
        drop(minted);
        let before = Instant::now();
        let parameters = deterministic(effort, key);
        let worked = before.elapsed();
        if let Some(parameters) = parameters
            && let Some(held) = pool.lock().get_mut(usize::from(effort))
        {
            held.push_back(parameters);
        }
        drop(pool);
        // However long it took, preempted or not: the rest is so many times that.
        std::thread::sleep(worked.saturating_mul(rest_per_work));
    }
}

/// A challenge whose key is known beforehand: the counter lies in the upper half of the tries, so nobody is lucky and nobody waits longer.
fn deterministic(effort: u8, key: &Secret<String>) -> Option<ChallengeParameters> {
    let tries = tries_max(effort);
    let mut random = [0_u8; 4];
    crate::random::fill(&mut random).ok()?;
    let counter = tries / 2 + u32::from_le_bytes(random) % (tries / 2).max(1);
    let options = CreateChallengeOptions {
        algorithm: ALGORITHM.to_owned(),
        cost: COST,
        counter: Some(counter),
        // The seal is put on when it is handed out; a seal of now only makes the key's be computed.
        hmac_signature_secret: Some(key.expose().clone()),
        hmac_key_signature_secret: Some(key.expose().clone()),
        ..CreateChallengeOptions::default()
    };
    create_challenge(options).ok().map(|challenge| challenge.parameters)
}

/// Puts the calling thread behind all others.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "the thread that makes challenges keeps its priority");
    }
}
