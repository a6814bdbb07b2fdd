//! SQL lives here only: SQLite and PostgreSQL behind one API, chats sealed per account
#![allow(unused_variables, dead_code, reason = "signatures first; bodies follow")]
mod account;
mod backup;
mod conversation;
mod error;
mod import;
mod key;
mod link;
mod master_key;
mod message;
mod options;
mod session;
mod usage;

pub use account::{Account, EpochRow, NewAccount};
pub use conversation::{Conversation, ConversationCursor, NewConversation};
pub use error::{Outage, StoreError};
pub use import::{ImportReport, NewAccountWithKeys};
pub use key::{KeyRecord, NewKey};
pub use link::{Link, LinkPurpose};
pub use master_key::MasterKey;
pub use message::{Message, MessageRole, MessageStatus, NewMessage};
pub use options::{StoreOptions, StoreUrl};
pub use session::{NewSession, Session};
pub use usage::{UsageDay, UsageRow};

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

/// The store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// Opens the database, migrates it and checks the master key.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        Ok(Self {})
    }
    /// Takes no more work, finishes what waits, closes the database.
    pub async fn close(&self) {}
    /// The last known state; no I/O.
    pub fn health(&self) -> StoreHealth {
        StoreHealth::Ok
    }
    /// Looks whether the database is there and takes writes; call it every few seconds.
    pub async fn probe(&self) {}
    /// Removes expired sessions and links, and what deleted accounts left, in small batches; call it every minute or so.
    pub async fn sweep(&self, now: rempart_domain::UnixSeconds) -> Result<u64, StoreError> {
        self.todo()
    }
    /// Writes that wait: sign-in lane, other lane, registration lane.
    pub fn queue_len(&self) -> [usize; 3] {
        [0; 3]
    }
    fn todo<T>(&self) -> Result<T, StoreError> {
        Err(StoreError::Unavailable(Outage::Down))
    }
}
