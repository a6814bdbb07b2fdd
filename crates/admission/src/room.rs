//! What fits, and how room is made for members: the reserve.
//!
//! Strangers hold at most their share of each dimension, and in `calm` a part of the members' idle reserve on loan. A stranger who
//! holds nothing in a dimension may take one request's worth beyond it (a small engine would never serve them otherwise): on loan
//! too. Loans go back when a member waits: visitors' first, the youngest first, those without a byte sent before the others.
//!
//! What must stay true: while a member waits for a dimension, strangers hold no more than their share of it that is not already
//! leaving.

use rempart_domain::{Millis, Posture};

use crate::machine::{Machine, pick};
use crate::share::{Amount, Revocation};
use crate::ticket::Stage;
use crate::types::{Capacity, Decision, Group, Verdict};

impl Machine {
    /// Whether `amount` may start now for `group`, if it is its turn.
    pub(crate) fn fits(&self, now: Millis, group: Group, amount: Amount, is_heavy: bool) -> bool {
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
            Group::Heavy => self.heavy_fits(now, amount),
            Group::Newcomers => self.strangers_fit(now, amount, lent, is_heavy),
            Group::Visitors => {
                let own = self.limits.shares.part(of_strangers, share.visitors_percent).plus(lent);
                self.strangers_fit(now, amount, lent, is_heavy) && within(self.line(Group::Visitors).held, amount, own)
            }
        }
    }

    /// What is heavy holds what it takes for long: while members have to wait and strangers crowd (more wait than their share would hold),
    /// it has half of that share and nothing on loan.
    ///
    /// Where members' heavy requests wait for the same part, strangers have no more than half of it.
    fn strangers_fit(&self, now: Millis, amount: Amount, lent: Amount, is_heavy: bool) -> bool {
        let share = self.strangers_share();
        let waiting = self.line(Group::Newcomers).queue.waiting() + self.line(Group::Visitors).queue.waiting();
        let is_half = (is_heavy && self.is_crowd(now, waiting, share)) || self.heavy_is_crowd(now);
        let bound = if is_half { share.percent(50) } else { share.plus(lent) };
        let strangers = self.strangers_held();
        within(strangers.plus(self.heavy_beyond()), amount, bound)
            && (!self.is_contested(now) || within(strangers, amount, share.percent(50)))
    }

    /// A member's heavy request, in an incident or while others wait: as much as members usually have of it, and beyond that what
    /// strangers may have.
    fn heavy_fits(&self, now: Millis, amount: Amount) -> bool {
        if self.heavy_yields(now) {
            return self.heavy_held.plus(amount).fits(self.usual.allowance());
        }
        !self.heavy_is_bounded(now)
            || within(self.heavy_held.plus(self.strangers_held()), amount, self.heavy_bound(now))
    }

    pub(crate) fn heavy_is_bounded(&self, now: Millis) -> bool {
        self.posture > Posture::Calm || now < self.pressed_until
    }

    /// What heavy requests of members and everything of strangers may hold together: what a calm day leaves to strangers, as a higher
    /// posture takes from them and not from members. A crowd has half of it.
    fn heavy_bound(&self, now: Millis) -> Amount {
        let share = self.calm_share();
        self.usual.allowance().plus(if self.heavy_is_crowd(now) { share.percent(50) } else { share })
    }

    pub(crate) fn calm_share(&self) -> Amount {
        let shares = &self.limits.shares;
        shares.part(self.strangers_capacity(), shares.of(Posture::Calm).strangers_percent)
    }

    fn heavy_is_crowd(&self, now: Millis) -> bool {
        self.is_crowd(now, self.line(Group::Heavy).queue.waiting(), self.calm_share())
    }

    /// Members have to wait, and more are waiting than the share would hold.
    fn is_crowd(&self, now: Millis, waiting: u32, share: Amount) -> bool {
        now < self.pressed_until && u64::from(waiting) > share.sequences
    }

    /// Revokes strangers' running for members' heavy requests: what is on loan as for any member, and where those are bounded, of the
    /// strangers' own share up to half; one of them stays, as it had its turn.
    pub(crate) fn make_room_for_heavy(&mut self, now: Millis, out: &mut Vec<Decision>) {
        if self.is_contested(now) && self.strangers_staying().sequences <= 1 {
            return;
        }
        let (wanted, share) = (self.line(Group::Heavy).wanted, self.strangers_share());
        self.revoke_while(self.members_held().plus(wanted), Amount::of(self.limits.capacity), share, out);
        if self.heavy_is_bounded(now) {
            // Prompts are soon read: nobody is cut off for them.
            let bound = Amount { prefill: u64::MAX, ..self.heavy_bound(now) };
            self.revoke_while(self.heavy_held.plus(wanted), bound, share.percent(50), out);
        }
    }

    pub(crate) fn strangers_have_less_than_half(&self) -> bool {
        let one = Amount { sequences: 1, kv: 0, prefill: 0 };
        within(self.strangers_held(), one, self.strangers_share().percent(50))
    }

    /// What members' heavy requests hold of the strangers' share.
    fn heavy_beyond(&self) -> Amount {
        match self.posture {
            Posture::Calm => Amount::default(),
            _ => self.heavy_held.minus(self.usual.allowance()),
        }
    }

    /// What all groups hold.
    pub(crate) fn held(&self) -> Amount {
        self.members_held().plus(self.strangers_held())
    }

    fn members_held(&self) -> Amount {
        self.line(Group::Members).held.plus(self.line(Group::Heavy).held)
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
        let needed = self.members_held().plus(self.line(Group::Members).wanted);
        self.revoke_while(needed, Amount::of(self.limits.capacity), self.strangers_share(), out);
    }

    /// Revokes strangers' running while `needed` and theirs are more than `most` of something of which they hold more than `floor`.
    fn revoke_while(&mut self, needed: Amount, most: Amount, floor: Amount, out: &mut Vec<Decision>) {
        loop {
            let staying = self.strangers_staying();
            let all = needed.plus(staying);
            let is_short = |all: u64, most: u64, held: u64, floor: u64| all > most && held > floor;
            let must_revoke = is_short(all.sequences, most.sequences, staying.sequences, floor.sequences)
                || is_short(all.kv, most.kv, staying.kv, floor.kv)
                || is_short(all.prefill, most.prefill, staying.prefill, floor.prefill);
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

    pub(crate) fn revoke(&mut self, slot: u32, out: &mut Vec<Decision>) -> bool {
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
        let (group, is_revoked, prefill, is_heavy) = (t.group, t.is_revoked, t.amount.prefill, t.is_heavy);
        if is_heavy && group.is_members() {
            self.heavy_held.prefill = self.heavy_held.prefill.saturating_sub(prefill);
        }
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
        let (group, is_heavy) = (t.group, t.is_heavy);
        if is_heavy && group.is_members() {
            self.heavy_held.kv += step;
        }
        self.line_mut(group).held.kv += step;
        let is_full = self.held().kv > self.limits.capacity.kv_tokens;
        let members_wait = self.line(Group::Members).queue.waiting() > 0;
        if group.is_members() {
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
