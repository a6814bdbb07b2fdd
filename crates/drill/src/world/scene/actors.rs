//! Who asks: honest people at their moments, attackers as soon as they were answered.

use rempart_domain::Band;

use super::path::{Request, Wants};
use super::{Happening, Scene, to_us};
use crate::plan::{address_of, attack_address};
use crate::scenario::{Attack, AttackKind, Keys, Scenario};
use crate::tally::{Fate, Group};

/// After the first text, so long is waited for the end, as live.
const REST_OF_ANSWER_S: f64 = 60.0;

/// Clients begin within this time, as live.
const RAMP_US: u64 = 500_000;

/// A reader who takes nothing stays so long, as live.
const SLOW_READER_STAYS_US: u64 = 30_000_000;

/// A head that does not end is given up by the platform after this time (`header_deadline_ms`).
const SLOW_HEAD_STAYS_US: u64 = 5_000_000;

/// Numbers of accounts begin here for each group, so that none is two.
const NEWCOMERS_FROM: u64 = 1 << 32;
const NEW_FROM: u64 = 2 << 32;
const TURNED_FROM: u64 = 3 << 32;

/// Honest newcomers were made minutes apart, accounts made for an attack in one minute.
const NEWCOMERS_FROM_MINUTE: u64 = 1_000;
const ATTACKERS_MINUTE: u64 = 1;

/// Scripted tokens are four bytes.
const BYTES_PER_TOKEN: u32 = 4;

/// All attacking clients.
#[derive(Debug)]
pub(super) struct Clients {
    forces: Vec<Force>,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Force {
    attack: Attack,
    spans_us: Vec<(u64, u64)>,
    next_at_us: u64,
}

#[derive(Debug, Clone, Copy)]
struct Client {
    force: usize,
    number: u32,
    turn: u32,
    has_connection: bool,
}

impl Clients {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut all = Self { forces: Vec::new(), clients: Vec::new() };
        for attack in scenario.attacks.values() {
            let spans = scenario.spans_of(attack);
            let force = all.forces.len();
            all.clients.extend((0..attack.clients).map(|number| Client {
                force,
                number,
                turn: 0,
                has_connection: false,
            }));
            all.forces.push(Force {
                attack: attack.clone(),
                spans_us: spans.into_iter().map(|(from, to)| (to_us(from), to_us(to))).collect(),
                next_at_us: 0,
            });
        }
        all
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.clients.len()).unwrap_or(u32::MAX)
    }

    fn client(&self, client: u32) -> Option<Client> {
        self.clients.get(usize::try_from(client).ok()?).copied()
    }

    pub(super) fn first_at(&self, client: u32) -> Option<u64> {
        self.at_or_after(client, 0)
    }

    /// The next moment from `at_us` on in which this client is there; a span begins with a ramp.
    fn at_or_after(&self, client: u32, at_us: u64) -> Option<u64> {
        let who = self.client(client)?;
        let force = self.forces.get(who.force)?;
        let ramp = RAMP_US * u64::from(who.number) / u64::from(force.attack.clients.max(1));
        let span = force.spans_us.iter().find(|(_, to)| *to > at_us)?;
        Some(at_us.max(span.0 + ramp)).filter(|at| *at < span.1)
    }
}

