//! The way to a platform's data: through the running process if there is one, else by being the one process that opens it.

use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::socket::{connect, read_frame, write_frame};
use super::{Command, Reply, execute};
use crate::config::Config;
use crate::folder::{DataFolder, FolderLock};
use crate::outcome::Failure;
use crate::platform::Platform;

/// How often a platform that is starting or stopping is asked again, and how long between.
const TRIES_MAX: u32 = 100;
const TRY_EVERY: Duration = Duration::from_millis(100);

/// Longest wait for an answer of the running platform.
const REPLY_DEADLINE: Duration = Duration::from_secs(600);

/// An open way to a platform's data.
pub(crate) enum Door {
    /// Through `control.sock`.
    Running(Box<Conversation>),
    /// In this process, which holds the lock.
    Stopped(Box<Platform>, FolderLock),
}

/// Both halves of a connection to the running platform.
pub(crate) struct Conversation {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Door {
    /// Opens one. A folder that is locked by a process that does not answer is waited for, ten seconds long.
    pub(crate) async fn open(config: &Config, folder: &DataFolder) -> Result<Self, Failure> {
        folder.create()?;
        for _ in 0..TRIES_MAX {
            if let Ok(stream) = connect(folder).await {
                return Ok(Self::Running(Box::new(Conversation::new(stream))));
            }
            if let Some(lock) = folder.try_lock()? {
                let platform = Box::pin(Platform::open(config, folder)).await?;
                return Ok(Self::Stopped(Box::new(platform), lock));
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
        Err(folder.taken())
    }

    /// True if a platform runs there.
    pub(crate) const fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// Has a command executed, wherever it is.
    pub(crate) async fn execute(&mut self, command: Command) -> Result<Reply, Failure> {
        let reply = match self {
            Self::Running(conversation) => conversation.ask(&command).await?,
            Self::Stopped(platform, _) => execute(platform, command).await,
        };
        reply.into_result()
    }

    /// Finishes what waits.
    pub(crate) async fn close(self) {
        if let Self::Stopped(platform, _lock) = self {
            platform.store.close().await;
        }
    }
}

impl Conversation {
    fn new(stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        Self { read: BufReader::new(read), write }
    }

    async fn ask(&mut self, command: &Command) -> Result<Reply, Failure> {
        let gone = || Failure::Missing("the running platform went away before it answered".to_owned());
        let asked = async {
            write_frame(&mut self.write, command).await?;
            read_frame(&mut self.read).await
        };
        let line = tokio::time::timeout(REPLY_DEADLINE, asked).await.map_err(|_| gone())?;
        let line = line.map_err(|_| gone())?.ok_or_else(gone)?;
        serde_json::from_slice(&line)
            .map_err(|_| Failure::Failed("the running platform is of another version".to_owned()))
    }
}

/// Opens the door, has one command executed, and closes it.
pub(crate) async fn ask_once(config: &Config, folder: &DataFolder, command: Command) -> Result<Reply, Failure> {
    let mut door = Door::open(config, folder).await?;
    let reply = door.execute(command).await;
    door.close().await;
    reply
}
