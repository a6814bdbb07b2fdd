#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
//! Posture and conduct, by a clock that is an argument.

mod conduct;
mod posture;
