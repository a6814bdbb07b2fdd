//! The outbox: a file each, to be read by the developer or the operator; the oldest goes when there are too many.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::AsyncWriteExt as _;

use crate::Mail;
use crate::message::{Sender, build};
use crate::queue::Outcome;

/// How a file of ours ends.
const SUFFIX: &str = ".eml";

/// The folder.
#[derive(Debug)]
pub(crate) struct Outbox {
    folder: PathBuf,
    files_max: u64,
    count: AtomicU64,
}

impl Outbox {
    pub(crate) fn new(folder: PathBuf, files_max: u64) -> Self {
        Self { folder, files_max: files_max.max(1), count: AtomicU64::new(0) }
    }

    /// Writes one mail, whole or not at all, readable by its owner only.
    pub(crate) async fn write(&self, sender: &Sender, mail: &Mail) -> Outcome {
        let Some(message) = build(sender, mail, true) else { return Outcome::Never("it cannot be written as a mail") };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("{now:014}-{count:06}{SUFFIX}");
        match write_file(&self.folder, &name, &message.formatted()).await {
            Ok(()) => {
                self.remove_oldest().await;
                Outcome::Sent
            }
            Err(_) => Outcome::Later("the outbox cannot be written"),
        }
    }

    /// Names begin with the time, so their order is their age. A folder that cannot be read stays as it is.
    async fn remove_oldest(&self) {
        let Ok(mut entries) = tokio::fs::read_dir(&self.folder).await else { return };
        let mut names = Vec::new();
        while let Ok(Some(entry)) = entries.next_entry().await {
            names.extend(entry.file_name().into_string().ok().filter(|name| name.ends_with(SUFFIX)));
        }
        let excess = names.len().saturating_sub(usize::try_from(self.files_max).unwrap_or(usize::MAX));
        names.sort_unstable();
        for name in names.into_iter().take(excess) {
            let _gone = tokio::fs::remove_file(self.folder.join(name)).await;
        }
    }
}

async fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let aside = folder.join(format!("{name}.new"));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&aside).await?;
    file.write_all(bytes).await?;
    file.flush().await?;
    drop(file);
    tokio::fs::rename(&aside, folder.join(name)).await
}
