//! Mail addresses: parsed once, and nothing that is one can carry a header, a second recipient or a comment.

use rempart_domain::Sensitive;

/// Longest address (RFC 5321, with the brackets taken off).
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest part before the `@`.
const LOCAL_BYTES_MAX: usize = 64;
/// Longest label of a domain.
const LABEL_BYTES_MAX: usize = 63;

/// An address that was checked. `Debug` prints nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: Sensitive<String>,
    /// Bytes before the `@`.
    local_len: usize,
}

/// Not a mail address that we write to. Says nothing of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a mail address")]
pub struct AddressError;

impl Address {
    /// ASCII `local@domain.tld` without quotes, comments, white space or control characters; the domain is folded to lower case.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.trim_matches(' ').rsplit_once('@').ok_or(AddressError)?;
        let is_local = !local.is_empty()
            && local.len() <= LOCAL_BYTES_MAX
            && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom));
        if !is_local || local.len() + 1 + domain.len() > ADDRESS_BYTES_MAX || !is_domain(domain) {
            return Err(AddressError);
        }
        Ok(Self { text: Sensitive::new(format!("{local}@{}", domain.to_ascii_lowercase())), local_len: local.len() })
    }

    /// The address; never for a log.
    pub const fn expose(&self) -> &String {
        self.text.expose()
    }

    /// The address as a value that prints nothing.
    pub fn to_sensitive(&self) -> Sensitive<String> {
        self.text.clone()
    }

    /// What is behind the `@`, in lower case.
    pub fn domain(&self) -> &str {
        self.expose().get(self.local_len + 1..).unwrap_or_default()
    }

    /// The mailbox that it most likely is: lower case, without what follows a `+`. For counting, never for sending.
    pub fn folded(&self) -> String {
        let local = self.expose().get(..self.local_len).unwrap_or_default();
        let local = local.split_once('+').map_or(local, |(before, _)| before);
        format!("{}@{}", local.to_ascii_lowercase(), self.domain())
    }
}

/// `atext` of RFC 5322.
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_named = domain.rsplit_once('.').is_some_and(|(_, top)| top.bytes().any(|byte| byte.is_ascii_alphabetic()));
    is_named && domain.split('.').all(is_label)
}
