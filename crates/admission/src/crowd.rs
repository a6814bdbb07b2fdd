//! A machine that is full, with many waiting: what a decision costs is timed on it (`benches/decide.rs`, `rempart bench functions`).

use rempart_domain::{Band, Millis, Posture, TokenCount, Usage};

use crate::machine::Machine;
use crate::types::{AccountKey, Capacity, CohortId, Decision, Limits, Offer, TicketId, Verdict};

/// An engine of 64 sequences, all taken, and newcomers waiting in 1 000 cohorts of five accounts.
#[derive(Debug)]
pub struct Crowd {
    machine: Machine,
    now: Millis,
    next: u64,
    running: Vec<TicketId>,
    out: Vec<Decision>,
}

impl Crowd {
    /// With so many waiting; 10 000 is what the budgets are about, much more meets the bounds of accounts and cohorts.
    pub fn new(waiting: u32) -> Self {
        let mut limits = Limits::new(Capacity { sequences: 64, kv_tokens: 1_000_000, prefill_tokens: u64::MAX });
        limits.queue_len_total = waiting.saturating_add(1_000);
        limits.queue_len_per_group = waiting.saturating_add(1_000);
        let mut out = Vec::with_capacity(64);
        let mut machine = Machine::new(limits, 1);
        machine.set_posture(Millis(0), Posture::Guarded, &mut out);
        let mut crowd = Self { machine, now: Millis(1), next: 0, running: Vec::new(), out };
        for _ in 0..waiting.saturating_mul(2) {
            if crowd.waiting() >= waiting {
                break;
            }
            crowd.offer();
        }
        crowd
    }

    /// How many wait.
    pub fn waiting(&self) -> u32 {
        self.machine.snapshot().groups.iter().map(|group| group.queued).sum()
    }

    /// A newcomer comes.
    pub fn offer(&mut self) -> TicketId {
        self.now.0 += 1;
        self.next += 1;
        let (ticket, account) = (TicketId(self.next), self.next % 5_000);
        let offer = Offer {
            ticket,
            band: Band::Newcomer,
            cohort: CohortId(account % 1_000),
            account: AccountKey(account),
            input: TokenCount(200 + u32::try_from(self.next % 700).unwrap_or(0)),
            output_cap: TokenCount(500),
            output_expected: TokenCount(300),
            deadline: Millis(1_000_000_000 + self.next),
        };
        if let Verdict::Start(_) = self.machine.offer(self.now, offer, &mut self.out) {
            self.running.push(ticket);
        }
        self.note_starts();
        ticket
    }

    /// A newcomer comes and leaves again.
    pub fn visit(&mut self) {
        let ticket = self.offer();
        self.machine.cancel(self.now, ticket, &mut self.out);
        self.note_starts();
    }

    /// One that runs ends, and whoever is next starts.
    pub fn release(&mut self) {
        let Some(at) = usize::try_from(self.next).ok().and_then(|next| next.checked_rem(self.running.len())) else {
            return;
        };
        self.now.0 += 1;
        let ticket = self.running.swap_remove(at);
        let usage = Usage { input: TokenCount(300), output: TokenCount(200), ..Usage::default() };
        self.machine.release(self.now, ticket, usage, &mut self.out);
        self.note_starts();
    }

    /// One that runs gives a token.
    pub fn token(&mut self) {
        self.next += 1;
        let at = usize::try_from(self.next).ok().and_then(|next| next.checked_rem(self.running.len()));
        let Some(ticket) = at.and_then(|at| self.running.get(at).copied()) else { return };
        self.machine.progress(self.now, ticket, TokenCount(1), &mut self.out);
        self.note_starts();
    }

    fn note_starts(&mut self) {
        let started = self.out.drain(..).filter(|decision| matches!(decision.verdict, Verdict::Start(_)));
        self.running.extend(started.map(|decision| decision.ticket));
    }
}
