//! How standing is earned and lost while the platform runs: days of good use, promotion by rule, demotion by conduct.
//!
//! What must stay true: none of it is waited for by a request; nothing done in an incident buys standing (its days are not counted, and
//! a rise that was on its way counts only when the incident is over); a demotion ends by itself and is in the journal.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rempart_defense::{Act, Conduct, ConductRules};
use rempart_domain::sabotage::{Sabotage, breaks};
use rempart_domain::{AccountId, Day, Standing, UnixMillis, UnixSeconds};
use rempart_identity::ChangedBy;
use rempart_store::GoodDay;

use crate::Gateway;

/// Accounts whose day is counted in one write.
const BATCH_LEN: usize = 256;

/// `[standing]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingRules {
    /// A newcomer becomes a member this many days after registration at the earliest.
    pub member_after_days: u32,
    /// And with this many days of good use.
    pub member_after_good_days: u32,
    /// A member becomes trusted after this many days.
    pub trusted_after_days: u32,
}

impl Default for StandingRules {
    fn default() -> Self {
        Self { member_after_days: 7, member_after_good_days: 3, trusted_after_days: 90 }
    }
}

impl StandingRules {
    /// The standing that is due, if it is higher than the one there is.
    pub fn due(&self, standing: Standing, created: UnixMillis, good_days: u16, now: UnixSeconds) -> Option<Standing> {
        let age_days = now.0.saturating_sub(created.seconds().0).max(0) / 86_400;
        let is_used = u32::from(good_days) >= self.member_after_good_days;
        let is_older_than = |days: u32| age_days >= i64::from(days);
        match standing {
            Standing::Newcomer if is_used && is_older_than(self.member_after_days) => Some(Standing::Member),
            Standing::Member if is_used && is_older_than(self.trusted_after_days) => Some(Standing::Trusted),
            _ => None,
        }
    }
}

/// What is kept of the day and of members' conduct.
#[derive(Debug)]
pub(crate) struct Standings {
    rules: StandingRules,
    counted: Mutex<Counted>,
    conduct: Mutex<Conduct>,
    conduct_rules: ConductRules,
}

/// Whose day was counted already. The store counts each day once, whatever this forgets.
#[derive(Debug, Default)]
struct Counted {
    day: Day,
    accounts: HashSet<AccountId>,
}

impl Standings {
    pub(crate) fn new(rules: StandingRules, demoted_percent: u64) -> Self {
        let budget_percent = u32::try_from(demoted_percent.min(100)).unwrap_or(100);
        let conduct_rules = ConductRules { budget_percent, ..ConductRules::default() };
        Self { rules, counted: Mutex::default(), conduct: Mutex::new(Conduct::new(conduct_rules)), conduct_rules }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn conduct(&self) -> MutexGuard<'_, Conduct> {
        self.conduct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes those whose day is not counted yet, marking them.
    fn take_uncounted(&self, day: Day, used: impl Iterator<Item = AccountId>) -> Vec<AccountId> {
        let mut counted = self.counted();
        if counted.day != day || counted.accounts.len() >= self.conduct_rules.accounts {
            *counted = Counted { day, accounts: HashSet::new() };
        }
        let mut taken = Vec::new();
        for account in used {
            if taken.len() >= BATCH_LEN {
                break;
            }
            if counted.accounts.insert(account) {
                taken.push(account);
            }
        }
        taken
    }

    fn put_back(&self, accounts: &[AccountId]) {
        let mut counted = self.counted();
        for account in accounts {
            counted.accounts.remove(account);
        }
    }
}

impl Gateway {
    /// A member did something that its conduct is judged by.
    pub(crate) fn note_conduct(&self, account: AccountId, act: Act) {
        let now = self.clock.now();
        self.standings.conduct().observe(now, account.bits(), act);
    }

    /// Once a second: members gone bad fall a band for a time.
    pub(crate) fn judge_conduct(&self, is_pressed: bool) {
        let now = self.clock.now();
        let fallen = self.standings.conduct().tick(now, is_pressed);
        let wall = self.clock.seconds();
        for demotion in fallen {
            let account = AccountId::from_bits(demotion.account);
            let lasts_s = i64::try_from(demotion.lasts.0 / 1_000).unwrap_or(i64::MAX);
            if self.revocations.demote(account, UnixSeconds(wall.0.saturating_add(lasts_s))).is_ok() {
                self.counters.demotions.increment(1);
                self.journal.note(wall, format!("{account} falls a band for {lasts_s} s: {}", demotion.why));
                tracing::info!(account.id = %account, lasts_s, why = demotion.why, "a member falls a band");
            }
        }
    }

    /// Every few seconds: a day of good use for whoever was served today, and the standing that is due for it.
    pub async fn count_good_days(&self) {
        if self.posture.state().is_incident() && !breaks(Sabotage::Freeze) {
            return;
        }
        let day = self.clock.date().day();
        let used = self.metering.accounts_unwritten();
        let used = used.into_iter().filter(|account| !self.revocations.is_demoted(*account));
        let accounts = self.standings.take_uncounted(day, used);
        if accounts.is_empty() {
            return;
        }
        match self.store.record_good_days(accounts.clone(), day).await {
            Ok(counted) => {
                for good in counted {
                    self.promote_if_due(good).await;
                }
            }
            Err(error) => {
                tracing::debug!(error = %error, "days of good use are counted later");
                self.standings.put_back(&accounts);
            }
        }
    }

    async fn promote_if_due(&self, good: GoodDay) {
        let now = self.clock.seconds();
        let Some(to) = self.standings.rules.due(good.standing, good.created, good.good_days, now) else { return };
        let by = ChangedBy::Rules { at: now, before: good.standing };
        match self.store.promote(good.account, good.standing, to, now).await {
            Ok(true) => {
                if self.revocations.set_standing(good.account, to, by).is_err() {
                    tracing::warn!("the table of accounts is full: a promotion counts after the next start");
                }
                self.journal.note(now, format!("{} is {to} now, after {} good days", good.account, good.good_days));
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(error = %error, "a promotion waits for the next good day"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(standing: Standing, age_days: i64, good_days: u16) -> Option<Standing> {
        let now = UnixSeconds(1_000 * 86_400);
        let created = UnixMillis((now.0 - age_days * 86_400) * 1_000);
        StandingRules::default().due(standing, created, good_days, now)
    }

    #[test]
    fn standing_is_earned_by_age_and_by_days_of_use_together() {
        assert_eq!(due(Standing::Newcomer, 7, 3), Some(Standing::Member));
        assert_eq!(due(Standing::Newcomer, 6, 7), None, "too young");
        assert_eq!(due(Standing::Newcomer, 900, 2), None, "an account that sleeps earns nothing");
        assert_eq!(due(Standing::Newcomer, 900, 3), Some(Standing::Member), "one step at a time");
        assert_eq!(due(Standing::Member, 90, 3), Some(Standing::Trusted));
        assert_eq!(due(Standing::Member, 89, 80), None);
        for standing in [Standing::Suspended, Standing::Visitor, Standing::Trusted] {
            assert_eq!(due(standing, 900, 900), None);
        }
    }
}
