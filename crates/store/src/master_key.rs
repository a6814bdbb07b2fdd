//! The master key: what every account's data key is wrapped with.
//!
//! What must stay true: it is made once, whole and durable before it is used, readable by its owner only; it is never printed; its id
//! follows from the key, so that the same key has the same id wherever it came from.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rempart_domain::Secret;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::StoreError;

/// First word of a key file.
const MAGIC: &str = "rempart-master-1";

/// 32 bytes that open everything, and a name for them that opens nothing.
#[derive(Debug)]
pub struct MasterKey {
    key: Secret<[u8; 32]>,
}

impl MasterKey {
    /// Reads the key file, or makes one (mode 0600, its folder 0700) if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, StoreError> {
        match Self::load(path) {
            Err(StoreError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Self::create(path),
            other => other,
        }
    }

    /// Reads an existing key file; never makes one.
    pub fn load(path: &Path) -> Result<Self, StoreError> {
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|e| StoreError::file("read", path, e))?);
        let mode = fs::metadata(path).map_err(|e| StoreError::file("read", path, e))?.permissions().mode();
        if mode & 0o007 != 0 {
            tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "master key file is readable by everybody");
        }
        Self::from_base64(&text)
    }

    /// From 32 bytes in base64, such as an environment variable holds, or the content of a key file.
    pub fn from_base64(text: &str) -> Result<Self, StoreError> {
        let mut words = text.split_ascii_whitespace();
        let (id, encoded) = match (words.next(), words.next(), words.next(), words.next()) {
            (Some(encoded), None, _, _) => (None, encoded),
            (Some(MAGIC), Some(id), Some(encoded), None) => (Some(id), encoded),
            _ => return Err(StoreError::MasterKey("neither 32 bytes in base64 nor a key file of ours")),
        };
        let mut decoded = BASE64.decode(encoded).map_err(|_| StoreError::MasterKey("not base64"))?;
        let key = <[u8; 32]>::try_from(decoded.as_slice());
        decoded.zeroize();
        let key = Self { key: Secret::new(key.map_err(|_| StoreError::MasterKey("not 32 bytes"))?) };
        if id.is_some_and(|id| id != key.id()) {
            return Err(StoreError::MasterKey("key file is damaged: its id does not fit its key"));
        }
        Ok(key)
    }

    /// Eight bytes of a MAC under the key, in hex: tells keys apart, opens nothing.
    pub fn id(&self) -> String {
        self.derive("id").iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A key for one purpose: HMAC-SHA256 under the master key.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        // HMAC takes a key of any length; the empty result below cannot happen and would fail every check.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose()) else { return Zeroizing::new([0; 32]) };
        mac.update(b"rempart master key: ");
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// Writes beside the final name, syncs, then links: a crash leaves no half key, a racing process no second one.
    fn create(path: &Path) -> Result<Self, StoreError> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|_| StoreError::Random)?;
        let key = Self { key: Secret::new(bytes) };
        bytes.zeroize();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| StoreError::file("create", folder, e))?;
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        let written = write_private(&beside, &key).and_then(|()| fs::hard_link(&beside, path));
        let removed = fs::remove_file(&beside);
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.exists() => {
                return Self::load(path);
            }
            Err(error) => return Err(StoreError::file("create", path, error)),
        }
        removed.map_err(|e| StoreError::file("remove", &beside, e))?;
        fs::File::open(folder).and_then(|dir| dir.sync_all()).map_err(|e| StoreError::file("sync", folder, e))?;
        Ok(key)
    }
}

fn write_private(path: &Path, key: &MasterKey) -> std::io::Result<()> {
    let encoded = Zeroizing::new(BASE64.encode(key.key.expose()));
    let line = Zeroizing::new(format!("{MAGIC} {} {}\n", key.id(), *encoded));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}
