//! Accounts: who somebody is here, and how well we know them.
//!
//! What must stay true: names are unique in lower case; deleting an account destroys its data key before anything else, in a commit of
//! its own; e-mail and password hash never lie in the database unsealed.

use rempart_domain::{
    AccountId, AccountName, Day, Provenance, Role, Secret, Sensitive, Standing, UnixMillis, UnixSeconds,
};

use crate::conn::{Conn, Row, Value, args};
use crate::lane::Lane;
use crate::seal::Sealer;
use crate::{Store, StoreError, clock, queries};

/// Rows of a deleted account removed in one commit.
const PURGE_ROWS_MAX: i64 = 500;

/// An account as stored.
#[derive(Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its public handle.
    pub name: AccountName,
    /// How well we know it.
    pub standing: Standing,
    /// What it may do beyond using the platform.
    pub role: Role,
    /// When it was made.
    pub created: UnixMillis,
    /// Its mail address, if given.
    pub email: Option<Sensitive<String>>,
    /// True once somebody opened a link that was mailed there.
    pub email_confirmed: bool,
    /// Password hash as a PHC string; `None` when it signs in otherwise.
    pub password_hash: Option<Secret<String>>,
    /// Sessions of an older epoch are ended.
    pub epoch: u32,
    /// `zh`, `en`, `fr`.
    pub locale: Option<String>,
    /// Days of good use so far.
    pub good_days: u16,
    /// The last day that was counted.
    pub last_good_day: Day,
    /// What it has in common with others.
    pub provenance: Provenance,
}

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount {
    /// 63 random bits from the caller.
    pub id: AccountId,
    /// Unique.
    pub name: AccountName,
    /// Standing at the start.
    pub standing: Standing,
    /// Role at the start.
    pub role: Role,
    /// When it was made (an import may say long ago).
    pub created: UnixMillis,
    /// Mail address.
    pub email: Option<Sensitive<String>>,
    /// PHC string.
    pub password_hash: Option<Secret<String>>,
    /// `zh`, `en`, `fr`.
    pub locale: Option<String>,
    /// What it has in common with others.
    pub provenance: Provenance,
}

/// What a session must agree with; see [`Store::load_epochs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochRow {
    /// Sessions of a lower epoch are ended; `u32::MAX` for a deleted account.
    pub epoch: u32,
    /// Standing now (a session carries that of its issue).
    pub standing: Standing,
    /// Role now.
    pub role: Role,
    /// The day the account was made.
    pub created_day: Day,
    /// When the standing was last earned by the rules, and what it was before; `None`: long ago, or by an operator's hand.
    pub earned: Option<(UnixSeconds, Standing)>,
}

/// An account on whose behalf a day of good use was counted just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoodDay {
    /// Whose.
    pub account: AccountId,
    /// Days of good use, this one included.
    pub good_days: u16,
    /// Its standing.
    pub standing: Standing,
    /// When it was made.
    pub created: UnixMillis,
}

/// The values of a new row, in the order of `account_insert.sql`.
pub(crate) fn insert_args(sealer: &Sealer, new: &NewAccount) -> Result<Vec<Value>, StoreError> {
    let email = new.email.as_ref();
    Ok(args![
        new.id.to_sql(),
        new.name.as_str(),
        i64::from(new.standing.to_u8()),
        new.role.as_str(),
        new.created.0,
        email.map(|email| sealer.seal_email(new.id, email)).transpose()?,
        email.map(|email| sealer.hash_email(email)),
        new.password_hash.as_ref().map(|hash| sealer.seal_password(new.id, hash)).transpose()?,
        new.locale.clone(),
        new.provenance.bits().cast_signed(),
    ])
}

pub(crate) fn standing_of(stored: i64) -> Standing {
    Standing::from_u8(u8::try_from(stored).unwrap_or(u8::MAX))
}

pub(crate) fn role_of(word: &str) -> Result<Role, StoreError> {
    Role::parse(word).map_err(|_| StoreError::Corrupt("role"))
}

pub(crate) fn day_of(stored: i64) -> Day {
    Day(u16::try_from(stored).unwrap_or(0))
}

