//! What the gate costs: CPU microseconds of each thing that a stranger can order. `cargo bench -p rempart-identity --bench gate`.
//!
//! CPU time of this thread and not time on the wall, so that a machine that is shared says the same. A line of JSON each.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use altcha::{Challenge, Payload, SolveChallengeOptions, solve_challenge};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rempart_domain::{Millis, UnixSeconds};
use rempart_identity::Keyring;
use rempart_identity::gate::{
    ChallengeOptions, Challenges, InLine, Now, Place, PlaceFlags, Purpose, QueueLimits, TicketQueue,
};

const NETWORK: u32 = 7;
const BATCHES: u32 = 41;

fn now() -> Now {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Now { clock: Millis(1), date: UnixSeconds(i64::try_from(since.as_secs()).unwrap()) }
}

/// CPU time of this thread, in nanoseconds. Linux.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn measure<T>(name: &str, batch: u32, mut work: impl FnMut() -> T) {
    // One sum over all: the clock of a thread may move in steps of milliseconds.
    let before = cpu_ns();
    for _ in 0..BATCHES * batch {
        black_box(work());
    }
    let spent = u32::try_from((cpu_ns() - before) / 1000).unwrap_or(u32::MAX);
    let us = f64::from(spent) / f64::from(BATCHES * batch);
    println!("{}", serde_json::json!({ "name": name, "us": (us * 100.0).round() / 100.0 }));
}

fn desk(pool_len: usize) -> Challenges {
    let options = ChallengeOptions {
        pool_len,
        pool_cpu_percent: 100,
        pool_share: u16::MAX,
        checks: u16::MAX,
        checks_share: u16::MAX,
        ..ChallengeOptions::default()
    };
    Challenges::start(&Keyring::in_memory().unwrap(), options).unwrap()
}

fn issued(desk: &Challenges) -> Challenge {
    serde_json::from_str(&desk.issue(Purpose::Registration, NETWORK, 1, 0, now()).unwrap()).unwrap()
}

fn payload_of(challenge: Challenge) -> Payload {
    let solution = solve_challenge(SolveChallengeOptions::new(&challenge)).unwrap().unwrap();
    Payload { challenge, solution }
}

fn text(payload: &Payload) -> String {
    STANDARD.encode(serde_json::to_vec(payload).unwrap())
}

fn challenges() {
    let cheap = desk(0);
    measure("challenge issued, fallback", 2_000, || cheap.issue(Purpose::Registration, NETWORK, 1, 0, now()));
    let pooled = desk(60_000);
    let count = 500 * BATCHES;
    while pooled.pool_len() < usize::try_from(count).unwrap() {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    measure("challenge issued, pool", 500, || pooled.issue(Purpose::Registration, NETWORK, 1, 0, now()));
    for (kind, desk) in [("fallback", &cheap), ("pool", &pooled)] {
        let take = |payload: &str, now: Now| desk.take(payload, Purpose::Registration, NETWORK, 1, now).map(drop);
        let good = payload_of(issued(desk));
        let replayed = text(&good);
        let _first = take(&replayed, now());
        measure(&format!("solution replayed, {kind}"), 2_000, || take(black_box(&replayed), now()));
        let mut forged = payload_of(issued(desk));
        forged.challenge.signature = Some("0".repeat(64));
        let forged = text(&forged);
        measure(&format!("solution forged, {kind}"), 2_000, || take(black_box(&forged), now()));
        let late = Now { date: UnixSeconds(now().date.0 + 1_000), ..now() };
        measure(&format!("solution expired, {kind}"), 2_000, || take(black_box(&replayed), late));
        measure(&format!("no solution at all, {kind}"), 10_000, || take(black_box("bm90IGpzb24="), now()));
    }
}

fn queue() {
    let keyring = Keyring::in_memory().unwrap();
    let mut queue = TicketQueue::new(QueueLimits::default(), 1);
    let place = |id: u64| Place {
        purpose: Purpose::Registration,
        id,
        issued: UnixSeconds(1_700_000_000 + i64::try_from(id % 600).unwrap()),
        cohort: u32::try_from(id % 500).unwrap(),
        name: 1,
        contact: 0,
        flags: PlaceFlags { is_proved: true, ..PlaceFlags::default() },
    };
    for id in 0..16_000 {
        let _stands: InLine = queue.present(Millis(0), &place(id));
    }
    queue.tick(Millis(1), 4.0);
    let sealed = place(9).seal(&keyring);
    measure("a place shown, 16 000 waiting", 5_000, || {
        let place =
            Place::open(&keyring, Purpose::Registration, black_box(&sealed), UnixSeconds(1_700_000_100)).unwrap();
        queue.present(Millis(2), &place)
    });
    measure("a quarter second of the line, 16 000 waiting", 2_000, || queue.tick(Millis(2), 4.0));
}

fn main() {
    challenges();
    queue();
}
