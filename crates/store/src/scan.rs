//! Reading through everything an account wrote: for search and export. Rows come sealed, so that they are opened where it costs nobody.
//!
//! What must stay true: a batch is bounded by its rows; opening one takes CPU and no I/O, so it may be done on a thread for such work.

use std::sync::Arc;

use rempart_domain::{AccountId, ConversationId, MessageId, Sensitive, UnixMillis};

use crate::conn::{Row, args};
use crate::lane::Lane;
use crate::message::{Message, message_of};
use crate::seal::{Column, DataKey, Place};
use crate::{Store, StoreError, queries};

/// Where a scan stands: before this message, counted from the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanCursor {
    /// When it was written.
    pub created: UnixMillis,
    /// Its id.
    pub message: MessageId,
}

/// Messages, still sealed.
#[derive(Debug)]
pub struct ScanBatch {
    account: AccountId,
    key: Arc<DataKey>,
    rows: Vec<Row>,
}

/// A message that was opened by a scan.
#[derive(Debug)]
pub struct Scanned {
    /// Which.
    pub message: MessageId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// What it says.
    pub text: Sensitive<String>,
    /// When it was written.
    pub created: UnixMillis,
}

impl ScanBatch {
    /// Messages in it.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if nothing is left to read.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Opens the messages one by one, newest first.
    pub fn open(self) -> impl Iterator<Item = Result<Scanned, StoreError>> {
        let Self { account, key, rows } = self;
        rows.into_iter().map(move |mut row| {
            let message = MessageId::from_sql(row.int(0)?);
            let conversation = ConversationId::from_sql(row.int(1)?);
            let place = Place::of_message(Column::Text, account, conversation, message);
            let text = key.open(place, &row.bytes(2)?)?;
            Ok(Scanned { message, conversation, text, created: UnixMillis(row.int(3)?) })
        })
    }
}

impl Store {
    /// The next `limit` messages of an account, newest first, all conversations and branches together.
    pub async fn scan_messages(
        &self,
        account: AccountId,
        after: Option<ScanCursor>,
        limit: u32,
    ) -> Result<ScanBatch, StoreError> {
        let limit = i64::from(limit);
        let rows = match after {
            None => self.read(Lane::Scan, queries::MESSAGE_SCAN, args![account.to_sql(), limit]).await?,
            Some(after) => {
                let row = args![account.to_sql(), after.created.0, after.message.to_sql(), limit];
                self.read(Lane::Scan, queries::MESSAGE_SCAN_AFTER, row).await?
            }
        };
        Ok(ScanBatch { account, key: self.data_key(account).await?, rows })
    }

    /// The next `limit` messages of a conversation, oldest first, all branches together.
    pub async fn scan_conversation(
        &self,
        account: AccountId,
        conversation: ConversationId,
        after: Option<ScanCursor>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let (created, message) = after.map_or((i64::MIN, 0), |after| (after.created.0, after.message.to_sql()));
        let row = args![account.to_sql(), conversation.to_sql(), created, message, i64::from(limit)];
        let rows = self.read(Lane::Scan, queries::MESSAGE_LIST_ALL, row).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.data_key(account).await?;
        rows.into_iter().map(|row| message_of(&key, account, row)).collect()
    }

    /// The ids of the branch that ends in `leaf`, from the leaf to the root.
    pub async fn scan_branch(
        &self,
        account: AccountId,
        conversation: ConversationId,
        leaf: MessageId,
    ) -> Result<Vec<MessageId>, StoreError> {
        let row = args![account.to_sql(), conversation.to_sql(), leaf.to_sql()];
        let rows = self.read(Lane::Scan, queries::MESSAGE_LIST_BRANCH, row).await?;
        rows.iter().map(|row| row.int(0).map(MessageId::from_sql)).collect()
    }
}
