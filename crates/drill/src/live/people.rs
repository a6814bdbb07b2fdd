//! Honest people, live: an open loop. Each request is sent at its moment, whatever became of those before; times count from the moment.
//!
//! What must stay true: the moments are fixed before the run begins; how late the generator itself was is measured and told, and a run
//! in which it was too late does not count.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{HeaderValue, Request};
use http_body_util::Full;
use tokio::task::{JoinSet, LocalSet};

use super::answer::Ending;
use super::ask::{Asker, bearer, canary_of, prompt_of};
use super::line::{Line, Told};
use super::stage::Shared;
use crate::plan::{Ask, address_of};
use crate::scenario::{People, Scenario};
use crate::tally::{Fate, Group, Outcome, Tally};

/// Connections kept for one address.
const KEPT_PER_ADDRESS: usize = 64;

/// After the first text, so long is waited for the end.
const REST_OF_ANSWER: Duration = Duration::from_secs(60);

/// After the run's end, so long is waited for what is in flight.
const GRACE: Duration = Duration::from_secs(12);

/// What the thread hands back.
#[derive(Debug)]
pub(super) struct PeopleFigures {
    pub(super) tally: Tally,
    /// How late the generator sent, in microseconds.
    pub(super) lateness: Histogram<u64>,
    /// Answers in which somebody else's canary was.
    pub(super) leaks: u64,
    /// Done requests of each member, for the ledger.
    pub(super) done_of: HashMap<u32, u64>,
}

/// Keys of one group, in the order of its accounts.
pub(super) type Keys = Vec<String>;

struct Caller {
    asker: Asker,
    members: People,
    newcomers: Option<People>,
    member_keys: Vec<HeaderValue>,
    newcomer_keys: Vec<HeaderValue>,
    robbed: u32,
    seed: u64,
    lines: RefCell<HashMap<Ipv4Addr, Vec<Line>>>,
    figures: RefCell<PeopleFigures>,
    shared: Arc<Shared>,
}

/// What the thread needs.
pub(super) struct PeopleTask {
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) asker: Asker,
    pub(super) asks: Vec<Ask>,
    pub(super) member_keys: Keys,
    pub(super) newcomer_keys: Keys,
    /// The first so many members had their keys stolen.
    pub(super) robbed: u32,
    pub(super) shared: Arc<Shared>,
}

/// Sends everything; returns when all is over.
pub(super) fn run(task: PeopleTask) -> std::io::Result<PeopleFigures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lateness = Histogram::new_with_bounds(1, 600_000_000, 3).map_err(std::io::Error::other)?;
    let figures =
        PeopleFigures { tally: Tally::new(task.scenario.spans()), lateness, leaks: 0, done_of: HashMap::new() };
    let caller = Rc::new(Caller {
        asker: task.asker,
        members: task.scenario.members.clone(),
        newcomers: task.scenario.newcomers.clone(),
        member_keys: task.member_keys.iter().map(|key| bearer(key)).collect(),
        newcomer_keys: task.newcomer_keys.iter().map(|key| bearer(key)).collect(),
        robbed: task.robbed,
        seed: task.seed,
        lines: RefCell::new(HashMap::new()),
        figures: RefCell::new(figures),
        shared: task.shared,
    });
    LocalSet::new().block_on(&runtime, send_all(Rc::clone(&caller), task.asks));
    drop(runtime);
    Rc::into_inner(caller)
        .map(|caller| caller.figures.into_inner())
        .ok_or_else(|| std::io::Error::other("somebody still asks"))
}

async fn send_all(caller: Rc<Caller>, asks: Vec<Ask>) {
    let mut under_way = JoinSet::new();
    for ask in asks {
        let due = caller.shared.origin + Duration::from_secs_f64(ask.at_s);
        tokio::time::sleep_until(due.into()).await;
        if caller.shared.is_stopped.load(Ordering::Relaxed) {
            break;
        }
        let late = due.elapsed();
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        caller.figures.borrow_mut().lateness.saturating_record(micros.max(1));
        let caller = Rc::clone(&caller);
        under_way.spawn_local(async move { caller.ask(ask, due).await });
        while under_way.try_join_next().is_some() {}
    }
    let all_over = async { while under_way.join_next().await.is_some() {} };
    let _some_left = tokio::time::timeout(GRACE, all_over).await;
    under_way.shutdown().await;
}

