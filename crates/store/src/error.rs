//! How the store fails: one closed set, which knows nothing of HTTP but names its reason code.
//!
//! What must stay true: driver errors are sorted here and nowhere else (SQLite names no constraints, PostgreSQL does); no variant
//! carries content, a secret or a person's data.

use std::path::PathBuf;

use rempart_domain::ReasonCode;

/// Why the store cannot be written or read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// A queue before the database is full.
    QueueFull,
    /// The answer did not come within the deadline; whether a write happened is not known.
    Deadline,
    /// Reads work, writes do not: disk full, file or database read-only.
    ReadOnly,
    /// The database does not answer.
    Down,
    /// The store was closed.
    Closed,
}

impl Outage {
    /// The word in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Deadline => "deadline",
            Self::ReadOnly => "read_only",
            Self::Down => "down",
            Self::Closed => "closed",
        }
    }
}

/// What the store answers when it does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The account name belongs to somebody.
    #[error("account name is taken")]
    NameTaken,
    /// An id that exists already; ids are random, so this is a caller's mistake.
    #[error("id is taken")]
    IdTaken,
    /// No such row, or another account's.
    #[error("not found")]
    NotFound,
    /// The account holds as much of this as it may.
    #[error("account holds as many {0} as it may")]
    Full(&'static str),
    /// Not now; the cause was logged when the state changed.
    #[error("storage is unavailable ({})", .0.as_str())]
    Unavailable(Outage),
    /// The database was made by a newer program.
    #[error(
        "database has version {found}, this program knows up to {known}: start the newer program, or restore the copy made before its migration"
    )]
    TooNew {
        /// Version found.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// A database with tables, but none of ours.
    #[error("database has tables but none of Rempart's: give it a database of its own")]
    NotOurs,
    /// The master key is not the one the data was sealed with.
    #[error("master key {given} is not the one this store was made with ({stored})")]
    WrongMasterKey {
        /// Id of the key the store was made with.
        stored: String,
        /// Id of the key given.
        given: String,
    },
    /// The master key cannot be read or made.
    #[error("master key: {0}")]
    MasterKey(&'static str),
    /// The database cannot be reached when it is first opened.
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    /// `[store] url` is none of the forms known.
    #[error("store url must be \"sqlite\", \"sqlite:PATH\" or \"postgres://…\"")]
    BadUrl,
    /// A sealed value does not open: wrong row, wrong key, or changed on disk.
    #[error("sealed {0} does not open")]
    Sealed(&'static str),
    /// A stored value that this program would not have written.
    #[error("stored {0} makes no sense")]
    Corrupt(&'static str),
    /// A migration failed and was rolled back.
    #[error("migration {version} failed")]
    Migration {
        /// Its number.
        version: i64,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// A backup or dump cannot be used.
    #[error("backup: {0}")]
    Backup(&'static str),
    /// The file system said no.
    #[error("{what} {}", path.display())]
    File {
        /// What was tried: `create`, `read`, `copy`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
    /// The operating system gave no randomness.
    #[error("no randomness")]
    Random,
    /// A statement failed in a way nobody can mend while running: a mistake of ours.
    #[error("database statement failed")]
    Sql(#[source] sqlx::Error),
}

impl StoreError {
    /// The reason code a caller sees.
    pub const fn reason(&self) -> ReasonCode {
        match self {
            Self::NameTaken => ReasonCode::NameTaken,
            Self::NotFound => ReasonCode::NotFound,
            Self::Full(_) => ReasonCode::NotAllowed,
            Self::Unavailable(_) => ReasonCode::StorageUnavailable,
            _ => ReasonCode::Internal,
        }
    }

    /// True when waiting may help.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File { what, path: path.into(), source }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(outage) = outage_of(&error) {
            return Self::Unavailable(outage);
        }
        match &error {
            sqlx::Error::Database(db) if db.is_unique_violation() => {
                // SQLite: "UNIQUE constraint failed: account.name"; PostgreSQL: constraint "account_name_key".
                let is_name = db.constraint() == Some("account_name_key") || db.message().ends_with("account.name");
                if is_name { Self::NameTaken } else { Self::IdTaken }
            }
            sqlx::Error::Database(db) if db.is_foreign_key_violation() => Self::NotFound,
            _ => Self::Sql(error),
        }
    }
}

/// Sorts a driver's error: is it the database's state, and which?
pub(crate) fn outage_of(error: &sqlx::Error) -> Option<Outage> {
    match error {
        sqlx::Error::Database(db) => {
            let code = db.code()?;
            if db.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                sqlite_outage(code.parse().ok()?)
            } else {
                postgres_outage(&code)
            }
        }
        sqlx::Error::PoolClosed => Some(Outage::Closed),
        sqlx::Error::PoolTimedOut => Some(Outage::Deadline),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
            Some(Outage::Down)
        }
        // What a server says while it goes away can be cut anywhere.
        sqlx::Error::Protocol(_) => Some(Outage::Down),
        _ => None,
    }
}

/// Result codes: <https://sqlite.org/rescode.html>; the low byte is the primary code.
fn sqlite_outage(code: i32) -> Option<Outage> {
    match code & 0xff {
        8 | 10 | 13 => Some(Outage::ReadOnly), // READONLY, IOERR, FULL
        5 | 6 => Some(Outage::Deadline),       // BUSY, LOCKED: another process holds it
        11 | 14 | 26 => Some(Outage::Down),    // CORRUPT, CANTOPEN, NOTADB
        _ => None,
    }
}

/// SQLSTATE classes: PostgreSQL manual, appendix A.
fn postgres_outage(code: &str) -> Option<Outage> {
    match code {
        "25006" | "53100" => Some(Outage::ReadOnly), // read_only_sql_transaction, disk_full
        "57014" | "55P03" | "40P01" => Some(Outage::Deadline), // query_canceled (our statement timeout), lock, deadlock
        _ if code.starts_with("08") || code.starts_with("57P") || code.starts_with("53") || code.starts_with("58") => {
            Some(Outage::Down)
        }
        _ => None,
    }
}
