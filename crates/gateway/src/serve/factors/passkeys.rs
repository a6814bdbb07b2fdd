//! Passkeys over HTTP: adding one, signing in with one, showing one as the second factor.
//!
//! What must stay true: asking costs no look-up and no memory; an answer that was taken once is not taken again; a passkey's way in stays open
//! when the password's is shut, for it needs no hash.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use moka::sync::Cache;
use rempart_domain::{AccountId, ReasonCode, Secret, Standing};
use rempart_identity::factor::{Asked, CEREMONY_LASTS_S, CeremonyError, Passkeys, claimed_account};
use rempart_store::{Factor, FactorKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{add_factor, answer_added, step_up_or_first};
use crate::Gateway;
use crate::refusal::Refusal;
use crate::serve::accounts::{find_own_account, parse};
use crate::serve::sessions::check::open_half;
use crate::serve::sessions::{Opening, Proof, SignedIn, answer_signed_in, open_session};
use crate::serve::{Answer, Call, json, store_refusal};

/// Answers that were taken, as long as they could be shown again. Only who has a passkey of ours can make one.
#[derive(Debug)]
pub(crate) struct TakenAnswers(Cache<Vec<u8>, ()>);

impl TakenAnswers {
    pub(crate) fn new(len_max: u64) -> Self {
        let lasts = Duration::from_secs(CEREMONY_LASTS_S.unsigned_abs());
        Self(Cache::builder().max_capacity(len_max).time_to_live(lasts).build())
    }

    /// True for the first caller with this answer.
    fn take(&self, challenge: Vec<u8>) -> bool {
        self.0.entry(challenge).or_insert(()).is_fresh()
    }
}

fn passkeys(gateway: &Gateway) -> Result<&Passkeys, Refusal> {
    let words = "passkeys need a name, not an address, in server.public_url";
    gateway.passkeys.as_ref().ok_or_else(|| Refusal::new(ReasonCode::NotAllowed, words))
}

fn refuse(error: CeremonyError) -> Refusal {
    match error {
        CeremonyError::State => Refusal::parameter("state", "this took too long: begin again"),
        CeremonyError::Answer => Refusal::new(ReasonCode::InvalidCredentials, "this passkey is not known here"),
        CeremonyError::Unavailable => ReasonCode::NotAllowed.into(),
    }
}

fn asked_json(asked: &Asked) -> Value {
    json!({ "options": asked.options, "state": asked.state })
}

async fn passkeys_of(gateway: &Gateway, account: AccountId) -> Result<Vec<Factor>, Refusal> {
    let factors = gateway.store.list_factors(account).await.map_err(|e| store_refusal(&e))?;
    Ok(factors.into_iter().filter(|factor| factor.kind == FactorKind::Passkey).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Starting {
    #[serde(default)]
    password: String,
}

/// `POST /api/v1/factors/passkey/start {"password"}`.
pub async fn start_adding(call: Call, body: Bytes) -> Answer {
    let asked: Starting = parse(&body)?;
    let gateway = &call.gateway;
    let passkeys = passkeys(gateway)?;
    let account = find_own_account(&call).await?;
    step_up_or_first(&call, &account, Secret::new(asked.password)).await?;
    let stored = passkeys_of(gateway, account.id).await?;
    let stored: Vec<&Secret<String>> = stored.iter().map(|factor| &factor.data).collect();
    let now = gateway.clock.seconds();
    let asked = passkeys.start_registration(&gateway.keyring, account.id, account.name.as_str(), &stored, now);
    json(StatusCode::OK, &asked_json(&asked.map_err(refuse)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answering {
    state: String,
    answer: Value,
    #[serde(default)]
    name: String,
    #[serde(default)]
    half: Option<String>,
}

/// `POST /api/v1/factors/passkey {"state","answer","name"}`. The state was given to somebody who had shown the password.
pub async fn add(call: Call, body: Bytes) -> Answer {
    let asked: Answering = parse(&body)?;
    let gateway = &call.gateway;
    let passkeys = passkeys(gateway)?;
    let account = find_own_account(&call).await?;
    let now = gateway.clock.seconds();
    let stored = passkeys.finish_registration(&gateway.keyring, account.id, &asked.state, &asked.answer, now);
    let stored = stored.map_err(refuse)?;
    if !gateway.passkey_answers.take(stored.credential) {
        return Err(Refusal::parameter("answer", "this answer was used"));
    }
    let added = add_factor(&call, &account, FactorKind::Passkey, &asked.name, stored.data, 0).await?;
    answer_added(&added)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    #[serde(default)]
    half: Option<String>,
}

/// `POST /api/v1/sessions/passkey/start`: for anybody; with a half, for the passkeys of its account.
pub async fn start_sign_in(call: Call, body: Bytes) -> Answer {
    let asked: Asking = if body.is_empty() { Asking { half: None } } else { parse(&body)? };
    let gateway = &call.gateway;
    let passkeys = passkeys(gateway)?;
    let (account, stored) = match asked.half.as_deref() {
        Some(half) => {
            let (account, _) = open_half(gateway, half).ok_or(ReasonCode::InvalidCredentials)?;
            (Some(account), passkeys_of(gateway, account).await?)
        }
        None => (None, Vec::new()),
    };
    let stored: Vec<&Secret<String>> = stored.iter().map(|factor| &factor.data).collect();
    let asked = passkeys.start_sign_in(&gateway.keyring, account, &stored, gateway.clock.seconds());
    json(StatusCode::OK, &asked_json(&asked.map_err(refuse)?))
}

/// `POST /api/v1/sessions/passkey {"state","answer","half"?}`.
pub async fn sign_in(call: Call, body: Bytes) -> Answer {
    let asked: Answering = parse(&body)?;
    let signed_in = sign_in_with_passkey(&call, &asked.state, &asked.answer, asked.half.as_deref()).await?;
    answer_signed_in(&signed_in, true)
}

async fn sign_in_with_passkey(
    call: &Call,
    state: &str,
    answer: &Value,
    half: Option<&str>,
) -> Result<SignedIn, Refusal> {
    let gateway = &call.gateway;
    let passkeys = passkeys(gateway)?;
    let bound = match half {
        Some(half) => Some(open_half(gateway, half).ok_or(ReasonCode::InvalidCredentials)?.0),
        None => None,
    };
    let id = bound.or_else(|| claimed_account(answer)).ok_or(ReasonCode::InvalidCredentials)?;
    let factors = passkeys_of(gateway, id).await?;
    let stored: Vec<&Secret<String>> = factors.iter().map(|factor| &factor.data).collect();
    let now = gateway.clock.seconds();
    let used = passkeys.finish_sign_in(&gateway.keyring, bound, state, answer, &stored, now).map_err(refuse)?;
    if !gateway.passkey_answers.take(used.challenge) {
        return Err(Refusal::new(ReasonCode::InvalidCredentials, "this answer was used"));
    }
    let factor = factors.get(used.index).ok_or(ReasonCode::Internal)?;
    gateway.store.use_passkey(id, factor.id, used.data, now.day()).await.map_err(|e| store_refusal(&e))?;
    let account = gateway.store.find_account(id).await.map_err(|e| store_refusal(&e))?;
    let account = account.filter(|a| a.standing != Standing::Suspended).ok_or(ReasonCode::InvalidCredentials)?;
    open_session(call, &Opening::of(&account, Proof::Passkey, true)).await
}
