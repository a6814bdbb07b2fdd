//! A scenario file in virtual time: the same people and attackers as live, before the product's own admission, metering and scripted
//! engine. Only what is not ours is modelled: the server's core, the generator's core and the password pool, as lines of work.
//!
//! What must stay true: no decision is taken here that the product takes; the same file and seed give the same run.

mod actors;
mod core;
mod path;
mod watch;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use rempart_admission::cohort::Cohorts;
use rempart_admission::{Decision, Machine, TicketId};
use rempart_domain::{Millis, Posture};
use rempart_engine::scripted::machine::{Event as EngineEvent, Machine as EngineMachine, Nanos, Script};
use rempart_metering::{Limits as MeterLimits, Meter};

use self::actors::Clients;
use self::core::{Costs, Server, WorkLine};
use self::path::{Request, machine_limits};
use self::watch::{SECOND_US, Watch};
use crate::plan::{Ask, asks};
use crate::report::{Machine as MachineSeen, Mode, Run};
use crate::scenario::{FaultKind, Scenario};
use crate::tally::{Fate, Group, Outcome, Tally};

/// Why a scenario has no world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The world has no such thing.
    #[error("the world has no {0}; run this scenario live")]
    Lacks(&'static str),
}

/// How often admission ticks, as the gateway's upkeep does.
const TICK_US: u64 = 50_000;

/// Events of one run; more is a world that does not end.
const EVENTS_MAX: u64 = 400_000_000;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// An honest person asks.
    Ask(usize),
    /// An attacking client asks.
    Client(u32),
    /// A request reaches admission.
    Decide(u64),
    /// An answer, or a refusal, reaches its reader.
    Told(u64),
    /// The first text reaches its reader.
    First(u64),
    /// The one who asked leaves if there is no text yet.
    Impatient(u64),
    /// The one who asked gives up.
    GiveUp(u64),
    /// A password was hashed.
    Hashed(u64),
    /// The engine has something to tell.
    Engine,
    /// Admission ticks.
    Tick,
    /// Posture and conduct are looked at.
    Second,
    /// A phase begins.
    Phase(usize),
    /// The engine dies, or is back.
    EngineIs(bool),
}

/// Runs a scenario in virtual time.
pub fn run_scenario(scenario: &Scenario, seed: u64) -> Result<Run, WorldError> {
    for fault in &scenario.faults {
        match fault.kind {
            FaultKind::EngineDown | FaultKind::DatabaseDown => {}
            FaultKind::PlatformKilled => return Err(WorldError::Lacks("process that could be killed")),
        }
    }
    let mut scene = Scene::new(scenario, seed);
    scene.run();
    let mut notes = std::mem::take(&mut scene.notes);
    if scenario.arrivals.is_some() {
        notes.push("registration by honest people is judged live only".to_owned());
    }
    let lost = (scene.meter.charged() != scene.used)
        .then(|| format!("charged {} tokens, used {}", scene.meter.charged(), scene.used));
    Ok(Run {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        seed,
        mode: Mode::World,
        spans: scenario.spans(),
        tally: scene.tally,
        lateness: None,
        arrivals: None,
        machine: MachineSeen::default(),
        lost: Some(lost.into_iter().collect()),
        leaked: None,
        notes,
    })
}

struct Scene<'a> {
    scenario: &'a Scenario,
    costs: Costs,
    now_us: u64,
    end_us: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    asks: Vec<Ask>,
    clients: Clients,
    requests: HashMap<u64, Request>,
    next_ticket: u64,
    server: Server,
    generator: WorkLine,
    hashing: WorkLine,
    hashes_waiting: u32,
    gate: Machine,
    cohorts: Cohorts,
    meter: Meter,
    watch: Watch,
    engine: EngineMachine,
    engine_is_up: bool,
    engine_wakes_us: Option<u64>,
    decisions: Vec<Decision>,
    engine_events: Vec<EngineEvent>,
    used: u64,
    tally: Tally,
    notes: Vec<String>,
}

impl<'a> Scene<'a> {
    fn new(scenario: &'a Scenario, seed: u64) -> Self {
        let shape = scenario.engine;
        let script = Script {
            sequences: shape.sequences,
            kv_tokens: shape.kv_tokens,
            prefill_tps: shape.prefill_tps,
            decode_tps: shape.decode_tps,
            tokens: shape.tokens,
        };
        Self {
            scenario,
            costs: Costs::default(),
            now_us: 0,
            end_us: to_us(scenario.seconds()),
            order: 0,
            queue: BinaryHeap::new(),
            asks: asks(scenario, seed),
            clients: Clients::new(scenario),
            requests: HashMap::new(),
            next_ticket: 0,
            server: Server::default(),
            generator: WorkLine::default(),
            hashing: WorkLine::default(),
            hashes_waiting: 0,
            gate: Machine::new(machine_limits(scenario), seed),
            cohorts: Cohorts::new(seed),
            meter: Meter::new(MeterLimits::default()),
            watch: Watch::new(scenario.platform.limits.get("demoted_members_percent").copied().unwrap_or(25)),
            engine: EngineMachine::new(script),
            engine_is_up: true,
            engine_wakes_us: None,
            decisions: Vec::new(),
            engine_events: Vec::new(),
            used: 0,
            tally: Tally::new(scenario.spans()),
            notes: Vec::new(),
        }
    }

