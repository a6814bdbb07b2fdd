//! One-time links (operator link, sign-in link) and settings.

use rempart_domain::{AccountId, UnixSeconds};

use crate::{Store, StoreError};

/// What a link opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkPurpose {
    /// Making the first operator.
    Operator,
    /// Signing in once.
    SignIn,
    /// Confirming a mail address.
    ConfirmEmail,
    /// Registering while the gate is closed.
    Invite,
}

/// A link that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// For whom; `None` for the first operator and invites.
    pub account: Option<AccountId>,
    /// What it opens.
    pub purpose: LinkPurpose,
    /// Until when it was good.
    pub expires: UnixSeconds,
}

impl Store {
    /// Records a link by the SHA-256 of its secret.
    pub async fn create_link(&self, hash: [u8; 32], account: Option<AccountId>, purpose: LinkPurpose, expires: UnixSeconds) -> Result<(), StoreError> {
        self.todo()
    }
    /// Takes a link: only one caller ever gets it, and none after it expired. Sign-in lane.
    pub async fn take_link(&self, hash: [u8; 32], now: UnixSeconds) -> Result<Option<Link>, StoreError> {
        self.todo()
    }
    /// Forgets all links of a purpose (such as an older operator link).
    pub async fn delete_links(&self, purpose: LinkPurpose) -> Result<u64, StoreError> {
        self.todo()
    }
    /// A setting's value.
    pub async fn get_setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.todo()
    }
    /// Sets a setting.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.todo()
    }
}
