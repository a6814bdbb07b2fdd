//! The queue: two lanes, pure, with `now` as an argument.
//!
//! The lane of accounts goes first, but each fourth hand-over is the registrations', so that neither starves the other. A mail of a
//! domain that had its share waits, those behind it do not. What failed for now comes again after 10 s, 40 s, 160 s … at most 15 min,
//! until it is worthless.
//!
//! What must stay true: each lane has its bound, and one domain has at most half of it; an address gets few mails an hour, whoever asks.

use std::collections::VecDeque;

use rempart_admission::{Buckets, Rate};
use rempart_domain::Millis;

use crate::message::Envelope;
use crate::{Mail, MailLane};

/// Cells of the tables, for each row.
const CELLS: usize = 4096;
/// First pause before a mail is tried again.
const RETRY_FIRST: u64 = 10_000;
/// Longest pause.
const RETRY_MAX: u64 = 900_000;
/// Waiting mails that one look goes through.
const SCAN_MAX: usize = 256;
const HOUR: Millis = Millis::from_secs(3600);
const MINUTE: Millis = Millis::from_secs(60);

/// Bounds, all of them in `[limits]`.
#[derive(Debug, Clone, Copy)]
pub struct MailLimits {
    /// Mails that wait, in each lane.
    pub queue_len: u64,
    /// Mails a minute.
    pub per_minute: u64,
    /// Mails a minute to one domain.
    pub per_domain_per_minute: u64,
    /// Mails an hour to one address.
    pub per_address_per_hour: u64,
}

impl Default for MailLimits {
    fn default() -> Self {
        Self { queue_len: 1024, per_minute: 120, per_domain_per_minute: 60, per_address_per_hour: 5 }
    }
}

/// Why a mail was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// This address has had its mails for now.
    #[error("this address has had its mails for now")]
    Address {
        /// When it may have the next.
        retry_after: Millis,
    },
    /// The lane is full.
    #[error("too many mails wait")]
    Full,
}

/// What a look into the queue gave.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Hand it over, then call [`Queue::settle`].
    Mail(Box<Envelope>),
    /// Nothing may go before that time has passed.
    WaitFor(Millis),
    /// Nothing waits.
    Nothing,
}

/// How a hand-over ended. The reason is for the log and says nothing of the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent,
    Later(&'static str),
    Never(&'static str),
}

#[derive(Debug)]
pub(crate) struct Queue {
    limits: MailLimits,
    lanes: [VecDeque<Envelope>; 2],
    addresses: Buckets,
    domains: Buckets,
    total: Buckets,
    turns: u64,
}

impl Queue {
    pub(crate) fn new(limits: MailLimits) -> Self {
        // A minute's mails may not all leave in its first second: a quarter of them at once.
        let smooth = |count: u64| Rate {
            burst: u32::try_from(count.div_ceil(4)).unwrap_or(u32::MAX),
            ..Rate::per(count, MINUTE)
        };
        Self {
            limits,
            lanes: [VecDeque::new(), VecDeque::new()],
            addresses: Buckets::new(Rate::per(limits.per_address_per_hour, HOUR), CELLS),
            domains: Buckets::new(smooth(limits.per_domain_per_minute), CELLS),
            total: Buckets::new(smooth(limits.per_minute), 16),
            turns: 0,
        }
    }

    /// Queues the mail. `keys`: keyed hashes of its address and its domain.
    pub(crate) fn offer(&mut self, now: Millis, mail: Mail, (address, domain_key): (u64, u64)) -> Result<(), Held> {
        let len_max = usize::try_from(self.limits.queue_len).unwrap_or(usize::MAX);
        let lane = self.lane(mail.lane);
        let of_domain = lane.iter().filter(|waiting| waiting.domain_key == domain_key).count();
        if lane.len() >= len_max || of_domain >= len_max.div_ceil(2) {
            return Err(Held::Full);
        }
        self.addresses.try_take(now, address).map_err(|retry_after| Held::Address { retry_after })?;
        let until = now + mail.lasts;
        let lane = self.lane(mail.lane);
        lane.push_back(Envelope { mail, until, not_before: now, tries: 0, domain_key });
        Ok(())
    }

    /// The next mail that may go, and how many turned worthless meanwhile.
    pub(crate) fn take(&mut self, now: Millis) -> (Taken, u64) {
        let before: u64 = self.lens().iter().sum();
        for lane in &mut self.lanes {
            lane.retain(|waiting| waiting.until > now);
        }
        let expired = before - self.lens().iter().sum::<u64>();
        if self.lanes.iter().all(VecDeque::is_empty) {
            return (Taken::Nothing, expired);
        }
        let order = if self.turns % 4 == 3 { [1, 0] } else { [0, 1] };
        let mut soonest = RETRY_MAX;
        let total_wait = self.total.wait_of(now, 0);
        if total_wait > Millis(0) {
            return (Taken::WaitFor(total_wait), expired);
        }
        for index in order {
            let Some(lane) = self.lanes.get_mut(index) else { continue };
            for at in 0..lane.len().min(SCAN_MAX) {
                let Some(waiting) = lane.get(at) else { break };
                if waiting.not_before > now {
                    soonest = soonest.min(waiting.not_before.since(now).0);
                } else if let Err(wait) = self.domains.try_take(now, waiting.domain_key) {
                    soonest = soonest.min(wait.0);
                } else if let Some(envelope) = lane.remove(at) {
                    let _taken = self.total.try_take(now, 0);
                    self.turns = self.turns.wrapping_add(1);
                    return (Taken::Mail(Box::new(envelope)), expired);
                }
            }
        }
        (Taken::WaitFor(Millis(soonest.max(1))), expired)
    }

    /// What was taken ended so: what failed for now waits again, at the front of its lane.
    pub(crate) fn settle(&mut self, now: Millis, mut envelope: Envelope, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Later(_)) {
            return;
        }
        let pause = RETRY_FIRST.saturating_mul(4_u64.saturating_pow(envelope.tries)).min(RETRY_MAX);
        envelope.tries = envelope.tries.saturating_add(1);
        envelope.not_before = now + Millis(pause);
        let len_max = usize::try_from(self.limits.queue_len).unwrap_or(usize::MAX);
        let lane = self.lane(envelope.mail.lane);
        if envelope.not_before < envelope.until && lane.len() <= len_max {
            lane.push_front(envelope);
        }
    }

    /// Mails that wait: accounts', registrations'.
    pub(crate) fn lens(&self) -> [u64; 2] {
        self.lanes.each_ref().map(|lane| u64::try_from(lane.len()).unwrap_or(u64::MAX))
    }

    fn lane(&mut self, lane: MailLane) -> &mut VecDeque<Envelope> {
        let [account, registration] = &mut self.lanes;
        match lane {
            MailLane::Account => account,
            MailLane::Registration => registration,
        }
    }
}
