//! What the machine is measured against, for benches and the drill only: first come, VTC per account, strict bands with a slot cap,
//! strict bands with cohorts, and DAGOR (WeChat, SoCC'18).
//!
//! All but DAGOR's threshold are the machine itself with what is ours taken away, so that a difference shows the policy alone.

use rempart_domain::{Band, Millis, TokenCount, Usage};

use crate::machine::Machine;
use crate::pace::to_f64;
use crate::share::{Dimensions, Revocation, Share, Shares};
use crate::table::mix;
use crate::types::{AccountKey, Capacity, Cause, CohortId, Decision, Limits, Offer, Refusal, TicketId, Verdict};

/// A policy that others use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// One line, whoever comes.
    FirstCome,
    /// One group, every account the same weight.
    VtcPerAccount,
    /// Groups in strict order, every account the same weight; no reserve.
    StrictBands,
    /// The same, and strangers hold at most this part of the sequences.
    SlotCap {
        /// Percent.
        percent: u8,
    },
    /// Strict groups and cohorts; no reserve.
    Cohorts,
    /// One line behind DAGOR's threshold on (band, hashed account).
    Dagor,
}

/// A policy as a machine of the same shape.
#[derive(Debug)]
pub struct Baseline {
    policy: Policy,
    machine: Machine,
    dagor: Dagor,
}

impl Baseline {
    /// Unbounded queues, as those policies have them, but for a bound on memory.
    pub fn new(policy: Policy, capacity: Capacity, seed: u64) -> Self {
        let cap = match policy {
            Policy::SlotCap { percent } => percent,
            _ => 100,
        };
        let share = Share { strangers_percent: cap, visitors_percent: cap, borrow_percent: 0 };
        let shares = Shares {
            revocation: Revocation::Never,
            dimensions: Dimensions { sequences: true, kv_tokens: false, prefill_tokens: false },
            ..Shares::constant(share)
        };
        let most = 65_536;
        let limits = Limits {
            shares,
            queue_len_per_account: most,
            queue_len_per_cohort: most,
            queue_len_per_group: most,
            queue_len_total: most,
            in_flight_per_account: [most; 3],
            heavy_times: 0,
            ..Limits::new(capacity)
        };
        Self { policy, machine: Machine::new(limits, seed), dagor: Dagor::default() }
    }

    /// As [`Machine::offer`].
    pub fn offer(&mut self, now: Millis, offer: Offer, out: &mut Vec<Decision>) -> Verdict {
        if self.policy == Policy::Dagor && !self.dagor.admits(now, offer.band, offer.account) {
            let cause = Cause::Shed;
            return Verdict::Refuse(Refusal { reason: cause.reason(), cause, retry_after: Millis(1_000) });
        }
        let verdict = self.machine.offer(now, self.seen(offer), out);
        if let Verdict::Start(_) = verdict {
            self.dagor.observe_wait(Millis(0));
        }
        self.watch(out);
        verdict
    }

    /// As [`Machine::cancel`].
    pub fn cancel(&mut self, now: Millis, ticket: TicketId, out: &mut Vec<Decision>) -> bool {
        let was_waiting = self.machine.cancel(now, ticket, out);
        self.watch(out);
        was_waiting
    }

    /// As [`Machine::progress`].
    pub fn progress(&mut self, now: Millis, ticket: TicketId, output: TokenCount, out: &mut Vec<Decision>) {
        self.machine.progress(now, ticket, output, out);
        self.watch(out);
    }

    /// As [`Machine::release`].
    pub fn release(&mut self, now: Millis, ticket: TicketId, usage: Usage, out: &mut Vec<Decision>) -> bool {
        let was_running = self.machine.release(now, ticket, usage, out);
        self.watch(out);
        was_running
    }

    /// As [`Machine::tick`].
    pub fn tick(&mut self, now: Millis, out: &mut Vec<Decision>) {
        self.machine.tick(now, out);
        self.watch(out);
    }

    /// What the policy sees of an offer.
    const fn seen(&self, offer: Offer) -> Offer {
        match self.policy {
            Policy::FirstCome | Policy::Dagor => {
                Offer { band: Band::Member, cohort: CohortId(0), account: AccountKey(0), ..offer }
            }
            Policy::VtcPerAccount => Offer { band: Band::Member, cohort: offer.account.own_cohort(), ..offer },
            Policy::StrictBands | Policy::SlotCap { .. } => Offer { cohort: offer.account.own_cohort(), ..offer },
            Policy::Cohorts => offer,
        }
    }

    fn watch(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            if let Verdict::Start(grant) = decision.verdict {
                self.dagor.observe_wait(grant.waited);
            }
        }
    }
}

/// Hashed accounts within a band.
const LEVELS_PER_BAND: usize = 128;
const LEVELS: usize = LEVELS_PER_BAND * 3;

/// DAGOR's threshold: compound priorities (band, hash of account and hour), lowered by 5 % of what was admitted while the mean
/// wait is over 20 ms, raised by 1 % of what arrived otherwise.
#[derive(Debug)]
struct Dagor {
    threshold: usize,
    arrived: [u32; LEVELS],
    arrived_total: u32,
    admitted: u32,
    waits: u32,
    wait_ms: u64,
    window_from: Millis,
}

impl Default for Dagor {
    fn default() -> Self {
        Self {
            threshold: LEVELS,
            arrived: [0; LEVELS],
            arrived_total: 0,
            admitted: 0,
            waits: 0,
            wait_ms: 0,
            window_from: Millis(0),
        }
    }
}

impl Dagor {
    fn admits(&mut self, now: Millis, band: Band, account: AccountKey) -> bool {
        if now.since(self.window_from) >= Millis(1_000) || self.arrived_total >= 2_000 {
            self.close_window(now);
        }
        let group = match band {
            Band::Trusted | Band::Member => 0,
            Band::Newcomer => 1,
            Band::Visitor | Band::Suspended => 2,
        };
        let hour = now.0 / 3_600_000;
        let hashed = usize::try_from(mix(account.0 ^ mix(hour)) % LEVELS_PER_BAND as u64).unwrap_or(0);
        let level = group * LEVELS_PER_BAND + hashed;
        if let Some(count) = self.arrived.get_mut(level) {
            *count += 1;
        }
        self.arrived_total += 1;
        let is_admitted = level < self.threshold;
        self.admitted += u32::from(is_admitted);
        is_admitted
    }

    fn observe_wait(&mut self, waited: Millis) {
        self.waits += 1;
        self.wait_ms = self.wait_ms.saturating_add(waited.0);
    }

    fn close_window(&mut self, now: Millis) {
        let mean = to_f64(self.wait_ms) / f64::from(self.waits.max(1));
        let is_overloaded = mean > 20.0 || (self.waits == 0 && self.admitted > 0);
        let mut prefix: f64 = self.arrived.iter().take(self.threshold).map(|n| f64::from(*n)).sum();
        if is_overloaded {
            let target = 0.95 * f64::from(self.admitted);
            while self.threshold > 1 && prefix > target {
                self.threshold -= 1;
                prefix -= self.arrived.get(self.threshold).copied().map_or(0.0, f64::from);
            }
        } else {
            let target = f64::from(self.admitted) + 0.01 * f64::from(self.arrived_total);
            while self.threshold < LEVELS && prefix < target {
                prefix += self.arrived.get(self.threshold).copied().map_or(0.0, f64::from);
                self.threshold += 1;
            }
        }
        *self = Self { threshold: self.threshold, window_from: now, ..Self::default() };
    }
}
