//! Challenges made beforehand, by a thread that gives way to everybody and never takes more than its part of a core.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use altcha::{ChallengeParameters, CreateChallengeOptions, create_challenge};
use rempart_domain::Secret;

use super::{ALGORITHM, COST, ChallengeOptions, tries_max};
use crate::IdentityError;

/// Challenges of an effort that is not asked for any more, passed over in one taking.
const STALE_MAX: usize = 4;

/// How long the thread rests when the pool is full.
const REST: Duration = Duration::from_millis(200);

/// Added to the priority of the thread that mints: the scheduler's least.
const NICE: i32 = 19;

#[derive(Debug)]
struct Minted {
    effort: u8,
    parameters: ChallengeParameters,
}

#[derive(Debug)]
pub(super) struct Pool {
    minted: Mutex<VecDeque<Minted>>,
    taken: Condvar,
    /// The effort that was asked for last.
    effort: AtomicU8,
    len_max: usize,
}

impl Pool {
    pub(super) fn start(options: &ChallengeOptions, key: &str) -> Result<Arc<Self>, IdentityError> {
        let pool = Arc::new(Self {
            minted: Mutex::new(VecDeque::with_capacity(options.pool_len)),
            taken: Condvar::new(),
            effort: AtomicU8::new(0),
            len_max: options.pool_len,
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

    fn lock(&self) -> MutexGuard<'_, VecDeque<Minted>> {
        self.minted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// One of that effort, if there is one.
    pub(super) fn take(&self, effort: u8) -> Option<ChallengeParameters> {
        self.effort.store(effort, Ordering::Relaxed);
        let mut minted = self.lock();
        let found = (0..STALE_MAX).find_map(|_| match minted.pop_front() {
            Some(one) if one.effort == effort => Some(Some(one.parameters)),
            Some(_) => None,
            None => Some(None),
        });
        drop(minted);
        self.taken.notify_one();
        found.flatten()
    }
}

fn mint(pool: &Weak<Pool>, key: &Secret<String>, rest_per_work: u32) {
    give_way();
    while let Some(pool) = pool.upgrade() {
        let minted = pool.lock();
        if minted.len() >= pool.len_max {
            drop(pool.taken.wait_timeout(minted, REST));
            continue;
        }
        drop(minted);
        let effort = pool.effort.load(Ordering::Relaxed);
        let before = Instant::now();
        let parameters = deterministic(effort, key);
        let worked = before.elapsed();
        if let Some(parameters) = parameters {
            pool.lock().push_back(Minted { effort, parameters });
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
