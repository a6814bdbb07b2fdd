//! Through the door: the whole gateway on loopback, with the scripted engine behind it.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod accounts;
mod api;
mod branches;
mod chat;
mod endings;
mod factors;
mod first;
mod gate;
mod hostile;
mod keeping;
mod listener;
mod matrix;
mod owners;
mod pages;
mod posture;
mod sign_in;
mod world;
