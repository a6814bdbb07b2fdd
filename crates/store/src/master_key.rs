//! The master key: what every account's data key is wrapped with.

use std::path::Path;

use rempart_domain::Secret;

use crate::StoreError;

/// 32 bytes that open everything, and a name for them that opens nothing.
#[derive(Debug)]
pub struct MasterKey {
    key: Secret<[u8; 32]>,
}

impl MasterKey {
    /// Reads the key file, or makes one (mode 0600, its folder 0700) if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, StoreError> {
        Err(StoreError::MasterKey("not built"))
    }
    /// Reads an existing key file; never makes one.
    pub fn load(path: &Path) -> Result<Self, StoreError> {
        Err(StoreError::MasterKey("not built"))
    }
    /// From 32 bytes in base64, such as an environment variable holds, or the content of a key file.
    pub fn from_base64(text: &str) -> Result<Self, StoreError> {
        Err(StoreError::MasterKey("not built"))
    }
    /// Eight bytes of a hash, in hex: tells keys apart, opens nothing.
    pub fn id(&self) -> String {
        String::new()
    }
}
