//! The reserve: shares of each dimension, loans, and how they are called in.

use rempart_domain::{Band, Millis, Posture, TokenCount};

use super::rig::*;
use crate::types::*;

/// Strangers ask for all they can get.
fn flood(rig: &mut Rig, requests: u64) {
    for account in 0..requests {
        rig.newcomer(10_000 + account, 10_000 + account);
    }
}

fn strangers(rig: &Rig) -> usize {
    rig.running_of(|offer| !offer.band.is_member())
}

#[test]
fn strangers_hold_their_share_of_sequences_and_no_more() {
    let mut rig = Rig::new(limits(20, 1_000_000));
    rig.set_posture(Posture::Guarded);
    flood(&mut rig, 50);
    assert_eq!(strangers(&rig), 7);
    rig.end();
}

#[test]
fn strangers_hold_their_share_of_kv_tokens_when_that_binds_first() {
    let mut rig = Rig::new(limits(64, 10_000));
    rig.set_posture(Posture::Guarded);
    flood(&mut rig, 50);
    assert_eq!(strangers(&rig), 17, "17 times 200 tokens is the last within 35 % of 10 000");
    rig.end();
}

#[test]
fn strangers_hold_their_share_of_prefill_until_their_first_byte() {
    let mut limits = limits(64, 1_000_000);
    limits.capacity.prefill_tokens = 1_000;
    let mut rig = Rig::new(limits);
    rig.set_posture(Posture::Guarded);
    flood(&mut rig, 50);
    assert_eq!(strangers(&rig), 3, "3 times 100 prompt tokens within 350");
    let first = rig.oldest_running().unwrap();
    rig.progress(first, 1);
    assert_eq!(strangers(&rig), 4);
    rig.end();
}

#[test]
fn visitors_have_a_smaller_share_within_that_of_strangers() {
    let mut rig = Rig::new(limits(20, 1_000_000));
    rig.set_posture(Posture::Guarded);
    for account in 0..20 {
        let visitor = rig.plain(Band::Visitor, account, account);
        rig.offer(visitor);
    }
    assert_eq!(strangers(&rig), 3);
    rig.end();
}

#[test]
fn each_posture_leaves_strangers_less() {
    let mut held = Vec::new();
    for posture in [Posture::Calm, Posture::Guarded, Posture::Siege, Posture::Fortress] {
        let mut rig = Rig::new(limits(100, 10_000_000));
        rig.set_posture(posture);
        flood(&mut rig, 200);
        held.push(strangers(&rig));
        let visitor = rig.plain(Band::Visitor, 1, 1);
        let is_closed = cause(rig.offer(visitor)) == Some(Cause::BandClosed);
        assert_eq!(is_closed, posture == Posture::Fortress);
        rig.end();
    }
    assert_eq!(held, [74, 35, 10, 5]);
}

#[test]
fn a_member_starts_at_once_while_strangers_flood() {
    for posture in [Posture::Calm, Posture::Guarded, Posture::Siege] {
        let mut rig = Rig::new(limits(20, 1_000_000));
        rig.set_posture(posture);
        flood(&mut rig, 200);
        for account in 0..5 {
            assert!(is_start(rig.member(account)), "{posture}");
        }
        rig.end();
    }
}

#[test]
fn members_get_the_whole_reserve_back_from_borrowers() {
    let mut rig = Rig::new(limits(20, 1_000_000));
    flood(&mut rig, 200);
    assert_eq!(strangers(&rig), 14);
    let mut waited = 0;
    for account in 0..13 {
        waited += usize::from(is_wait(rig.member(account)));
    }
    assert_eq!((waited, rig.revoked.len()), (7, 7), "as many are revoked as members are short of");
    for ticket in rig.revoked.clone() {
        rig.release(ticket);
    }
    assert_eq!(rig.running_of(|offer| offer.band.is_member()), 13);
    assert_eq!(strangers(&rig), 7);
    assert!(is_wait(rig.member(99)), "beyond the reserve a member waits its turn");
    assert!(rig.revoked.is_empty(), "the share of strangers is theirs");
    rig.end();
}

