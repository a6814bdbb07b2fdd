//! What a new password must be: long enough, not absurdly long, and no rule about which characters (NIST SP 800-63B forbids them).

/// Fewest characters of a new password (ASVS 6.2.1).
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Most bytes of any password that is looked at, new or not.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Why a text cannot be a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
}

/// Checks a new password's length. Whether it is a common one, [`crate::is_weak`] tells.
pub fn check_password(password: &str) -> Result<(), PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        Err(PasswordError::TooLong)
    } else if password.chars().count() < PASSWORD_CHARS_MIN {
        Err(PasswordError::TooShort)
    } else {
        Ok(())
    }
}
