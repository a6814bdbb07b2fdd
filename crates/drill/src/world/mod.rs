//! A small world in virtual time: members, honest newcomers and attackers before one engine, behind the real admission and metering.
//!
//! It is not calibrated: it ranks policies and catches what breaks a promise; it predicts no absolute latency. The engine's step and
//! the people's habits are the ones of the design's toy simulation, so that its table can be compared.
//!
//! What must stay true: the same scenario and seed give the same result; nothing here decides over admission.

mod engine;
mod people;
mod policy;
mod run;
mod scene;
#[cfg(test)]
mod scene_tests;
#[cfg(test)]
mod tests;

pub use engine::EngineShape;
pub use people::{Attack, Habits, Kind, Scenario};
pub use policy::Arm;
pub use run::{Outcome, Report, run};
pub use scene::{WorldError, run_scenario};
