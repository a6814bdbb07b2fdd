//! What a parsed scenario must still satisfy: bounds, names that exist, phases that can be judged. All errors at once, a line each.

use rempart_domain::{GateLevel, Posture};

use super::{Attack, FaultKind, People, Role, Scenario, Sources, StoreKind};

/// Longest run, in seconds.
const SECONDS_MAX: f64 = 3_600.0;
/// Honest accounts of one group.
const ACCOUNTS_MAX: u32 = 100_000;
/// Attacking clients of one scenario: connections at once.
const CLIENTS_MAX: u32 = 8_192;
/// Addresses of one group.
const ADDRESSES_MAX: u32 = 16_384;
/// Honest requests a second.
const RATE_MAX: f64 = 2_000.0;
/// Longest prompt, in bytes.
const PROMPT_BYTES_MAX: u32 = 1_000_000;

/// All that is wrong with it.
pub(super) fn errors(scenario: &Scenario) -> Vec<String> {
    let mut found = Vec::new();
    check_phases(scenario, &mut found);
    let phases: Vec<&String> = scenario.phases.iter().map(|phase| &phase.name).collect();
    check_people("members", &scenario.members, &phases, &mut found);
    if let Some(newcomers) = &scenario.newcomers {
        check_people("newcomers", newcomers, &phases, &mut found);
    }
    let known = |name: &String| scenario.phases.iter().any(|phase| phase.name == *name);
    if let Some(arrivals) = &scenario.arrivals {
        within(&mut found, "arrivals.per_minute", arrivals.per_minute, 0.1, 6_000.0);
        within(&mut found, "arrivals.addresses", f64::from(arrivals.addresses), 1.0, f64::from(ADDRESSES_MAX));
        within(&mut found, "arrivals.patience_s", arrivals.patience_s, 0.1, SECONDS_MAX);
        for name in arrivals.during.iter().filter(|name| !known(name)) {
            found.push(format!("arrivals.during: no phase is named {name:?}"));
        }
    }
    if let Some(writers) = scenario.writers {
        within(&mut found, "writers.accounts", f64::from(writers.accounts), 1.0, 64.0);
        within(&mut found, "writers.gap_s", writers.gap_s, 0.1, SECONDS_MAX);
    }
    for (name, attack) in &scenario.attacks {
        check_attack(name, attack, scenario, &mut found);
        for phase in attack.during.iter().filter(|phase| !known(phase)) {
            found.push(format!("attacks.{name}.during: no phase is named {phase:?}"));
        }
    }
    let clients: u64 = scenario.attacks.values().map(|attack| u64::from(attack.clients)).sum();
    if clients > u64::from(CLIENTS_MAX) {
        found.push(format!("attacks: {clients} clients together, at most {CLIENTS_MAX}"));
    }
    check_platform(scenario, &mut found);
    found
}

fn check_phases(scenario: &Scenario, found: &mut Vec<String>) {
    if scenario.phases.is_empty() {
        found.push("phases: there is none".to_owned());
    }
    for (at, phase) in scenario.phases.iter().enumerate() {
        within(found, &format!("phases.{}.seconds", phase.name), phase.seconds, 0.5, SECONDS_MAX);
        if scenario.phases.iter().take(at).any(|other| other.name == phase.name) {
            found.push(format!("phases: two are named {:?}", phase.name));
        }
        if let Some(posture) = &phase.posture
            && posture != "auto"
            && Posture::parse(posture).is_err()
        {
            found.push(format!("phases.{}.posture: {posture:?} is no posture and not \"auto\"", phase.name));
        }
    }
    if scenario.seconds() > SECONDS_MAX {
        found.push(format!("phases: {} s together, at most {SECONDS_MAX}", scenario.seconds()));
    }
    let has = |role| scenario.phases.iter().any(|phase| phase.role == role);
    if has(Role::Attack) && !has(Role::Quiet) {
        found.push("phases: an attack is judged against a quiet phase, and there is none".to_owned());
    }
}

