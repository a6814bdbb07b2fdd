//! What a second looked like, gathered from where the figures live: for the posture, and for whoever steers by the members' headroom.
//!
//! What must stay true: counting on the path costs an atomic add; nothing here waits or allocates for each request.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rempart_admission::Group;
use rempart_defense::Reading;
use rempart_domain::{Millis, Posture, ReasonCode};

use crate::Gateway;
use crate::observe::{Outcome, Record};

/// A mean wait of members that is pressure.
const PRESSED_WAIT_MS: u64 = 50;

/// How much is left of what members need. Shares are parts of the whole, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Headroom {
    /// In force now.
    pub posture: Posture,
    /// Members who wait for an engine.
    pub members_waiting: u32,
    /// Part of all engines' sequences that members use.
    pub members_sequences: f64,
    /// Part of all engines' KV tokens that members hold.
    pub members_kv: f64,
    /// Part of all engines' sequences that everybody else uses.
    pub strangers_sequences: f64,
    /// Everybody else who waits for an engine.
    pub strangers_waiting: u32,
    /// Mean time to first token of members' answers in the last second with any, in milliseconds; 0 before the first.
    pub members_ttft_ms: u64,
    /// How full the line before the hashing threads is for strangers.
    pub hashing: f64,
    /// How full the table of connections is.
    pub connections: f64,
}

/// Counters of the running second; read and emptied by [`Tally::take`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    members_ended: AtomicU32,
    members_wait_ms: AtomicU64,
    members_ttft_ms: AtomicU64,
    members_ttft_count: AtomicU32,
    strangers_asked: AtomicU32,
    strangers_refused: AtomicU32,
    last_ttft_ms: AtomicU64,
}

/// Counters that only grow, as last read.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    hash_refused: u64,
    connections_refused: u64,
}

impl Tally {
    /// A request ended.
    pub(crate) fn count(&self, record: &Record) {
        let add = |counter: &AtomicU32| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        if record.band.is_member() {
            if record.first_token_ms > 0 && !record.is_heavy {
                add(&self.members_ended);
                add(&self.members_ttft_count);
                self.members_wait_ms.fetch_add(u64::from(record.wait_ms), Ordering::Relaxed);
                self.members_ttft_ms.fetch_add(u64::from(record.first_token_ms), Ordering::Relaxed);
            }
            return;
        }
        add(&self.strangers_asked);
        if matches!(record.outcome, Outcome::Refused(reason) if is_pressure(reason)) {
            add(&self.strangers_refused);
        }
    }

    fn take(&self) -> Reading {
        let take32 = |counter: &AtomicU32| counter.swap(0, Ordering::Relaxed);
        let take64 = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let (ended, wait_ms) = (take32(&self.members_ended), take64(&self.members_wait_ms));
        let (count, ttft_ms) = (take32(&self.members_ttft_count), take64(&self.members_ttft_ms));
        let members_ttft_ms = (count > 0).then(|| ttft_ms / u64::from(count.max(1)));
        if let Some(ttft) = members_ttft_ms {
            self.last_ttft_ms.store(ttft, Ordering::Relaxed);
        }
        Reading {
            members_wait_ms: wait_ms / u64::from(ended.max(1)),
            members_ttft_ms,
            strangers_asked: take32(&self.strangers_asked),
            strangers_refused: take32(&self.strangers_refused),
            ..Reading::default()
        }
    }
}

/// Refusals that a flood brings; a page that is not there, or a form with a fault, is no pressure.
const fn is_pressure(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::InvalidApiKey
            | ReasonCode::InvalidCredentials
            | ReasonCode::BudgetExhausted
            | ReasonCode::ChallengeRequired
            | ReasonCode::RegistrationClosed
            | ReasonCode::TooManyRequests
            | ReasonCode::TooManyInFlight
            | ReasonCode::Overloaded
    )
}

impl Gateway {
    /// What is left of what members need, now.
    pub fn headroom(&self) -> Headroom {
        let mut room = Headroom { posture: self.posture.level(), ..Headroom::default() };
        let (mut sequences, mut kv_tokens) = (0_u64, 0_u64);
        let (mut members, mut members_kv, mut strangers) = (0_u64, 0_u64, 0_u64);
        for lane in self.lanes() {
            let state = lane.snapshot();
            sequences += u64::from(state.capacity.sequences);
            kv_tokens += state.capacity.kv_tokens;
            for (group, held) in Group::ALL.into_iter().zip(state.groups) {
                if group == Group::Members {
                    // What is heavy waits by design: it says nothing of how members are served.
                    room.members_waiting += held.queued.saturating_sub(state.heavy.queued);
                    members += u64::from(held.in_flight);
                    members_kv += held.kv_tokens;
                } else {
                    room.strangers_waiting += held.queued;
                    strangers += u64::from(held.in_flight);
                }
            }
        }
        room.members_sequences = part(members, sequences);
        room.members_kv = part(members_kv, kv_tokens);
        room.strangers_sequences = part(strangers, sequences);
        room.members_ttft_ms = self.tally.last_ttft_ms.load(Ordering::Relaxed);
        room.hashing = part(self.hash_pool.load().queued_unknown as u64, self.hash_pool.queue_len_max() as u64);
        room.connections = part(self.connections.open() as u64, self.limits.connections);
        room
    }

    /// From `guarded` on: whether strangers have more connections than their part of the engines would be.
    pub(crate) fn has_too_many_strangers(&self) -> bool {
        let percent = match self.posture.level() {
            Posture::Calm => return false,
            Posture::Guarded => 35,
            Posture::Siege => 10,
            Posture::Fortress => 5,
        };
        self.connections.strangers() as u64 > self.limits.connections / 100 * percent
    }

    /// Closes the second: the reading that the posture is shown.
    pub(crate) fn read_pressure(&self, seen: &mut Seen) -> Reading {
        let room = self.headroom();
        let hash_refused = self.hash_pool.load().refused_total;
        let connections_refused = self.connections.refused();
        let since = |now: u64, last: &mut u64| {
            let new = now.saturating_sub(std::mem::replace(last, now));
            u32::try_from(new).unwrap_or(u32::MAX)
        };
        Reading {
            members_waiting: room.members_waiting,
            hashing_refused: since(hash_refused, &mut seen.hash_refused),
            hashing_percent: percent(room.hashing),
            connections_refused: since(connections_refused, &mut seen.connections_refused),
            connections_percent: percent(room.connections),
            ..self.tally.take()
        }
    }

    /// Once a second: the posture by pressure, and what follows from it.
    pub(crate) fn tick_posture(&self, seen: &mut Seen) {
        let reading = self.read_pressure(seen);
        let (now, wall): (Millis, _) = (self.clock.now(), self.clock.seconds());
        self.judge_conduct(reading.members_waiting > 0 || reading.members_wait_ms >= PRESSED_WAIT_MS);
        if let Some(change) = self.posture.tick(now, wall, &reading) {
            let signals: Vec<_> = change.signals.iter().map(|signal| signal.as_str()).collect();
            self.journal
                .note(wall, format!("posture by pressure: {} to {} ({})", change.from, change.to, signals.join(", ")));
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share of counts far below 2^52")]
fn part(of: u64, whole: u64) -> f64 {
    (of as f64 / whole.max(1) as f64).clamp(0.0, 1.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn percent(part: f64) -> u8 {
    (part * 100.0) as u8
}
