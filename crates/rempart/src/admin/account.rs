//! Accounts by an operator's hand.
//!
//! What must stay true: the store first, then the tables in memory, then the answer; an operator's change of standing counts in a
//! freeze too; a new password, a suspension and a deletion end all sessions.

use rempart_domain::{AccountId, AccountName, Provenance, Role, Secret, Sensitive, Standing, UnixSeconds};
use rempart_identity::{ChangedBy, HashLane, check_password, is_weak, random};
use rempart_store::{Account, LinkPurpose, NewAccount};

use super::{AccountChange, AccountRow, AdminError, PAGE_LEN, Reply};
use crate::dates::rfc3339;
use crate::platform::{Platform, known_key};

/// How long a sign-in link is good.
const SIGN_IN_LINK_S: i64 = 3600;

/// Longest mail address, in bytes (RFC 5321, 4.5.3.1).
const EMAIL_LEN_MAX: usize = 254;

/// Standing of an account that an operator makes without saying more: they know it.
const STANDING_DEFAULT: Standing = Standing::Member;

pub(super) async fn create(platform: &Platform, mut change: AccountChange) -> Result<Reply, AdminError> {
    let account = NewAccount {
        id: random::account_id()?,
        name: parse_name(&change.name)?,
        standing: parse_standing(change.standing.as_deref())?,
        role: parse_role(change.role.as_deref())?,
        created: platform.clock.date(),
        email: parse_email(change.email.take())?,
        password_hash: hash(platform, change.password.take()).await?,
        locale: None,
        provenance: Provenance::default(),
    };
    let name = account.name.clone();
    platform.store.create_account(account).await?;
    show(platform, name.as_str()).await
}

pub(super) async fn list(platform: &Platform, after: Option<String>) -> Result<Reply, AdminError> {
    let after = after.map(|name| parse_name(&name)).transpose()?;
    let accounts = platform.store.list_accounts(after, PAGE_LEN).await?;
    let is_full = u32::try_from(accounts.len()).is_ok_and(|len| len >= PAGE_LEN);
    let next = accounts.last().filter(|_| is_full).map(|account| account.name.to_string());
    Ok(Reply::Accounts { data: accounts.iter().map(row).collect(), next })
}

pub(super) async fn show(platform: &Platform, name: &str) -> Result<Reply, AdminError> {
    let account = find(platform, name).await?;
    let email = account.email.as_ref().map(|email| email.expose().clone());
    Ok(Reply::Account(AccountRow { email, ..row(&account) }))
}

pub(super) async fn set(platform: &Platform, mut change: AccountChange) -> Result<Reply, AdminError> {
    let account = find(platform, &change.name).await?;
    let standing = change.standing.as_deref().map(|word| parse_standing(Some(word))).transpose()?;
    let role = change.role.as_deref().map(|word| parse_role(Some(word))).transpose()?;
    let email = change.email.take();
    let ends_sessions = change.ends_sessions || change.password.is_some() || standing == Some(Standing::Suspended);
    if let Some(email) = email {
        platform.store.set_email(account.id, parse_email(Some(email))?, true).await?;
    }
    if let Some(hash) = hash(platform, change.password.take()).await? {
        platform.store.set_password_hash(account.id, Some(hash)).await?;
    }
    if let Some(standing) = standing {
        platform.store.set_standing(account.id, standing).await?;
        platform.revocations.set_standing(account.id, standing, ChangedBy::Operator)?;
        platform.revocations.reinstate(account.id);
    }
    if let Some(role) = role {
        platform.store.set_role(account.id, role).await?;
        platform.revocations.set_role(account.id, role)?;
    }
    if standing.is_some() || role.is_some() {
        refresh_keys(platform, account.id).await?;
    }
    if ends_sessions {
        end_sessions(platform, account.id).await?;
    }
    show(platform, account.name.as_str()).await
}

pub(super) async fn delete(platform: &Platform, name: &str) -> Result<Reply, AdminError> {
    let account = find(platform, name).await?;
    platform.store.delete_account(account.id).await?;
    platform.revocations.delete_account(account.id)?;
    platform.known_keys.revoke_account(account.id);
    Ok(Reply::Done)
}