fn check_people(name: &str, people: &People, phases: &[&String], found: &mut Vec<String>) {
    within(found, &format!("{name}.accounts"), f64::from(people.accounts), 1.0, f64::from(ACCOUNTS_MAX));
    within(found, &format!("{name}.addresses"), f64::from(people.addresses), 1.0, f64::from(ADDRESSES_MAX));
    within(found, &format!("{name}.rate_per_s"), people.rate_per_s, 0.01, RATE_MAX);
    for phase in people.during.iter().filter(|phase| !phases.contains(phase)) {
        found.push(format!("{name}.during: no phase is named {phase:?}"));
    }
    within(found, &format!("{name}.patience_s"), people.patience_s, 0.05, 600.0);
    within(
        found,
        &format!("{name}.fresh_connections_percent"),
        f64::from(people.fresh_connections_percent),
        0.0,
        100.0,
    );
    for (what, tokens) in [("prompt_tokens", people.prompt_tokens), ("answer_tokens", people.answer_tokens)] {
        within(found, &format!("{name}.{what}"), f64::from(tokens.most()), 1.0, f64::from(PROMPT_BYTES_MAX / 4));
    }
}

fn check_attack(name: &str, attack: &Attack, scenario: &Scenario, found: &mut Vec<String>) {
    let key = |what: &str| format!("attacks.{name}.{what}");
    within(found, &key("clients"), f64::from(attack.clients), 1.0, f64::from(CLIENTS_MAX));
    within(found, &key("accounts"), f64::from(attack.accounts), 1.0, f64::from(ACCOUNTS_MAX));
    within(found, &key("prompt_bytes"), f64::from(attack.prompt_bytes), 1.0, f64::from(PROMPT_BYTES_MAX));
    if let Sources::Own(addresses) = attack.sources {
        within(found, &key("sources"), f64::from(addresses), 1.0, f64::from(ADDRESSES_MAX));
    }
    if let Some(rate) = attack.rate_per_s {
        within(found, &key("rate_per_s"), rate, 0.01, 1e6);
    }
    match (attack.on_s, attack.off_s) {
        (Some(on), Some(off)) => {
            within(found, &key("on_s"), on, 0.5, SECONDS_MAX);
            within(found, &key("off_s"), off, 0.5, SECONDS_MAX);
        }
        (None, None) => {}
        _ => found.push(format!("attacks.{name}: on_s and off_s go together")),
    }
    if attack.during.is_empty() {
        found.push(format!("attacks.{name}.during: it names no phase"));
    }
    if attack.keys == super::Keys::Stolen && attack.accounts >= scenario.members.accounts {
        found.push(format!("attacks.{name}.accounts: fewer than the members', or nobody is left to be judged"));
    }
}

fn check_platform(scenario: &Scenario, found: &mut Vec<String>) {
    if let Some(level) = &scenario.platform.registration
        && level != "auto"
        && GateLevel::parse(level).is_err()
    {
        found.push(format!("platform.registration: {level:?} is no gate level and not \"auto\""));
    }
    for (at, fault) in scenario.faults.iter().enumerate() {
        within(found, &format!("faults[{at}].at_s"), fault.at_s, 0.0, scenario.seconds());
        within(found, &format!("faults[{at}].seconds"), fault.seconds, 0.0, scenario.seconds());
        if fault.kind == FaultKind::DatabaseDown && scenario.platform.store == StoreKind::Sqlite {
            found.push(format!("faults[{at}]: a file cannot be out of reach; platform.store = \"postgres\""));
        }
    }
    let engine = scenario.engine;
    for (what, value) in [
        ("sequences", engine.sequences),
        ("kv_tokens", engine.kv_tokens),
        ("prefill_tps", engine.prefill_tps),
        ("decode_tps", engine.decode_tps),
        ("tokens", engine.tokens),
    ] {
        if value == 0 {
            found.push(format!("engine.{what}: it is above 0"));
        }
    }
}

fn within(found: &mut Vec<String>, what: &str, value: f64, least: f64, most: f64) {
    if !value.is_finite() || value < least || value > most {
        found.push(format!("{what} = {value}: it is between {least} and {most}"));
    }
}
