//! One decision at a time: bounds, deadlines, refusals.

use rempart_domain::{Band, Millis, ReasonCode, TokenCount};

use super::rig::*;
use crate::types::*;

#[test]
fn on_a_quiet_day_everybody_starts_at_once() {
    let mut rig = Rig::new(limits(64, 57_600));
    assert!(is_start(rig.member(1)));
    assert!(is_start(rig.newcomer(2, 2)));
    let visitor = rig.plain(Band::Visitor, 3, 3);
    assert!(is_start(rig.offer(visitor)));
    rig.end();
}

#[test]
fn the_suspended_are_not_served_and_a_ticket_is_used_once() {
    let mut rig = Rig::new(limits(4, 10_000));
    let suspended = rig.plain(Band::Suspended, 1, 1);
    let Verdict::Refuse(refusal) = rig.offer(suspended) else { panic!("served") };
    assert_eq!(refusal.reason, ReasonCode::NotAllowed);
    let first = rig.plain(Band::Member, 1, 1);
    assert!(is_start(rig.offer(first)));
    assert_eq!(cause(rig.offer(first)), Some(Cause::TicketInUse));
    rig.end();
}

#[test]
fn an_account_has_a_bound_in_flight_and_one_in_the_queue() {
    let mut limits = limits(1, 10_000);
    limits.in_flight_per_account = [8, 4, 2];
    let mut rig = Rig::new(limits);
    assert!(is_start(rig.member(1)));
    for _ in 0..4 {
        assert!(is_wait(rig.member(1)));
    }
    assert_eq!(cause(rig.member(1)), Some(Cause::AccountQueueFull));
    assert!(is_wait(rig.member(2)));
    for _ in 0..2 {
        assert!(is_wait(rig.newcomer(3, 3)));
    }
    let visitor = rig.plain(Band::Visitor, 4, 4);
    assert!(is_wait(rig.offer(visitor)));
    let visitor = rig.plain(Band::Visitor, 4, 4);
    assert!(is_wait(rig.offer(visitor)));
    let visitor = rig.plain(Band::Visitor, 4, 4);
    let Verdict::Refuse(refusal) = rig.offer(visitor) else { panic!("a third in flight") };
    assert_eq!((refusal.cause, refusal.reason), (Cause::AccountInFlight, ReasonCode::TooManyInFlight));
    rig.end();
}

#[test]
fn a_cohort_has_a_bound_in_the_queue() {
    let mut rig = Rig::new(limits(1, 10_000));
    rig.member(1);
    for account in 0..64 {
        assert!(is_wait(rig.newcomer(9, 100 + account)));
    }
    assert_eq!(cause(rig.newcomer(9, 900)), Some(Cause::CohortQueueFull));
    assert!(is_wait(rig.newcomer(8, 901)));
    rig.end();
}

#[test]
fn in_a_full_queue_a_member_takes_the_place_of_a_stranger() {
    let mut limits = limits(1, 10_000);
    limits.queue_len_total = 8;
    let mut rig = Rig::new(limits);
    rig.member(1);
    for account in 0..6 {
        rig.newcomer(account, 100 + account);
    }
    for account in 0..2 {
        let visitor = rig.plain(Band::Visitor, account, 200 + account);
        rig.offer(visitor);
    }
    for account in 10..18 {
        assert!(is_wait(rig.member(account)), "member {account}");
    }
    let bands: Vec<Band> = rig.refused.iter().map(|(_, band, _)| *band).collect();
    assert_eq!(bands[..2], [Band::Visitor, Band::Visitor], "visitors make room before newcomers");
    assert!(rig.refused.iter().all(|(_, _, refusal)| refusal.cause == Cause::Shed));
    assert_eq!(cause(rig.member(30)), Some(Cause::QueueFull));
    rig.end();
}

#[test]
fn in_a_full_group_the_longest_cohort_makes_room() {
    let mut limits = limits(1, 10_000);
    limits.queue_len_per_group = 16;
    let mut rig = Rig::new(limits);
    rig.member(1);
    for account in 0..16 {
        rig.newcomer(9, 100 + account);
    }
    assert!(is_wait(rig.newcomer(5, 500)), "an honest newcomer finds a place");
    let (_, _, refusal) = rig.refused[0];
    assert_eq!(refusal.cause, Cause::Shed);
    assert_eq!(cause(rig.newcomer(9, 400)), Some(Cause::GroupQueueFull));
    rig.end();
}

#[test]
fn a_waiter_past_its_deadline_is_refused() {
    let mut rig = Rig::new(limits(1, 10_000));
    rig.member(1);
    rig.member(2);
    assert_eq!(rig.machine.wake_at(), Some(rig.now + Millis(10_000)));
    rig.pass(9_999);
    assert!(rig.refused.is_empty());
    rig.pass(1);
    assert_eq!(rig.refused[0].2.cause, Cause::Expired);
    rig.end();
}

