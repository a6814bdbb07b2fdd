//! The controller's budget.

use rempart_domain::Millis;

use super::rig::capacity;
use crate::controller::{Basis, Controller, ControllerLimits, Reading};

fn controller() -> Controller {
    Controller::new(ControllerLimits::new(capacity(100, 100_000)))
}

fn window(controller: &mut Controller, second: u64, gap: Option<u64>, reading: Option<Reading>) -> u32 {
    for _ in 0..100 {
        if let Some(gap) = gap {
            controller.observe_gap(Millis(gap));
        }
    }
    let now = Millis::from_secs(second);
    if let Some(reading) = reading {
        controller.observe_reading(now, reading);
    }
    controller.observe_in_flight(100);
    controller.tick(now);
    controller.capacity().sequences
}

#[test]
fn slow_tokens_shrink_the_budget_in_proportion_and_fast_ones_let_it_grow_back() {
    let mut c = controller();
    assert_eq!(window(&mut c, 1, Some(100), None), 100);
    let once = window(&mut c, 2, Some(400), None);
    assert!((75..=85).contains(&once), "twice the target takes a fifth: {once}");
    let much = window(&mut c, 3, Some(4_000), None);
    assert!((38..=42).contains(&much), "never more than half at once: {much}");
    let mut last = much;
    for second in 4..40 {
        let next = window(&mut c, second, Some(100), None);
        assert!(next >= last && next <= last + 3);
        last = next;
    }
    assert_eq!(last, 100);
}

#[test]
fn few_samples_decide_nothing() {
    let mut c = controller();
    for _ in 0..19 {
        c.observe_gap(Millis(60_000));
    }
    assert_eq!(c.tick(Millis(1_000)), None);
    assert_eq!(c.capacity().sequences, 100);
}

#[test]
fn a_budget_that_is_not_used_is_not_raised() {
    let mut c = controller();
    let low = window(&mut c, 1, Some(4_000), None);
    for second in 2..20 {
        for _ in 0..100 {
            c.observe_gap(Millis(50));
        }
        c.observe_in_flight(3);
        c.tick(Millis::from_secs(second));
    }
    assert_eq!(c.capacity().sequences, low);
}

#[test]
fn an_engine_that_queues_is_given_less() {
    let mut c = controller();
    let waiting = Reading { waiting: 6, kv_tokens_used: 0 };
    assert!(window(&mut c, 1, Some(50), Some(waiting)) < 70);
    let mut c = controller();
    let full = Reading { waiting: 0, kv_tokens_used: 99_000 };
    assert!(window(&mut c, 1, Some(50), Some(full)) < 100);
}

#[test]
fn stale_readings_hold_the_budget_for_five_seconds_and_then_a_safe_one() {
    let mut c = controller();
    assert_eq!(window(&mut c, 1, Some(50), Some(Reading::default())), 100);
    for second in 4..=8 {
        assert_eq!(window(&mut c, second, Some(50), None), 100);
        assert_eq!(c.basis(), Basis::Held);
    }
    assert_eq!(window(&mut c, 9, Some(50), None), 50);
    assert_eq!(c.basis(), Basis::Safe);
    let back = window(&mut c, 10, Some(50), Some(Reading::default()));
    assert_eq!((back, c.basis()), (52, Basis::Measured));
}

#[test]
fn the_budget_never_leaves_its_bounds() {
    let mut c = controller();
    for second in 1..100 {
        let sequences =
            window(&mut c, second, Some(u64::MAX), Some(Reading { waiting: u32::MAX, kv_tokens_used: u64::MAX }));
        assert!((10..=100).contains(&sequences));
    }
    assert_eq!(c.capacity().kv_tokens, 10_000);
}
