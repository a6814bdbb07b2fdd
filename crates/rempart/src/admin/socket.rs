//! `control.sock`: commands for a running platform, one JSON object a line each way.
//!
//! What must stay true: only processes of the same user (or root) are heard; a frame is bounded; connections are bounded; nothing that
//! comes through is logged but the command's failure to be read.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Command, Reply, execute};
use crate::folder::DataFolder;
use crate::outcome::Failure;
use crate::platform::Platform;

/// Longest line, in bytes: a batch of an import and its answer with keys.
pub(super) const FRAME_BYTES_MAX: u64 = 16 * 1_048_576;

/// Commands at once.
const CONNECTIONS_MAX: usize = 16;

/// Longest path that a socket's address holds on every system we know, in bytes.
const SOCKET_PATH_LEN_MAX: usize = 100;

/// Binds the socket anew: the caller holds the folder's lock, so what lies there is left from a dead process.
pub(crate) fn listen(folder: &DataFolder) -> Result<UnixListener, Failure> {
    let path = folder.socket();
    let cannot = |error: io::Error| Failure::Missing(format!("cannot listen at {}: {error}", path.display()));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
        _ => {}
    }
    // The process's umask leaves it to its owner from its first moment.
    let short = ShortPath::of(&path).map_err(cannot)?;
    UnixListener::bind(&short.path).map_err(cannot)
}

/// Connects to a running platform.
pub(super) async fn connect(folder: &DataFolder) -> io::Result<UnixStream> {
    let short = ShortPath::of(&folder.socket())?;
    UnixStream::connect(&short.path).await
}

/// A path that fits a socket's address: a long one is reached through its folder's descriptor.
struct ShortPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl ShortPath {
    fn of(path: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= SOCKET_PATH_LEN_MAX || !cfg!(target_os = "linux") {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }
}

/// Serves commands until `stop`; what is being executed then is finished first.
pub(crate) async fn serve(listener: UnixListener, platform: Arc<Platform>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) if is_ours(&stream) => {
                    connections.spawn(converse(stream, Arc::clone(&platform), stop.clone()));
                }
                Ok(_) => tracing::warn!("another user asked at the control socket"),
                Err(error) => {
                    tracing::warn!(%error, "control socket cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}

fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn converse(stream: UnixStream, platform: Arc<Platform>, stop: CancellationToken) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let frame = tokio::select! {
            frame = read_frame(&mut read) => frame,
            () = stop.cancelled() => return,
        };
        let reply = match frame {
            Ok(None) => return,
            Ok(Some(line)) => match serde_json::from_slice::<Command>(&line) {
                Ok(command) => execute(&platform, command).await,
                Err(error) => unreadable(&error),
            },
            Err(_) => return,
        };
        if write_frame(&mut write, &reply).await.is_err() {
            return;
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Reply {
    // Only the kind: the text may quote a password.
    let message =
        format!("the running platform does not know this command ({:?}); is it of another version?", error.classify());
    Reply::Refused { kind: super::RefusedKind::Failed, message }
}

/// A line, without its end; `None` at the end of the stream.
pub(super) async fn read_frame(read: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let len = read.take(FRAME_BYTES_MAX).read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        None if len == 0 => Ok(None),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Writes a value as a line.
pub(super) async fn write_frame(
    write: &mut (impl AsyncWrite + Unpin),
    value: &impl serde::Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.flush().await
}
