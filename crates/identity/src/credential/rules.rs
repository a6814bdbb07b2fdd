//! What a new password must be: long enough, not absurdly long, and no rule about which characters (NIST SP 800-63B forbids them).

/// Fewest characters of a new password (ASVS 6.2.1).
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Most characters of a new password.
pub const PASSWORD_CHARS_MAX: usize = 256;

/// Most bytes of any password that is looked at: 256 characters of four bytes.
pub const PASSWORD_BYTES_MAX: usize = 4 * PASSWORD_CHARS_MAX;

/// Why a text cannot be a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// More than [`PASSWORD_CHARS_MAX`] characters.
    #[error("a password has at most {PASSWORD_CHARS_MAX} characters")]
    TooLong,
}

/// Checks a new password's length, in characters. Whether it is a common one, [`is_weak`] tells.
pub fn check_password(password: &str) -> Result<(), PasswordError> {
    let chars = if password.len() > PASSWORD_BYTES_MAX { usize::MAX } else { password.chars().count() };
    if chars < PASSWORD_CHARS_MIN {
        Err(PasswordError::TooShort)
    } else if chars > PASSWORD_CHARS_MAX {
        Err(PasswordError::TooLong)
    } else {
        Ok(())
    }
}

/// The passwords that guessers try first and that are long enough to pass, in lower case and sorted. The compact filter of
/// breached passwords takes this list's place when it comes.
const COMMON: &[&str] = &[
    "00000000",
    "0123456789",
    "11111111",
    "1111111111",
    "11223344",
    "12121212",
    "12341234",
    "123123123",
    "12344321",
    "1234567890",
    "12345678",
    "123456789",
    "123456789a",
    "12345678a",
    "1234qwer",
    "123qwe123",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "22222222",
    "55555555",
    "66666666",
    "77777777",
    "87654321",
    "88888888",
    "987654321",
    "99999999",
    "a1234567",
    "a12345678",
    "a123456789",
    "aa123456",
    "aaaaaaaa",
    "abc12345",
    "abcd1234",
    "abcdefgh",
    "access14",
    "admin123",
    "administrator",
    "alexander",
    "asdf1234",
    "asdfasdf",
    "asdfghjk",
    "asdfghjkl",
    "azertyuiop",
    "babygirl1",
    "baseball",
    "baseball1",
    "basketball",
    "butterfly",
    "charlie1",
    "chocolate",
    "computer",
    "corvette",
    "dearbook",
    "deepseek",
    "elephant",
    "football",
    "football1",
    "iloveyou",
    "iloveyou1",
    "iloveyou2",
    "internet",
    "jennifer",
    "jordan23",
    "letmein1",
    "letmein123",
    "liverpool",
    "liverpool1",
    "manchester",
    "metallica",
    "michelle",
    "midnight",
    "mustang1",
    "mypassword",
    "nicholas",
    "p@ssw0rd",
    "p@ssword",
    "pa$$word",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password12",
    "password123",
    "password1234",
    "princess",
    "princess1",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "qazwsxedc",
    "qq123456",
    "qwer1234",
    "qwerasdf",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "qwertyui",
    "qwertyuiop",
    "samantha",
    "starwars",
    "sunshine",
    "sunshine1",
    "superman",
    "superman1",
    "trustno1",
    "victoria",
    "welcome1",
    "welcome123",
    "whatever",
    "woaini1314",
    "woaini520",
    "zaq12wsx",
    "zxcvbnm1",
    "zxcvbnm123",
];

/// True for a password that guessers try first. No allocation, well under a microsecond, whatever the text.
pub fn is_weak(password: &str) -> bool {
    COMMON.iter().any(|common| common.eq_ignore_ascii_case(password))
}
