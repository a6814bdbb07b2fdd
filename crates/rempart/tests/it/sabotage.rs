//! A drill that cannot fail proves nothing: with a protection taken out it names the promise that breaks.
//!
//! `REMPART_SABOTAGE_BIN` is a binary built with `--no-default-features --features sabotage`; without it nobody asked for these, which take
//! minutes (`./test` has a step of its own). Counts are judged live, as other things run on the machine meanwhile.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::rig::Rig;

const SHORT: &str = "\
title = \"A short quiet day\"
phases = [{ name = \"quiet\", seconds = 4, role = \"quiet\" }]
[members]
accounts = 20
rate_per_s = 10.0
";

fn sabotaged_binary() -> Option<PathBuf> {
    std::env::var_os("REMPART_SABOTAGE_BIN").map(PathBuf::from)
}

/// Promises that a drill says are broken.
fn broken(binary: &PathBuf, scenario: &str, more: &[&str]) -> Vec<String> {
    let ran = Command::new(binary).args(["drill", scenario, "--json"]).args(more).output().unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let promises = report["promises"].as_array().unwrap().iter();
    promises.filter(|p| p["held"] == false).map(|p| p["name"].as_str().unwrap().to_owned()).collect()
}

/// With nothing taken out the promise holds, with the choice it breaks.
#[track_caller]
fn check(choice: &str, scenario: &str, promise: &str, more: &[&str]) {
    let Some(binary) = sabotaged_binary() else { return };
    let is_broken = |more: &[&str]| broken(&binary, scenario, more).iter().any(|name| name == promise);
    assert!(!is_broken(more), "{promise} does not hold as it is");
    let sabotage = format!("--sabotage={choice}");
    assert!(is_broken(&[more, &[sabotage.as_str()]].concat()), "{promise} holds without {choice}");
}

#[test]
fn without_priority_members_wait() {
    check("priority", "earned-standing", "members_ttft_p99", &["--world"]);
}

#[test]
fn without_cohorts_honest_newcomers_drown_in_the_crowd() {
    check("cohorts", "newcomers-in-the-crowd", "newcomers_served", &["--world"]);
}

#[test]
fn without_the_freeze_the_attackers_become_members() {
    check("freeze", "earned-standing", "members_served", &["--counts"]);
}

#[test]
fn a_prompt_in_the_log_is_a_leak() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.toml");
    std::fs::write(&file, SHORT).unwrap();
    check("log-leak", file.to_str().unwrap(), "nothing_leaked", &["--counts"]);
}

#[test]
fn without_the_gate_registration_is_flooded() {
    // A program without the command `gate` has none to take out.
    let has_gate = |binary: PathBuf| Command::new(binary).args(["gate", "--help"]).output().unwrap().status.success();
    if !sabotaged_binary().is_some_and(has_gate) {
        return;
    }
    check("gate", "registration-flood", "attackers_get_in", &["--counts"]);
}

#[test]
fn what_is_built_for_others_takes_nothing_out() {
    let Some(rig) = Rig::new() else { return };
    for choice in ["priority", "freeze", "gate", "cohorts", "log-leak"] {
        let refused = rig.run(&["drill", "quiet-day", "--world", "--sabotage", choice]);
        assert_eq!(refused.status.code(), Some(2), "{choice}: {refused:?}");
    }
}
