//! The queue of one group: cohort → account → first come, by least attained weighted service.
//!
//! Virtual token counters (VTC, OSDI'24) on two levels. Whoever joins the line after being away is lifted to the least of those who
//! wait: idling earns no credit. Service fades with a half-life of 60 s; instead of fading every counter, new service is written
//! ever larger (forward decay), so the order is the same and nothing has to be touched.
//!
//! What must stay true: a cohort is charged for all its accounts, so ten thousand look-alikes take turns as one; every operation is
//! O(log n); counters of who waits or runs are never forgotten.

use rempart_domain::Millis;

use crate::front::{Front, Level, Place, step_of};
use crate::heap::{Heap, NOWHERE, Places};
use crate::list::List;
use crate::pace::to_f64;
use crate::table::{Row, Table};
use crate::ticket::Tickets;

/// Service counts half after this long.
const HALF_LIFE_MS: f64 = 60_000.0;

/// Counters are divided by 2 to this power when the scale has grown as much; what fades that far is nothing.
const RESCALE_BITS: f64 = 256.0;

#[derive(Debug, Default)]
struct Account {
    id: u64,
    /// What decides: attained, or lifted to.
    service: f64,
    /// What it was charged, without lifts.
    attained: f64,
    /// The cohort its waiters stand with; one at a time, whatever else it claims to belong to.
    cohort: u32,
    /// Place in that cohort's heap.
    heap_at: u32,
    /// Where it was lifted to in its cohort, until it is served.
    place: Option<Place>,
    line: List,
    waiting: u32,
    running: u32,
    used: Millis,
}

#[derive(Debug, Default)]
struct Cohort {
    id: u64,
    /// What decides: attained, or lifted to.
    service: f64,
    /// What it was charged, without lifts.
    attained: f64,
    /// Place in the heap of who is next.
    turn_at: u32,
    /// Place in the heap of the longest lines.
    length_at: u32,
    /// Where it was lifted to, until it is served.
    place: Option<Place>,
    /// Accounts with waiters.
    accounts: Heap,
    /// Its accounts that were lifted.
    front: Front,
    /// Waiters of all accounts, oldest first.
    line: List,
    waiting: u32,
    running: u32,
    used: Millis,
}

macro_rules! row {
    ($name:ident, $row:ident => $reset:block) => {
        impl Row for $name {
            fn key(&self) -> u64 {
                self.id
            }
            fn reset(&mut self, key: u64) {
                let $row = self;
                $row.id = key;
                $row.service = 0.0;
                $row.attained = 0.0;
                $row.used = Millis(0);
                $reset
            }
            fn is_idle(&self) -> bool {
                self.waiting == 0 && self.running == 0
            }
            fn used(&self) -> Millis {
                self.used
            }
        }
    };
}
row!(Account, row => {
    row.heap_at = NOWHERE;
    row.cohort = NOWHERE;
    row.place = None;
});
row!(Cohort, row => {
    row.turn_at = NOWHERE;
    row.length_at = NOWHERE;
    row.place = None;
    row.front = Front::default();
});

struct Turn<'a>(&'a mut Table<Cohort>);
impl Places for Turn<'_> {
    fn place(&mut self, item: u32, at: u32) {
        if let Some(cohort) = self.0.get_mut(item) {
            cohort.turn_at = at;
        }
    }
}

struct Length<'a>(&'a mut Table<Cohort>);
impl Places for Length<'_> {
    fn place(&mut self, item: u32, at: u32) {
        if let Some(cohort) = self.0.get_mut(item) {
            cohort.length_at = at;
        }
    }
}

struct InCohort<'a>(&'a mut Table<Account>);
impl Places for InCohort<'_> {
    fn place(&mut self, item: u32, at: u32) {
        if let Some(account) = self.0.get_mut(item) {
            account.heap_at = at;
        }
    }
}

/// How an account and its cohort stand in the line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct View {
    /// Of the account.
    pub(crate) waiting: u32,
    /// Of the account.
    pub(crate) running: u32,
    /// Of the cohort.
    pub(crate) cohort_waiting: u32,
    /// Of the cohort.
    pub(crate) cohort_running: u32,
    /// Turns until one more of this account would start, itself included: cohorts take turns, in each its accounts.
    pub(crate) turns: u64,
}