#[test]
fn what_cannot_start_in_time_is_refused_at_once_with_a_time_that_grows_with_the_queue() {
    let mut rig = Rig::new(no_loans(limits(1, 10_000)));
    rig.newcomer(1, 1);
    // One start a second.
    let mut account = 10;
    for _ in 0..30 {
        for _ in 0..2 {
            rig.newcomer(account, account);
            account += 1;
        }
        rig.pass(1_000);
        let done = rig.oldest_running().unwrap();
        rig.release(done);
    }
    let waiting = rig.waiting.len();
    assert!((5..=14).contains(&waiting), "a queue of 10 s at one a second, not {waiting}");
    let late: Vec<_> = rig.refused.iter().filter(|(_, _, r)| r.cause == Cause::TooLate).collect();
    assert!(!late.is_empty(), "refused on arrival");
    assert!(late.iter().all(|(_, _, r)| r.retry_after >= Millis(5_000) && r.retry_after <= Millis(20_000)), "{late:?}");
    let spread: std::collections::BTreeSet<_> = late.iter().map(|(_, _, r)| r.retry_after).collect();
    assert!(spread.len() > 1, "jitter");
    rig.end();
}

#[test]
fn position_and_time_are_told_truthfully() {
    let mut rig = Rig::new(limits(1, 10_000));
    rig.member(0);
    let mut last = TicketId(0);
    for account in 1..=5 {
        let offer = rig.plain(Band::Member, account, account);
        last = offer.ticket;
        let Verdict::Wait { position, .. } = rig.offer(offer) else { panic!("started") };
        assert_eq!(u64::from(position), account);
    }
    for turn in 0..4 {
        rig.pass(1_000);
        let done = rig.oldest_running().unwrap();
        rig.release(done);
        let (position, eta) = rig.machine.position(last).unwrap();
        assert_eq!(position, 4 - turn);
        let eta = eta.expect("a pace was measured");
        let real = u64::from(position) * 1_000;
        assert!(eta.0 * 2 >= real && eta.0 <= real * 2, "{eta:?} for {real}");
    }
    rig.end();
}

#[test]
fn a_waiter_that_leaves_makes_room_and_is_told_nothing_more() {
    let mut rig = Rig::new(limits(2, 400));
    rig.member(1);
    let large = rig.sized(Band::Member, 2, 2, 200, 200);
    assert!(is_wait(rig.offer(large)));
    let small = rig.plain(Band::Member, 3, 3);
    assert!(is_wait(rig.offer(small)), "what is free is gathered for who is first");
    rig.cancel(large.ticket);
    assert!(rig.running.contains_key(&small.ticket));
    assert!(!rig.machine.cancel(rig.now, small.ticket, &mut Vec::new()), "what runs is released, not cancelled");
    rig.end();
}

#[test]
fn an_engine_that_died_serves_nobody_until_it_is_back() {
    let mut rig = Rig::new(limits(2, 1_000));
    rig.member(1);
    rig.member(2);
    rig.set_capacity(capacity(0, 0));
    while let Some(ticket) = rig.oldest_running() {
        rig.release(ticket);
    }
    assert!(is_wait(rig.member(3)));
    rig.set_capacity(capacity(2, 1_000));
    assert_eq!(rig.running.len(), 1);
    rig.end();
}

#[test]
fn an_exact_count_gives_back_what_was_reserved_too_much() {
    let mut rig = Rig::new(limits(4, 1_000));
    let first = rig.sized(Band::Member, 1, 1, 900, 100);
    assert!(is_start(rig.offer(first)));
    let second = rig.plain(Band::Member, 2, 2);
    assert!(is_wait(rig.offer(second)));
    let mut out = Vec::new();
    rig.machine.true_up(rig.now, first.ticket, TokenCount(300), &mut out);
    assert!(matches!(out[..], [Decision { ticket, verdict: Verdict::Start(_) }] if ticket == second.ticket));
    assert_eq!(rig.machine.snapshot().groups[0].kv_tokens, 600);
}

#[test]
fn a_prompt_larger_than_the_prefill_budget_is_taken_up_alone() {
    let mut limits = limits(8, 100_000);
    limits.capacity.prefill_tokens = 1_000;
    let mut rig = Rig::new(limits);
    let large = rig.sized(Band::Member, 1, 1, 5_000, 10);
    assert!(is_start(rig.offer(large)));
    assert!(is_wait(rig.member(2)));
    rig.progress(large.ticket, 1);
    assert_eq!(rig.running.len(), 2, "the first byte frees the prefill");
    rig.end();
}
