//! Recovery codes: ten of them, written down once, each good once, for the day the other factor is lost.

use rempart_domain::Secret;

use crate::IdentityError;

/// Codes in a set.
const CODES: usize = 10;
/// Letters without those that are read for one another: 31 of them.
const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const CODE_LEN: usize = 12;

/// Makes a set: `xxxx-xxxx-xxxx`, 59 random bits each. Guessing is bounded by the tries, not by the length alone.
pub fn new_recovery_codes() -> Result<Vec<Secret<String>>, IdentityError> {
    (0..CODES).map(|_| new_code()).collect()
}

fn new_code() -> Result<Secret<String>, IdentityError> {
    // 31 letters: a byte above 247 would favour the first ones, and is drawn again.
    let mut code = String::with_capacity(CODE_LEN + 2);
    let mut drawn = 0;
    while drawn < CODE_LEN {
        let mut bytes = [0_u8; 16];
        crate::random::fill(&mut bytes)?;
        for byte in bytes.into_iter().filter(|byte| *byte < 248).take(CODE_LEN - drawn) {
            if drawn > 0 && drawn % 4 == 0 {
                code.push('-');
            }
            code.push(char::from(LETTERS.get(usize::from(byte % 31)).copied().unwrap_or(b'a')));
            drawn += 1;
        }
    }
    Ok(Secret::new(code))
}

/// A typed code as it is compared: lower case, without what is between the letters. `None` if it is none.
pub fn fold_recovery_code(typed: &str) -> Option<Secret<String>> {
    let letters: String = typed.to_lowercase().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let is_code = letters.len() == CODE_LEN && letters.bytes().all(|byte| LETTERS.contains(&byte));
    is_code.then(|| {
        let parts: Vec<&str> = [0, 4, 8].iter().filter_map(|at| letters.get(*at..*at + 4)).collect();
        Secret::new(parts.join("-"))
    })
}
