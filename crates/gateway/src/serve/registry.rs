//! Generations that run or are parked, by id. Bounded: when full, the oldest that has ended makes room, else the newcomer is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rempart_domain::{AccountId, GenerationId, Millis};

use crate::serve::generation::Generation;

/// Ended answers of one account that are kept in memory; its oldest goes first, and never another's for its sake.
const PARKED_PER_ACCOUNT: usize = 16;

/// The table.
#[derive(Debug)]
pub struct Generations {
    by_id: Mutex<HashMap<GenerationId, Arc<Generation>>>,
    len_max: usize,
}

impl Generations {
    /// A table of at most `len_max`.
    pub fn new(len_max: usize) -> Self {
        Self { by_id: Mutex::new(HashMap::new()), len_max: len_max.max(1) }
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<GenerationId, Arc<Generation>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether [`Generations::insert`] would take another one up.
    pub fn has_room(&self) -> bool {
        let by_id = self.by_id();
        by_id.len() < self.len_max || by_id.values().any(|g| g.ended_for().is_some())
    }

    /// Takes a generation up; `false` if the table is full of running ones.
    pub fn insert(&self, generation: Arc<Generation>) -> bool {
        let mut by_id = self.by_id();
        let theirs = by_id.values().filter(|g| g.owner == generation.owner);
        let ended = theirs.filter_map(|g| g.ended_for().map(|age| (age, g.id)));
        let (count, oldest) = ended.fold((0, None), |(count, oldest), each| (count + 1, oldest.max(Some(each))));
        if let (PARKED_PER_ACCOUNT.., Some((_, oldest))) = (count, oldest) {
            by_id.remove(&oldest);
        }
        if by_id.len() >= self.len_max {
            let ended = by_id.values().filter_map(|g| g.ended_for().map(|age| (age, g.id)));
            let Some((_, oldest)) = ended.max_by_key(|(age, _)| *age) else {
                return false;
            };
            by_id.remove(&oldest);
        }
        by_id.insert(generation.id, generation);
        true
    }

    /// The generation, if it is the account's; another's is not found.
    pub fn find(&self, id: GenerationId, owner: AccountId) -> Option<Arc<Generation>> {
        self.by_id().get(&id).filter(|g| g.owner == owner).cloned()
    }

    /// Forgets it; an API generation lives in its body alone.
    pub fn remove(&self, id: GenerationId) {
        self.by_id().remove(&id);
    }

    /// Forgets those that ended longer ago than `age`.
    pub fn forget_old(&self, age: Millis) {
        self.by_id().retain(|_, g| g.ended_for().is_none_or(|ended| ended < age));
    }

    /// How many have not ended.
    pub fn running(&self) -> usize {
        self.by_id().values().filter(|g| g.ended_for().is_none()).count()
    }

    /// Stops everything: the platform's drain is over.
    pub fn stop_all(&self) {
        for generation in self.by_id().values() {
            generation.stop();
        }
    }
}
