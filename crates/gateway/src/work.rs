//! Short work that is scarce: a bounded, prioritised queue with a members' lane before each kind of it.
//!
//! [`rempart_admission::lane`] decides; this file keeps its lock and wakes those who wait. To put a resource behind one: make a
//! [`WorkLane`] with its permits, `acquire` before the work, drop the [`WorkPermit`] after it. Members go first, a cohort weighs as one,
//! strangers hold at most their share, a queue that is full makes room for a member, and what cannot start in time is refused with a
//! computed `Retry-After`.
//!
//! What must stay true: a permit is freed exactly once; the lock is never held over an await; nobody waits without a deadline.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rempart_admission::lane::{Lane, LaneLimits, LaneOffer};
use rempart_admission::{AccountKey, CohortId, Decision, Snapshot, TicketId, Verdict};
use rempart_domain::{Band, Millis, ReasonCode};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::ctx::Ctx;
use crate::refusal::Refusal;

/// Who asks for a piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// Frozen standing.
    pub band: Band,
    /// Whom it weighs with.
    pub cohort: CohortId,
    /// The account, or the source of a visitor.
    pub source: AccountKey,
}

impl Asker {
    /// Of a request: an account for itself; visitors by their network.
    pub fn of(ctx: &Ctx) -> Self {
        let network = CohortId(ctx.source.bits() >> 8 | 1 << 63);
        match ctx.principal.account {
            Some(account) => {
                let source = AccountKey(account.bits());
                let cohort = if ctx.band.is_member() { source.own_cohort() } else { network };
                Self { band: ctx.band, cohort, source }
            }
            None => Self { band: ctx.band, cohort: network, source: AccountKey(ctx.source.bits() | 1 << 62) },
        }
    }
}

/// A queue before one kind of short work.
pub struct WorkLane {
    /// What it is called in metrics.
    pub name: &'static str,
    clock: Arc<Clock>,
    wait_max: Millis,
    tickets: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    lane: Lane,
    waiting: HashMap<TicketId, oneshot::Sender<Result<(), Refusal>>>,
    decisions: Vec<Decision>,
}

impl std::fmt::Debug for WorkLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkLane").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The right to do the work, until it is dropped.
#[derive(Debug)]
pub struct WorkPermit {
    lane: Arc<WorkLane>,
    ticket: TicketId,
}

impl Drop for WorkPermit {
    fn drop(&mut self) {
        let ticket = self.ticket;
        self.lane.with_lane(|lane, now, out| lane.release(now, ticket, 1, out));
    }
}

