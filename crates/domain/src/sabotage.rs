//! For the drill's own test: a protection that is taken out on purpose, so that the drill must say which promise breaks.
//!
//! What must stay true: without the feature `sabotage` nothing can be chosen, and [`breaks`] is a constant `false` that the compiler takes
//! out. No feature of any crate leads here but the binary's own of that name, which nothing has by default (`xtask tidy`).

use crate::UnknownWord;
use crate::posture::words;

/// What is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Everybody stands in the members' line.
    Priority,
    /// Standing earned in an incident counts at once.
    Freeze,
    /// Registration is open, whatever happens.
    Gate,
    /// Each stranger weighs for itself.
    Cohorts,
    /// What is asked is written to the log.
    LogLeak,
}

words!(
    Sabotage,
    "sabotage",
    Priority = "priority",
    Freeze = "freeze",
    Gate = "gate",
    Cohorts = "cohorts",
    LogLeak = "log-leak"
);

#[cfg(feature = "sabotage")]
static CHOSEN: std::sync::OnceLock<Sabotage> = std::sync::OnceLock::new();

/// Takes it out of this process, from now on and for good. The first choice holds.
#[cfg(feature = "sabotage")]
pub fn choose(sabotage: Sabotage) {
    CHOSEN.get_or_init(|| sabotage);
}

/// Whether this is taken out.
#[cfg(feature = "sabotage")]
pub fn breaks(sabotage: Sabotage) -> bool {
    CHOSEN.get() == Some(&sabotage)
}

/// Whether this is taken out: nothing is.
#[cfg(not(feature = "sabotage"))]
pub const fn breaks(_sabotage: Sabotage) -> bool {
    false
}
