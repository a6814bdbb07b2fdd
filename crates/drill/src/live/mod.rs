//! The drill, live: the real binary before a scripted engine, both started here, under open-loop people and closed-loop attackers on
//! loopback; or another gateway that was started by hand, under the same.
//!
//! What must stay true: everything started here ends here; load goes to a literal loopback address only ([`Target`]); all of it is
//! bounded in count and time.

mod afterwards;
mod answer;
mod arrivals;
mod ask;
mod attack;
mod child;
mod line;
mod machine;
mod people;
mod platform;
mod solve;
mod stage;
mod store_proxy;
mod target;
#[cfg(test)]
mod tests;
mod writers;

pub use platform::{Keyring, Stand};
pub use solve::solve;
pub use stage::{Against, LiveOptions, Progress, foreign_keys, run};
pub use target::{Target, TargetError};

/// Why a live drill did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The address is not one that is attacked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A folder or file of the drill's own.
    #[error("the drill's folder cannot be used")]
    Folder(#[source] std::io::Error),
    /// A program does not start.
    #[error("{what} cannot be started")]
    Start {
        /// Which.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program ends instead of becoming ready.
    #[error("{what} did not become ready; it said: {last}")]
    NotReady {
        /// Which.
        what: String,
        /// Its last line.
        last: String,
    },
    /// The generator itself failed.
    #[error("the generator failed")]
    Generator(#[source] std::io::Error),
    /// The scenario needs something that was not given.
    #[error("this scenario needs {0}")]
    Needs(&'static str),
}
