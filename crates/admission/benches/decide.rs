//! What a decision costs with 10 000 queued: an arrival that waits, one that is refused, an end that starts the next, a token.
//!
//! Criterion gives means; `quantiles` prints p50 and p99 of single calls, which is what the budget (1 µs, 5 µs) is about.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench prints and may stop")]
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use rempart_admission::{AccountKey, Capacity, CohortId, Decision, Limits, Machine, Offer, TicketId};
use rempart_domain::{Band, Millis, Posture, TokenCount, Usage};

const QUEUED: u64 = 10_000;

struct Full {
    machine: Machine,
    now: Millis,
    next: u64,
    running: Vec<TicketId>,
    out: Vec<Decision>,
}

impl Full {
    /// An engine of 64 sequences, all taken, and 10 000 waiters in 1 000 cohorts of 5 accounts each.
    fn new() -> Self {
        let mut limits = Limits::new(Capacity { sequences: 64, kv_tokens: 1_000_000, prefill_tokens: u64::MAX });
        limits.queue_len_total = 11_000;
        limits.queue_len_per_group = 11_000;
        let mut machine = Machine::new(limits, 1);
        let mut out = Vec::with_capacity(64);
        machine.set_posture(Millis(0), Posture::Guarded, &mut out);
        let mut full = Self { machine, now: Millis(1), next: 0, running: Vec::new(), out };
        while u64::from(full.machine.snapshot().groups[1].queued) < QUEUED {
            full.offer();
        }
        full
    }

    fn offer(&mut self) -> TicketId {
        self.next += 1;
        let ticket = TicketId(self.next);
        let account = self.next % 5_000;
        let offer = Offer {
            ticket,
            band: Band::Newcomer,
            cohort: CohortId(account % 1_000),
            account: AccountKey(account),
            input: TokenCount(200 + u32::try_from(self.next % 700).unwrap()),
            output_cap: TokenCount(500),
            output_expected: TokenCount(300),
            deadline: Millis(1_000_000_000 + self.next),
        };
        if let rempart_admission::Verdict::Start(_) = black_box(self.machine.offer(self.now, offer, &mut self.out)) {
            self.running.push(ticket);
        }
        self.take_out();
        ticket
    }

    fn take_out(&mut self) {
        for decision in self.out.drain(..) {
            if let rempart_admission::Verdict::Start(_) = decision.verdict {
                self.running.push(decision.ticket);
            }
        }
    }

    fn release(&mut self) {
        let at = usize::try_from(self.next).unwrap() % self.running.len();
        let ticket = self.running.swap_remove(at);
        let usage = Usage { input: TokenCount(300), output: TokenCount(200), ..Usage::default() };
        black_box(self.machine.release(self.now, ticket, usage, &mut self.out));
        self.take_out();
    }

    fn progress(&mut self) {
        self.next += 1;
        let ticket = self.running[usize::try_from(self.next).unwrap() % self.running.len()];
        self.machine.progress(self.now, ticket, TokenCount(1), &mut self.out);
        self.take_out();
    }
}

fn quantiles(name: &str, mut call: impl FnMut()) {
    let mut nanos: Vec<u128> = (0..200_000)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_nanos()
        })
        .collect();
    nanos.sort_unstable();
    println!("{name}: p50 {} ns, p99 {} ns, p99.9 {} ns", nanos[100_000], nanos[198_000], nanos[199_800]);
}

fn decide(c: &mut Criterion) {
    let mut full = Full::new();
    println!("queued: {}", full.machine.snapshot().groups[1].queued);
    c.bench_function("offer that waits, then leaves", |b| {
        b.iter(|| {
            full.now.0 += 1;
            let ticket = full.offer();
            full.machine.cancel(full.now, ticket, &mut full.out);
        });
    });
    c.bench_function("release that starts the next, and an offer", |b| {
        b.iter(|| {
            full.now.0 += 1;
            full.release();
            full.offer();
        });
    });
    c.bench_function("one token", |b| b.iter(|| full.progress()));

    let mut full = Full::new();
    let mut last = full.offer();
    quantiles("offer", || {
        full.now.0 += 1;
        last = full.offer();
        if full.next.is_multiple_of(2) {
            full.machine.cancel(full.now, last, &mut full.out);
        }
    });
    let mut full = Full::new();
    let mut is_release = true;
    quantiles("release that starts the next / offer, by turns", || {
        full.now.0 += 1;
        if is_release {
            full.release();
        } else {
            full.offer();
        }
        is_release = !is_release;
    });
    quantiles("one token", || full.progress());
}

criterion_group!(benches, decide);
criterion_main!(benches);
