//! Tickets: what waits and what runs, in one slab.

use std::collections::HashMap;

use rempart_domain::Millis;

use crate::heap::{NOWHERE, Places};
use crate::list::{Link, Links};
use crate::share::Amount;
use crate::table::Mixing;
use crate::types::{Group, TicketId};

/// Where a ticket is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In the queue.
    Waiting,
    /// At the engine, no byte yet.
    Prefill,
    /// At the engine, bytes sent.
    Streaming,
}

/// One request, from offer to release.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) group: Group,
    pub(crate) stage: Stage,
    /// Revoked and not yet released.
    pub(crate) is_revoked: bool,
    /// Many times what members usually ask.
    pub(crate) is_heavy: bool,
    pub(crate) account: u32,
    pub(crate) cohort: u32,
    /// What it holds, or will hold.
    pub(crate) amount: Amount,
    /// A token of it weighs so many.
    pub(crate) price: f64,
    /// Prompt tokens charged.
    pub(crate) input: u64,
    /// Answer tokens generated and charged.
    pub(crate) output: u64,
    /// Answer tokens the reservation covers.
    pub(crate) output_reserved: u64,
    pub(crate) output_cap: u64,
    /// When it was offered; from its start on, when it started: then its prompt was charged.
    pub(crate) since: Millis,
    pub(crate) deadline: Millis,
    /// Place in the heap of deadlines.
    pub(crate) due_at: u32,
    /// In the account's line.
    pub(crate) by_account: Link,
    /// In the cohort's line; later among what its group runs.
    pub(crate) by_cohort: Link,
}

/// The slab and its index. Bounded by the queue's total and the capacity in sequences, which the machine keeps.
#[derive(Debug)]
pub(crate) struct Tickets {
    index: HashMap<TicketId, u32, Mixing>,
    slots: Vec<Ticket>,
    free: Vec<u32>,
}

impl Tickets {
    pub(crate) fn new(seed: u64) -> Self {
        Self { index: HashMap::with_hasher(Mixing(seed)), slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn find(&self, id: TicketId) -> Option<u32> {
        self.index.get(&id).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Ticket> {
        self.slots.get(slot as usize)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Ticket> {
        self.slots.get_mut(slot as usize)
    }

    pub(crate) fn insert(&mut self, ticket: Ticket) -> u32 {
        let id = ticket.id;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => u32::try_from(self.slots.len()).unwrap_or(NOWHERE),
        };
        match self.slots.get_mut(slot as usize) {
            Some(old) => *old = ticket,
            None => self.slots.push(ticket),
        }
        self.index.insert(id, slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        if let Some(ticket) = self.slots.get(slot as usize)
            && self.index.remove(&ticket.id).is_some()
        {
            self.free.push(slot);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) const fn by_account(&mut self) -> ByAccount<'_> {
        ByAccount(self)
    }

    pub(crate) const fn by_cohort(&mut self) -> ByCohort<'_> {
        ByCohort(self)
    }

    pub(crate) const fn by_deadline(&mut self) -> ByDeadline<'_> {
        ByDeadline(self)
    }
}

pub(crate) struct ByAccount<'a>(&'a mut Tickets);

impl Links for ByAccount<'_> {
    fn link(&mut self, item: u32) -> Option<&mut Link> {
        self.0.get_mut(item).map(|t| &mut t.by_account)
    }
}

pub(crate) struct ByCohort<'a>(&'a mut Tickets);

impl Links for ByCohort<'_> {
    fn link(&mut self, item: u32) -> Option<&mut Link> {
        self.0.get_mut(item).map(|t| &mut t.by_cohort)
    }
}

pub(crate) struct ByDeadline<'a>(&'a mut Tickets);

impl Places for ByDeadline<'_> {
    fn place(&mut self, item: u32, at: u32) {
        if let Some(ticket) = self.0.get_mut(item) {
            ticket.due_at = at;
        }
    }
}
