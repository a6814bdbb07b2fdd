//! A registration: one read that asks for a name, one write that makes account, data key and first session together.
//!
//! What must stay true: all of it in the registration lane, last in every queue; nothing is written for somebody who was not let in.

use rempart_domain::{AccountName, UnixSeconds};

use crate::account::insert_args;
use crate::conn::args;
use crate::lane::Lane;
use crate::{NewAccount, NewDevice, NewSession, Store, StoreError, queries};

/// An account to be made together with its first session.
#[derive(Debug)]
pub struct Registration {
    /// The account.
    pub account: NewAccount,
    /// Its first sign-in.
    pub session: NewSession,
    /// The browser it is made in.
    pub device: NewDevice,
    /// The account's address came with a link that was mailed there.
    pub is_email_confirmed: bool,
    /// The number of the invitation that it uses up.
    pub invite: Option<u64>,
}

impl Store {
    /// Whether a name belongs to somebody.
    pub async fn is_name_taken(&self, name: &AccountName) -> Result<bool, StoreError> {
        let row = self.read_one(Lane::Registration, queries::ACCOUNT_FIND_BY_NAME, args![name.as_str()]).await?;
        Ok(row.is_some())
    }

    /// Makes account and session in one commit. Fails with `NameTaken`, and with `NotFound` when the invitation is used, taken back or over.
    pub async fn register(&self, new: Registration, now: UnixSeconds) -> Result<(), StoreError> {
        let Registration { account, session, device, is_email_confirmed, invite } = new;
        let row = insert_args(&self.inner.sealer, &account)?;
        let data_key = args![account.id.to_sql(), self.inner.sealer.make_data_key(account.id)?];
        let seen = i64::from(device.seen.day().0);
        let device =
            args![device.id.to_sql(), account.id.to_sql(), device.seen.0, device.expires.0, seen, device.agent];
        let session = crate::session::insert_args(session);
        let id = account.id.to_sql();
        self.write(Lane::Registration, move |c| {
            Box::pin(async move {
                c.execute(queries::ACCOUNT_INSERT, row).await?;
                c.execute(queries::DATA_KEY_INSERT, data_key).await?;
                c.execute(queries::SESSION_INSERT, session).await?;
                c.execute(queries::DEVICE_INSERT, device).await?;
                if is_email_confirmed {
                    c.execute_one(queries::ACCOUNT_CONFIRM_EMAIL, args![id]).await?;
                }
                if let Some(invite) = invite {
                    c.execute_one(queries::INVITE_USE, args![invite.cast_signed(), id, now.0]).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
