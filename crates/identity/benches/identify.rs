//! What recognising a caller costs: every figure here is paid on the path of every request. A known key among many: `rempart bench functions`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rempart_domain::{AccountId, Credential, Day, Principal, Provenance, Role, SessionId, Standing, UnixSeconds};
use rempart_identity::{
    AccountFacts, HashLane, HashPool, HashPoolOptions, Keyring, Revocations, TicketFields, TicketFlags, TicketKind,
    issue, parse, random,
};

const NOW: UnixSeconds = UnixSeconds(1_700_000_100);

fn fields(account: u64) -> TicketFields {
    TicketFields {
        kind: TicketKind::Session,
        standing: Standing::Member,
        account: AccountId::from_bits(account),
        session: SessionId::from_bits(7),
        issued: UnixSeconds(1_700_000_000),
        expires: UnixSeconds(1_702_592_000),
        account_epoch: 0,
        global_epoch: 0,
        created_day: Day(19_000),
        flags: TicketFlags::default(),
        provenance: Provenance::default(),
    }
}

/// Changes one character in the middle of the text, to another of the same alphabet.
fn changed(text: &str, at: usize) -> String {
    text.chars().enumerate().map(|(n, c)| if n == at { if c == 'A' { 'B' } else { 'A' } } else { c }).collect()
}

fn tickets(criterion: &mut Criterion) {
    let keyring = Keyring::in_memory().unwrap();
    let valid = keyring.seal_ticket(&fields(1));
    let forged = changed(&valid, 40);
    assert!(keyring.open_ticket(TicketKind::Session, &forged, NOW).is_err());
    criterion.bench_function("ticket: open a valid one", |bench| {
        bench.iter(|| keyring.open_ticket(TicketKind::Session, black_box(&valid), NOW));
    });
    criterion.bench_function("ticket: refuse a forged one", |bench| {
        bench.iter(|| keyring.open_ticket(TicketKind::Session, black_box(&forged), NOW));
    });
    criterion.bench_function("ticket: seal", |bench| bench.iter(|| keyring.seal_ticket(black_box(&fields(1)))));
}

fn keys(criterion: &mut Criterion) {
    let keyring = Keyring::in_memory().unwrap();
    let mine = issue(&keyring, random::key_id().unwrap()).unwrap();
    let text = mine.text.expose().as_str();
    // Made by another platform: well formed, checksum and all, so that only the MAC refuses it.
    let guessed = issue(&Keyring::in_memory().unwrap(), random::key_id().unwrap()).unwrap();
    let guessed = guessed.text.expose().as_str();
    let typo = changed(text, 30);
    assert!(parse(&keyring, guessed).is_err() && parse(&keyring, &typo).is_err());
    criterion.bench_function("key: parse a valid one", |bench| bench.iter(|| parse(&keyring, black_box(text))));
    criterion.bench_function("key: refuse a guessed one", |bench| bench.iter(|| parse(&keyring, black_box(guessed))));
    criterion.bench_function("key: refuse a typing error", |bench| bench.iter(|| parse(&keyring, black_box(&typo))));
}

fn standing(criterion: &mut Criterion) {
    let revocations = Revocations::default();
    let facts = AccountFacts { epoch: 0, standing: Standing::Member, role: Role::None, earned: None };
    let accounts: Vec<AccountId> = (0..1_000_000).map(|_| random::account_id().unwrap()).collect();
    revocations.load(accounts.iter().map(|account| (*account, facts))).unwrap();
    // Steps through all accounts, so that the caches of the processor do not flatter the figure.
    let mut at = 0;
    let mut next = move || {
        at = (at + 7_919) % accounts.len();
        accounts.get(at).copied().unwrap()
    };
    let principal = |account| Principal {
        account: Some(account),
        credential: Credential::Session(SessionId::from_bits(7)),
        carried_standing: Standing::Member,
        role: Role::None,
        created_day: Day(19_000),
        is_unsure: false,
        lacks_second_factor: false,
        minute: 0,
        provenance: Provenance::default(),
    };
    let hot = principal(next());
    criterion.bench_function("band: one account of 10^6", |bench| bench.iter(|| revocations.band(black_box(&hot))));
    criterion.bench_function("band: any account of 10^6", |bench| {
        bench.iter(|| revocations.band(&principal(next())));
    });
    let ticket = fields(1);
    criterion.bench_function("revocation: is a ticket current", |bench| {
        bench.iter(|| revocations.is_current(black_box(&ticket)));
    });
    criterion.bench_function("freeze and thaw 10^6 accounts", |bench| {
        bench.iter(|| {
            revocations.freeze(NOW);
            revocations.thaw();
        });
    });
}

fn passwords(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let pool = HashPool::new(HashPoolOptions::default()).unwrap();
    let secret = || rempart_domain::Secret::new(String::from("correct horse battery staple"));
    let phc = runtime.block_on(pool.hash(HashLane::Known, secret())).unwrap();
    let mut group = criterion.benchmark_group("password");
    group.sample_size(40);
    group.bench_function("verify", |bench| {
        bench.iter(|| runtime.block_on(pool.verify(HashLane::Known, secret(), Some(phc.expose()))));
    });
    group.bench_function("verify for an unknown account", |bench| {
        bench.iter(|| runtime.block_on(pool.verify(HashLane::Known, secret(), None)));
    });
    group.finish();
    refusals(criterion, &runtime);
}

/// A pool whose line is always too long: what the refusal itself costs.
fn refusals(criterion: &mut Criterion, runtime: &tokio::runtime::Runtime) {
    let options = HashPoolOptions { queue_len_max: 0, workers: 1, ..HashPoolOptions::default() };
    let pool = HashPool::new(options).unwrap();
    criterion.bench_function("password: refuse, the line is full", |bench| {
        bench.iter_batched(
            || rempart_domain::Secret::new(String::from("correct horse battery staple")),
            |password| runtime.block_on(pool.verify(HashLane::Unknown, password, None)),
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, tickets, keys, standing, passwords);
criterion_main!(benches);
