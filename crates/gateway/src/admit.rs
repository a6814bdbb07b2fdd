//! The thin driver of admission: one machine before each engine, and the people who wait for it.
//!
//! The machine decides; this file keeps its lock, wakes those who wait and frees what was granted. What must stay true: a permit is
//! freed exactly once, however its holder ends; a waiter that leaves is forgotten at once; the lock is never held over an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rempart_admission::cohort::attribute;
use rempart_admission::controller::{Controller, ControllerLimits, Reading};
use rempart_admission::prefill::PrefillPace;
use rempart_admission::{
    AccountKey, Capacity, CohortId, Decision, Grant, Limits as MachineLimits, Machine, Offer, Share, Shares, Snapshot,
    TicketId, Verdict,
};
use rempart_domain::{Band, Millis, Posture, Principal, TokenCount, Usage};
use rempart_engine::Engine;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::Gateway;
use crate::clock::Clock;
use crate::ctx::Ctx;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::serve::generation::Generation;

/// How often a waiter's place in line is told anew.
const POSITION_EVERY: Duration = Duration::from_secs(1);

/// Milliseconds of prompt that may be between start and first byte, at the prefill speed that an engine of unknown speed is given.
const PREFILL_BURST_SEQUENCES: u64 = 4;

/// An engine with the queue before it.
pub struct Lane {
    /// What works.
    pub engine: Arc<dyn Engine>,
    clock: Arc<Clock>,
    tickets: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    machine: Machine,
    capacity: rempart_engine::Capacity,
    posture: Posture,
    /// How much of the engine is used, by the time between its tokens and by what it holds back.
    controller: Controller,
    /// How fast it reads prompts, where it reads them whole.
    prefill: Option<PrefillPace>,
    /// As the machine was last told.
    burst: u64,
    waiting: HashMap<TicketId, oneshot::Sender<Result<Grant, Refusal>>>,
    /// Those that run on borrowed capacity and can be told to stop.
    borrowers: HashMap<TicketId, CancellationToken>,
    decisions: Vec<Decision>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("engine", &self.engine.name()).finish_non_exhaustive()
    }
}

/// What a request wants of a lane.
#[derive(Debug, Clone, Copy)]
pub struct Want {
    /// Frozen standing.
    pub band: Band,
    /// Whom it weighs with.
    pub cohort: CohortId,
    /// Who pays.
    pub account: AccountKey,
    /// Upper bound of the prompt.
    pub input: TokenCount,
    /// Most tokens of answer.
    pub output_cap: TokenCount,
    /// What the account's answers usually stay under.
    pub output_expected: TokenCount,
    /// Longest wait.
    pub wait_max: Millis,
    /// What a token of it weighs in the order of service: 1, more for an account that let engines work for nobody.
    pub price: f64,
}

/// The right to have an engine work, freed on drop with what was used until then.
#[derive(Debug)]
pub struct Permit {
    lane: Arc<Lane>,
    ticket: TicketId,
    usage: Usage,
    started: Millis,
    /// Of its prompt, as far as is known.
    input: TokenCount,
    /// Its first token tells how fast a prompt is read.
    is_paced: bool,
    /// When the last token came.
    last_token: Option<Millis>,
    /// In slices of how many tokens the engine reads the prompt.
    pub prefill_slice: Option<TokenCount>,
    /// Cancelled when the capacity was borrowed and a member needs it.
    pub revoked: CancellationToken,
    /// How long it waited.
    pub waited: Millis,
    /// A member's, and many times what members usually ask.
    pub is_heavy: bool,
}

