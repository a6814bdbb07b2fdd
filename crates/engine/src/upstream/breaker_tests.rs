//! The breaker: what opens it, what closes it, and that only one probe is ever out.

use proptest::prelude::*;
use rempart_domain::Millis;

use super::{Breaker, BreakerOptions, Change, Outcome, Pass};

fn breaker() -> Breaker {
    Breaker::new(BreakerOptions::default())
}

fn fail_times(breaker: &mut Breaker, now: Millis, times: u32) -> Change {
    let mut change = Change::None;
    for _ in 0..times {
        let pass = breaker.try_pass(now).unwrap();
        change = breaker.record(now, pass, Outcome::Failure);
    }
    change
}

#[test]
fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    let mut breaker = breaker();
    let now = Millis(100);
    assert_eq!(fail_times(&mut breaker, now, 4), Change::None);
    let pass = breaker.try_pass(now).unwrap();
    breaker.record(now, pass, Outcome::Success);
    assert_eq!(fail_times(&mut breaker, now, 4), Change::None);
    assert_eq!(fail_times(&mut breaker, now, 1), Change::Opened);
    assert!(breaker.is_open(now));
    assert_eq!(breaker.try_pass(now), None);
}

#[test]
fn half_of_a_busy_window_failing_opens_it_without_a_row() {
    let mut breaker = breaker();
    let mut changes = Vec::new();
    for step in 0..20_u64 {
        let now = Millis(step * 10);
        let pass = breaker.try_pass(now).unwrap();
        let outcome = if step % 2 == 0 { Outcome::Success } else { Outcome::Failure };
        changes.push(breaker.record(now, pass, outcome));
    }
    assert_eq!(changes.last(), Some(&Change::Opened));
    assert_eq!(changes.iter().filter(|change| **change == Change::Opened).count(), 1);
}

#[test]
fn old_failures_fall_out_of_the_window() {
    let mut breaker = breaker();
    for step in 0..200_u64 {
        let now = Millis(step * 2_000);
        let pass = breaker.try_pass(now).unwrap();
        let outcome = if step % 2 == 0 { Outcome::Success } else { Outcome::Failure };
        assert_eq!(breaker.record(now, pass, outcome), Change::None, "step {step}");
    }
}

#[test]
fn one_probe_passes_after_the_period_and_its_success_closes() {
    let mut breaker = breaker();
    fail_times(&mut breaker, Millis(0), 5);
    assert_eq!(breaker.try_pass(Millis(999)), None);
    let probe = breaker.try_pass(Millis(1_000)).unwrap();
    assert_eq!(breaker.try_pass(Millis(1_001)), None, "a second probe");
    assert_eq!(breaker.record(Millis(1_100), probe, Outcome::Success), Change::Closed);
    assert!(breaker.try_pass(Millis(1_101)).is_some());
    assert!(breaker.try_pass(Millis(1_101)).is_some());
}

#[test]
fn failed_probes_double_the_period_up_to_its_bound() {
    let mut breaker = breaker();
    fail_times(&mut breaker, Millis(0), 5);
    let mut now = Millis(0);
    for period in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        assert_eq!(breaker.try_pass(Millis(now.0 + period - 1)), None, "period {period}");
        now = Millis(now.0 + period);
        let probe = breaker.try_pass(now).unwrap();
        breaker.record(now, probe, Outcome::Failure);
    }
}

#[test]
fn abandoned_probe_frees_its_place_and_a_silent_one_is_given_up() {
    let mut breaker = breaker();
    fail_times(&mut breaker, Millis(0), 5);
    let probe = breaker.try_pass(Millis(1_000)).unwrap();
    breaker.record(Millis(1_001), probe, Outcome::Abandoned);
    let silent = breaker.try_pass(Millis(1_002)).unwrap();
    assert_eq!(breaker.try_pass(Millis(61_001)), None);
    let next = breaker.try_pass(Millis(61_002)).unwrap();
    assert_eq!(breaker.record(Millis(61_003), silent, Outcome::Failure), Change::None, "too late to count");
    assert_eq!(breaker.record(Millis(61_004), next, Outcome::Success), Change::Closed);
}

#[test]
fn late_reports_from_before_the_opening_change_nothing() {
    let mut breaker = breaker();
    let early: Vec<Pass> = (0..8).map(|_| breaker.try_pass(Millis(0)).unwrap()).collect();
    for pass in &early {
        breaker.record(Millis(10), *pass, Outcome::Failure);
    }
    let probe = breaker.try_pass(Millis(1_010)).unwrap();
    assert_eq!(breaker.record(Millis(1_020), early[0], Outcome::Success), Change::None);
    assert_eq!(breaker.try_pass(Millis(1_020)), None, "the probe is still out");
    assert_eq!(breaker.record(Millis(1_030), probe, Outcome::Success), Change::Closed);
}

#[test]
fn health_check_that_works_lets_a_probe_through_early_and_one_that_fails_counts() {
    let mut breaker = breaker();
    fail_times(&mut breaker, Millis(0), 5);
    breaker.note_healthy();
    assert!(!breaker.is_open(Millis(1)));
    assert!(breaker.try_pass(Millis(1)).is_some());
    let mut other = Breaker::new(BreakerOptions::default());
    let changes: Vec<Change> = (0..5).map(|_| other.note_unhealthy(Millis(0))).collect();
    assert_eq!(changes.last(), Some(&Change::Opened));
}

proptest! {
    #[test]
    fn never_more_than_one_probe_and_never_stuck(steps in prop::collection::vec((0_u8..4, 0_u64..3_000), 1..400)) {
        let mut breaker = breaker();
        let mut now = Millis(0);
        let mut out: Vec<Pass> = Vec::new();
        for (kind, gap) in steps {
            now = Millis(now.0 + gap);
            if kind == 0 {
                let was_open = breaker.is_open(now);
                let pass = breaker.try_pass(now);
                prop_assert!(!(was_open && pass.is_some()));
                out.extend(pass);
            } else if let Some(pass) = out.pop() {
                let outcome = [Outcome::Success, Outcome::Failure, Outcome::Abandoned][usize::from(kind) - 1];
                breaker.record(now, pass, outcome);
            }
        }
        for pass in out {
            breaker.record(now, pass, Outcome::Abandoned);
        }
        let later = Millis(now.0 + 100_000);
        let pass = breaker.try_pass(later);
        prop_assert!(pass.is_some(), "after its longest period it tries again");
        breaker.record(later, pass.unwrap(), Outcome::Success);
        prop_assert!(breaker.try_pass(later).is_some());
    }
}
