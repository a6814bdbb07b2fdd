//! PHC strings of Argon2id: read with bounds, written in one form.
//!
//! What must stay true: a stored string is somebody else's input (an import, a poisoned row): its parameters are bounded before
//! a byte is allocated for them.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;

/// Longest PHC string that is looked at.
const PHC_LEN_MAX: usize = 256;
/// Salts and hashes of more bytes are not ours and nobody else's default.
const PART_LEN_MAX: usize = 64;
const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;

/// What one hash costs: Argon2id's memory, passes and lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashPrice {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes; computed one after the other.
    pub lanes: u32,
}

impl HashPrice {
    /// 19 MiB, 2 passes, 1 lane: the OWASP recommendation with the least memory traffic; 22 ms of a core.
    pub const DEFAULT: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// What a stored hash may ask for at most: 128 MiB, 10 passes, 4 lanes.
    pub const MAX: Self = Self { memory_kib: 128 * 1024, passes: 10, lanes: 4 };

    /// True if no part is above [`HashPrice::MAX`].
    pub const fn is_bounded(self) -> bool {
        self.memory_kib <= Self::MAX.memory_kib && self.passes <= Self::MAX.passes && self.lanes <= Self::MAX.lanes
    }

    /// KiB touched over all passes: what the time is proportional to.
    pub(crate) fn work(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    /// Blocks of memory that it takes.
    pub(crate) fn blocks(self) -> usize {
        usize::try_from(self.memory_kib).unwrap_or(usize::MAX)
    }
}

/// A stored hash, read.
#[derive(Clone)]
pub(crate) struct StoredHash {
    price: HashPrice,
    version: Version,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Why a stored hash is not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Not a PHC string of Argon2id.
    Malformed,
    /// Above [`HashPrice::MAX`].
    TooDear,
}

impl StoredHash {
    /// `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`; the version may be 16 or absent (then 16), parameters in any order.
    pub(crate) fn parse(text: &str) -> Result<Self, Unusable> {
        if text.len() > PHC_LEN_MAX {
            return Err(Unusable::Malformed);
        }
        let mut parts = text.strip_prefix("$argon2id$").ok_or(Unusable::Malformed)?.split('$');
        let mut next = || parts.next().ok_or(Unusable::Malformed);
        let first = next()?;
        let (version, parameters) = match first.strip_prefix("v=") {
            Some("19") => (Version::V0x13, next()?),
            Some("16") => (Version::V0x10, next()?),
            Some(_) => return Err(Unusable::Malformed),
            None => (Version::V0x10, first),
        };
        let (salt, hash) = (next()?, next()?);
        if parts.next().is_some() {
            return Err(Unusable::Malformed);
        }
        let price = parse_price(parameters)?;
        let stored = Self { price, version, salt: parse_part(salt)?, hash: parse_part(hash)? };
        if !price.is_bounded() {
            return Err(Unusable::TooDear);
        }
        stored.argon2().map(|_| stored)
    }

    /// What it takes to verify.
    pub(crate) const fn price(&self) -> HashPrice {
        self.price
    }

    /// False if a verified password should be hashed anew, with today's price.
    pub(crate) fn is_current(&self, price: HashPrice) -> bool {
        self.price == price
            && self.version == Version::V0x13
            && self.salt.len() >= SALT_LEN
            && self.hash.len() == HASH_LEN
    }

    /// Hashes the password in `arena` and compares in constant time.
    pub(crate) fn verify(&self, password: &[u8], arena: &mut [Block]) -> bool {
        let mut computed = [0_u8; PART_LEN_MAX];
        let Some(computed) = computed.get_mut(..self.hash.len()) else { return false };
        let done = self
            .argon2()
            .is_ok_and(|argon2| argon2.hash_password_into_with_memory(password, &self.salt, computed, arena).is_ok());
        done & bool::from(computed.ct_eq(&self.hash))
    }

    fn argon2(&self) -> Result<Argon2<'static>, Unusable> {
        argon2(self.price, self.version, self.hash.len())
    }
}

fn argon2(price: HashPrice, version: Version, hash_len: usize) -> Result<Argon2<'static>, Unusable> {
    Params::new(price.memory_kib, price.passes, price.lanes, Some(hash_len))
        .map(|params| Argon2::new(Algorithm::Argon2id, version, params))
        .map_err(|_| Unusable::Malformed)
}

/// Hashes a new password in `arena`, with a salt of 16 random bytes; `None` if a parameter is out of Argon2's range.
pub(crate) fn hash_new(password: &[u8], salt: [u8; SALT_LEN], price: HashPrice, arena: &mut [Block]) -> Option<String> {
    let mut hash = [0_u8; HASH_LEN];
    let argon2 = argon2(price, Version::V0x13, HASH_LEN).ok()?;
    argon2.hash_password_into_with_memory(password, &salt, &mut hash, arena).ok()?;
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    let HashPrice { memory_kib, passes, lanes } = price;
    Some(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}"))
}

fn parse_price(text: &str) -> Result<HashPrice, Unusable> {
    let (mut memory, mut passes, mut lanes) = (None, None, None);
    for parameter in text.split(',') {
        let (name, value) = parameter.split_once('=').ok_or(Unusable::Malformed)?;
        let place = match name {
            "m" => &mut memory,
            "t" => &mut passes,
            "p" => &mut lanes,
            // A key id or associated data: we hold no such secret.
            _ => return Err(Unusable::Malformed),
        };
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let value = value.parse::<u32>().ok().filter(|_| is_number).ok_or(Unusable::Malformed)?;
        if place.replace(value).is_some() {
            return Err(Unusable::Malformed);
        }
    }
    match (memory, passes, lanes) {
        (Some(memory_kib), Some(passes), Some(lanes)) => Ok(HashPrice { memory_kib, passes, lanes }),
        _ => Err(Unusable::Malformed),
    }
}

fn parse_part(text: &str) -> Result<Vec<u8>, Unusable> {
    let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| Unusable::Malformed)?;
    if (8..=PART_LEN_MAX).contains(&bytes.len()) { Ok(bytes) } else { Err(Unusable::Malformed) }
}
