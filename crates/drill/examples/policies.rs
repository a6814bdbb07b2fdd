//! Prints the table of policies: `cargo run -p rempart-drill --example policies [SEEDS]`.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use rempart_domain::Posture;
use rempart_drill::world::{Arm, Attack, Report, Scenario, run};

fn row(name: &str, reports: &[Report], quiet: &[Report]) {
    let span = |of: &dyn Fn(&Report) -> f64| {
        let all: Vec<f64> = reports.iter().map(of).collect();
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        let most = all.iter().copied().fold(0.0, f64::max);
        (least, most)
    };
    let members = span(&|r| r.members.done_percent());
    let p50 = span(&|r| f64::from(u32::try_from(r.members.ttft(50)).unwrap_or(u32::MAX)) / 1e3);
    let p99 = span(&seconds);
    let newcomers = span(&|r| r.newcomers.done_percent());
    let attackers = span(&|r| r.attackers.done_percent());
    let worst = reports.iter().zip(quiet).map(|(is, was)| seconds(is) / seconds(was)).fold(0.0, f64::max);
    println!(
        "| {name} | {:.1}-{:.1} % | {:.2}-{:.2} | {:.2}-{:.2} | {worst:.2} | {:.1}-{:.1} % | {:.1}-{:.1} % |",
        members.0, members.1, p50.0, p50.1, p99.0, p99.1, newcomers.0, newcomers.1, attackers.0, attackers.1
    );
}

fn seconds(report: &Report) -> f64 {
    f64::from(u32::try_from(report.members.ttft(99)).unwrap_or(u32::MAX)) / 1e3
}

fn main() {
    let seeds: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    let each = |scenario: &Scenario, arm| -> Vec<Report> { (1..=seeds).map(|seed| run(scenario, arm, seed)).collect() };
    let at = |postures: Vec<(f64, Posture)>| Scenario { postures, ..Scenario::default() };
    let base = Scenario::default();

    println!(
        "| policy | members done | their TTFT p50 s | p99 s | worst seed's p99 ÷ its quiet | honest newcomers done | attackers done |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let quiet = each(&base.quiet(), Arm::Ours);
    row("no attack", &quiet, &quiet);
    for arm in Arm::ALL {
        row(arm.as_str(), &each(&base, arm), &quiet);
    }
    println!();
    let shipped = [
        ("quiet, calm", at(vec![]).quiet()),
        ("calm throughout", at(vec![])),
        ("guarded 3 s after it begins", at(vec![(63.0, Posture::Guarded)])),
        ("siege 3 s after it begins", at(vec![(63.0, Posture::Siege)])),
        ("siege from the start", at(vec![(0.0, Posture::Siege)])),
        ("fortress from the start", at(vec![(0.0, Posture::Fortress)])),
    ];
    for (name, scenario) in shipped {
        row(name, &each(&scenario, Arm::Ours), &quiet);
    }
    for rate in [600.0, 3_000.0] {
        let attack = Some(Attack { rate, ..Attack::default() });
        row(&format!("guarded, {rate} req/s"), &each(&Scenario { attack, ..Scenario::default() }, Arm::Ours), &quiet);
    }
}
