//! Messages: nodes of a conversation's tree, sealed with their account's data key.
//!
//! What must stay true: a message is durable when its call returns; text and reasoning open only in the row, the conversation and the
//! account they were sealed for.

use rempart_domain::{AccountId, ConversationId, MessageId, Sensitive, TokenCount, UnixMillis, Usage};

use crate::conn::{Row, args};
use crate::lane::Lane;
use crate::seal::{Column, DataKey, Place};
use crate::{Store, StoreError, queries};

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
words!(
    MessageStatus,
    "message status",
    Complete = "complete",
    Streaming = "streaming",
    Stopped = "stopped",
    Cut = "cut",
    Failed = "failed"
);

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

fn usage_of(row: &Row) -> Result<Option<Usage>, StoreError> {
    let tokens = |index| -> Result<TokenCount, StoreError> {
        Ok(TokenCount(row.opt_int(index)?.map_or(0, |tokens| u32::try_from(tokens).unwrap_or(u32::MAX))))
    };
    if row.opt_int(8)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Usage { input: tokens(8)?, output: tokens(9)?, reasoning: tokens(10)?, cached_input: tokens(11)? }))
}

fn message_of(key: &DataKey, account: AccountId, mut row: Row) -> Result<Message, StoreError> {
    let id = MessageId::from_sql(row.int(0)?);
    let conversation = ConversationId::from_sql(row.int(1)?);
    let place = |column| Place::of_message(column, account, conversation, id);
    Ok(Message {
        id,
        conversation,
        parent: row.opt_int(2)?.map(MessageId::from_sql),
        role: MessageRole::parse(&row.text(3)?)?,
        text: key.open(place(Column::Text), &row.bytes(4)?)?,
        reasoning: row.opt_bytes(5)?.map(|sealed| key.open(place(Column::Reasoning), &sealed)).transpose()?,
        model: row.opt_text(6)?,
        status: MessageStatus::parse(&row.text(7)?)?,
        usage: usage_of(&row)?,
        created: UnixMillis(row.int(12)?),
    })
}

impl Store {
    /// Appends a message and makes it the conversation's current leaf. `NotFound` if conversation or parent are not the account's.
    pub async fn append_message(&self, account: AccountId, new: NewMessage) -> Result<(), StoreError> {
        let key = self.data_key(account).await?;
        let place = |column| Place::of_message(column, account, new.conversation, new.id);
        let text = key.seal(place(Column::Text), &new.text)?;
        let reasoning = new.reasoning.as_ref().map(|text| key.seal(place(Column::Reasoning), text)).transpose()?;
        let (id, conversation) = (new.id.to_sql(), new.conversation.to_sql());
        let parent = new.parent.map(MessageId::to_sql);
        let created = new.created.0;
        let row = args![
            id,
            conversation,
            account.to_sql(),
            parent,
            new.role.as_str(),
            text,
            reasoning,
            new.model,
            new.status.as_str(),
            created
        ];
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                // First the conversation: the row is the account's proof of ownership and, in PostgreSQL, the lock.
                c.execute_one(queries::CONVERSATION_APPEND, args![account.to_sql(), conversation, id, created]).await?;
                if let Some(parent) = parent {
                    c.row(queries::MESSAGE_FIND_IN, args![parent, conversation]).await?.ok_or(StoreError::NotFound)?;
                }
                c.execute(queries::MESSAGE_INSERT, row).await.map(|_| ())
            })
        })
        .await
    }

    /// Replaces text, reasoning, status and cost of a message.
    pub async fn update_message(
        &self,
        account: AccountId,
        id: MessageId,
        text: Sensitive<String>,
        reasoning: Option<Sensitive<String>>,
        status: MessageStatus,
        usage: Option<Usage>,
    ) -> Result<(), StoreError> {
        let key = self.data_key(account).await?;
        let of_usage = |field: fn(&Usage) -> TokenCount| usage.as_ref().map(|usage| i64::from(field(usage).0));
        let cost =
            [of_usage(|u| u.input), of_usage(|u| u.output), of_usage(|u| u.reasoning), of_usage(|u| u.cached_input)];
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let found = c.row(queries::MESSAGE_FIND_CONVERSATION, args![account.to_sql(), id.to_sql()]).await?;
                let conversation = ConversationId::from_sql(found.ok_or(StoreError::NotFound)?.int(0)?);
                let place = |column| Place::of_message(column, account, conversation, id);
                let text = key.seal(place(Column::Text), &text)?;
                let reasoning = reasoning.as_ref().map(|text| key.seal(place(Column::Reasoning), text)).transpose()?;
                let mut row = args![account.to_sql(), id.to_sql(), text, reasoning, status.as_str()];
                row.extend(cost.into_iter().map(crate::conn::Value::from));
                c.execute_one(queries::MESSAGE_UPDATE, row).await
            })
        })
        .await
    }

    /// At most `limit` messages of the branch that ends in the current leaf, oldest first; `before` reads on towards the root.
    pub async fn list_messages(
        &self,
        account: AccountId,
        conversation: ConversationId,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let mut row = args![account.to_sql(), conversation.to_sql(), i64::from(limit)];
        let sql = match before {
            None => queries::MESSAGE_LIST_LEAF,
            Some(before) => {
                row.push(before.to_sql().into());
                queries::MESSAGE_LIST_BEFORE
            }
        };
        let rows = self.read(Lane::Other, sql, row).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.data_key(account).await?;
        rows.into_iter().map(|row| message_of(&key, account, row)).collect()
    }

    /// One message.
    pub async fn find_message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let row = self.read_one(Lane::Other, queries::MESSAGE_FIND, args![account.to_sql(), id.to_sql()]).await?;
        let Some(row) = row else { return Ok(None) };
        message_of(&*self.data_key(account).await?, account, row).map(Some)
    }

    /// Marks what was being generated when the last process ended as `Cut`; call it at start where no other node generates.
    pub async fn cut_streaming_messages(&self) -> Result<u64, StoreError> {
        self.execute(Lane::Other, queries::MESSAGE_CUT_STREAMING, vec![]).await
    }
}
