//! Files: the text that was read out of them, sealed; the file itself is not kept.
//!
//! What must stay true: name and text are sealed for their file and account; a file belongs to one conversation once it is attached and
//! goes with it; one that nobody attached goes after its time.

use rempart_domain::{AccountId, ConversationId, FileId, MessageId, Sensitive, UnixMillis};

use crate::conn::{Conn, Row, args};
use crate::holding::{self, Change};
use crate::lane::Lane;
use crate::seal::{Column, DataKey, Place};
use crate::{Store, StoreError, clock, queries};

/// Files that one sweep removes at most.
const SWEEP_FILES_MAX: i64 = 500;

/// What a file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Plain text of any sort.
    Text,
    /// A PDF.
    Pdf,
}

impl FileKind {
    /// The word stored and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Pdf => "pdf",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        match word {
            "text" => Ok(Self::Text),
            "pdf" => Ok(Self::Pdf),
            _ => Err(StoreError::Corrupt("file kind")),
        }
    }
}

/// A file to be kept.
#[derive(Debug)]
pub struct NewFile {
    /// 63 random bits from the caller.
    pub id: FileId,
    /// What its owner calls it.
    pub name: Sensitive<String>,
    /// What it was.
    pub kind: FileKind,
    /// Its size as it came.
    pub bytes: u64,
    /// The text that was read out of it.
    pub text: Sensitive<String>,
    /// When.
    pub created: UnixMillis,
}

/// A file as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// Its name.
    pub name: Sensitive<String>,
    /// What it was.
    pub kind: FileKind,
    /// Its size as it came.
    pub bytes: u64,
    /// Characters of its text.
    pub chars: u64,
}

fn file_of(key: &DataKey, account: AccountId, row: &mut Row) -> Result<File, StoreError> {
    let id = FileId::from_sql(row.int(0)?);
    let count = |index| Ok::<u64, StoreError>(u64::try_from(row.int(index)?).unwrap_or(0));
    let (bytes, chars) = (count(2)?, count(3)?);
    Ok(File {
        id,
        name: key.open(Place::of_file(Column::FileName, account, id), &row.bytes(4)?)?,
        kind: FileKind::parse(&row.text(1)?)?,
        bytes,
        chars,
    })
}

/// Binds files to a message, in their order. `NotFound` if one is not the account's, or belongs to another conversation.
pub(crate) async fn attach(
    conn: &mut Conn,
    account: AccountId,
    conversation: ConversationId,
    message: MessageId,
    files: &[FileId],
) -> Result<(), StoreError> {
    for (place, file) in (0_i64..).zip(files) {
        let owned = args![account.to_sql(), file.to_sql(), conversation.to_sql()];
        conn.execute_one(queries::FILE_ATTACH, owned).await?;
        let row = args![message.to_sql(), file.to_sql(), conversation.to_sql(), account.to_sql(), place];
        conn.execute(queries::ATTACHMENT_INSERT, row).await?;
    }
    Ok(())
}

async fn delete_on(conn: &mut Conn, account: AccountId, id: FileId) -> Result<bool, StoreError> {
    let row = args![account.to_sql(), id.to_sql()];
    let Some(deleted) = conn.row(queries::FILE_DELETE, row.clone()).await? else { return Ok(false) };
    conn.execute(queries::FILE_DELETE_ATTACHMENTS, row).await?;
    let change = Change { files: -1, bytes: -deleted.int(0)?, ..Change::default() };
    holding::count(conn, account, change).await?;
    Ok(true)
}

