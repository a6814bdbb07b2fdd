//! The machine before generation: a bounded, prioritised, fair queue before one scarce resource of several dimensions.
//!
//! The life of a ticket: *offered* → (*waiting* →) *running* (prefill, then streaming) → *released*; from waiting also → *refused* or
//! *cancelled*; from running also → *revoked*, which still ends with *released*.
//!
//! Order of service: groups strictly (members, newcomers, visitors); inside a group `fair`. Nobody starts while somebody of an
//! earlier group waits, not even what would fit: what is free is being gathered for who is first. `room` says what fits.
//!
//! What must stay true: a grant is released exactly once; a waiter ends exactly once; no member is refused for want of room while
//! strangers wait or hold more than their share.

use rempart_domain::{Band, Millis, Posture, TokenCount, Usage};

use crate::fair::FairQueue;
use crate::heap::{Heap, NOWHERE};
use crate::list::{Link, List};
use crate::pace::{Jitter, Pace, to_f64};
use crate::share::Amount;
use crate::ticket::{Stage, Ticket, Tickets};
use crate::types::{Capacity, Cause, Decision, Grant, Group, GroupState, Limits, Offer, Snapshot, TicketId, Verdict};
use crate::usual::Usual;

/// A token of answer weighs as two of prompt (VTC's prices).
pub(crate) const OUTPUT_WEIGHT: u64 = 2;

/// A member who had to wait is remembered so long.
const PRESSED_FOR: Millis = Millis(10_000);

/// What a stream that passes its reservation reserves more, in tokens.
const OVERRUN_STEP: u64 = 64;

/// A bounded, prioritised, fair queue before one scarce resource.
#[derive(Debug)]
pub struct Machine {
    pub(crate) limits: Limits,
    pub(crate) posture: Posture,
    /// Prompt tokens that the engine reads in a moment, as far as that is known: what strangers' part of the prefill is reckoned from.
    pub(crate) burst: u64,
    pub(crate) tickets: Tickets,
    pub(crate) lines: [Line; 4],
    /// What members usually ask.
    pub(crate) usual: Usual,
    /// What members' heavy requests hold, in whichever line they came.
    pub(crate) heavy_held: Amount,
    /// Of what heavy requests and strangers contest, a heavy one started last: the next is a stranger's.
    pub(crate) is_strangers_turn: bool,
    /// Members' usual requests had to wait until lately: heavy ones are bounded until then.
    pub(crate) pressed_until: Millis,
    /// Waiters by deadline.
    pub(crate) due: Heap,
    pub(crate) jitter: Jitter,
}

/// One group: its queue, what it waits for, what it holds.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) queue: FairQueue,
    pub(crate) pace: Pace,
    /// What all waiters want.
    pub(crate) wanted: Amount,
    /// What all that runs holds.
    pub(crate) held: Amount,
    /// Of it: revoked, not yet released.
    pub(crate) leaving: Amount,
    /// Running without a byte sent, and with; oldest first. The revoked are in neither.
    pub(crate) prefilling: List,
    pub(crate) streaming: List,
}

impl Machine {
    /// `seed` spreads `Retry-After` and mixes the tables; the order of service does not depend on it.
    pub fn new(limits: Limits, seed: u64) -> Self {
        let in_use_max = limits.queue_len_total as usize + limits.capacity.sequences as usize;
        let remembered = limits.accounts_remembered as usize;
        let line = |group: u64| Line {
            queue: FairQueue::new(remembered, in_use_max, seed.wrapping_add(group)),
            pace: Pace::default(),
            wanted: Amount::default(),
            held: Amount::default(),
            leaving: Amount::default(),
            prefilling: List::default(),
            streaming: List::default(),
        };
        Self {
            limits,
            posture: Posture::Calm,
            burst: u64::MAX,
            tickets: Tickets::new(seed),
            lines: [line(0), line(3), line(1), line(2)],
            usual: Usual::default(),
            heavy_held: Amount::default(),
            is_strangers_turn: false,
            pressed_until: Millis(0),
            due: Heap::default(),
            jitter: Jitter::new(seed),
        }
    }

    /// Decides over a new request. Decisions on others (starts, refusals, revocations) are appended to `out`.
    pub fn offer(&mut self, now: Millis, offer: Offer, out: &mut Vec<Decision>) -> Verdict {
        self.offer_priced(now, offer, 1.0, out)
    }

