//! The address of an upstream and the paths below it.
//!
//! What must stay true: an address without a version segment gets `/v1`; one with it (`/v1`, `/v1beta/openai`) is used as it is; a key is
//! never part of an address.

use http::uri::Scheme;
use http::{HeaderValue, Uri};

/// Why an `[engine.NAME]` of kind `upstream` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamConfigError {
    /// The address is not what it must be.
    #[error("url must be http:// or https:// with a host, and without user, query or fragment")]
    Url,
    /// The key cannot stand in a header.
    #[error("api key has characters that no header can carry")]
    Key,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls,
}

/// An upstream's address, taken apart once.
#[derive(Debug)]
pub(super) struct Base {
    /// Scheme and authority, to connect to.
    pub(super) origin: Uri,
    /// The `host` header.
    pub(super) host: HeaderValue,
    pub(super) chat: Uri,
    pub(super) text: Uri,
    pub(super) embeddings: Uri,
    pub(super) models: Uri,
    /// Prometheus metrics: beside the version segment, not below it.
    pub(super) metrics: Uri,
}

impl Base {
    pub(super) fn parse(url: &str) -> Result<Self, UpstreamConfigError> {
        let bad = || UpstreamConfigError::Url;
        let uri: Uri = url.trim().parse().map_err(|_| bad())?;
        let scheme = uri.scheme().filter(|scheme| **scheme == Scheme::HTTP || **scheme == Scheme::HTTPS);
        let scheme = scheme.cloned().ok_or_else(bad)?;
        let authority = uri.authority().cloned().ok_or_else(bad)?;
        if authority.as_str().contains('@') || authority.host().is_empty() || uri.query().is_some() || url.contains('#')
        {
            return Err(bad());
        }
        let path = uri.path().trim_end_matches('/');
        let version = path.match_indices('/').find(|(index, _)| is_version(path.get(index + 1..).unwrap_or_default()));
        let (root, prefix) = match version {
            Some((index, _)) => (path.get(..index).unwrap_or_default(), path.to_owned()),
            None => (path, format!("{path}/v1")),
        };
        let below = |end: &str| format!("{prefix}{end}").parse::<Uri>().map_err(|_| bad());
        Ok(Self {
            host: HeaderValue::try_from(authority.as_str()).map_err(|_| bad())?,
            chat: below("/chat/completions")?,
            text: below("/completions")?,
            embeddings: below("/embeddings")?,
            models: below("/models")?,
            metrics: format!("{root}/metrics").parse().map_err(|_| bad())?,
            origin: Uri::builder()
                .scheme(scheme)
                .authority(authority)
                .path_and_query("/")
                .build()
                .map_err(|_| bad())?,
        })
    }

    /// Unencrypted to another machine.
    pub(super) fn is_clear_and_far(&self) -> bool {
        self.origin.scheme() == Some(&Scheme::HTTP) && !is_loopback(&self.origin)
    }
}

/// True for an address of this machine written as a number or as `localhost`.
pub(crate) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Whether a path begins with a segment such as `v1` or `v1beta`.
fn is_version(path: &str) -> bool {
    let segment = path.split('/').next().unwrap_or_default();
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{Base, is_loopback};

    #[test]
    fn addresses_join_with_and_without_version() {
        for (url, chat, metrics) in [
            ("http://127.0.0.1:8000", "/v1/chat/completions", "/metrics"),
            ("http://127.0.0.1:8000/", "/v1/chat/completions", "/metrics"),
            ("http://host/v1", "/v1/chat/completions", "/metrics"),
            ("https://host:1/v1/", "/v1/chat/completions", "/metrics"),
            ("https://host/proxy", "/proxy/v1/chat/completions", "/proxy/metrics"),
            ("https://host/proxy/v1", "/proxy/v1/chat/completions", "/proxy/metrics"),
            ("https://host/v1beta/openai/", "/v1beta/openai/chat/completions", "/metrics"),
            ("https://host/vision", "/vision/v1/chat/completions", "/vision/metrics"),
        ] {
            let base = Base::parse(url).unwrap();
            assert_eq!((base.chat.path(), base.metrics.path()), (chat, metrics), "{url}");
        }
        assert_eq!(Base::parse("http://[::1]:80/v1").unwrap().host, "[::1]:80");
    }

    #[test]
    fn addresses_with_keys_or_of_other_kinds_are_refused() {
        for url in ["", "host", "/v1", "ftp://host", "http://user:pw@host/v1", "http://host/v1?key=1", "http://host/#a"]
        {
            assert!(Base::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn loopback_is_told_from_names_that_look_like_it() {
        for (url, wanted) in [
            ("http://127.0.0.1:1/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://127.0.0.1.example.com/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), wanted, "{url}");
        }
    }
}