impl Store {
    /// Keeps a file. `Full` if the account holds as many, or as much, as it may.
    pub async fn create_file(&self, account: AccountId, new: NewFile) -> Result<(), StoreError> {
        let key = self.data_key(account).await?;
        let name = key.seal(Place::of_file(Column::FileName, account, new.id), &new.name)?;
        let text = key.seal(Place::of_file(Column::FileText, account, new.id), &new.text)?;
        let bytes = holding::signed(name.len().saturating_add(text.len()));
        let size = i64::try_from(new.bytes).unwrap_or(i64::MAX);
        let chars = holding::signed(new.text.expose().chars().count());
        let row = args![new.id.to_sql(), account.to_sql(), new.kind.as_str(), size, chars, name, text, new.created.0];
        let limits = self.inner.holding;
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                c.execute_one(queries::FILE_INSERT, row).await?;
                holding::add(c, account, Change { files: 1, bytes, ..Change::default() }, &limits).await
            })
        })
        .await
    }

    /// One file, without its text.
    pub async fn find_file(&self, account: AccountId, id: FileId) -> Result<Option<File>, StoreError> {
        let row = self.read_one(Lane::Other, queries::FILE_FIND, args![account.to_sql(), id.to_sql()]).await?;
        let Some(mut row) = row else { return Ok(None) };
        file_of(&*self.data_key(account).await?, account, &mut row).map(Some)
    }

    /// One file with its text.
    pub async fn read_file(
        &self,
        account: AccountId,
        id: FileId,
    ) -> Result<Option<(File, Sensitive<String>)>, StoreError> {
        let row = self.read_one(Lane::Other, queries::FILE_READ, args![account.to_sql(), id.to_sql()]).await?;
        let Some(mut row) = row else { return Ok(None) };
        let key = self.data_key(account).await?;
        let text = key.open(Place::of_file(Column::FileText, account, id), &row.bytes(5)?)?;
        Ok(Some((file_of(&key, account, &mut row)?, text)))
    }

    /// Deletes a file, attached or not; false if there is none.
    pub async fn delete_file(&self, account: AccountId, id: FileId) -> Result<bool, StoreError> {
        self.write(Lane::Other, move |c| Box::pin(delete_on(c, account, id))).await
    }

    /// The files of at most `limit` messages of the branch that ends in `leaf`, with the message each is attached to.
    pub async fn list_attachments(
        &self,
        account: AccountId,
        conversation: ConversationId,
        leaf: MessageId,
        limit: u32,
    ) -> Result<Vec<(MessageId, File)>, StoreError> {
        let row = args![account.to_sql(), conversation.to_sql(), leaf.to_sql(), i64::from(limit)];
        let rows = self.read(Lane::Other, queries::ATTACHMENT_LIST, row).await?;
        self.attachments_of(account, rows).await
    }

    /// The files of every message of a conversation: for whoever reads through all of it.
    pub async fn scan_attachments(
        &self,
        account: AccountId,
        conversation: ConversationId,
    ) -> Result<Vec<(MessageId, File)>, StoreError> {
        let row = args![account.to_sql(), conversation.to_sql()];
        let rows = self.read(Lane::Scan, queries::ATTACHMENT_LIST_ALL, row).await?;
        self.attachments_of(account, rows).await
    }

    async fn attachments_of(&self, account: AccountId, rows: Vec<Row>) -> Result<Vec<(MessageId, File)>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.data_key(account).await?;
        let each = |mut row: Row| Ok((MessageId::from_sql(row.int(5)?), file_of(&key, account, &mut row)?));
        rows.into_iter().map(each).collect()
    }

    /// Removes files that nobody attached in time; returns how many.
    pub(crate) async fn sweep_files(&self) -> Result<u64, StoreError> {
        let waits = i64::try_from(self.inner.holding.unattached_ms).unwrap_or(i64::MAX);
        let before = clock::now_seconds().0.saturating_mul(1000).saturating_sub(waits);
        let rows = self.read(Lane::Scan, queries::FILE_LIST_EXPIRED, args![before, SWEEP_FILES_MAX]).await?;
        let mut removed = 0;
        for row in rows {
            let (id, account) = (FileId::from_sql(row.int(0)?), AccountId::from_sql(row.int(1)?));
            removed += u64::from(self.delete_file(account, id).await?);
        }
        Ok(removed)
    }
}