    /// The same for a request whose tokens weigh `price` times as much in the order of service: its account let engines work for nobody.
    pub fn offer_priced(&mut self, now: Millis, offer: Offer, price: f64, out: &mut Vec<Decision>) -> Verdict {
        let group = match self.admissible(&offer) {
            Ok(group) => group,
            Err(cause) => return self.refuse(now, Group::of(offer.band), cause),
        };
        let view = self.line(group).queue.view(offer.account.0, offer.cohort.0);
        let in_flight_max = self.limits.in_flight_per_account.get(group.index()).copied().unwrap_or(0);
        if self.in_flight_of(group, &offer, view) >= in_flight_max {
            return self.refuse(now, Some(group), Cause::AccountInFlight);
        }
        let ticket = Ticket { price: if price > 1.0 { price } else { 1.0 }, ..self.new_ticket(now, group, &offer) };
        let starts = self.nobody_waits_until(group) && self.fits(now, group, ticket.amount, ticket.is_heavy);
        if !starts && let Err(cause) = self.may_wait(now, group, &offer, view, out) {
            return self.refuse(now, Some(group), cause);
        }
        let Some((account, cohort)) = self.line_mut(group).queue.rows(now, offer.account.0, offer.cohort.0) else {
            return self.refuse(now, Some(group), Cause::QueueFull);
        };
        let slot = self.tickets.insert(Ticket { account, cohort, ..ticket });
        if starts {
            return Verdict::Start(self.start(now, slot));
        }
        self.enqueue(now, slot);
        match self.dispatch(now, Some(slot), out) {
            Some(grant) => Verdict::Start(grant),
            None => self.wait_verdict(slot),
        }
    }

    /// The waiter left. False if the ticket does not wait.
    pub fn cancel(&mut self, now: Millis, ticket: TicketId, out: &mut Vec<Decision>) -> bool {
        let Some(slot) = self.tickets.find(ticket) else { return false };
        if self.tickets.get(slot).is_none_or(|t| t.stage != Stage::Waiting) {
            return false;
        }
        self.dequeue(now, slot);
        self.tickets.remove(slot);
        self.dispatch(now, None, out);
        true
    }

    /// The engine counted the prompt exactly: reservation and charge follow.
    pub fn true_up(&mut self, now: Millis, ticket: TicketId, input: TokenCount, out: &mut Vec<Decision>) {
        let Some(slot) = self.running(ticket) else { return };
        let capacity = self.limits.capacity;
        let Some(t) = self.tickets.get_mut(slot) else { return };
        let exact = u64::from(input.0);
        let change = (to_f64(exact) - to_f64(t.input)) * t.price;
        let (group, account, cohort, since, before) = (t.group, t.account, t.cohort, t.since, t.amount);
        t.amount.kv = before.kv.saturating_sub(t.input).saturating_add(exact).min(capacity.kv_tokens);
        if t.stage == Stage::Prefill {
            t.amount.prefill = exact;
        }
        t.input = exact;
        let (after, is_revoked, is_heavy) = (t.amount, t.is_revoked, t.is_heavy);
        self.note_heavy(now, group.is_members() && is_heavy, before, after);
        let line = self.line_mut(group);
        line.held = line.held.minus(before).plus(after);
        if is_revoked {
            line.leaving = line.leaving.minus(before).plus(after);
        }
        let scale = line.queue.scale_at(since);
        line.queue.charge(account, cohort, change, scale);
        self.dispatch(now, None, out);
    }

    /// `output` more tokens were generated; the first call is the first byte, even with none.
    pub fn progress(&mut self, now: Millis, ticket: TicketId, output: TokenCount, out: &mut Vec<Decision>) {
        let Some(slot) = self.running(ticket) else { return };
        let is_first = self.begin_stream(slot);
        let Some(t) = self.tickets.get_mut(slot) else { return };
        let tokens = u64::from(output.0);
        t.output = t.output.saturating_add(tokens);
        let (group, account, cohort, price) = (t.group, t.account, t.cohort, t.price);
        let is_over = t.output > t.output_reserved && t.output_reserved < t.output_cap;
        let queue = &mut self.line_mut(group).queue;
        let scale = queue.scale(now);
        queue.charge(account, cohort, to_f64(tokens * OUTPUT_WEIGHT) * price, scale);
        if is_over {
            self.extend(slot, OVERRUN_STEP, out);
        }
        if self.yields(slot) {
            self.revoke(slot, out);
        }
        if is_first {
            self.dispatch(now, None, out);
        }
    }

