//! Runs one scenario live: starts everything, keeps time, lets break what is to break, and gathers what came out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::machine::{Cores, Watched, lower_priority, own_cpu_s, raise_file_limit};
use super::people::{PeopleFigures, PeopleTask};
use super::platform::{Keyring, Platform, member_name};
use super::{LiveError, Target, afterwards, arrivals, ask, attack, people, writers};
use crate::plan::asks;
use crate::random::Random;
use crate::report::{Machine, Mode, Run};
use crate::scenario::{FaultKind, Keys, Scenario, StoreKind};
use crate::tally::Tally;

/// From the start of the threads to the first second.
const LEAD: Duration = Duration::from_millis(300);

/// How often the run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a live drill is run.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// The binary that is the platform and the engine.
    pub program: PathBuf,
    /// Over the scenario's.
    pub seed: u64,
    /// Another gateway instead of a platform of our own.
    pub against: Option<Against>,
    /// A PostgreSQL address, for scenarios that need one.
    pub store_url: Option<String>,
    /// Arguments of `serve` besides.
    pub serve_args: Vec<String>,
    /// Set from outside to end it early.
    pub is_stopped: Arc<AtomicBool>,
}

/// A gateway that somebody else started on this machine.
#[derive(Debug, Clone)]
pub struct Against {
    /// Where.
    pub target: Target,
    /// The model that is named to it.
    pub model: String,
    /// Its process, to tell its CPU time.
    pub pid: Option<u32>,
    /// Headers that everybody sends to it.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Keys that it knows, instead of [`foreign_keys`].
    pub keyring: Option<Keyring>,
}

/// What the threads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) origin: Instant,
    pub(super) is_stopped: Arc<AtomicBool>,
    pub(super) members_sent: AtomicU64,
    pub(super) members_done: AtomicU64,
    pub(super) attacks_sent: AtomicU64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The phase's name.
    pub phase: &'a str,
    /// Seconds from the beginning.
    pub at_s: f64,
    /// Seconds in all.
    pub of_s: f64,
    /// Members' requests that ended.
    pub members_sent: u64,
    /// Those that were done.
    pub members_done: u64,
    /// Attackers' requests that ended.
    pub attacks_sent: u64,
}

/// Runs it; `watch` is told how far it is, ten times a second.
pub fn run(scenario: &Scenario, options: &LiveOptions, watch: &mut dyn FnMut(Progress<'_>)) -> Result<Run, LiveError> {
    raise_file_limit();
    let cores = Cores::find();
    if scenario.platform.store == StoreKind::Postgres && options.store_url.is_none() && options.against.is_none() {
        return Err(LiveError::Needs("a PostgreSQL address (--store)"));
    }
    let store_url = options.store_url.as_deref().filter(|_| scenario.platform.store == StoreKind::Postgres);
    let (platform, keyring) = match &options.against {
        None => {
            let (platform, keyring) = Platform::start(options, scenario, store_url, cores)?;
            (Some(platform), keyring)
        }
        Some(against) => (None, against.keyring.clone().unwrap_or_else(|| foreign_keys(scenario))),
    };
    if let Some(cores) = cores {
        cores.pin_generator();
    }
    let (target, model) = match (&options.against, &platform) {
        (Some(against), _) => (against.target, against.model.clone()),
        (None, Some(platform)) => (platform.public, "scripted".to_owned()),
        (None, None) => return Err(LiveError::Needs("a platform")),
    };
    let headers = options.against.as_ref().map(|against| against.headers.clone()).unwrap_or_default();
    let mut stage = Stage {
        scenario,
        options,
        asker: ask::Asker::new(target, &model, headers),
        keyring,
        shared: Arc::new(Shared {
            origin: Instant::now() + LEAD,
            is_stopped: Arc::clone(&options.is_stopped),
            members_sent: AtomicU64::new(0),
            members_done: AtomicU64::new(0),
            attacks_sent: AtomicU64::new(0),
        }),
        machine: Machine::default(),
        notes: Vec::new(),
        platform,
    };
    stage.run(watch)
}

struct Stage<'a> {
    scenario: &'a Scenario,
    options: &'a LiveOptions,
    asker: ask::Asker,
    keyring: Keyring,
    shared: Arc<Shared>,
    machine: Machine,
    notes: Vec<String>,
    platform: Option<Platform>,
}

type Thread<T> = JoinHandle<std::io::Result<T>>;

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<Thread<T>, LiveError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(LiveError::Generator)
}

fn join<T>(thread: Thread<T>) -> Result<T, LiveError> {
    let joined = thread.join().unwrap_or_else(|_| Err(std::io::Error::other("its thread ended")));
    joined.map_err(LiveError::Generator)
}

