//! The hashing pool with real threads: permits, bounds, dummy hashes, foreign parameters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use rempart_domain::{Millis, Secret};

use super::password::FROM_ELSEWHERE;
use crate::credential::Probe;
use crate::{HashError, HashLane, HashPool, HashPoolOptions, HashPrice, Verified};

const CHEAP: HashPrice = HashPrice { memory_kib: 64, passes: 1, lanes: 1 };
const YES: Verified = Verified { ok: true, needs_rehash: false };
const NO: Verified = Verified { ok: false, needs_rehash: false };

fn options(workers: usize) -> HashPoolOptions {
    HashPoolOptions {
        workers,
        price: CHEAP,
        deadline: Millis(3_600_000),
        queue_len_max: 4,
        ..HashPoolOptions::default()
    }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// A pool whose workers report each start and then wait to be let go.
struct Held {
    pool: HashPool,
    started: Receiver<()>,
    go: SyncSender<()>,
}

fn held(options: HashPoolOptions) -> Held {
    let (tell, started) = sync_channel(100);
    let (go, may_go) = sync_channel::<()>(100);
    let may_go = Mutex::new(may_go);
    let probe: Probe = Box::new(move || {
        tell.send(()).unwrap();
        // The sender is gone when a test is over: let the thread end.
        let _over = may_go.lock().unwrap().recv();
    });
    Held { pool: HashPool::with_probe(options, Some(probe)).unwrap(), started, go }
}

fn poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_password_verifies_against_its_own_hash_and_no_other_does() {
    let pool = HashPool::new(options(2)).unwrap();
    let phc = pool.hash(HashLane::Unknown, secret("correct horse")).await.unwrap();
    assert!(phc.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    let again = pool.hash(HashLane::Unknown, secret("correct horse")).await.unwrap();
    assert_ne!(phc.expose(), again.expose(), "each has its own salt");
    let verify = |password: &str| pool.verify(HashLane::Known, secret(password), Some(phc.expose()));
    assert_eq!(verify("correct horse").await, Ok(YES));
    assert_eq!(verify("correct horse ").await, Ok(NO));
    assert_eq!(verify("").await, Ok(NO));
}

#[tokio::test]
async fn an_imported_hash_verifies_and_asks_for_a_new_one() {
    let pool = HashPool::new(options(1)).unwrap();
    for phc in FROM_ELSEWHERE {
        let verified = pool.verify(HashLane::Known, secret("correct horse battery staple"), Some(phc)).await;
        assert_eq!(verified, Ok(Verified { ok: true, needs_rehash: true }), "{phc}");
        let wrong = pool.verify(HashLane::Known, secret("wrong"), Some(phc)).await;
        assert_eq!(wrong, Ok(NO));
    }
}

#[tokio::test]
async fn an_unknown_account_costs_a_whole_hash() {
    let hashes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hashes);
    let probe: Probe = Box::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let pool = HashPool::with_probe(options(1), Some(probe)).unwrap();
    assert_eq!(pool.verify(HashLane::Unknown, secret("whatever"), None).await, Ok(NO));
    assert_eq!((hashes.load(Ordering::SeqCst), pool.load().hashed_total), (1, 1));
    let poisoned = "$argon2id$v=19$m=4194304,t=100,p=1$aOFRunYDpktbE4MDBPSTIg$XwuWHEyK7SVy0RWI2P2QhA";
    assert_eq!(pool.verify(HashLane::Unknown, secret("whatever"), Some(poisoned)).await, Ok(NO));
    assert_eq!(hashes.load(Ordering::SeqCst), 2, "a poisoned row looks the same");
}

#[tokio::test]
async fn the_dummy_is_as_dear_as_a_real_hash() {
    let options = HashPoolOptions { workers: 1, ..HashPoolOptions::default() };
    let pool = HashPool::new(options).unwrap();
    let phc = pool.hash(HashLane::Unknown, secret("correct horse")).await.unwrap();
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..14 {
        let stored = (round % 2 == 0).then(|| phc.expose().as_str());
        let before = std::time::Instant::now();
        pool.verify(HashLane::Unknown, secret("wrong"), stored).await.unwrap();
        took[round % 2].push(before.elapsed());
    }
    let [real, dummy] = took.map(|mut took| *took.select_nth_unstable(3).1);
    let ratio = dummy.as_secs_f64() / real.as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "dummy {dummy:?}, real {real:?}");
}

