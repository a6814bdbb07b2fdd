//! Is a second factor set, and is it shown? Codes of an authenticator and recovery codes; a passkey comes another way.
//!
//! What must stay true: few tries an hour, whoever knows the password; a code is used once, also by two callers at one moment.

use rempart_domain::{AccountId, Millis, ReasonCode, Secret};
use rempart_identity::factor::{check_totp, fold_recovery_code};
use rempart_store::{Factor, FactorKind};

use crate::refusal::Refusal;
use crate::serve::{Call, store_refusal};

/// What was shown of a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The account has none.
    NotSet,
    /// It has one, and nothing was shown.
    Missing,
    /// It was shown, and is used up.
    Right,
}

/// Looks, and uses the code up.
pub async fn check_second_factor(
    call: &Call,
    account: AccountId,
    code: Option<Secret<String>>,
    is_known_device: bool,
) -> Result<Shown, Refusal> {
    let gateway = &call.gateway;
    let factors = gateway.store.list_factors(account).await.map_err(|e| store_refusal(&e))?;
    if factors.is_empty() {
        return Ok(Shown::NotSet);
    }
    let Some(code) = code else { return Ok(Shown::Missing) };
    let too_many = |wait: Millis| {
        Refusal::new(ReasonCode::TooManyRequests, "too many codes for this account: wait, or use a passkey")
            .retry_after(wait)
    };
    gateway.sign_in_guard.take_code(gateway.clock.now(), account, is_known_device).map_err(too_many)?;
    if use_code(call, account, &factors, &code).await? {
        gateway.sign_in_guard.forgive_codes(gateway.clock.now(), account, is_known_device);
        return Ok(Shown::Right);
    }
    Err(Refusal {
        param: Some("code".into()),
        ..Refusal::new(ReasonCode::InvalidCredentials, "this code is not right")
    })
}

async fn use_code(call: &Call, account: AccountId, factors: &[Factor], code: &Secret<String>) -> Result<bool, Refusal> {
    let (store, now) = (&call.gateway.store, call.gateway.clock.seconds());
    for factor in factors.iter().filter(|factor| factor.kind == FactorKind::Totp) {
        if let Some(step) = check_totp(&factor.data, code.expose(), now, factor.last_step) {
            return store.use_step(account, factor.id, step, now.day()).await.map_err(|e| store_refusal(&e));
        }
    }
    match fold_recovery_code(code.expose()) {
        Some(code) => store.use_recovery_code(account, code).await.map_err(|e| store_refusal(&e)),
        None => Ok(false),
    }
}
