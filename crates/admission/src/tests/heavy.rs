//! Members who ask many times what members usually ask: behind the others, and in an incident within bounds.

use rempart_domain::{Band, Millis, Posture};

use super::rig::*;
use crate::types::*;

/// Usual: 100 of prompt and 100 of answer. Heavy: an answer ten times as long.
const HEAVY: u32 = 1_000;

fn heavy(rig: &mut Rig, account: u64) -> Verdict {
    let offer = rig.sized(Band::Member, account, account, 100, HEAVY);
    rig.offer(offer)
}

/// 50 heavy requests of members have come, then 50 strangers.
fn crowded(posture: Posture) -> Rig {
    let mut rig = taught();
    rig.set_posture(posture);
    for account in 100..150 {
        heavy(&mut rig, account);
    }
    for account in 900..950 {
        assert!(is_wait(rig.newcomer(account, account)));
    }
    rig
}

fn heavy_running(rig: &Rig) -> usize {
    rig.running_of(|offer| offer.output_cap.0 == HEAVY)
}

#[test]
fn in_an_incident_heavy_requests_of_members_stay_within_the_strangers_share() {
    let mut rig = taught();
    rig.set_posture(Posture::Guarded);
    for account in 100..150 {
        heavy(&mut rig, account);
    }
    assert_eq!(heavy_running(&rig), 7, "35 % of 20");
    assert!(is_start(rig.member(1)), "the reserve is for what members usually ask");
    rig.newcomer(900, 900);
    assert_eq!(rig.running_of(|offer| !offer.band.is_member()), 0, "they share one part, members first");
    rig.set_posture(Posture::Calm);
    assert_eq!(heavy_running(&rig), 19, "over: they take what is free");
    rig.end();
}

#[test]
fn in_what_they_share_heavy_requests_and_strangers_take_turns() {
    let mut rig = crowded(Posture::Guarded);
    let mut strangers_started = 0;
    for _ in 0..40 {
        let before = rig.running_of(|offer| !offer.band.is_member());
        let ended = rig.oldest_running().unwrap();
        let was_stranger = !rig.running[&ended].offer.band.is_member();
        rig.release(ended);
        let after = rig.running_of(|offer| !offer.band.is_member());
        strangers_started += usize::from(after + usize::from(was_stranger) > before);
        assert!(after <= 3, "half of the share");
        assert_eq!(heavy_running(&rig) + after, 7, "what is free is used");
    }
    assert!((13..=20).contains(&strangers_started), "{strangers_started} of 40 starts were strangers'");
    assert!(is_start(rig.member(1)), "and the reserve is the members'");
    rig.end();
}

#[test]
fn a_crowd_of_heavy_requests_leaves_strangers_their_turn_however_small_their_share() {
    let mut rig = crowded(Posture::Fortress);
    let mut served = 0;
    for _ in 0..60 {
        let ended = rig.oldest_running().unwrap();
        served += usize::from(!rig.running[&ended].offer.band.is_member());
        rig.progress(ended, 1);
        rig.release(ended);
    }
    assert!(served >= 6, "{served} of 60 that were served were strangers");
    rig.end();
}

#[test]
fn heavy_requests_wait_behind_usual_ones_whoever_came_first() {
    let mut rig = taught();
    for account in 0..20 {
        rig.member(account);
    }
    assert!(is_wait(heavy(&mut rig, 100)));
    assert!(is_wait(rig.member(50)));
    let ticket = rig.oldest_running().unwrap();
    rig.release(ticket);
    assert_eq!((heavy_running(&rig), rig.waiting.len()), (0, 1));
    rig.end();
}

#[test]
fn while_usual_ones_have_to_wait_heavy_requests_leave_them_room_on_a_calm_day_too() {
    let mut rig = taught();
    for account in 0..21 {
        rig.member(account);
    }
    assert_eq!(rig.waiting.len(), 1);
    for _ in 0..21 {
        let ticket = rig.oldest_running().unwrap();
        rig.release(ticket);
    }
    for account in 100..120 {
        heavy(&mut rig, account);
    }
    assert_eq!(heavy_running(&rig), 7);
    rig.end();
}

