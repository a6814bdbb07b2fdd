//! Runs scenarios in virtual time over several seeds: `cargo run --release -p rempart-drill --example world NAME,NAME [SEEDS] [all]`; with `all`
//! each run's whole table. Then all seeds together: a single short quiet phase is a yardstick that differs by a third from seed to seed.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use rempart_drill::promises::{gather, judge};
use rempart_drill::report::to_lines;
use rempart_drill::scenario::{Role, load};
use rempart_drill::tally::{Figures, Group};
use rempart_drill::world::run_scenario;

fn main() {
    let mut args = std::env::args().skip(1);
    let names = args.next().unwrap_or_else(|| "quiet-day".to_owned());
    let seeds: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(5);
    let tells_all = args.next().is_some();
    for name in names.split(',') {
        let Ok(scenario) = load(name, None).inspect_err(|error| println!("{name}: {error}")) else { continue };
        let (mut quiet, mut attack, mut broken) = (Figures::default(), Figures::default(), 0);
        for seed in 1..=seeds {
            let Ok(run) = run_scenario(&scenario, seed).inspect_err(|error| println!("{name}: {error}")) else { break };
            let verdicts = judge(&scenario, &run);
            quiet.add(&gather(&scenario, &run, Role::Quiet, Group::Members));
            attack.add(&gather(&scenario, &run, Role::Attack, Group::Members));
            broken += u64::from(verdicts.iter().any(|v| !v.held));
            if tells_all {
                print!("{}", to_lines(&scenario, &run, &verdicts));
                continue;
            }
            let told: Vec<String> = verdicts
                .iter()
                .filter(|v| !v.held || v.name.starts_with("members"))
                .map(|v| format!("{}{} {:.1} ({:.1})", if v.held { "" } else { "BROKEN " }, v.name, v.value, v.limit))
                .collect();
            println!("{name} {seed}: {}", told.join(", "));
        }
        let (was, is) = (quiet.first_ms(0.99), attack.first_ms(0.99));
        println!(
            "{name} all: done {:.2} %, first token p99 quiet {was:.0} ms, attacked {is:.0} ms, {:.2}x; {broken} of {seeds} broken",
            attack.done_percent(),
            is / was
        );
    }
}
