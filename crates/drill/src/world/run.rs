//! The run: arrivals in order, the engine step by step, and what became of whom.

use rempart_admission::{AccountKey, CohortId, Decision, Offer, TicketId, Verdict};
use rempart_domain::{AccountId, Millis, Posture, TokenCount, UnixSeconds, Usage};
use rempart_metering::{Budget, Hold, Limits as MeterLimits, Meter, Moment, Payer, Reservation};

use super::engine::{Engine, Produced, Sequence};
use super::people::{Kind, Request, Scenario, requests, to_us};
use super::policy::{Arm, Gate};

/// What became of one group's counted requests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Sent within the counted span.
    pub sent: u64,
    /// First byte within their patience, and answered to the end.
    pub done: u64,
    /// Refused, at once or after waiting.
    pub refused: u64,
    /// Ended early for a member.
    pub cut: u64,
    /// Times to first token of all that got one, in milliseconds, sorted.
    pub ttft_ms: Vec<u64>,
}

impl Outcome {
    /// Done, in percent of sent.
    pub fn done_percent(&self) -> f64 {
        if self.sent == 0 { 100.0 } else { 100.0 * to_f64(self.done) / to_f64(self.sent) }
    }

    /// A quantile of the time to first token, in milliseconds.
    pub fn ttft(&self, percent: usize) -> u64 {
        let at = (self.ttft_ms.len() * percent / 100).min(self.ttft_ms.len().saturating_sub(1));
        self.ttft_ms.get(at).copied().unwrap_or(0)
    }
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Members.
    pub members: Outcome,
    /// Honest newcomers.
    pub newcomers: Outcome,
    /// Attackers.
    pub attackers: Outcome,
    /// Tokens charged by the meter and tokens the engine produced or took up for what ended: equal, or metering is broken.
    pub charged: u64,
    /// See `charged`.
    pub used: u64,
}

/// Runs one policy in one world.
pub fn run(scenario: &Scenario, arm: Arm, seed: u64) -> Report {
    let mut world = World::new(scenario, arm, seed);
    let end = to_us(scenario.length_s);
    while world.now_us < end {
        if world.engine.is_idle() {
            let Some(next) = world.requests.get(world.next).map(|r| r.at_us) else { break };
            world.now_us = world.now_us.max(next);
            world.arrive_until(world.now_us);
            if world.engine.is_idle() {
                world.now_us += 1_000;
            }
            continue;
        }
        world.step();
    }
    world.report()
}

struct World<'a> {
    scenario: &'a Scenario,
    arm: Arm,
    now_us: u64,
    requests: Vec<Request>,
    next: usize,
    fates: Vec<Fate>,
    gate: Gate,
    meter: Meter,
    engine: Engine,
    out: Vec<Decision>,
    postures: usize,
    used: u64,
}