#[test]
fn on_a_calm_day_on_which_nobody_waits_they_take_what_is_free() {
    let mut rig = taught();
    for account in 100..120 {
        assert!(is_start(heavy(&mut rig, account)));
    }
    rig.end();
}

#[test]
fn on_a_calm_day_nobody_waits_for_ever() {
    let mut rig = taught();
    for account in 0..20 {
        rig.member(account);
    }
    heavy(&mut rig, 100);
    for account in 20..40 {
        rig.member(account);
    }
    rig.pass(5_000);
    let ticket = rig.oldest_running().unwrap();
    rig.release(ticket);
    assert_eq!(heavy_running(&rig), 1);
    rig.end();
}

#[test]
fn what_usually_runs_of_them_may_run_in_an_incident_beside_the_share() {
    let mut rig = taught();
    // Four at once, for hours.
    for account in 100..104 {
        heavy(&mut rig, account);
    }
    for _ in 0..200 {
        rig.pass(60_000);
        let ticket = rig.oldest_running().unwrap();
        rig.release(ticket);
        heavy(&mut rig, 104);
    }
    assert_eq!(heavy_running(&rig), 4);
    rig.set_posture(Posture::Siege);
    for account in 200..230 {
        heavy(&mut rig, account);
    }
    assert_eq!(heavy_running(&rig), 2 * 4 + 7, "twice what is usual, and 35 % of 20");
    rig.end();
}

#[test]
fn nothing_is_learnt_in_an_incident_and_one_request_moves_little() {
    let mut rig = taught();
    let run = |rig: &mut Rig, output: u32| {
        let offer = rig.sized(Band::Member, 1, 1, 100, output);
        rig.offer(offer);
        rig.progress(offer.ticket, output);
        rig.release(offer.ticket);
    };
    rig.set_posture(Posture::Guarded);
    for _ in 0..2_000 {
        run(&mut rig, HEAVY);
    }
    rig.set_posture(Posture::Calm);
    run(&mut rig, 1_000_000);
    let usual = rig.plain(Band::Member, 1, 1);
    let large = rig.sized(Band::Member, 1, 1, 100, 500);
    assert!(!rig.machine.is_heavy(&usual));
    assert!(rig.machine.is_heavy(&large));
    rig.end();
}

#[test]
fn before_enough_is_known_nobody_is_heavy() {
    let mut rig = Rig::new(limits(20, 1_000_000));
    rig.set_posture(Posture::Guarded);
    for account in 100..120 {
        assert!(is_start(heavy(&mut rig, account)));
    }
    rig.end();
}

#[test]
fn a_crowd_of_strangers_with_long_answers_has_half_the_share_while_members_wait() {
    let mut rig = taught();
    for account in 0..21 {
        rig.member(account);
    }
    let long = |rig: &mut Rig, account: u64| {
        let offer = rig.sized(Band::Newcomer, account, account, 100, HEAVY);
        rig.offer(offer);
    };
    for account in 1_000..1_050 {
        long(&mut rig, account);
    }
    for _ in 0..21 {
        let ticket = rig.oldest_running().unwrap();
        rig.release(ticket);
    }
    assert_eq!(heavy_running(&rig), 3, "half of 7, rounded down");
    rig.pass(9_000);
    let ticket = rig.oldest_running().unwrap();
    rig.now = rig.now + Millis(2_000);
    rig.release(ticket);
    assert!(heavy_running(&rig) > 3, "nobody had to wait for ten seconds");
    rig.end();
}

#[test]
fn an_account_has_one_bound_for_both_lines() {
    let mut rig = taught();
    rig.set_posture(Posture::Guarded);
    for _ in 0..4 {
        heavy(&mut rig, 1);
    }
    let started = (0..20).filter(|_| is_start(rig.member(1))).count();
    assert_eq!(started, 12, "16 in flight");
    rig.end();
}