impl Scene<'_> {
    pub(super) fn ask(&mut self, at: usize) {
        let Some(ask) = self.asks.get(at).copied() else { return };
        let is_newcomer = ask.group == Group::Newcomers;
        let people = match (&self.scenario.newcomers, is_newcomer) {
            (Some(newcomers), true) => newcomers,
            _ => &self.scenario.members,
        };
        let longest_s = people.whole_within_s.unwrap_or(people.patience_s + REST_OF_ANSWER_S);
        let stolen = self.scenario.attacks.values().filter(|attack| attack.keys == Keys::Stolen);
        let robbed = stolen.map(|attack| attack.accounts).max().unwrap_or(0);
        let group = if !is_newcomer && ask.account < robbed { Group::Robbed } else { ask.group };
        let request = Request {
            group,
            client: None,
            account: u64::from(ask.account) + if is_newcomer { NEWCOMERS_FROM } else { 0 },
            network: network_of(address_of(ask.group, ask.address)),
            minute: NEWCOMERS_FROM_MINUTE + u64::from(ask.account) * 7,
            band: if is_newcomer { Band::Newcomer } else { Band::Member },
            wants: Wants::Text { is_stream: people.stream, leaves_at_first: false, stays_us: 0 },
            has_bad_key: false,
            input: ask.prompt_tokens,
            output_cap: ask.answer_tokens,
            sent_us: self.now_us,
            patience_us: to_us(people.patience_s),
            ..Request::default()
        };
        let patience_us = to_us(people.patience_s.min(longest_s));
        let ticket = self.send(request, ask.is_fresh);
        self.plan(self.now_us + patience_us, Happening::Impatient(ticket));
        self.plan(self.now_us + to_us(longest_s), Happening::GiveUp(ticket));
    }

    pub(super) fn attack(&mut self, client: u32) {
        let Some(who) = self.clients.client(client) else { return };
        match self.clients.at_or_after(client, self.now_us) {
            Some(at_us) if at_us > self.now_us => return self.plan(at_us, Happening::Client(client)),
            Some(_) => {}
            None => return,
        }
        let Some(force) = self.clients.forces.get_mut(who.force) else { return };
        if let Some(rate) = force.attack.rate_per_s {
            if force.next_at_us > self.now_us {
                let at_us = force.next_at_us;
                return self.plan(at_us, Happening::Client(client));
            }
            force.next_at_us = self.now_us.max(force.next_at_us) + to_us(1.0 / rate);
        }
        let attack = force.attack.clone();
        let keeps = matches!(
            attack.kind,
            AttackKind::Completions | AttackKind::Registrations | AttackKind::SignIns | AttackKind::Challenges
        );
        let is_fresh = !keeps || !who.has_connection;
        if let Some(stored) = usize::try_from(client).ok().and_then(|at| self.clients.clients.get_mut(at)) {
            stored.turn = stored.turn.wrapping_add(1);
            stored.has_connection = keeps;
        }
        let request = self.attacking(&attack, client, who);
        self.send(request, is_fresh);
    }

    fn attacking(&self, attack: &Attack, client: u32, who: Client) -> Request {
        let turn = u64::from(who.number) + u64::from(who.turn) * u64::from(attack.clients);
        let account = turn % u64::from(attack.accounts.max(1));
        let (account, band) = match attack.keys {
            Keys::New => (account + NEW_FROM, Band::Newcomer),
            Keys::Turned => (account + TURNED_FROM, Band::Member),
            Keys::Stolen => (account, Band::Member),
            Keys::Invalid => (0, Band::Visitor),
        };
        let wants = match attack.kind {
            AttackKind::Completions => Wants::Text { is_stream: attack.stream, leaves_at_first: false, stays_us: 0 },
            AttackKind::SlowReaders => {
                Wants::Text { is_stream: true, leaves_at_first: false, stays_us: SLOW_READER_STAYS_US }
            }
            AttackKind::Disconnects => Wants::Text { is_stream: true, leaves_at_first: true, stays_us: 0 },
            AttackKind::Registrations | AttackKind::SignIns => Wants::Hash,
            AttackKind::Challenges => Wants::Challenge,
            AttackKind::Connections => Wants::Connection { stays_us: 0 },
            // The platform ends such a head after some seconds.
            AttackKind::SlowHeads => Wants::Connection { stays_us: SLOW_HEAD_STAYS_US },
        };
        Request {
            group: Group::Attackers,
            client: Some(client),
            account,
            network: network_of(attack_address(self.scenario, attack.sources, who.number)),
            minute: ATTACKERS_MINUTE,
            band,
            wants,
            has_bad_key: attack.keys == Keys::Invalid && attack.kind.asks_for_text(),
            input: attack.prompt_bytes / BYTES_PER_TOKEN,
            output_cap: attack.max_tokens,
            sent_us: self.now_us,
            patience_us: 60_000_000,
            ..Request::default()
        }
    }

    /// An attacker was answered and asks again.
    pub(super) fn comes_again(&mut self, client: u32) {
        let Some(force) = self.clients.client(client).and_then(|who| self.clients.forces.get(who.force)) else {
            return;
        };
        let pause_us = force.attack.pause_ms * 1_000;
        let at_us = self.generator.work(self.now_us, self.costs.generator_us) + pause_us;
        self.plan(at_us, Happening::Client(client));
    }

    /// Without a first text nobody waits for the rest.
    pub(super) fn lose_patience(&mut self, ticket: u64) {
        if self.requests.get(&ticket).is_some_and(|request| request.first_us.is_none()) {
            self.give_up(ticket);
        }
    }

    /// Whoever waits too long leaves; what they had is given back.
    pub(super) fn give_up(&mut self, ticket: u64) {
        if let Some(request) = self.abandon(ticket) {
            self.note(&request, Fate::Late);
        }
    }
}

/// What a cohort of strangers shares: the /24.
fn network_of(address: std::net::Ipv4Addr) -> u64 {
    u64::from(address.to_bits() >> 8)
}