impl Lane {
    /// A lane before `engine`. `seed` spreads `Retry-After`.
    pub fn new(engine: Arc<dyn Engine>, limits: &Limits, clock: Arc<Clock>, seed: u64) -> Arc<Self> {
        let capacity = engine.capacity();
        let slice = engine.prefill_slice();
        let machine = Machine::new(machine_limits(capacity, slice, limits), seed);
        Arc::new(Self {
            engine,
            clock,
            tickets: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                machine,
                capacity,
                posture: Posture::Calm,
                controller: Controller::new(ControllerLimits::new(machine_capacity(capacity))),
                prefill: slice.is_none().then(PrefillPace::default),
                burst: u64::MAX,
                waiting: HashMap::new(),
                borrowers: HashMap::new(),
                decisions: Vec::new(),
            }),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to start; tells `generation` its place in line meanwhile. Dropping the future leaves the queue.
    pub async fn acquire(self: &Arc<Self>, want: Want, generation: &Generation) -> Result<Permit, Refusal> {
        let ticket = TicketId(self.tickets.fetch_add(1, Ordering::Relaxed));
        let now = self.clock.now();
        let revoked = CancellationToken::new();
        let offer = Offer {
            ticket,
            band: want.band,
            cohort: want.cohort,
            account: want.account,
            input: want.input,
            output_cap: want.output_cap,
            output_expected: want.output_expected,
            deadline: now + want.wait_max,
        };
        let receiver = {
            let mut inner = self.inner();
            let mut decisions = std::mem::take(&mut inner.decisions);
            let verdict = inner.machine.offer_priced(now, offer, want.price, &mut decisions);
            if !want.band.is_member() && !matches!(verdict, Verdict::Refuse(_)) {
                inner.borrowers.insert(ticket, revoked.clone());
            }
            let receiver = match verdict {
                Verdict::Start(grant) => Err(Ok(grant)),
                Verdict::Refuse(refusal) => Err(Err(refusal)),
                Verdict::Wait { position, eta } => {
                    generation.set_queued(position, eta);
                    let (sender, receiver) = oneshot::channel();
                    inner.waiting.insert(ticket, sender);
                    Ok(receiver)
                }
                Verdict::Revoke { .. } => Err(Err(rempart_admission::Refusal {
                    reason: rempart_domain::ReasonCode::Internal,
                    cause: rempart_admission::Cause::TicketInUse,
                    retry_after: Millis(1000),
                })),
            };
            self.carry_out(inner, decisions, now);
            receiver
        };
        let granted = match receiver {
            Ok(receiver) => {
                let waiter = Waiter { lane: self, ticket, receiver, is_decided: false };
                waiter.wait(generation).await?
            }
            Err(verdict) => verdict.map_err(refusal)?,
        };
        Ok(Permit {
            lane: Arc::clone(self),
            ticket,
            usage: Usage::default(),
            started: self.clock.now(),
            input: want.input,
            is_paced: true,
            last_token: None,
            prefill_slice: granted.prefill_slice,
            revoked,
            waited: granted.waited,
            is_heavy: granted.is_heavy,
        })
    }

    /// Passes decisions on to those they are about. A start that nobody waits for any more is given back, which may start others.
    fn carry_out(&self, mut inner: MutexGuard<'_, Inner>, mut decisions: Vec<Decision>, now: Millis) {
        let mut at = 0;
        while let Some(decision) = decisions.get(at).copied() {
            at += 1;
            let ticket = decision.ticket;
            match decision.verdict {
                Verdict::Start(grant) => {
                    let is_taken = inner.waiting.remove(&ticket).is_some_and(|waiter| waiter.send(Ok(grant)).is_ok());
                    if !is_taken {
                        inner.borrowers.remove(&ticket);
                        inner.machine.release(now, ticket, Usage::default(), &mut decisions);
                    }
                }
                Verdict::Refuse(why) => {
                    inner.borrowers.remove(&ticket);
                    if let Some(waiter) = inner.waiting.remove(&ticket) {
                        let _ = waiter.send(Err(refusal(why)));
                    }
                }
                Verdict::Revoke { .. } => {
                    if let Some(revoked) = inner.borrowers.get(&ticket) {
                        revoked.cancel();
                    }
                }
                Verdict::Wait { .. } => {}
            }
        }
        decisions.clear();
        inner.decisions = decisions;
    }

    fn with_machine(&self, change: impl FnOnce(&mut Machine, Millis, &mut Vec<Decision>)) {
        let mut inner = self.inner();
        let mut decisions = std::mem::take(&mut inner.decisions);
        let now = self.clock.now();
        change(&mut inner.machine, now, &mut decisions);
        self.carry_out(inner, decisions, now);
    }

    /// Refuses those whose time is over, follows the engine's capacity and the posture. Called every 50 ms.
    pub fn tick(&self, posture: Posture) {
        let capacity = self.engine.capacity();
        let mut inner = self.inner();
        let mut decisions = std::mem::take(&mut inner.decisions);
        let now = self.clock.now();
        let load = self.engine.load();
        if capacity != inner.capacity {
            inner.capacity = capacity;
            inner.controller.reset(now, machine_capacity(capacity));
        }
        if let Some(load) = load {
            let kv_tokens_used = u64::from(load.kv_tokens_used);
            inner.controller.observe_reading(now, Reading { waiting: load.waiting, kv_tokens_used });
        }
        let before = inner.machine.snapshot();
        inner.controller.observe_in_flight(before.groups.iter().map(|group| group.in_flight).sum());
        let _changed = inner.controller.tick(now);
        let budget = inner.controller.capacity();
        if budget != before.capacity {
            inner.machine.set_capacity(now, budget, &mut decisions);
        }
        let burst = inner.prefill.map_or(u64::MAX, |pace| pace.burst(now));
        if burst.abs_diff(inner.burst) > burst / 16 {
            inner.burst = burst;
            inner.machine.set_prefill_burst(now, burst, &mut decisions);
        }
        if posture != inner.posture {
            inner.posture = posture;
            inner.machine.set_posture(now, posture, &mut decisions);
        }
        inner.machine.tick(now, &mut decisions);
        self.carry_out(inner, decisions, now);
    }

    /// What waits and runs, for metrics.
    pub fn snapshot(&self) -> Snapshot {
        self.inner().machine.snapshot()
    }
}

fn refusal(why: rempart_admission::Refusal) -> Refusal {
    Refusal::from(why.reason).retry_after(why.retry_after)
}

const fn machine_capacity(capacity: rempart_engine::Capacity) -> Capacity {
    let kv_tokens = capacity.kv_tokens as u64;
    let sequences = if capacity.sequences == 0 { 1 } else { capacity.sequences };
    let burst = kv_tokens / sequences as u64 * PREFILL_BURST_SEQUENCES;
    Capacity { sequences: capacity.sequences, kv_tokens, prefill_tokens: if burst == 0 { 1 } else { burst } }
}

fn machine_limits(capacity: rempart_engine::Capacity, slice: Option<TokenCount>, limits: &Limits) -> MachineLimits {
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let defaults = MachineLimits::new(machine_capacity(capacity));
    let strangers_percent = u8::try_from(100_u64.saturating_sub(limits.members_share_percent).min(100)).unwrap_or(35);
    let mut by_posture = defaults.shares.by_posture;
    for share in &mut by_posture {
        *share = Share { strangers_percent: share.strangers_percent.min(strangers_percent), ..*share };
    }
    MachineLimits {
        shares: Shares { by_posture, prefill_slice: slice.unwrap_or(defaults.shares.prefill_slice), ..defaults.shares },
        prompts_are_whole: slice.is_none(),
        queue_len_per_account: small(limits.queue_len_per_account),
        queue_len_per_cohort: small(limits.queue_len_per_cohort),
        queue_len_per_group: small(limits.queue_len),
        queue_len_total: small(limits.queue_len),
        in_flight_per_account: [small(limits.in_flight_per_account), small(limits.in_flight_newcomer), 2],
        ..defaults
    }
}

/// Somebody in the queue. Dropping it leaves the queue, or gives back what was granted in the same moment.
struct Waiter<'a> {
    lane: &'a Arc<Lane>,
    ticket: TicketId,
    receiver: oneshot::Receiver<Result<Grant, Refusal>>,
    is_decided: bool,
}

