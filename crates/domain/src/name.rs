//! Account names: public handles, compared without case.

use std::fmt;

/// A valid account name: 2-32 of `a-z 0-9 . _ -`, first and last a letter or digit, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(Box<str>);

/// Why a text is no account name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// Shorter than 2 or longer than 32 characters.
    Length,
    /// Another character than `a-z 0-9 . _ -`, or an edge that is no letter or digit.
    Characters,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a name has 2 to 32 characters",
            Self::Characters => {
                "a name has only letters a-z, digits, '.', '_' and '-', and begins and ends with a letter or digit"
            }
        })
    }
}

impl std::error::Error for NameError {}

impl AccountName {
    /// Shortest name, in characters.
    pub const LEN_MIN: usize = 2;
    /// Longest name, in characters.
    pub const LEN_MAX: usize = 32;

    /// Folds ASCII case; allocates only for a text that is a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if !(Self::LEN_MIN..=Self::LEN_MAX).contains(&text.len()) {
            return Err(NameError::Length);
        }
        let is_edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        let all = bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !all || !is_edge(bytes.first()) || !is_edge(bytes.last()) {
            return Err(NameError::Characters);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