pub(super) async fn link(platform: &Platform, name: &str) -> Result<Reply, AdminError> {
    let account = find(platform, name).await?;
    if account.standing == Standing::Suspended {
        return Err(AdminError::refuse(format!(
            "{} is suspended: account set {} --standing member",
            account.name, account.name
        )));
    }
    let token = random::one_time_token()?;
    let expires = UnixSeconds(platform.clock.seconds().0 + SIGN_IN_LINK_S);
    platform.store.create_link(token.hash, Some(account.id), LinkPurpose::SignIn, expires).await?;
    let url = format!("{}/sign-in?link={}", platform.public_url, token.text.expose());
    Ok(Reply::Link { url, expires: rfc3339(expires) })
}

/// Known keys carry standing and role from when they were read: read them again.
async fn refresh_keys(platform: &Platform, account: AccountId) -> Result<(), AdminError> {
    let keys = platform.store.list_keys(account).await?;
    keys.into_iter().filter_map(known_key).for_each(|key| platform.known_keys.insert(key));
    Ok(())
}

async fn end_sessions(platform: &Platform, account: AccountId) -> Result<(), AdminError> {
    platform.store.end_sessions_of(account).await?;
    let epoch = platform.store.bump_epoch(account).await?;
    platform.revocations.set_epoch(account, epoch)?;
    Ok(())
}

/// The account of that name, or the words for the operator.
pub(super) async fn find(platform: &Platform, name: &str) -> Result<Account, AdminError> {
    let name = parse_name(name)?;
    let found = platform.store.find_account_by_name(&name).await?;
    found.ok_or_else(|| AdminError::refuse(format!("there is no account {name}")))
}

pub(super) fn parse_name(text: &str) -> Result<AccountName, AdminError> {
    let cut: String = text.chars().take(AccountName::LEN_MAX + 8).collect();
    AccountName::parse(text).map_err(|error| AdminError::refuse(format!("{cut:?}: {error}")))
}

/// `visitor` is nobody's standing who has an account.
pub(super) fn parse_standing(word: Option<&str>) -> Result<Standing, AdminError> {
    let Some(word) = word else { return Ok(STANDING_DEFAULT) };
    match Standing::parse(word) {
        Ok(Standing::Visitor) => {
            Err(AdminError::refuse("a visitor has no account: choose suspended, newcomer, member or trusted"))
        }
        Ok(standing) => Ok(standing),
        Err(error) => Err(AdminError::refuse(error.to_string())),
    }
}

fn parse_role(word: Option<&str>) -> Result<Role, AdminError> {
    word.map_or(Ok(Role::None), Role::parse).map_err(|error| AdminError::refuse(error.to_string()))
}

/// Empty is none. Whether mail arrives there is another matter.
pub(super) fn parse_email(text: Option<String>) -> Result<Option<Sensitive<String>>, AdminError> {
    let Some(text) = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) else { return Ok(None) };
    let has_shape =
        text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'));
    if !has_shape || text.len() > EMAIL_LEN_MAX || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(AdminError::refuse("that is no mail address"));
    }
    Ok(Some(Sensitive::new(text)))
}

async fn hash(platform: &Platform, password: Option<String>) -> Result<Option<Secret<String>>, AdminError> {
    let Some(password) = password.map(Secret::new) else { return Ok(None) };
    check_password(password.expose()).map_err(|error| AdminError::refuse(error.to_string()))?;
    if is_weak(password.expose()) {
        return Err(AdminError::refuse("that password is among the first that guessers try"));
    }
    Ok(Some(platform.hash_pool.hash(HashLane::Known, password).await?))
}

fn row(account: &Account) -> AccountRow {
    AccountRow {
        id: account.id.to_string(),
        name: account.name.to_string(),
        standing: account.standing.to_string(),
        role: account.role.to_string(),
        created: rfc3339(account.created.seconds()),
        has_email: account.email.is_some(),
        email: None,
        has_password: account.password_hash.is_some(),
        good_days: account.good_days,
    }
}
