//! Conversations: a tree of messages with a current leaf. Every call takes the owner; another's conversation is not found.
//!
//! What must stay true: titles are sealed like text; no statement here names a conversation without its account.

use rempart_domain::{AccountId, ConversationId, MessageId, Sensitive, UnixMillis};

use crate::{Store, StoreError};

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

impl Store {
    /// Makes an empty conversation. `NotFound` if the account does not exist.
    pub async fn create_conversation(&self, account: AccountId, new: NewConversation) -> Result<(), StoreError> {
        self.todo()
    }
    /// The account's conversations, last written to first.
    pub async fn list_conversations(&self, account: AccountId, cursor: Option<ConversationCursor>, limit: u32) -> Result<Vec<Conversation>, StoreError> {
        self.todo()
    }
    /// One conversation.
    pub async fn find_conversation(&self, account: AccountId, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        self.todo()
    }
    /// Gives it another title.
    pub async fn set_title(&self, account: AccountId, id: ConversationId, title: Sensitive<String>) -> Result<(), StoreError> {
        self.todo()
    }
    /// Shows another branch. `NotFound` if the message is not of this conversation.
    pub async fn set_current_leaf(&self, account: AccountId, id: ConversationId, leaf: MessageId) -> Result<(), StoreError> {
        self.todo()
    }
    /// Deletes it with all its messages; false if there is none.
    pub async fn delete_conversation(&self, account: AccountId, id: ConversationId) -> Result<bool, StoreError> {
        self.todo()
    }
}