pub(crate) fn epoch_of(stored: i64) -> u32 {
    u32::try_from(stored).unwrap_or(u32::MAX)
}

fn account_of(sealer: &Sealer, mut row: Row) -> Result<Account, StoreError> {
    let id = AccountId::from_sql(row.int(0)?);
    let email = row.opt_bytes(5)?.map(|sealed| sealer.open_email(id, &sealed)).transpose()?;
    let password_hash = row.opt_bytes(6)?.map(|sealed| sealer.open_password(id, &sealed)).transpose()?;
    Ok(Account {
        id,
        name: AccountName::parse(&row.text(1)?).map_err(|_| StoreError::Corrupt("account name"))?,
        standing: standing_of(row.int(2)?),
        role: role_of(&row.text(3)?)?,
        created: UnixMillis(row.int(4)?),
        email,
        password_hash,
        epoch: epoch_of(row.int(7)?),
        locale: row.opt_text(8)?,
        good_days: u16::try_from(row.int(9)?).unwrap_or(u16::MAX),
        last_good_day: day_of(row.int(10)?),
        email_confirmed: row.int(11)? == 1,
        provenance: Provenance::from_bits(row.int(12)?.cast_unsigned()),
    })
}

/// In one commit: the key is gone, nothing opens, sessions stay ended for ever.
async fn delete_on(conn: &mut Conn, id: AccountId) -> Result<bool, StoreError> {
    conn.execute(queries::DATA_KEY_DELETE, args![id.to_sql()]).await?;
    if conn.execute(queries::ACCOUNT_DELETE, args![id.to_sql()]).await? == 0 {
        return Ok(false);
    }
    conn.execute(queries::DELETED_ACCOUNT_INSERT, args![id.to_sql(), clock::now_seconds().0]).await?;
    conn.wants_truncate = true;
    Ok(true)
}

impl Store {
    /// Makes an account and its data key. Fails with `NameTaken`. Registration lane: last in every queue.
    pub async fn create_account(&self, new: NewAccount) -> Result<(), StoreError> {
        let row = insert_args(&self.inner.sealer, &new)?;
        let data_key = args![new.id.to_sql(), self.inner.sealer.make_data_key(new.id)?];
        self.write(Lane::Registration, |c| {
            Box::pin(async move {
                c.execute(queries::ACCOUNT_INSERT, row).await?;
                c.execute(queries::DATA_KEY_INSERT, data_key).await?;
                Ok(())
            })
        })
        .await
    }

