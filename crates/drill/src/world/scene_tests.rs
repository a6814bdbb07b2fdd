//! Shipped scenarios in virtual time: the promises hold, and the same seed gives the same run.

use crate::promises::judge;
use crate::report::to_json;
use crate::scenario::load;

use super::run_scenario;

/// Quick ones of every kind; the others are run by the command.
const SCENARIOS: &[&str] = &[
    "quiet-day",
    "token-flood",
    "prompt-bombs",
    "answer-bombs",
    "members-gone-bad",
    "long-answers",
    "slow-readers",
    "disconnects-inside",
    "credential-stuffing",
    "registration-flood-inside",
    "engine-outage",
];

#[test]
fn promises_hold_in_virtual_time() {
    for name in SCENARIOS {
        let scenario = load(name, None).unwrap();
        let run = run_scenario(&scenario, scenario.seed).unwrap();
        let broken: Vec<_> = judge(&scenario, &run).into_iter().filter(|verdict| !verdict.held).collect();
        assert!(broken.is_empty(), "{name}, seed {}: {broken:?}; rempart drill {name} --world", scenario.seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let scenario = load("prompt-bombs", None).unwrap();
    let of = |seed| {
        let run = run_scenario(&scenario, seed).unwrap();
        to_json(&scenario, &run, &judge(&scenario, &run)).to_string()
    };
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(4));
}

#[test]
fn a_world_without_an_order_breaks_the_promise() {
    // Members who are nobody: the same scenario, with the attackers' accounts as members. What holds above holds by standing.
    let mut scenario = load("token-flood", None).unwrap();
    for attack in scenario.attacks.values_mut() {
        attack.keys = crate::scenario::Keys::Turned;
        attack.max_tokens = 200;
    }
    let run = run_scenario(&scenario, 1).unwrap();
    let broken = judge(&scenario, &run).iter().filter(|verdict| !verdict.held).count();
    assert!(broken > 0, "a drill that cannot fail");
}
