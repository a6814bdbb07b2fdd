//! Second factors of one's own account: authenticators with recovery codes, passkeys; and asking again before what cannot be undone.
//!
//! What must stay true: nobody adds or removes a factor with a stolen session alone; the last of an operator's factors cannot be removed; a
//! secret that was not proved by a code is not stored.

pub mod passkeys;
pub mod second;

use axum::extract::Path;
use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{KeyId, Millis, ReasonCode, Role, Secret};
use rempart_identity::factor::{
    TotpSecret, check_totp, new_recovery_codes, new_totp_secret, open_state, otpauth_url, seal_state,
};
use rempart_store::{Account, FactorKind, NewFactor};
use serde::Deserialize;
use serde_json::json;

use crate::refusal::Refusal;
use crate::serve::accounts::{find_own_account, hash_refusal, lane_of, parse};
use crate::serve::sessions::{
    Opening, Proof, SignedIn, add_cookies, end_own_session, is_strong, open_session, own_session,
};
use crate::serve::{Answer, Call, json, no_content, rfc3339, store_refusal};

const TOTP_SETUP: &str = "totp setup";

/// Longest name of a factor, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Asks again who this is: the password, few times an hour; and where a second factor is set, a session that was won with it.
pub async fn step_up(call: &Call, account: &Account, password: Secret<String>) -> Result<(), Refusal> {
    let gateway = &call.gateway;
    if call.ctx.principal.is_unsure {
        return Err(Refusal::new(ReasonCode::SecondFactorRequired, "confirm this session by a mailed link first"));
    }
    let factors = gateway.store.list_factors(account.id).await.map_err(|e| store_refusal(&e))?;
    if !factors.is_empty() && !is_strong(call) {
        return Err(Refusal::new(ReasonCode::SecondFactorRequired, "sign in with your second factor first"));
    }
    let too_many = |wait: Millis| Refusal::from(ReasonCode::TooManyRequests).retry_after(wait);
    gateway.sign_in_guard.take_code(gateway.clock.now(), account.id, true).map_err(too_many)?;
    let hash = account.password_hash.as_ref().map(|h| h.expose().as_str());
    let verified = gateway.hash_pool.verify(lane_of(call), password, hash).await.map_err(hash_refusal)?;
    if !verified.ok {
        return Err(ReasonCode::InvalidCredentials.into());
    }
    gateway.sign_in_guard.forgive_codes(gateway.clock.now(), account.id, true);
    Ok(())
}

/// The same without a password for an operator's first session, which was won by a link on the machine itself.
pub async fn step_up_or_first(call: &Call, account: &Account, password: Secret<String>) -> Result<(), Refusal> {
    if !password.expose().is_empty() || account.role != Role::Operator {
        return step_up(call, account, password).await;
    }
    let factors = call.gateway.store.list_factors(account.id).await.map_err(|e| store_refusal(&e))?;
    if factors.is_empty() { Ok(()) } else { Err(ReasonCode::InvalidCredentials.into()) }
}

/// `GET /api/v1/factors`.
pub async fn list(call: Call) -> Answer {
    let account = call.account()?;
    let store = &call.gateway.store;
    let factors = store.list_factors(account).await.map_err(|e| store_refusal(&e))?;
    let codes = store.count_recovery_codes(account).await.map_err(|e| store_refusal(&e))?;
    let data: Vec<_> = factors
        .iter()
        .map(|f| json!({ "id": f.id.to_string(), "kind": f.kind.as_str(), "name": f.name, "created": rfc3339(f.created) }))
        .collect();
    json(StatusCode::OK, &json!({ "data": data, "next": null, "recovery_codes": codes }))
}

/// An authenticator that is being set up.
#[derive(Debug)]
pub struct TotpSetup {
    /// The secret in base32, to be typed.
    pub secret: TotpSecret,
    /// The same as an address, to be scanned.
    pub otpauth: Secret<String>,
    /// Shown again with the first code.
    pub setup: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    password: String,
}

