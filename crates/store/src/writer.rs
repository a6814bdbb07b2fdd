//! The one writer of an SQLite file: takes what waits, commits it together, then acknowledges each caller.
//!
//! What must stay true: nobody is acknowledged before the commit is on disk (`synchronous = FULL`); one caller's failing statement
//! undoes that caller's work only (savepoints); sign-in goes first, registration last; three queues, each bounded.
//!
//! A group's life: *collected* from the queues (sign-in first, then other, then a few registrations) → *begun* → each job *run*
//! inside its own savepoint, kept or taken back → *committed* → *acknowledged*. An outage at any point takes the whole group back
//! and tells every caller `Unavailable`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::backend::FileIdentity;
use crate::conn::{Conn, Link};
use crate::error::{Outage, StoreError};
use crate::health::Health;
use crate::lane::{Job, Lane, Outcome, REGISTRATION_QUEUE_PART};

/// Most jobs in one transaction: bounds how long the first waits for the last.
const GROUP_LEN_MAX: usize = 128;

/// Sign-in comes first in a transaction, but leaves room for the others in each.
const GROUP_SIGN_INS_MAX: usize = 64;

/// Most registrations in one transaction: bounds what a flood of them adds to others' wait.
const GROUP_REGISTRATIONS_MAX: usize = 8;

/// The write-ahead log is cut for deletions at most this often.
const TRUNCATE_EVERY: Duration = Duration::from_secs(5);

/// Why health says down when the database file lost its name.
pub(crate) const FILE_GONE: &str = "the database file is gone";

type BoxedJob = Box<dyn Job>;

/// The ends that callers put work in.
#[derive(Clone)]
pub(crate) struct Queues {
    sign_in: mpsc::Sender<BoxedJob>,
    other: mpsc::Sender<BoxedJob>,
    registration: mpsc::Sender<BoxedJob>,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queues({:?})", self.lens())
    }
}

impl Queues {
    /// Puts a job in its lane, or says that the lane is full.
    pub(crate) fn offer(&self, lane: Lane, job: BoxedJob) -> Result<(), StoreError> {
        let queue = match lane {
            Lane::SignIn => &self.sign_in,
            Lane::Other | Lane::Scan => &self.other,
            Lane::Registration => &self.registration,
        };
        queue.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Unavailable(Outage::QueueFull),
            mpsc::error::TrySendError::Closed(_) => StoreError::Unavailable(Outage::Closed),
        })
    }

    pub(crate) fn lens(&self) -> [usize; 3] {
        [&self.sign_in, &self.other, &self.registration]
            .map(|queue| queue.max_capacity().saturating_sub(queue.capacity()))
    }
}

/// The task's side.
pub(crate) struct Writer {
    sign_in: mpsc::Receiver<BoxedJob>,
    other: mpsc::Receiver<BoxedJob>,
    registration: mpsc::Receiver<BoxedJob>,
    pool: SqlitePool,
    file: FileIdentity,
    health: Arc<Health>,
    /// A key was deleted since the write-ahead log was last cut.
    is_truncate_due: bool,
    last_truncate: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(
        pool: SqlitePool,
        file: FileIdentity,
        health: Arc<Health>,
        queue_len_max: usize,
    ) -> (Queues, Self) {
        let len = queue_len_max.max(1);
        let (sign_in_in, sign_in) = mpsc::channel(len);
        let (other_in, other) = mpsc::channel(len);
        let (registration_in, registration) = mpsc::channel(len.div_ceil(REGISTRATION_QUEUE_PART));
        let queues = Queues { sign_in: sign_in_in, other: other_in, registration: registration_in };
        (queues, Self { sign_in, other, registration, pool, file, health, is_truncate_due: false, last_truncate: None })
    }

