//! The state of a ceremony (a passkey's, an authenticator's setup), in the client's hands: under a MAC, for one use, one account, ten minutes.
//!
//! It holds a challenge and what was asked for, nothing secret. That an answer is used once is kept by the caller ([`crate::sign_in`] has no
//! part in it): the gateway remembers the challenges that were answered rightly, and only those cost memory.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rempart_domain::{AccountId, UnixSeconds};
use subtle::ConstantTimeEq as _;

use crate::Keyring;

/// How long a ceremony may take, in seconds.
pub const CEREMONY_LASTS_S: i64 = 600;

/// Longest state, as text.
const STATE_LEN_MAX: usize = 8_192;

/// Why an answer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyError {
    /// Not a state of ours for this use, or too old.
    #[error("the ceremony is not ours or took too long")]
    State,
    /// The answer does not fit what was asked.
    #[error("the passkey's answer does not hold")]
    Answer,
    /// This address has no passkeys.
    #[error("passkeys need a name, not an address, in server.public_url")]
    Unavailable,
}

/// Seals a state for one use: `purpose` and `account` are what it may be shown again for.
pub fn seal_state(
    keyring: &Keyring,
    purpose: &'static str,
    account: AccountId,
    json: &str,
    now: UnixSeconds,
) -> String {
    let body = format!("{}.{}.{json}", now.0 + CEREMONY_LASTS_S, account.bits());
    let tag = keyring.lookup_hash(purpose, &body);
    format!("{}.{}", URL_SAFE_NO_PAD.encode(tag), URL_SAFE_NO_PAD.encode(body))
}

/// Opens a state.
pub fn open_state(
    keyring: &Keyring,
    purpose: &'static str,
    account: AccountId,
    text: &str,
    now: UnixSeconds,
) -> Result<String, CeremonyError> {
    let bad = CeremonyError::State;
    let (tag, body) = text.split_once('.').filter(|_| text.len() <= STATE_LEN_MAX).ok_or(bad)?;
    let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| bad)?;
    let body = URL_SAFE_NO_PAD.decode(body).ok().and_then(|body| String::from_utf8(body).ok()).ok_or(bad)?;
    if !bool::from(keyring.lookup_hash(purpose, &body).as_slice().ct_eq(&tag)) {
        return Err(bad);
    }
    let mut parts = body.splitn(3, '.');
    let mut number = || parts.next().and_then(|part| part.parse::<i128>().ok());
    let (expires, owner) = (number().ok_or(bad)?, number().ok_or(bad)?);
    let json = parts.next().ok_or(bad)?;
    let is_ours = i128::from(now.0) < expires && owner == i128::from(account.bits());
    if is_ours { Ok(json.to_owned()) } else { Err(bad) }
}
