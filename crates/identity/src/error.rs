//! What can go wrong in identity beside a refusal: the key file, the random source, a bound.

use std::io;
use std::path::PathBuf;

/// Trouble of ours, never of the caller: refusals have their own types ([`crate::TicketError`], [`crate::KeyError`],
/// [`crate::HashError`]).
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The key file could not be read, written or made durable.
    #[error("cannot {action} key file {}", path.display())]
    KeyFile {
        /// `read`, `write`, `make durable`.
        action: &'static str,
        /// The file, or the folder it lies in.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key file is there and is no key file of ours. It is never overwritten: it may be all that opens the sessions.
    #[error("{} is no key file of version 1: {what}", path.display())]
    KeyFileFormat {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong with it.
        what: &'static str,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// A key of the wrong length reached the MAC; cannot happen with keys of 32 bytes.
    #[error("a MAC key was refused")]
    MacKey,
    /// A table that has a bound has reached it.
    #[error("{table} is full at {len_max} entries")]
    Full {
        /// Which table.
        table: &'static str,
        /// Its bound.
        len_max: usize,
    },
    /// A thread of the hashing pool could not be started.
    #[error("cannot start a hashing thread")]
    Thread(#[source] io::Error),
    /// The parameters of the pool are outside what Argon2 accepts or this crate allows.
    #[error("argon2 parameters are out of range")]
    HashParameters,
}