/// Begins to set up an authenticator. Nothing is stored until a code proves it.
pub fn begin_totp(call: &Call, account: &Account) -> Result<TotpSetup, Refusal> {
    let secret = new_totp_secret().map_err(|_| ReasonCode::Internal)?;
    let setup =
        seal_state(&call.gateway.keyring, TOTP_SETUP, account.id, secret.expose(), call.gateway.clock.seconds());
    shown_setup(call, account, secret, setup)
}

/// The setup that a form shows again.
pub fn resume_totp(call: &Call, account: &Account, setup: &str) -> Result<TotpSetup, Refusal> {
    let secret = open_setup(call, account, setup)?;
    shown_setup(call, account, secret, setup.to_owned())
}

fn shown_setup(call: &Call, account: &Account, secret: TotpSecret, setup: String) -> Result<TotpSetup, Refusal> {
    let site = &call.gateway.config.site.name;
    let site = if site.is_empty() { "Rempart" } else { site };
    let otpauth = otpauth_url(&secret, site, account.name.as_str()).ok_or(ReasonCode::Internal)?;
    Ok(TotpSetup { secret, otpauth, setup })
}

fn open_setup(call: &Call, account: &Account, setup: &str) -> Result<TotpSecret, Refusal> {
    let now = call.gateway.clock.seconds();
    let opened = open_state(&call.gateway.keyring, TOTP_SETUP, account.id, setup, now);
    opened.map(Secret::new).map_err(|_| Refusal::parameter("setup", "this took too long: begin again"))
}

/// `POST /api/v1/factors/totp/start`.
pub async fn start_totp(call: Call, body: Bytes) -> Answer {
    let asked: Again = parse(&body)?;
    let account = find_own_account(&call).await?;
    step_up(&call, &account, Secret::new(asked.password)).await?;
    let begun = begin_totp(&call, &account)?;
    json(
        StatusCode::OK,
        &json!({ "secret": begun.secret.expose(), "otpauth": begun.otpauth.expose(), "setup": begun.setup }),
    )
}

/// What adding a factor gives: the session anew, now with the factor, and recovery codes if they were made.
#[derive(Debug)]
pub struct Added {
    /// The factor.
    pub id: KeyId,
    /// Shown once; empty if the account had some.
    pub codes: Vec<Secret<String>>,
    /// The session that takes the place of the one that asked.
    pub signed_in: SignedIn,
}

/// Takes the first code of an authenticator: only now is it set.
pub async fn finish_totp(call: &Call, setup: &str, code: &str, name: &str) -> Result<Added, Refusal> {
    let account = find_own_account(call).await?;
    let secret = open_setup(call, &account, setup)?;
    let too_many = |wait: Millis| Refusal::from(ReasonCode::TooManyRequests).retry_after(wait);
    let gateway = &call.gateway;
    gateway.sign_in_guard.take_code(gateway.clock.now(), account.id, true).map_err(too_many)?;
    let step = check_totp(&secret, code, gateway.clock.seconds(), 0)
        .ok_or_else(|| Refusal::parameter("code", "this code is not right: look at the clock of the device"))?;
    gateway.sign_in_guard.forgive_codes(gateway.clock.now(), account.id, true);
    add_factor(call, &account, FactorKind::Totp, name, secret, step).await
}

/// Stores the factor, with recovery codes if there are none, and opens the session anew.
pub(crate) async fn add_factor(
    call: &Call,
    account: &Account,
    kind: FactorKind,
    name: &str,
    data: Secret<String>,
    last_step: i64,
) -> Result<Added, Refusal> {
    let gateway = &call.gateway;
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    let id = rempart_identity::random::key_id().map_err(|_| ReasonCode::Internal)?;
    let left = gateway.store.count_recovery_codes(account.id).await.map_err(|e| store_refusal(&e))?;
    let codes = if left == 0 { new_recovery_codes().map_err(|_| ReasonCode::Internal)? } else { Vec::new() };
    let kept = codes.iter().map(|code| Secret::new(code.expose().clone())).collect();
    let created = gateway.clock.seconds();
    let new = NewFactor { id, account: account.id, kind, name, data, last_step, created };
    if !gateway.store.create_factor(new, kept).await.map_err(|e| store_refusal(&e))? {
        return Err(Refusal::new(ReasonCode::NotAllowed, "this account has as many second factors as it may"));
    }
    super::sessions::links::tell(call, account, rempart_web::MailTopic::FactorsChanged);
    Ok(Added { id, codes, signed_in: renew_session(call, account).await? })
}

