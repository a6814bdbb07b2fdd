//! The note beside a model that tells where it came from and what it must be.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ModelsError, file};

/// Largest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// `ID.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What was asked for: an address, a hub's name, a package, a path.
    pub source: String,
    /// The file as it came, if the one here was made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// SHA-256 of the file here, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its licence, where we know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// When it was brought here, Unix seconds.
    pub pulled_at: i64,
    /// A file outside this folder that was registered and not copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_path: Option<PathBuf>,
}

/// The file as it came, before it was requantised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its SHA-256, which was checked against the pin.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What was done to it.
    pub change: String,
}

impl Manifest {
    /// Reads it; one that is missing or not readable is none.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        if meta.len() > MANIFEST_BYTES_MAX {
            return None;
        }
        let bytes = std::fs::read(path).ok()?;
        match serde_json::from_slice(&bytes) {
            Ok(manifest) => Some(manifest),
            Err(error) => {
                tracing::debug!(%error, "a model's manifest is not readable");
                None
            }
        }
    }

    /// Writes it in one step.
    pub(super) fn write(&self, path: &Path, part: &Path) -> Result<(), ModelsError> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        std::fs::write(part, json).map_err(file::io(part))?;
        file::put(part, path)
    }
}
