//! SQL lives here only: SQLite and PostgreSQL behind one API, chats sealed per account.
//!
//! What must stay true: what was acknowledged survives `kill -9`; content, titles, e-mail addresses and password hashes never reach
//! either database unsealed; deleting an account destroys its data key at once; a database that is full, read-only or gone answers
//! [`StoreError::Unavailable`] in bounded time and is used again by itself when it comes back.
//!
//! Where things are: `account` `session` `key` `conversation` `message` `file` `share` `usage` `link` are the API by noun; `seal` and `master_key`
//! the cryptography; `lane` and `writer` the order of writes; `backend` and `conn` the databases; `queries/*.sql` the statements.

mod account;
mod backend;
mod backup;
mod clock;
mod conn;
mod conversation;
mod data_keys;
mod device;
mod dump;
mod error;
mod factor;
mod file;
mod health;
mod holding;
mod import;
mod invite;
mod key;
mod lane;
mod link;
mod master_key;
mod message;
mod migrate;
mod open;
mod options;
mod preferences;
#[doc(hidden)]
pub mod queries;
mod registration;
mod scan;
mod seal;
mod session;
mod share;
mod usage;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rempart_domain::{AccountId, UnixSeconds};
use tokio::task::JoinSet;

pub use account::{Account, EpochRow, GoodDay, NewAccount};
pub use conversation::{Conversation, ConversationChange, ConversationCursor, NewConversation};
pub use device::{Device, NewDevice};
pub use error::{Outage, StoreError};
pub use factor::{Factor, FactorKind, NewFactor};
pub use file::{File, FileKind, NewFile};
pub use holding::Holding;
pub use import::{ImportReport, NewAccountWithKeys};
pub use invite::{Invite, NewInvite};
pub use key::{KeyRecord, NewKey};
pub use link::{Link, LinkPurpose};
pub use master_key::MasterKey;
pub use message::{Message, MessageRole, MessageStatus, NewMessage, Progress};
pub use options::{HoldingLimits, StoreOptions, StoreUrl};
pub use preferences::{PreferenceChange, Preferences};
pub use registration::Registration;
pub use scan::{ScanBatch, ScanCursor, Scanned};
pub use session::{NewSession, Session};
pub use share::{NewShare, Share};
pub use usage::{DaySpent, UsageDay, UsageRow};

use backend::{AnyDatabase, Waiting};
use conn::{Row, Value, args};
use data_keys::DataKeys;
use health::Health;
use lane::{DEADLINE, DEADLINE_TRIAL, Lane, TypedJob, Work};
use seal::{DataKey, Sealer};
use writer::Queues;

/// How long a probe waits for the database.
const PROBE_WAIT: Duration = Duration::from_secs(2);

/// Rows a sweep removes in one commit.
const SWEEP_ROWS_MAX: i64 = 500;

/// Whether the store can be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreHealth {
    /// Reads and writes.
    Ok,
    /// Reads only: disk full or read-only.
    ReadOnly,
    /// Neither.
    Down,
}

#[derive(Debug)]
struct Inner {
    database: AnyDatabase,
    /// SQLite's writer; `None` for PostgreSQL and once closed.
    queues: ArcSwapOption<Queues>,
    waiting: Waiting,
    sealer: Sealer,
    data_keys: DataKeys,
    holding: HoldingLimits,
    health: Arc<Health>,
    tasks: Mutex<JoinSet<()>>,
}

