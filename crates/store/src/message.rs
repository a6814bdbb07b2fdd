//! Messages: nodes of a conversation's tree, sealed with their account's data key.
//!
//! What must stay true: a message is durable when its call returns; text and reasoning open only in the row, the conversation and the
//! account they were sealed for.

use std::collections::HashMap;

use rempart_domain::{AccountId, ConversationId, FileId, MessageId, Sensitive, TokenCount, UnixMillis, Usage};

use crate::conn::{Conn, Row, Value, args};
use crate::holding::{self, Change};
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

/// Tokens from four columns, the first of them at `at`.
fn usage_of(row: &Row, at: usize) -> Result<Option<Usage>, StoreError> {
    let tokens = |index| -> Result<TokenCount, StoreError> {
        Ok(TokenCount(row.opt_int(index)?.map_or(0, |tokens| u32::try_from(tokens).unwrap_or(u32::MAX))))
    };
    if row.opt_int(at)?.is_none() {
        return Ok(None);
    }
    let [input, output, reasoning, cached] = [at, at + 1, at + 2, at + 3].map(tokens);
    Ok(Some(Usage { input: input?, output: output?, reasoning: reasoning?, cached_input: cached? }))
}

pub(crate) fn message_of(key: &DataKey, account: AccountId, mut row: Row) -> Result<Message, StoreError> {
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
        usage: usage_of(&row, 8)?,
        created: UnixMillis(row.int(12)?),
    })
}

/// What an account's answer grew to.
#[derive(Debug)]
pub struct Progress {
    /// All of it.
    pub text: Sensitive<String>,
    /// All of it.
    pub reasoning: Option<Sensitive<String>>,
}

/// A message sealed for its row.
struct SealedMessage {
    id: MessageId,
    parent: Option<MessageId>,
    bytes: i64,
    row: Vec<Value>,
}

fn seal_message(key: &DataKey, account: AccountId, new: NewMessage) -> Result<SealedMessage, StoreError> {
    let place = |column| Place::of_message(column, account, new.conversation, new.id);
    let text = key.seal(place(Column::Text), &new.text)?;
    let reasoning = new.reasoning.as_ref().map(|text| key.seal(place(Column::Reasoning), text)).transpose()?;
    let bytes = holding::signed(text.len().saturating_add(reasoning.as_ref().map_or(0, Vec::len)));
    let row = args![
        new.id.to_sql(),
        new.conversation.to_sql(),
        account.to_sql(),
        new.parent.map(MessageId::to_sql),
        new.role.as_str(),
        text,
        reasoning,
        new.model,
        new.status.as_str(),
        new.created.0
    ];
    Ok(SealedMessage { id: new.id, parent: new.parent, bytes, row })
}

/// Refuses a parent of another conversation, and one branch too many at one place.
async fn check_parent(
    conn: &mut Conn,
    conversation: i64,
    parent: Option<MessageId>,
    branches_max: u64,
) -> Result<(), StoreError> {
    let siblings = match parent.map(MessageId::to_sql) {
        Some(parent) => {
            conn.row(queries::MESSAGE_FIND_IN, args![parent, conversation]).await?.ok_or(StoreError::NotFound)?;
            conn.row(queries::MESSAGE_COUNT_SIBLINGS, args![conversation, parent]).await?
        }
        None => conn.row(queries::MESSAGE_COUNT_ROOTS, args![conversation]).await?,
    };
    let siblings = siblings.map_or(Ok(0), |row| row.int(0))?;
    if siblings.unsigned_abs() >= branches_max { Err(StoreError::Full("branches")) } else { Ok(()) }
}

impl Store {
    /// Appends a message and makes it the conversation's current leaf. `NotFound` if conversation or parent are not the account's.
    pub async fn append_message(&self, account: AccountId, new: NewMessage) -> Result<(), StoreError> {
        self.append_messages(account, vec![new], Vec::new()).await
    }

