//! The two databases behind one face: `read` a statement, `write` a piece of work in a transaction.
//!
//! What must stay true: sign-in has connections of its own in both; whoever waits is counted and bounded; nobody waits longer than a
//! deadline.

use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Database, Pool};
use tokio::sync::Semaphore;

use crate::conn::{Conn, Link, Row, Value};
use crate::error::{Outage, StoreError};
use crate::health::Health;
use crate::lane::{DEADLINE, Lane, REGISTRATION_QUEUE_PART, Work};

/// Readers of an SQLite file: sign-in's own, the others', and those that read through much.
const SQLITE_READERS: (u32, u32, u32) = (2, 4, 2);

/// Who may wait to read through much is this part of the others' bound.
const SCAN_QUEUE_PART: usize = 16;

/// The write-ahead log is cut back to this after a checkpoint: 64 MiB.
const WAL_LEN_MAX: &str = "67108864";

/// How long a lock held by another process is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(3);
pub(crate) const RESTORE_BUSY_WAIT: &str = "PRAGMA busy_timeout = 3000";

/// Connections by lane. `SignIn` never waits behind another lane's work.
#[derive(Debug)]
pub(crate) struct Pools<DB: Database> {
    pub(crate) sign_in: Pool<DB>,
    pub(crate) other: Pool<DB>,
    pub(crate) scan: Pool<DB>,
}

impl<DB: Database> Pools<DB> {
    fn of(&self, lane: Lane) -> &Pool<DB> {
        match lane {
            Lane::SignIn => &self.sign_in,
            Lane::Scan => &self.scan,
            Lane::Other | Lane::Registration => &self.other,
        }
    }
}

/// The file that was opened: another one under the same name is not our database, and what is written to one that lost its name is lost.
#[derive(Debug, Clone)]
pub(crate) struct FileIdentity {
    pub(crate) path: PathBuf,
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|meta| Self { path: path.to_owned(), device: meta.dev(), inode: meta.ino() })
    }

    /// False once the file was moved away or replaced under us.
    pub(crate) fn is_there(&self) -> bool {
        Self::of(&self.path).is_ok_and(|now| (now.device, now.inode) == (self.device, self.inode))
    }
}

#[derive(Debug)]
pub(crate) struct SqliteFile {
    pub(crate) readers: Pools<sqlx::Sqlite>,
    pub(crate) file: FileIdentity,
}

#[derive(Debug)]
pub(crate) struct PostgresServer {
    pub(crate) pools: Pools<sqlx::Postgres>,
    /// One connection for the probe, so that a full pool does not look like a dead server.
    pub(crate) probe: PgPool,
    /// Registrations at once.
    registrations: Semaphore,
}

#[derive(Debug)]
pub(crate) enum AnyDatabase {
    Sqlite(SqliteFile),
    Postgres(PostgresServer),
}

/// Who may wait, by lane.
#[derive(Debug)]
pub(crate) struct Waiting {
    sign_in: Semaphore,
    other: Semaphore,
    scan: Semaphore,
    registration: Semaphore,
    len_max: usize,
}

impl Waiting {
    pub(crate) fn new(len_max: usize) -> Self {
        let len_max = len_max.clamp(1, Semaphore::MAX_PERMITS);
        let registration = Semaphore::new(len_max.div_ceil(REGISTRATION_QUEUE_PART));
        let scan = Semaphore::new(len_max.div_ceil(SCAN_QUEUE_PART));
        Self { sign_in: Semaphore::new(len_max), other: Semaphore::new(len_max), scan, registration, len_max }
    }

    pub(crate) fn enter(&self, lane: Lane) -> Result<tokio::sync::SemaphorePermit<'_>, StoreError> {
        let queue = match lane {
            Lane::SignIn => &self.sign_in,
            Lane::Other => &self.other,
            Lane::Scan => &self.scan,
            Lane::Registration => &self.registration,
        };
        queue.try_acquire().map_err(|_| StoreError::Unavailable(Outage::QueueFull))
    }

    pub(crate) fn lens(&self) -> [usize; 3] {
        let used = |queue: &Semaphore, len_max: usize| len_max.saturating_sub(queue.available_permits());
        let registrations = self.len_max.div_ceil(REGISTRATION_QUEUE_PART);
        [used(&self.sign_in, self.len_max), used(&self.other, self.len_max), used(&self.registration, registrations)]
    }
}

fn pool_options<DB: Database>(connections: u32) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(DEADLINE)
        .acquire_slow_threshold(Duration::from_secs(86_400))
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Options every SQLite connection shares. The file must exist: it is made by [`create_private`], never by SQLite.
pub(crate) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_WAIT)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

/// The writer's page cache: 64 MiB, as SQLite writes it (negative is KiB). Ids are random, so an import touches every part of each
/// index; with SQLite's 2 MB it read and wrote each page many times in one commit (100 000 accounts: 1.4 million reads).
const WRITER_CACHE: &str = "-65536";

pub(crate) fn sqlite_writer(path: &Path, pages_max: Option<u32>) -> SqlitePool {
    let mut options = sqlite_options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("secure_delete", "ON")
        .pragma("journal_size_limit", WAL_LEN_MAX);
    if let Some(pages) = pages_max {
        options = options.pragma("max_page_count", pages.to_string());
    }
    pool_options(1).test_before_acquire(false).connect_lazy_with(options)
}

