//! What a decision costs with 10 000 queued: an arrival that waits and leaves, an end that starts the next, a token. Criterion gives means;
//! p50 and p99 of single calls, which is what the budget (1 us, 5 us) is about, are told by `rempart bench functions`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use rempart_admission::Crowd;

fn decide(c: &mut Criterion) {
    let mut crowd = Crowd::new(10_000);
    c.bench_function("offer that waits, then leaves", |b| b.iter(|| crowd.visit()));
    c.bench_function("release that starts the next, and an offer", |b| {
        b.iter(|| {
            crowd.release();
            crowd.offer();
        });
    });
    c.bench_function("one token", |b| b.iter(|| crowd.token()));
}

criterion_group!(benches, decide);
criterion_main!(benches);
