//! Invitations: who invited whom, each good once.
//!
//! What must stay true: a member's budget is checked in the commit that makes the invitation; an invitation that was used is kept, so that
//! who came by whom stays known as long as both accounts exist.

use rempart_domain::{AccountId, UnixSeconds};

use crate::conn::{Row, args};
use crate::lane::Lane;
use crate::{Store, StoreError, queries};

/// Most invitations shown.
const LIST_LEN_MAX: i64 = 100;

/// An invitation to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewInvite {
    /// 63 random bits from the caller.
    pub id: u64,
    /// Who invites; `None` for the command line.
    pub inviter: Option<AccountId>,
    /// Now.
    pub created: UnixSeconds,
    /// Until when it is good.
    pub expires: UnixSeconds,
    /// At most so many of this inviter since then; `None` without a budget.
    pub budget: Option<(u32, UnixSeconds)>,
}

/// An invitation as its inviter sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its number.
    pub id: u64,
    /// When it was made.
    pub created: UnixSeconds,
    /// Until when it is good.
    pub expires: UnixSeconds,
    /// The name of the account that used it.
    pub used_by: Option<String>,
    /// It was used, whether or not that account still exists.
    pub is_used: bool,
}

fn invite_of(mut row: Row) -> Result<Invite, StoreError> {
    Ok(Invite {
        id: row.int(0)?.cast_unsigned(),
        created: UnixSeconds(row.int(1)?),
        expires: UnixSeconds(row.int(2)?),
        is_used: row.opt_int(3)?.is_some(),
        used_by: row.opt_text(4)?,
    })
}

impl Store {
    /// Records an invitation; false if the inviter's budget is spent.
    pub async fn create_invite(&self, new: NewInvite) -> Result<bool, StoreError> {
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let inviter = new.inviter.map(AccountId::to_sql);
                if let Some((most, since)) = new.budget {
                    let made = c.row(queries::INVITE_COUNT, args![inviter, since.0]).await?;
                    if made.ok_or(StoreError::Corrupt("count"))?.int(0)? >= i64::from(most) {
                        return Ok(false);
                    }
                }
                let row = args![new.id.cast_signed(), inviter, new.created.0, new.expires.0];
                c.execute(queries::INVITE_INSERT, row).await?;
                Ok(true)
            })
        })
        .await
    }

    /// An account's invitations, newest first, at most 100.
    pub async fn list_invites(&self, inviter: AccountId) -> Result<Vec<Invite>, StoreError> {
        let rows = self.read(Lane::Other, queries::INVITE_LIST, args![inviter.to_sql(), LIST_LEN_MAX]).await?;
        rows.into_iter().map(invite_of).collect()
    }

    /// Takes an invitation back that was not used; false if there is none such of theirs.
    pub async fn revoke_invite(&self, inviter: AccountId, id: u64) -> Result<bool, StoreError> {
        let row = args![id.cast_signed(), inviter.to_sql()];
        Ok(self.execute(Lane::Other, queries::INVITE_REVOKE, row).await? > 0)
    }

    /// Who invited an account.
    pub async fn find_inviter(&self, account: AccountId) -> Result<Option<AccountId>, StoreError> {
        let row = self.read_one(Lane::Other, queries::INVITE_FIND_INVITER, args![account.to_sql()]).await?;
        Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(AccountId::from_sql))
    }
}
