//! A machine with an engine and clients around it, as simple as possible, that checks every answer against a model.

use std::collections::BTreeMap;

use rempart_domain::{Band, Millis, Posture, TokenCount, Usage};

use crate::share::Amount;
use crate::table::mix;
use crate::types::*;
use crate::{Machine, Share, Shares};

/// splitmix64 as a stream.
#[derive(Debug, Clone)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) offer: Offer,
    pub(super) produced: u32,
    pub(super) is_revoked: bool,
}

pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) now: Millis,
    pub(super) waiting: BTreeMap<TicketId, Offer>,
    pub(super) running: BTreeMap<TicketId, Running>,
    pub(super) revoked: Vec<TicketId>,
    pub(super) refused: Vec<(TicketId, Band, Refusal)>,
    pub(super) started: Vec<TicketId>,
    pub(super) out: Vec<Decision>,
    limits: Limits,
    next: u64,
}

pub(super) fn capacity(sequences: u32, kv_tokens: u64) -> Capacity {
    Capacity { sequences, kv_tokens, prefill_tokens: kv_tokens }
}

impl Rig {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            machine: Machine::new(limits.clone(), 7),
            now: Millis(1_000),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            revoked: Vec::new(),
            refused: Vec::new(),
            started: Vec::new(),
            out: Vec::new(),
            limits,
            next: 1,
        }
    }

    /// An offer of 100 + 100 tokens that may wait 10 s.
    pub(super) fn plain(&mut self, band: Band, cohort: u64, account: u64) -> Offer {
        self.sized(band, cohort, account, 100, 100)
    }

    pub(super) fn sized(&mut self, band: Band, cohort: u64, account: u64, input: u32, output: u32) -> Offer {
        let ticket = TicketId(self.next);
        self.next += 1;
        Offer {
            ticket,
            band,
            cohort: CohortId(cohort),
            account: AccountKey(account),
            input: TokenCount(input),
            output_cap: TokenCount(output),
            output_expected: TokenCount(output),
            deadline: self.now + Millis(10_000),
        }
    }

    pub(super) fn offer(&mut self, offer: Offer) -> Verdict {
        let verdict = self.machine.offer(self.now, offer, &mut self.out);
        match verdict {
            Verdict::Start(_) => self.note_start(offer),
            Verdict::Wait { .. } => {
                self.waiting.insert(offer.ticket, offer);
            }
            Verdict::Refuse(refusal) => {
                let about_you =
                    matches!(refusal.cause, Cause::AccountInFlight | Cause::AccountQueueFull | Cause::TicketInUse);
                if offer.band.is_member() && !about_you {
                    self.check_member_refusal(&offer, refusal);
                }
                self.note_refusal(offer, refusal);
            }
            Verdict::Revoke { .. } => panic!("an offer cannot be revoked"),
        }
        self.drain();
        verdict
    }

    pub(super) fn member(&mut self, account: u64) -> Verdict {
        let offer = self.plain(Band::Member, account, account);
        self.offer(offer)
    }

    pub(super) fn newcomer(&mut self, cohort: u64, account: u64) -> Verdict {
        let offer = self.plain(Band::Newcomer, cohort, account);
        self.offer(offer)
    }

    pub(super) fn cancel(&mut self, ticket: TicketId) {
        let did = self.machine.cancel(self.now, ticket, &mut self.out);
        assert_eq!(did, self.waiting.remove(&ticket).is_some());
        self.drain();
    }

    pub(super) fn progress(&mut self, ticket: TicketId, tokens: u32) {
        self.machine.progress(self.now, ticket, TokenCount(tokens), &mut self.out);
        if let Some(running) = self.running.get_mut(&ticket) {
            running.produced += tokens;
        }
        self.drain();
    }

    pub(super) fn release(&mut self, ticket: TicketId) {
        let known = self.running.remove(&ticket);
        self.revoked.retain(|t| *t != ticket);
        let usage = known.map_or_else(Usage::default, |r| Usage {
            input: r.offer.input,
            output: TokenCount(r.produced),
            ..Usage::default()
        });
        let did = self.machine.release(self.now, ticket, usage, &mut self.out);
        assert_eq!(did, known.is_some(), "a grant is released exactly once");
        self.drain();
    }

    /// Time passes.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now = self.now + Millis(ms);
        self.machine.tick(self.now, &mut self.out);
        self.drain();
    }

    pub(super) fn set_posture(&mut self, posture: Posture) {
        self.machine.set_posture(self.now, posture, &mut self.out);
        self.drain();
    }

    pub(super) fn set_capacity(&mut self, capacity: Capacity) {
        self.limits.capacity = capacity;
        self.machine.set_capacity(self.now, capacity, &mut self.out);
        self.drain();
    }

    pub(super) fn oldest_running(&self) -> Option<TicketId> {
        self.started.iter().copied().find(|t| self.running.contains_key(t))
    }

    /// How many of what runs belong to the accounts for which `is` holds.
    pub(super) fn running_of(&self, is: impl Fn(&Offer) -> bool) -> usize {
        self.running.values().filter(|r| is(&r.offer)).count()
    }

    /// Everybody leaves; nothing may be left in the machine.
    pub(super) fn end(mut self) {
        let waiting: Vec<_> = self.waiting.keys().copied().collect();
        for ticket in waiting {
            if self.waiting.contains_key(&ticket) {
                self.cancel(ticket);
            }
        }
        while let Some(ticket) = self.running.keys().next().copied() {
            self.release(ticket);
        }
        assert!(self.machine.is_empty());
        for group in self.machine.snapshot().groups {
            assert_eq!((group.queued, group.in_flight, group.kv_tokens), (0, 0, 0));
            assert_eq!((group.prefill_tokens, group.revoking), (0, 0));
        }
        assert_eq!(self.machine.wake_at(), None);
    }

    fn note_start(&mut self, offer: Offer) {
        self.running.insert(offer.ticket, Running { offer, produced: 0, is_revoked: false });
        self.started.push(offer.ticket);
    }

    fn note_refusal(&mut self, offer: Offer, refusal: Refusal) {
        assert!(refusal.retry_after >= Millis(1_000) && refusal.retry_after <= self.limits.retry_after_max);
        self.refused.push((offer.ticket, offer.band, refusal));
    }

    /// The promise: while a member waits, strangers hold no more than their share of what it is short of, but what is leaving.
    fn check_reserve(&self, offer: &Offer) {
        let capacity = Amount::of(self.limits.capacity);
        let (held, staying) = (self.machine.held(), self.machine.strangers_staying());
        let share = self.machine.strangers_share();
        let leaving = self.machine.strangers_held().minus(staying);
        let input = u64::from(offer.input.0);
        let kv = (input + u64::from(offer.output_expected.0)).min(capacity.kv);
        let is_short = |held: u64, leaving: u64, need: u64, most: u64| held - leaving + need > most;
        let broken = is_short(held.sequences, leaving.sequences, 1, capacity.sequences)
            && staying.sequences > share.sequences
            || is_short(held.kv, leaving.kv, kv, capacity.kv) && staying.kv > share.kv
            || is_short(held.prefill, leaving.prefill, input, capacity.prefill) && staying.prefill > share.prefill;
        assert!(!broken, "{offer:?} waits or was refused while strangers held {staying:?} of {share:?}");
    }

    /// A member was turned away at the door: nobody of lower standing may have the place it wanted.
    fn check_member_refusal(&self, offer: &Offer, refusal: Refusal) {
        if refusal.cause == Cause::QueueFull {
            let [_, newcomers, visitors] = self.machine.snapshot().groups;
            assert_eq!(
                newcomers.queued + visitors.queued,
                0,
                "a member was refused while strangers stood in the queue"
            );
        }
        if offer.deadline > self.now {
            self.check_reserve(offer);
        }
    }

    /// Takes the decisions in and checks them.
    fn drain(&mut self) {
        let out = std::mem::take(&mut self.out);
        let mut stranger_started = false;
        for Decision { ticket, verdict } in &out {
            match *verdict {
                Verdict::Start(_) => {
                    let offer = self.waiting.remove(ticket).expect("only a waiter starts");
                    stranger_started |= !offer.band.is_member();
                    self.note_start(offer);
                }
                Verdict::Refuse(refusal) => {
                    let offer = self.waiting.remove(ticket).expect("only a waiter is refused");
                    self.note_refusal(offer, refusal);
                }
                Verdict::Revoke { is_streaming } => {
                    let running = self.running.get_mut(ticket).expect("only what runs is revoked");
                    assert!(!running.is_revoked, "nothing is revoked twice");
                    assert!(!running.offer.band.is_member(), "members are not revoked");
                    assert!(is_streaming || running.produced == 0);
                    running.is_revoked = true;
                    self.revoked.push(*ticket);
                }
                Verdict::Wait { .. } => panic!("no decision says wait"),
            }
        }
        let snapshot = self.machine.snapshot();
        let members_wait = snapshot.groups[0].queued > snapshot.heavy.queued;
        assert!(!(stranger_started && members_wait), "a stranger started while a member waited for what is usual");
        self.check_counts(&snapshot);
        for offer in self.waiting.values().filter(|offer| offer.band.is_member()) {
            self.check_reserve(offer);
        }
        self.out = out;
        self.out.clear();
    }

    fn check_counts(&self, snapshot: &Snapshot) {
        let queued: u32 = snapshot.groups.iter().map(|g| g.queued).sum();
        let in_flight: u32 = snapshot.groups.iter().map(|g| g.in_flight).sum();
        assert_eq!(queued as usize, self.waiting.len());
        assert_eq!(in_flight as usize, self.running.len());
        assert!(queued <= self.limits.queue_len_total);
        let rows_max = self.limits.accounts_remembered + self.limits.queue_len_total + 4_096;
        assert!(snapshot.groups.iter().all(|g| g.accounts <= rows_max));
    }
}

/// A machine of 20 sequences that knows what members usually ask: 100 of prompt and 100 of answer.
pub(super) fn taught() -> Rig {
    let mut rig = Rig::new(limits(20, 1_000_000));
    for account in 0..40 {
        rig.member(account);
        let ticket = rig.oldest_running().unwrap();
        rig.progress(ticket, 100);
        rig.release(ticket);
    }
    rig
}

pub(super) fn limits(sequences: u32, kv_tokens: u64) -> Limits {
    Limits::new(capacity(sequences, kv_tokens))
}

/// The shares of `guarded` in every posture: nothing on loan.
pub(super) fn no_loans(mut limits: Limits) -> Limits {
    limits.shares = Shares::constant(Share { strangers_percent: 35, visitors_percent: 15, borrow_percent: 0 });
    limits
}

pub(super) fn cause(verdict: Verdict) -> Option<Cause> {
    match verdict {
        Verdict::Refuse(refusal) => Some(refusal.cause),
        _ => None,
    }
}

pub(super) fn is_start(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Start(_))
}

pub(super) fn is_wait(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Wait { .. })
}
