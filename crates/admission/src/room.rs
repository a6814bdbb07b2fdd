//! What fits, and how room is made for members: the reserve.
//!
//! Strangers hold at most their share of each dimension, and in `calm` a part of the members' idle reserve on loan. A stranger who
//! holds nothing in a dimension may take one request's worth beyond it (a small engine would never serve them otherwise): on loan
//! too. Loans go back when a member waits: visitors' first, the youngest first, those without a byte sent before the others.
//!
//! What must stay true: while a member waits for a dimension, strangers hold no more than their share of it that is not already
//! leaving.

use crate::machine::{Machine, pick};
use crate::share::{Amount, Revocation};
use crate::ticket::Stage;
use crate::types::{Capacity, Decision, Group, Verdict};

impl Machine {
    /// Whether `amount` may start now for `group`, if it is its turn.
    pub(crate) fn fits(&self, group: Group, amount: Amount) -> bool {
        let capacity = Amount::of(self.limits.capacity);
        let held = self.held();
        let after = held.plus(amount);
        // A prompt larger than the whole prefill budget is taken up alone.
        let prefill_fits = after.prefill <= capacity.prefill || held.prefill == 0;
        if after.sequences > capacity.sequences || after.kv > capacity.kv || !prefill_fits {
            return false;
        }
        let share = self.limits.shares.of(self.posture);
        let of_strangers = self.strangers_capacity();
        let lent =
            Amount::of(of_strangers).percent(100 - share.strangers_percent.min(100)).percent(share.borrow_percent);
        match group {
            Group::Members => true,
            Group::Newcomers => self.strangers_fit(amount, lent),
            Group::Visitors => {
                let own = self.limits.shares.part(of_strangers, share.visitors_percent).plus(lent);
                self.strangers_fit(amount, lent) && within(self.line(Group::Visitors).held, amount, own)
            }
        }
    }

    fn strangers_fit(&self, amount: Amount, lent: Amount) -> bool {
        within(self.strangers_held(), amount, self.strangers_share().plus(lent))
    }

    /// What all groups hold.
    pub(crate) fn held(&self) -> Amount {
        self.line(Group::Members).held.plus(self.strangers_held())
    }

    pub(crate) fn strangers_held(&self) -> Amount {
        self.line(Group::Newcomers).held.plus(self.line(Group::Visitors).held)
    }

    /// What strangers hold and have not been told to give back.
    pub(crate) fn strangers_staying(&self) -> Amount {
        let leaving = self.line(Group::Newcomers).leaving.plus(self.line(Group::Visitors).leaving);
        self.strangers_held().minus(leaving)
    }

    pub(crate) fn strangers_share(&self) -> Amount {
        let shares = &self.limits.shares;
        shares.part(self.strangers_capacity(), shares.of(self.posture).strangers_percent)
    }

    /// What strangers' part is a part of.
    fn strangers_capacity(&self) -> Capacity {
        let capacity = self.limits.capacity;
        Capacity { prefill_tokens: capacity.prefill_tokens.min(self.burst), ..capacity }
    }

    /// Whether strangers hold more than their share of anything, leaving or not.
    pub(crate) fn strangers_hold_too_much(&self) -> bool {
        !self.strangers_held().fits(self.strangers_share())
    }

    /// Revokes what strangers hold on loan, as far as waiting members are short of it.
    pub(crate) fn make_room(&mut self, out: &mut Vec<Decision>) {
        let capacity = Amount::of(self.limits.capacity);
        let share = self.strangers_share();
        loop {
            let staying = self.strangers_staying();
            let members = self.line(Group::Members);
            let needed = members.held.plus(members.wanted).plus(staying);
            let is_short = |need: u64, most: u64, held: u64, own: u64| need > most && held > own;
            let must_revoke = is_short(needed.sequences, capacity.sequences, staying.sequences, share.sequences)
                || is_short(needed.kv, capacity.kv, staying.kv, share.kv)
                || is_short(needed.prefill, capacity.prefill, staying.prefill, share.prefill);
            if !must_revoke || !self.revoke_youngest(out) {
                return;
            }
        }
    }

