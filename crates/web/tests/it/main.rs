//! Pages as a browser gets them: snapshots of each, escaping, forms, and that no page needs script.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod behaviour;
mod samples;
mod snapshots;
