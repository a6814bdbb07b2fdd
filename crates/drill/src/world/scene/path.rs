//! The path of a request, as the gateway goes it: key, budget, admission, engine, answer. The decisions are the product's machines'.

use rempart_admission::cohort::attribute;
use rempart_admission::{AccountKey, Capacity, Decision, Grant, Limits, Offer, Share, Shares, Verdict};
use rempart_defense::Act;
use rempart_domain::{AccountId, Band, Millis, ReasonCode, TokenCount, UnixSeconds, Usage};
use rempart_engine::scripted::machine::{Event as EngineEvent, EventKind, Machine as EngineMachine, Nanos};
use rempart_metering::{Budget, Hold, Moment, Payer, Reservation};

use super::{Happening, Scene, nanos, ticket_id};
use crate::scenario::Scenario;
use crate::tally::{Fate, Group};

/// Of the gateway: sequences' worth of KV tokens that may be in prefill at once.
const PREFILL_BURST_SEQUENCES: u64 = 4;

/// Passwords that wait to be hashed; more are refused, as in `identity`.
pub(super) const HASHES_WAITING_MAX: u32 = 64;

/// A day of the world, for budgets.
const WORLD_BEGINS: i64 = 1_700_000_000;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// An answer.
    Text {
        /// As it comes.
        is_stream: bool,
        /// Goes away with the first text.
        leaves_at_first: bool,
        /// Takes nothing and stays so long.
        stays_us: u64,
    },
    /// A password hashed or checked.
    Hash,
    /// A challenge.
    Challenge,
    /// A connection and no more.
    Connection {
        /// Holds it so long.
        stays_us: u64,
    },
}

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not yet with admission.
    Coming,
    /// In admission's queue.
    Waiting,
    /// At the engine.
    Running,
    /// Decided; its answer is on its way.
    Ended,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) group: Group,
    pub(super) client: Option<u32>,
    pub(super) account: u64,
    pub(super) network: u64,
    /// When its account was made.
    pub(super) minute: u64,
    pub(super) band: Band,
    pub(super) wants: Wants,
    pub(super) has_bad_key: bool,
    pub(super) input: u32,
    pub(super) output_cap: u32,
    pub(super) sent_us: u64,
    pub(super) patience_us: u64,
    pub(super) first_us: Option<u64>,
    pub(super) hold: Option<Hold>,
    pub(super) stage: Stage,
    pub(super) produced: u32,
    pub(super) fate: Option<Fate>,
    /// Tokens that its answer is expected to have.
    pub(super) expected: TokenCount,
    /// When admission was asked.
    pub(super) asked_us: u64,
    /// A member's, and many times what members usually ask.
    pub(super) is_heavy: bool,
    /// How long admission let it wait.
    pub(super) waited: Millis,
    /// When the engine's first token was there.
    pub(super) first_token_us: Option<u64>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            group: Group::Attackers,
            client: None,
            account: 0,
            network: 0,
            minute: 0,
            band: Band::Visitor,
            wants: Wants::Connection { stays_us: 0 },
            has_bad_key: false,
            input: 1,
            output_cap: 1,
            sent_us: 0,
            patience_us: 0,
            first_us: None,
            hold: None,
            stage: Stage::Coming,
            produced: 0,
            fate: None,
            expected: TokenCount(0),
            asked_us: 0,
            is_heavy: false,
            waited: Millis(0),
            first_token_us: None,
        }
    }
}

impl Request {
    pub(super) const fn is_honest(&self) -> bool {
        !matches!(self.group, Group::Attackers)
    }

    const fn is_stream(&self) -> bool {
        matches!(self.wants, Wants::Text { is_stream: true, .. })
    }

    /// What a stranger has in common with others, as the gateway sees it; programs are all alike here.
    const fn attributes(&self) -> [u64; 3] {
        [attribute(1, self.minute), attribute(2, self.network), attribute(3, self.network >> 8)]
    }

    /// What it is expected to weigh.
    fn estimate(&self) -> f64 {
        weight(TokenCount(self.input), self.expected)
    }

    const fn usage(&self) -> Usage {
        Usage {
            input: TokenCount(self.input),
            output: TokenCount(self.produced),
            reasoning: TokenCount(0),
            cached_input: TokenCount(0),
        }
    }
}

/// Weighted tokens, as admission charges them.
fn weight(input: TokenCount, output: TokenCount) -> f64 {
    f64::from(input.0) + 2.0 * f64::from(output.0)
}

