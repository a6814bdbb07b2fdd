//! What is seen, and what follows from it: the system's posture, and which members' conduct has turned.
//!
//! The caller brings time and figures; out come decisions. No clock, no I/O: the gateway ticks these machines once a second, the drill
//! replays them in virtual time. What must stay true: nothing here may be needed for members to be served (priority protects,
//! detection cleans); every table has a bound; what is learnt as usual is never learnt while something is wrong.

pub mod conduct;
pub mod posture;

#[cfg(test)]
mod tests;

pub use conduct::{Act, Conduct, ConductRules, Demotion};
pub use posture::{Change, PostureMachine, PostureRules, Reading, Signal};
