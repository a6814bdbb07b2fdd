//! Strangers' long answers. In an incident the strangers' part is small, and an answer of ten thousand tokens holds a place of it for minutes:
//! whoever comes later would get nothing, however fair the order. So an answer has a slice of that part, many times what members usually
//! get; past it, it ends politely for who waits with a better claim: a cohort that has nothing running where this one has several, and
//! after some slices any that has less.
//!
//! What must stay true: nobody yields to its own account, to who has as much running, or while another is still leaving; in `calm` nobody yields.

use rempart_domain::Posture;

use crate::fair::View;
use crate::machine::Machine;
use crate::share::Revocation;
use crate::types::Group;

/// After so many slices a stream yields to whoever has less than its cohort, or in the same cohort less than its account.
const SLICES_MAX: u64 = 4;

impl Machine {
    /// Whether this running answer has had its slice and ends for who is next.
    pub(crate) fn yields(&self, slot: u32) -> bool {
        let Some(t) = self.tickets.get(slot).filter(|t| !t.is_revoked && !t.group.is_members()) else { return false };
        let Some(slice) = self.slice().filter(|slice| t.output > *slice) else { return false };
        if self.line(Group::Members).queue.waiting() > 0 || self.strangers_held() != self.strangers_staying() {
            return false;
        }
        let mut before = [Group::Newcomers, Group::Visitors].into_iter().filter(|group| *group <= t.group);
        let head = before.find_map(|group| self.line(group).queue.head());
        let Some(next) = head.and_then(|slot| self.tickets.get(slot)) else { return false };
        if next.group < t.group {
            return true;
        }
        let queue = &self.line(t.group).queue;
        let is_kin = next.cohort == t.cohort;
        let (own, theirs) = if is_kin {
            (queue.running_of_account(t.account), queue.running_of_account(next.account))
        } else {
            (queue.running_of_cohort(t.cohort), queue.running_of_cohort(next.cohort))
        };
        (!is_kin && own > theirs + 1) || (own > theirs && t.output > slice.saturating_mul(SLICES_MAX))
    }

    /// Whether somebody with nothing running need not wait for the measured pace: an answer past its slice is about to end for them.
    pub(crate) fn is_next_slice(&self, group: Group, view: View) -> bool {
        let Some(slice) = self.slice().filter(|_| view.cohort_waiting == 0 && view.cohort_running == 0) else {
            return false;
        };
        let groups = [Group::Newcomers, Group::Visitors].into_iter().filter(|other| *other >= group);
        let mut oldest = groups.filter_map(|group| self.tickets.get(self.line(group).streaming.first()?));
        !group.is_members() && oldest.any(|t| t.output > slice)
    }

    /// Tokens of a slice; `None` where nobody yields.
    fn slice(&self) -> Option<u64> {
        let may_end = self.posture > Posture::Calm && self.limits.shares.revocation == Revocation::Streams;
        if may_end { self.usual.long_output(self.limits.heavy_times) } else { None }
    }
}
