//! Buckets: never more than the rate for one key, hardly less when many keys share the table.

use rempart_domain::Millis;

use crate::{Buckets, Rate};

fn hash(key: u64) -> u64 {
    let mixed = (key ^ 0x5DEE_CE66).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB)
}

#[test]
fn a_key_gets_its_burst_then_its_rate() {
    let mut buckets = Buckets::new(Rate::per(10, Millis::from_secs(3600)), 64);
    let start = Millis(5_000_000);
    assert_eq!((0..100).filter(|_| buckets.try_take(start, 7).is_ok()).count(), 10);
    assert_eq!(buckets.taken(start, 7), 10);
    assert_eq!(buckets.try_take(start, 7), Err(Millis::from_secs(360)));
    let day = (0..86_400).filter(|s| buckets.try_take(start + Millis::from_secs(*s), 7).is_ok()).count();
    assert_eq!(day, 239, "one every six minutes");
}

#[test]
fn ten_thousand_spent_keys_hold_back_hardly_any_other() {
    let mut buckets = Buckets::new(Rate::per(3, Millis::from_secs(3600)), 65_536);
    let now = Millis(1);
    for key in 0..10_000 {
        while buckets.try_take(now, hash(key)).is_ok() {}
    }
    let held_back = (10_000..20_000).filter(|key| buckets.taken(now, hash(*key)) > 0).count();
    assert!(held_back <= 20, "{held_back} of 10000");
}

#[test]
fn what_is_forgiven_is_whole_again() {
    let mut buckets = Buckets::new(Rate { burst: 2, every: Millis(1000) }, 64);
    let now = Millis(10);
    while buckets.try_take(now, 3).is_ok() {}
    buckets.forgive(now, 3);
    assert_eq!(buckets.taken(now, 3), 0);
    assert!(buckets.try_take(now, 3).is_ok());
}

#[test]
fn no_time_and_no_key_overflows() {
    let mut buckets = Buckets::new(Rate { burst: u32::MAX, every: Millis(u64::MAX) }, 0);
    for (now, key) in [(0, 0), (u64::MAX, u64::MAX), (0, u64::MAX), (u64::MAX, 0)] {
        let _taken = buckets.try_take(Millis(now), key);
        buckets.forgive(Millis(now), key);
    }
}
