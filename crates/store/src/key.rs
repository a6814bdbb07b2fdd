//! API keys: only their SHA-256 is stored.
//!
//! What must stay true: a record says enough of its account to admit a request without a second look-up.

use rempart_domain::{AccountId, Day, KeyId, KeyLimits, KeyScope, Provenance, Role, Standing, UnixMillis, UnixSeconds};

use crate::conn::{Row, Value, args};
use crate::lane::Lane;
use crate::{Store, StoreError, clock, queries};

/// Most keys shown.
const LIST_LEN_MAX: i64 = 1000;

/// A key to be recorded.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The public half.
    pub id: KeyId,
    /// Whose.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What it opens.
    pub scope: KeyScope,
    /// The models it may use; `None` is all.
    pub models: Option<Vec<String>>,
    /// Bounds of its own.
    pub limits: KeyLimits,
    /// When it was made.
    pub created: UnixSeconds,
    /// Until when.
    pub expires: Option<UnixSeconds>,
}

/// A key with what must be known of its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The public half.
    pub id: KeyId,
    /// Whose.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What it opens.
    pub scope: KeyScope,
    /// The models it may use; `None` is all.
    pub models: Option<Vec<String>>,
    /// Bounds of its own.
    pub limits: KeyLimits,
    /// When it was made.
    pub created: UnixSeconds,
    /// Until when.
    pub expires: Option<UnixSeconds>,
    /// Since when it is revoked.
    pub revoked: Option<UnixSeconds>,
    /// The last day usage was settled on it.
    pub last_used: Option<Day>,
    /// The account's standing.
    pub standing: Standing,
    /// The account's role.
    pub role: Role,
    /// The day the account was made.
    pub created_day: Day,
    /// The minute the account was made, since 1970.
    pub created_minute: u32,
    /// The account's epoch.
    pub epoch: u32,
    /// What the account has in common with others.
    pub provenance: Provenance,
}

/// The values of a new row, in the order of `key_insert.sql`.
pub(crate) fn insert_args(new: &NewKey) -> Result<Vec<Value>, StoreError> {
    let models = new
        .models
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|_| StoreError::Corrupt("models of a key"))?;
    Ok(args![
        new.id.to_sql(),
        new.account.to_sql(),
        new.name.as_str(),
        new.hash,
        new.scope.as_str(),
        models,
        new.limits.budget_tokens.map(as_int),
        new.created.0,
        new.expires.map(|expires| expires.0),
        new.limits.requests_per_minute.map(as_int),
        new.limits.in_flight.map(i64::from),
    ])
}

fn as_int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn key_of(mut row: Row) -> Result<KeyRecord, StoreError> {
    let models = row.opt_text(5)?.map(|text| serde_json::from_str(&text)).transpose();
    let last_used = crate::account::day_of(row.int(10)?);
    Ok(KeyRecord {
        id: KeyId::from_sql(row.int(0)?),
        account: AccountId::from_sql(row.int(1)?),
        name: row.text(2)?,
        hash: row.bytes(3)?.try_into().map_err(|_| StoreError::Corrupt("key hash"))?,
        scope: KeyScope::parse(&row.text(4)?).map_err(|_| StoreError::Corrupt("key scope"))?,
        models: models.map_err(|_| StoreError::Corrupt("models of a key"))?,
        limits: KeyLimits {
            budget_tokens: row.opt_int(6)?.map(|tokens| u64::try_from(tokens).unwrap_or(0)),
            requests_per_minute: row.opt_int(15)?.map(|requests| u64::try_from(requests).unwrap_or(0)),
            in_flight: row.opt_int(16)?.map(|answers| u32::try_from(answers).unwrap_or(0)),
        },
        created: UnixSeconds(row.int(7)?),
        expires: row.opt_int(8)?.map(UnixSeconds),
        revoked: row.opt_int(9)?.map(UnixSeconds),
        last_used: (last_used != Day(0)).then_some(last_used),
        standing: crate::account::standing_of(row.int(11)?),
        role: crate::account::role_of(&row.text(12)?)?,
        created_day: UnixMillis(row.int(13)?).day(),
        created_minute: u32::try_from(row.int(13)? / 60_000).unwrap_or(0),
        epoch: crate::account::epoch_of(row.int(14)?),
        provenance: Provenance::from_bits(row.int(17)?.cast_unsigned()),
    })
}

impl Store {
    /// Records a key. `NotFound` if the account does not exist.
    pub async fn create_key(&self, new: NewKey) -> Result<(), StoreError> {
        self.execute(Lane::Other, queries::KEY_INSERT, insert_args(&new)?).await.map(|_| ())
    }

    /// A key by its public half, revoked ones included. Sign-in lane.
    pub async fn find_key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.read_one(Lane::SignIn, queries::KEY_FIND, args![id.to_sql()]).await?.map(key_of).transpose()
    }

    /// The account's keys: those that work, newest first, then revoked ones; at most 1 000. However many were revoked since, none that
    /// works is hidden from its owner.
    pub async fn list_keys(&self, account: AccountId) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = self.read(Lane::Other, queries::KEY_LIST, args![account.to_sql(), LIST_LEN_MAX]).await?;
        rows.into_iter().map(key_of).collect()
    }

    /// Revokes a key; false if it is unknown, another's or revoked already. Sign-in lane.
    pub async fn revoke_key(&self, account: AccountId, id: KeyId) -> Result<bool, StoreError> {
        let row = args![account.to_sql(), id.to_sql(), clock::now_seconds().0];
        Ok(self.execute(Lane::SignIn, queries::KEY_REVOKE, row).await? > 0)
    }

    /// Usable keys, the last used first: warms the cache at start, so that known callers outlive a database outage. Not bound by the
    /// usual deadline.
    pub async fn load_keys(&self, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let inner = &self.inner;
        let mut keys = Vec::new();
        let mut push = |row: Row| {
            keys.push(key_of(row)?);
            Ok(())
        };
        inner.database.read_bulk(&inner.health, queries::KEY_LOAD, args![i64::from(limit)], &mut push).await?;
        Ok(keys)
    }
}
