//! Base 62 of fixed width for 256-bit and 32-bit numbers: the body and the checksum of an API key.
//!
//! No allocation, no value-dependent branch but the refusal of a character outside the alphabet or of a number that is too large.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits of a 256-bit number: 62^43 > 2^256.
pub(crate) const DIGITS_256: usize = 43;

/// Digits of a 32-bit number: 62^6 > 2^32.
pub(crate) const DIGITS_32: usize = 6;

/// Ten digits fit a `u64`, so that the long arithmetic runs a tenth as often.
const CHUNK: usize = 10;
const CHUNK_BASE: u64 = 62_u64.pow(10);

/// Value of each byte as a digit; 255 for none.
const VALUES: [u8; 256] = values();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler; indices are below 62"
)]
const fn values() -> [u8; 256] {
    let mut table = [255_u8; 256];
    let mut digit = 0;
    while digit < 62 {
        table[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
}

fn value(byte: u8) -> Option<u64> {
    VALUES.get(usize::from(byte)).copied().filter(|digit| *digit < 62).map(u64::from)
}

fn digit(value: u64) -> u8 {
    usize::try_from(value % 62).ok().and_then(|at| ALPHABET.get(at)).copied().unwrap_or(b'0')
}

/// Low 64 bits of a 128-bit number.
#[allow(clippy::cast_possible_truncation, reason = "that is the point")]
const fn low(wide: u128) -> u64 {
    wide as u64
}

/// 43 digits, most significant first, of a big-endian 256-bit number.
pub(crate) fn encode_256(bytes: &[u8; 32]) -> [u8; DIGITS_256] {
    let mut limbs = [0_u64; 4];
    for (limb, eight) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = eight.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    let mut digits = [b'0'; DIGITS_256];
    for chunk in digits.rchunks_mut(CHUNK) {
        let mut rest = 0_u64;
        for limb in &mut limbs {
            let wide = u128::from(rest) << 64 | u128::from(*limb);
            *limb = low(wide / u128::from(CHUNK_BASE));
            rest = low(wide % u128::from(CHUNK_BASE));
        }
        for place in chunk.iter_mut().rev() {
            *place = digit(rest);
            rest /= 62;
        }
    }
    digits
}

/// The number of 43 digits; `None` for another length, another character, or a number of more than 256 bits.
pub(crate) fn decode_256(digits: &[u8]) -> Option<[u8; 32]> {
    if digits.len() != DIGITS_256 {
        return None;
    }
    let (head, tail) = digits.split_at_checked(DIGITS_256 % CHUNK)?;
    let mut limbs = [0_u64; 4];
    for chunk in std::iter::once(head).chain(tail.chunks(CHUNK)) {
        let mut carry = chunk.iter().try_fold(0_u64, |sum, byte| Some(sum * 62 + value(*byte)?))?;
        for limb in limbs.iter_mut().rev() {
            let wide = u128::from(*limb) * u128::from(CHUNK_BASE) + u128::from(carry);
            *limb = low(wide);
            carry = low(wide >> 64);
        }
        if carry != 0 {
            return None;
        }
    }
    let mut bytes = [0_u8; 32];
    for (eight, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
        eight.copy_from_slice(&limb.to_be_bytes());
    }
    Some(bytes)
}

/// Six digits of a 32-bit number.
pub(crate) fn encode_32(number: u32) -> [u8; DIGITS_32] {
    let mut digits = [b'0'; DIGITS_32];
    let mut rest = u64::from(number);
    for place in digits.iter_mut().rev() {
        *place = digit(rest);
        rest /= 62;
    }
    digits
}
