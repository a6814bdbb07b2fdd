//! Random ids and tokens, from the system's generator. Not guessable, and never relied on alone: every read asks who owns the row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rempart_domain::{
    AccountId, ConversationId, FileId, GenerationId, KeyId, MessageId, RequestId, Secret, SessionId, ShareId,
};
use sha2::{Digest, Sha256};

use crate::IdentityError;

/// Fills `bytes` from the system's generator.
pub fn fill(bytes: &mut [u8]) -> Result<(), IdentityError> {
    getrandom::fill(bytes).map_err(|_| IdentityError::Random)
}

fn bits() -> Result<u64, IdentityError> {
    let mut bytes = [0_u8; 8];
    fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

macro_rules! fresh_id {
    ($($name:ident -> $id:ident),+ $(,)?) => {
        $(
            /// A fresh id: 63 random bits.
            pub fn $name() -> Result<$id, IdentityError> {
                Ok($id::from_bits(bits()?))
            }
        )+
    };
}

fresh_id!(
    account_id -> AccountId,
    session_id -> SessionId,
    key_id -> KeyId,
    conversation_id -> ConversationId,
    message_id -> MessageId,
    file_id -> FileId,
    share_id -> ShareId,
    generation_id -> GenerationId,
    request_id -> RequestId,
);

/// A one-time token for a link: what the person gets, and what the store keeps.
#[derive(Debug)]
pub struct OneTimeToken {
    /// 43 characters of base64url, 256 random bits; shown once.
    pub text: Secret<String>,
    /// SHA-256 of `text`; enough to find it again, not to use it.
    pub hash: [u8; 32],
}

/// Makes a one-time token (operator link, sign-in link).
pub fn one_time_token() -> Result<OneTimeToken, IdentityError> {
    let mut bytes = [0_u8; 32];
    fill(&mut bytes)?;
    let text = URL_SAFE_NO_PAD.encode(bytes);
    Ok(OneTimeToken { hash: token_hash(&text), text: Secret::new(text) })
}

/// The hash under which a presented one-time token is looked up. A plain hash will do: the token has 256 random bits.
pub fn token_hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
