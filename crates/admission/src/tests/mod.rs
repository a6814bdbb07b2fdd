//! Decisions and properties of the machine. `rig` drives it and checks, after every step, what must always be true.

mod buckets;
mod controller;
mod decisions;
mod fairness;
mod heavy;
mod lane;
mod properties;
mod reserve;
mod rig;
mod slice;