    /// Works until every [`Queues`] is dropped and what waited is done.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.next().await {
            let group = self.collect(first);
            self.commit(group).await;
        }
        self.pool.close().await;
    }

    async fn next(&mut self) -> Option<BoxedJob> {
        tokio::select! {
            biased;
            Some(job) = self.sign_in.recv() => Some(job),
            Some(job) = self.other.recv() => Some(job),
            Some(job) = self.registration.recv() => Some(job),
            else => None,
        }
    }

    fn collect(&mut self, first: BoxedJob) -> Vec<BoxedJob> {
        let mut group = vec![first];
        let bounds = [
            (&mut self.sign_in, GROUP_SIGN_INS_MAX, GROUP_SIGN_INS_MAX),
            (&mut self.other, GROUP_LEN_MAX, GROUP_LEN_MAX.saturating_sub(GROUP_REGISTRATIONS_MAX)),
            (&mut self.registration, GROUP_REGISTRATIONS_MAX, GROUP_LEN_MAX),
        ];
        for (queue, own_len_max, group_len_max) in bounds {
            let end = group_len_max.min(group.len().saturating_add(own_len_max));
            while group.len() < end {
                let Ok(job) = queue.try_recv() else { break };
                group.push(job);
            }
        }
        group
    }

    async fn commit(&mut self, mut group: Vec<BoxedJob>) {
        group.retain(|job| !job.is_abandoned());
        if group.is_empty() {
            return;
        }
        let undone = self.transact(&mut group).await.err();
        if undone.is_none() {
            self.health.note_write();
        }
        for job in group {
            job.acknowledge(undone);
        }
    }

    /// One transaction around the group; an error means that nothing of it happened.
    async fn transact(&mut self, group: &mut [BoxedJob]) -> Result<(), Outage> {
        if !self.health.may_try() {
            return Err(Outage::Down);
        }
        if !self.file.is_there() {
            self.health.note_down(FILE_GONE);
            return Err(Outage::Down);
        }
        let link = self.pool.acquire().await.map_err(|error| {
            let _unavailable = self.health.note_unreachable(&error);
            crate::error::outage_of(&error).unwrap_or(Outage::Down)
        })?;
        let mut conn = Conn::new(Link::Sqlite(link), &self.health);
        let done = Self::transact_on(&mut conn, group).await;
        if done.is_err() {
            // After some failures SQLite has rolled back by itself; then this says so, and that is all it says.
            let _ended = conn.script("ROLLBACK").await;
        } else {
            self.is_truncate_due |= conn.wants_truncate;
            self.truncate(&mut conn).await;
        }
        done
    }

    /// Cuts the write-ahead log once a key was deleted: no old page of it may stay. Waits for no reader, and not at every deletion, so
    /// that nobody can hold the writer up by deleting; what was not cut is cut after a later commit.
    async fn truncate(&mut self, conn: &mut Conn) {
        let is_too_soon = self.last_truncate.is_some_and(|last| last.elapsed() < TRUNCATE_EVERY);
        if !self.is_truncate_due || is_too_soon {
            return;
        }
        self.last_truncate = Some(Instant::now());
        let is_without_wait = conn.script("PRAGMA busy_timeout = 20").await.is_ok();
        let cut = conn.row("PRAGMA wal_checkpoint(TRUNCATE)", vec![]).await;
        // The first column is 1 if a reader was in the way.
        self.is_truncate_due = !cut.is_ok_and(|row| row.is_some_and(|row| row.int(0).is_ok_and(|busy| busy == 0)));
        let is_restored = conn.script(crate::backend::RESTORE_BUSY_WAIT).await.is_ok();
        tracing::debug!(
            is_cut = !self.is_truncate_due,
            is_without_wait,
            is_restored,
            "write-ahead log after a deletion"
        );
    }

    async fn transact_on(conn: &mut Conn, group: &mut [BoxedJob]) -> Result<(), Outage> {
        let outage = |error: sqlx::Error| crate::error::outage_of(&error).unwrap_or(Outage::Down);
        conn.script("BEGIN IMMEDIATE").await.map_err(outage)?;
        for job in group {
            conn.script("SAVEPOINT job").await.map_err(outage)?;
            let end = match job.run(conn).await {
                Outcome::Done => "RELEASE job",
                Outcome::Failed => "ROLLBACK TO job; RELEASE job",
                Outcome::Outage(outage) => return Err(outage),
            };
            conn.script(end).await.map_err(outage)?;
        }
        conn.script("COMMIT").await.map_err(outage)
    }
}
