//! One shard of the revocation tables: plain maps and the rules of a row; locks and bounds are the parent's.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rempart_domain::{AccountId, Role, SessionId, Standing, UnixSeconds};

use super::{AccountFacts, ChangedBy};
use crate::TicketFields;
use crate::ticket::wire_seconds;

/// Enough that writers of a burst seldom meet a reader.
pub(super) const SHARDS: usize = 64;

/// Spreads ids over shards by bits that the maps inside use last.
pub(super) fn shard_index(account: AccountId) -> usize {
    usize::try_from(mix(account.bits()) >> 32).unwrap_or(0) % SHARDS
}

/// Multiplication by an odd constant and a fold: enough for ids, which are random and reach us only under our own MAC, so that
/// nobody chooses which ones meet.
const fn mix(bits: u64) -> u64 {
    let spread = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ spread >> 29
}

/// Hasher for ids; see [`mix`].
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = mix(bits);
    }
}

type IdMap<V> = HashMap<AccountId, V, BuildHasherDefault<IdHasher>>;

/// What is kept of an account: 12 bytes, because there may be millions. Times are `u32` seconds, as in a ticket.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AccountState {
    pub(super) epoch: u32,
    /// When `standing` was earned; 0 = long ago, or by an operator's hand.
    earned_at: u32,
    /// `None`: what session or key carries holds.
    standing: Option<Standing>,
    /// The standing before `earned_at`.
    before: Standing,
    pub(super) role: Option<Role>,
}

// The figures of memory in `super` hang on it: 24 bytes and a byte of the table for each row.
const _: () = assert!(size_of::<(AccountId, AccountState)>() == 24);

/// A session that was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EndedSession {
    pub(super) session: SessionId,
    pub(super) expires: u32,
}

impl AccountState {
    pub(super) fn take_over(&mut self, facts: &AccountFacts) {
        self.epoch = self.epoch.max(facts.epoch);
        self.standing = Some(facts.standing);
        self.role = Some(facts.role);
        self.before = facts.earned.map_or(facts.standing, |earned| earned.before);
        self.earned_at = facts.earned.map_or(0, |earned| wire_seconds(earned.at));
    }

    /// What the standing counts for while a freeze from `frozen_at` on holds: the lower of now and before the freeze.
    fn standing_at(&self, frozen_at: i64) -> Option<Standing> {
        let standing = self.standing?;
        let is_too_late = i64::from(self.earned_at) >= frozen_at && self.earned_at != 0;
        Some(if is_too_late { standing.min(self.before) } else { standing })
    }

    pub(super) fn set_standing(&mut self, standing: Standing, by: ChangedBy, frozen_at: i64) {
        match by {
            ChangedBy::Operator => (self.before, self.earned_at) = (standing, 0),
            ChangedBy::Rules { at, before } => {
                // Two rises in one freeze: what counted before the first still does. A fall takes the snapshot down with it, so
                // that falling and rising again buys nothing.
                let counted = self.standing_at(frozen_at).unwrap_or(before).min(before);
                self.before = counted.min(standing);
                self.earned_at = if standing > self.before { wire_seconds(at).max(1) } else { 0 };
            }
        }
        self.standing = Some(standing);
    }
}

/// One shard.
#[derive(Debug, Default)]
pub(super) struct Shard {
    accounts: IdMap<AccountState>,
    ended: IdMap<Vec<EndedSession>>,
    demoted: IdMap<UnixSeconds>,
}

impl Shard {
    pub(super) fn is_current(&self, ticket: &TicketFields) -> bool {
        let epoch = self.epoch(ticket.account);
        epoch <= ticket.account_epoch
            && (self.ended.is_empty()
                || !self
                    .ended
                    .get(&ticket.account)
                    .is_some_and(|ended| ended.iter().any(|one| one.session == ticket.session)))
    }

    pub(super) fn epoch(&self, account: AccountId) -> u32 {
        self.accounts.get(&account).map_or(0, |state| state.epoch)
    }

    pub(super) fn standing(&self, account: AccountId, frozen_at: i64) -> Option<Standing> {
        self.accounts.get(&account)?.standing_at(frozen_at)
    }

    pub(super) fn role(&self, account: AccountId) -> Option<Role> {
        self.accounts.get(&account)?.role
    }

    pub(super) fn is_demoted(&self, account: AccountId) -> bool {
        !self.demoted.is_empty() && self.demoted.contains_key(&account)
    }

    pub(super) fn has_account(&self, account: AccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    /// Changes the row, making it first if need be; returns how many rows were added.
    pub(super) fn change(&mut self, account: AccountId, change: impl FnOnce(&mut AccountState)) -> usize {
        let len = self.accounts.len();
        change(self.accounts.entry(account).or_default());
        self.accounts.len() - len
    }

    /// Returns how many entries were added; `None` if the account has as many as it may.
    pub(super) fn end_session(&mut self, account: AccountId, one: EndedSession, len_max: usize) -> Option<usize> {
        let ended = self.ended.entry(account).or_default();
        if ended.iter().any(|known| known.session == one.session) {
            return Some(0);
        }
        if ended.len() >= len_max {
            return None;
        }
        ended.push(one);
        Some(1)
    }

    /// Returns how many entries were added.
    pub(super) fn demote(&mut self, account: AccountId, until: UnixSeconds) -> usize {
        let len = self.demoted.len();
        let known = self.demoted.entry(account).or_insert(until);
        *known = until.max(*known);
        self.demoted.len() - len
    }

    pub(super) fn reinstate(&mut self, account: AccountId) -> bool {
        self.demoted.remove(&account).is_some()
    }

    pub(super) fn has_nothing_to_forget(&self, now: UnixSeconds) -> bool {
        let now_wire = wire_seconds(now);
        !self.ended.values().flatten().any(|one| one.expires <= now_wire)
            && !self.demoted.values().any(|until| *until <= now)
    }

    /// Drops what is over; returns how many ended sessions and how many demotions.
    pub(super) fn forget(&mut self, now: UnixSeconds) -> (usize, usize) {
        let now_wire = wire_seconds(now);
        let mut forgotten = 0;
        self.ended.retain(|_, ended| {
            let len = ended.len();
            ended.retain(|one| one.expires > now_wire);
            forgotten += len - ended.len();
            !ended.is_empty()
        });
        let demoted = self.demoted.len();
        self.demoted.retain(|_, until| *until > now);
        (forgotten, demoted - self.demoted.len())
    }
}
