//! How a command ends: its exit code and what it says.
//!
//! What must stay true: results go to stdout, messages to stderr; the codes are those scripts rely on.

use std::io::Write as _;
use std::process::ExitCode;

/// Why a command did not do what was asked. `Display` is what the operator reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked failed.
    #[error("{0}")]
    Failed(String),
    /// It was asked in a way that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong; a line for each error.
    #[error("{0}")]
    Config(String),
    /// Something needed is missing or taken.
    #[error("{0}")]
    Missing(String),
    /// A mistake of ours, or of the machine's.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// 1, 2, 64, 69, 70.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Config(_) => 64,
            Self::Missing(_) => 69,
            Self::Internal(_) => 70,
        }
    }

    /// Says it on stderr and hands the exit code over.
    pub(crate) fn report(&self) -> ExitCode {
        let mut err = std::io::stderr().lock();
        for line in self.to_string().lines() {
            // A closed stderr leaves nobody to tell.
            drop(writeln!(err, "rempart: {line}"));
        }
        ExitCode::from(self.code())
    }

    /// An internal failure with its chain of causes.
    pub(crate) fn internal(what: &str, error: &dyn std::error::Error) -> Self {
        Self::Internal(format!("{what}: {}", chain(error)))
    }

    /// Something missing, with its chain of causes.
    pub(crate) fn missing(what: &str, error: &dyn std::error::Error) -> Self {
        Self::Missing(format!("{what}: {}", chain(error)))
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Writes a line of results to stdout and flushes it. A reader who left ends the command with 1.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| Failure::Failed(format!("stdout: {error}")))
}

/// Writes a message to stderr.
pub(crate) fn tell(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "rempart: {line}"));
}
