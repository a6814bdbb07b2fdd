//! What has changed since a ticket was issued or a key was read: ended sessions, epochs, standing, role, freezes, demotions.
//!
//! All of it is in memory, loaded at the start, so that a session is checked with the database stopped. Only accounts that
//! changed within the life of a session need a row: older sessions have expired, newer ones carry the new value.
//! A row takes 25 bytes of a table that is filled between 7/16 and 7/8: 10^6 rows take 29 to 57 MB, 10^4 take half a megabyte.
//!
//! **A freeze copies nothing.** An incident has a beginning, a time; each row keeps when its standing was last earned and what it
//! was before. While a freeze holds, a standing earned at or after that time counts as what it was before; one lost counts at
//! once. So a freeze over a million accounts is one atomic store, may be set back in time, and survives a restart if the rows do.
//! (Only the last rise is kept: a freeze set back behind two rises of one account undoes the last one. They are weeks apart.)
//!
//! What must stay true: readers take one uncontended shard lock; writers hold it for one insertion; a bound that is reached ends
//! more sessions than asked, never fewer.

mod shard;

use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use rempart_domain::sabotage::{Sabotage, breaks};
use rempart_domain::{AccountId, Band, Credential, Principal, Role, SessionId, Standing, UnixSeconds};

use crate::ticket::wire_seconds;
use crate::{IdentityError, KnownKey, TicketFields, TicketFlags};
use shard::{AccountState, EndedSession, Shard, shard_index};

/// No freeze: nothing was earned that late.
const NOT_FROZEN: i64 = i64::MAX;

/// Bounds of the tables.
#[derive(Debug, Clone, Copy)]
pub struct RevocationLimits {
    /// Accounts with a row. When full, changes are refused with [`IdentityError::Full`] and the caller must not acknowledge them.
    pub accounts_len_max: usize,
    /// Ended sessions over all accounts; when full, ending one ends all of that account.
    pub ended_len_max: usize,
    /// Ended sessions of one account; when full, ending one ends all of that account.
    pub ended_per_account_max: usize,
    /// Demoted accounts; when full, further demotions are refused: they only make an attack cheaper to bear.
    pub demoted_len_max: usize,
}

impl Default for RevocationLimits {
    fn default() -> Self {
        Self {
            accounts_len_max: 16_000_000,
            ended_len_max: 1_000_000,
            ended_per_account_max: 64,
            demoted_len_max: 1_000_000,
        }
    }
}

/// An account's row, as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFacts {
    /// Tickets of an earlier epoch are void.
    pub epoch: u32,
    /// The standing now.
    pub standing: Standing,
    /// The role now.
    pub role: Role,
    /// When the standing was last earned, if that is known; `None` counts as long ago.
    pub earned: Option<Earned>,
}

/// A rise in standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earned {
    /// When.
    pub at: UnixSeconds,
    /// What it was before.
    pub before: Standing,
}

/// Who changed a standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedBy {
    /// The rules; a rise does not count while a freeze that began before `at` holds.
    Rules {
        /// When.
        at: UnixSeconds,
        /// What the standing was before.
        before: Standing,
    },
    /// An operator's hand: counts at once, also in a freeze.
    Operator,
}

/// What ending a session came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// That session.
    Session,
    /// A bound was reached: all sessions of the account, which now has this epoch. The caller stores it.
    Account {
        /// The account's new epoch.
        epoch: u32,
    },
}

/// What has changed since tickets were issued. Shared behind an `Arc`.
pub struct Revocations {
    shards: Box<[RwLock<Shard>]>,
    limits: RevocationLimits,
    global_epoch: AtomicU32,
    frozen_at: AtomicI64,
    accounts_len: AtomicUsize,
    ended_len: AtomicUsize,
    demoted_len: AtomicUsize,
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new(RevocationLimits::default())
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations")
            .field("accounts_len", &self.accounts_len())
            .field("ended_len", &self.ended_len())
            .field("is_frozen", &self.is_frozen())
            .finish_non_exhaustive()
    }
}

impl Revocations {
    /// Empty tables with those bounds.
    pub fn new(limits: RevocationLimits) -> Self {
        Self {
            shards: (0..shard::SHARDS).map(|_| RwLock::default()).collect(),
            limits,
            global_epoch: AtomicU32::new(0),
            frozen_at: AtomicI64::new(NOT_FROZEN),
            accounts_len: AtomicUsize::new(0),
            ended_len: AtomicUsize::new(0),
            demoted_len: AtomicUsize::new(0),
        }
    }

    // --- reading: on the path of every request -------------------------------------------------------------------------------

    /// True unless the ticket's session, its account's sessions, or all sessions were ended since it was issued. A ticket of a
    /// later epoch than we know is taken: another node knew first.
    pub fn is_current(&self, ticket: &TicketFields) -> bool {
        if ticket.global_epoch < self.global_epoch.load(Ordering::Acquire) {
            return false;
        }
        self.read(ticket.account).is_some_and(|shard| shard.is_current(ticket))
    }

