//! Devices: browsers that have signed in to an account before. What proves it is a ticket in the browser, which is never stored.
//!
//! What must stay true: a device that was ended is kept, as ended, until its ticket would have expired; an account has at most
//! [`DEVICES_MAX`], the least used one goes.

use rempart_domain::{AccountId, Day, SessionId, UnixSeconds};

use crate::conn::{Row, args};
use crate::lane::Lane;
use crate::{Store, StoreError, clock, queries};

/// Devices of one account that are kept.
const DEVICES_MAX: i64 = 50;

/// A device to be recorded, or seen again.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// From the ticket.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// When it signed in.
    pub seen: UnixSeconds,
    /// Until when its ticket is good.
    pub expires: UnixSeconds,
    /// Such as `Firefox on Linux`.
    pub agent: Option<String>,
}

/// A device as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// When it signed in first.
    pub created: UnixSeconds,
    /// Until when its ticket is good.
    pub expires: UnixSeconds,
    /// The last day it signed in.
    pub last_seen: Day,
    /// Such as `Firefox on Linux`.
    pub agent: Option<String>,
}

fn device_of(mut row: Row) -> Result<Device, StoreError> {
    Ok(Device {
        id: SessionId::from_sql(row.int(0)?),
        account: AccountId::from_sql(row.int(1)?),
        created: UnixSeconds(row.int(2)?),
        expires: UnixSeconds(row.int(3)?),
        last_seen: crate::account::day_of(row.int(4)?),
        agent: row.opt_text(5)?,
    })
}

impl Store {
    /// Records a sign-in and the device it was made on, in one commit. Sign-in lane. `NotFound` if the account does not exist.
    pub async fn create_session_on(&self, session: crate::NewSession, device: NewDevice) -> Result<(), StoreError> {
        let account = device.account;
        let session = crate::session::insert_args(session);
        let seen = i64::from(device.seen.day().0);
        let device = args![device.id.to_sql(), account.to_sql(), device.seen.0, device.expires.0, seen, device.agent];
        self.write(Lane::SignIn, move |c| {
            Box::pin(async move {
                c.execute(queries::SESSION_INSERT, session).await?;
                c.execute(queries::DEVICE_INSERT, device).await?;
                c.execute(queries::DEVICE_DELETE_OLDEST, args![account.to_sql(), DEVICES_MAX]).await?;
                Ok(())
            })
        })
        .await
    }

    /// The account's devices, the last used first.
    pub async fn list_devices(&self, account: AccountId) -> Result<Vec<Device>, StoreError> {
        let now = clock::now_seconds();
        let rows = self.read(Lane::Other, queries::DEVICE_LIST, args![account.to_sql(), now.0, DEVICES_MAX]).await?;
        rows.into_iter().map(device_of).collect()
    }

    /// Forgets a device of that account: its ticket is void. When it would have expired, or `None` if there is no such device.
    pub async fn end_device(&self, account: AccountId, id: SessionId) -> Result<Option<UnixSeconds>, StoreError> {
        let now = clock::now_seconds();
        self.write(Lane::SignIn, move |c| {
            Box::pin(async move {
                let row = c.row(queries::DEVICE_END, args![id.to_sql(), account.to_sql(), now.0]).await?;
                row.map(|row| row.int(0).map(UnixSeconds)).transpose()
            })
        })
        .await
    }

    /// Forgets all devices of an account; its epoch voids their tickets.
    pub async fn end_devices_of(&self, account: AccountId) -> Result<u64, StoreError> {
        let now = clock::now_seconds();
        self.execute(Lane::SignIn, queries::DEVICE_END_OF_ACCOUNT, args![account.to_sql(), now.0]).await
    }

    /// Devices that were ended but whose tickets have not expired at `now`, with whose each was.
    pub async fn load_ended_devices(
        &self,
        now: UnixSeconds,
    ) -> Result<Vec<(AccountId, SessionId, UnixSeconds)>, StoreError> {
        let rows = self.read(Lane::Other, queries::DEVICE_LOAD_ENDED, args![now.0]).await?;
        let ended = rows.iter().map(|row| {
            Ok((AccountId::from_sql(row.int(2)?), SessionId::from_sql(row.int(0)?), UnixSeconds(row.int(1)?)))
        });
        ended.collect()
    }
}
