//! What an account holds, counted as it changes, so that a limit is kept without counting rows.
//!
//! What must stay true: every transaction that adds or removes a conversation, a message, a file or a shared link changes the count in
//! the same transaction; what an answer in progress adds is never refused, only counted.

use rempart_domain::AccountId;

use crate::conn::{Conn, args};
use crate::lane::Lane;
use crate::options::HoldingLimits;
use crate::{Store, StoreError, queries};

/// What an account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holding {
    /// Conversations.
    pub conversations: u64,
    /// Files, attached or not.
    pub files: u64,
    /// Sealed bytes of messages, files and shared links.
    pub bytes: u64,
}

/// What a piece of work adds or removes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) conversations: i64,
    pub(crate) files: i64,
    pub(crate) bytes: i64,
}

fn holding_of(row: &crate::conn::Row) -> Result<Holding, StoreError> {
    let count = |index| Ok::<u64, StoreError>(u64::try_from(row.int(index)?).unwrap_or(0));
    Ok(Holding { conversations: count(0)?, files: count(1)?, bytes: count(2)? })
}

/// Counts a change; what is more than a limit is taken back with the transaction.
pub(crate) async fn add(
    conn: &mut Conn,
    account: AccountId,
    change: Change,
    limits: &HoldingLimits,
) -> Result<(), StoreError> {
    let held = count(conn, account, change).await?;
    if change.conversations > 0 && held.conversations > limits.conversations {
        return Err(StoreError::Full("conversations"));
    }
    if change.files > 0 && held.files > limits.files {
        return Err(StoreError::Full("files"));
    }
    if change.bytes > 0 && held.bytes > limits.bytes {
        return Err(StoreError::Full("bytes"));
    }
    Ok(())
}

/// Counts a change whatever it comes to: removals, and answers that are on their way.
pub(crate) async fn count(conn: &mut Conn, account: AccountId, change: Change) -> Result<Holding, StoreError> {
    let values = args![account.to_sql(), change.conversations, change.files, change.bytes];
    let row = conn.row(queries::HOLDING_ADD, values).await?;
    holding_of(&row.ok_or(StoreError::Corrupt("holding"))?)
}

/// Bytes as a change of the count.
pub(crate) fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Store {
    /// What the account holds.
    pub async fn find_holding(&self, account: AccountId) -> Result<Holding, StoreError> {
        let row = self.read_one(Lane::Other, queries::HOLDING_FIND, args![account.to_sql()]).await?;
        row.map_or(Ok(Holding::default()), |row| holding_of(&row))
    }
}
