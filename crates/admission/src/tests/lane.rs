//! The same machine before short work.

use rempart_domain::{Band, Millis};

use crate::lane::{Lane, LaneLimits, LaneOffer};
use crate::types::*;

fn work(ticket: u64, band: Band, source: u64) -> LaneOffer {
    LaneOffer {
        ticket: TicketId(ticket),
        band,
        cohort: CohortId(source),
        source: AccountKey(source),
        cost: 1,
        deadline: Millis(5_000),
    }
}

#[test]
fn members_find_a_permit_while_strangers_flood() {
    let mut lane = Lane::new(LaneLimits::new(4), 1);
    let mut out = Vec::new();
    let mut started = 0;
    for n in 0..100 {
        started += u32::from(matches!(lane.offer(Millis(0), work(n, Band::Visitor, n), &mut out), Verdict::Start(_)));
    }
    assert_eq!(started, 2, "one of their own and one on loan");
    for n in 200..202 {
        assert!(matches!(lane.offer(Millis(0), work(n, Band::Member, n), &mut out), Verdict::Start(_)));
    }
    assert!(out.is_empty(), "work that has begun is not stopped");
}

#[test]
fn a_free_permit_goes_to_the_member_who_came_last() {
    let mut lane = Lane::new(LaneLimits::new(1), 1);
    let mut out = Vec::new();
    lane.offer(Millis(0), work(1, Band::Visitor, 1), &mut out);
    lane.offer(Millis(0), work(2, Band::Visitor, 2), &mut out);
    lane.offer(Millis(0), work(3, Band::Member, 3), &mut out);
    assert!(lane.release(Millis(22), TicketId(1), 1, &mut out));
    assert!(matches!(out[..], [Decision { ticket: TicketId(3), verdict: Verdict::Start(_) }]));
}

#[test]
fn the_queue_is_no_longer_than_what_can_be_done_in_time() {
    let mut lane = Lane::new(LaneLimits { queue_len: 100_000, ..LaneLimits::new(1) }, 1);
    let mut out = Vec::new();
    let mut running = None;
    let mut late = 0;
    // 22 ms a piece of work, 200 asked a second, each may wait a second.
    for ms in 0..10_000_u64 {
        let now = Millis(ms);
        if ms % 5 == 0 {
            let offer = LaneOffer { deadline: now + Millis(1_000), ..work(ms, Band::Visitor, ms) };
            match lane.offer(now, offer, &mut out) {
                Verdict::Start(_) => running = Some((ms, offer.ticket)),
                Verdict::Refuse(refusal) => late += u32::from(refusal.cause == Cause::TooLate),
                _ => {}
            }
        }
        if let Some((since, ticket)) = running
            && ms >= since + 22
        {
            running = None;
            lane.release(now, ticket, 1, &mut out);
        }
        lane.tick(now, &mut out);
        for decision in out.drain(..) {
            if let Verdict::Start(_) = decision.verdict {
                running = Some((ms, decision.ticket));
            }
        }
    }
    let queued = lane.snapshot().groups[Group::Visitors.index()].queued;
    assert!(queued <= 60, "{queued} wait for a second at 45 a second");
    assert!(late > 1_000, "{late} were told at once");
}
