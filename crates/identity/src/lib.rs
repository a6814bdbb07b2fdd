//! Who is asking, answered without I/O: keys and tickets under a MAC, revocation in memory, passwords in a bounded pool.
//!
//! What must stay true: no HTTP, no SQL; nothing here waits for a database; a forged ticket or a guessed key costs no more
//! than a valid one and allocates nothing; password hashing is the last and the only dear thing a stranger can buy, and it is
//! bought from a pool of fixed size. Standing is read through one function, [`Revocations::band`].

mod api_key;
mod base62;
mod credential;
mod error;
pub mod factor;
pub mod gate;
mod key_file;
mod keyring;
mod known_keys;
pub mod random;
mod revocation;
pub mod sign_in;
mod ticket;
mod time_grid;

#[cfg(test)]
mod tests;

pub use api_key::{IssuedKey, KEY_LEN, KEY_PREFIX, KEY_REGEX, KeyError, PresentedKey, issue, parse};
pub use credential::{
    HashError, HashLane, HashPool, HashPoolLoad, HashPoolOptions, HashPrice, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN,
    PasswordError, Verified, check_password, is_weak, is_weak_for, weak,
};
pub use error::IdentityError;
pub use keyring::Keyring;
pub use known_keys::{KNOWN_KEYS_LEN_MAX, KeyLookup, KnownKey, KnownKeys};
pub use revocation::{AccountFacts, ChangedBy, Earned, Ended, RevocationLimits, Revocations};
pub use ticket::{TICKET_LEN, TicketError, TicketFields, TicketFlags, TicketKind};
pub use time_grid::{TimeGrid, next_grid};
