//! What may be an address, what a mail says as bytes, who goes first, what is held back, what comes again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod addresses;
mod queueing;
mod sending;