/// Makes an empty file readable by its owner only; SQLite gives its log files the same mode.
pub(crate) fn create_private(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| StoreError::file("create", folder, e))?;
    }
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|e| StoreError::file("open", path, e))
}

impl SqliteFile {
    pub(crate) fn open(file: FileIdentity) -> Self {
        let reader = |connections| {
            let options = sqlite_options(&file.path).pragma("query_only", "ON");
            pool_options(connections).test_before_acquire(false).connect_lazy_with(options)
        };
        let readers = Pools {
            sign_in: reader(SQLITE_READERS.0),
            other: reader(SQLITE_READERS.1),
            scan: reader(SQLITE_READERS.2),
        };
        Self { readers, file }
    }
}

impl PostgresServer {
    /// `connections_max` is split: a quarter for sign-in, an eighth for reading through much, one for the probe, the rest for the others.
    pub(crate) fn open(url: &str, connections_max: u32) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse().map_err(|_: sqlx::Error| StoreError::BadUrl)?;
        let options = options.application_name("rempart").disable_statement_logging();
        let pool = |connections| {
            pool_options::<sqlx::Postgres>(connections)
                .after_connect(|conn, _| {
                    Box::pin(async move {
                        // A caller's deadline bounds the server's work too; what is acknowledged is on disk.
                        sqlx::raw_sql("SET statement_timeout = '5s'; SET synchronous_commit = on")
                            .execute(conn)
                            .await
                            .map(|_| ())
                    })
                })
                .connect_lazy_with(options.clone())
        };
        let connections = connections_max.max(5);
        let sign_in = (connections / 4).max(1);
        let scan = (connections / 8).max(1);
        let other = connections.saturating_sub(sign_in).saturating_sub(scan).saturating_sub(1).max(2);
        let registrations = usize::try_from(other / 2).unwrap_or(1).max(1);
        Ok(Self {
            pools: Pools { sign_in: pool(sign_in), other: pool(other), scan: pool(scan) },
            probe: pool(1),
            registrations: Semaphore::new(registrations),
        })
    }
}

/// A wait for a connection that ended without a single one being there is not a crowd: the server does not answer.
fn none_at_all(pool: &PgPool, error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::PoolTimedOut if pool.size() == 0 => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        other => other,
    }
}

impl AnyDatabase {
    /// A connection to read with.
    async fn reader(&self, lane: Lane, health: &Arc<Health>) -> Result<Conn, StoreError> {
        let link = match self {
            Self::Sqlite(file) => file.readers.of(lane).acquire().await.map(Link::Sqlite),
            Self::Postgres(server) => {
                let pool = server.pools.of(lane);
                pool.acquire().await.map(Link::Postgres).map_err(|error| none_at_all(pool, error))
            }
        };
        link.map(|link| Conn::new(link, health)).map_err(|error| health.note_unreachable(&error))
    }

    /// Runs one reading statement.
    pub(crate) async fn read(
        &self,
        lane: Lane,
        health: &Arc<Health>,
        sql: &'static str,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        self.reader(lane, health).await?.rows(sql, args).await
    }

    /// Reads rows one by one without the usual deadline: for what is loaded once, at start.
    pub(crate) async fn read_bulk(
        &self,
        health: &Arc<Health>,
        sql: &'static str,
        args: Vec<Value>,
        each: &mut (dyn FnMut(Row) -> Result<(), StoreError> + Send),
    ) -> Result<(), StoreError> {
        let mut conn = match self {
            Self::Sqlite(_) => self.reader(Lane::Other, health).await?,
            Self::Postgres(server) => {
                let begun = server.pools.other.begin().await.map_err(|error| health.note_unreachable(&error))?;
                let mut conn = Conn::new(Link::PostgresTx(begun), health);
                conn.script(crate::open::NO_TIMEOUT).await?;
                conn
            }
        };
        conn.each(sql, args, each).await
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(file) => {
                file.readers.sign_in.close().await;
                file.readers.other.close().await;
                file.readers.scan.close().await;
            }
            Self::Postgres(server) => {
                server.pools.sign_in.close().await;
                server.pools.other.close().await;
                server.pools.scan.close().await;
                server.probe.close().await;
            }
        }
    }
}

impl PostgresServer {
    /// Runs a piece of work in a transaction of its own.
    pub(crate) async fn write<T>(&self, lane: Lane, health: &Arc<Health>, work: Work<T>) -> Result<T, StoreError> {
        let _registration = match lane {
            Lane::Registration => {
                Some(self.registrations.acquire().await.map_err(|_| StoreError::Unavailable(Outage::Closed))?)
            }
            Lane::SignIn | Lane::Other | Lane::Scan => None,
        };
        let sort = |error: sqlx::Error| {
            health.note_error(&error);
            StoreError::from(error)
        };
        let pool = self.pools.of(lane);
        let begun = pool.begin().await.map_err(|error| health.note_unreachable(&none_at_all(pool, error)))?;
        let mut conn = Conn::new(Link::PostgresTx(begun), health);
        let result = work(&mut conn).await;
        let Link::PostgresTx(transaction) = conn.link else { return Err(StoreError::Corrupt("transaction")) };
        match result {
            Ok(value) => {
                transaction.commit().await.map_err(sort)?;
                health.note_write();
                Ok(value)
            }
            Err(error) => {
                // Dropping would roll back too, but later.
                let _ended = transaction.rollback().await;
                Err(error)
            }
        }
    }
}
