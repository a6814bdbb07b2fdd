//! Backup, restore and checking.
//!
//! What must stay true: a backup is consistent, made beside a running platform, and readable by its owner only; what a restore
//! replaces is kept until the new one has proved to be whole and ours; content in a backup is as sealed as in the database (but a
//! backup holds the wrapped data keys of its day: an account deleted since lives on in it, for whoever has the master key).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::backend::{self, AnyDatabase};
use crate::conn::args;
use crate::lane::Lane;
use crate::migrate::{beside, remove_if_there};
use crate::{Store, StoreError, StoreOptions, StoreUrl, dump};

/// How every SQLite file begins.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// The files of an SQLite database.
const SQLITE_PARTS: [&str; 3] = ["", "-wal", "-shm"];

impl Store {
    /// Writes a consistent copy to a new file (mode 0600) while the platform runs: for SQLite a database file, for PostgreSQL a dump
    /// as [`Store::dump`] makes it. [`Store::restore`] takes both.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let AnyDatabase::Sqlite(sqlite) = &self.inner.database else { return self.dump(to).await };
        if to.exists() {
            return Err(StoreError::Backup("target exists"));
        }
        let unfinished = beside(to, "unfinished");
        remove_if_there(&unfinished)?;
        let target = unfinished.to_str().ok_or(StoreError::Backup("path is not UTF-8"))?.to_owned();
        let pool = sqlx::sqlite::SqlitePoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(backend::sqlite_options(&sqlite.file.path));
        let link = pool.acquire().await.map_err(StoreError::Connect)?;
        let mut conn =
            crate::conn::Conn::new(crate::conn::Link::Sqlite(link), &std::sync::Arc::new(crate::health::Health::new()));
        let copied = conn.execute("VACUUM INTO $1", args![target]).await;
        drop(conn);
        pool.close().await;
        copied?;
        make_private_and_sync(&unfinished)?;
        fs::rename(&unfinished, to).map_err(|e| StoreError::file("rename", &unfinished, e))
    }

    /// Writes every table as JSON lines, the same for both databases; content stays sealed. A dump moves a platform from one database to
    /// the other.
    pub async fn dump(&self, to: &Path) -> Result<(), StoreError> {
        if to.exists() {
            return Err(StoreError::Backup("target exists"));
        }
        let unfinished = beside(to, "unfinished");
        remove_if_there(&unfinished)?;
        dump::write(self, &unfinished).await?;
        fs::rename(&unfinished, to).map_err(|e| StoreError::file("rename", &unfinished, e))
    }

    /// Asks the database to check itself; returns what it found wrong, at most 100 lines. PostgreSQL has no such check: nothing is found.
    pub async fn check_integrity(&self) -> Result<Vec<String>, StoreError> {
        let AnyDatabase::Sqlite(_) = &self.inner.database else { return Ok(Vec::new()) };
        let inner = &self.inner;
        let rows = inner.database.read(Lane::Other, &inner.health, "PRAGMA integrity_check", vec![]).await?;
        let lines: Result<Vec<String>, StoreError> = rows.into_iter().map(|mut row| row.text(0)).collect();
        Ok(lines?.into_iter().filter(|line| line != "ok").take(100).collect())
    }

    /// Replaces the store's content by a backup or dump, on a stopped platform. What was there is kept aside for SQLite
    /// (`rempart.db.before-restore`); in PostgreSQL it is replaced in one transaction.
    pub async fn restore(options: StoreOptions, from: &Path) -> Result<(), StoreError> {
        let is_sqlite_file = starts_with(from, SQLITE_MAGIC)?;
        let StoreUrl::Sqlite(path) = &options.url else {
            if is_sqlite_file {
                return Err(StoreError::Backup(
                    "an SQLite file cannot be restored into PostgreSQL: restore it into SQLite and dump that",
                ));
            }
            let store = crate::open::open_unchecked(options).await?;
            let loaded = dump::load(&store, from).await;
            store.close().await;
            return loaded;
        };
        let path = path.clone();
        let fresh = beside(&path, "restoring");
        remove_parts(&fresh)?;
        let new = StoreOptions { url: StoreUrl::Sqlite(fresh.clone()), ..options };
        let restored = restore_beside(new, &fresh, from, is_sqlite_file).await;
        if restored.is_err() {
            remove_parts(&fresh)?;
        }
        restored?;
        swap_in(&fresh, &path)
    }
}

/// Makes a whole, checked database of the backup under the name `fresh`.
async fn restore_beside(
    options: StoreOptions,
    fresh: &Path,
    from: &Path,
    is_sqlite_file: bool,
) -> Result<(), StoreError> {
    let store = if is_sqlite_file {
        fs::copy(from, fresh).map_err(|e| StoreError::file("copy", from, e))?;
        make_private_and_sync(fresh)?;
        Store::open(options).await?
    } else {
        crate::open::open_unchecked(options).await?
    };
    let loaded = if is_sqlite_file { Ok(()) } else { dump::load(&store, from).await };
    let found = store.check_integrity().await;
    store.close().await;
    loaded?;
    if found?.is_empty() { Ok(()) } else { Err(StoreError::Backup("the database in it is damaged")) }
}

/// Moves the old database aside and the new one in its place.
fn swap_in(fresh: &Path, path: &Path) -> Result<(), StoreError> {
    let aside = beside(path, "before-restore");
    remove_parts(&aside)?;
    for part in SQLITE_PARTS {
        let (from, to) = (with_part(path, part), with_part(&aside, part));
        if from.exists() {
            fs::rename(&from, &to).map_err(|e| StoreError::file("rename", &from, e))?;
        }
    }
    fs::rename(fresh, path).map_err(|e| StoreError::file("rename", fresh, e))?;
    remove_parts(fresh)?;
    sync_folder(path)
}

fn with_part(path: &Path, part: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(part);
    PathBuf::from(name)
}

fn remove_parts(path: &Path) -> Result<(), StoreError> {
    SQLITE_PARTS.iter().try_for_each(|part| remove_if_there(&with_part(path, part)))
}

fn starts_with(path: &Path, magic: &[u8]) -> Result<bool, StoreError> {
    use std::io::Read as _;
    let mut start = Vec::new();
    let opened = fs::File::open(path).map_err(|e| StoreError::file("open", path, e))?;
    let len = u64::try_from(magic.len()).unwrap_or(0);
    opened.take(len).read_to_end(&mut start).map_err(|e| StoreError::file("read", path, e))?;
    Ok(start == magic)
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::File::open(folder).and_then(|dir| dir.sync_all()).map_err(|e| StoreError::file("sync", folder, e))
}

/// Mode 0600, and on disk.
pub(crate) fn make_private_and_sync(path: &Path) -> Result<(), StoreError> {
    let private = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    private.and_then(|()| fs::File::open(path)?.sync_all()).map_err(|e| StoreError::file("sync", path, e))
}
