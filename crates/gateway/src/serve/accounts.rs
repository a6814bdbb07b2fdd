//! The account itself, and what its forms share.
//!
//! What must stay true: nothing that a stranger orders hashes before it was admitted by the pool's unknown lane; passwords are wrapped in
//! `Secret` from the first line on; what cannot be undone asks for the password again, and for a second factor where one is set.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{ReasonCode, Secret, Sensitive};
use rempart_identity::{HashError, HashLane, PasswordError, check_password, is_weak_for};
use rempart_store::Account;
use serde::Deserialize;
use serde_json::json;

use crate::refusal::Refusal;
use crate::serve::factors::step_up;
use crate::serve::preferences::{find_preferences, theme_word};
use crate::serve::sessions::{
    Opening, Proof, SignedIn, answer_signed_in, end_sessions_of, forget_session_cookie, is_strong, open_session,
};
use crate::serve::{Answer, Call, json, no_content, rfc3339, store_refusal, to_the_end};

/// Longest e-mail address, in bytes (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// `GET /api/v1/account`.
pub async fn me(call: Call) -> Answer {
    let account = find_own_account(&call).await?;
    let chosen = find_preferences(&call, account.id).await?;
    json(
        StatusCode::OK,
        &json!({
            "account": {
                "id": account.id.to_string(), "name": account.name.as_str(), "standing": account.standing.as_str(),
                "created": rfc3339(account.created.seconds()), "locale": account.locale,
                "theme": theme_word(&chosen), "time_zone": chosen.time_zone,
                "email": account.email.as_ref().map(Sensitive::expose), "email_confirmed": account.email_confirmed,
            },
        }),
    )
}

/// The row of the account that asks.
pub async fn find_own_account(call: &Call) -> Result<Account, Refusal> {
    let account = call.account()?;
    let found = call.gateway.store.find_account(account).await.map_err(|e| store_refusal(&e))?;
    found.ok_or_else(|| ReasonCode::NotSignedIn.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    password: String,
    new_password: String,
}

/// `POST /api/v1/account/password`: signs out everywhere else.
pub async fn set_password(call: Call, body: Bytes) -> Answer {
    let asked: PasswordChange = parse(&body)?;
    let signed_in = change_password(&call, Secret::new(asked.password), Secret::new(asked.new_password)).await?;
    answer_signed_in(&signed_in, true)
}

/// Checks the old password, stores the new one, ends every session and opens this one anew.
pub async fn change_password(call: &Call, old: Secret<String>, new: Secret<String>) -> Result<SignedIn, Refusal> {
    let account = find_own_account(call).await?;
    check_new_password("new_password", new.expose(), account.name.as_str())?;
    step_up(call, &account, old).await?;
    let hash = call.gateway.hash_pool.hash(lane_of(call), new).await.map_err(hash_refusal)?;
    let (id, gateway) = (account.id, std::sync::Arc::clone(&call.gateway));
    to_the_end(&call.gateway, async move {
        gateway.store.set_password_hash(id, Some(hash)).await.map_err(|e| store_refusal(&e))?;
        end_sessions_of(&gateway, id).await
    })
    .await?;
    super::sessions::links::tell(call, &account, rempart_web::MailTopic::PasswordChanged);
    let epoch = call.gateway.revocations.epoch_of(account.id);
    let opening = Opening { epoch, ..Opening::of(&account, Proof::KnownDevice, is_strong(call)) };
    open_session(call, &opening).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailChange {
    email: String,
    password: String,
}

/// `POST /api/v1/account/email {"email","password"}` → 202: a link goes to the new address, and it counts when the link is used.
pub async fn change_email(call: Call, body: Bytes) -> Answer {
    let asked: EmailChange = parse(&body)?;
    ask_for_email(&call, &asked.email, Secret::new(asked.password)).await?;
    json(StatusCode::ACCEPTED, &json!({ "status": "accepted" }))
}

/// Mails a link that confirms a new address, or the one there is.
pub async fn ask_for_email(call: &Call, email: &str, password: Secret<String>) -> Result<(), Refusal> {
    let account = find_own_account(call).await?;
    check_email(email)?;
    step_up(call, &account, password).await?;
    super::sessions::links::mail_confirmation(call, &account, email).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deletion {
    password: String,
}

/// Members' passwords are checked in the lane that is kept for them.
pub(crate) fn lane_of(call: &Call) -> HashLane {
    if call.ctx.band.is_member() { HashLane::Known } else { HashLane::Unknown }
}

/// `DELETE /api/v1/account {"password"}`: destroys the account's key, then its rows.
pub async fn delete_account(call: Call, body: Bytes) -> Answer {
    let asked: Deletion = parse(&body)?;
    let account = find_own_account(&call).await?;
    step_up(&call, &account, Secret::new(asked.password)).await?;
    let (id, gateway) = (account.id, std::sync::Arc::clone(&call.gateway));
    to_the_end(&call.gateway, async move {
        gateway.store.delete_account(id).await.map_err(|e| store_refusal(&e))?;
        gateway.known_keys.revoke_account(id);
        gateway.revocations.delete_account(id).map_err(|_| ReasonCode::Internal.into())
    })
    .await?;
    let mut response = no_content()?;
    forget_session_cookie(&call.gateway, response.headers_mut());
    Ok(response)
}

/// Reads a small JSON body; faults name the field, never the value.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            Refusal::new(ReasonCode::BadParameter, "a field is missing, unknown or of the wrong type")
        } else {
            ReasonCode::BadJson.into()
        }
    })
}

/// Length, and not one of those that everybody tries first.
pub(crate) fn check_new_password(param: &'static str, password: &str, name: &str) -> Result<(), Refusal> {
    check_password(password).map_err(|error: PasswordError| Refusal::parameter(param, error.to_string()))?;
    if is_weak_for(password, name) {
        return Err(Refusal::parameter(param, "this password is too common: it is tried first"));
    }
    Ok(())
}

pub(crate) fn hash_refusal(error: HashError) -> Refusal {
    match error {
        HashError::Busy { retry_after } => Refusal::from(ReasonCode::Overloaded).retry_after(retry_after),
        // Nobody's password is that long.
        HashError::TooLong => ReasonCode::InvalidCredentials.into(),
        _ => ReasonCode::Internal.into(),
    }
}

pub(crate) fn check_email(text: &str) -> Result<(), Refusal> {
    let is_plausible = text.len() <= EMAIL_BYTES_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    if is_plausible { Ok(()) } else { Err(Refusal::parameter("email", "this is not an e-mail address")) }
}