    /// An account by id. Sign-in lane.
    pub async fn find_account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let row = self.read_one(Lane::SignIn, queries::ACCOUNT_FIND, args![id.to_sql()]).await?;
        row.map(|row| account_of(&self.inner.sealer, row)).transpose()
    }

    /// An account by name. Sign-in lane.
    pub async fn find_account_by_name(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        let row = self.read_one(Lane::SignIn, queries::ACCOUNT_FIND_BY_NAME, args![name.as_str()]).await?;
        row.map(|row| account_of(&self.inner.sealer, row)).transpose()
    }

    /// The account with that address: a confirmed one first, then the oldest; compared trimmed and without case.
    pub async fn find_account_by_email(&self, email: &Sensitive<String>) -> Result<Option<Account>, StoreError> {
        let hash = self.inner.sealer.hash_email(email);
        let row = self.read_one(Lane::Other, queries::ACCOUNT_FIND_BY_EMAIL, args![hash]).await?;
        row.map(|row| account_of(&self.inner.sealer, row)).transpose()
    }

    /// Accounts in the order of their names, after `after`.
    pub async fn list_accounts(&self, after: Option<AccountName>, limit: u32) -> Result<Vec<Account>, StoreError> {
        let after = after.as_ref().map_or("", AccountName::as_str);
        let rows = self.read(Lane::Other, queries::ACCOUNT_LIST, args![after, i64::from(limit)]).await?;
        rows.into_iter().map(|row| account_of(&self.inner.sealer, row)).collect()
    }

    /// True once somebody runs the platform.
    pub async fn has_operator(&self) -> Result<bool, StoreError> {
        Ok(self.read_one(Lane::Other, queries::ACCOUNT_OPERATOR_ANY, vec![]).await?.is_some())
    }

    /// Sets the standing. The caller tells the sessions' side; after a restart [`Store::load_epochs`] does.
    pub async fn set_standing(&self, id: AccountId, standing: Standing) -> Result<(), StoreError> {
        self.execute_one(Lane::Other, queries::ACCOUNT_SET_STANDING, args![id.to_sql(), i64::from(standing.to_u8())])
            .await
    }

    /// Sets the role.
    pub async fn set_role(&self, id: AccountId, role: Role) -> Result<(), StoreError> {
        self.execute_one(Lane::Other, queries::ACCOUNT_SET_ROLE, args![id.to_sql(), role.as_str()]).await
    }

    /// Sets or clears the password hash (PHC). Sign-in lane.
    pub async fn set_password_hash(&self, id: AccountId, hash: Option<Secret<String>>) -> Result<(), StoreError> {
        let sealed = hash.map(|hash| self.inner.sealer.seal_password(id, &hash)).transpose()?;
        self.execute_one(Lane::SignIn, queries::ACCOUNT_SET_PASSWORD, args![id.to_sql(), sealed]).await
    }

    /// Sets or clears the mail address; `is_confirmed` says that somebody opened a link that was mailed there.
    pub async fn set_email(
        &self,
        id: AccountId,
        email: Option<Sensitive<String>>,
        is_confirmed: bool,
    ) -> Result<(), StoreError> {
        let sealer = &self.inner.sealer;
        let sealed = email.as_ref().map(|email| sealer.seal_email(id, email)).transpose()?;
        let hash = email.as_ref().map(|email| sealer.hash_email(email));
        self.execute_one(
            Lane::Other,
            queries::ACCOUNT_SET_EMAIL,
            args![id.to_sql(), sealed, hash, i64::from(is_confirmed)],
        )
        .await
    }

    /// Somebody opened a link that was mailed to the account's address.
    pub async fn confirm_email(&self, id: AccountId) -> Result<(), StoreError> {
        self.execute_one(Lane::SignIn, queries::ACCOUNT_CONFIRM_EMAIL, args![id.to_sql()]).await
    }

    /// Sets or clears the language.
    pub async fn set_locale(&self, id: AccountId, locale: Option<String>) -> Result<(), StoreError> {
        self.execute_one(Lane::Other, queries::ACCOUNT_SET_LOCALE, args![id.to_sql(), locale]).await
    }

    /// Ends all sessions of the account: returns the new epoch. Sign-in lane.
    pub async fn bump_epoch(&self, id: AccountId) -> Result<u32, StoreError> {
        self.write(Lane::SignIn, move |c| {
            Box::pin(async move {
                let row = c.row(queries::ACCOUNT_BUMP_EPOCH, args![id.to_sql()]).await?;
                Ok(epoch_of(row.ok_or(StoreError::NotFound)?.int(0)?))
            })
        })
        .await
    }

    /// Deletes an account: data key, keys and sessions in one commit, then what it wrote, in small ones. False if there is none.
    ///
    /// From the first commit on the account is deleted and its content unreadable, so the answer is true even if the store goes down
    /// before all of it was removed: [`Store::sweep`] removes the rest.
    pub async fn delete_account(&self, id: AccountId) -> Result<bool, StoreError> {
        let is_deleted = self.write(Lane::Other, move |c| Box::pin(delete_on(c, id))).await?;
        if is_deleted {
            self.inner.data_keys.destroy(id);
            if let Err(error) = self.purge(id).await {
                tracing::debug!(error = %error, "what a deleted account left is removed later");
            }
        }
        Ok(is_deleted)
    }

    /// Removes what a deleted account left; returns the rows removed.
    pub(crate) async fn purge(&self, id: AccountId) -> Result<u64, StoreError> {
        let mut removed = 0_u64;
        let batches =
            [queries::PURGE_MESSAGES, queries::PURGE_FILES, queries::PURGE_SHARES, queries::PURGE_CONVERSATIONS];
        for sql in batches {
            loop {
                let rows = self.execute(Lane::Other, sql, args![id.to_sql(), PURGE_ROWS_MAX]).await?;
                removed = removed.saturating_add(rows);
                if rows < PURGE_ROWS_MAX.unsigned_abs() {
                    break;
                }
            }
        }
        for sql in [queries::PURGE_ATTACHMENTS, queries::PURGE_HOLDING, queries::PURGE_USAGE] {
            removed = removed.saturating_add(self.execute(Lane::Other, sql, args![id.to_sql()]).await?);
        }
        self.execute(Lane::Other, queries::DELETED_ACCOUNT_SET_PURGED, args![id.to_sql()]).await?;
        Ok(removed)
    }

    /// Every account whose sessions may carry something out of date, and every deleted one: whoever is not listed has epoch 0 and the
    /// standing and role its sessions carry. Not bound by the usual deadline: it is read once, at start.
    pub async fn load_epochs(&self) -> Result<Vec<(AccountId, EpochRow)>, StoreError> {
        let inner = &self.inner;
        let mut epochs = Vec::new();
        let mut push_changed = |mut row: Row| {
            let state = EpochRow {
                epoch: epoch_of(row.int(1)?),
                standing: standing_of(row.int(2)?),
                role: role_of(&row.text(3)?)?,
                created_day: UnixMillis(row.int(4)?).day(),
                earned: match row.int(5)? {
                    0 => None,
                    at => Some((UnixSeconds(at), standing_of(row.int(6)?))),
                },
            };
            epochs.push((AccountId::from_sql(row.int(0)?), state));
            Ok(())
        };
        inner.database.read_bulk(&inner.health, queries::ACCOUNT_LOAD_CHANGED, vec![], &mut push_changed).await?;
        let gone = EpochRow {
            epoch: u32::MAX,
            standing: Standing::Suspended,
            role: Role::None,
            created_day: Day(0),
            earned: None,
        };
        let mut push_deleted = |row: Row| {
            epochs.push((AccountId::from_sql(row.int(0)?), gone));
            Ok(())
        };
        inner.database.read_bulk(&inner.health, queries::DELETED_ACCOUNT_LOAD, vec![], &mut push_deleted).await?;
        Ok(epochs)
    }

    /// Counts a day of good use for each of the accounts, once; those for which it was counted now. Bound the list.
    pub async fn record_good_days(&self, accounts: Vec<AccountId>, day: Day) -> Result<Vec<GoodDay>, StoreError> {
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let mut counted = Vec::new();
                for id in accounts {
                    let row = c.row(queries::ACCOUNT_RECORD_GOOD_DAY, args![id.to_sql(), i64::from(day.0)]).await?;
                    if let Some(row) = row {
                        counted.push(GoodDay {
                            account: id,
                            good_days: u16::try_from(row.int(0)?).unwrap_or(u16::MAX),
                            standing: standing_of(row.int(1)?),
                            created: UnixMillis(row.int(2)?),
                        });
                    }
                }
                Ok(counted)
            })
        })
        .await
    }

    /// Raises the standing by the rules, if it still is `from`; false if it is not. Remembers when, for the freeze of an incident.
    pub async fn promote(
        &self,
        id: AccountId,
        from: Standing,
        to: Standing,
        at: UnixSeconds,
    ) -> Result<bool, StoreError> {
        let args = args![id.to_sql(), i64::from(to.to_u8()), i64::from(from.to_u8()), at.0];
        Ok(self.execute(Lane::Other, queries::ACCOUNT_PROMOTE, args).await? > 0)
    }

    /// Counts a day of good use once; the new number of good days if it was counted now.
    pub async fn record_good_day(&self, id: AccountId, day: Day) -> Result<Option<u16>, StoreError> {
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                let row = c.row(queries::ACCOUNT_RECORD_GOOD_DAY, args![id.to_sql(), i64::from(day.0)]).await?;
                row.map(|row| Ok(u16::try_from(row.int(0)?).unwrap_or(u16::MAX))).transpose()
            })
        })
        .await
    }
}
