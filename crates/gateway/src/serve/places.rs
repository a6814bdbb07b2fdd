//! Places for work that reads through much or takes long: export, files, shared pages. A few in all, a part of them for members,
//! one an account.
//!
//! What must stay true: a place is given back when it is dropped; who takes one is told at once whether there is one, nobody waits.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rempart_domain::{AccountId, Band, ReasonCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// The places for one kind of work.
#[derive(Debug)]
pub(crate) struct Places {
    members: Arc<Semaphore>,
    others: Arc<Semaphore>,
    accounts: Arc<Mutex<HashSet<AccountId>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct PlaceTaken {
    account: Option<AccountId>,
    accounts: Arc<Mutex<HashSet<AccountId>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// `len` places, `members_percent` of them for members alone; at least one for either.
    pub(crate) fn new(len: u64, members_percent: u64) -> Self {
        let members = (len * members_percent.min(100) / 100).max(1);
        let others = len.saturating_sub(members).max(1);
        let places =
            |len: u64| Arc::new(Semaphore::new(usize::try_from(len).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)));
        Self { members: places(members), others: places(others), accounts: Arc::default() }
    }

    /// A place for an account; `too_many_in_flight` if it has one already, `overloaded` if there is none.
    pub(crate) fn enter(&self, account: AccountId, band: Band) -> Result<PlaceTaken, Refusal> {
        let permit = self.permit(band.is_member())?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if !accounts.insert(account) {
            return Err(ReasonCode::TooManyInFlight.into());
        }
        Ok(PlaceTaken { account: Some(account), accounts: Arc::clone(&self.accounts), _permit: permit })
    }

    /// A place for somebody whom no account stands for.
    pub(crate) fn enter_unknown(&self, is_member: bool) -> Result<PlaceTaken, Refusal> {
        let permit = self.permit(is_member)?;
        Ok(PlaceTaken { account: None, accounts: Arc::clone(&self.accounts), _permit: permit })
    }

    /// Members take what others left when their own part is full.
    fn permit(&self, is_member: bool) -> Result<OwnedSemaphorePermit, Refusal> {
        let take = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let taken = if is_member { take(&self.members).or_else(|| take(&self.others)) } else { take(&self.others) };
        taken.ok_or_else(|| ReasonCode::Overloaded.into())
    }
}

impl Drop for PlaceTaken {
    fn drop(&mut self) {
        if let Some(account) = self.account {
            self.accounts.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn strangers_leave_members_their_part_and_an_account_has_one_place() {
        let places = Places::new(4, 50);
        let account = AccountId::from_bits;
        let _first = places.enter(account(1), Band::Newcomer).unwrap();
        assert_eq!(places.enter(account(1), Band::Newcomer).unwrap_err().reason, ReasonCode::TooManyInFlight);
        let second = places.enter(account(2), Band::Newcomer).unwrap();
        assert_eq!(places.enter(account(3), Band::Newcomer).unwrap_err().reason, ReasonCode::Overloaded);
        let _member = places.enter(account(4), Band::Member).unwrap();
        let _other = places.enter(account(5), Band::Member).unwrap();
        assert_eq!(places.enter(account(6), Band::Member).unwrap_err().reason, ReasonCode::Overloaded);
        drop(second);
        let _again = places.enter(account(2), Band::Newcomer).unwrap();
    }
}
