//! Messages: nodes of a conversation's tree, sealed with their account's data key.
//!
//! What must stay true: a message is durable when its call returns; text and reasoning open only in the row, the conversation and the
//! account they were sealed for.

use rempart_domain::{AccountId, ConversationId, MessageId, Sensitive, UnixMillis, Usage};

use crate::{Store, StoreError};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageRole {
    /// Instructions.
    System,
    /// The account.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageStatus {
    /// Whole.
    Complete,
    /// Being generated; after a crash it becomes `Cut` ([`Store::cut_streaming_messages`]).
    Streaming,
    /// Stopped by its reader.
    Stopped,
    /// Ended early by us; can be continued.
    Cut,
    /// The engine failed.
    Failed,
}

macro_rules! words {
    ($name:ident, $what:literal, $($variant:ident = $word:literal),+) => {
        impl $name {
            /// The word stored and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(crate) fn parse(word: &str) -> Result<Self, StoreError> {
                match word { $($word => Ok(Self::$variant),)+ _ => Err(StoreError::Corrupt($what)) }
            }
        }
    };
}
words!(MessageRole, "message role", System = "system", User = "user", Assistant = "assistant", Tool = "tool");
words!(MessageStatus, "message status", Complete = "complete", Streaming = "streaming", Stopped = "stopped", Cut = "cut", Failed = "failed");

/// A message to be appended.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// 63 random bits from the caller.
    pub id: MessageId,
    /// Where.
    pub conversation: ConversationId,
    /// After which; `None` begins a branch at the root.
    pub parent: Option<MessageId>,
    /// Who speaks.
    pub role: MessageRole,
    /// What was said.
    pub text: Sensitive<String>,
    /// The model's reasoning, if it shows it.
    pub reasoning: Option<Sensitive<String>>,
    /// The model that answered.
    pub model: Option<String>,
    /// How far it got.
    pub status: MessageStatus,
    /// When.
    pub created: UnixMillis,
}

/// A message as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where.
    pub conversation: ConversationId,
    /// After which.
    pub parent: Option<MessageId>,
    /// Who speaks.
    pub role: MessageRole,
    /// What was said.
    pub text: Sensitive<String>,
    /// The model's reasoning.
    pub reasoning: Option<Sensitive<String>>,
    /// The model that answered.
    pub model: Option<String>,
    /// How far it got.
    pub status: MessageStatus,
    /// What it cost, once known.
    pub usage: Option<Usage>,
    /// When.
    pub created: UnixMillis,
}

impl Store {
    /// Appends a message and makes it the conversation's current leaf. `NotFound` if conversation or parent are not the account's.
    pub async fn append_message(&self, account: AccountId, new: NewMessage) -> Result<(), StoreError> {
        self.todo()
    }
    /// Replaces text, reasoning, status and cost of a message.
    pub async fn update_message(
        &self, account: AccountId, id: MessageId, text: Sensitive<String>, reasoning: Option<Sensitive<String>>, status: MessageStatus, usage: Option<Usage>,
    ) -> Result<(), StoreError> {
        self.todo()
    }
    /// At most `limit` messages of the branch that ends in the current leaf, oldest first; `before` reads on towards the root.
    pub async fn list_messages(&self, account: AccountId, conversation: ConversationId, before: Option<MessageId>, limit: u32) -> Result<Vec<Message>, StoreError> {
        self.todo()
    }
    /// One message.
    pub async fn find_message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.todo()
    }
    /// Marks what was being generated when the last process ended as `Cut`; call it at start where no other node generates.
    pub async fn cut_streaming_messages(&self) -> Result<u64, StoreError> {
        self.todo()
    }
}
