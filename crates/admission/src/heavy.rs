//! The members' second line, for what is many times as much as members usually ask. It is served after the first: on a calm day with
//! whatever is free, in an incident within bounds (`room`).
//!
//! Beyond what usually runs of it, it contests with strangers the part that is theirs: there the two take turns, or a few members gone bad
//! would keep every newcomer out.
//!
//! What must stay true: while an incident is open no usual request of a member waits behind a heavy one; what runs is left alone.

use rempart_domain::{Millis, Posture};

use crate::fair::View;
use crate::machine::Machine;
use crate::share::Amount;
use crate::types::{Group, Offer};

/// On a calm day a heavy request waits behind usual ones no longer than this.
const HEAVY_WAIT: Millis = Millis(5_000);

impl Machine {
    /// Whether a member asks many times what members usually ask, as far as the request tells.
    pub(crate) fn is_heavy(&self, offer: &Offer) -> bool {
        let output = u64::from(offer.output_cap.min(offer.output_expected).0);
        self.usual.is_heavy(u64::from(offer.input.0), output, self.limits.heavy_times)
    }

    /// The line of an offer: heavy ones of members have one of their own.
    pub(crate) fn line_of(&self, group: Group, offer: &Offer) -> Group {
        let is_apart = group == Group::Members && self.is_heavy(offer);
        if is_apart { Group::Heavy } else { group }
    }

    /// Running and waiting of the account, in either line of the members.
    pub(crate) fn in_flight_of(&self, group: Group, offer: &Offer, view: View) -> u32 {
        let other = match group {
            Group::Members => Group::Heavy,
            Group::Heavy => Group::Members,
            Group::Newcomers | Group::Visitors => return view.waiting + view.running,
        };
        let other = self.line(other).queue.view(offer.account.0, offer.cohort.0);
        view.waiting + view.running + other.waiting + other.running
    }

    /// What a running request holds has changed.
    pub(crate) fn note_heavy(&mut self, now: Millis, is_heavy: bool, before: Amount, after: Amount) {
        if !is_heavy {
            return;
        }
        if self.posture == Posture::Calm {
            self.usual.learn_running(now, self.heavy_held);
        }
        self.heavy_held = self.heavy_held.minus(before).plus(after);
    }

    /// Outside of incidents nobody waits for ever: a heavy request that is next in its line and has waited long goes before the usual ones,
    /// if it fits.
    pub(crate) fn heavy_is_due(&self, now: Millis) -> bool {
        let head = self.line(Group::Heavy).queue.head().and_then(|slot| self.tickets.get(slot));
        self.posture == Posture::Calm && head.is_some_and(|t| now.since(t.since) >= HEAVY_WAIT)
    }

    /// More heavy requests wait than would fit, where they are bounded: what they and strangers hold beyond the members' reserve is taken in
    /// turns. A few that wait are honest members with long questions, and go first.
    pub(crate) fn is_contested(&self, now: Millis) -> bool {
        u64::from(self.line(Group::Heavy).queue.waiting()) > self.calm_share().sequences && self.heavy_is_bounded(now)
    }

    /// The next in the contested part is a stranger: one waits, and they have less than their half.
    pub(crate) fn heavy_yields(&self, now: Millis) -> bool {
        let are_waiting = [Group::Newcomers, Group::Visitors].into_iter().any(|g| self.line(g).queue.waiting() > 0);
        self.is_strangers_turn && are_waiting && self.is_contested(now) && self.strangers_have_less_than_half()
    }

    /// Somebody of `group` started.
    pub(crate) fn note_turn(&mut self, group: Group) {
        match group {
            Group::Members => {}
            Group::Heavy => self.is_strangers_turn = !self.heavy_held.fits(self.usual.allowance()),
            Group::Newcomers | Group::Visitors => self.is_strangers_turn = false,
        }
    }
}