    /// **The** function that says in which band a principal is admitted: the frozen snapshot, then demotions, then what session or
    /// key carries. Everything that ranks callers asks here.
    pub fn band(&self, principal: &Principal) -> Band {
        let Some(account) = principal.account else { return Standing::Visitor };
        let Some(shard) = self.read(account) else { return Standing::Newcomer };
        let frozen_at = self.frozen_at.load(Ordering::Acquire);
        let standing = shard.standing(account, frozen_at).unwrap_or(principal.carried_standing);
        let standing = if principal.is_unsure { standing.min(Standing::Newcomer) } else { standing };
        if shard.is_demoted(account) { standing.demoted() } else { standing }
    }

    /// The principal of an opened session ticket; `None` if it was ended. A role taken away is gone at once; an operator who signed in
    /// without a second factor has none.
    pub fn principal_of_session(&self, ticket: &TicketFields) -> Option<Principal> {
        let role = self.role_of(ticket.account).unwrap_or(ticket.flags.role());
        let is_strong = ticket.flags.contains(TicketFlags::SECOND_FACTOR);
        self.is_current(ticket).then(|| Principal {
            account: Some(ticket.account),
            credential: Credential::Session(ticket.session),
            carried_standing: ticket.standing,
            role: if is_strong { role } else { Role::None },
            created_day: ticket.created_day,
            is_unsure: ticket.flags.contains(TicketFlags::UNSURE),
            lacks_second_factor: !is_strong && role == Role::Operator,
            minute: wire_seconds(ticket.issued) / 60,
            provenance: ticket.provenance,
        })
    }

    /// The principal of a known key.
    pub fn principal_of_key(&self, key: &KnownKey) -> Principal {
        Principal {
            account: Some(key.account),
            credential: Credential::Key(key.id, key.scope),
            carried_standing: key.standing,
            role: self.role_of(key.account).unwrap_or(key.role),
            created_day: key.created_day,
            is_unsure: false,
            lacks_second_factor: false,
            minute: key.created_minute,
            provenance: key.provenance,
        }
    }

    /// The account's standing now, freeze and demotion aside; `None` if it has no row: what session or key carries holds.
    pub fn standing_of(&self, account: AccountId) -> Option<Standing> {
        self.read(account)?.standing(account, NOT_FROZEN)
    }

    /// Whether a demotion holds.
    pub fn is_demoted(&self, account: AccountId) -> bool {
        self.read(account).is_some_and(|shard| shard.is_demoted(account))
    }

    /// The account's role now; `None` if it has no row.
    pub fn role_of(&self, account: AccountId) -> Option<Role> {
        self.read(account)?.role(account)
    }

    /// The account's epoch, for a ticket about to be issued; 0 if it has no row.
    pub fn epoch_of(&self, account: AccountId) -> u32 {
        self.read(account).map_or(0, |shard| shard.epoch(account))
    }

    /// The platform's epoch, for a ticket about to be issued.
    pub fn global_epoch(&self) -> u32 {
        self.global_epoch.load(Ordering::Acquire)
    }

    // --- changing: after the store has acknowledged it -----------------------------------------------------------------------

    /// Rows at the start, or from another node. Epochs never go back.
    pub fn load(&self, rows: impl IntoIterator<Item = (AccountId, AccountFacts)>) -> Result<(), IdentityError> {
        rows.into_iter().try_for_each(|(account, facts)| self.change(account, |state| state.take_over(&facts)))
    }

    /// Tickets of the account from before `epoch` are void. Never goes back.
    pub fn set_epoch(&self, account: AccountId, epoch: u32) -> Result<(), IdentityError> {
        self.change(account, |state| state.epoch = state.epoch.max(epoch))
    }

    /// The account has another standing. A fall counts at once; a rise by the rules counts after the freeze that holds.
    pub fn set_standing(&self, account: AccountId, standing: Standing, by: ChangedBy) -> Result<(), IdentityError> {
        let frozen_at = self.frozen_at.load(Ordering::Acquire);
        self.change(account, |state| state.set_standing(standing, by, frozen_at))
    }

    /// The account has another role.
    pub fn set_role(&self, account: AccountId, role: Role) -> Result<(), IdentityError> {
        self.change(account, |state| state.role = Some(role))
    }

    /// The account is gone: nothing that carries its name is served again. The row must outlive its sessions: on a restart
    /// the store gives it again, with epoch `u32::MAX` and standing suspended.
    pub fn delete_account(&self, account: AccountId) -> Result<(), IdentityError> {
        self.change(account, |state| {
            state.take_over(&AccountFacts {
                epoch: u32::MAX,
                standing: Standing::Suspended,
                role: Role::None,
                earned: None,
            });
        })
    }

