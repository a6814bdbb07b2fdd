//! The rempart binary: reads the command line, runs one command, hands its exit code over.
//!
//! What must stay true: everything this process makes is readable by its owner only (umask), and every way out goes through `main`, so
//! that guards drop.

mod admin;
mod cli;
mod commands;
mod config;
mod dates;
mod engines;
mod folder;
mod logs;
mod mail;
mod outcome;
mod platform;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

/// Takes a third of the instructions that the system's allocator takes for a request (docs/notes/2026-11-25-overhead.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    rustix::process::umask(rustix::fs::Mode::from_bits_retain(0o077));
    #[cfg(feature = "sabotage")]
    if let Some(sabotage) = cli.globals.sabotage {
        rempart_domain::sabotage::choose(sabotage);
        outcome::tell(&format!("SABOTAGE: {sabotage} is taken out; this program is for tests only"));
    }
    commands::run(&cli.globals, cli.command).unwrap_or_else(|failure| failure.report())
}
