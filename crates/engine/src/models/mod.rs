//! Model files under one folder: what is there, where it came from, and how a new one gets here.
//!
//! `DIR/ID.gguf` is a model, `DIR/ID.json` tells where it came from ([`Manifest`]); `DIR/.part/` holds what is on its way. The folder is
//! shared by all data folders and processes of an account: a lock file keeps two pulls of the same model apart.
//!
//! What must stay true: a file appears under its final name only when it is whole and checked; names map to file names that cannot
//! leave the folder ([`name`]); no native code runs here (requantising is asked of a child process through [`Requantise`]); a pull is
//! bounded in size, time between bytes, redirects and disk.

mod error;
mod fetch;
mod file;
mod manifest;
mod name;
mod pull;
mod pypi;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use error::ModelsError;
pub use manifest::{Manifest, Origin};
pub use pypi::requantise_by_command;

/// The model a fresh installation answers with: SmolLM2-135M-Instruct, a demonstration model.
pub const DEFAULT_MODEL: &str = "smollm2-135m-instruct";

/// Where `owner/repo:file.gguf` is looked for.
pub const DEFAULT_HUB: &str = "https://huggingface.co";

/// Most models somebody waits for at once; names come from the configuration.
const WATCHED_MAX: usize = 64;

/// How often the folder is looked at for models that other processes brought.
const RESCAN_EVERY: Duration = Duration::from_secs(3);

/// A model that is whole on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// The name clients use.
    pub id: String,
    /// The GGUF file.
    pub path: PathBuf,
}

/// A model as `model list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ModelEntry {
    /// The name clients use.
    pub id: String,
    /// The GGUF file.
    pub path: PathBuf,
    /// Its size now, in bytes; `None` when a registered file is gone.
    pub bytes: Option<u64>,
    /// Where it came from; `None` for a file that somebody put into the folder.
    pub manifest: Option<Manifest>,
}

/// What a pull is doing, for a progress bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another process pulls the same model: waiting for it.
    Waiting,
    /// Bytes that are here, of all if that is known.
    Fetching {
        /// Here.
        bytes: u64,
        /// In all.
        total: Option<u64>,
    },
    /// The connection broke; it is taken up again where it stopped.
    Resuming {
        /// Here.
        bytes: u64,
    },
    /// Hashes are computed.
    Checking,
    /// The file is being turned into a form that runs faster.
    Requantising,
    /// Something that is no failure but that one should know.
    Note(String),
}

/// Turns the file `from` into a faster one `to`; the error is one line for a person. See [`requantise_by_command`].
pub type Requantise = Arc<dyn Fn(PathBuf, PathBuf) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static>;

/// How models are fetched.
#[derive(Clone)]
pub struct ModelsOptions {
    /// Base address of the hub.
    pub hub: String,
    /// Largest model file, in bytes.
    pub size_max: u64,
    /// Bytes that stay free on the disk.
    pub disk_reserve: u64,
    /// Longest silence while a file comes.
    pub silence_max: Duration,
    /// Pause before a broken transfer is taken up again.
    pub retry_pause: Duration,
    /// How the default model is made faster; `None` leaves it as it comes.
    pub requantise: Option<Requantise>,
    /// Python interpreters to try for the default model.
    pub pythons: Vec<PathBuf>,
}

impl Default for ModelsOptions {
    fn default() -> Self {
        Self {
            hub: DEFAULT_HUB.to_owned(),
            size_max: 256 << 30,
            disk_reserve: 512 << 20,
            silence_max: Duration::from_secs(60),
            retry_pause: Duration::from_secs(1),
            requantise: None,
            pythons: vec![PathBuf::from("python3"), PathBuf::from("python")],
        }
    }
}

impl std::fmt::Debug for ModelsOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelsOptions").field("hub", &self.hub).finish_non_exhaustive()
    }
}

/// The registry of one folder.
#[derive(Debug)]
pub struct Models {
    dir: PathBuf,
    options: ModelsOptions,
    watched: Mutex<BTreeMap<String, watch::Sender<Option<ModelFile>>>>,
}

impl Models {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, ModelsError> {
        Self::open_with(dir, ModelsOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open_with(dir: impl Into<PathBuf>, options: ModelsOptions) -> Result<Self, ModelsError> {
        let dir = dir.into();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| ModelsError::Io { path, source }
        };
        std::fs::create_dir_all(&dir).map_err(io(&dir))?;
        // Absolute, so that a worker started elsewhere finds the files too.
        let dir = std::path::absolute(&dir).map_err(io(&dir))?;
        std::fs::read_dir(&dir).map_err(io(&dir))?;
        Ok(Self { dir, options, watched: Mutex::new(BTreeMap::new()) })
    }

    /// The folder, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The model called `name`, if it is whole on disk. A trailing `.gguf` and capitals do not matter.
    pub fn find(&self, name: &str) -> Option<ModelFile> {
        let id = name::parse(name).ok()?;
        let entry = self.read_entry(&id)?;
        let bytes = entry.bytes?;
        let is_whole = entry.manifest.is_none_or(|manifest| manifest.bytes == bytes);
        is_whole.then_some(ModelFile { id, path: entry.path })
    }

