//! Conversations: a tree of messages with a current leaf. Every call takes the owner; another's conversation is not found.
//!
//! What must stay true: titles are sealed like text; no statement here names a conversation without its account.

use rempart_domain::{AccountId, ConversationId, MessageId, Sensitive, UnixMillis};

use crate::conn::{Row, Value, args};
use crate::holding::{self, Change as HoldingChange};
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
    /// Instructions that stand before every question; sealed.
    pub system: Option<Sensitive<String>>,
    /// Thousandths.
    pub temperature: Option<u16>,
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
    /// Kept at the top by its owner.
    pub is_pinned: bool,
    /// True while a link shows a snapshot of it.
    pub is_shared: bool,
    /// Instructions that stand before every question.
    pub system: Option<Sensitive<String>>,
    /// Thousandths; `None` leaves it to the engine.
    pub temperature: Option<u16>,
}

/// What is to be changed of a conversation; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct ConversationChange {
    /// Another title.
    pub title: Option<Sensitive<String>>,
    /// At the top, or not.
    pub is_pinned: Option<bool>,
    /// Another model.
    pub model: Option<String>,
    /// Other instructions, or none.
    pub system: Option<Option<Sensitive<String>>>,
    /// Another temperature, or none.
    pub temperature: Option<Option<u16>>,
    /// Another branch: the message it ends in.
    pub current_leaf: Option<MessageId>,
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
    let system = row.opt_bytes(7)?;
    Ok(Conversation {
        id,
        title: key.open(Place::of_title(account, id), &row.bytes(1)?)?,
        model: row.text(2)?,
        current_leaf: row.opt_int(3)?.map(MessageId::from_sql),
        created: UnixMillis(row.int(4)?),
        updated: UnixMillis(row.int(5)?),
        is_pinned: row.int(6)? != 0,
        is_shared: row.int(9)? != 0,
        system: system.map(|sealed| key.open(Place::of_system(account, id), &sealed)).transpose()?,
        temperature: row.opt_int(8)?.and_then(|thousandths| u16::try_from(thousandths).ok()),
    })
}