/// A session with the second factor in the place of the one that asks.
pub(crate) async fn renew_session(call: &Call, account: &Account) -> Result<SignedIn, Refusal> {
    let signed_in = open_session(call, &Opening::of(account, Proof::KnownDevice, true)).await?;
    if let Some(session) = own_session(call) {
        end_own_session(&call.gateway, account.id, session).await?;
    }
    Ok(signed_in)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finishing {
    setup: String,
    code: String,
    #[serde(default)]
    name: String,
}

/// `POST /api/v1/factors/totp`.
pub async fn create_totp(call: Call, body: Bytes) -> Answer {
    let asked: Finishing = parse(&body)?;
    let added = finish_totp(&call, &asked.setup, &asked.code, &asked.name).await?;
    answer_added(&added)
}

pub(crate) fn answer_added(added: &Added) -> Answer {
    let codes: Vec<&String> = added.codes.iter().map(Secret::expose).collect();
    let mut response = json(StatusCode::CREATED, &json!({ "id": added.id.to_string(), "recovery_codes": codes }))?;
    add_cookies(response.headers_mut(), &added.signed_in.cookies);
    Ok(response)
}

/// Removes a factor of one's own; an operator keeps one.
pub async fn remove_factor(call: &Call, id: KeyId, password: Secret<String>) -> Result<bool, Refusal> {
    let account = find_own_account(call).await?;
    step_up(call, &account, password).await?;
    let store = &call.gateway.store;
    let factors = store.list_factors(account.id).await.map_err(|e| store_refusal(&e))?;
    if account.role == Role::Operator && factors.len() <= 1 {
        return Err(Refusal::new(ReasonCode::NotAllowed, "an operator keeps a second factor: add another first"));
    }
    let is_removed = store.delete_factor(account.id, id).await.map_err(|e| store_refusal(&e))?;
    if is_removed {
        super::sessions::links::tell(call, &account, rempart_web::MailTopic::FactorsChanged);
    }
    Ok(is_removed)
}

/// `DELETE /api/v1/factors/{id} {"password"}`.
pub async fn delete(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let asked: Again = parse(&body)?;
    let id: KeyId = id.parse().map_err(|_| ReasonCode::NotFound)?;
    if remove_factor(&call, id, Secret::new(asked.password)).await? {
        no_content()
    } else {
        Err(ReasonCode::NotFound.into())
    }
}

/// New recovery codes in the place of the old ones.
pub async fn renew_codes(call: &Call, password: Secret<String>) -> Result<Vec<Secret<String>>, Refusal> {
    let account = find_own_account(call).await?;
    step_up(call, &account, password).await?;
    let codes = new_recovery_codes().map_err(|_| ReasonCode::Internal)?;
    let kept = codes.iter().map(|code| Secret::new(code.expose().clone())).collect();
    call.gateway.store.set_recovery_codes(account.id, kept).await.map_err(|e| store_refusal(&e))?;
    Ok(codes)
}

/// `POST /api/v1/factors/recovery-codes {"password"}`.
pub async fn create_codes(call: Call, body: Bytes) -> Answer {
    let asked: Again = parse(&body)?;
    let codes = renew_codes(&call, Secret::new(asked.password)).await?;
    let codes: Vec<&String> = codes.iter().map(Secret::expose).collect();
    json(StatusCode::CREATED, &json!({ "recovery_codes": codes }))
}