/// The store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens the database, migrates it (an SQLite file is first copied aside) and checks the master key.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        open::open(options, migrate::MIGRATIONS).await
    }

    /// Takes no more work, finishes what waits, closes the database.
    pub async fn close(&self) {
        drop(self.inner.queues.swap(None));
        let mut tasks = std::mem::take(&mut *self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
        self.inner.database.close().await;
    }

    /// The last known state; no I/O.
    pub fn health(&self) -> StoreHealth {
        self.inner.health.get()
    }

    /// Looks whether the database is there and, if it was not writable, whether it is again. Call it every few seconds.
    pub async fn probe(&self) {
        match &self.inner.database {
            AnyDatabase::Sqlite(sqlite) if !sqlite.file.is_there() => {
                return self.inner.health.note_down(writer::FILE_GONE);
            }
            AnyDatabase::Sqlite(_) => {}
            AnyDatabase::Postgres(server) => {
                let ping = async { sqlx::query("SELECT 1").execute(&server.probe).await };
                match tokio::time::timeout(PROBE_WAIT, ping).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) if error::outage_of(&error) != Some(Outage::Deadline) => {
                        let _down = self.inner.health.note_unreachable(&error);
                        return;
                    }
                    _ => return self.inner.health.note_down("the database server does not answer"),
                }
            }
        }
        if self.health() != StoreHealth::Ok {
            let now = clock::now_seconds().0.to_be_bytes().to_vec();
            let touch =
                self.write(Lane::SignIn, |c| Box::pin(async move { c.execute(queries::META_TOUCH, args![now]).await }));
            if let Err(error) = touch.await {
                tracing::debug!(%error, "store still takes no writes");
            }
        }
    }

    /// Removes expired sessions and links, files that nobody attached, and what deleted accounts left, in small commits; returns the rows removed. Call it every
    /// minute or so.
    pub async fn sweep(&self, now: UnixSeconds) -> Result<u64, StoreError> {
        let mut removed = 0_u64;
        for sql in [
            queries::SESSION_DELETE_EXPIRED,
            queries::LINK_DELETE_EXPIRED,
            queries::DEVICE_DELETE_EXPIRED,
            queries::INVITE_DELETE_EXPIRED,
        ] {
            loop {
                let rows = self.write(Lane::Other, move |c| {
                    Box::pin(async move { c.execute(sql, args![now.0, SWEEP_ROWS_MAX]).await })
                });
                let rows = rows.await?;
                removed = removed.saturating_add(rows);
                if rows < SWEEP_ROWS_MAX.unsigned_abs() {
                    break;
                }
            }
        }
        removed = removed.saturating_add(self.sweep_files().await?);
        let rows = self.read(Lane::Other, queries::DELETED_ACCOUNT_LIST_UNPURGED, args![100_i64]).await?;
        for row in rows {
            removed = removed.saturating_add(self.purge(AccountId::from_sql(row.int(0)?)).await?);
        }
        Ok(removed)
    }

    /// Work that waits: sign-in lane, other lane, registration lane.
    pub fn queue_len(&self) -> [usize; 3] {
        self.inner.queues.load().as_ref().map_or_else(|| self.inner.waiting.lens(), |queues| queues.lens())
    }

    async fn read(&self, lane: Lane, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let _place = self.inner.waiting.enter(lane)?;
        // An SQLite file is read as long as it can be; a server that is gone is not asked by everybody.
        let is_server = matches!(self.inner.database, AnyDatabase::Postgres(_));
        if is_server && !self.inner.health.may_try() {
            return Err(StoreError::Unavailable(Outage::Down));
        }
        let reading = self.inner.database.read(lane, &self.inner.health, sql, args);
        let rows = tokio::time::timeout(self.patience(DEADLINE), reading)
            .await
            .map_err(|_| StoreError::Unavailable(Outage::Deadline))??;
        if is_server {
            self.inner.health.note_read();
        }
        Ok(rows)
    }

    /// Less for a trial.
    fn patience(&self, deadline: Duration) -> Duration {
        if self.health() == StoreHealth::Down { DEADLINE_TRIAL } else { deadline }
    }

    async fn read_one(&self, lane: Lane, sql: &'static str, args: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.read(lane, sql, args).await?.into_iter().next())
    }

    async fn write<T, F>(&self, lane: Lane, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut conn::Conn) -> futures_util::future::BoxFuture<'a, Result<T, StoreError>>
            + Send
            + 'static,
    {
        self.write_within(lane, DEADLINE, Box::new(work)).await
    }

    /// Runs a piece of work in a transaction (SQLite: together with others'). When the caller leaves before it began, it never begins;
    /// after a `Deadline` it may have happened or not.
    async fn write_within<T: Send + 'static>(
        &self,
        lane: Lane,
        deadline: Duration,
        work: Work<T>,
    ) -> Result<T, StoreError> {
        let late = |_| StoreError::Unavailable(Outage::Deadline);
        match &self.inner.database {
            AnyDatabase::Sqlite(_) => {
                let (job, answer) = TypedJob::new(work);
                let offered = self.inner.queues.load().as_ref().map(|queues| queues.offer(lane, job));
                offered.ok_or(StoreError::Unavailable(Outage::Closed))??;
                let answer = tokio::time::timeout(deadline, answer).await.map_err(late)?;
                answer.map_err(|_| StoreError::Unavailable(Outage::Closed))?
            }
            AnyDatabase::Postgres(server) => {
                let _place = self.inner.waiting.enter(lane)?;
                if !self.inner.health.may_try() {
                    return Err(StoreError::Unavailable(Outage::Down));
                }
                tokio::time::timeout(self.patience(deadline), server.write(lane, &self.inner.health, work))
                    .await
                    .map_err(late)?
            }
        }
    }

    /// Runs one writing statement; returns the rows it changed.
    async fn execute(&self, lane: Lane, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        self.write(lane, move |c| Box::pin(async move { c.execute(sql, args).await })).await
    }

    /// Runs one writing statement that must change a row, else `NotFound`.
    async fn execute_one(&self, lane: Lane, sql: &'static str, args: Vec<Value>) -> Result<(), StoreError> {
        self.write(lane, move |c| Box::pin(async move { c.execute_one(sql, args).await })).await
    }

    /// The account's data key, from memory or unwrapped; `NotFound` once the account is deleted.
    async fn data_key(&self, account: AccountId) -> Result<Arc<DataKey>, StoreError> {
        if let Some(held) = self.inner.data_keys.get(account) {
            return held.ok_or(StoreError::NotFound);
        }
        let row = self.read_one(Lane::Other, queries::DATA_KEY_FIND, args![account.to_sql()]).await?;
        let wrapped = row.ok_or(StoreError::NotFound)?.bytes(0)?;
        let key = self.inner.sealer.open_data_key(account, &wrapped)?;
        self.inner.data_keys.insert(account, key).ok_or(StoreError::NotFound)
    }
}