/// What the gateway makes of an engine's capacity and the limits (`gateway::admit`).
pub(super) fn machine_limits(scenario: &Scenario) -> Limits {
    let shape = scenario.engine;
    let burst = u64::from(shape.kv_tokens / shape.sequences.max(1)) * PREFILL_BURST_SEQUENCES;
    let capacity =
        Capacity { sequences: shape.sequences, kv_tokens: u64::from(shape.kv_tokens), prefill_tokens: burst.max(1) };
    let limit = |name: &str, default: u64| {
        u32::try_from(scenario.platform.limits.get(name).copied().unwrap_or(default)).unwrap_or(u32::MAX)
    };
    let defaults = Limits::new(capacity);
    let strangers = u8::try_from(100_u32.saturating_sub(limit("members_share_percent", 65)).min(100)).unwrap_or(35);
    let mut by_posture = defaults.shares.by_posture;
    for share in &mut by_posture {
        *share = Share { strangers_percent: share.strangers_percent.min(strangers), ..*share };
    }
    let in_flight = limit("in_flight_per_account", 16);
    Limits {
        shares: Shares { by_posture, ..defaults.shares },
        queue_len_per_account: limit("queue_len_per_account", 4),
        queue_len_per_cohort: limit("queue_len_per_cohort", 64),
        queue_len_per_group: limit("queue_len", 4_096),
        queue_len_total: limit("queue_len", 4_096),
        in_flight_per_account: [in_flight, in_flight.min(4), 2],
        ..defaults
    }
}

