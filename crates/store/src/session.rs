//! Sessions: the record beside a signed cookie. The cookie itself is never stored.
//!
//! What must stay true: an ended session is kept, as ended, until its cookie would have expired anyway.

use rempart_domain::{AccountId, Day, SessionId, UnixSeconds};

use crate::{Store, StoreError};

/// A sign-in to be recorded.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// From the cookie.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// When.
    pub created: UnixSeconds,
    /// Until when.
    pub expires: UnixSeconds,
    /// Such as `Firefox on Linux`; never the whole header, never an address.
    pub agent: Option<String>,
}

/// A sign-in as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// When.
    pub created: UnixSeconds,
    /// Until when.
    pub expires: UnixSeconds,
    /// The last day it was seen.
    pub last_seen: Day,
    /// Such as `Firefox on Linux`.
    pub agent: Option<String>,
}

impl Store {
    /// Records a sign-in. Sign-in lane.
    pub async fn create_session(&self, new: NewSession) -> Result<(), StoreError> {
        self.todo()
    }
    /// Ends a session; false if it is unknown or ended. Sign-in lane.
    pub async fn end_session(&self, id: SessionId) -> Result<bool, StoreError> {
        self.todo()
    }
    /// Ends all sessions of an account and returns those that were live.
    pub async fn end_sessions_of(&self, account: AccountId) -> Result<Vec<(SessionId, UnixSeconds)>, StoreError> {
        self.todo()
    }
    /// The account's live sessions, newest first, at most 100.
    pub async fn list_sessions(&self, account: AccountId) -> Result<Vec<Session>, StoreError> {
        self.todo()
    }
    /// Notes that a session was used on a day; at most one write a day each.
    pub async fn record_session_seen(&self, id: SessionId, day: Day) -> Result<(), StoreError> {
        self.todo()
    }
    /// Sessions that were ended but whose cookies have not expired at `now`.
    pub async fn load_ended_sessions(&self, now: UnixSeconds) -> Result<Vec<(SessionId, UnixSeconds)>, StoreError> {
        self.todo()
    }
}