    /// False if there is nobody to revoke.
    fn revoke_youngest(&mut self, out: &mut Vec<Decision>) -> bool {
        let revocation = self.limits.shares.revocation;
        if revocation == Revocation::Never {
            return false;
        }
        let before_first_byte =
            [Group::Visitors, Group::Newcomers].into_iter().find_map(|group| self.line(group).prefilling.last());
        let victim = before_first_byte.or_else(|| {
            let mut groups = [Group::Visitors, Group::Newcomers].into_iter();
            groups.find_map(|group| self.line(group).streaming.last()).filter(|_| revocation == Revocation::Streams)
        });
        match victim {
            Some(slot) => self.revoke(slot, out),
            None => false,
        }
    }

    fn revoke(&mut self, slot: u32, out: &mut Vec<Decision>) -> bool {
        let Some(t) = self.tickets.get(slot).filter(|t| !t.is_revoked) else { return false };
        let (ticket, group, amount, is_streaming) = (t.id, t.group, t.amount, t.stage == Stage::Streaming);
        self.forget_running(slot);
        if let Some(t) = self.tickets.get_mut(slot) {
            t.is_revoked = true;
        }
        let line = self.line_mut(group);
        line.leaving = line.leaving.plus(amount);
        out.push(Decision { ticket, verdict: Verdict::Revoke { is_streaming } });
        true
    }

    /// Takes a running ticket out of the list of those that can be revoked.
    pub(crate) fn forget_running(&mut self, slot: u32) {
        let Some(t) = self.tickets.get(slot).filter(|t| !t.is_revoked) else { return };
        let (group, stage) = (t.group, t.stage);
        let line = pick(&mut self.lines, group);
        let list = if stage == Stage::Streaming { &mut line.streaming } else { &mut line.prefilling };
        list.remove(&mut self.tickets.by_cohort(), slot);
    }

    /// The first byte: its prompt is taken up. False if it was sent before.
    pub(crate) fn begin_stream(&mut self, slot: u32) -> bool {
        let Some(t) = self.tickets.get(slot).filter(|t| t.stage == Stage::Prefill) else { return false };
        let (group, is_revoked, prefill) = (t.group, t.is_revoked, t.amount.prefill);
        self.forget_running(slot);
        if let Some(t) = self.tickets.get_mut(slot) {
            t.stage = Stage::Streaming;
            t.amount.prefill = 0;
        }
        let line = pick(&mut self.lines, group);
        line.held.prefill = line.held.prefill.saturating_sub(prefill);
        if is_revoked {
            line.leaving.prefill = line.leaving.prefill.saturating_sub(prefill);
        } else {
            line.streaming.push_back(&mut self.tickets.by_cohort(), slot);
        }
        true
    }

    /// A stream passes its reservation by a step. A stranger's ends if there is no room for it or a member waits; a member's goes
    /// on, at the cost of strangers' loans, and at last at the engine's word.
    pub(crate) fn extend(&mut self, slot: u32, step: u64, out: &mut Vec<Decision>) {
        let Some(t) = self.tickets.get_mut(slot).filter(|t| !t.is_revoked) else { return };
        let step = step.max(t.output - t.output_reserved).min(t.output_cap - t.output_reserved);
        t.output_reserved += step;
        t.amount.kv += step;
        let group = t.group;
        self.line_mut(group).held.kv += step;
        let is_full = self.held().kv > self.limits.capacity.kv_tokens;
        let members_wait = self.line(Group::Members).queue.waiting() > 0;
        if group == Group::Members {
            self.make_room(out);
        } else if (is_full || members_wait) && self.limits.shares.revocation == Revocation::Streams {
            self.revoke(slot, out);
        }
    }
}

/// Whether `amount` more stays within `bound` in each dimension; what holds nothing of a dimension may take one request's worth.
const fn within(held: Amount, amount: Amount, bound: Amount) -> bool {
    let sequences = held.sequences == 0 || held.sequences + amount.sequences <= bound.sequences;
    let kv = held.kv == 0 || held.kv.saturating_add(amount.kv) <= bound.kv;
    let prefill = held.prefill == 0 || held.prefill.saturating_add(amount.prefill) <= bound.prefill;
    sequences && kv && prefill
}