impl Scene<'_> {
    fn moment(&self) -> Moment {
        let seconds = i64::try_from(self.now_us / 1_000_000).unwrap_or(0);
        Moment { now: self.now(), wall: UnixSeconds(WORLD_BEGINS + seconds) }
    }

    /// Puts a request on its way.
    pub(super) fn send(&mut self, request: Request, is_fresh: bool) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let costs = self.costs;
        let slowed = if self.hashing.is_busy(self.now_us) { 2 } else { 1 };
        let own = match request.wants {
            _ if request.has_bad_key => costs.bad_key_us,
            Wants::Connection { .. } => 0,
            Wants::Challenge => costs.challenge_us,
            Wants::Text { .. } | Wants::Hash => costs.request_us,
        };
        let connecting = if is_fresh { costs.connection_us } else { 0 };
        let at_us = self.server.work(request.band.is_member(), self.now_us + costs.way_us, (own + connecting) * slowed);
        self.requests.insert(ticket, request);
        self.plan(at_us, Happening::Decide(ticket));
        ticket
    }

    /// It is read: what becomes of it?
    pub(super) fn decide(&mut self, ticket: u64) {
        let Some(request) = self.requests.get(&ticket) else { return };
        match request.wants {
            _ if request.has_bad_key => self.end(ticket, Fate::Refused("invalid_api_key".to_owned()), 0),
            Wants::Connection { .. } | Wants::Challenge => self.end(ticket, Fate::Done, 0),
            Wants::Hash if self.hashes_waiting >= HASHES_WAITING_MAX => self.refuse(ticket, ReasonCode::Overloaded),
            Wants::Hash => {
                self.hashes_waiting += 1;
                // The pool's thread and the path share one core.
                let busy = if self.server.is_busy(self.now_us) { 2 } else { 1 };
                let at_us = self.hashing.work(self.now_us, self.costs.hash_us * busy);
                self.plan(at_us, Happening::Hashed(ticket));
            }
            Wants::Text { .. } => self.admit(ticket),
        }
    }

    pub(super) fn hashed(&mut self, ticket: u64) {
        self.hashes_waiting = self.hashes_waiting.saturating_sub(1);
        self.end(ticket, Fate::Done, self.costs.end_us);
    }

    fn admit(&mut self, ticket: u64) {
        let moment = self.moment();
        if !self.engine_is_up {
            return self.refuse(ticket, ReasonCode::EngineUnavailable);
        }
        let asked_us = self.now_us;
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        request.asked_us = asked_us;
        request.band = self.watch.band(moment.now, request.account, request.band);
        let account = AccountId::from_bits(request.account);
        let reservation = Reservation {
            payer: Payer { account, key: None },
            band: request.band,
            account_budget: Budget::of_band(request.band),
            key_budget: Budget::UNLIMITED,
            input: TokenCount(request.input),
            output_cap: TokenCount(request.output_cap),
        };
        let hold = match self.meter.reserve(moment, &reservation) {
            Ok(hold) => hold,
            Err(error) => return self.refuse(ticket, error.reason()),
        };
        let cap = hold.output_cap();
        let expected = self.meter.expected_output(account, request.band, cap);
        request.expected = expected;
        request.hold = Some(hold);
        request.stage = Stage::Waiting;
        let own = AccountKey(request.account);
        let cohort = if request.band.is_member() {
            own.own_cohort()
        } else {
            self.cohorts.choose(moment.now, own, &request.attributes())
        };
        let offer = Offer {
            ticket: ticket_id(ticket),
            band: request.band,
            cohort,
            account: own,
            input: TokenCount(request.input),
            output_cap: cap,
            output_expected: expected,
            deadline: moment.now
                + Millis(self.scenario.platform.limits.get("queue_wait_ms").copied().unwrap_or(60_000)),
        };
        let verdict = self.gate.offer(moment.now, offer, &mut self.decisions);
        self.carry_out(Decision { ticket: ticket_id(ticket), verdict });
        self.follow();
    }

    /// Does what was decided over others, until nothing more is decided.
    pub(super) fn follow(&mut self) {
        while !self.decisions.is_empty() {
            for decision in std::mem::take(&mut self.decisions) {
                self.carry_out(decision);
            }
        }
    }

    fn carry_out(&mut self, decision: Decision) {
        let ticket = decision.ticket.0;
        match decision.verdict {
            Verdict::Start(grant) => self.start(ticket, grant),
            Verdict::Refuse(refusal) => self.refuse(ticket, refusal.reason),
            Verdict::Revoke { .. } => self.revoke(ticket),
            Verdict::Wait { .. } => {}
        }
    }

    fn start(&mut self, ticket: u64, grant: Grant) {
        let Some(request) = self.requests.get_mut(&ticket) else {
            // Nobody waits for it any more.
            let now = self.now();
            self.gate.release(now, ticket_id(ticket), Usage::default(), &mut self.decisions);
            return;
        };
        let now = Millis(self.now_us / 1_000);
        request.stage = Stage::Running;
        request.waited = grant.waited;
        request.is_heavy = grant.is_heavy;
        self.watch.note(now, request, Act::Began(request.estimate()));
        let (input, cap) = (request.input, request.output_cap);
        // Generations are driven by the members' threads, whoever asked.
        self.server.work(true, self.now_us, self.costs.start_us);
        let mut is_taken = true;
        self.with_engine(|engine, now, out| is_taken = engine.offer(now, ticket, input, cap, out).is_ok());
        if !is_taken {
            self.release(ticket);
            self.refuse(ticket, ReasonCode::ContextLengthExceeded);
        }
    }

    /// A loan is called in: as the gateway does, a stream ends, and who had nothing yet is refused.
    fn revoke(&mut self, ticket: u64) {
        self.with_engine(|engine, now, out| {
            engine.cancel(now, ticket, out);
        });
        let Some(request) = self.requests.get(&ticket).filter(|request| request.stage == Stage::Running) else {
            return;
        };
        let has_text = request.produced > 0;
        self.release(ticket);
        if has_text {
            self.end(ticket, Fate::Cut, self.costs.end_us);
        } else {
            self.refuse(ticket, ReasonCode::Overloaded);
        }
    }

    /// Asks the engine's machine something, and passes on what it tells.
    pub(super) fn with_engine(&mut self, ask: impl FnOnce(&mut EngineMachine, Nanos, &mut Vec<EngineEvent>)) {
        let now = nanos(self.now_us);
        let mut events = std::mem::take(&mut self.engine_events);
        ask(&mut self.engine, now, &mut events);
        self.engine.advance(now, &mut events);
        let told: Vec<EngineEvent> = std::mem::take(&mut events);
        self.engine_events = events;
        for event in told {
            match event.kind {
                EventKind::Started => {}
                EventKind::Token { .. } => self.token(event.id),
                EventKind::Finished => self.finished(event.id),
            }
        }
        let next_us = self.engine.next_event_at().map(|at| at.0.div_ceil(1_000));
        if let Some(next_us) = next_us
            && self.engine_wakes_us.is_none_or(|planned| next_us < planned || planned < self.now_us)
        {
            self.engine_wakes_us = Some(next_us);
            self.plan(next_us, Happening::Engine);
        }
        self.follow();
    }

    fn token(&mut self, ticket: u64) {
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        let passed_us = self.server.work(request.band.is_member(), self.now_us, self.costs.token_us);
        request.produced += 1;
        request.first_token_us.get_or_insert(self.now_us);
        let is_first = request.produced == 1 && request.is_stream();
        let now = self.now();
        self.gate.progress(now, ticket_id(ticket), TokenCount(1), &mut self.decisions);
        if is_first {
            self.plan(passed_us + self.costs.way_us, Happening::First(ticket));
        }
    }

    pub(super) fn first_text(&mut self, ticket: u64) {
        let now_us = self.now_us;
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        request.first_us.get_or_insert(now_us);
        if matches!(request.wants, Wants::Text { leaves_at_first: true, .. })
            && let Some(request) = self.abandon(ticket)
        {
            self.note(&request, Fate::Done);
        }
    }

    fn finished(&mut self, ticket: u64) {
        self.release(ticket);
        self.end(ticket, Fate::Done, self.costs.end_us);
    }

    /// Gives back what a running request holds.
    fn release(&mut self, ticket: u64) {
        let (now, moment) = (self.now(), self.moment());
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        request.stage = Stage::Ended;
        let (usage, hold) = (request.usage(), request.hold.take());
        self.gate.release(now, ticket_id(ticket), usage, &mut self.decisions);
        if let Some(hold) = hold {
            self.used += u64::from(usage.input.0) + u64::from(usage.output.0);
            let more = weight(usage.input, usage.output) - request.estimate();
            self.watch.note(now, request, Act::Settled(more));
            self.meter.settle(moment, hold, usage);
        }
    }

    fn refuse(&mut self, ticket: u64, reason: ReasonCode) {
        let moment = self.moment();
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        if matches!(reason, ReasonCode::TooManyInFlight | ReasonCode::TooManyRequests) {
            self.watch.note(moment.now, request, Act::Refused);
        }
        if let Some(hold) = request.hold.take() {
            self.meter.settle(moment, hold, Usage::default());
        }
        self.end(ticket, Fate::Refused(reason.as_str().to_owned()), self.costs.refusal_us);
    }

    /// Its fate is known; its reader hears of it when the server comes to it.
    fn end(&mut self, ticket: u64, fate: Fate, cost_us: u64) {
        self.observe_end(ticket, &fate);
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        request.stage = Stage::Ended;
        request.fate = Some(fate);
        let stays_us = match request.wants {
            Wants::Text { stays_us, .. } | Wants::Connection { stays_us } if request.fate == Some(Fate::Done) => {
                stays_us
            }
            _ => 0,
        };
        let is_members = request.band.is_member();
        let at_us = self.server.work(is_members, self.now_us, cost_us) + self.costs.way_us + stays_us;
        self.plan(at_us, Happening::Told(ticket));
    }

    pub(super) fn told(&mut self, ticket: u64) {
        let Some(mut request) = self.requests.remove(&ticket) else { return };
        let fate = request.fate.take().unwrap_or(Fate::Broken);
        if fate == Fate::Done {
            request.first_us.get_or_insert(self.now_us);
        }
        let is_late = request.is_honest()
            && request.first_us.is_some_and(|first| first.saturating_sub(request.sent_us) > request.patience_us);
        let fate = if fate == Fate::Done && is_late { Fate::Late } else { fate };
        self.note(&request, fate);
    }

    /// Its client is gone: whatever it holds is given back.
    pub(super) fn abandon(&mut self, ticket: u64) -> Option<Request> {
        let now = self.now();
        let request = self.requests.get(&ticket)?;
        if request.stage != Stage::Ended && request.produced == 0 {
            self.watch.note(now, request, Act::Left);
        }
        match request.stage {
            Stage::Waiting => {
                self.observe_end(ticket, &Fate::Late);
                self.gate.cancel(now, ticket_id(ticket), &mut self.decisions);
                let moment = self.moment();
                if let Some(hold) = self.requests.get_mut(&ticket).and_then(|request| request.hold.take()) {
                    self.meter.settle(moment, hold, Usage::default());
                }
            }
            Stage::Running => {
                self.observe_end(ticket, &Fate::Late);
                // Released first: what the engine tells meanwhile is of others.
                self.release(ticket);
                self.with_engine(|engine, now, out| {
                    engine.cancel(now, ticket, out);
                });
            }
            Stage::Coming | Stage::Ended => {}
        }
        let request = self.requests.remove(&ticket);
        self.follow();
        request
    }

    /// The engine dies: what it had ends with it. Or it is back, empty.
    pub(super) fn engine_is(&mut self, is_up: bool) {
        self.engine_is_up = is_up;
        if is_up {
            return;
        }
        let mut running: Vec<u64> =
            self.requests.iter().filter(|(_, r)| r.stage == Stage::Running).map(|(t, _)| *t).collect();
        running.sort_unstable();
        for ticket in running {
            self.with_engine(|engine, now, out| {
                engine.cancel(now, ticket, out);
            });
            let has_text = self.requests.get(&ticket).is_some_and(|request| request.produced > 0);
            self.release(ticket);
            if has_text {
                self.end(ticket, Fate::Cut, self.costs.end_us);
            } else {
                self.refuse(ticket, ReasonCode::EngineUnavailable);
            }
        }
        self.follow();
    }
}
