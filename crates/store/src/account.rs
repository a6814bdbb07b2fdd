//! Accounts: who somebody is here, and how well we know them.
//!
//! What must stay true: names are unique in lower case; deleting an account destroys its data key before anything else, in a commit of
//! its own; e-mail and password hash never lie in the database unsealed.

use rempart_domain::{AccountId, AccountName, Day, Role, Secret, Sensitive, Standing, UnixMillis};

use crate::{Store, StoreError};

/// An account as stored.
#[derive(Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its public handle.
    pub name: AccountName,
    /// How well we know it.
    pub standing: Standing,
    /// What it may do beyond using the platform.
    pub role: Role,
    /// When it was made.
    pub created: UnixMillis,
    /// Its mail address, if given.
    pub email: Option<Sensitive<String>>,
    /// Password hash as a PHC string; `None` when it signs in otherwise.
    pub password_hash: Option<Secret<String>>,
    /// Sessions of an older epoch are ended.
    pub epoch: u32,
    /// `zh`, `en`, `fr`.
    pub locale: Option<String>,
    /// Days of good use so far.
    pub good_days: u16,
    /// The last day that was counted.
    pub last_good_day: Day,
}

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount {
    /// 63 random bits from the caller.
    pub id: AccountId,
    /// Unique.
    pub name: AccountName,
    /// Standing at the start.
    pub standing: Standing,
    /// Role at the start.
    pub role: Role,
    /// When it was made (an import may say long ago).
    pub created: UnixMillis,
    /// Mail address.
    pub email: Option<Sensitive<String>>,
    /// PHC string.
    pub password_hash: Option<Secret<String>>,
    /// `zh`, `en`, `fr`.
    pub locale: Option<String>,
}

/// What a session must agree with; see [`Store::load_epochs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochRow {
    /// Sessions of a lower epoch are ended; `u32::MAX` for a deleted account.
    pub epoch: u32,
    /// Standing now (a session carries that of its issue).
    pub standing: Standing,
    /// Role now.
    pub role: Role,
    /// The day the account was made.
    pub created_day: Day,
}

impl Store {
    /// Makes an account and its data key. Fails with `NameTaken`.
    pub async fn create_account(&self, new: NewAccount) -> Result<(), StoreError> {
        self.todo()
    }
    /// An account by id. Sign-in lane.
    pub async fn find_account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.todo()
    }
    /// An account by name. Sign-in lane.
    pub async fn find_account_by_name(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        self.todo()
    }
    /// The oldest account with that address, compared trimmed and without case.
    pub async fn find_account_by_email(&self, email: &Sensitive<String>) -> Result<Option<Account>, StoreError> {
        self.todo()
    }
    /// Accounts in the order of their names, after `after`.
    pub async fn list_accounts(&self, after: Option<AccountName>, limit: u32) -> Result<Vec<Account>, StoreError> {
        self.todo()
    }
    /// True once somebody runs the platform.
    pub async fn has_operator(&self) -> Result<bool, StoreError> {
        self.todo()
    }
    /// Sets the standing. The caller tells the sessions' side; after a restart [`Store::load_epochs`] does.
    pub async fn set_standing(&self, id: AccountId, standing: Standing) -> Result<(), StoreError> {
        self.todo()
    }
    /// Sets the role.
    pub async fn set_role(&self, id: AccountId, role: Role) -> Result<(), StoreError> {
        self.todo()
    }
    /// Sets the password hash (PHC). Sign-in lane.
    pub async fn set_password_hash(&self, id: AccountId, hash: Option<Secret<String>>) -> Result<(), StoreError> {
        self.todo()
    }
    /// Sets or clears the mail address.
    pub async fn set_email(&self, id: AccountId, email: Option<Sensitive<String>>) -> Result<(), StoreError> {
        self.todo()
    }
    /// Sets or clears the language.
    pub async fn set_locale(&self, id: AccountId, locale: Option<String>) -> Result<(), StoreError> {
        self.todo()
    }
    /// Ends all sessions of the account: returns the new epoch.
    pub async fn bump_epoch(&self, id: AccountId) -> Result<u32, StoreError> {
        self.todo()
    }
    /// Deletes an account: data key, keys and sessions in one commit, then what it wrote, in batches. False if there is none.
    pub async fn delete_account(&self, id: AccountId) -> Result<bool, StoreError> {
        self.todo()
    }
    /// Every account whose sessions may carry something out of date, and every deleted one: whoever is not listed has epoch 0 and the
    /// standing and role its sessions carry.
    pub async fn load_epochs(&self) -> Result<Vec<(AccountId, EpochRow)>, StoreError> {
        self.todo()
    }
    /// Counts a day of good use once; the new number of good days if it was counted now.
    pub async fn record_good_day(&self, id: AccountId, day: Day) -> Result<Option<u16>, StoreError> {
        self.todo()
    }
}
