//! Passwords that guessers try first, refused offline: a filter of common ones that is built in, and one that the operator builds from the
//! public list of breached ones (`rempart account breached`).
//!
//! A binary fuse filter (Graf & Lemire, 2022): 18 bits a password, three look-ups, no password in it that could be read; one good password
//! in 65 536 is refused by mistake, and its owner takes another. A password is its SHA-1's first 64 bits, because the public list has SHA-1.
//!
//! What must stay true: microseconds for the longest password, whatever is in it; a damaged file is refused and never looked into.

mod builder;
mod file;

use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use sha1::{Digest as _, Sha1};

pub use builder::{BuildError, FilterBuilder, FilterReport};
pub use file::{FilterError, PasswordFilter};

/// The common ones; `data/README.md` has their source and licence.
static COMMON: LazyLock<Option<PasswordFilter>> =
    LazyLock::new(|| PasswordFilter::read(include_bytes!("../../data/common.filter")).ok());

/// The operator's. One for the process: it is data that nothing changes, and every place that takes a new password asks it.
static BREACHED: OnceLock<PasswordFilter> = OnceLock::new();

/// Puts the operator's filter in force, once; `None` if there is no such file. `bytes_max` bounds the memory.
///
/// # Errors
/// The file is damaged, of another version, or larger than `bytes_max`.
pub fn load_breached(path: &Path, bytes_max: u64) -> Result<Option<u64>, FilterError> {
    let Some(filter) = PasswordFilter::load(path, bytes_max)? else { return Ok(None) };
    let keys = filter.keys();
    let _already = BREACHED.set(filter);
    Ok(Some(keys))
}

/// The first 64 bits of a password's SHA-1.
pub fn password_key(password: &str) -> u64 {
    let digest: [u8; 20] = Sha1::digest(password.as_bytes()).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// True for a password that guessers try first: as it stands, or in lower case.
pub fn is_weak(password: &str) -> bool {
    let folded = password.to_lowercase();
    let keys = [password_key(password), password_key(&folded)];
    let is_in = |filter: &PasswordFilter| keys.iter().any(|key| filter.contains(*key));
    is_one_sign(password) || COMMON.as_ref().is_some_and(is_in) || BREACHED.get().is_some_and(is_in)
}

/// True for a password that is weak for whoever has this name: the name itself, perhaps with digits and signs around it.
pub fn is_weak_for(password: &str, name: &str) -> bool {
    let folded = password.to_lowercase();
    let core = folded.trim_matches(|c: char| !c.is_alphabetic());
    let is_name = name.len() >= 3 && (folded == name || core == name.trim_matches(|c: char| !c.is_alphabetic()));
    is_name || is_weak(password)
}

/// One sign again and again: no list is long enough for those.
fn is_one_sign(password: &str) -> bool {
    let mut signs = password.chars();
    signs.next().is_none_or(|first| signs.all(|sign| sign == first))
}
