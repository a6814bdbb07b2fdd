//! API keys by an operator's hand.

use rempart_domain::{KeyId, KeyLimits, KeyScope, Role, UnixSeconds};
use rempart_identity::{KnownKey, issue, random};
use rempart_store::{KeyRecord, NewKey};

use super::{AdminError, KeyRow, Reply, account};
use crate::dates::rfc3339;
use crate::platform::Platform;

/// Longest name of a key, in characters.
const KEY_NAME_LEN_MAX: usize = 64;

/// Keys that `key list` without an account shows at most.
const KEYS_LISTED_MAX: u32 = 10_000;

pub(super) async fn create(
    platform: &Platform,
    owner: &str,
    name: String,
    scope: &str,
    expires: Option<i64>,
    limits: KeyLimits,
) -> Result<Reply, AdminError> {
    let owner = account::find(platform, owner).await?;
    let scope = KeyScope::parse(scope).map_err(|error| AdminError::refuse(error.to_string()))?;
    let now = platform.clock.seconds();
    if scope == KeyScope::Console && owner.role != Role::Operator {
        return Err(AdminError::refuse(format!(
            "a console key belongs to an operator: account set {} --role operator",
            owner.name
        )));
    }
    if name.chars().count() > KEY_NAME_LEN_MAX || name.chars().any(char::is_control) {
        return Err(AdminError::refuse(format!("a key's name has at most {KEY_NAME_LEN_MAX} characters")));
    }
    if expires.is_some_and(|expires| expires <= now.0) {
        return Err(AdminError::refuse("it would have expired already"));
    }
    let in_use = platform.store.list_keys(owner.id).await?.iter().filter(|key| key.revoked.is_none()).count();
    if u64::try_from(in_use).is_ok_and(|count| count >= platform.keys_per_account) {
        return Err(AdminError::refuse(format!(
            "{} has {in_use} keys, the limit (limits.keys_per_account): revoke one",
            owner.name
        )));
    }
    let id = random::key_id()?;
    let issued = issue(&platform.keyring, id)?;
    let expires = expires.map(UnixSeconds);
    let new =
        NewKey { id, account: owner.id, name, hash: issued.hash, scope, models: None, limits, created: now, expires };
    platform.store.create_key(new).await?;
    platform.known_keys.insert(KnownKey {
        id,
        account: owner.id,
        hash: issued.hash,
        scope,
        standing: owner.standing,
        role: owner.role,
        created_day: owner.created.day(),
        created_minute: u32::try_from(owner.created.seconds().0 / 60).unwrap_or(0),
        provenance: owner.provenance,
        models: None,
        limits,
        expires,
        epoch: owner.epoch,
    });
    Ok(Reply::Key { id: id.to_string(), key: issued.text.expose().clone() })
}

pub(super) async fn list(platform: &Platform, owner: Option<String>) -> Result<Reply, AdminError> {
    let keys = match owner {
        Some(owner) => {
            let owner = account::find(platform, &owner).await?;
            platform.store.list_keys(owner.id).await?
        }
        None => platform.store.load_keys(KEYS_LISTED_MAX).await?,
    };
    Ok(Reply::Keys { data: keys.iter().map(row).collect() })
}

pub(super) async fn revoke(platform: &Platform, id: &str) -> Result<Reply, AdminError> {
    let id: KeyId = id.parse().map_err(|_| AdminError::refuse("a key's id looks like k_…; see key list"))?;
    let unknown = || AdminError::refuse(format!("there is no key {id}"));
    let key = platform.store.find_key(id).await?.ok_or_else(unknown)?;
    // Revoked before is as good as revoked now.
    platform.store.revoke_key(key.account, id).await?;
    platform.known_keys.revoke(id);
    Ok(Reply::Done)
}

fn row(key: &KeyRecord) -> KeyRow {
    KeyRow {
        id: key.id.to_string(),
        account: key.account.to_string(),
        name: key.name.clone(),
        scope: key.scope.to_string(),
        created: rfc3339(key.created),
        expires: key.expires.map(rfc3339),
        revoked: key.revoked.map(rfc3339),
    }
}