impl Waiter<'_> {
    async fn wait(mut self, generation: &Generation) -> Result<Grant, Refusal> {
        loop {
            tokio::select! {
                decided = &mut self.receiver => {
                    self.is_decided = true;
                    return decided.unwrap_or_else(|_| Err(rempart_domain::ReasonCode::Internal.into()));
                }
                () = tokio::time::sleep(POSITION_EVERY) => {
                    let place = self.lane.inner().machine.position(self.ticket);
                    if let Some((position, eta)) = place {
                        generation.set_queued(position, eta);
                    }
                }
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.is_decided {
            return;
        }
        let mut inner = self.lane.inner();
        let still_waits = inner.waiting.remove(&self.ticket).is_some();
        inner.borrowers.remove(&self.ticket);
        drop(inner);
        let ticket = self.ticket;
        if still_waits {
            self.lane.with_machine(|machine, now, out| {
                machine.cancel(now, ticket, out);
            });
        } else if matches!(self.receiver.try_recv(), Ok(Ok(_))) {
            self.lane.with_machine(|machine, now, out| {
                machine.release(now, ticket, Usage::default(), out);
            });
        }
    }
}

impl Permit {
    /// The engine counted the prompt.
    pub fn true_up(&mut self, input: TokenCount) {
        self.usage.input = input;
        self.input = input;
        let ticket = self.ticket;
        self.lane.with_machine(|machine, now, out| machine.true_up(now, ticket, input, out));
    }

    /// `output` more tokens came.
    pub fn progress(&mut self, output: TokenCount) {
        self.usage.output += output;
        let mut inner = self.lane.inner();
        let now = self.lane.clock.now();
        match self.last_token.replace(now) {
            // Several tokens may come as one piece.
            Some(last) => inner.controller.observe_gap(Millis(now.since(last).0 / u64::from(output.0.max(1)))),
            None => {
                let (tokens, took) = (u64::from(self.input.0), now.since(self.started));
                if let Some(pace) = inner.prefill.as_mut().filter(|_| self.is_paced) {
                    pace.observe(now, tokens, took);
                }
            }
        }
        let mut decisions = std::mem::take(&mut inner.decisions);
        inner.machine.progress(now, self.ticket, output, &mut decisions);
        self.lane.carry_out(inner, decisions, now);
    }

    /// Its answer comes in one piece: when it comes tells nothing of how fast a prompt is read.
    pub(crate) const fn comes_whole(&mut self) {
        self.is_paced = false;
    }

    /// What it cost in the end.
    pub const fn set_usage(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// How long it has had the engine work.
    pub fn held_for(&self) -> Millis {
        self.lane.clock.now().since(self.started)
    }

    /// Whether a token has come.
    pub const fn has_begun(&self) -> bool {
        self.last_token.is_some()
    }

    /// What it has cost so far.
    pub const fn usage(&self) -> Usage {
        self.usage
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let (ticket, usage) = (self.ticket, self.usage);
        let mut inner = self.lane.inner();
        inner.borrowers.remove(&ticket);
        let mut decisions = std::mem::take(&mut inner.decisions);
        let now = self.lane.clock.now();
        inner.machine.release(now, ticket, usage, &mut decisions);
        self.lane.carry_out(inner, decisions, now);
    }
}

/// Whom a request weighs with: a member for itself; a stranger with those it has most in common with now: the minute its account was made
/// (or its session opened), its network, its network's neighbourhood together with the shape of its requests, who invited it, where its mail goes.
pub fn cohort_of(gateway: &Gateway, ctx: &Ctx, head: &http::request::Parts, account: AccountKey) -> CohortId {
    if ctx.band.is_member() {
        return account.own_cohort();
    }
    let attributes = attributes_of(&ctx.principal, ctx.source.bits() >> 8, shape_of(&head.headers));
    let mut cohorts = gateway.cohorts.lock().unwrap_or_else(PoisonError::into_inner);
    cohorts.choose(gateway.clock.now(), account, &attributes)
}

/// What a stranger has in common with others; 0 where it has none of the kind.
fn attributes_of(principal: &Principal, network: u64, shape: u64) -> [u64; 5] {
    let some = |kind: u8, value: u32| if value == 0 { 0 } else { attribute(kind, u64::from(value)) };
    [
        some(1, principal.minute),
        attribute(2, network),
        attribute(3, (network >> 8) ^ shape),
        some(4, principal.provenance.inviter),
        some(5, principal.provenance.mail_domain),
    ]
}

/// The order of a head's fields and how its program calls itself: programs differ in it, people who use one do not.
fn shape_of(headers: &http::HeaderMap) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = hash.rotate_left(5);
    };
    headers.keys().take(32).for_each(|name| add(name.as_str().as_bytes()));
    for name in [http::header::USER_AGENT, http::header::ACCEPT_ENCODING] {
        headers.get(name).map(http::HeaderValue::as_bytes).into_iter().for_each(&mut add);
    }
    hash
}

