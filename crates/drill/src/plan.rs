//! Who asks what at which moment: drawn from scenario and seed once, the same for world and live.

use std::net::Ipv4Addr;

use crate::random::Random;
use crate::scenario::{Arrivals, People, Scenario, SharedSources, Sources, Tokens};
use crate::tally::Group;

/// One request that an honest person will send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ask {
    /// When, in seconds from the beginning.
    pub(crate) at_s: f64,
    /// Members or newcomers.
    pub(crate) group: Group,
    /// Number of the account within its group.
    pub(crate) account: u32,
    /// Number of the address within its group.
    pub(crate) address: u32,
    /// Prompt's length.
    pub(crate) prompt_tokens: u32,
    /// `max_tokens`.
    pub(crate) answer_tokens: u32,
    /// It opens a connection of its own.
    pub(crate) is_fresh: bool,
}

/// All requests of members and honest newcomers, in order of time.
pub(crate) fn asks(scenario: &Scenario, seed: u64) -> Vec<Ask> {
    let mut all = Vec::new();
    draw(&mut all, scenario, &scenario.members, Group::Members, seed);
    if let Some(newcomers) = &scenario.newcomers {
        draw(&mut all, scenario, newcomers, Group::Newcomers, seed);
    }
    all.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    all
}

fn draw(all: &mut Vec<Ask>, scenario: &Scenario, people: &People, group: Group, seed: u64) {
    let length_s = scenario.seconds();
    let mut random = Random::new(seed, 1 + group as u64);
    let mut at_s = 0.0;
    loop {
        at_s += random.exponential(1.0 / people.rate_per_s);
        if at_s >= length_s {
            return;
        }
        let account = small(random.below(u64::from(people.accounts)));
        let ask = Ask {
            at_s,
            group,
            account,
            address: account % people.addresses.max(1),
            prompt_tokens: draw_tokens(people.prompt_tokens, &mut random),
            answer_tokens: draw_tokens(people.answer_tokens, &mut random),
            is_fresh: random.below(100) < u64::from(people.fresh_connections_percent),
        };
        // Drawn all the same, so that what one phase asks does not depend on the others.
        let now = scenario.phases.iter().zip(scenario.spans()).find(|(_, (from, to))| (*from..*to).contains(&at_s));
        if people.during.is_empty() || now.is_some_and(|(phase, _)| people.during.contains(&phase.name)) {
            all.push(ask);
        }
    }
}

fn draw_tokens(tokens: Tokens, random: &mut Random) -> u32 {
    match tokens {
        Tokens::Fixed(tokens) => tokens,
        Tokens::Drawn(drawn) => {
            let value = random.lognormal(drawn.median.max(1.0).ln(), drawn.sigma).round();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range of u32")]
            let value = value.clamp(1.0, f64::from(drawn.most)) as u32;
            value
        }
    }
}

/// When honest people come to register, in seconds, in order.
pub(crate) fn arrivals(scenario: &Scenario, arrivals: &Arrivals, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed, 3);
    let mut all = Vec::new();
    for (phase, (from, to)) in scenario.phases.iter().zip(scenario.spans()) {
        if !arrivals.during.contains(&phase.name) {
            continue;
        }
        let mut at = from + random.exponential(60.0 / arrivals.per_minute);
        while at < to {
            all.push(at);
            at += random.exponential(60.0 / arrivals.per_minute);
        }
    }
    all
}

/// A member's or newcomer's address: 127.20.x.y and 127.21.x.y, sixteen in a network.
pub(crate) fn address_of(group: Group, number: u32) -> Ipv4Addr {
    let second = if group == Group::Newcomers { 21 } else { 20 };
    Ipv4Addr::new(127, second, octet(number / 16), octet(number % 16 + 1))
}

/// An attacker's address: one of the members', or one of its own, each in a network of its own (127.64.0.0 and up).
pub(crate) fn attack_address(scenario: &Scenario, sources: Sources, client: u32) -> Ipv4Addr {
    match sources {
        Sources::Shared(SharedSources::Members) => {
            address_of(Group::Members, client % scenario.members.addresses.max(1))
        }
        Sources::Own(addresses) => {
            let number = client % addresses.max(1);
            Ipv4Addr::new(127, octet(64 + number / 250), octet(1 + number % 250), octet(1 + number * 7 % 250))
        }
    }
}

fn octet(number: u32) -> u8 {
    u8::try_from(number % 256).unwrap_or(0)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
