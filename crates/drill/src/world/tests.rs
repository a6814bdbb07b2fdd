//! What the world must show: the ranking of policies, and the promises under the policy that ships.

use rempart_domain::Posture;

use super::{Arm, Attack, Report, Scenario, run};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=8;

fn attacked(rate: f64) -> Scenario {
    Scenario { attack: Some(Attack { rate, ..Attack::default() }), ..Scenario::default() }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let scenario = Scenario { length_s: 100.0, ..Scenario::default() };
    assert_eq!(run(&scenario, Arm::Ours, 3), run(&scenario, Arm::Ours, 3));
    assert_ne!(run(&scenario, Arm::Ours, 3), run(&scenario, Arm::Ours, 4));
}

#[test]
fn what_is_charged_is_what_was_used() {
    for arm in Arm::ALL {
        let report = run(&attacked(60.0), arm, 1);
        assert!(report.used > 100_000, "{arm:?} did nothing");
        assert_eq!(report.charged, report.used, "{arm:?}");
    }
}

#[test]
fn members_are_served_as_on_a_quiet_day_at_sixty_requests_a_second() {
    for seed in SEEDS {
        let quiet = run(&Scenario::default().quiet(), Arm::Ours, seed);
        let report = run(&attacked(60.0), Arm::Ours, seed);
        hold_the_promise(seed, &quiet, &report, 1.5);
        let newcomers = report.newcomers.done_percent();
        assert!(newcomers >= 30.0, "seed {seed}: honest newcomers {newcomers:.1} %");
    }
}

#[test]
fn members_are_served_at_fifty_times_that() {
    // Two seeds, as half a million arrivals take their time; the example `policies` runs as many as it is told.
    for seed in 1..=2 {
        let quiet = run(&Scenario::default().quiet(), Arm::Ours, seed);
        let report = run(&attacked(3_000.0), Arm::Ours, seed);
        hold_the_promise(seed, &quiet, &report, 2.0);
        assert!(report.newcomers.done_percent() >= 30.0, "a flood at the door wins no race for a place");
    }
}

#[test]
fn members_are_served_through_every_posture_and_its_beginning() {
    for postures in [vec![(63.0, Posture::Guarded)], vec![(63.0, Posture::Siege)], vec![(0.0, Posture::Fortress)]] {
        let scenario = Scenario { postures, ..Scenario::default() };
        let quiet = run(&scenario.quiet(), Arm::Ours, 2);
        hold_the_promise(2, &quiet, &run(&scenario, Arm::Ours, 2), 1.5);
    }
    // Nobody has noticed yet: strangers hold loans, and give them back.
    let unnoticed = Scenario { postures: Vec::new(), ..Scenario::default() };
    let quiet = run(&unnoticed.quiet(), Arm::Ours, 2);
    let report = run(&unnoticed, Arm::Ours, 2);
    assert!(report.members.done_percent() >= quiet.members.done_percent() - 0.5);
    assert!(report.members.ttft(99) <= 1_000, "{} ms", report.members.ttft(99));
}

#[test]
fn on_a_quiet_day_newcomers_are_served_like_members() {
    let scenario = Scenario { postures: Vec::new(), ..Scenario::default() };
    let report = run(&scenario.quiet(), Arm::Ours, 1);
    assert!(report.newcomers.done_percent() >= 99.5);
    assert_eq!(report.newcomers.cut, 0);
}

#[test]
fn an_install_without_members_serves_its_newcomers() {
    let scenario = Scenario { members: 0, newcomers: 150, postures: Vec::new(), attack: None, ..Scenario::default() };
    let report = run(&scenario, Arm::Ours, 1);
    assert!(report.newcomers.done_percent() >= 99.0, "{:.1} %", report.newcomers.done_percent());
}

#[test]
fn the_policies_rank_as_in_the_design() {
    let scenario = attacked(60.0);
    let of = |arm| run(&scenario, arm, 1);
    let (first_come, vtc, bands) = (of(Arm::FirstCome), of(Arm::VtcPerAccount), of(Arm::StrictBands));
    let (cohorts, reserve, ours) = (of(Arm::Cohorts), of(Arm::Reserve), of(Arm::Ours));
    assert!(first_come.members.done_percent() < 20.0);
    assert!(vtc.members.done_percent() < 20.0, "accounts are no scarce thing");
    assert!(bands.members.done_percent() > 95.0);
    assert!(cohorts.newcomers.done_percent() > 2.0 * bands.newcomers.done_percent());
    assert!(bands.members.ttft(99) > 4 * reserve.members.ttft(99), "a reserve in tokens, not in order alone");
    assert!(reserve.members.ttft(99) > ours.members.ttft(99), "slices");
}

fn hold_the_promise(seed: u64, quiet: &Report, report: &Report, factor: f64) {
    let (was, is) = (quiet.members.done_percent(), report.members.done_percent());
    assert!(is >= was - 0.5, "seed {seed}: {is:.2} % of members' requests done, {was:.2} % on a quiet day");
    let (was, is) = (quiet.members.ttft(99), report.members.ttft(99));
    let most = factor * f64::from(u32::try_from(was).unwrap());
    assert!(f64::from(u32::try_from(is).unwrap()) <= most, "seed {seed}: p99 {is} ms, {was} ms on a quiet day");
    assert_eq!(report.members.cut, 0);
}