/// One group's line.
#[derive(Debug)]
pub(crate) struct FairQueue {
    accounts: Table<Account>,
    cohorts: Table<Cohort>,
    /// Cohorts with waiters, least service first.
    turns: Heap,
    /// Cohorts with waiters, most waiters first.
    lengths: Heap,
    waiting: u32,
    /// Breaks ties: first come.
    sequence: u64,
    /// The scale is 1 here.
    landmark: Millis,
    /// Scale and the time it was computed for: an exponential a millisecond is enough.
    scale: (Millis, f64),
    /// Service of the last cohort that left the line empty.
    floor: f64,
    /// Cohorts that were lifted.
    front: Front,
    /// What a request is charged, on average, in tokens.
    charge_mean: f64,
}

impl FairQueue {
    pub(crate) fn new(remembered: usize, in_use_max: usize, seed: u64) -> Self {
        Self {
            accounts: Table::new(remembered, in_use_max, seed),
            cohorts: Table::new(remembered, in_use_max, seed ^ 1),
            turns: Heap::default(),
            lengths: Heap::default(),
            waiting: 0,
            sequence: 0,
            landmark: Millis(0),
            scale: (Millis(0), 1.0),
            floor: 0.0,
            front: Front::default(),
            charge_mean: 500.0,
        }
    }

    pub(crate) const fn waiting(&self) -> u32 {
        self.waiting
    }

    pub(crate) fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// How they stand, without making rows for who was never seen.
    pub(crate) fn view(&self, account: u64, cohort: u64) -> View {
        let account = self.accounts.find(account).and_then(|slot| self.accounts.get(slot));
        let stays = account.filter(|a| a.waiting > 0).map(|a| a.cohort);
        let cohort = stays.or_else(|| self.cohorts.find(cohort)).and_then(|slot| self.cohorts.get(slot));
        let (waiting, running) = account.map_or((0, 0), |a| (a.waiting, a.running));
        let (cohort_waiting, cohort_running) = cohort.map_or((0, 0), |c| (c.waiting, c.running));
        let turns = self.turns_until(account, cohort, u64::from(waiting)).min(u64::from(self.waiting) + 1);
        View { waiting, running, cohort_waiting, cohort_running, turns }
    }

    /// Turns until this waiter starts, itself included.
    pub(crate) fn turns_of(&self, account: u32, ahead_in_account: u64) -> u64 {
        let account = self.accounts.get(account);
        let cohort = account.and_then(|a| self.cohorts.get(a.cohort));
        self.turns_until(account, cohort, ahead_in_account).min(u64::from(self.waiting))
    }

    /// Cohorts take turns, in each its accounts.
    fn turns_until(&self, account: Option<&Account>, cohort: Option<&Cohort>, ahead_in_account: u64) -> u64 {
        let charge = self.charge_mean * self.scale.1;
        let least = |heap: &Heap| heap.peek().map(|(key, _)| service_of(key));
        let waits = cohort.is_some_and(|c| c.waiting > 0);
        let cohorts = self.turns.len() as u64 + u64::from(!waits);
        let level = Level { front: &self.front, least: least(&self.turns), size: cohorts, charge };
        let before = cohort.map_or_else(
            || level.rank(false, None, 0.0, 0),
            |c| level.rank(waits, c.place, c.service, self.step(c.attained)),
        );

        let waits = account.is_some_and(|a| a.waiting > 0);
        let Some(cohort) = cohort else { return before.saturating_add(1) };
        let accounts = cohort.accounts.len() as u64 + u64::from(!waits);
        let level = Level { front: &cohort.front, least: least(&cohort.accounts), size: accounts, charge };
        let rank = account.map_or_else(
            || level.rank(false, None, 0.0, 0),
            |a| level.rank(waits, a.place, a.service, self.step(a.attained)),
        );
        let rounds = rank.saturating_add(ahead_in_account.saturating_mul(accounts));
        before.saturating_add(1).saturating_add(rounds.saturating_mul(cohorts))
    }

    /// The step of an attained service, as of the last change of scale.
    fn step(&self, attained: f64) -> u8 {
        step_of(attained / self.scale.1)
    }

    /// What a request was charged in the end.
    pub(crate) fn learn_charge(&mut self, tokens: f64) {
        self.charge_mean += (tokens.max(1.0) - self.charge_mean) / 32.0;
    }

    /// Attained service of an account and a cohort, in tokens of now.
    #[cfg(test)]
    pub(crate) fn attained(&mut self, now: Millis, account: u64, cohort: u64) -> (f64, f64) {
        let scale = self.scale(now);
        let account = self.accounts.find(account).and_then(|slot| self.accounts.get(slot)).map_or(0.0, |a| a.attained);
        let cohort = self.cohorts.find(cohort).and_then(|slot| self.cohorts.get(slot)).map_or(0.0, |c| c.attained);
        (account / scale, cohort / scale)
    }

    /// The account's waiters, first come first.
    pub(crate) fn first_of(&self, account: u32) -> Option<u32> {
        self.accounts.get(account)?.line.first()
    }

