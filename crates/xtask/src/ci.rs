//! Everything that needs neither services nor models nor the native engine: what a change should pass before it is proposed.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Crates that build native code; they have their own step in `./test`.
const NATIVE: &str = "rempart-engine-worker";

/// A step: its name and its command.
type Step<'a> = (&'a str, Vec<&'a str>);

pub(crate) fn run(root: &Path) -> anyhow::Result<ExitCode> {
    // The binary without its embedded engine: `--exclude` alone would still build it through the feature.
    let features = ["--workspace", "--exclude", NATIVE, "--no-default-features"];
    let mut steps: Vec<Step<'_>> = vec![("fmt", vec!["fmt", "--all", "--check"])];
    steps
        .push(("clippy", [&["clippy", "--quiet"][..], &features, &["--all-targets", "--", "-D", "warnings"]].concat()));
    if is_there("deny") {
        steps.push(("deny", vec!["deny", "--log-level", "error", "check", "licenses", "bans", "sources"]));
    } else {
        eprintln!("ci: skipped deny: cargo-deny is not installed");
    }
    let tests = if is_there("nextest") {
        &["nextest", "run", "--no-fail-fast"][..]
    } else {
        &["test", "--quiet", "--no-fail-fast"]
    };
    steps.push(("tests", [tests, &features].concat()));

    let mut failed = Vec::new();
    for (name, arguments) in steps {
        let start = clock();
        let status = Command::new(env!("CARGO")).args(&arguments).current_dir(root).status()?;
        eprintln!(
            "ci: {name} {} in {:.0} s",
            if status.success() { "passed" } else { "FAILED" },
            start.elapsed().as_secs_f64()
        );
        if !status.success() {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("ci: failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

fn is_there(subcommand: &str) -> bool {
    let version = Command::new(env!("CARGO"))
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

fn clock() -> Instant {
    Instant::now()
}
