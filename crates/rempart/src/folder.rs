//! The data folder: made with its modes, locked by one process, and told apart from a folder that somebody else uses.
//!
//! What must stay true: only the holder of `lock` opens the database or makes `control.sock`; what is in the folder is readable by its
//! owner only; `run.json` is there exactly while the platform answers.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::outcome::Failure;

/// Paths of a data folder; holding one locks nothing.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder {
    root: PathBuf,
}

/// The right to open what is in the folder; freed on drop, and by the system when the process dies.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

/// `run.json`: where the running platform is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Its process.
    pub(crate) pid: u32,
    /// Public addresses as URLs.
    pub(crate) public: Vec<String>,
    /// The console's URL.
    pub(crate) console: String,
    /// The program's version.
    pub(crate) version: String,
}

impl DataFolder {
    /// The folder at `root`; nothing is touched yet.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `keys/`, mode 0700.
    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The key that wraps the accounts' data keys.
    pub(crate) fn master_key(&self) -> PathBuf {
        self.keys().join("master.key")
    }

    /// The key under tickets and API keys.
    pub(crate) fn mac_key(&self) -> PathBuf {
        self.keys().join("mac.key")
    }

    /// The operator's filter of breached passwords.
    pub(crate) fn breached_filter(&self) -> PathBuf {
        self.root.join("breached.filter")
    }

    /// Where mail goes without a mail server.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.root.join("outbox")
    }

    /// Where a running platform takes commands.
    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// Written when ready, removed on exit.
    pub(crate) fn run_file(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// True once a platform was started here.
    pub(crate) fn exists(&self) -> bool {
        self.root.is_dir()
    }

    /// Makes what is missing, with its modes.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        for folder in [self.root.clone(), self.keys(), self.root.join("audit"), self.outbox()] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|error| Failure::Missing(format!("cannot make the folder {}: {error}", folder.display())))?;
        }
        let keys = self.keys();
        let mode = std::fs::metadata(&keys).map_or(0, |meta| meta.mode());
        if mode & 0o077 != 0 {
            let tightened = std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700));
            tightened
                .map_err(|error| Failure::Missing(format!("cannot close {} to others: {error}", keys.display())))?;
        }
        Ok(())
    }

    /// Takes `lock`, or says who has it. `None` if another process holds it.
    pub(crate) fn try_lock(&self) -> Result<Option<FolderLock>, Failure> {
        let path = self.root.join("lock");
        let cannot = |error: std::io::Error| Failure::Missing(format!("cannot lock {}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(cannot)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(FolderLock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(cannot(error.into())),
        }
    }

    /// The line for a folder that somebody else holds.
    pub(crate) fn taken(&self) -> Failure {
        let who = self
            .read_run_file()
            .map_or_else(String::new, |run| format!(" (process {}, {})", run.pid, run.public.join(", ")));
        Failure::Missing(format!("another rempart runs on {}{who}", self.root.display()))
    }

    /// What the running platform wrote about itself.
    pub(crate) fn read_run_file(&self) -> Option<RunFile> {
        serde_json::from_slice(&std::fs::read(self.run_file()).ok()?).ok()
    }

    /// Writes `run.json` whole or not at all.
    pub(crate) fn write_run_file(&self, run: &RunFile) -> Result<(), Failure> {
        let text = serde_json::to_string(run).map_err(|error| Failure::internal("run.json", &error))?;
        let aside = self.root.join("run.json.new");
        let written = File::create(&aside)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| std::fs::rename(&aside, self.run_file()));
        written.map_err(|error| Failure::Missing(format!("cannot write {}: {error}", self.run_file().display())))
    }

    /// Removes what only a running platform has. Missing files are fine.
    pub(crate) fn clear_run_files(&self) {
        for path in [self.run_file(), self.socket()] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(file = %path.display(), %error, "cannot remove a file of the run");
                }
                _ => {}
            }
        }
    }
}
