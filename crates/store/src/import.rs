//! Bringing many accounts in at once.

use rempart_domain::AccountName;

use crate::{NewAccount, NewKey, Store, StoreError};

/// An account to be imported, with its keys.
#[derive(Debug)]
pub struct NewAccountWithKeys {
    /// The account.
    pub account: NewAccount,
    /// Its keys; `account` of each must be the account's id.
    pub keys: Vec<NewKey>,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Accounts made.
    pub created: u64,
    /// Names that existed already: neither they nor their keys were touched.
    pub taken: Vec<AccountName>,
}

impl Store {
    /// Makes accounts with their keys, in batches of one commit each; names that exist are reported. Stops at the first other error:
    /// what is counted in no report may then be in the store, and calling again reports it as taken.
    pub async fn import_accounts(&self, accounts: Vec<NewAccountWithKeys>) -> Result<ImportReport, StoreError> {
        self.todo()
    }
}