impl Caller {
    async fn ask(&self, ask: Ask, due: Instant) {
        let Some(people) = self.people(ask.group) else { return };
        let canary = canary_of(self.seed, ask.group, ask.account);
        let prompt = prompt_of(&canary, ask.prompt_tokens);
        let body = self.asker.chat_body(&prompt, ask.answer_tokens, people.stream);
        let keys = if ask.group == Group::Newcomers { &self.newcomer_keys } else { &self.member_keys };
        let key = keys.get(usize::try_from(ask.account).unwrap_or(usize::MAX));
        let patience = Duration::from_secs_f64(people.patience_s);
        let longest = people.whole_within_s.map_or(patience + REST_OF_ANSWER, Duration::from_secs_f64);
        let has_first = Cell::new(false);
        let gives_up = async {
            tokio::time::sleep_until((due + patience.min(longest)).into()).await;
            if has_first.get() {
                tokio::time::sleep_until((due + longest).into()).await;
            }
        };
        // Whoever gives up drops the connection with the answer.
        let told = tokio::select! {
            told = self.answer(&ask, people, (key, &body, &canary), &has_first) => Some(told),
            () = gives_up => None,
        };
        let total = due.elapsed();
        let first = told.as_ref().and_then(|told| told.first).map(|at| at.saturating_duration_since(due));
        let is_late = first.is_none_or(|first| first > patience);
        let fate = match told.as_ref().map(|told| &told.ending) {
            None => Fate::Late,
            Some(Ending::Done) if is_late => Fate::Late,
            Some(Ending::Done) => Fate::Done,
            Some(Ending::Refused(reason)) => Fate::Refused(reason.clone()),
            Some(Ending::Cut) => Fate::Cut,
            Some(Ending::Broken) => Fate::Broken,
        };
        self.note(&ask, &Outcome { fate, first, total }, told.is_some_and(|told| told.is_leak));
    }

    const fn people(&self, group: Group) -> Option<&People> {
        match group {
            Group::Newcomers => self.newcomers.as_ref(),
            _ => Some(&self.members),
        }
    }

    fn note(&self, ask: &Ask, outcome: &Outcome, is_leak: bool) {
        let is_robbed = ask.group == Group::Members && ask.account < self.robbed;
        let group = if is_robbed { Group::Robbed } else { ask.group };
        let mut figures = self.figures.borrow_mut();
        figures.tally.count(group, ask.at_s, outcome);
        figures.leaks += u64::from(is_leak);
        let is_done = outcome.fate == Fate::Done;
        if group == Group::Members {
            self.shared.members_sent.fetch_add(1, Ordering::Relaxed);
            self.shared.members_done.fetch_add(u64::from(is_done), Ordering::Relaxed);
            if is_done {
                *figures.done_of.entry(ask.account).or_insert(0) += 1;
            }
        }
    }

    async fn answer(
        &self,
        ask: &Ask,
        people: &People,
        (key, body, canary): (Option<&HeaderValue>, &Bytes, &str),
        has_first: &Cell<bool>,
    ) -> Told {
        let address = address_of(ask.group, ask.address);
        let request = || -> Request<Full<Bytes>> { self.asker.chat(key, body.clone()) };
        // A kept connection may have been closed by the server meanwhile: then, as any client, once more on a new one.
        if !ask.is_fresh
            && let Some(mut line) = self.take(address).await
        {
            let told = line.ask_seen(request(), people.stream, canary, has_first).await;
            let may_retry = told.ending == Ending::Broken && told.status == 0;
            self.keep(address, line);
            if !may_retry {
                return told;
            }
        }
        let connected = self.asker.target.connect(address, None, Duration::from_secs(30)).await;
        let Ok(stream) = connected else { return Told::broken() };
        let Some(mut line) = Line::begin(stream).await else { return Told::broken() };
        let told = line.ask_seen(request(), people.stream, canary, has_first).await;
        if !ask.is_fresh {
            self.keep(address, line);
        }
        told
    }

    async fn take(&self, address: Ipv4Addr) -> Option<Line> {
        loop {
            let mut line = self.lines.borrow_mut().get_mut(&address)?.pop()?;
            if line.is_ready().await {
                return Some(line);
            }
        }
    }

    fn keep(&self, address: Ipv4Addr, line: Line) {
        let mut lines = self.lines.borrow_mut();
        let kept = lines.entry(address).or_default();
        if line.is_open() && kept.len() < KEPT_PER_ADDRESS {
            kept.push(line);
        }
    }
}
