//! The filter as a file: a head, a row for each part, the fingerprints, a checksum.
//!
//! ```text
//! "rempart passwords 1\n"   parts u32   passwords u64
//! part: seed u64   segment length u32   segments' length u32   fingerprints u32
//! fingerprints u16 …        CRC-32 of everything before         all little endian
//! ```
//!
//! What must stay true: every number is checked against the others before a look-up relies on it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use xorf::{BinaryFuse16, Descriptor, Filter as _};

pub(super) const MAGIC: &[u8; 20] = b"rempart passwords 1\n";

/// Parts of a large filter: by the first byte of the SHA-1.
pub(super) const PARTS_MAX: u32 = 256;

/// Why a filter is not read.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It cannot be read from the disk.
    #[error("the filter of breached passwords cannot be read")]
    Io(#[source] std::io::Error),
    /// More than it may take.
    #[error("the filter takes {len} bytes, more than {len_max}: build it with a higher --min-count")]
    TooLarge {
        /// Bytes of the file.
        len: u64,
        /// Bytes that it may have.
        len_max: u64,
    },
    /// Not a filter of this version, or damaged.
    #[error("this is no filter of passwords, or it is damaged: build it anew")]
    Damaged,
}

/// A filter in memory.
#[derive(Debug)]
pub struct PasswordFilter {
    /// `None` for a part without passwords.
    parts: Vec<Option<BinaryFuse16>>,
    /// How far a key is shifted to give its part.
    shift: u32,
    keys: u64,
}

impl PasswordFilter {
    /// Reads a file; `None` if there is none.
    pub fn load(path: &Path, bytes_max: u64) -> Result<Option<Self>, FilterError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FilterError::Io(error)),
        };
        let len = file.metadata().map_err(FilterError::Io)?.len();
        if len > bytes_max {
            return Err(FilterError::TooLarge { len, len_max: bytes_max });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(FilterError::Io)?;
        Self::read(&bytes).map(Some)
    }

    /// Reads the bytes of a file.
    pub fn read(bytes: &[u8]) -> Result<Self, FilterError> {
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(FilterError::Damaged)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(FilterError::Damaged);
        }
        parse(body).ok_or(FilterError::Damaged)
    }

    /// Passwords that it was made of.
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    /// Whether the password of that key is in it; one in 65 536 others is taken for one.
    pub fn contains(&self, key: u64) -> bool {
        let part = if self.shift >= 64 { 0 } else { key >> self.shift };
        usize::try_from(part)
            .ok()
            .and_then(|part| self.parts.get(part))
            .and_then(Option::as_ref)
            .is_some_and(|part| part.contains(&key))
    }
}

fn parse(body: &[u8]) -> Option<PasswordFilter> {
    let rest = body.strip_prefix(MAGIC)?;
    let (parts_len, rest) = take_u32(rest)?;
    let (keys, mut rest) = take_u64(rest)?;
    if parts_len == 0 || parts_len > PARTS_MAX || !parts_len.is_power_of_two() {
        return None;
    }
    let mut heads = Vec::new();
    for _ in 0..parts_len {
        let (seed, after) = take_u64(rest)?;
        let (segment_length, after) = take_u32(after)?;
        let (segment_count_length, after) = take_u32(after)?;
        let (len, after) = take_u32(after)?;
        let is_sound = segment_length.is_power_of_two()
            && segment_length <= 1 << 18
            && segment_count_length % segment_length == 0
            && segment_count_length.checked_add(2 * segment_length) == Some(len);
        // A part without passwords has no fingerprints.
        if !is_sound && len != 0 {
            return None;
        }
        heads.push((seed, segment_length, segment_count_length, len));
        rest = after;
    }
    let mut parts = Vec::new();
    for (seed, segment_length, segment_count_length, len) in heads {
        let (fingerprints, after) = rest.split_at_checked(usize::try_from(len).ok()?.checked_mul(2)?)?;
        rest = after;
        let fingerprints = fingerprints.chunks_exact(2).map(|pair| match *pair {
            [low, high] => u16::from_le_bytes([low, high]),
            _ => 0,
        });
        let segment_length_mask = segment_length.wrapping_sub(1);
        let descriptor = Descriptor { seed, segment_length, segment_length_mask, segment_count_length };
        parts.push((len != 0).then(|| BinaryFuse16 { descriptor, fingerprints: fingerprints.collect() }));
    }
    if !rest.is_empty() {
        return None;
    }
    Some(PasswordFilter { parts, shift: 64 - parts_len.trailing_zeros(), keys })
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(head, rest)| (u32::from_le_bytes(*head), rest))
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    bytes.split_first_chunk().map(|(head, rest)| (u64::from_le_bytes(*head), rest))
}
