//! The real binary, from outside: what it prints, how it ends, what it leaves behind.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests"
)]

mod accounts;
mod backup;
mod bench;
mod drill;
mod import;
mod read_pdf;
mod rig;
mod sabotage;
mod serve;
mod wording;