#[test]
fn the_youngest_without_a_byte_sent_gives_back_first_and_visitors_before_newcomers() {
    let mut rig = Rig::new(limits(10, 1_000_000));
    let mut tickets = Vec::new();
    for account in 0..3 {
        let offer = rig.plain(Band::Visitor, account, account);
        rig.offer(offer);
        tickets.push(offer.ticket);
    }
    for account in 10..13 {
        let offer = rig.plain(Band::Newcomer, account, account);
        rig.offer(offer);
        tickets.push(offer.ticket);
    }
    assert_eq!(strangers(&rig), 6);
    // All stream but the second visitor and the oldest newcomer.
    for (at, ticket) in tickets.iter().enumerate() {
        if at != 1 && at != 3 {
            rig.progress(*ticket, 1);
        }
    }
    for account in 100..107 {
        rig.member(account);
    }
    assert_eq!(rig.revoked, [tickets[1], tickets[3], tickets[2]]);
    rig.end();
}

#[test]
fn without_a_loan_nobody_is_revoked() {
    let mut rig = Rig::new(no_loans(limits(10, 1_000_000)));
    flood(&mut rig, 30);
    for account in 0..20 {
        rig.member(account);
    }
    assert!(rig.revoked.is_empty());
    assert_eq!(strangers(&rig), 3);
    rig.end();
}

#[test]
fn a_tiny_engine_serves_one_stranger_at_a_time_and_takes_it_back_for_a_member() {
    let mut rig = Rig::new(limits(1, 1_000));
    rig.set_posture(Posture::Guarded);
    assert!(is_start(rig.newcomer(1, 1)));
    assert!(is_wait(rig.newcomer(2, 2)));
    assert!(is_wait(rig.member(3)));
    let revoked = rig.revoked[0];
    rig.release(revoked);
    assert_eq!(rig.running_of(|offer| offer.band.is_member()), 1);
    rig.end();
}

#[test]
fn a_siege_that_begins_calls_in_only_what_a_member_needs() {
    let mut rig = Rig::new(limits(20, 1_000_000));
    rig.set_posture(Posture::Guarded);
    flood(&mut rig, 30);
    rig.set_posture(Posture::Siege);
    assert_eq!((strangers(&rig), rig.revoked.len()), (7, 0));
    for account in 0..14 {
        rig.member(account);
    }
    assert_eq!(rig.revoked.len(), 1);
    rig.end();
}

#[test]
fn a_strangers_stream_that_passes_its_reservation_ends_when_there_is_no_room() {
    let mut rig = Rig::new(limits(8, 1_000));
    let mut offer = rig.sized(Band::Newcomer, 1, 1, 100, 900);
    offer.output_expected = TokenCount(100);
    let Verdict::Start(grant) = rig.offer(offer) else { panic!("waits") };
    assert_eq!(grant.kv_reserved, 200);
    for account in 10..14 {
        rig.member(account);
    }
    rig.progress(offer.ticket, 100);
    assert!(rig.revoked.is_empty());
    rig.progress(offer.ticket, 1);
    assert_eq!(rig.revoked, [offer.ticket]);
    rig.end();
}

#[test]
fn a_members_stream_that_passes_its_reservation_goes_on() {
    let mut rig = Rig::new(limits(8, 1_000));
    let mut offer = rig.sized(Band::Member, 1, 1, 100, 900);
    offer.output_expected = TokenCount(100);
    rig.offer(offer);
    for account in 10..14 {
        rig.member(account);
    }
    rig.progress(offer.ticket, 500);
    assert!(rig.revoked.is_empty());
    assert_eq!(rig.machine.snapshot().groups[0].kv_tokens, 600 + 800);
    rig.end();
}

#[test]
fn a_members_waiter_outlives_its_deadline_while_strangers_are_leaving_for_it() {
    let mut rig = Rig::new(limits(2, 1_000));
    rig.newcomer(1, 1);
    rig.member(2);
    let mut offer = rig.plain(Band::Member, 3, 3);
    offer.deadline = rig.now + Millis(10);
    assert!(is_wait(rig.offer(offer)));
    assert_eq!(rig.revoked.len(), 1);
    rig.pass(500);
    assert!(rig.refused.is_empty());
    rig.release(rig.revoked[0]);
    assert!(rig.running.contains_key(&offer.ticket));
    rig.end();
}

#[test]
fn strangers_prompts_are_sliced_once_on_guard() {
    let mut rig = Rig::new(limits(20, 1_000_000));
    let slice = |verdict| match verdict {
        Verdict::Start(grant) => grant.prefill_slice,
        other => panic!("{other:?}"),
    };
    assert_eq!(slice(rig.newcomer(1, 1)), None);
    rig.set_posture(Posture::Guarded);
    assert_eq!(slice(rig.newcomer(2, 2)), Some(TokenCount(256)));
    assert_eq!(slice(rig.member(3)), None);
    rig.end();
}