    /// Ends one session; it is remembered until `expires`, when its ticket is void anyway.
    pub fn end_session(
        &self,
        account: AccountId,
        session: SessionId,
        expires: UnixSeconds,
    ) -> Result<Ended, IdentityError> {
        let session = EndedSession { session, expires: wire_seconds(expires) };
        if self.ended_len() < self.limits.ended_len_max
            && let Some(mut shard) = self.write(account)
            && let Some(added) = shard.end_session(account, session, self.limits.ended_per_account_max)
        {
            self.ended_len.fetch_add(added, Ordering::AcqRel);
            return Ok(Ended::Session);
        }
        let epoch = self.epoch_of(account).saturating_add(1);
        self.set_epoch(account, epoch)?;
        Ok(Ended::Account { epoch })
    }

    /// Everything issued before is void. Returns the new global epoch, which the caller stores.
    pub fn end_all(&self) -> u32 {
        self.global_epoch.fetch_add(1, Ordering::AcqRel).saturating_add(1)
    }

    /// The global epoch as stored; never goes back.
    pub fn set_global_epoch(&self, epoch: u32) {
        self.global_epoch.fetch_max(epoch, Ordering::AcqRel);
    }

    /// An incident began at `at`: what is earned from then on does not count until [`Revocations::thaw`]. Of two, the earlier holds.
    pub fn freeze(&self, at: UnixSeconds) {
        if breaks(Sabotage::Freeze) {
            return;
        }
        self.frozen_at.fetch_min(at.0, Ordering::AcqRel);
    }

    /// The incident is over: what was earned meanwhile counts.
    pub fn thaw(&self) {
        self.frozen_at.store(NOT_FROZEN, Ordering::Release);
    }

    /// True while an incident's freeze holds.
    pub fn is_frozen(&self) -> bool {
        self.frozen_at.load(Ordering::Acquire) != NOT_FROZEN
    }

    /// One step down until `until` (the first [`Revocations::tick`] from then on lifts it). A second demotion prolongs, it does not
    /// stack.
    pub fn demote(&self, account: AccountId, until: UnixSeconds) -> Result<(), IdentityError> {
        let full = IdentityError::Full { table: "demoted accounts", len_max: self.limits.demoted_len_max };
        let has_room = self.demoted_len.load(Ordering::Acquire) < self.limits.demoted_len_max;
        let Some(mut shard) = self.write(account) else { return Err(full) };
        if !has_room && !shard.is_demoted(account) {
            return Err(full);
        }
        self.demoted_len.fetch_add(shard.demote(account, until), Ordering::AcqRel);
        Ok(())
    }

    /// Lifts a demotion before its time; true if there was one.
    pub fn reinstate(&self, account: AccountId) -> bool {
        let lifted = self.write(account).is_some_and(|mut shard| shard.reinstate(account));
        self.demoted_len.fetch_sub(usize::from(lifted), Ordering::AcqRel);
        lifted
    }

    /// Forgets what time has settled: ended sessions that expired, demotions that are over. Call it every second or so; locks one
    /// shard at a time.
    pub fn tick(&self, now: UnixSeconds) {
        for shard in &self.shards {
            let idle = shard.read().unwrap_or_else(PoisonError::into_inner).has_nothing_to_forget(now);
            if !idle {
                let (ended, demoted) = shard.write().unwrap_or_else(PoisonError::into_inner).forget(now);
                self.ended_len.fetch_sub(ended, Ordering::AcqRel);
                self.demoted_len.fetch_sub(demoted, Ordering::AcqRel);
            }
        }
    }

    // --- figures ------------------------------------------------------------------------------------------------------------

    /// Accounts with a row.
    pub fn accounts_len(&self) -> usize {
        self.accounts_len.load(Ordering::Acquire)
    }

    /// Ended sessions remembered.
    pub fn ended_len(&self) -> usize {
        self.ended_len.load(Ordering::Acquire)
    }

    /// Accounts demoted now.
    pub fn demoted_len(&self) -> usize {
        self.demoted_len.load(Ordering::Acquire)
    }

    /// Holds every shard as a reader does.
    #[cfg(test)]
    pub(crate) fn hold_for_reading(&self) -> impl Sized + '_ {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner)).collect::<Vec<_>>()
    }

    fn change(&self, account: AccountId, change: impl FnOnce(&mut AccountState)) -> Result<(), IdentityError> {
        let len_max = self.limits.accounts_len_max;
        let full = IdentityError::Full { table: "account revocations", len_max };
        let has_room = self.accounts_len() < len_max;
        let Some(mut shard) = self.write(account) else { return Err(full) };
        if !has_room && !shard.has_account(account) {
            return Err(full);
        }
        self.accounts_len.fetch_add(shard.change(account, change), Ordering::AcqRel);
        Ok(())
    }

    // A shard is there for every account; `None` cannot happen. A poisoned lock is read on: no write leaves a row half done.
    fn read(&self, account: AccountId) -> Option<RwLockReadGuard<'_, Shard>> {
        self.shards.get(shard_index(account)).map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, account: AccountId) -> Option<RwLockWriteGuard<'_, Shard>> {
        self.shards.get(shard_index(account)).map(|shard| shard.write().unwrap_or_else(PoisonError::into_inner))
    }
}
