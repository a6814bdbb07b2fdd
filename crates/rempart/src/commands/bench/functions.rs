//! `bench functions`: what each thing costs that anybody can order, and what recognising a member costs. CPU time of one thread, so that a
//! machine that is shared says the same; decisions of admission by quantiles of single calls.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use rempart_admission::Crowd;
use rempart_domain::{AccountId, Day, KeyScope, Millis, Provenance, Role, SessionId, Standing, UnixSeconds};
use rempart_identity::gate::{ChallengeOptions, Challenges, Now, Purpose};
use rempart_identity::{Keyring, KnownKey, KnownKeys, TicketFields, TicketFlags, TicketKind, issue, parse, random};

use crate::outcome::{Failure, say};

/// The date of what is made here.
const NOW: UnixSeconds = UnixSeconds(1_700_000_100);

/// Calls that are timed together.
const CALLS: u32 = 20_000;

/// Keys beside the one that is looked up.
const KNOWN: u32 = 10_000;

/// Requests that wait while admission decides.
const QUEUED: u32 = 10_000;

/// The network that asks.
const NETWORK: u32 = 7;

pub(super) fn run() -> Result<ExitCode, Failure> {
    say("function                                              CPU us")?;
    keys()?;
    challenges()?;
    decisions()?;
    Ok(ExitCode::SUCCESS)
}

/// CPU time of this thread, in nanoseconds.
fn cpu_ns() -> u64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(spent.tv_sec * 1_000_000_000 + spent.tv_nsec).unwrap_or(0)
}

fn measure<T>(name: &str, mut work: impl FnMut() -> T) -> Result<(), Failure> {
    let before = cpu_ns();
    for _ in 0..CALLS {
        black_box(work());
    }
    let spent = u32::try_from(cpu_ns() - before).unwrap_or(u32::MAX);
    say(&format!("{name:<50} {:>9.2}", f64::from(spent) / f64::from(CALLS) / 1_000.0))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::internal("bench", &error)
}

fn keys() -> Result<(), Failure> {
    let keyring = Keyring::in_memory().map_err(|error| failed(&error))?;
    let session = keyring.seal_ticket(&TicketFields {
        kind: TicketKind::Session,
        standing: Standing::Member,
        account: AccountId::from_bits(1),
        session: SessionId::from_bits(7),
        issued: UnixSeconds(1_700_000_000),
        expires: UnixSeconds(1_702_592_000),
        account_epoch: 0,
        global_epoch: 0,
        created_day: Day(19_000),
        flags: TicketFlags::default(),
        provenance: Provenance::default(),
    });
    measure("session opened", || keyring.open_ticket(TicketKind::Session, black_box(&session), NOW))?;
    let key_id = || random::key_id().map_err(|error| failed(&error));
    let mine = issue(&keyring, key_id()?).map_err(|error| failed(&error))?;
    // Of another platform: well formed, so that only the keyed checksum refuses it.
    let other = Keyring::in_memory().map_err(|error| failed(&error))?;
    let guessed = issue(&other, key_id()?).map_err(|error| failed(&error))?;
    let (mine, guessed) = (mine.text.expose().as_str(), guessed.text.expose().as_str());
    let presented = parse(&keyring, mine).map_err(|error| failed(&error))?;
    let known = KnownKeys::default();
    let mut key = KnownKey {
        id: presented.id,
        account: AccountId::from_bits(1),
        hash: presented.hash,
        scope: KeyScope::Api,
        standing: Standing::Member,
        role: Role::None,
        created_day: Day(19_000),
        created_minute: 0,
        provenance: Provenance::default(),
        models: None,
        limits: rempart_domain::KeyLimits::default(),
        expires: None,
        epoch: 0,
    };
    known.insert(key.clone());
    for _ in 0..KNOWN {
        key.id = key_id()?;
        known.insert(key.clone());
    }
    let find = |text: &str| parse(&keyring, text).map(|presented| known.find(&presented, NOW));
    measure("API key of a member, among 10 000", || find(black_box(mine)))?;
    measure("API key guessed", || parse(&keyring, black_box(guessed)).is_err())
}

fn challenges() -> Result<(), Failure> {
    let keyring = Keyring::in_memory().map_err(|error| failed(&error))?;
    let options = ChallengeOptions {
        pool_len: 0,
        pool_cpu_percent: 100,
        checks: u16::MAX,
        checks_share: u16::MAX,
        ..ChallengeOptions::default()
    };
    let desk = Challenges::start(&keyring, options).map_err(|error| failed(&error))?;
    let now = Now { clock: Millis(1), date: NOW };
    let issued = || desk.issue(Purpose::Registration, NETWORK, 1, 0, now);
    measure("challenge issued", issued)?;
    let challenge = issued().ok_or_else(|| Failure::Usage("no challenge was issued".to_owned()))?;
    let payload = rempart_drill::live::solve(challenge.as_bytes()).unwrap_or_default();
    let take = |payload: &str, now: Now| desk.take(payload, Purpose::Registration, NETWORK, 1, now).map(drop);
    if take(&payload, now).is_err() {
        return Err(Failure::Usage("a good solution was refused".to_owned()));
    }
    measure("solution replayed", || take(black_box(&payload), now))?;
    let late = Now { date: UnixSeconds(NOW.0 + 100_000), ..now };
    measure("solution expired", || take(black_box(&payload), late))?;
    measure("no solution at all", || take(black_box("bm90IGpzb24="), now))
}

fn decisions() -> Result<(), Failure> {
    let mut crowd = Crowd::new(QUEUED);
    say(&format!("decision of admission, {} waiting              p50 ns    p99 ns", crowd.waiting()))?;
    let mut is_release = true;
    quantiles("an offer that waits, then leaves", || crowd.visit())?;
    quantiles("an end that starts the next, an offer, by turns", || {
        if is_release {
            crowd.release();
        } else {
            crowd.offer();
        }
        is_release = !is_release;
    })?;
    quantiles("one token", || crowd.token())
}

fn quantiles(name: &str, mut call: impl FnMut()) -> Result<(), Failure> {
    let mut nanos: Vec<u128> = (0..200_000)
        .map(|_| {
            let began = Instant::now();
            call();
            began.elapsed().as_nanos()
        })
        .collect();
    nanos.sort_unstable();
    let of = |at: usize| nanos.get(at).copied().unwrap_or(0);
    say(&format!("{name:<48} {:>8} {:>9}", of(100_000), of(198_000)))
}
