//! Passwords: rules, stored form (PHC strings of Argon2id), and the pool that hashes them.
//!
//! What must stay true: hashing is the last thing an unrecognised caller can buy, in a pool of fixed threads and fixed memory; a
//! hash whose caller has gone still counts until it ends; an unknown account costs and looks the same as a wrong password;
//! a stored hash never chooses how much memory or time it takes.

mod line;
mod phc;
mod pool;
mod rules;
pub mod weak;

pub use line::HashLane;
pub use phc::HashPrice;
pub use pool::{HashError, HashPool, HashPoolLoad, HashPoolOptions, Verified};
pub use rules::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PasswordError, check_password};
pub use weak::{is_weak, is_weak_for};

#[cfg(test)]
pub(crate) use line::{Line, LineLimits, Quote, Taken};
#[cfg(test)]
pub(crate) use phc::{StoredHash, Unusable};
#[cfg(test)]
pub(crate) use pool::Probe;
