//! Migrations: numbered scripts, forward only, applied all together or not at all.
//!
//! What must stay true: both databases have the same numbers and names; a database newer than this program is refused, untouched; an
//! SQLite file that holds data is copied aside before it is changed.

use std::path::{Path, PathBuf};

use sqlx::AssertSqlSafe;

use crate::conn::{Conn, args};
use crate::{StoreError, clock, queries};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

macro_rules! migration {
    ($version:literal, $file:literal) => {
        Migration {
            version: $version,
            name: $file,
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $file, ".sql")),
            postgres: include_str!(concat!("../../../migrations/postgres/", $file, ".sql")),
        }
    };
}

/// Every migration, in order.
pub(crate) const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_core"),
    migration!(2, "0002_standing_earned"),
    migration!(3, "0003_chat"),
    migration!(4, "0004_factors"),
    migration!(5, "0005_invites"),
    migration!(6, "0006_key_limits"),
    migration!(7, "0007_provenance"),
];

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied BIGINT NOT NULL)";
const SQLITE_TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
const POSTGRES_TABLES: &str = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()";

/// The schema version of the newest of `list`.
pub(crate) fn newest(list: &[Migration]) -> i64 {
    list.last().map_or(0, |migration| migration.version)
}

/// The version a database has: 0 for an empty one.
pub(crate) async fn version(conn: &mut Conn) -> Result<i64, StoreError> {
    let sql = if conn.is_sqlite() { SQLITE_TABLES } else { POSTGRES_TABLES };
    let mut tables = conn.rows(sql, vec![]).await?;
    let is_ours = tables.iter_mut().any(|row| row.text(0).is_ok_and(|name| name == "migration"));
    if !is_ours {
        return if tables.is_empty() { Ok(0) } else { Err(StoreError::NotOurs) };
    }
    let rows = conn.rows(queries::MIGRATION_LIST, vec![]).await?;
    rows.last().map_or(Ok(0), |row| row.int(0))
}

/// Copies an SQLite file aside if it holds data that `list` would change. Outside any transaction.
pub(crate) async fn copy_aside(
    conn: &mut Conn,
    path: &Path,
    list: &[Migration],
) -> Result<Option<PathBuf>, StoreError> {
    let found = version(conn).await?;
    let Some(next) = list.iter().find(|migration| migration.version > found) else { return Ok(None) };
    if found == 0 {
        return Ok(None);
    }
    let aside = beside(path, &format!("before-{:04}", next.version));
    let unfinished = beside(path, "copying");
    remove_if_there(&unfinished)?;
    let target = unfinished.to_str().ok_or(StoreError::Backup("path is not UTF-8"))?.to_owned();
    conn.execute("VACUUM INTO $1", args![target]).await?;
    crate::backup::make_private_and_sync(&unfinished)?;
    std::fs::rename(&unfinished, &aside).map_err(|e| StoreError::file("rename", &unfinished, e))?;
    tracing::info!(copy = %aside.display(), "copied the database aside before migrating it");
    Ok(Some(aside))
}

/// `rempart.db` → `rempart.db.SUFFIX`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::file("remove", path, error)),
        _ => Ok(()),
    }
}

/// Applies what is missing, within the transaction that `conn` is in (which holds the database's migration lock).
pub(crate) async fn apply(conn: &mut Conn, list: &[Migration]) -> Result<(), StoreError> {
    let found = version(conn).await?;
    let known = newest(list);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    conn.execute(CREATE_TABLE, vec![]).await?;
    for migration in list.iter().filter(|migration| migration.version > found) {
        let script = if conn.is_sqlite() { migration.sqlite } else { migration.postgres };
        let applied = conn.script(AssertSqlSafe(script)).await;
        applied.map_err(|source| StoreError::Migration { version: migration.version, source })?;
        let row = args![migration.version, migration.name, clock::now_seconds().0];
        conn.execute(queries::MIGRATION_INSERT, row).await?;
        tracing::info!(version = migration.version, name = migration.name, "migrated the store");
    }
    Ok(())
}
