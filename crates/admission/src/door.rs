//! Who may stand in the queue: every bound, what cannot start in time, and who makes room for whom.
//!
//! What must stay true: a refusal changes nothing but the jitter; a member is turned away for want of a place only when no stranger
//! has one.

use rempart_domain::{Millis, Posture};

use crate::fair::View;
use crate::machine::Machine;
use crate::types::{Cause, Decision, Group, Offer, Refusal, Verdict};

impl Machine {
    pub(crate) fn admissible(&self, offer: &Offer) -> Result<Group, Cause> {
        let group = self.line_of(Group::of(offer.band).ok_or(Cause::Suspended)?, offer);
        if self.tickets.find(offer.ticket).is_some() {
            return Err(Cause::TicketInUse);
        }
        let share = self.limits.shares.of(self.posture);
        let is_closed = match group {
            Group::Members | Group::Heavy => false,
            Group::Newcomers => share.strangers_percent == 0,
            Group::Visitors => share.strangers_percent == 0 || share.visitors_percent == 0,
        };
        if is_closed {
            return Err(Cause::BandClosed);
        }
        if !group.is_members() && u64::from(offer.input.0) > self.prompt_max() {
            return Err(Cause::PromptTooLong);
        }
        Ok(group)
    }

    /// The longest prompt of a stranger. Where prompts are read whole, one that is long holds up everybody behind it: in `guarded` it may
    /// take the whole of a moment, in `siege` a third.
    fn prompt_max(&self) -> u64 {
        let burst = self.burst.min(self.limits.capacity.prefill_tokens);
        match self.posture {
            _ if !self.limits.prompts_are_whole => u64::MAX,
            Posture::Calm => u64::MAX,
            Posture::Guarded => burst,
            Posture::Siege | Posture::Fortress => burst / 3,
        }
    }

    /// Every bound of the queue, cheapest first; makes room at the cost of who has the least claim.
    pub(crate) fn may_wait(
        &mut self,
        now: Millis,
        group: Group,
        offer: &Offer,
        view: View,
        out: &mut Vec<Decision>,
    ) -> Result<(), Cause> {
        let is_member = group.is_members();
        if view.waiting >= self.limits.queue_len_per_account {
            return Err(Cause::AccountQueueFull);
        }
        if !is_member && view.cohort_waiting >= self.limits.queue_len_per_cohort {
            return Err(Cause::CohortQueueFull);
        }
        let is_late = self.is_too_late(now, group, offer.deadline, view.turns) && !self.is_next_slice(group, view);
        if offer.deadline <= now || is_late {
            return Err(Cause::TooLate);
        }
        let total: u32 = self.lines.iter().map(|line| line.queue.waiting()).sum();
        if total >= self.limits.queue_len_total {
            return if self.shed_below(now, group, out) || self.shed_longer(now, group, view.cohort_waiting, out) {
                Ok(())
            } else {
                Err(Cause::QueueFull)
            };
        }
        if !is_member
            && self.line(group).queue.waiting() >= self.limits.queue_len_per_group
            && !self.shed_longer(now, group, view.cohort_waiting, out)
        {
            return Err(Cause::GroupQueueFull);
        }
        Ok(())
    }

    /// By the measured pace. Members get the benefit of the doubt, and of what strangers hold beyond their share.
    fn is_too_late(&mut self, now: Millis, group: Group, deadline: Millis, turns: u64) -> bool {
        let is_member = group.is_members();
        let is_waiting = self.line(group).queue.waiting() > 0;
        let line = self.line_mut(group);
        line.pace.pass(now, is_waiting);
        if !is_waiting {
            return false;
        }
        let left = deadline.since(now).0.saturating_mul(if is_member { 2 } else { 1 });
        let is_late = line.pace.time_for(turns).is_some_and(|eta| eta.0 > left);
        is_late && !(is_member && self.strangers_hold_too_much())
    }

    /// The lowest group's newest waiter goes, for somebody of an earlier group.
    fn shed_below(&mut self, now: Millis, group: Group, out: &mut Vec<Decision>) -> bool {
        for below in [Group::Visitors, Group::Newcomers] {
            if below > group
                && let Some((slot, _)) = self.line(below).queue.newest_of_longest()
            {
                self.evict_waiter(now, slot, Cause::Shed, out);
                return true;
            }
        }
        false
    }

    /// In a full queue a place goes from the cohort with the most waiters to one with clearly fewer: look-alikes hold it as one.
    fn shed_longer(&mut self, now: Millis, group: Group, cohort_waiting: u32, out: &mut Vec<Decision>) -> bool {
        match self.line(group).queue.newest_of_longest() {
            Some((slot, longest)) if longest > cohort_waiting + 1 => {
                self.evict_waiter(now, slot, Cause::Shed, out);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn evict_waiter(&mut self, now: Millis, slot: u32, cause: Cause, out: &mut Vec<Decision>) {
        let Some((ticket, group)) = self.tickets.get(slot).map(|t| (t.id, t.group)) else {
            self.due.remove(&mut self.tickets.by_deadline(), 0);
            return;
        };
        self.dequeue(now, slot);
        self.tickets.remove(slot);
        let verdict = self.refuse(now, Some(group), cause);
        out.push(Decision { ticket, verdict });
    }

    pub(crate) fn refuse(&mut self, now: Millis, group: Option<Group>, cause: Cause) -> Verdict {
        let most = self.limits.retry_after_max;
        let wait = match (cause, group) {
            (Cause::AccountInFlight | Cause::AccountQueueFull | Cause::TicketInUse, _) | (_, None) => Millis(1_000),
            (Cause::BandClosed | Cause::PromptTooLong | Cause::Suspended, _) => most,
            (_, Some(group)) => {
                let line = self.line_mut(group);
                let waiting = line.queue.waiting();
                line.pace.pass(now, waiting > 0);
                line.pace.time_for(u64::from(waiting) + 1).unwrap_or(Millis(2_000))
            }
        };
        let retry_after = self.jitter.spread(wait, most);
        Verdict::Refuse(Refusal { reason: cause.reason(), cause, retry_after })
    }
}