impl Store {
    /// Makes an empty conversation. `NotFound` if the account does not exist, `Full` if it holds as many as it may.
    pub async fn create_conversation(&self, account: AccountId, new: NewConversation) -> Result<(), StoreError> {
        let key = self.data_key(account).await?;
        let title = key.seal(Place::of_title(account, new.id), &new.title)?;
        let system = new.system.as_ref().map(|text| key.seal(Place::of_system(account, new.id), text)).transpose()?;
        let temperature = new.temperature.map(i64::from);
        let row = args![new.id.to_sql(), account.to_sql(), title, new.model, new.created.0, system, temperature];
        let limits = self.inner.holding;
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                c.execute_one(queries::CONVERSATION_INSERT, row).await?;
                holding::add(c, account, HoldingChange { conversations: 1, ..HoldingChange::default() }, &limits).await
            })
        })
        .await
    }

    /// The account's conversations, last written to first.
    pub async fn list_conversations(
        &self,
        account: AccountId,
        cursor: Option<ConversationCursor>,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        let sql = [queries::CONVERSATION_LIST, queries::CONVERSATION_LIST_AFTER];
        self.list_with(Lane::Other, sql, account, cursor, limit).await
    }

    /// Those that are pinned, last written to first.
    pub async fn list_pinned_conversations(
        &self,
        account: AccountId,
        cursor: Option<ConversationCursor>,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        let sql = [queries::CONVERSATION_LIST_PINNED, queries::CONVERSATION_LIST_PINNED_AFTER];
        self.list_with(Lane::Other, sql, account, cursor, limit).await
    }

    /// [`Store::list_conversations`] for whoever reads through all of them: in the lane of those who do.
    pub async fn scan_conversations(
        &self,
        account: AccountId,
        cursor: Option<ConversationCursor>,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        let sql = [queries::CONVERSATION_LIST, queries::CONVERSATION_LIST_AFTER];
        self.list_with(Lane::Scan, sql, account, cursor, limit).await
    }

    async fn list_with(
        &self,
        lane: Lane,
        [first, after]: [&'static str; 2],
        account: AccountId,
        cursor: Option<ConversationCursor>,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        let limit = i64::from(limit);
        let rows = match cursor {
            None => self.read(lane, first, args![account.to_sql(), limit]).await?,
            Some(cursor) => {
                let row = args![account.to_sql(), cursor.updated.0, cursor.id.to_sql(), limit];
                self.read(lane, after, row).await?
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

    /// Changes what is asked for, all of it or nothing. `NotFound` if it, or the message named, is not the account's.
    pub async fn change_conversation(
        &self,
        account: AccountId,
        id: ConversationId,
        change: ConversationChange,
    ) -> Result<(), StoreError> {
        let key = self.data_key(account).await?;
        let mut steps: Vec<(&'static str, Value)> = Vec::new();
        if let Some(title) = &change.title {
            let sealed = key.seal(Place::of_title(account, id), title)?;
            steps.push((queries::CONVERSATION_SET_TITLE, sealed.into()));
        }
        if let Some(is_pinned) = change.is_pinned {
            steps.push((queries::CONVERSATION_SET_PINNED, i64::from(is_pinned).into()));
        }
        if let Some(model) = change.model {
            steps.push((queries::CONVERSATION_SET_MODEL, model.into()));
        }
        if let Some(system) = &change.system {
            let sealed = system.as_ref().map(|text| key.seal(Place::of_system(account, id), text)).transpose()?;
            steps.push((queries::CONVERSATION_SET_SYSTEM, sealed.into()));
        }
        if let Some(temperature) = change.temperature {
            steps.push((queries::CONVERSATION_SET_TEMPERATURE, temperature.map(i64::from).into()));
        }
        if let Some(leaf) = change.current_leaf {
            steps.push((queries::CONVERSATION_SET_LEAF, leaf.to_sql().into()));
        }
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                for (sql, value) in steps {
                    c.execute_one(sql, vec![account.to_sql().into(), id.to_sql().into(), value]).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Gives it another title.
    pub async fn set_title(
        &self,
        account: AccountId,
        id: ConversationId,
        title: Sensitive<String>,
    ) -> Result<(), StoreError> {
        self.change_conversation(account, id, ConversationChange { title: Some(title), ..Default::default() }).await
    }

    /// Shows another branch. `NotFound` if the message is not of this conversation.
    pub async fn set_current_leaf(
        &self,
        account: AccountId,
        id: ConversationId,
        leaf: MessageId,
    ) -> Result<(), StoreError> {
        self.change_conversation(account, id, ConversationChange { current_leaf: Some(leaf), ..Default::default() })
            .await
    }

    /// Deletes it with its messages, its files and its shared link; false if there is none.
    pub async fn delete_conversation(&self, account: AccountId, id: ConversationId) -> Result<bool, StoreError> {
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let row = args![account.to_sql(), id.to_sql()];
                let Some(deleted) = c.row(queries::CONVERSATION_DELETE, row.clone()).await? else { return Ok(false) };
                let mut freed = deleted.int(0)?;
                let files = c.row(queries::CONVERSATION_MEASURE_FILES, row.clone()).await?;
                let files = files.ok_or(StoreError::Corrupt("files"))?;
                freed = freed.saturating_add(files.int(1)?);
                if let Some(share) = c.row(queries::SHARE_DELETE, row.clone()).await? {
                    freed = freed.saturating_add(share.int(0)?);
                }
                c.execute(queries::CONVERSATION_DELETE_MESSAGES, row.clone()).await?;
                c.execute(queries::CONVERSATION_DELETE_ATTACHMENTS, row.clone()).await?;
                c.execute(queries::CONVERSATION_DELETE_FILES, row).await?;
                let change = HoldingChange { conversations: -1, files: -files.int(0)?, bytes: -freed };
                holding::count(c, account, change).await?;
                Ok(true)
            })
        })
        .await
    }
}
