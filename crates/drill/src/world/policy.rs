//! The policies of the table, each before the same people and the same engine.

use rempart_admission::baseline::{Baseline, Policy};
use rempart_admission::{Capacity, Decision, Limits, Machine, Offer, Revocation, Share, Shares, TicketId, Verdict};
use rempart_domain::{Millis, Posture, TokenCount, Usage};

use super::engine::EngineShape;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    /// One line.
    FirstCome,
    /// Fair between accounts.
    VtcPerAccount,
    /// Members before newcomers.
    StrictBands,
    /// The same, newcomers in 35 % of the sequences.
    SlotCap,
    /// Bands, cohorts, accounts.
    Cohorts,
    /// WeChat's.
    Dagor,
    /// Bands, cohorts, and 35 % of each dimension; prompts whole, nothing on loan.
    Reserve,
    /// As it ships: the same, strangers' prompts in slices, shares and loans by posture.
    Ours,
}

impl Arm {
    /// In the order of the table.
    pub const ALL: [Self; 8] = [
        Self::FirstCome,
        Self::VtcPerAccount,
        Self::Dagor,
        Self::StrictBands,
        Self::SlotCap,
        Self::Cohorts,
        Self::Reserve,
        Self::Ours,
    ];

    /// For the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstCome => "first come",
            Self::VtcPerAccount => "VTC per account",
            Self::Dagor => "DAGOR",
            Self::StrictBands => "strict bands",
            Self::SlotCap => "bands, 35 % slot cap",
            Self::Cohorts => "+ cohorts",
            Self::Reserve => "cohorts, 35 % of each dimension",
            Self::Ours => "+ strangers' prefill in slices of 256",
        }
    }

    pub(super) const fn slice(self) -> Option<u32> {
        match self {
            Self::Ours => Some(256),
            _ => None,
        }
    }

    /// Whether the policy knows deadlines; behind one that does not, clients wait on.
    pub(super) const fn has_deadlines(self) -> bool {
        matches!(self, Self::Reserve | Self::Ours)
    }

    pub(super) fn gate(self, shape: EngineShape, seed: u64) -> Gate {
        let EngineShape { sequences, kv_tokens, prefill_tokens, .. } = shape;
        let capacity = Capacity { sequences, kv_tokens, prefill_tokens };
        let baseline = |policy| Gate::Baseline(Box::new(Baseline::new(policy, capacity, seed)));
        match self {
            Self::FirstCome => baseline(Policy::FirstCome),
            Self::VtcPerAccount => baseline(Policy::VtcPerAccount),
            Self::StrictBands => baseline(Policy::StrictBands),
            Self::SlotCap => baseline(Policy::SlotCap { percent: 35 }),
            Self::Cohorts => baseline(Policy::Cohorts),
            Self::Dagor => baseline(Policy::Dagor),
            Self::Reserve => {
                let share = Share { strangers_percent: 35, visitors_percent: 35, borrow_percent: 0 };
                let shares = Shares { revocation: Revocation::Never, ..Shares::constant(share) };
                Gate::Ours(Box::new(Machine::new(Limits { shares, heavy_times: 0, ..Limits::new(capacity) }, seed)))
            }
            Self::Ours => Gate::Ours(Box::new(Machine::new(Limits::new(capacity), seed))),
        }
    }
}

/// What stands before the engine.
#[derive(Debug)]
pub(super) enum Gate {
    Ours(Box<Machine>),
    Baseline(Box<Baseline>),
}

impl Gate {
    pub(super) fn offer(&mut self, now: Millis, offer: Offer, out: &mut Vec<Decision>) -> Verdict {
        match self {
            Self::Ours(machine) => machine.offer(now, offer, out),
            Self::Baseline(baseline) => baseline.offer(now, offer, out),
        }
    }

    pub(super) fn progress(&mut self, now: Millis, ticket: TicketId, tokens: TokenCount, out: &mut Vec<Decision>) {
        match self {
            Self::Ours(machine) => machine.progress(now, ticket, tokens, out),
            Self::Baseline(baseline) => baseline.progress(now, ticket, tokens, out),
        }
    }

    pub(super) fn release(&mut self, now: Millis, ticket: TicketId, usage: Usage, out: &mut Vec<Decision>) -> bool {
        match self {
            Self::Ours(machine) => machine.release(now, ticket, usage, out),
            Self::Baseline(baseline) => baseline.release(now, ticket, usage, out),
        }
    }

    pub(super) fn tick(&mut self, now: Millis, out: &mut Vec<Decision>) {
        match self {
            Self::Ours(machine) => machine.tick(now, out),
            Self::Baseline(baseline) => baseline.tick(now, out),
        }
    }

    pub(super) fn set_posture(&mut self, now: Millis, posture: Posture, out: &mut Vec<Decision>) {
        if let Self::Ours(machine) = self {
            machine.set_posture(now, posture, out);
        }
    }
}
