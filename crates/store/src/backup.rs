//! Backup, restore and checking.

use std::path::Path;

use crate::{Store, StoreError, StoreOptions};

impl Store {
    /// Writes a consistent copy to a new file (mode 0600) while the platform runs: for SQLite a database file, for PostgreSQL a dump.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.todo()
    }
    /// Writes every table as JSON lines, the same for both databases; content stays sealed.
    pub async fn dump(&self, to: &Path) -> Result<(), StoreError> {
        self.todo()
    }
    /// Asks the database to check itself; returns what it found wrong, at most 100 lines.
    pub async fn check_integrity(&self) -> Result<Vec<String>, StoreError> {
        self.todo()
    }
    /// Replaces the store's content by a backup or dump, on a stopped platform. What was there is kept aside for SQLite
    /// (`rempart.db.before-restore`); for PostgreSQL it happens in one transaction.
    pub async fn restore(options: StoreOptions, from: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unavailable(crate::Outage::Down))
    }
}
