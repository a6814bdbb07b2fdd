//! Who is next: service, cohorts, the lift, and what is remembered.

use rempart_domain::{Band, Millis, TokenCount, Usage};

use super::rig::*;
use crate::types::*;

/// Serves `turns` requests one after the other while `refill` keeps the queue full; counts by `of`.
fn serve(rig: &mut Rig, turns: usize, mut refill: impl FnMut(&mut Rig), of: impl Fn(&Offer) -> usize) -> [usize; 3] {
    let mut served = [0; 3];
    for _ in 0..turns {
        refill(rig);
        let ticket = rig.oldest_running().unwrap();
        served[of(&rig.running[&ticket].offer)] += 1;
        rig.progress(ticket, 100);
        rig.now = rig.now + Millis(100);
        rig.release(ticket);
    }
    served
}

#[test]
fn ten_thousand_look_alikes_get_one_share() {
    let mut rig = Rig::new(no_loans(limits(1, 10_000)));
    let mut next = 0;
    let served = serve(
        &mut rig,
        400,
        |rig| {
            for _ in 0..25 {
                next += 1;
                let mut offer = rig.plain(Band::Newcomer, 666, 1_000 + next % 10_000);
                offer.deadline = rig.now + Millis(1_000_000);
                rig.offer(offer);
            }
            let mut honest = rig.plain(Band::Newcomer, 5, 5);
            honest.deadline = rig.now + Millis(1_000_000);
            rig.offer(honest);
        },
        |offer| usize::from(offer.account == AccountKey(5)),
    );
    assert!((195..=205).contains(&served[1]), "the honest one had {} of 400 turns", served[1]);
    rig.end();
}

#[test]
fn an_account_that_asks_more_gets_no_more() {
    let mut rig = Rig::new(limits(1, 10_000));
    let served = serve(
        &mut rig,
        300,
        |rig| {
            for _ in 0..4 {
                rig.member(1);
            }
            rig.member(2);
            rig.member(3);
        },
        |offer| usize::try_from(offer.account.0 - 1).unwrap(),
    );
    assert!(served.iter().all(|n| (97..=103).contains(n)), "{served:?}");
    rig.end();
}

#[test]
fn service_is_weighed_in_tokens_and_output_counts_twice() {
    let mut rig = Rig::new(limits(1, 10_000));
    // The first account's requests cost 100 + 2 * 400, the second's 100 + 2 * 100: three to one.
    let mut served = [0_u32; 2];
    for _ in 0..400 {
        for (account, output) in [(1, 400), (2, 100)] {
            let mut offer = rig.sized(Band::Member, account, account, 100, output);
            offer.deadline = rig.now + Millis(1_000_000);
            rig.offer(offer);
        }
        let ticket = rig.oldest_running().unwrap();
        let offer = rig.running[&ticket].offer;
        served[usize::try_from(offer.account.0 - 1).unwrap()] += 1;
        rig.progress(ticket, offer.output_cap.0);
        rig.release(ticket);
    }
    let ratio = f64::from(served[1]) / f64::from(served[0]);
    assert!((2.7..=3.3).contains(&ratio), "{served:?}");
    rig.end();
}

#[test]
fn idling_earns_no_credit() {
    let mut rig = Rig::new(limits(1, 10_000));
    let long = |rig: &mut Rig, account| {
        let mut offer = rig.plain(Band::Member, account, account);
        offer.deadline = rig.now + Millis(1_000_000);
        rig.offer(offer);
    };
    // Account 1 works for 50 turns while account 2 is away.
    for _ in 0..50 {
        long(&mut rig, 1);
        long(&mut rig, 1);
        let ticket = rig.oldest_running().unwrap();
        rig.progress(ticket, 100);
        rig.release(ticket);
    }
    // Then both keep the queue full: account 2 is not served alone until it has caught up.
    let served = serve(
        &mut rig,
        20,
        |rig| {
            for account in [1, 1, 2, 2] {
                long(rig, account);
            }
        },
        |offer| usize::try_from(offer.account.0 - 1).unwrap(),
    );
    assert!(served[1] <= 12, "{served:?}");
    rig.end();
}

