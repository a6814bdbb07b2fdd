//! API keys: `rmp_` + base62(id 8 B ‖ secret 16 B ‖ MAC 8 B) + base62(CRC-32), 53 characters.
//!
//! The checksum is for scanners and typing errors, and anybody can compute it. The MAC is for us: an invented key is refused without a
//! look-up. The secret is what opens: its SHA-256 is compared with the stored one. Whoever learnt the MAC key could buy look-ups
//! with it, nothing more.
//!
//! What must stay true: a key that is not ours is refused without allocation or I/O, in under a microsecond; the key itself is
//! stored nowhere and shown once.

use hmac::Mac as _;
use rempart_domain::{KeyId, Secret};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::base62::{DIGITS_32, DIGITS_256, decode_256, encode_32, encode_256};
use crate::keyring::tag;
use crate::{IdentityError, Keyring};

/// What every key begins with.
pub const KEY_PREFIX: &str = "rmp_";

/// Characters of a key.
pub const KEY_LEN: usize = KEY_PREFIX.len() + DIGITS_256 + DIGITS_32;

/// For secret scanners. To rule out what only looks like a key, compare the last six characters with the CRC-32 (IEEE) of the 47
/// before them, in base 62 (`0-9A-Za-z`), padded with `0`.
pub const KEY_REGEX: &str = r"\brmp_[0-9A-Za-z]{49}\b";

const MAC_LEN: usize = 8;
const SIGNED_LEN: usize = 24;

/// A key just made.
#[derive(Debug)]
pub struct IssuedKey {
    /// The key; shown to its owner once and kept nowhere.
    pub text: Secret<String>,
    /// SHA-256 of `text`, to be stored. Plain, because the secret has 128 random bits (ASVS 6.5.2 asks for 112).
    pub hash: [u8; 32],
}

/// A key that somebody showed and that we once made. Whether it is still valid is not known yet: look `id` up and compare `hash`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PresentedKey {
    /// Where to look.
    pub id: KeyId,
    /// SHA-256 of the key, to be compared in constant time ([`crate::KnownKeys::find`] does).
    pub hash: [u8; 32],
}

impl std::fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PresentedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a text is no key of ours. The caller answers both alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyError {
    /// Another length, prefix or alphabet, or a checksum that does not hold: a typing error, or another service's key.
    #[error("not a key")]
    Malformed,
    /// Well formed, and not made by this platform.
    #[error("not one of our keys")]
    Forged,
}

/// Makes the key with that id.
pub fn issue(keyring: &Keyring, id: KeyId) -> Result<IssuedKey, IdentityError> {
    let mut raw = Zeroizing::new([0_u8; 32]);
    let mut secret = Zeroizing::new([0_u8; 16]);
    crate::random::fill(secret.as_mut())?;
    fill_from(raw.as_mut(), id.bits().to_be_bytes().into_iter().chain(secret.iter().copied()));
    let seal = tag(&keyring.keys().api_key, raw.split_at(SIGNED_LEN).0);
    fill_from(raw.split_at_mut(SIGNED_LEN).1, seal);
    let mut text = String::with_capacity(KEY_LEN);
    text.push_str(KEY_PREFIX);
    text.extend(encode_256(&raw).map(char::from));
    let checksum = encode_32(crc32fast::hash(text.as_bytes()));
    text.extend(checksum.map(char::from));
    Ok(IssuedKey { hash: Sha256::digest(text.as_bytes()).into(), text: Secret::new(text) })
}

/// Reads a key that somebody showed; dearer checks come after cheaper ones.
pub fn parse(keyring: &Keyring, text: &str) -> Result<PresentedKey, KeyError> {
    let bytes = text.as_bytes();
    if bytes.len() != KEY_LEN || !bytes.starts_with(KEY_PREFIX.as_bytes()) {
        return Err(KeyError::Malformed);
    }
    let (checked, checksum) = bytes.split_at_checked(KEY_LEN - DIGITS_32).ok_or(KeyError::Malformed)?;
    if encode_32(crc32fast::hash(checked)) != checksum {
        return Err(KeyError::Malformed);
    }
    let digits = checked.get(KEY_PREFIX.len()..).ok_or(KeyError::Malformed)?;
    let raw = decode_256(digits).ok_or(KeyError::Malformed)?;
    let (signed, seal) = raw.split_at(SIGNED_LEN);
    let mut mac = keyring.keys().api_key.clone();
    mac.update(signed);
    mac.verify_truncated_left(seal).map_err(|_| KeyError::Forged)?;
    let id = raw.first_chunk().map(|id| u64::from_be_bytes(*id)).ok_or(KeyError::Malformed)?;
    Ok(PresentedKey { id: KeyId::from_bits(id), hash: Sha256::digest(bytes).into() })
}

fn fill_from(to: &mut [u8], from: impl IntoIterator<Item = u8>) {
    debug_assert!(to.len() >= MAC_LEN, "a part of a key is shorter than its MAC");
    to.iter_mut().zip(from).for_each(|(to, from)| *to = from);
}