    /// Appends messages of one conversation in one commit, the last of them its current leaf; `files` are attached to the first.
    /// `NotFound` if conversation, a parent or a file are not the account's; `Full` at a limit of what it may hold.
    pub async fn append_messages(
        &self,
        account: AccountId,
        new: Vec<NewMessage>,
        files: Vec<FileId>,
    ) -> Result<(), StoreError> {
        let key = self.data_key(account).await?;
        let Some((place, created)) = new.last().map(|last| (last.conversation, last.created)) else { return Ok(()) };
        let sealed: Result<Vec<_>, _> = new.into_iter().map(|new| seal_message(&key, account, new)).collect();
        let sealed = sealed?;
        let limits = self.inner.holding;
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let (conversation, count) = (place.to_sql(), holding::signed(sealed.len()));
                let bytes = sealed.iter().fold(0_i64, |sum, message| sum.saturating_add(message.bytes));
                let leaf = sealed.last().map_or(0, |message| message.id.to_sql());
                // First the conversation: the row is the account's proof of ownership and, in PostgreSQL, the lock.
                let row = args![account.to_sql(), conversation, leaf, created.0, count, bytes];
                let held = c.row(queries::CONVERSATION_APPEND, row).await?.ok_or(StoreError::NotFound)?;
                if held.int(0)?.unsigned_abs() > limits.messages {
                    return Err(StoreError::Full("messages"));
                }
                holding::add(c, account, Change { bytes, ..Change::default() }, &limits).await?;
                let first = sealed.first().map(|message| message.id);
                for message in sealed {
                    check_parent(c, conversation, message.parent, limits.branches).await?;
                    c.execute(queries::MESSAGE_INSERT, message.row).await?;
                }
                match first {
                    Some(first) => crate::file::attach(c, account, place, first, &files).await,
                    None => Ok(()),
                }
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
        self.rewrite_message(account, id, Progress { text, reasoning }, Rewrite::End { status, usage }).await
    }

    /// Writes how far an answer came while it is on its way; what is over already stays as it is.
    pub async fn checkpoint_message(
        &self,
        account: AccountId,
        id: MessageId,
        progress: Progress,
    ) -> Result<(), StoreError> {
        self.rewrite_message(account, id, progress, Rewrite::Checkpoint).await
    }

    async fn rewrite_message(
        &self,
        account: AccountId,
        id: MessageId,
        progress: Progress,
        rewrite: Rewrite,
    ) -> Result<(), StoreError> {
        let key = self.data_key(account).await?;
        self.write(Lane::Other, move |c| Box::pin(rewrite_on(c, key, account, id, progress, rewrite))).await
    }

