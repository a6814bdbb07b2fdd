//! Conversations: a tree of messages with a current leaf. Every call takes the owner; another's conversation is not found.
//!
//! What must stay true: titles are sealed like text; no statement here names a conversation without its account.

use rempart_domain::{AccountId, ConversationId, MessageId, Sensitive, UnixMillis};

use crate::conn::{Row, args};
use crate::lane::Lane;
use crate::seal::{DataKey, Place};
use crate::{Store, StoreError, queries};

/// A conversation to be made.
#[derive(Debug, Clone)]
pub struct NewConversation {
    /// 63 random bits from the caller.
    pub id: ConversationId,
    /// Sealed before it is stored.
    pub title: Sensitive<String>,
    /// The model chosen.
    pub model: String,
    /// When.
    pub created: UnixMillis,
}

/// A conversation as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Its title.
    pub title: Sensitive<String>,
    /// The model chosen.
    pub model: String,
    /// The last message of the branch shown; `None` while it is empty.
    pub current_leaf: Option<MessageId>,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was last written to.
    pub updated: UnixMillis,
}

/// Where a page of conversations ended: pass it to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationCursor {
    /// `updated` of the last one.
    pub updated: UnixMillis,
    /// Its id.
    pub id: ConversationId,
}

impl Conversation {
    /// The cursor that reads on after this one.
    pub const fn cursor(&self) -> ConversationCursor {
        ConversationCursor { updated: self.updated, id: self.id }
    }
}

impl std::fmt::Display for ConversationCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.updated.0, self.id)
    }
}

impl std::str::FromStr for ConversationCursor {
    type Err = rempart_domain::IdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (updated, id) = text.split_once('.').ok_or(rempart_domain::IdParseError)?;
        let updated = updated.parse().map(UnixMillis).map_err(|_| rempart_domain::IdParseError)?;
        Ok(Self { updated, id: id.parse()? })
    }
}

fn conversation_of(key: &DataKey, account: AccountId, mut row: Row) -> Result<Conversation, StoreError> {
    let id = ConversationId::from_sql(row.int(0)?);
    Ok(Conversation {
        id,
        title: key.open(Place::of_title(account, id), &row.bytes(1)?)?,
        model: row.text(2)?,
        current_leaf: row.opt_int(3)?.map(MessageId::from_sql),
        created: UnixMillis(row.int(4)?),
        updated: UnixMillis(row.int(5)?),
    })
}

impl Store {
    /// Makes an empty conversation. `NotFound` if the account does not exist.
    pub async fn create_conversation(&self, account: AccountId, new: NewConversation) -> Result<(), StoreError> {
        let title = self.data_key(account).await?.seal(Place::of_title(account, new.id), &new.title)?;
        let row = args![new.id.to_sql(), account.to_sql(), title, new.model, new.created.0];
        self.execute_one(Lane::Other, queries::CONVERSATION_INSERT, row).await
    }

    /// The account's conversations, last written to first.
    pub async fn list_conversations(
        &self,
        account: AccountId,
        cursor: Option<ConversationCursor>,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        let limit = i64::from(limit);
        let rows = match cursor {
            None => self.read(Lane::Other, queries::CONVERSATION_LIST, args![account.to_sql(), limit]).await?,
            Some(after) => {
                let row = args![account.to_sql(), after.updated.0, after.id.to_sql(), limit];
                self.read(Lane::Other, queries::CONVERSATION_LIST_AFTER, row).await?
            }
        };
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.data_key(account).await?;
        rows.into_iter().map(|row| conversation_of(&key, account, row)).collect()
    }

    /// One conversation.
    pub async fn find_conversation(
        &self,
        account: AccountId,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let row = self.read_one(Lane::Other, queries::CONVERSATION_FIND, args![account.to_sql(), id.to_sql()]).await?;
        let Some(row) = row else { return Ok(None) };
        conversation_of(&*self.data_key(account).await?, account, row).map(Some)
    }

    /// Gives it another title.
    pub async fn set_title(
        &self,
        account: AccountId,
        id: ConversationId,
        title: Sensitive<String>,
    ) -> Result<(), StoreError> {
        let sealed = self.data_key(account).await?.seal(Place::of_title(account, id), &title)?;
        self.execute_one(Lane::Other, queries::CONVERSATION_SET_TITLE, args![account.to_sql(), id.to_sql(), sealed])
            .await
    }

    /// Shows another branch. `NotFound` if the message is not of this conversation.
    pub async fn set_current_leaf(
        &self,
        account: AccountId,
        id: ConversationId,
        leaf: MessageId,
    ) -> Result<(), StoreError> {
        let row = args![account.to_sql(), id.to_sql(), leaf.to_sql()];
        self.execute_one(Lane::Other, queries::CONVERSATION_SET_LEAF, row).await
    }

    /// Deletes it with all its messages; false if there is none.
    pub async fn delete_conversation(&self, account: AccountId, id: ConversationId) -> Result<bool, StoreError> {
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let row = args![account.to_sql(), id.to_sql()];
                let is_deleted = c.execute(queries::CONVERSATION_DELETE, row.clone()).await? > 0;
                c.execute(queries::CONVERSATION_DELETE_MESSAGES, row).await?;
                Ok(is_deleted)
            })
        })
        .await
    }
}