    /// All models, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<ModelEntry>, ModelsError> {
        let io = |source| ModelsError::Io { path: self.dir.clone(), source };
        let mut ids = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(&self.dir).map_err(io)? {
            let file_name = entry.map_err(io)?.file_name();
            let stem = file_name.to_str().and_then(|name| name.strip_suffix(".gguf").or(name.strip_suffix(".json")));
            // Only names that `find` would find again.
            ids.extend(stem.filter(|stem| name::parse(stem).is_ok_and(|id| id == *stem)).map(str::to_owned));
        }
        Ok(ids.iter().filter_map(|id| self.read_entry(id)).collect())
    }

    /// Brings a model here and tells every watcher: [`DEFAULT_MODEL`], `owner/repo:file.gguf` or `owner/repo/file.gguf` from the hub,
    /// an `https://` address, or the path of a local file, which is registered and not copied. `#sha256=…` at the end is checked.
    /// What is here already is not fetched again.
    ///
    /// # Errors
    /// When it cannot be had or is not what it should be; each error says what to do.
    pub async fn pull(&self, what: &str, progress: impl Fn(Progress) + Send + Sync) -> Result<ModelFile, ModelsError> {
        let file = pull::pull(self, what, &progress).await?;
        self.rescan();
        Ok(file)
    }

    /// Reads a model's whole file and compares it with its manifest.
    ///
    /// # Errors
    /// `NotFound`, `WrongHash`, or `NoManifest` for a file that nobody pulled.
    pub async fn verify(&self, name: &str) -> Result<ModelEntry, ModelsError> {
        let id = name::parse(name)?;
        let entry = self.read_entry(&id).ok_or_else(|| ModelsError::NotFound { name: id.clone() })?;
        let Some(manifest) = &entry.manifest else { return Err(ModelsError::NoManifest { name: id }) };
        if entry.bytes.is_none() {
            return Err(ModelsError::NotFound { name: id });
        }
        file::check_magic(&entry.path)?;
        let found = file::hash(entry.path.clone()).await?;
        if found != manifest.sha256 {
            return Err(ModelsError::WrongHash { wanted: manifest.sha256.clone(), found });
        }
        Ok(entry)
    }

    /// Forgets a model; its file is deleted unless it was only registered.
    ///
    /// # Errors
    /// `NotFound`, or when a file cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), ModelsError> {
        let id = name::parse(name)?;
        let mut removed = false;
        for path in [self.file_path(&id), self.manifest_path(&id)] {
            match std::fs::remove_file(&path) {
                Ok(()) => removed = true,
                Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(ModelsError::Io { path, source }),
            }
        }
        self.rescan();
        if removed { Ok(()) } else { Err(ModelsError::NotFound { name: id }) }
    }

    /// Follows the model `id`: what [`Models::find`] says now and each time it changes. A running engine loads what appears.
    pub fn watch(&self, id: &str) -> watch::Receiver<Option<ModelFile>> {
        let now = self.find(id);
        let id = name::parse(id).unwrap_or_else(|_| id.to_owned());
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.len() >= WATCHED_MAX && !watched.contains_key(&id) {
            tracing::warn!(models.watched = watched.len(), "too many models are waited for: this one will not appear");
            return watch::channel(now).1;
        }
        watched.entry(id).or_insert_with(|| watch::channel(now).0).subscribe()
    }

    /// Looks at the folder and tells the watchers what changed.
    pub fn rescan(&self) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, sender) in watched.iter() {
            let now = self.find(id);
            sender.send_if_modified(|known| {
                let is_new = *known != now;
                *known = now;
                is_new
            });
        }
    }

    /// Looks at the folder every few seconds until `shutdown`: a model may be pulled by another process.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(RESCAN_EVERY)).await.is_some() {
            let models = Arc::clone(&self);
            // A slow disk must not hold a thread that serves requests.
            if tokio::task::spawn_blocking(move || models.rescan()).await.is_err() {
                return;
            }
        }
    }

    fn file_path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.gguf"))
    }

    fn manifest_path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    /// Where a file on its way lies.
    fn part_path(&self, id: &str, end: &str) -> PathBuf {
        self.dir.join(".part").join(format!("{id}{end}"))
    }

    fn read_entry(&self, id: &str) -> Option<ModelEntry> {
        let manifest = Manifest::read(&self.manifest_path(id));
        let path = match &manifest {
            Some(Manifest { registered_path: Some(path), .. }) => path.clone(),
            _ => self.file_path(id),
        };
        let bytes = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
        if manifest.is_none() && bytes.is_none() {
            return None;
        }
        Some(ModelEntry { id: id.to_owned(), path, bytes, manifest })
    }
}

#[cfg(test)]
mod tests;