#[test]
fn charges_are_what_was_used() {
    let mut rig = Rig::new(limits(1, 100_000));
    let mut rng = Rng(3);
    let mut used = 0_u64;
    for _ in 0..200 {
        let (estimate, cap) = (rng.below(2_000) + 1, rng.below(900) + 1);
        let (input, output) = (rng.below(estimate) + 1, rng.below(cap + 1));
        let offer = rig.sized(Band::Member, 1, 1, u32::try_from(estimate).unwrap(), u32::try_from(cap).unwrap());
        assert!(is_start(rig.offer(offer)));
        if rng.below(2) == 0 {
            rig.machine.true_up(rig.now, offer.ticket, TokenCount(u32::try_from(input).unwrap()), &mut Vec::new());
        }
        rig.machine.progress(rig.now, offer.ticket, TokenCount(u32::try_from(output / 2).unwrap()), &mut Vec::new());
        let usage = Usage {
            input: TokenCount(u32::try_from(input).unwrap()),
            output: TokenCount(u32::try_from(output).unwrap()),
            ..Usage::default()
        };
        rig.running.clear();
        assert!(rig.machine.release(rig.now, offer.ticket, usage, &mut Vec::new()));
        used += input + 2 * output;
    }
    // Some of it was heavy.
    let mut of = |group| rig.machine.line_mut(group).queue.attained(rig.now, 1, 1);
    let (usual, heavy) = (of(Group::Members), of(Group::Heavy));
    let (account, cohort) = (usual.0 + heavy.0, usual.1 + heavy.1);
    let used = crate::pace::to_f64(used);
    assert!((account - used).abs() <= used * 0.001, "{account} for {used}");
    assert!((cohort - used).abs() <= used * 0.001, "{cohort} for {used}");
}

#[test]
fn service_fades_and_the_scale_survives_days() {
    let mut rig = Rig::new(limits(1, 100_000));
    let offer = rig.sized(Band::Member, 1, 1, 1_000, 1);
    rig.offer(offer);
    rig.release(offer.ticket);
    let attained = |rig: &mut Rig| rig.machine.line_mut(Group::Members).queue.attained(rig.now, 1, 1).0;
    let at_once = attained(&mut rig);
    rig.pass(60_000);
    let after_a_minute = attained(&mut rig);
    assert!((at_once - 1_000.0).abs() < 1.0 && (after_a_minute - 500.0).abs() < 1.0);
    // A request a minute for two days: the scale is brought back many times.
    for minute in 0..2_880_u64 {
        rig.pass(60_000);
        for account in [1, 2] {
            let offer = rig.sized(Band::Member, account, account, 1_000, 1);
            rig.offer(offer);
        }
        while let Some(ticket) = rig.running.keys().next().copied() {
            rig.release(ticket);
        }
        rig.started.clear();
        let attained = attained(&mut rig);
        assert!(attained.is_finite() && attained <= 2_001.0, "minute {minute}: {attained}");
    }
    let attained = attained(&mut rig);
    assert!((attained - 2_000.0).abs() < 2.0, "{attained}");
    rig.end();
}

#[test]
fn an_account_cannot_weigh_with_two_cohorts_at_once() {
    let mut rig = Rig::new(limits(1, 10_000));
    rig.member(1);
    let first = rig.plain(Band::Newcomer, 10, 77);
    rig.offer(first);
    let second = rig.plain(Band::Newcomer, 11, 77);
    rig.offer(second);
    let other = rig.plain(Band::Newcomer, 12, 78);
    rig.offer(other);
    let order: Vec<TicketId> = (0..4)
        .map(|_| {
            let ticket = rig.oldest_running().unwrap();
            rig.progress(ticket, 100);
            rig.release(ticket);
            ticket
        })
        .collect();
    assert_eq!(order[1..], [first.ticket, other.ticket, second.ticket]);
    rig.end();
}

#[test]
fn what_is_remembered_has_a_bound_and_those_in_use_are_never_forgotten() {
    let mut limits = limits(4, 100_000);
    limits.accounts_remembered = 100;
    let mut rig = Rig::new(limits);
    let busy = rig.plain(Band::Newcomer, 1, 1);
    rig.offer(busy);
    for account in 10..5_000 {
        rig.now = rig.now + Millis(1);
        let offer = rig.plain(Band::Newcomer, account, account);
        assert!(is_start(rig.offer(offer)));
        rig.release(offer.ticket);
    }
    let accounts = rig.machine.snapshot().groups[1].accounts;
    assert!(accounts <= 101, "{accounts} accounts remembered");
    rig.release(busy.ticket);
    rig.end();
}
