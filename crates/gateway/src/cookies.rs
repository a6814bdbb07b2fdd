//! Cookies: HttpOnly, SameSite=Lax; with `__Host-` and Secure exactly when the public address is https.

use http::HeaderValue;

/// The names and flags in force.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    /// The session's name.
    pub(crate) session: &'static str,
    /// The device ticket's name.
    pub(crate) device: &'static str,
    is_secure: bool,
}

impl Cookies {
    /// As the public address asks.
    pub(crate) fn for_url(public_url: &str) -> Self {
        if public_url.starts_with("https://") {
            Self { session: "__Host-rmp_session", device: "__Host-rmp_device", is_secure: true }
        } else {
            Self { session: "rmp_session", device: "rmp_device", is_secure: false }
        }
    }

    /// A `Set-Cookie` value that lasts `max_age_s`; 0 removes the cookie.
    pub(crate) fn set(&self, name: &str, value: &str, max_age_s: i64) -> Option<HeaderValue> {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}");
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()
    }
}
