//! Generations that run or are parked, by id. Bounded: when full, the oldest that has ended makes room, else the newcomer is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rempart_domain::{AccountId, GenerationId, MessageId, Millis};

use crate::serve::generation::{Generation, Kind};

/// Ended answers of one account that are kept in memory; its oldest goes first, and never another's for its sake.
const PARKED_PER_ACCOUNT: usize = 16;

/// How long a temporary chat's answer waits for a reader who lost the connection.
const TEMPORARY_PARKED: Millis = Millis(60_000);

/// The table.
#[derive(Debug)]
pub struct Generations {
    by_id: Mutex<HashMap<GenerationId, Arc<Generation>>>,
    len_max: usize,
    bytes_max: usize,
}

/// Forgets the answers that ended first until at most `bytes_max` of text are held.
fn make_room(by_id: &mut HashMap<GenerationId, Arc<Generation>>, bytes_max: usize) {
    let mut bytes: usize = by_id.values().map(|g| g.bytes()).sum();
    if bytes <= bytes_max {
        return;
    }
    let mut ended: Vec<_> = by_id.values().filter_map(|g| g.ended_for().map(|age| (age, g.id, g.bytes()))).collect();
    ended.sort_unstable_by_key(|(age, ..)| *age);
    while let Some((_, oldest, held)) = ended.pop().filter(|_| bytes > bytes_max) {
        by_id.remove(&oldest);
        bytes = bytes.saturating_sub(held);
    }
}

impl Generations {
    /// A table of at most `len_max` answers and `bytes_max` bytes of their text.
    pub fn new(len_max: usize, bytes_max: usize) -> Self {
        Self { by_id: Mutex::new(HashMap::new()), len_max: len_max.max(1), bytes_max }
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<GenerationId, Arc<Generation>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether [`Generations::insert`] would take another one up.
    pub fn has_room(&self) -> bool {
        let mut by_id = self.by_id();
        make_room(&mut by_id, self.bytes_max);
        let held: usize = by_id.values().map(|g| g.bytes()).sum();
        held <= self.bytes_max && (by_id.len() < self.len_max || by_id.values().any(|g| g.ended_for().is_some()))
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

    /// The answer that is on its way to this message, if it is the account's.
    pub fn find_by_message(&self, message: MessageId, owner: AccountId) -> Option<Arc<Generation>> {
        let by_id = self.by_id();
        let is_it = |g: &&Arc<Generation>| {
            g.owner == owner && g.ended_for().is_none() && g.place().is_some_and(|place| place.message == message)
        };
        by_id.values().find(is_it).cloned()
    }

    /// Chats that have not ended and whose answers are kept.
    pub fn kept_and_running(&self) -> Vec<Arc<Generation>> {
        let by_id = self.by_id();
        by_id.values().filter(|g| g.place().is_some() && g.ended_for().is_none()).cloned().collect()
    }

    /// Forgets those that ended longer ago than `age`, temporary ones sooner.
    pub fn forget_old(&self, age: Millis) {
        let mut by_id = self.by_id();
        by_id.retain(|_, g| {
            let kept_for = if g.kind() == Kind::Temporary { TEMPORARY_PARKED.min(age) } else { age };
            g.ended_for().is_none_or(|ended| ended < kept_for)
        });
        make_room(&mut by_id, self.bytes_max);
    }

    /// How many have not ended.
    pub fn running(&self) -> usize {
        self.by_id().values().filter(|g| g.ended_for().is_none()).count()
    }

    /// Stops everything that runs: the platform's drain is over. What was said stands, and can go on after the next start.
    pub fn stop_all(&self) {
        for generation in self.by_id().values() {
            generation.interrupt();
        }
    }
}
