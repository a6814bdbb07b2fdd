//! Which look-alikes a stranger weighs with: of what it has in common with others, that which most strangers have in common now.
//!
//! Ten thousand accounts made in a minute weigh as one, whatever address each asks from; so do a thousand that ask from one network. An
//! attacker can give up one of the things its accounts have in common, hardly all of them, and whatever is left groups them. A
//! newcomer who has nothing in common with a crowd weighs for itself.
//!
//! For each attribute (a number made of its kind and value) the accounts seen with it lately are counted, roughly: 64 bits, one for each
//! hashed account. What must stay true: the table has one size, and what collides in it is forgotten, so that nobody can fill it.

use rempart_domain::Millis;
use rempart_domain::sabotage::{Sabotage, breaks};

use crate::table::mix;
use crate::types::{AccountKey, CohortId};

/// Attributes remembered.
const SLOTS: usize = 16_384;

/// Slots looked at for one attribute.
const PROBES: usize = 4;

/// Accounts seen within one to two of these times count.
const WINDOW_MS: u64 = 300_000;

/// So many accounts are a crowd.
const CROWD_MIN: u32 = 4;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    attribute: u64,
    /// Hashed accounts of this window and of the one before.
    now: u64,
    before: u64,
    window: u64,
}

/// The table.
#[derive(Debug)]
pub struct Cohorts {
    slots: Vec<Slot>,
    seed: u64,
}

impl Cohorts {
    /// `seed` hides what collides with what.
    pub fn new(seed: u64) -> Self {
        Self { slots: vec![Slot::default(); SLOTS], seed }
    }

    /// The cohort of a stranger: that of its commonest attribute (of equals the first), or its own.
    pub fn choose(&mut self, now: Millis, account: AccountKey, attributes: &[u64]) -> CohortId {
        if breaks(Sabotage::Cohorts) {
            return account.own_cohort();
        }
        let bit = 1_u64 << (mix(account.0 ^ self.seed) & 63);
        let mut best = (CROWD_MIN - 1, account.own_cohort());
        for attribute in attributes.iter().copied().filter(|attribute| *attribute != 0) {
            let seen = self.count(now, attribute, bit);
            if seen > best.0 {
                best = (seen, CohortId(attribute | 1 << 63));
            }
        }
        best.1
    }

    /// Notes an account; how many there are of that attribute, up to 64.
    fn count(&mut self, now: Millis, attribute: u64, bit: u64) -> u32 {
        let window = now.0 / WINDOW_MS + 1;
        let home = usize::try_from(mix(attribute ^ self.seed)).unwrap_or(0) % SLOTS;
        let places = (0..PROBES).map(|probe| (home + probe) % SLOTS);
        // Its own place, else an empty or the stalest one.
        let own = places.clone().find(|at| self.slots.get(*at).is_some_and(|slot| slot.attribute == attribute));
        let stalest = || places.min_by_key(|at| self.slots.get(*at).map_or(u64::MAX, |slot| slot.window));
        let Some(slot) = own.or_else(stalest).and_then(|at| self.slots.get_mut(at)) else { return 1 };
        if slot.attribute != attribute {
            *slot = Slot { attribute, window, ..Slot::default() };
        } else if slot.window != window {
            slot.before = if slot.window + 1 == window { slot.now } else { 0 };
            slot.now = 0;
            slot.window = window;
        }
        slot.now |= bit;
        (slot.now | slot.before).count_ones()
    }
}

/// An attribute: a kind and a value folded into one number, never 0.
pub const fn attribute(kind: u8, value: u64) -> u64 {
    mix(value ^ (kind as u64) << 56) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000);

    fn choose(cohorts: &mut Cohorts, account: u64, minute: u64, network: u64) -> CohortId {
        let attributes = [attribute(1, minute), attribute(2, network)];
        cohorts.choose(NOW, AccountKey(account), &attributes)
    }

    #[test]
    fn who_has_nothing_in_common_with_a_crowd_weighs_for_itself() {
        let mut cohorts = Cohorts::new(7);
        for account in 1..=3 {
            assert_eq!(
                choose(&mut cohorts, account, 10, account),
                AccountKey(account).own_cohort(),
                "three are no crowd"
            );
        }
        assert_eq!(choose(&mut cohorts, 99, 11, 99), AccountKey(99).own_cohort());
    }

    #[test]
    fn accounts_of_a_minute_weigh_as_one_from_however_many_networks() {
        let mut cohorts = Cohorts::new(7);
        let chosen: Vec<CohortId> = (1..=4_000).map(|account| choose(&mut cohorts, account, 10, account)).collect();
        let crowd = chosen.last().copied();
        assert!(chosen.iter().skip(40).all(|cohort| Some(*cohort) == crowd));
    }

    #[test]
    fn accounts_of_a_network_weigh_as_one_whenever_they_were_made() {
        let mut cohorts = Cohorts::new(7);
        let chosen: Vec<CohortId> = (1..=400).map(|account| choose(&mut cohorts, account, account, 5)).collect();
        let crowd = chosen.last().copied();
        assert!(chosen.iter().skip(40).all(|cohort| Some(*cohort) == crowd));
    }

    #[test]
    fn a_crowd_that_is_gone_groups_nobody() {
        let mut cohorts = Cohorts::new(7);
        for account in 1..=100 {
            choose(&mut cohorts, account, 10, 5);
        }
        let later = Millis(NOW.0 + 3 * WINDOW_MS);
        let alone = cohorts.choose(later, AccountKey(1), &[attribute(1, 10), attribute(2, 5)]);
        assert_eq!(alone, AccountKey(1).own_cohort());
    }

    #[test]
    fn a_flood_of_attributes_does_not_grow_the_table() {
        let mut cohorts = Cohorts::new(7);
        for account in 1..=100_000 {
            choose(&mut cohorts, account, account, account);
        }
        assert_eq!(cohorts.slots.len(), SLOTS);
    }
}
