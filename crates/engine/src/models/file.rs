//! Files of models: magic, hash, room on the disk, and taking over in one step.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::ModelsError;

/// The first bytes of each model file.
pub(super) const MAGIC: &[u8; 4] = b"GGUF";

/// How much is read, hashed and written at once.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// Names the path of a failed file operation.
pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ModelsError {
    let path = path.to_owned();
    move |source| ModelsError::Io { path, source }
}

/// Refuses what is no model.
pub(super) fn check_magic(path: &Path) -> Result<(), ModelsError> {
    let mut begin = [0; MAGIC.len()];
    let is_gguf = File::open(path).map_err(io(path))?.read_exact(&mut begin).is_ok() && &begin == MAGIC;
    if is_gguf { Ok(()) } else { Err(ModelsError::NotGguf { from: path.display().to_string() }) }
}

/// SHA-256 of a file in hexadecimal.
pub(super) async fn hash(path: PathBuf) -> Result<String, ModelsError> {
    blocking(move || {
        let (hasher, _) = hash_begun(&path)?;
        Ok(hex(hasher))
    })
    .await
}

/// The hash of what a file holds so far, to be gone on with, and its length.
pub(super) fn hash_begun(path: &Path) -> Result<(Sha256, u64), ModelsError> {
    let mut file = File::open(path).map_err(io(path))?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut len = 0_u64;
    loop {
        let read = file.read(&mut block).map_err(io(path))?;
        if read == 0 {
            return Ok((hasher, len));
        }
        hasher.update(block.get(..read).unwrap_or_default());
        len += u64::try_from(read).unwrap_or(0);
    }
}

/// Hexadecimal digits of a finished hash.
pub(super) fn hex(hasher: Sha256) -> String {
    use std::fmt::Write as _;
    hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Makes a finished file durable and gives it its final name.
pub(super) fn put(part: &Path, path: &Path) -> Result<(), ModelsError> {
    File::open(part).and_then(|file| file.sync_all()).map_err(io(part))?;
    std::fs::rename(part, path).map_err(io(path))?;
    // The name is durable once its folder is.
    if let Some(dir) = path.parent() {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir))?;
    }
    Ok(())
}

/// Refuses to begin what the disk cannot hold.
pub(super) fn check_room(dir: &Path, needed: u64, reserve: u64) -> Result<(), ModelsError> {
    let stat = rustix::fs::statvfs(dir).map_err(|error| io(dir)(error.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = needed.saturating_add(reserve);
    if free < needed { Err(ModelsError::DiskFull { dir: dir.to_owned(), needed, free }) } else { Ok(()) }
}

/// A file that is written and hashed as it comes.
pub(super) struct Sink {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    /// Bytes in the file.
    pub(super) len: u64,
    block: Vec<u8>,
    /// A write that outlives a cancelled pull still keeps others away.
    _lock: Arc<File>,
}

impl Sink {
    /// A new, empty file.
    pub(super) fn create(path: &Path, lock: Arc<File>) -> Result<Self, ModelsError> {
        let file = File::create(path).map_err(io(path))?;
        Ok(Self { path: path.to_owned(), file, hasher: Sha256::new(), len: 0, block: Vec::new(), _lock: lock })
    }

    /// Goes on with what is there; what is there is hashed again.
    pub(super) fn append(path: &Path, lock: Arc<File>) -> Result<Self, ModelsError> {
        let (hasher, len) = hash_begun(path)?;
        let file = File::options().append(true).open(path).map_err(io(path))?;
        Ok(Self { path: path.to_owned(), file, hasher, len, block: Vec::new(), _lock: lock })
    }

    /// Takes bytes; writes when a block is full.
    pub(super) async fn take(self, bytes: &[u8]) -> Result<Self, ModelsError> {
        let mut this = self;
        this.block.extend_from_slice(bytes);
        if this.block.len() < BLOCK_BYTES {
            return Ok(this);
        }
        this.flush().await
    }

    /// Writes what is held.
    pub(super) async fn flush(mut self) -> Result<Self, ModelsError> {
        if self.block.is_empty() {
            return Ok(self);
        }
        blocking(move || {
            self.file.write_all(&self.block).map_err(io(&self.path))?;
            self.hasher.update(&self.block);
            self.len += u64::try_from(self.block.len()).unwrap_or(0);
            self.block.clear();
            Ok(self)
        })
        .await
    }

    /// The hash of the whole file.
    pub(super) async fn finish(self) -> Result<(String, u64), ModelsError> {
        let this = self.flush().await?;
        Ok((hex(this.hasher), this.len))
    }
}

/// Runs file work where it may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModelsError> + Send + 'static,
) -> Result<T, ModelsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ModelsError::Io { path: PathBuf::new(), source: std::io::Error::other(error) }),
    }
}
