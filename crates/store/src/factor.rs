//! Second factors: time-based codes, passkeys, recovery codes.
//!
//! What must stay true: what a factor is made of lies sealed, in its row and no other; a time step, and a recovery code, is used by one
//! caller only, whoever else asks at the same moment.

use rempart_domain::{AccountId, Day, KeyId, Secret, UnixSeconds};
use sha2::{Digest as _, Sha256};

use crate::conn::{Row, args};
use crate::lane::Lane;
use crate::{Store, StoreError, queries};

/// Factors of one account.
const FACTORS_MAX: i64 = 16;

/// What a factor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorKind {
    /// Codes from a shared secret and the time (RFC 6238).
    Totp,
    /// A key pair in a device or a password store (WebAuthn).
    Passkey,
}

impl FactorKind {
    /// The word stored, and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        [Self::Totp, Self::Passkey]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(StoreError::Corrupt("factor kind"))
    }
}

/// A factor to be recorded.
#[derive(Debug)]
pub struct NewFactor {
    /// 63 random bits from the caller.
    pub id: KeyId,
    /// Whose.
    pub account: AccountId,
    /// What it is.
    pub kind: FactorKind,
    /// What its owner calls it.
    pub name: String,
    /// The secret, or the credential as JSON.
    pub data: Secret<String>,
    /// The time step whose code proved it; 0 for a passkey.
    pub last_step: i64,
    /// When.
    pub created: UnixSeconds,
}

/// A factor as stored.
#[derive(Debug)]
pub struct Factor {
    /// Its id.
    pub id: KeyId,
    /// Whose.
    pub account: AccountId,
    /// What it is.
    pub kind: FactorKind,
    /// What its owner calls it.
    pub name: String,
    /// The secret, or the credential as JSON.
    pub data: Secret<String>,
    /// The last time step whose code was used.
    pub last_step: i64,
    /// When it was added.
    pub created: UnixSeconds,
    /// The last day it was used.
    pub last_used: Day,
}

fn code_hash(account: AccountId, code: &Secret<String>) -> [u8; 32] {
    Sha256::new_with_prefix(account.bits().to_le_bytes()).chain_update(code.expose().as_bytes()).finalize().into()
}

impl Store {
    fn factor_of(&self, mut row: Row) -> Result<Factor, StoreError> {
        let (id, account) = (KeyId::from_sql(row.int(0)?), AccountId::from_sql(row.int(1)?));
        Ok(Factor {
            id,
            account,
            kind: FactorKind::parse(&row.text(2)?)?,
            name: row.text(3)?,
            data: self.inner.sealer.open_factor(account, id, &row.bytes(4)?)?,
            last_step: row.int(5)?,
            created: UnixSeconds(row.int(6)?),
            last_used: crate::account::day_of(row.int(7)?),
        })
    }

    /// Records a factor; false if the account has as many as it may. `codes`: fresh recovery codes that take the place of all others.
    pub async fn create_factor(&self, new: NewFactor, codes: Vec<Secret<String>>) -> Result<bool, StoreError> {
        let account = new.account;
        let sealed = self.inner.sealer.seal_factor(account, new.id, &new.data)?;
        let day = i64::from(new.created.day().0);
        let (id, kind) = (new.id.to_sql(), new.kind.as_str());
        let row = args![id, account.to_sql(), kind, new.name, sealed, new.last_step, new.created.0, day];
        let hashes: Vec<_> = codes.iter().map(|code| code_hash(account, code)).collect();
        self.write(Lane::SignIn, move |c| {
            Box::pin(async move {
                let count = c.row(queries::FACTOR_COUNT, args![account.to_sql()]).await?;
                if count.map_or(Ok(0), |row| row.int(0))? >= FACTORS_MAX {
                    return Ok(false);
                }
                c.execute(queries::FACTOR_INSERT, row).await?;
                if !hashes.is_empty() {
                    replace_codes(c, account, hashes).await?;
                }
                Ok(true)
            })
        })
        .await
    }

    /// The account's factors, the oldest first. Sign-in lane.
    pub async fn list_factors(&self, account: AccountId) -> Result<Vec<Factor>, StoreError> {
        let rows = self.read(Lane::SignIn, queries::FACTOR_LIST, args![account.to_sql(), FACTORS_MAX]).await?;
        rows.into_iter().map(|row| self.factor_of(row)).collect()
    }

    /// Removes a factor of that account, and with the last one the recovery codes; false if there is none.
    pub async fn delete_factor(&self, account: AccountId, id: KeyId) -> Result<bool, StoreError> {
        self.write(Lane::SignIn, move |c| {
            Box::pin(async move {
                if c.execute(queries::FACTOR_DELETE, args![id.to_sql(), account.to_sql()]).await? == 0 {
                    return Ok(false);
                }
                let left = c.row(queries::FACTOR_COUNT, args![account.to_sql()]).await?;
                if left.map_or(Ok(0), |row| row.int(0))? == 0 {
                    c.execute(queries::RECOVERY_CODE_DELETE, args![account.to_sql()]).await?;
                }
                Ok(true)
            })
        })
        .await
    }

    /// Uses a time step's code up: true for one caller only, and never for a step that is not later than the last.
    pub async fn use_step(&self, account: AccountId, id: KeyId, step: i64, day: Day) -> Result<bool, StoreError> {
        let row = args![id.to_sql(), account.to_sql(), step, i64::from(day.0)];
        Ok(self.execute(Lane::SignIn, queries::FACTOR_USE_STEP, row).await? > 0)
    }

    /// Notes that a passkey was used, with its new counter.
    pub async fn use_passkey(
        &self,
        account: AccountId,
        id: KeyId,
        data: Secret<String>,
        day: Day,
    ) -> Result<(), StoreError> {
        let sealed = self.inner.sealer.seal_factor(account, id, &data)?;
        let row = args![id.to_sql(), account.to_sql(), sealed, i64::from(day.0)];
        self.execute(Lane::SignIn, queries::FACTOR_USE_KEY, row).await.map(|_| ())
    }

    /// Uses a recovery code up: true for one caller only.
    pub async fn use_recovery_code(&self, account: AccountId, code: Secret<String>) -> Result<bool, StoreError> {
        let row = args![code_hash(account, &code), account.to_sql()];
        Ok(self.execute(Lane::SignIn, queries::RECOVERY_CODE_USE, row).await? > 0)
    }

    /// Puts these codes in the place of all others.
    pub async fn set_recovery_codes(&self, account: AccountId, codes: Vec<Secret<String>>) -> Result<(), StoreError> {
        let hashes: Vec<_> = codes.iter().map(|code| code_hash(account, code)).collect();
        self.write(Lane::SignIn, move |c| Box::pin(replace_codes(c, account, hashes))).await
    }

    /// Recovery codes that are left.
    pub async fn count_recovery_codes(&self, account: AccountId) -> Result<u64, StoreError> {
        let row = self.read_one(Lane::Other, queries::RECOVERY_CODE_COUNT, args![account.to_sql()]).await?;
        Ok(row.map_or(Ok(0), |row| row.int(0))?.unsigned_abs())
    }
}

async fn replace_codes(c: &mut crate::conn::Conn, account: AccountId, hashes: Vec<[u8; 32]>) -> Result<(), StoreError> {
    c.execute(queries::RECOVERY_CODE_DELETE, args![account.to_sql()]).await?;
    for hash in hashes {
        c.execute(queries::RECOVERY_CODE_INSERT, args![hash, account.to_sql()]).await?;
    }
    Ok(())
}
