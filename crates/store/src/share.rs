//! Shared links: a read-only snapshot of a branch, sealed under a key that only the link carries.
//!
//! What must stay true: the store alone, master key included, cannot read a snapshot; a conversation has one link at most; deleting the
//! link, the conversation or the account takes the snapshot away in the same commit.

use rempart_domain::{AccountId, ConversationId, Secret, Sensitive, ShareId, UnixMillis};

use crate::conn::args;
use crate::holding::{self, Change};
use crate::lane::Lane;
use crate::seal::ShareKey;
use crate::{Store, StoreError, queries};

/// A snapshot to be shared.
#[derive(Debug)]
pub struct NewShare {
    /// 63 random bits from the caller.
    pub id: ShareId,
    /// 256 random bits; whoever has them reads the snapshot.
    pub secret: Secret<[u8; 32]>,
    /// What is shown, in the caller's own form.
    pub text: Sensitive<String>,
    /// When.
    pub created: UnixMillis,
}

/// A snapshot that was found by its secret.
#[derive(Debug)]
pub struct Share {
    /// Its id.
    pub id: ShareId,
    /// What is shown.
    pub text: Sensitive<String>,
    /// When it was made.
    pub created: UnixMillis,
}

impl Store {
    /// Shares a snapshot; an older link of the same conversation ends. `NotFound` if the conversation is not the account's.
    pub async fn create_share(
        &self,
        account: AccountId,
        conversation: ConversationId,
        new: NewShare,
    ) -> Result<(), StoreError> {
        let key = ShareKey::new(&new.secret);
        let sealed = key.seal(new.id, &new.text)?;
        let bytes = holding::signed(sealed.len());
        let row = args![new.id.to_sql(), key.hash, account.to_sql(), conversation.to_sql(), sealed, new.created.0];
        let limits = self.inner.holding;
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let place = args![account.to_sql(), conversation.to_sql()];
                let older = c.row(queries::SHARE_DELETE, place).await?.map_or(Ok(0), |row| row.int(0))?;
                c.execute_one(queries::SHARE_INSERT, row).await?;
                holding::add(c, account, Change { bytes: bytes - older, ..Change::default() }, &limits).await
            })
        })
        .await
    }

    /// Ends the link at once; false if there is none.
    pub async fn delete_share(&self, account: AccountId, conversation: ConversationId) -> Result<bool, StoreError> {
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let place = args![account.to_sql(), conversation.to_sql()];
                let Some(row) = c.row(queries::SHARE_DELETE, place).await? else { return Ok(false) };
                holding::count(c, account, Change { bytes: -row.int(0)?, ..Change::default() }).await?;
                Ok(true)
            })
        })
        .await
    }

    /// What the link with this secret shows; `None` if there is no such link (any more).
    pub async fn read_share(&self, secret: &Secret<[u8; 32]>) -> Result<Option<Share>, StoreError> {
        let key = ShareKey::new(secret);
        let row = self.read_one(Lane::Scan, queries::SHARE_FIND, args![key.hash]).await?;
        let Some(mut row) = row else { return Ok(None) };
        let id = ShareId::from_sql(row.int(0)?);
        let sealed = row.bytes(1)?;
        Ok(Some(Share { id, text: key.open(id, &sealed)?, created: UnixMillis(row.int(2)?) }))
    }
}