#[derive(Debug, Default)]
struct Fate {
    hold: Option<Hold>,
    first_byte_us: Option<u64>,
    is_done: bool,
    is_refused: bool,
    is_cut: bool,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, arm: Arm, seed: u64) -> Self {
        let requests = requests(scenario, seed);
        let fates = requests.iter().map(|_| Fate::default()).collect();
        Self {
            scenario,
            arm,
            now_us: 0,
            requests,
            next: 0,
            fates,
            gate: arm.gate(scenario.engine, seed),
            meter: Meter::new(MeterLimits::default()),
            engine: Engine::new(scenario.engine, arm.slice()),
            out: Vec::new(),
            postures: 0,
            used: 0,
        }
    }

    fn moment(&self, at_us: u64) -> Moment {
        let now = Millis(at_us / 1_000);
        Moment { now, wall: UnixSeconds(i64::try_from(at_us / 1_000_000).unwrap_or(0)) }
    }

    /// One step of the engine, and everything that arrives while it lasts.
    fn step(&mut self) {
        let mut produced = Vec::new();
        let length = self.engine.step(&mut produced);
        let end = self.now_us + length;
        self.arrive_until(end);
        self.now_us = end;
        for one in produced {
            self.produced(one);
        }
        let now = Millis(end / 1_000);
        self.gate.tick(now, &mut self.out);
        self.follow();
    }

    fn arrive_until(&mut self, end_us: u64) {
        while let Some((posture, at)) = self.next_posture().filter(|(_, at)| *at <= end_us) {
            self.postures += 1;
            self.gate.set_posture(Millis(at / 1_000), posture, &mut self.out);
            self.follow();
        }
        while let Some(request) = self.requests.get(self.next).copied().filter(|r| r.at_us <= end_us) {
            let at = self.next;
            self.next += 1;
            self.arrive(at, request);
        }
    }

    fn next_posture(&self) -> Option<(Posture, u64)> {
        self.scenario.postures.get(self.postures).map(|(at, posture)| (*posture, to_us(*at)))
    }

    fn arrive(&mut self, at: usize, request: Request) {
        let moment = self.moment(request.at_us);
        let payer = Payer { account: AccountId::from_bits(request.account), key: None };
        let reservation = Reservation {
            payer,
            band: request.kind.band(),
            account_budget: Budget::UNLIMITED,
            key_budget: Budget::UNLIMITED,
            input: TokenCount(request.input),
            output_cap: TokenCount(request.output_cap),
        };
        let Ok(hold) = self.meter.reserve(moment, &reservation) else { return self.refuse(at) };
        if let Some(fate) = self.fates.get_mut(at) {
            fate.hold = Some(hold);
        }
        self.offer(at, request, moment.now);
    }

    fn offer(&mut self, at: usize, request: Request, now: Millis) {
        let account = AccountId::from_bits(request.account);
        let cap = TokenCount(request.output_cap);
        let patience_ms = to_us(self.scenario.habits.patience_s) / 1_000;
        let sent = Millis(request.at_us / 1_000);
        let deadline = if self.arm.has_deadlines() { sent + Millis(patience_ms) } else { Millis(u64::MAX) };
        let offer = Offer {
            ticket: TicketId(u64::try_from(at).unwrap_or(u64::MAX)),
            band: request.kind.band(),
            cohort: CohortId(request.cohort),
            account: AccountKey(request.account),
            input: TokenCount(request.input),
            output_cap: cap,
            output_expected: self.meter.expected_output(account, request.kind.band(), cap),
            deadline,
        };
        match self.gate.offer(now, offer, &mut self.out) {
            Verdict::Start(_) => self.start(at),
            Verdict::Refuse(_) => self.refuse(at),
            Verdict::Wait { .. } | Verdict::Revoke { .. } => {}
        }
        self.follow();
    }

    /// Does what was decided over others, until nothing more is decided.
    fn follow(&mut self) {
        let mut turn = std::mem::take(&mut self.out);
        while !turn.is_empty() {
            for Decision { ticket, verdict } in turn.drain(..) {
                let at = usize::try_from(ticket.0).unwrap_or(usize::MAX);
                match verdict {
                    Verdict::Start(_) => self.start(at),
                    Verdict::Refuse(_) => self.refuse(at),
                    Verdict::Revoke { is_streaming } => self.revoke(at, is_streaming),
                    Verdict::Wait { .. } => {}
                }
            }
            std::mem::swap(&mut turn, &mut self.out);
        }
    }

    fn start(&mut self, at: usize) {
        let Some(request) = self.requests.get(at).copied() else { return };
        self.engine.start(Sequence {
            ticket: TicketId(u64::try_from(at).unwrap_or(u64::MAX)),
            kind: request.kind,
            request: at,
            prefill: request.input,
            output: request.output,
            produced: 0,
        });
    }

    fn refuse(&mut self, at: usize) {
        self.settle(at, Usage::default());
        if let Some(fate) = self.fates.get_mut(at) {
            fate.is_refused = true;
        }
    }

    fn revoke(&mut self, at: usize, is_streaming: bool) {
        let (Some(request), ticket) = (self.requests.get(at).copied(), TicketId(u64::try_from(at).unwrap_or(u64::MAX)))
        else {
            return;
        };
        let Some(sequence) = self.engine.stop(ticket) else { return };
        let now = Millis(self.now_us / 1_000);
        let usage = used(&request, sequence.prefill, sequence.produced);
        self.gate.release(now, ticket, usage, &mut self.out);
        if is_streaming {
            self.settle(at, usage);
            if let Some(fate) = self.fates.get_mut(at) {
                fate.is_cut = true;
            }
        } else {
            self.offer(at, request, now);
        }
    }

    fn produced(&mut self, one: Produced) {
        let now = Millis(self.now_us / 1_000);
        let Some(request) = self.requests.get(one.request).copied() else { return };
        if one.is_first
            && let Some(fate) = self.fates.get_mut(one.request)
        {
            fate.first_byte_us.get_or_insert(self.now_us);
        }
        self.gate.progress(now, one.ticket, TokenCount(1), &mut self.out);
        if one.is_last {
            let usage = used(&request, 0, one.produced);
            self.gate.release(now, one.ticket, usage, &mut self.out);
            self.settle(one.request, usage);
            if let Some(fate) = self.fates.get_mut(one.request) {
                fate.is_done = true;
            }
        }
        self.follow();
    }

    fn settle(&mut self, at: usize, usage: Usage) {
        let moment = self.moment(self.now_us);
        if let Some(hold) = self.fates.get_mut(at).and_then(|fate| fate.hold.take()) {
            self.used += u64::from(usage.input.0) + u64::from(usage.output.0);
            self.meter.settle(moment, hold, usage);
        }
    }

    fn report(&self) -> Report {
        let mut report = Report { charged: self.meter.charged(), used: self.used, ..Report::default() };
        let (from, to) = (to_us(self.scenario.counted_s.0), to_us(self.scenario.counted_s.1));
        let patience = to_us(self.scenario.habits.patience_s);
        for (request, fate) in self.requests.iter().zip(&self.fates) {
            if !(from..to).contains(&request.at_us) {
                continue;
            }
            let outcome = match request.kind {
                Kind::Member => &mut report.members,
                Kind::Newcomer => &mut report.newcomers,
                Kind::Attacker => &mut report.attackers,
            };
            outcome.sent += 1;
            outcome.refused += u64::from(fate.is_refused);
            outcome.cut += u64::from(fate.is_cut);
            if let Some(first) = fate.first_byte_us {
                let ttft = first.saturating_sub(request.at_us);
                outcome.ttft_ms.push(ttft / 1_000);
                outcome.done += u64::from(fate.is_done && ttft <= patience);
            }
        }
        for outcome in [&mut report.members, &mut report.newcomers, &mut report.attackers] {
            outcome.ttft_ms.sort_unstable();
        }
        report
    }
}

const fn used(request: &Request, prefill_left: u32, produced: u32) -> Usage {
    Usage {
        input: TokenCount(request.input - prefill_left),
        output: TokenCount(produced),
        reasoning: TokenCount(0),
        cached_input: TokenCount(0),
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of a simulation")]
const fn to_f64(number: u64) -> f64 {
    number as f64
}