    /// The engine let it go; `usage` is what it cost. False if the ticket does not run: releasing twice is harmless.
    pub fn release(&mut self, now: Millis, ticket: TicketId, usage: Usage, out: &mut Vec<Decision>) -> bool {
        let Some(slot) = self.running(ticket) else { return false };
        let Some(t) = self.tickets.get(slot) else { return false };
        let (group, account, cohort, since, amount) = (t.group, t.account, t.cohort, t.since, t.amount);
        let actual = u64::from(usage.input.0) + OUTPUT_WEIGHT * u64::from(usage.output.0);
        let charged = t.input + OUTPUT_WEIGHT * t.output;
        let (is_revoked, price, is_heavy) = (t.is_revoked, t.price, t.is_heavy);
        self.note_heavy(now, group.is_members() && is_heavy, amount, Amount::default());
        if group.is_members() && self.posture == Posture::Calm && usage.output.0 > 0 {
            self.usual.learn(u64::from(usage.input.0), u64::from(usage.output.0));
        }
        self.forget_running(slot);
        let line = self.line_mut(group);
        line.held = line.held.minus(amount);
        if is_revoked {
            line.leaving = line.leaving.minus(amount);
        }
        let scale = line.queue.scale_at(since);
        line.queue.charge(account, cohort, (to_f64(actual) - to_f64(charged)) * price, scale);
        line.queue.learn_charge(to_f64(actual));
        line.queue.count_running(now, account, cohort, false);
        self.tickets.remove(slot);
        self.dispatch(now, None, out);
        true
    }

    /// Refuses the waiters whose deadline passed. Call it at [`Machine::wake_at`], or every 50 ms or so.
    pub fn tick(&mut self, now: Millis, out: &mut Vec<Decision>) {
        let mut has_changed = false;
        while let Some((key, slot)) = self.due.peek() {
            if key > due_key(now, u64::MAX) {
                break;
            }
            if self.has_grace(now, slot) {
                let later = now + Millis(GRACE_STEP_MS);
                self.due.rekey(&mut self.tickets.by_deadline(), 0, due_key(later, u64::from(slot)));
                continue;
            }
            self.evict_waiter(now, slot, Cause::Expired, out);
            has_changed = true;
        }
        if has_changed {
            self.dispatch(now, None, out);
        }
    }

    /// When `tick` has something to do next.
    pub fn wake_at(&self) -> Option<Millis> {
        self.due.peek().map(|(key, _)| due_time(key))
    }

    /// `(position, eta)` of a waiter, for keep-alives.
    pub fn position(&self, ticket: TicketId) -> Option<(u32, Option<Millis>)> {
        let slot = self.tickets.find(ticket)?;
        let t = self.tickets.get(slot).filter(|t| t.stage == Stage::Waiting)?;
        let line = self.line(t.group);
        let is_first = line.queue.first_of(t.account) == Some(slot);
        let turns = line.queue.turns_of(t.account, u64::from(!is_first));
        Some((u32::try_from(turns).unwrap_or(u32::MAX), line.pace.time_for(turns)))
    }

    /// The resource grew or shrank (engine restarted, controller). What runs is kept.
    pub fn set_capacity(&mut self, now: Millis, capacity: Capacity, out: &mut Vec<Decision>) {
        let before = self.limits.capacity;
        self.limits.capacity = capacity;
        // Twice or half as much: what was measured is no measure any more.
        let grew = capacity.sequences / 2 >= before.sequences.max(1);
        let shrank = capacity.sequences <= before.sequences / 2;
        if grew || shrank {
            for line in &mut self.lines {
                line.pace.forget();
            }
        }
        self.dispatch(now, None, out);
    }

    /// What the engine reads in a moment, learnt or guessed. Strangers' part of the prompts on their way is reckoned from it; members' are
    /// not held back by a guess.
    pub fn set_prefill_burst(&mut self, now: Millis, tokens: u64, out: &mut Vec<Decision>) {
        self.burst = tokens;
        self.dispatch(now, None, out);
    }

    /// The shares of another posture hold from now on. What runs is kept until a member needs it.
    pub fn set_posture(&mut self, now: Millis, posture: Posture, out: &mut Vec<Decision>) {
        self.posture = posture;
        self.usual.skip_to(now);
        self.dispatch(now, None, out);
    }

