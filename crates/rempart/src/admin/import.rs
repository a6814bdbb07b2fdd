//! Bringing accounts in from elsewhere, a batch at a time: nothing is hashed, every batch is one acknowledged step.

use std::collections::HashSet;

use rempart_domain::{AccountId, AccountName, KeyId, Provenance, Role, Secret, UnixMillis};
use rempart_identity::{issue, random};
use rempart_store::{NewAccount, NewAccountWithKeys, NewKey};
use serde::{Deserialize, Serialize};

use super::account::{parse_email, parse_name, parse_standing};
use super::{AdminError, ImportedRow, Reply};
use crate::dates::parse_rfc3339;
use crate::platform::Platform;

/// Accounts of one batch.
pub(crate) const IMPORT_BATCH_LEN_MAX: usize = 1000;

/// Text of one batch, in bytes; a frame of the control socket holds it and its answer.
pub(crate) const IMPORT_BATCH_BYTES_MAX: usize = 1_048_576;

/// What an imported password hash must begin with; others cannot be checked here.
const PHC_PREFIX: &str = "$argon2id$";

/// Longest password hash, in bytes.
const PHC_LEN_MAX: usize = 512;

/// The bits that the ids of one batch share. Ids that are random all over make each commit rewrite a part of every page of every index:
/// 100 000 accounts wrote 2.2 GB. 47 random bits are left, and nothing relies on an id being hard to guess.
const CLUSTER_MASK: u64 = 0xffff << 47;

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportLine {
    /// Its name.
    pub(crate) name: String,
    /// Its standing; without it, an operator's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) standing: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<Created>,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// PHC string of argon2id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_hash: Option<String>,
    /// How many API keys to make.
    #[serde(default)]
    pub(crate) keys: u32,
}

/// A date in either form.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Created {
    /// Unix seconds.
    Seconds(i64),
    /// RFC 3339.
    Text(String),
}

impl Created {
    fn read(&self) -> Option<UnixMillis> {
        match self {
            Self::Seconds(seconds) if *seconds >= 0 => seconds.checked_mul(1000).map(UnixMillis),
            Self::Seconds(_) => None,
            Self::Text(text) => parse_rfc3339(text),
        }
    }
}

/// An account that is ready to be made, and what its owner will be told.
struct Prepared {
    position: usize,
    row: ImportedRow,
    account: NewAccountWithKeys,
}

pub(super) async fn run(platform: &Platform, lines: Vec<ImportLine>) -> Result<Reply, AdminError> {
    if lines.len() > IMPORT_BATCH_LEN_MAX {
        return Err(AdminError::refuse(format!("a batch has at most {IMPORT_BATCH_LEN_MAX} accounts")));
    }
    let (mut prepared, mut refused, mut names) = (Vec::with_capacity(lines.len()), Vec::new(), HashSet::new());
    let cluster = random::account_id()?.bits() & CLUSTER_MASK;
    for (position, line) in lines.into_iter().enumerate() {
        match prepare(platform, cluster, position, line) {
            // A name that comes twice in a batch would be the second's fault and cost the whole batch.
            Ok(one) if names.insert(one.account.account.name.clone()) => prepared.push(one),
            Ok(one) => refused.push((one.position, format!("{} stands there twice", one.row.name))),
            Err(AdminError::Refused(reason)) => refused.push((position, reason)),
            Err(error) => return Err(error),
        }
    }
    let (rows, accounts): (Vec<_>, Vec<_>) =
        prepared.into_iter().map(|one| ((one.position, one.row), one.account)).unzip();
    let report = platform.store.import_accounts(accounts).await?;
    let taken: HashSet<AccountName> = report.taken.into_iter().collect();
    let mut made = Vec::with_capacity(rows.len());
    for (position, row) in rows {
        let is_taken = AccountName::parse(&row.name).is_ok_and(|name| taken.contains(&name));
        if is_taken {
            refused.push((position, format!("the name {} is taken", row.name)));
        } else {
            made.push(row);
        }
    }
    refused.sort_unstable();
    Ok(Reply::Imported { accounts: made, refused })
}

fn prepare(platform: &Platform, cluster: u64, position: usize, line: ImportLine) -> Result<Prepared, AdminError> {
    let now = platform.clock.date();
    let created = match &line.created {
        None => now,
        Some(created) => created
            .read()
            .filter(|at| *at <= now)
            .ok_or_else(|| AdminError::refuse("created is no date in the past"))?,
    };
    if line.password_hash.as_ref().is_some_and(|phc| !phc.starts_with(PHC_PREFIX) || phc.len() > PHC_LEN_MAX) {
        return Err(AdminError::refuse("password_hash must be a PHC string of argon2id"));
    }
    if u64::from(line.keys) > platform.keys_per_account {
        return Err(AdminError::refuse(format!(
            "more keys than limits.keys_per_account ({})",
            platform.keys_per_account
        )));
    }
    let account = NewAccount {
        id: AccountId::from_bits(cluster | random::account_id()?.bits() & !CLUSTER_MASK),
        name: parse_name(&line.name)?,
        standing: parse_standing(line.standing.as_deref())?,
        role: Role::None,
        created,
        email: parse_email(line.email)?,
        password_hash: line.password_hash.map(Secret::new),
        locale: None,
        provenance: Provenance::default(),
    };
    let mut row = ImportedRow { name: account.name.to_string(), id: account.id.to_string(), keys: Vec::new() };
    let mut keys = Vec::new();
    for _ in 0..line.keys {
        let id = KeyId::from_bits(cluster | random::key_id()?.bits() & !CLUSTER_MASK);
        let issued = issue(&platform.keyring, id)?;
        row.keys.push(issued.text.expose().clone());
        keys.push(NewKey {
            id,
            account: account.id,
            name: "imported".to_owned(),
            hash: issued.hash,
            scope: rempart_domain::KeyScope::Api,
            models: None,
            limits: rempart_domain::KeyLimits::default(),
            created: now.seconds(),
            expires: None,
        });
    }
    Ok(Prepared { position, row, account: NewAccountWithKeys { account, keys } })
}