    /// Rows for an account and a cohort. `None`: everything remembered is in use.
    pub(crate) fn rows(&mut self, now: Millis, account: u64, cohort: u64) -> Option<(u32, u32)> {
        let account = self.accounts.find_or_make(account)?;
        let stays = self.accounts.get(account).filter(|a| a.waiting > 0).map(|a| a.cohort);
        let cohort = match stays {
            Some(cohort) => cohort,
            None => self.cohorts.find_or_make(cohort)?,
        };
        let row = self.accounts.get_mut(account)?;
        row.used = now;
        row.cohort = cohort;
        self.cohorts.get_mut(cohort)?.used = now;
        Some((account, cohort))
    }

    /// Puts a waiting ticket at the end of its account's line.
    pub(crate) fn join(&mut self, now: Millis, tickets: &mut Tickets, slot: u32) {
        let scale = self.scale(now);
        let Some((account, cohort)) = tickets.get(slot).map(|t| (t.account, t.cohort)) else { return };
        let least_cohort = self.turns.peek().map(|(key, _)| service_of(key));
        let lift = least_cohort.unwrap_or(self.floor);
        self.sequence += 2;
        let Some(c) = self.cohorts.get_mut(cohort) else { return };
        c.line.push_back(&mut tickets.by_cohort(), slot);
        c.waiting += 1;
        let (is_first, length) = (c.waiting == 1, c.waiting);
        if is_first && c.service <= lift {
            c.service = lift;
            c.place = self.front.join(step_of(c.attained / scale));
        }
        let (key, length_at) = (key_of(c.service, step_of(c.attained / scale), self.sequence), c.length_at);
        let least_account = c.accounts.peek().map(|(key, _)| service_of(key));

        if let Some(a) = self.accounts.get_mut(account) {
            a.line.push_back(&mut tickets.by_account(), slot);
            a.waiting += 1;
            if a.waiting == 1 {
                let least = least_account.unwrap_or(a.service);
                let is_lifted = a.service <= least;
                a.service = a.service.max(least);
                let step = step_of(a.attained / scale);
                let of_account = key_of(a.service, step, self.sequence);
                if let Some(c) = self.cohorts.get_mut(cohort) {
                    if is_lifted {
                        a.place = c.front.join(step);
                    }
                    c.accounts.push(&mut InCohort(&mut self.accounts), of_account, account);
                }
            }
        }
        let longest = longest_key(length, cohort);
        if is_first {
            self.turns.push(&mut Turn(&mut self.cohorts), key, cohort);
            self.lengths.push(&mut Length(&mut self.cohorts), longest, cohort);
        } else {
            self.lengths.rekey(&mut Length(&mut self.cohorts), length_at, longest);
        }
        self.waiting += 1;
    }

