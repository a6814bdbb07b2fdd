//! The same machine for a scarce resource of one dimension: password hashing, registration writes, mail, storage, search.
//!
//! Work here is short and cannot be stopped, so nothing is revoked: a member waits at most for what has begun.

use rempart_domain::{Band, Millis, Posture, TokenCount, Usage};

use crate::machine::Machine;
use crate::share::{Revocation, Share, Shares};
use crate::types::{AccountKey, Capacity, CohortId, Decision, Limits, Offer, Snapshot, TicketId, Verdict};

/// The bounds of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLimits {
    /// At once.
    pub permits: u32,
    /// Of the permits: for strangers, at most. With less than one permit's worth they get one while nobody else of them has it.
    pub strangers_percent: u8,
    /// Of the members' idle permits: what strangers may use besides. Never all, so that a member finds one free.
    pub borrow_percent: u8,
    /// Waiting at once; a full queue makes room for a member by shedding a stranger.
    pub queue_len: u32,
    /// Waiting at once, of one source.
    pub queue_len_per_source: u32,
    /// Running and waiting at once, of one source.
    pub in_flight_per_source: u32,
    /// Longest wait promised in a `Retry-After`.
    pub retry_after_max: Millis,
}

impl LaneLimits {
    /// Defaults for this many permits.
    pub const fn new(permits: u32) -> Self {
        Self {
            permits,
            strangers_percent: 35,
            borrow_percent: 60,
            queue_len: 256,
            queue_len_per_source: 4,
            in_flight_per_source: 8,
            retry_after_max: Millis::from_secs(60),
        }
    }
}

/// Work that wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneOffer {
    /// Chosen by the caller, unique among what is waiting or running.
    pub ticket: TicketId,
    /// Frozen standing; for a sign-in, that of the device ticket.
    pub band: Band,
    /// Whom it weighs with.
    pub cohort: CohortId,
    /// Who asks: an account, or a source of visitors.
    pub source: AccountKey,
    /// What it weighs, in any unit that is the same for all of the lane.
    pub cost: u32,
    /// Must have started by then.
    pub deadline: Millis,
}

/// A bounded, prioritised, fair queue before short work.
#[derive(Debug)]
pub struct Lane {
    machine: Machine,
}

impl Lane {
    /// `seed` spreads `Retry-After`.
    pub fn new(limits: LaneLimits, seed: u64) -> Self {
        let share = Share {
            strangers_percent: limits.strangers_percent,
            visitors_percent: limits.strangers_percent,
            borrow_percent: limits.borrow_percent,
        };
        let shares = Shares { revocation: Revocation::Never, ..Shares::constant(share) };
        let of_machine = Limits {
            shares,
            queue_len_per_account: limits.queue_len_per_source,
            queue_len_per_cohort: limits.queue_len.div_ceil(4),
            queue_len_per_group: limits.queue_len,
            queue_len_total: limits.queue_len,
            in_flight_per_account: [limits.in_flight_per_source; 3],
            accounts_remembered: 4_096,
            retry_after_max: limits.retry_after_max,
            ..Limits::new(Capacity::permits(limits.permits))
        };
        Self { machine: Machine::new(of_machine, seed) }
    }

    /// Decides over new work. Decisions on others are appended to `out`.
    pub fn offer(&mut self, now: Millis, offer: LaneOffer, out: &mut Vec<Decision>) -> Verdict {
        let offer = Offer {
            ticket: offer.ticket,
            band: offer.band,
            cohort: offer.cohort,
            account: offer.source,
            input: TokenCount(offer.cost),
            output_cap: TokenCount(0),
            output_expected: TokenCount(0),
            deadline: offer.deadline,
        };
        self.machine.offer(now, offer, out)
    }

    /// The waiter left. False if the ticket does not wait.
    pub fn cancel(&mut self, now: Millis, ticket: TicketId, out: &mut Vec<Decision>) -> bool {
        self.machine.cancel(now, ticket, out)
    }

    /// The work is done; `cost` is what it was. False if the ticket does not run.
    pub fn release(&mut self, now: Millis, ticket: TicketId, cost: u32, out: &mut Vec<Decision>) -> bool {
        let usage = Usage { input: TokenCount(cost), ..Usage::default() };
        self.machine.release(now, ticket, usage, out)
    }

    /// Refuses the waiters whose deadline passed.
    pub fn tick(&mut self, now: Millis, out: &mut Vec<Decision>) {
        self.machine.tick(now, out);
    }

    /// When `tick` has something to do next.
    pub fn wake_at(&self) -> Option<Millis> {
        self.machine.wake_at()
    }

    /// `(position, eta)` of a waiter.
    pub fn position(&self, ticket: TicketId) -> Option<(u32, Option<Millis>)> {
        self.machine.position(ticket)
    }

    /// More or fewer at once.
    pub fn set_permits(&mut self, now: Millis, permits: u32, out: &mut Vec<Decision>) {
        self.machine.set_capacity(now, Capacity::permits(permits), out);
    }

    /// The same shares hold in every posture; it only shows in the snapshot.
    pub fn set_posture(&mut self, now: Millis, posture: Posture, out: &mut Vec<Decision>) {
        self.machine.set_posture(now, posture, out);
    }

    /// For metrics.
    pub fn snapshot(&self) -> Snapshot {
        self.machine.snapshot()
    }
}