    fn run(&mut self) {
        self.lay_out();
        let mut events = 0;
        while let Some(Reverse((at_us, _, happening))) = self.queue.pop() {
            // Honest people in flight at the end are let finish; nothing new begins.
            let is_over = at_us > self.end_us && !self.requests.values().any(Request::is_honest);
            if is_over || events >= EVENTS_MAX {
                break;
            }
            events += 1;
            self.now_us = self.now_us.max(at_us);
            self.happen(happening);
        }
        // What attackers had in flight is settled as the platform would.
        let left: Vec<u64> = self.requests.keys().copied().collect();
        for ticket in left {
            self.abandon(ticket);
        }
    }

    fn lay_out(&mut self) {
        for at in 0..self.asks.len() {
            let at_us = self.asks.get(at).map_or(0, |ask| to_us(ask.at_s));
            self.plan(at_us, Happening::Ask(at));
        }
        for client in 0..self.clients.len() {
            if let Some(at_us) = self.clients.first_at(client) {
                self.plan(at_us, Happening::Client(client));
            }
        }
        for (at, (from, _)) in self.scenario.spans().into_iter().enumerate() {
            self.plan(to_us(from), Happening::Phase(at));
        }
        for fault in &self.scenario.faults {
            if fault.kind == FaultKind::EngineDown {
                self.plan(to_us(fault.at_s), Happening::EngineIs(false));
                self.plan(to_us(fault.at_s + fault.seconds), Happening::EngineIs(true));
            }
        }
        self.plan(TICK_US, Happening::Tick);
        self.plan(SECOND_US, Happening::Second);
    }

    fn plan(&mut self, at_us: u64, happening: Happening) {
        self.order += 1;
        self.queue.push(Reverse((at_us, self.order, happening)));
    }

    fn now(&self) -> Millis {
        Millis(self.now_us / 1_000)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Ask(at) => self.ask(at),
            Happening::Client(client) => self.attack(client),
            Happening::Decide(ticket) => self.decide(ticket),
            Happening::Told(ticket) => self.told(ticket),
            Happening::First(ticket) => self.first_text(ticket),
            Happening::Impatient(ticket) => self.lose_patience(ticket),
            Happening::GiveUp(ticket) => self.give_up(ticket),
            Happening::Hashed(ticket) => self.hashed(ticket),
            Happening::Engine => {
                self.engine_wakes_us = None;
                self.with_engine(|_, _, _| ());
            }
            Happening::Tick => {
                let now = self.now();
                self.gate.tick(now, &mut self.decisions);
                self.follow();
                if self.now_us < self.end_us + 60_000_000 {
                    self.plan(self.now_us + TICK_US, Happening::Tick);
                }
            }
            Happening::Second => self.watch_second(),
            Happening::Phase(at) => self.begin_phase(at),
            Happening::EngineIs(is_up) => self.engine_is(is_up),
        }
    }

    fn begin_phase(&mut self, at: usize) {
        // A phase that says nothing leaves what holds; a word that is no posture (`auto`) gives it back.
        if let Some(word) = self.scenario.phases.get(at).and_then(|phase| phase.posture.as_deref()) {
            self.declare_posture(Posture::parse(word).ok());
        }
    }

    fn note(&mut self, request: &Request, fate: Fate) {
        let total = Duration::from_micros(self.now_us.saturating_sub(request.sent_us));
        let first = request.first_us.map(|at| Duration::from_micros(at.saturating_sub(request.sent_us)));
        self.tally.count(request.group, from_us(request.sent_us), &Outcome { fate, first, total });
        if request.group == Group::Attackers
            && let Some(client) = request.client
        {
            self.comes_again(client);
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a simulation, never negative")]
pub(super) fn to_us(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

#[allow(clippy::cast_precision_loss, reason = "an hour of microseconds is far below 2^52")]
pub(super) fn from_us(at_us: u64) -> f64 {
    at_us as f64 / 1e6
}

const fn nanos(at_us: u64) -> Nanos {
    Nanos::from_micros(at_us)
}

const fn ticket_id(ticket: u64) -> TicketId {
    TicketId(ticket)
}
