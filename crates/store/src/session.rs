//! Sessions: the record beside a signed cookie. The cookie itself is never stored.
//!
//! What must stay true: an ended session is kept, as ended, until its cookie would have expired anyway.

use rempart_domain::{AccountId, Day, SessionId, UnixSeconds};

use crate::conn::{Row, Value, args};
use crate::lane::Lane;
use crate::{Store, StoreError, clock, queries};

/// Most sessions shown.
const LIST_LEN_MAX: i64 = 100;

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

fn session_of(mut row: Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId::from_sql(row.int(0)?),
        account: AccountId::from_sql(row.int(1)?),
        created: UnixSeconds(row.int(2)?),
        expires: UnixSeconds(row.int(3)?),
        last_seen: crate::account::day_of(row.int(4)?),
        agent: row.opt_text(5)?,
    })
}

/// The values of a new row, in the order of `session_insert.sql`.
pub(crate) fn insert_args(new: NewSession) -> Vec<Value> {
    let seen = i64::from(new.created.day().0);
    args![new.id.to_sql(), new.account.to_sql(), new.created.0, new.expires.0, seen, new.agent]
}

fn ended_of(row: &Row) -> Result<(SessionId, UnixSeconds), StoreError> {
    Ok((SessionId::from_sql(row.int(0)?), UnixSeconds(row.int(1)?)))
}

impl Store {
    /// Records a sign-in. Sign-in lane. `NotFound` if the account does not exist.
    pub async fn create_session(&self, new: NewSession) -> Result<(), StoreError> {
        self.execute(Lane::SignIn, queries::SESSION_INSERT, insert_args(new)).await.map(|_| ())
    }

    /// Ends a session; false if it is unknown or ended. Sign-in lane.
    pub async fn end_session(&self, id: SessionId) -> Result<bool, StoreError> {
        let now = clock::now_seconds();
        Ok(self.execute(Lane::SignIn, queries::SESSION_END, args![id.to_sql(), now.0]).await? > 0)
    }

    /// Ends all sessions of an account and returns those that were live. Sign-in lane.
    pub async fn end_sessions_of(&self, account: AccountId) -> Result<Vec<(SessionId, UnixSeconds)>, StoreError> {
        let now = clock::now_seconds();
        self.write(Lane::SignIn, move |c| {
            Box::pin(async move {
                let rows = c.rows(queries::SESSION_END_OF_ACCOUNT, args![account.to_sql(), now.0]).await?;
                rows.iter().map(ended_of).collect()
            })
        })
        .await
    }

    /// The account's live sessions, newest first, at most 100.
    pub async fn list_sessions(&self, account: AccountId) -> Result<Vec<Session>, StoreError> {
        let now = clock::now_seconds();
        let rows = self.read(Lane::Other, queries::SESSION_LIST, args![account.to_sql(), now.0, LIST_LEN_MAX]).await?;
        rows.into_iter().map(session_of).collect()
    }

    /// Notes that a session was used on a day; changes a row at most once a day.
    pub async fn record_session_seen(&self, id: SessionId, day: Day) -> Result<(), StoreError> {
        self.execute(Lane::Other, queries::SESSION_RECORD_SEEN, args![id.to_sql(), i64::from(day.0)]).await.map(|_| ())
    }

    /// Sessions that were ended but whose cookies have not expired at `now`.
    pub async fn load_ended_sessions(&self, now: UnixSeconds) -> Result<Vec<(SessionId, UnixSeconds)>, StoreError> {
        let rows = self.read(Lane::Other, queries::SESSION_LOAD_ENDED, args![now.0]).await?;
        rows.iter().map(ended_of).collect()
    }

    /// The same with whose each was: the table in memory is kept by account.
    pub async fn load_ended_sessions_with_accounts(
        &self,
        now: UnixSeconds,
    ) -> Result<Vec<(AccountId, SessionId, UnixSeconds)>, StoreError> {
        let rows = self.read(Lane::Other, queries::SESSION_LOAD_ENDED, args![now.0]).await?;
        let ended = rows.iter().map(|row| {
            let (session, expires) = ended_of(row)?;
            Ok((AccountId::from_sql(row.int(2)?), session, expires))
        });
        ended.collect()
    }
}
