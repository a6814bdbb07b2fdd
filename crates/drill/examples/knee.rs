//! The attack at which members' p99 doubles when nothing protects them, and what the policy that ships makes of fifty times as much:
//! `cargo run --release -p rempart-drill --example knee [SEEDS]`.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use rempart_domain::Posture;
use rempart_drill::world::{Arm, Attack, Report, Scenario, run};

fn at(rate: f64, posture: Posture) -> Scenario {
    let attack = Some(Attack { rate, ..Attack::default() });
    Scenario { attack, postures: vec![(0.0, posture)], ..Scenario::default() }
}

fn p99(report: &Report) -> f64 {
    f64::from(u32::try_from(report.members.ttft(99)).unwrap_or(u32::MAX))
}

fn main() {
    let seeds: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    println!(
        "| seed | quiet p99 ms | first come: doubled at req/s | ours at 50 times: posture, members done (quiet), p99 ms, times quiet, newcomers |"
    );
    println!("| --- | --- | --- | --- |");
    for seed in 1..=seeds {
        let quiet = run(&Scenario::default().quiet(), Arm::Ours, seed);
        let unprotected = run(&Scenario::default().quiet(), Arm::FirstCome, seed);
        let doubled = (1..60)
            .map(f64::from)
            .map(|n| n * 0.25)
            .find(|rate| p99(&run(&at(*rate, Posture::Calm), Arm::FirstCome, seed)) >= 2.0 * p99(&unprotected));
        let Some(knee) = doubled else {
            println!("| {seed} | {} | over 15 | – |", p99(&quiet));
            continue;
        };
        for posture in [Posture::Guarded, Posture::Siege] {
            let report = run(&at(knee * 50.0, posture), Arm::Ours, seed);
            println!(
                "| {seed} | {} | {knee} | {posture}: {:.1} % ({:.1} %), {}, {:.2}, {:.1} % |",
                p99(&quiet),
                report.members.done_percent(),
                quiet.members.done_percent(),
                p99(&report),
                p99(&report) / p99(&quiet),
                report.newcomers.done_percent()
            );
        }
    }
}