    /// For metrics.
    pub fn snapshot(&self) -> Snapshot {
        let state = |line: &Line| GroupState {
            queued: line.queue.waiting(),
            in_flight: u32::try_from(line.held.sequences).unwrap_or(u32::MAX),
            kv_tokens: line.held.kv,
            prefill_tokens: line.held.prefill,
            revoking: u32::try_from(line.leaving.sequences).unwrap_or(u32::MAX),
            accounts: u32::try_from(line.queue.accounts()).unwrap_or(u32::MAX),
        };
        let [members, heavy, newcomers, visitors] = &self.lines;
        let heavy = state(heavy);
        Snapshot {
            capacity: self.limits.capacity,
            posture: self.posture,
            groups: [state(members).plus(heavy), state(newcomers), state(visitors)],
            heavy,
        }
    }

    /// Tickets waiting or running.
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    /// Whether nothing waits or runs.
    pub fn is_empty(&self) -> bool {
        self.tickets.len() == 0
    }

    pub(crate) const fn line(&self, group: Group) -> &Line {
        let [members, heavy, newcomers, visitors] = &self.lines;
        match group {
            Group::Members => members,
            Group::Heavy => heavy,
            Group::Newcomers => newcomers,
            Group::Visitors => visitors,
        }
    }

    pub(crate) const fn line_mut(&mut self, group: Group) -> &mut Line {
        pick(&mut self.lines, group)
    }

    fn new_ticket(&self, now: Millis, group: Group, offer: &Offer) -> Ticket {
        let input = u64::from(offer.input.0);
        let reserved = u64::from(offer.output_cap.min(offer.output_expected).0);
        Ticket {
            id: offer.ticket,
            group,
            stage: Stage::Waiting,
            is_revoked: false,
            is_heavy: self.is_heavy(offer),
            account: NOWHERE,
            cohort: NOWHERE,
            amount: Amount {
                sequences: 1,
                kv: input.saturating_add(reserved).min(self.limits.capacity.kv_tokens),
                prefill: input,
            },
            price: 1.0,
            input,
            output: 0,
            output_reserved: reserved,
            output_cap: u64::from(offer.output_cap.0),
            since: now,
            deadline: offer.deadline,
            due_at: NOWHERE,
            by_account: Link::default(),
            by_cohort: Link::default(),
        }
    }

    fn enqueue(&mut self, now: Millis, slot: u32) {
        let Some((group, amount, deadline)) = self.tickets.get(slot).map(|t| (t.group, t.amount, t.deadline)) else {
            return;
        };
        if group == Group::Members {
            self.pressed_until = now + PRESSED_FOR;
        }
        let line = pick(&mut self.lines, group);
        line.pace.pass(now, line.queue.waiting() > 0);
        line.queue.join(now, &mut self.tickets, slot);
        line.wanted = line.wanted.plus(amount);
        self.due.push(&mut self.tickets.by_deadline(), due_key(deadline, u64::from(slot)), slot);
    }

    pub(crate) fn dequeue(&mut self, now: Millis, slot: u32) {
        let Some((group, amount, due_at)) = self.tickets.get(slot).map(|t| (t.group, t.amount, t.due_at)) else {
            return;
        };
        let line = pick(&mut self.lines, group);
        line.pace.pass(now, true);
        line.queue.leave(&mut self.tickets, slot);
        line.wanted = line.wanted.minus(amount);
        self.due.remove(&mut self.tickets.by_deadline(), due_at);
    }

    /// Starts whoever can, in order. `own` is told by the return value instead of through `out`.
    pub(crate) fn dispatch(&mut self, now: Millis, own: Option<u32>, out: &mut Vec<Decision>) -> Option<Grant> {
        let mut own_grant = None;
        if self.heavy_is_due(now) {
            own_grant = self.start_those_who_fit(now, Group::Heavy, own, out);
        }
        loop {
            let before = self.held();
            own_grant = self.start_in_order(now, own, out).or(own_grant);
            // Where heavy requests and strangers take turns, one starts at a time.
            if !self.is_contested(now) || self.held() == before {
                return own_grant;
            }
        }
    }

    fn start_in_order(&mut self, now: Millis, own: Option<u32>, out: &mut Vec<Decision>) -> Option<Grant> {
        let mut own_grant = None;
        for group in Group::LINES {
            own_grant = self.start_those_who_fit(now, group, own, out).or(own_grant);
            if self.line(group).queue.waiting() > 0 {
                match group {
                    Group::Members => self.make_room(out),
                    Group::Heavy if self.heavy_yields(now) => continue,
                    Group::Heavy => self.make_room_for_heavy(now, out),
                    Group::Newcomers | Group::Visitors => {}
                }
                break;
            }
        }
        own_grant
    }

