//! The store's contract: one suite for SQLite and PostgreSQL, seen from outside.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stdout, reason = "measured figures and skipped services are said")]

mod accounts;
mod backups;
mod branches;
mod conversations;
mod crash;
mod factors;
mod fixture;
mod invites;
mod outages;
mod records;
mod scale;
mod secrecy;
mod statements;
