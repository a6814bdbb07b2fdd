//! Where the store is, and its bounds.

use std::path::{Path, PathBuf};

use rempart_domain::Secret;

use crate::{MasterKey, StoreError};

/// Which database, and where.
#[derive(Debug)]
pub enum StoreUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server's URL; it may hold a password.
    Postgres(Secret<String>),
}

impl StoreUrl {
    /// Reads `[store] url`: `sqlite` is `rempart.db` in the data folder, `sqlite:PATH` another file, `postgres://…` a server.
    pub fn parse(text: &str, data_dir: &Path) -> Result<Self, StoreError> {
        if text == "sqlite" {
            return Ok(Self::Sqlite(data_dir.join("rempart.db")));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(text.to_owned())));
        }
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            _ => Err(StoreError::BadUrl),
        }
    }
}

/// How much an account may hold.
#[derive(Debug, Clone, Copy)]
pub struct HoldingLimits {
    /// Conversations of an account.
    pub conversations: u64,
    /// Messages of a conversation, all branches together.
    pub messages: u64,
    /// Branches that begin at one place of a conversation.
    pub branches: u64,
    /// Files of an account.
    pub files: u64,
    /// Sealed bytes of an account: messages, files, shared links.
    pub bytes: u64,
    /// How long a file waits to be attached, in milliseconds.
    pub unattached_ms: u64,
}

impl Default for HoldingLimits {
    fn default() -> Self {
        Self {
            conversations: 50_000,
            messages: 10_000,
            branches: 64,
            files: 1000,
            bytes: 1 << 30,
            unattached_ms: 86_400_000,
        }
    }
}

/// How a store is opened.
#[derive(Debug)]
pub struct StoreOptions {
    /// Which database.
    pub url: StoreUrl,
    /// What the data keys are wrapped with.
    pub master_key: MasterKey,
    /// Writes and reads that may wait, for each lane; beyond, `Unavailable`.
    pub queue_len_max: usize,
    /// Most connections to PostgreSQL, a quarter of them for sign-in only; at least 5.
    pub connections_max: u32,
    /// Data keys kept in memory.
    pub data_keys_max: usize,
    /// How much an account may hold.
    pub holding: HoldingLimits,
    /// Most pages (4 KiB each) an SQLite file may grow to; `None` leaves it to the disk.
    pub sqlite_pages_max: Option<u32>,
}

impl StoreOptions {
    /// With every bound at its default.
    pub fn new(url: StoreUrl, master_key: MasterKey) -> Self {
        Self {
            url,
            master_key,
            queue_len_max: 1024,
            connections_max: 16,
            data_keys_max: 65_536,
            holding: HoldingLimits::default(),
            sqlite_pages_max: None,
        }
    }
}