impl WorkLane {
    /// `permits` at once, `queue_len` waiting for at most `wait_max`; strangers hold at most `strangers_percent` of the permits.
    pub fn new(name: &'static str, limits: LaneLimits, wait_max: Millis, clock: Arc<Clock>, seed: u64) -> Arc<Self> {
        let inner = Inner { lane: Lane::new(limits, seed), waiting: HashMap::new(), decisions: Vec::new() };
        Arc::new(Self { name, clock, wait_max, tickets: AtomicU64::new(0), inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to do a piece of work. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// `overloaded`, or `too_many_in_flight` for who asks for too much at once.
    pub async fn acquire(self: &Arc<Self>, asker: Asker) -> Result<WorkPermit, Refusal> {
        let ticket = TicketId(self.tickets.fetch_add(1, Ordering::Relaxed));
        let now = self.clock.now();
        let deadline = now + self.wait_max;
        let offer =
            LaneOffer { ticket, band: asker.band, cohort: asker.cohort, source: asker.source, cost: 1, deadline };
        let (sender, receiver) = oneshot::channel();
        {
            let mut inner = self.inner();
            let mut decisions = std::mem::take(&mut inner.decisions);
            let verdict = inner.lane.offer(now, offer, &mut decisions);
            let decided = match verdict {
                Verdict::Start(_) => Some(Ok(())),
                Verdict::Wait { .. } => {
                    inner.waiting.insert(ticket, sender);
                    None
                }
                Verdict::Refuse(why) => Some(Err(Refusal::from(why.reason).retry_after(why.retry_after))),
                // Nothing is on loan here that could be called in.
                Verdict::Revoke { .. } => Some(Err(ReasonCode::Internal.into())),
            };
            self.carry_out(inner, decisions);
            if let Some(decided) = decided {
                return decided.map(|()| WorkPermit { lane: Arc::clone(self), ticket });
            }
        }
        Waiter { lane: self, ticket, receiver, is_decided: false }.wait().await?;
        Ok(WorkPermit { lane: Arc::clone(self), ticket })
    }

    fn carry_out(&self, mut inner: MutexGuard<'_, Inner>, mut decisions: Vec<Decision>) {
        let now = self.clock.now();
        let mut at = 0;
        while let Some(decision) = decisions.get(at).copied() {
            at += 1;
            let waiter = inner.waiting.remove(&decision.ticket);
            match decision.verdict {
                Verdict::Start(_) => {
                    if waiter.is_none_or(|waiter| waiter.send(Ok(())).is_err()) {
                        inner.lane.release(now, decision.ticket, 0, &mut decisions);
                    }
                }
                Verdict::Refuse(why) => {
                    if let Some(waiter) = waiter {
                        let _gone = waiter.send(Err(Refusal::from(why.reason).retry_after(why.retry_after)));
                    }
                }
                Verdict::Wait { .. } | Verdict::Revoke { .. } => {}
            }
        }
        decisions.clear();
        inner.decisions = decisions;
    }

    fn with_lane<T>(&self, change: impl FnOnce(&mut Lane, Millis, &mut Vec<Decision>) -> T) {
        let mut inner = self.inner();
        let mut decisions = std::mem::take(&mut inner.decisions);
        let _done = change(&mut inner.lane, self.clock.now(), &mut decisions);
        self.carry_out(inner, decisions);
    }

    /// Refuses those whose time is over. Called every 50 ms.
    pub fn tick(&self) {
        self.with_lane(|lane, now, out| lane.tick(now, out));
    }

    /// What waits and runs, for metrics.
    pub fn snapshot(&self) -> Snapshot {
        self.inner().lane.snapshot()
    }
}

/// Somebody in the queue; see `admit::Waiter`.
struct Waiter<'a> {
    lane: &'a Arc<WorkLane>,
    ticket: TicketId,
    receiver: oneshot::Receiver<Result<(), Refusal>>,
    is_decided: bool,
}

impl Waiter<'_> {
    async fn wait(mut self) -> Result<(), Refusal> {
        let decided = (&mut self.receiver).await;
        self.is_decided = true;
        decided.unwrap_or_else(|_| Err(ReasonCode::Internal.into()))
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.is_decided {
            return;
        }
        let ticket = self.ticket;
        let still_waits = self.lane.inner().waiting.remove(&ticket).is_some();
        if still_waits {
            self.lane.with_lane(|lane, now, out| lane.cancel(now, ticket, out));
        } else if matches!(self.receiver.try_recv(), Ok(Ok(()))) {
            self.lane.with_lane(|lane, now, out| lane.release(now, ticket, 0, out));
        }
    }
}

/// The lanes of the platform.
#[derive(Debug)]
pub struct Work {
    /// Reads and writes of the store on behalf of a request: pages, lists, changes.
    pub storage: Arc<WorkLane>,
    /// Writing a new account, after it has passed the gate.
    pub registration: Arc<WorkLane>,
    /// Reading through an account's conversations.
    pub search: Arc<WorkLane>,
    /// Rendering a page of long answers.
    pub pages: Arc<WorkLane>,
}

impl Work {
    /// `strangers_percent` of each is the most that strangers hold.
    pub(crate) fn new(limits: &crate::Limits, clock: &Arc<Clock>, mut seed: impl FnMut() -> u64) -> Self {
        let strangers = u8::try_from(100_u64.saturating_sub(limits.members_share_percent).min(100)).unwrap_or(35);
        let wait_max = Millis(limits.work_wait_ms);
        let mut lane = |name, permits: u64, of_source: u32| {
            let permits = u32::try_from(permits).unwrap_or(u32::MAX);
            let of_lane = LaneLimits {
                strangers_percent: strangers,
                queue_len: u32::try_from(limits.work_queue_len).unwrap_or(u32::MAX),
                queue_len_per_source: of_source / 2,
                in_flight_per_source: of_source,
                ..LaneLimits::new(permits)
            };
            WorkLane::new(name, of_lane, wait_max, Arc::clone(clock), seed())
        };
        Self {
            storage: lane("storage", limits.work_storage, 32),
            registration: lane("registration", limits.work_registration, 32),
            search: lane("search", limits.work_search, 2),
            pages: lane("pages", limits.work_pages, 4),
        }
    }

    /// All of them.
    pub fn all(&self) -> [&Arc<WorkLane>; 4] {
        [&self.storage, &self.registration, &self.search, &self.pages]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn lane(permits: u32) -> Arc<WorkLane> {
        let limits = LaneLimits { in_flight_per_source: 100, queue_len_per_source: 100, ..LaneLimits::new(permits) };
        WorkLane::new("test", limits, Millis(1_000), Arc::new(Clock::start()), 1)
    }

    fn asker(band: Band, account: u64) -> Asker {
        Asker { band, cohort: CohortId(account), source: AccountKey(account) }
    }

    #[tokio::test]
    async fn strangers_never_hold_all_of_it_and_members_go_first() {
        let lane = lane(4);
        let mut held = Vec::new();
        let mut refused_or_waiting = 0;
        for account in 0..8 {
            let mut acquiring = Box::pin(lane.acquire(asker(Band::Newcomer, account)));
            match futures_util::poll!(acquiring.as_mut()) {
                std::task::Poll::Ready(permit) => held.push(permit.unwrap()),
                std::task::Poll::Pending => refused_or_waiting += 1,
            }
        }
        assert!(held.len() < 4 && refused_or_waiting > 0, "{} of 4", held.len());
        let member = lane.acquire(asker(Band::Member, 100)).await.unwrap();
        drop((member, held));
        assert!(lane.snapshot().groups.iter().all(|group| group.in_flight == 0 && group.queued == 0));
    }

    #[tokio::test]
    async fn who_waits_is_started_when_a_permit_comes_back_and_who_leaves_is_forgotten() {
        let lane = lane(1);
        let first = lane.acquire(asker(Band::Member, 1)).await.unwrap();
        let mut second = Box::pin(lane.acquire(asker(Band::Member, 2)));
        let mut third = Box::pin(lane.acquire(asker(Band::Member, 3)));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert!(futures_util::poll!(third.as_mut()).is_pending());
        drop(second);
        drop(first);
        drop(third.await.unwrap());
        assert!(lane.snapshot().groups.iter().all(|group| group.in_flight == 0 && group.queued == 0));
    }
}