    /// An answer that was cut, stopped or failed is on its way again; false if it is whole, or on its way already.
    pub async fn resume_message(&self, account: AccountId, id: MessageId) -> Result<bool, StoreError> {
        let row = args![account.to_sql(), id.to_sql()];
        Ok(self.execute(Lane::Other, queries::MESSAGE_SET_STREAMING, row).await? > 0)
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

    /// The messages that stand beside those of a branch, each list in the order they were made: at most `limit` messages of the branch
    /// that ends in `leaf`, those with a parent only. A message without others beside it is listed too.
    pub async fn list_siblings(
        &self,
        account: AccountId,
        conversation: ConversationId,
        leaf: MessageId,
        limit: u32,
    ) -> Result<HashMap<MessageId, Vec<MessageId>>, StoreError> {
        let row = args![account.to_sql(), conversation.to_sql(), leaf.to_sql(), i64::from(limit)];
        let mut siblings: HashMap<MessageId, Vec<MessageId>> = HashMap::new();
        for row in self.read(Lane::Other, queries::MESSAGE_LIST_SIBLINGS, row).await? {
            let of = MessageId::from_sql(row.int(0)?);
            siblings.entry(of).or_default().push(MessageId::from_sql(row.int(1)?));
        }
        Ok(siblings)
    }

    /// The messages that begin a conversation, in the order they were made.
    pub async fn list_roots(
        &self,
        account: AccountId,
        conversation: ConversationId,
    ) -> Result<Vec<MessageId>, StoreError> {
        let limit = i64::try_from(self.inner.holding.branches).unwrap_or(i64::MAX);
        let row = args![account.to_sql(), conversation.to_sql(), limit];
        let rows = self.read(Lane::Other, queries::MESSAGE_LIST_ROOTS, row).await?;
        rows.iter().map(|row| row.int(0).map(MessageId::from_sql)).collect()
    }

    /// How many messages the branch has that ends in `leaf`.
    pub async fn count_branch(
        &self,
        account: AccountId,
        conversation: ConversationId,
        leaf: MessageId,
    ) -> Result<u64, StoreError> {
        let row = args![account.to_sql(), conversation.to_sql(), leaf.to_sql()];
        let row = self.read_one(Lane::Other, queries::MESSAGE_COUNT_BRANCH, row).await?;
        row.map_or(Ok(0), |row| row.int(0).map(i64::unsigned_abs))
    }

    /// Where the branch ends that goes through `message` and takes the newest way at each fork; `None` if it is not the account's.
    pub async fn find_newest_below(
        &self,
        account: AccountId,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<Option<MessageId>, StoreError> {
        let row = args![account.to_sql(), conversation.to_sql(), message.to_sql()];
        let row = self.read_one(Lane::Other, queries::MESSAGE_FIND_NEWEST_BELOW, row).await?;
        row.map(|row| row.int(0).map(MessageId::from_sql)).transpose()
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

/// How a message is written anew.
#[derive(Debug, Clone, Copy)]
enum Rewrite {
    /// On its way still.
    Checkpoint,
    /// Over.
    End { status: MessageStatus, usage: Option<Usage> },
}

async fn rewrite_on(
    conn: &mut Conn,
    key: std::sync::Arc<DataKey>,
    account: AccountId,
    id: MessageId,
    progress: Progress,
    rewrite: Rewrite,
) -> Result<(), StoreError> {
    let found = conn.row(queries::MESSAGE_MEASURE, args![account.to_sql(), id.to_sql()]).await?;
    let mut found = found.ok_or(StoreError::NotFound)?;
    let (conversation, older) = (ConversationId::from_sql(found.int(0)?), found.int(1)?);
    let was = MessageStatus::parse(&found.text(2)?)?;
    let (status, usage) = match rewrite {
        Rewrite::Checkpoint if was != MessageStatus::Streaming => return Ok(()),
        Rewrite::Checkpoint => (was, usage_of(&found, 3)?),
        Rewrite::End { status, usage } => (status, usage),
    };
    let of_usage = |field: fn(&Usage) -> TokenCount| usage.as_ref().map(|usage| i64::from(field(usage).0));
    let cost = [of_usage(|u| u.input), of_usage(|u| u.output), of_usage(|u| u.reasoning), of_usage(|u| u.cached_input)];
    let place = |column| Place::of_message(column, account, conversation, id);
    let text = key.seal(place(Column::Text), &progress.text)?;
    let reasoning = progress.reasoning.as_ref().map(|text| key.seal(place(Column::Reasoning), text)).transpose()?;
    let bytes = holding::signed(text.len().saturating_add(reasoning.as_ref().map_or(0, Vec::len))) - older;
    let mut row = args![account.to_sql(), id.to_sql(), text, reasoning, status.as_str()];
    row.extend(cost.into_iter().map(Value::from));
    conn.execute_one(queries::MESSAGE_UPDATE, row).await?;
    let grown = args![account.to_sql(), conversation.to_sql(), bytes];
    conn.execute(queries::CONVERSATION_ADD_BYTES, grown).await?;
    holding::count(conn, account, Change { bytes, ..Change::default() }).await.map(|_| ())
}
