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

#[cfg(test)]
mod tests {
    use super::Cookies;

    #[test]
    fn cookies_are_bound_to_the_host_and_secure_exactly_with_https() {
        let check = |url: &str| {
            let cookies = Cookies::for_url(url);
            let set = cookies.set(cookies.session, "x", 60);
            (cookies.device, set.and_then(|value| value.to_str().ok().map(str::to_owned)).unwrap_or_default())
        };
        let (device, set) = check("https://chat.example.org");
        assert_eq!(device, "__Host-rmp_device");
        assert_eq!(set, "__Host-rmp_session=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
        let (device, set) = check("http://localhost:8080");
        assert_eq!(device, "rmp_device");
        assert_eq!(set, "rmp_session=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
    }
}