impl Stage<'_> {
    fn run(&mut self, watch: &mut dyn FnMut(Progress<'_>)) -> Result<Run, LiveError> {
        let scribes = match (&self.platform, self.scenario.writers) {
            (Some(platform), Some(plan)) => writers::prepare(platform, plan, &self.asker)?,
            _ => writers::Scribes::default(),
        };
        // Preparations took their time: the first second begins now.
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.origin = Instant::now() + LEAD;
        }
        let people = self.start_people()?;
        let attack = self.start_attack()?;
        let arrivals = self.start_arrivals()?;
        let writing = self.start_writers(scribes)?;
        self.keep_time(watch);
        let mut tally: Tally = join(attack)?;
        let people: PeopleFigures = join(people)?;
        let arrivals = arrivals.map(join).transpose()?;
        let written = writing.map(join).transpose()?;
        tally.add(&people.tally);
        let mut after = self.look_afterwards(&people, arrivals.as_ref(), written)?;
        after.leaked.extend((people.leaks > 0).then(|| format!("{} answers held another's text", people.leaks)));
        self.notes.append(&mut after.notes);
        Ok(Run {
            scenario: self.scenario.name.clone(),
            title: self.scenario.title.clone(),
            seed: self.options.seed,
            mode: Mode::Live,
            spans: self.scenario.spans(),
            tally,
            lateness: Some(people.lateness),
            arrivals: arrivals.map(|figures| figures.fates),
            machine: std::mem::take(&mut self.machine),
            lost: self.options.against.is_none().then_some(after.lost),
            leaked: self.options.against.is_none().then_some(after.leaked),
            notes: std::mem::take(&mut self.notes),
        })
    }

    fn start_people(&self) -> Result<Thread<PeopleFigures>, LiveError> {
        let robbed = self.scenario.attacks.values().filter(|attack| attack.keys == Keys::Stolen);
        let task = PeopleTask {
            scenario: self.scenario.clone(),
            seed: self.options.seed,
            asker: self.asker.clone(),
            asks: asks(self.scenario, self.options.seed),
            member_keys: self.keyring.members.clone(),
            newcomer_keys: self.keyring.newcomers.clone(),
            robbed: robbed.map(|attack| attack.accounts).max().unwrap_or(0),
            shared: Arc::clone(&self.shared),
        };
        spawn("people", move || people::run(task))
    }

    fn start_attack(&self) -> Result<Thread<Tally>, LiveError> {
        let keyring = &self.keyring;
        let keys =
            self.scenario.attacks.values().map(|attack| {
                attack::keys_of(attack, &keyring.new, &keyring.turned, &keyring.members, self.options.seed)
            });
        let task = attack::AttackTask {
            scenario: self.scenario.clone(),
            asker: self.asker.clone(),
            keys: keys.collect(),
            member_names: (0..self.scenario.members.accounts).map(member_name).collect(),
            shared: Arc::clone(&self.shared),
        };
        spawn("attack", move || {
            lower_priority();
            attack::run(task)
        })
    }

    fn start_arrivals(&self) -> Result<Option<Thread<arrivals::ArrivalFigures>>, LiveError> {
        let Some(plan) = self.scenario.arrivals.clone().filter(|_| self.platform.is_some()) else { return Ok(None) };
        let moments = crate::plan::arrivals(self.scenario, &plan, self.options.seed);
        let (asker, shared, seed) = (self.asker.clone(), Arc::clone(&self.shared), self.options.seed);
        let work = move || {
            // Solving takes its time; it must not be the members'.
            lower_priority();
            arrivals::run(&plan, moments, asker, shared, seed)
        };
        spawn("arrivals", work).map(Some)
    }

    fn start_writers(&self, scribes: writers::Scribes) -> Result<Option<Thread<writers::Written>>, LiveError> {
        let Some(plan) = self.scenario.writers.filter(|_| self.platform.is_some()) else { return Ok(None) };
        let (asker, shared, until) = (self.asker.clone(), Arc::clone(&self.shared), self.scenario.seconds());
        spawn("writers", move || writers::run(plan, scribes, &asker, &shared, until)).map(Some)
    }

    fn server(&self) -> Option<Watched> {
        match (&self.platform, &self.options.against) {
            (Some(platform), _) => Some(platform.watched()),
            (None, Some(against)) => against.pid.map(Watched),
            (None, None) => None,
        }
    }

    /// From the first second to the last: watches, measures, breaks.
    fn keep_time(&mut self, watch: &mut dyn FnMut(Progress<'_>)) {
        let (spans, of_s) = (self.scenario.spans(), self.scenario.seconds());
        let mut events = self.events();
        let mut phase = None;
        let mut next_memory_s = 0.0;
        self.machine.generator_cpu_s = own_cpu_s().unwrap_or(0.0);
        loop {
            let at_s = Instant::now().saturating_duration_since(self.shared.origin).as_secs_f64();
            let now_in = spans.iter().position(|(from, to)| (*from..*to).contains(&at_s));
            if now_in != phase {
                phase = now_in;
                self.machine.cpu_at_s.push(self.server().and_then(Watched::cpu_s).unwrap_or(0.0));
            }
            if at_s >= of_s || self.options.is_stopped.load(Ordering::Relaxed) {
                self.machine.cpu_at_s.resize(spans.len() + 1, self.machine.cpu_at_s.last().copied().unwrap_or(0.0));
                self.machine.generator_cpu_s = own_cpu_s().unwrap_or(0.0) - self.machine.generator_cpu_s;
                return;
            }
            if at_s >= next_memory_s {
                next_memory_s = at_s + 1.0;
                if let Some(memory) = self.server().and_then(Watched::memory_mb) {
                    self.machine.memory_mb.push(memory);
                }
            }
            while events.first().is_some_and(|(due_s, _)| *due_s <= at_s) {
                let (_, event) = events.remove(0);
                self.happen(&event);
            }
            watch(Progress {
                phase: phase.and_then(|at| self.scenario.phases.get(at)).map_or("", |phase| &phase.name),
                at_s,
                of_s,
                members_sent: self.shared.members_sent.load(Ordering::Relaxed),
                members_done: self.shared.members_done.load(Ordering::Relaxed),
                attacks_sent: self.shared.attacks_sent.load(Ordering::Relaxed),
            });
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn events(&self) -> Vec<(f64, Event)> {
        let mut events = Vec::new();
        for (phase, (from, _)) in self.scenario.phases.iter().zip(self.scenario.spans()) {
            events.extend(phase.posture.clone().map(|posture| (from, Event::Posture(posture))));
        }
        for fault in &self.scenario.faults {
            events.push((fault.at_s, Event::Breaks(fault.kind)));
            events.push((fault.at_s + fault.seconds, Event::Mends(fault.kind)));
        }
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        events
    }

    fn happen(&mut self, event: &Event) {
        let Some(platform) = &mut self.platform else { return };
        let done = match event {
            Event::Posture(posture) if posture == "auto" => platform.command(&["posture", "auto"], None).map(drop),
            Event::Posture(posture) => platform.command(&["posture", "set", posture], None).map(drop),
            Event::Breaks(FaultKind::EngineDown) => {
                platform.kill_engine();
                Ok(())
            }
            Event::Mends(FaultKind::EngineDown) => platform.restart_engine(),
            Event::Breaks(FaultKind::PlatformKilled) => platform.kill_and_restart(),
            Event::Mends(FaultKind::PlatformKilled) => Ok(()),
            Event::Breaks(FaultKind::DatabaseDown) => platform.cut_store(true),
            Event::Mends(FaultKind::DatabaseDown) => platform.cut_store(false),
        };
        if let Err(error) = done {
            self.notes.push(format!("{event:?}: {error}"));
        }
    }

    fn look_afterwards(
        &mut self,
        people: &PeopleFigures,
        arrivals: Option<&arrivals::ArrivalFigures>,
        written: Option<writers::Written>,
    ) -> Result<afterwards::Findings, LiveError> {
        let Some(platform) = &mut self.platform else { return Ok(afterwards::Findings::default()) };
        afterwards::look(&mut afterwards::Evidence {
            platform,
            asker: &self.asker,
            keyring: &self.keyring,
            scenario: self.scenario,
            seed: self.options.seed,
            done_of: &people.done_of,
            registered: arrivals.map(|figures| figures.registered.as_slice()).unwrap_or_default(),
            written,
        })
    }
}

#[derive(Debug, Clone)]
enum Event {
    Posture(String),
    Breaks(FaultKind),
    Mends(FaultKind),
}

/// Keys for a gateway that has no accounts: the same for the same scenario, so that its configuration can be written beforehand.
pub fn foreign_keys(scenario: &Scenario) -> Keyring {
    let of = |name: &str, count: u32| -> Vec<String> {
        (0..count)
            .map(|number| {
                let mut random = Random::new(0x4b65_7973, u64::from(number) ^ (name.len() as u64) << 40);
                format!("sk-{name}-{number}-{:016x}", random.next())
            })
            .collect()
    };
    let most = |whose: Keys| {
        scenario.attacks.values().filter(|a| a.keys == whose).map(|attack| attack.accounts).max().unwrap_or(0)
    };
    Keyring {
        members: of("member", scenario.members.accounts),
        newcomers: of("newcomer", scenario.newcomers.as_ref().map_or(0, |people| people.accounts)),
        new: of("new", most(Keys::New)),
        turned: of("turned", most(Keys::Turned)),
    }
}
