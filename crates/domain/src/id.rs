//! Identifiers: 63 random bits, opaque outside. They are hard to guess, but nothing relies on that: every read asks who owns the row.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of an id after its prefix: 62^11 > 2^63.
const DIGITS: usize = 11;

/// Text that is no id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdParseError;

impl fmt::Display for IdParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id")
    }
}

impl std::error::Error for IdParseError {}

fn write_base62(f: &mut fmt::Formatter<'_>, prefix: &str, mut value: u64) -> fmt::Result {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET.get((value % 62) as usize).copied().unwrap_or(b'0');
        value /= 62;
    }
    f.write_str(prefix)?;
    f.write_str(std::str::from_utf8(&digits).unwrap_or(""))
}

fn parse_base62(prefix: &str, text: &str) -> Result<u64, IdParseError> {
    let digits = text.strip_prefix(prefix).ok_or(IdParseError)?;
    if digits.len() != DIGITS {
        return Err(IdParseError);
    }
    digits.bytes().try_fold(0_u64, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return Err(IdParseError),
        };
        value.checked_mul(62).and_then(|v| v.checked_add(u64::from(digit))).ok_or(IdParseError)
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            /// Keeps 63 bits, so that the id fits a signed SQL integer.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits & (u64::MAX >> 1))
            }

            /// The 63 bits.
            pub const fn bits(self) -> u64 {
                self.0
            }

            /// The id as both databases store it; never negative.
            pub const fn to_sql(self) -> i64 {
                self.0.cast_signed()
            }

            /// From a stored integer.
            pub const fn from_sql(stored: i64) -> Self {
                Self::from_bits(stored.cast_unsigned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_base62(f, $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;
            fn from_str(text: &str) -> Result<Self, IdParseError> {
                let bits = parse_base62($prefix, text)?;
                if bits > u64::MAX >> 1 { Err(IdParseError) } else { Ok(Self(bits)) }
            }
        }
    };
}

id!(/** An account: `a_…`. */ AccountId, "a_");
id!(/** A sign-in: `s_…`. Never the cookie itself. */ SessionId, "s_");
id!(/** An API key's public half: `k_…`. */ KeyId, "k_");
id!(/** A conversation of the chat: `c_…`. */ ConversationId, "c_");
id!(/** A node of a conversation's tree: `m_…`. */ MessageId, "m_");
id!(/** What was read out of a file: `f_…`. */ FileId, "f_");
id!(/** A shared link: `l_…`. Never the link itself. */ ShareId, "l_");
id!(/** Work given to an engine: `g_…`. */ GenerationId, "g_");
id!(/** An HTTP request: `req_…`; the same in answer, log, journal and error page. */ RequestId, "req_");