    /// Starts the heads of a line, one after the other, until one does not fit.
    fn start_those_who_fit(
        &mut self,
        now: Millis,
        group: Group,
        own: Option<u32>,
        out: &mut Vec<Decision>,
    ) -> Option<Grant> {
        let mut own_grant = None;
        while let Some(slot) = self.line(group).queue.head() {
            let Some(t) = self.tickets.get(slot) else { break };
            let (ticket, amount, is_heavy) = (t.id, t.amount, t.is_heavy);
            if !self.fits(now, group, amount, is_heavy) {
                break;
            }
            self.dequeue(now, slot);
            self.line_mut(group).pace.count_start();
            let grant = self.start(now, slot);
            if own == Some(slot) {
                own_grant = Some(grant);
            } else {
                out.push(Decision { ticket, verdict: Verdict::Start(grant) });
            }
            if !group.is_members() && self.is_contested(now) {
                break;
            }
        }
        own_grant
    }

    fn start(&mut self, now: Millis, slot: u32) -> Grant {
        let shares = &self.limits.shares;
        let (posture, kv_max, slice) = (self.posture, self.limits.capacity.kv_tokens, shares.prefill_slice);
        let none = Grant { kv_reserved: 0, prefill_slice: None, waited: Millis(0), is_heavy: false };
        let Some(t) = self.tickets.get_mut(slot) else { return none };
        let waited = now.since(t.since);
        t.stage = Stage::Prefill;
        t.since = now;
        t.amount.kv = t.amount.kv.min(kv_max);
        let (group, account, cohort, amount, is_heavy) = (t.group, t.account, t.cohort, t.amount, t.is_heavy);
        let input = to_f64(t.input) * t.price;
        let line = pick(&mut self.lines, group);
        line.held = line.held.plus(amount);
        line.prefilling.push_back(&mut self.tickets.by_cohort(), slot);
        line.queue.count_running(now, account, cohort, true);
        let scale = line.queue.scale(now);
        line.queue.charge(account, cohort, input, scale);
        self.note_heavy(now, group.is_members() && is_heavy, Amount::default(), amount);
        self.note_turn(group);
        let is_sliced = !group.is_members() && posture > Posture::Calm;
        let is_heavy = group == Group::Heavy;
        Grant { kv_reserved: amount.kv, prefill_slice: is_sliced.then_some(slice), waited, is_heavy }
    }

    fn running(&self, ticket: TicketId) -> Option<u32> {
        let slot = self.tickets.find(ticket)?;
        self.tickets.get(slot).filter(|t| t.stage != Stage::Waiting).map(|_| slot)
    }

    fn nobody_waits_until(&self, group: Group) -> bool {
        let before = Group::LINES.into_iter().filter(|line| *line <= group);
        before.into_iter().all(|line| self.line(line).queue.waiting() == 0)
    }

    fn wait_verdict(&self, slot: u32) -> Verdict {
        let Some(t) = self.tickets.get(slot) else { return Verdict::Wait { position: 1, eta: None } };
        let (position, eta) = self.position(t.id).unwrap_or((1, None));
        Verdict::Wait { position, eta }
    }
}

/// The line of a group, leaving the rest of the machine free to be borrowed.
pub(crate) const fn pick(lines: &mut [Line; 4], group: Group) -> &mut Line {
    let [members, heavy, newcomers, visitors] = lines;
    match group {
        Group::Members => members,
        Group::Heavy => heavy,
        Group::Newcomers => newcomers,
        Group::Visitors => visitors,
    }
}

/// How often a member's waiter past its deadline is looked at again while strangers are leaving.
const GRACE_STEP_MS: u64 = 20;

impl Machine {
    /// A member's waiter outlives its deadline for a moment while strangers are being revoked for it.
    fn has_grace(&self, now: Millis, slot: u32) -> bool {
        let Some(t) = self.tickets.get(slot) else { return false };
        let are_leaving = self.lines.iter().any(|line| line.leaving.sequences > 0);
        t.group.is_members() && are_leaving && now < t.deadline + self.limits.revocation_grace
    }
}

const fn due_key(deadline: Millis, slot: u64) -> u128 {
    ((deadline.0 as u128) << 64) | slot as u128
}

#[allow(clippy::cast_possible_truncation, reason = "the upper half of the key")]
const fn due_time(key: u128) -> Millis {
    Millis((key >> 64) as u64)
}

/// The band that a group is named after in metrics.
impl Group {
    /// The word on the wire.
    pub const fn as_band(self) -> Band {
        match self {
            Self::Members | Self::Heavy => Band::Member,
            Self::Newcomers => Band::Newcomer,
            Self::Visitors => Band::Visitor,
        }
    }
}