#[cfg(test)]
mod tests {
    use rempart_admission::cohort::Cohorts;
    use rempart_domain::{Millis, Provenance};

    use super::*;

    /// Whom sixty newcomers weigh with, of other minutes, networks and programs each.
    fn cohorts_of(provenance: impl Fn(u32) -> Provenance) -> usize {
        let mut cohorts = Cohorts::new(7);
        let chosen = (1..=60_u32).map(|number| {
            let principal = Principal { minute: number, provenance: provenance(number), ..Principal::VISITOR };
            let attributes = attributes_of(&principal, u64::from(number) << 20, u64::from(number));
            cohorts.choose(Millis(1_000), AccountKey(u64::from(number)), &attributes).0
        });
        chosen.collect::<std::collections::HashSet<_>>().len()
    }

    #[test]
    fn whom_one_member_invited_and_whose_mail_goes_to_one_domain_weigh_as_one() {
        assert_eq!(cohorts_of(|_| Provenance::default()), 60, "nothing in common");
        assert_eq!(cohorts_of(|_| Provenance { inviter: 5, mail_domain: 0 }), 4, "the first three are no crowd");
        assert_eq!(cohorts_of(|_| Provenance { inviter: 0, mail_domain: 5 }), 4);
        assert_eq!(cohorts_of(|number| Provenance { inviter: number, mail_domain: number }), 60);
    }
}
