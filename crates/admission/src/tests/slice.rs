//! Strangers' long answers in an incident: whom they end for, and whom not.

use rempart_domain::{Band, Posture};

use super::rig::*;
use crate::types::*;

/// One cohort of attackers.
const CROWD: u64 = 7;

/// 20 sequences, members who usually get 100 tokens; guarded, and a crowd's answers hold the strangers' seven.
fn held_by_a_crowd() -> Rig {
    let mut rig = taught();
    rig.set_posture(Posture::Guarded);
    for account in 1_000..1_030 {
        let bomb = rig.sized(Band::Newcomer, CROWD, account, 100, 30_000);
        rig.offer(bomb);
    }
    assert_eq!(rig.running.len(), 7);
    rig
}

/// Every answer that runs gets `tokens` more; what was revoked is let go.
fn stream(rig: &mut Rig, tokens: u32) {
    let running: Vec<TicketId> = rig.running.keys().copied().collect();
    for ticket in running {
        rig.progress(ticket, tokens);
    }
    for ticket in rig.revoked.clone() {
        rig.release(ticket);
    }
}

fn of_crowd(rig: &Rig) -> usize {
    rig.running_of(|offer| offer.cohort.0 == CROWD)
}

#[test]
fn a_crowds_answers_end_for_who_has_nothing_running_one_for_one() {
    let mut rig = held_by_a_crowd();
    assert!(is_wait(rig.newcomer(1, 1)));
    stream(&mut rig, 400);
    assert_eq!(of_crowd(&rig), 7, "within the slice: four times what members get");
    stream(&mut rig, 1);
    assert_eq!((of_crowd(&rig), rig.running_of(|offer| offer.account.0 == 1)), (6, 1));
    stream(&mut rig, 100);
    assert_eq!(of_crowd(&rig), 6, "nobody of another kind waits");
    rig.end();
}

#[test]
fn what_is_past_its_slice_is_no_reason_to_refuse_who_has_nothing() {
    let mut rig = held_by_a_crowd();
    for _ in 0..30 {
        rig.pass(1_000);
        stream(&mut rig, 20);
        let bomb = rig.sized(Band::Newcomer, CROWD, 1_100, 100, 30_000);
        rig.offer(bomb);
    }
    assert!(rig.refused.iter().any(|(.., refusal)| refusal.cause == Cause::TooLate), "the pace says so");
    assert!(is_wait(rig.newcomer(1, 1)));
    stream(&mut rig, 1);
    assert_eq!(rig.running_of(|offer| offer.account.0 == 1), 1);
    rig.end();
}

#[test]
fn one_answer_of_a_cohort_lasts_four_slices_whoever_waits() {
    let mut rig = held_by_a_crowd();
    let long = rig.sized(Band::Newcomer, 1, 1, 100, 30_000);
    rig.offer(long);
    stream(&mut rig, 401);
    assert_eq!(rig.running_of(|offer| offer.account.0 == 1), 1);
    let many: Vec<TicketId> = rig.running.keys().copied().collect();
    for ticket in many.into_iter().filter(|ticket| *ticket != long.ticket) {
        rig.release(ticket);
    }
    for cohort in 20..40 {
        rig.newcomer(cohort, cohort);
    }
    rig.progress(long.ticket, 1_599);
    assert!(rig.revoked.is_empty());
    rig.progress(long.ticket, 2);
    assert_eq!(rig.revoked, [long.ticket]);
    rig.end();
}

#[test]
fn in_calm_nobody_yields() {
    let mut rig = held_by_a_crowd();
    rig.set_posture(Posture::Calm);
    while !is_wait(rig.newcomer(1, 1)) {
        let ticket = rig.running.iter().find(|(_, r)| r.offer.account.0 == 1).map(|(ticket, _)| *ticket).unwrap();
        rig.release(ticket);
        let more = rig.sized(Band::Newcomer, CROWD, 2_000 + ticket.0, 100, 30_000);
        rig.offer(more);
    }
    stream(&mut rig, 5_000);
    assert!(rig.revoked.is_empty() && rig.running_of(|offer| offer.account.0 == 1) == 0);
    rig.end();
}

#[test]
fn nobody_yields_before_it_is_known_what_members_usually_get() {
    let mut rig = Rig::new(limits(20, 1_000_000));
    rig.set_posture(Posture::Guarded);
    for account in 1_000..1_010 {
        let bomb = rig.sized(Band::Newcomer, CROWD, account, 100, 30_000);
        rig.offer(bomb);
    }
    assert!(is_wait(rig.newcomer(1, 1)));
    stream(&mut rig, 20_000);
    assert!(of_crowd(&rig) == 7 && rig.running_of(|offer| offer.account.0 == 1) == 0);
    rig.end();
}

#[test]
fn in_one_cohort_an_account_yields_to_another_after_four_slices_and_never_to_itself() {
    let mut rig = held_by_a_crowd();
    stream(&mut rig, 1_600);
    assert_eq!(rig.running_of(|offer| offer.account.0 < 1_007), 7, "its own kind waits four slices");
    stream(&mut rig, 1);
    assert_eq!(rig.running_of(|offer| offer.account.0 < 1_007), 6, "then one of seven ends for the next");
    let mut rig = taught();
    rig.set_posture(Posture::Guarded);
    for _ in 0..8 {
        let bomb = rig.sized(Band::Newcomer, CROWD, 1_000, 100, 30_000);
        rig.offer(bomb);
    }
    stream(&mut rig, 20_000);
    assert!(rig.revoked.is_empty() && rig.running.keys().len() == 4, "it has as many running as one account may");
    rig.end();
}

#[test]
fn a_visitors_answer_past_its_slice_ends_for_a_newcomer() {
    let mut rig = taught();
    rig.set_posture(Posture::Guarded);
    let visitor = rig.sized(Band::Visitor, 5, 5, 100, 30_000);
    rig.offer(visitor);
    for account in 10..16 {
        rig.newcomer(account, account);
    }
    assert!(is_wait(rig.newcomer(20, 20)));
    rig.progress(visitor.ticket, 400);
    assert!(rig.revoked.is_empty());
    rig.progress(visitor.ticket, 1);
    assert_eq!(rig.revoked, [visitor.ticket]);
    rig.end();
}

#[test]
fn members_who_wait_come_before_any_turn_of_strangers() {
    let mut rig = held_by_a_crowd();
    rig.newcomer(1, 1);
    for account in 20..33 {
        rig.member(account);
    }
    assert!(is_wait(rig.member(50)));
    let crowd: Vec<TicketId> = rig.running.iter().filter(|(_, r)| r.offer.cohort.0 == CROWD).map(|(t, _)| *t).collect();
    for ticket in crowd {
        rig.progress(ticket, 401);
    }
    assert!(rig.revoked.is_empty(), "what falls free would not be the stranger's");
    rig.end();
}
