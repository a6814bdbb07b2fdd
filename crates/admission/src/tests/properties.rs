//! Long seeded runs and shrinking ones: arrivals, disconnects, revocations, engine deaths, changes of posture. `Rig` checks each step.

use proptest::prelude::*;
use rempart_domain::{Band, Millis, Posture, TokenCount};

use super::rig::*;
use crate::types::*;

const BANDS: [Band; 5] = [Band::Suspended, Band::Visitor, Band::Newcomer, Band::Member, Band::Trusted];
const POSTURES: [Posture; 4] = [Posture::Calm, Posture::Guarded, Posture::Siege, Posture::Fortress];

/// One step, chosen by three numbers.
fn step(rig: &mut Rig, kind: u64, a: u64, b: u64) {
    let nth = |len: usize, n: u64| usize::try_from(n).unwrap_or(0) % len.max(1);
    match kind % 100 {
        0..=44 => {
            let band = BANDS[nth(5, a)];
            let account = b % 200;
            let input = u32::try_from(a % 400).unwrap() + 1;
            let output = u32::try_from(b % 300).unwrap() + 1;
            let cohort = if band.is_member() { account } else { account % 20 };
            let mut offer = rig.sized(band, cohort, account, input, output);
            offer.output_expected = TokenCount(output / 2 + 1);
            offer.deadline = rig.now + Millis(a % 3_000 + 1);
            rig.offer(offer);
        }
        45..=64 => {
            if let Some(ticket) = rig.running.keys().nth(nth(rig.running.len(), a)).copied() {
                rig.progress(ticket, u32::try_from(b % 60).unwrap());
            }
        }
        65..=84 => {
            if let Some(ticket) = rig.running.keys().nth(nth(rig.running.len(), a)).copied() {
                rig.release(ticket);
            }
        }
        85..=89 => {
            if let Some(ticket) = rig.waiting.keys().nth(nth(rig.waiting.len(), a)).copied() {
                rig.cancel(ticket);
            }
        }
        90..=93 => {
            if let Some(ticket) = rig.revoked.first().copied() {
                rig.release(ticket);
            }
        }
        94..=96 => rig.pass(a % 200),
        97 => {
            if let Some((ticket, input)) =
                rig.running.values().nth(nth(rig.running.len(), a)).map(|r| (r.offer.ticket, r.offer.input))
            {
                let mut out = Vec::new();
                let exact = TokenCount(input.0 / 2 + 1);
                rig.machine.true_up(rig.now, ticket, exact, &mut out);
                rig.out.extend(out);
                if let Some(running) = rig.running.get_mut(&ticket) {
                    running.offer.input = exact;
                }
                rig.pass(0);
            }
        }
        98 if b.is_multiple_of(8) => rig.set_posture(POSTURES[nth(4, a)]),
        99 if b.is_multiple_of(64) => engine_dies(rig, a),
        _ => rig.pass(1),
    }
}

/// Everything in flight ends with an error; the engine comes back after a while, perhaps smaller.
fn engine_dies(rig: &mut Rig, a: u64) {
    rig.set_capacity(capacity(0, 0));
    while let Some(ticket) = rig.running.keys().next().copied() {
        rig.release(ticket);
    }
    rig.pass(a % 2_000);
    rig.set_capacity(capacity(4 + u32::try_from(a % 20).unwrap(), 2_000 + a % 8_000));
}

fn small_limits() -> Limits {
    let mut limits = limits(16, 8_000);
    limits.capacity.prefill_tokens = 2_000;
    limits.queue_len_total = 96;
    limits.queue_len_per_group = 48;
    limits.queue_len_per_cohort = 12;
    limits.accounts_remembered = 64;
    limits
}

#[test]
fn nothing_leaks_over_a_million_arrivals() {
    let mut rng = Rng(20_250_127);
    let mut rig = Rig::new(small_limits());
    let mut arrivals = 0_u64;
    for n in 0..2_250_000_u64 {
        let (kind, a, b) = (rng.next(), rng.next() >> 8, rng.next() >> 8);
        arrivals += u64::from(kind % 100 < 45);
        step(&mut rig, kind, a, b);
        if n % 1_024 == 0 {
            rig.started.clear();
            rig.refused.clear();
        }
    }
    assert!(arrivals > 1_000_000, "{arrivals} arrivals");
    rig.end();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_of_events_keeps_the_promises(steps in prop::collection::vec((0_u64..100, 0_u64..5_000, 0_u64..5_000), 1..300)) {
        let mut rig = Rig::new(small_limits());
        for (kind, a, b) in steps {
            step(&mut rig, kind, a, b);
        }
        rig.end();
    }
}