    /// Takes a waiting ticket out, wherever it stands.
    pub(crate) fn leave(&mut self, tickets: &mut Tickets, slot: u32) {
        let Some((account, cohort)) = tickets.get(slot).map(|t| (t.account, t.cohort)) else { return };
        if let Some(a) = self.accounts.get_mut(account) {
            a.line.remove(&mut tickets.by_account(), slot);
            a.waiting = a.waiting.saturating_sub(1);
            let (is_gone, at) = (a.waiting == 0, a.heap_at);
            if is_gone && let Some(c) = self.cohorts.get_mut(cohort) {
                c.front.leave(&mut a.place);
                c.accounts.remove(&mut InCohort(&mut self.accounts), at);
            }
        }
        let Some(c) = self.cohorts.get_mut(cohort) else { return };
        c.line.remove(&mut tickets.by_cohort(), slot);
        c.waiting = c.waiting.saturating_sub(1);
        let (length, service, turn_at, length_at) = (c.waiting, c.service, c.turn_at, c.length_at);
        if length == 0 {
            self.front.leave(&mut c.place);
            self.turns.remove(&mut Turn(&mut self.cohorts), turn_at);
            self.lengths.remove(&mut Length(&mut self.cohorts), length_at);
            if self.turns.is_empty() {
                self.floor = service;
            }
        } else {
            self.lengths.rekey(&mut Length(&mut self.cohorts), length_at, longest_key(length, cohort));
        }
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Who is next.
    pub(crate) fn head(&self) -> Option<u32> {
        let (_, cohort) = self.turns.peek()?;
        let (_, account) = self.cohorts.get(cohort)?.accounts.peek()?;
        self.accounts.get(account)?.line.first()
    }

    pub(crate) fn running_of_account(&self, account: u32) -> u32 {
        self.accounts.get(account).map_or(0, |a| a.running)
    }

    pub(crate) fn running_of_cohort(&self, cohort: u32) -> u32 {
        self.cohorts.get(cohort).map_or(0, |c| c.running)
    }

    /// The newest waiter of the cohort with most waiters, and how many it has: who makes room.
    pub(crate) fn newest_of_longest(&self) -> Option<(u32, u32)> {
        let (_, cohort) = self.lengths.peek()?;
        let cohort = self.cohorts.get(cohort)?;
        Some((cohort.line.last()?, cohort.waiting))
    }

    /// A ticket starts or ends: `+1` or `-1` running.
    pub(crate) fn count_running(&mut self, now: Millis, account: u32, cohort: u32, is_start: bool) {
        let change = |n: &mut u32| *n = if is_start { n.saturating_add(1) } else { n.saturating_sub(1) };
        if let Some(a) = self.accounts.get_mut(account) {
            change(&mut a.running);
            a.used = now;
        }
        if let Some(c) = self.cohorts.get_mut(cohort) {
            change(&mut c.running);
            c.used = now;
        }
    }

    /// Adds service (negative: a correction) of `weight` tokens at `scale` to account and cohort.
    pub(crate) fn charge(&mut self, account: u32, cohort: u32, weight: f64, scale: f64) {
        let scaled = weight * scale;
        let now = self.scale.1;
        self.sequence += 2;
        if let Some(a) = self.accounts.get_mut(account) {
            a.service = (a.service + scaled).max(0.0);
            a.attained = (a.attained + scaled).max(0.0);
            let (at, key) = (a.heap_at, key_of(a.service, step_of(a.attained / now), self.sequence));
            if a.waiting > 0
                && let Some(c) = self.cohorts.get_mut(a.cohort)
            {
                c.front.leave(&mut a.place);
                c.accounts.rekey(&mut InCohort(&mut self.accounts), at, key);
            }
        }
        let Some(c) = self.cohorts.get_mut(cohort) else { return };
        c.service = (c.service + scaled).max(0.0);
        c.attained = (c.attained + scaled).max(0.0);
        if c.waiting > 0 {
            self.front.leave(&mut c.place);
            let (at, key) = (c.turn_at, key_of(c.service, step_of(c.attained / now), self.sequence + 1));
            self.turns.rekey(&mut Turn(&mut self.cohorts), at, key);
        }
    }

    /// What a token charged at `then` weighed: for corrections of it.
    pub(crate) fn scale_at(&self, then: Millis) -> f64 {
        let ms = to_f64(then.since(self.landmark).0) - to_f64(self.landmark.since(then).0);
        (ms / HALF_LIFE_MS).exp2()
    }

    /// What a token charged now weighs; grows with time.
    pub(crate) fn scale(&mut self, now: Millis) -> f64 {
        if self.scale.0 != now {
            let mut halvings = to_f64(now.since(self.landmark).0) / HALF_LIFE_MS;
            if halvings > RESCALE_BITS {
                self.rescale(now, (-halvings).exp2());
                halvings = 0.0;
            }
            self.scale = (now, halvings.exp2());
        }
        self.scale.1
    }

    /// Brings every counter back to scale 1 at `now`.
    fn rescale(&mut self, now: Millis, factor: f64) {
        let key = |key: u128| (u128::from((service_of(key) * factor).to_bits()) << 64) | u128::from(tie_of(key));
        self.floor *= factor;
        self.landmark = now;
        self.turns.rekey_all(&mut Turn(&mut self.cohorts), key);
        for account in self.accounts.iter_mut() {
            account.service *= factor;
            account.attained *= factor;
        }
        for cohort in self.cohorts.iter_mut() {
            cohort.service *= factor;
            cohort.attained *= factor;
            cohort.accounts.rekey_all(&mut InCohort(&mut self.accounts), key);
        }
    }
}

/// Non-negative floats order like their bits. The low half breaks ties: step, then who came first.
const fn key_of(service: f64, step: u8, sequence: u64) -> u128 {
    let tie = ((step as u64) << 56) | (sequence & (u64::MAX >> 8));
    // Adding zero makes a negative zero positive.
    (((service + 0.0).to_bits() as u128) << 64) | tie as u128
}

#[allow(clippy::cast_possible_truncation, reason = "the halves of the key")]
const fn service_of(key: u128) -> f64 {
    f64::from_bits((key >> 64) as u64)
}

#[allow(clippy::cast_possible_truncation, reason = "the halves of the key")]
const fn tie_of(key: u128) -> u64 {
    key as u64
}

const fn longest_key(length: u32, cohort: u32) -> u128 {
    (((u32::MAX - length) as u128) << 32) | cohort as u128
}