#[tokio::test]
async fn abandoned_work_keeps_its_permit() {
    let Held { pool, started, go } = held(options(2));
    let mut leaver = Box::pin(pool.hash(HashLane::Unknown, secret("first one")));
    assert!(poll(&mut leaver).is_pending());
    started.recv().unwrap();
    drop(leaver);
    let mut second = Box::pin(pool.hash(HashLane::Unknown, secret("second one")));
    assert!(poll(&mut second).is_pending());
    // A known caller's start proves that the idle worker looked at the line, and passed the second stranger over.
    let mut known = Box::pin(pool.hash(HashLane::Known, secret("known one")));
    assert!(poll(&mut known).is_pending());
    started.recv().unwrap();
    let load = pool.load();
    assert_eq!((load.running, load.queued_unknown, load.queued_known), (2, 1, 0));
    assert!(started.try_recv().is_err(), "the second stranger must not start");
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    second.await.unwrap();
    known.await.unwrap();
    // Nobody is told when the abandoned one ends; on a busy machine it may be the last.
    while pool.load().running > 0 {
        std::thread::yield_now();
    }
    assert_eq!(pool.load().hashed_total, 3);
}

#[tokio::test]
async fn who_leaves_before_the_start_is_not_hashed() {
    let Held { pool, started, go } = held(options(1));
    let mut first = Box::pin(pool.hash(HashLane::Unknown, secret("first one")));
    assert!(poll(&mut first).is_pending());
    started.recv().unwrap();
    let mut leaver = Box::pin(pool.hash(HashLane::Unknown, secret("leaver")));
    assert!(poll(&mut leaver).is_pending());
    drop(leaver);
    let mut last = Box::pin(pool.hash(HashLane::Unknown, secret("last one")));
    assert!(poll(&mut last).is_pending());
    go.send(()).unwrap();
    go.send(()).unwrap();
    first.await.unwrap();
    last.await.unwrap();
    assert_eq!(pool.load().hashed_total, 2);
}

#[tokio::test]
async fn a_full_line_refuses_at_once_and_says_when_to_come_again() {
    let Held { pool, started, go } = held(options(1));
    let mut running = Box::pin(pool.hash(HashLane::Unknown, secret("running")));
    assert!(poll(&mut running).is_pending());
    started.recv().unwrap();
    let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(pool.hash(HashLane::Unknown, secret("waiting")))).collect();
    assert!(waiting.iter_mut().all(|one| poll(one).is_pending()));
    let refused = pool.hash(HashLane::Unknown, secret("refused")).await.unwrap_err();
    let HashError::Busy { retry_after } = refused else { panic!("{refused:?}") };
    assert!((1000..=75_000).contains(&retry_after.0), "{retry_after:?}");
    assert_eq!(pool.load().refused_total, 1);
    // Places of those who left are free again.
    waiting.truncate(2);
    let mut newcomer = Box::pin(pool.hash(HashLane::Unknown, secret("newcomer")));
    assert!(poll(&mut newcomer).is_pending());
    assert_eq!(pool.load().queued_unknown, 3);
    for _ in 0..4 {
        go.send(()).unwrap();
    }
    newcomer.await.unwrap();
}

#[tokio::test]
async fn a_panic_in_a_job_costs_neither_the_worker_nor_the_permit() {
    let fails = Arc::new(AtomicUsize::new(1));
    let left = Arc::clone(&fails);
    let probe: Probe = Box::new(move || {
        let is_failing = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        assert!(!is_failing, "planned");
    });
    let pool = HashPool::with_probe(options(1), Some(probe)).unwrap();
    let first = pool.hash(HashLane::Unknown, secret("first one")).await;
    assert_eq!(first.err(), Some(HashError::Internal));
    assert!(pool.hash(HashLane::Unknown, secret("second one")).await.is_ok());
    assert_eq!(pool.load().running, 0);
}

#[tokio::test]
async fn a_closing_pool_answers_those_who_wait_and_ends_what_runs() {
    let Held { pool, started, go } = held(options(1));
    let running = pool.submit_hash(HashLane::Known, secret("running")).unwrap();
    started.recv().unwrap();
    let waiting = pool.submit_hash(HashLane::Known, secret("waiting")).unwrap();
    drop(pool);
    assert!(waiting.await.is_err());
    go.send(()).unwrap();
    assert!(running.await.is_ok_and(|outcome| outcome.is_ok()));
}

#[tokio::test]
async fn a_text_too_long_to_be_a_password_is_not_hashed() {
    let pool = HashPool::new(options(1)).unwrap();
    let long = "x".repeat(1025);
    assert_eq!(pool.verify(HashLane::Unknown, secret(&long), None).await, Err(HashError::TooLong));
    assert_eq!(pool.load().hashed_total, 0);
}

#[test]
fn a_pool_without_workers_or_above_the_bounds_is_refused() {
    assert!(HashPool::new(options(0)).is_err());
    assert!(HashPool::new(HashPoolOptions { unknown_running_max: 0, ..options(1) }).is_err());
    let dear = HashPrice { memory_kib: 1 << 20, ..CHEAP };
    assert!(HashPool::new(HashPoolOptions { price: dear, ..options(1) }).is_err());
    let odd = HashPrice { passes: 0, ..CHEAP };
    assert!(HashPool::new(HashPoolOptions { price: odd, ..options(1) }).is_err());
}
