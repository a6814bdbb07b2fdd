//! Second factors: codes from a shared secret and the time, recovery codes, passkeys. Machinery only: what is stored, and that a code is used
//! once, is the store's; who may try how often is [`crate::sign_in`]'s.
//!
//! What must stay true: no ceremony is held in memory for a stranger (its state travels sealed, with whose it is and until when); a passkey
//! counts only with the person verified (a fingerprint, a PIN), so that it is two factors at once.

mod ceremony;
mod passkey;
mod recovery;
mod totp;

pub use ceremony::{CEREMONY_LASTS_S, CeremonyError, open_state, seal_state};
pub use passkey::{Asked, Passkeys, StoredPasskey, UsedPasskey, claimed_account};
pub use recovery::{fold_recovery_code, new_recovery_codes};
pub use totp::{TotpSecret, check_totp, new_totp_secret, otpauth_url};
