//! Codes from a shared secret and the time (RFC 6238): SHA-1, six digits, 30 seconds, as every authenticator has them.

use rempart_domain::{Secret, UnixSeconds};
use totp_rs::{Algorithm, Builder, Totp};

use crate::IdentityError;

/// Bytes of a secret: as many as SHA-1 gives (RFC 4226, section 4).
const SECRET_LEN: usize = 20;
const STEP_S: u64 = 30;

/// A shared secret, in base32.
pub type TotpSecret = Secret<String>;

/// Makes a secret.
pub fn new_totp_secret() -> Result<TotpSecret, IdentityError> {
    let mut bytes = [0_u8; SECRET_LEN];
    crate::random::fill(&mut bytes)?;
    Ok(Secret::new(totp_rs::Secret::from(bytes).to_base32()))
}

/// The address that authenticators read from a QR code; `site` and `name` are shown there.
pub fn otpauth_url(secret: &TotpSecret, site: &str, name: &str) -> Option<Secret<String>> {
    // A colon would end the issuer early.
    let site: String = site.chars().filter(|c| *c != ':').collect();
    let totp = builder(secret)?.with_account_name(name.replace(':', "")).with_issuer(Some(site)).build().ok()?;
    totp.to_url().ok().map(Secret::new)
}

/// The time step whose code this is: now, the one before, or the next; never one that is not later than `last_step`.
pub fn check_totp(secret: &TotpSecret, code: &str, now: UnixSeconds, last_step: i64) -> Option<i64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let totp: Totp = builder(secret)?.build().ok()?;
    let step = totp.check(&digits, u64::try_from(now.0).ok()?)?;
    i64::try_from(step).ok().filter(|step| *step > last_step)
}

fn builder(secret: &TotpSecret) -> Option<Builder> {
    let secret = totp_rs::Secret::try_from_base32(secret.expose()).ok()?;
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_skew(1);
    Some(builder.with_step_duration(STEP_S).with_secret(secret))
}
