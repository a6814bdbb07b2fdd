//! Who may be connected: caps on all connections and on each source, with a reserve for networks where members were seen.
//!
//! A member cannot show a session before it is connected, so the door cannot know it. What it can know is where members were: a source from
//! which one was served lately finds room when strangers' part is full, and when nothing at all is left, a stranger's connection is
//! ended for it: of a few taken at random the one that was refused most, then the oldest. A connection on which a member was served is
//! never ended for another. For strangers a few a second are ended too, of those that keep being refused: or whoever holds the places first
//! would hold them for ever.
//!
//! What must stay true: opening and closing cost O(1); the table of sources with members has one size; nobody who connects decides how
//! much is looked at.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rempart_domain::Millis;
use tokio::sync::Notify;

use crate::ctx::Source;

/// Slots of the table of sources where members were seen.
const MEMBER_SOURCES: usize = 65_536;

/// A member was seen there within this time.
const MEMBER_SEEN_FOR_MS: u64 = 7 * 86_400_000;

/// Refusals in a row after which a connection may be ended for another stranger's.
const REFUSED_OFTEN: u32 = 3;

/// Connections ended for strangers a second.
const ENDED_FOR_STRANGERS: u32 = 32;

/// Connections looked at for one to end.
const SAMPLE: usize = 16;

/// What is known of a connection's manners.
#[derive(Debug, Default)]
pub(crate) struct Manners {
    /// Refusals in a row.
    in_a_row: AtomicU32,
    /// A member was served on it.
    is_member: AtomicBool,
    /// When it was opened.
    opened: AtomicU64,
    /// It ends after the answer that is on its way.
    pub(crate) close: Notify,
    /// It ends now.
    pub(crate) end: Notify,
    /// A member was served on it for the first time.
    pub(crate) rise: Notify,
    /// Where it stands in the roster, and among those of its source.
    at: AtomicUsize,
    at_source: AtomicUsize,
}

impl Manners {
    /// Refused once more; how often in a row.
    pub(crate) fn note_refused(&self) -> u32 {
        self.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Served: what was before is half forgotten.
    pub(crate) fn note_served(&self) {
        let before = self.in_a_row.load(Ordering::Relaxed);
        if before > 0 {
            self.in_a_row.store(before / 2, Ordering::Relaxed);
        }
    }

    /// Whether a member was served on it.
    pub(crate) fn is_member(&self) -> bool {
        self.is_member.load(Ordering::Relaxed)
    }

    /// Who should end first has more.
    fn burden(&self) -> (u32, u64) {
        (self.in_a_row.load(Ordering::Relaxed), u64::MAX - self.opened.load(Ordering::Relaxed))
    }
}

/// Counts open connections, all together and by source, and knows where members were. Bounded by the number of connections.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicUsize,
    members: AtomicUsize,
    refused: AtomicU64,
    ended: AtomicU64,
    roster: Mutex<Roster>,
    member_sources: MemberSources,
}

#[derive(Debug, Default)]
struct Roster {
    all: Vec<Arc<Manners>>,
    by_source: HashMap<Source, Vec<Arc<Manners>>>,
    /// Chooses whom to look at.
    state: u64,
    /// Connections ended for strangers in the second that is in the other half.
    for_strangers: (u64, u32),
}

/// A fixed table of where members were seen: two sources that meet in a slot push each other out.
#[derive(Debug)]
struct MemberSources(Box<[AtomicU64]>);

impl Default for MemberSources {
    fn default() -> Self {
        Self((0..MEMBER_SOURCES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl MemberSources {
    /// The slot, and the word in its upper half that names the source.
    fn slot(&self, source: Source) -> Option<(&AtomicU64, u64)> {
        let mixed = source.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = mixed ^ (mixed >> 29);
        let at = usize::try_from(mixed).unwrap_or(0) % MEMBER_SOURCES;
        self.0.get(at).map(|slot| (slot, mixed & 0xffff_ffff_0000_0000))
    }

    fn note(&self, source: Source, now: Millis) {
        if let Some((slot, name)) = self.slot(source) {
            slot.store(name | seconds(now), Ordering::Relaxed);
        }
    }

    fn knows(&self, source: Source, now: Millis) -> bool {
        self.slot(source).is_some_and(|(slot, name)| {
            let word = slot.load(Ordering::Relaxed);
            let age_s = seconds(now).saturating_sub(word & 0xffff_ffff);
            word != 0 && word & 0xffff_ffff_0000_0000 == name && age_s * 1_000 < MEMBER_SEEN_FOR_MS
        })
    }
}

/// Seconds, from 1 on, in 32 bits.
const fn seconds(now: Millis) -> u64 {
    (now.0 / 1_000 + 1) & 0xffff_ffff
}

/// A place among the open connections, given back on drop.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    source: Source,
    /// Members were served there lately.
    pub(crate) is_known: bool,
    /// What its requests note.
    pub(crate) manners: Arc<Manners>,
}

/// How many may be open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    /// All.
    pub(crate) all: u64,
    /// Of one source.
    pub(crate) per_source: u64,
    /// Of `all`, kept for sources where members were seen.
    pub(crate) reserved: u64,
}

impl Connections {
    /// Open connections of the public listeners.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Of them, those on which no member was served.
    pub(crate) fn strangers(&self) -> usize {
        self.open().saturating_sub(self.members.load(Ordering::Relaxed))
    }

    /// Connections turned away since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Strangers' connections ended to make room, since the start.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if the caps allow one; a source where members were seen is given one at the cost of a stranger's.
    pub(crate) fn take(self: &Arc<Self>, source: Source, caps: Caps, now: Millis) -> Option<Place> {
        let mut roster = self.roster();
        let is_known = self.member_sources.knows(source, now);
        let all = if is_known { caps.all } else { caps.all.saturating_sub(caps.reserved) };
        let of_source = roster.by_source.get(&source).map_or(0, Vec::len) as u64;
        let is_over = roster.all.len() as u64 >= all || of_source >= caps.per_source;
        if is_over {
            let is_source_full = of_source >= caps.per_source;
            let among = is_source_full.then_some(source);
            let victim = if is_known {
                roster.choose(among, 0)
            } else if roster.may_end_for_stranger(now) {
                roster.choose(among, REFUSED_OFTEN)
            } else {
                None
            };
            let Some(victim) = victim else {
                drop(roster);
                self.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            };
            self.ended.fetch_add(1, Ordering::Relaxed);
            roster.remove(&victim.0, victim.1);
            victim.0.end.notify_one();
        }
        let manners = Arc::new(Manners::default());
        manners.opened.store(now.0, Ordering::Relaxed);
        roster.insert(source, &manners);
        drop(roster);
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Place { connections: Arc::clone(self), source, is_known, manners })
    }

    /// A member was served on a connection: it is nobody's to end, and its network is remembered. True for the first on it.
    pub(crate) fn note_member(&self, manners: &Manners, source: Source, now: Millis) -> bool {
        let is_first = !manners.is_member.swap(true, Ordering::Relaxed);
        if is_first {
            self.members.fetch_add(1, Ordering::Relaxed);
            self.member_sources.note(source, now);
            manners.rise.notify_one();
        }
        is_first
    }
}

/// Not in the roster.
const GONE: usize = usize::MAX;

impl Roster {
    fn insert(&mut self, source: Source, manners: &Arc<Manners>) {
        manners.at.store(self.all.len(), Ordering::Relaxed);
        self.all.push(Arc::clone(manners));
        let of_source = self.by_source.entry(source).or_default();
        manners.at_source.store(of_source.len(), Ordering::Relaxed);
        of_source.push(Arc::clone(manners));
    }

    /// Takes one out; nothing if it is out already.
    fn remove(&mut self, manners: &Arc<Manners>, source: Source) {
        let at = manners.at.swap(GONE, Ordering::Relaxed);
        if at == GONE {
            return;
        }
        if at < self.all.len() {
            self.all.swap_remove(at);
            if let Some(moved) = self.all.get(at) {
                moved.at.store(at, Ordering::Relaxed);
            }
        }
        let Some(of_source) = self.by_source.get_mut(&source) else { return };
        let at = manners.at_source.load(Ordering::Relaxed);
        if at < of_source.len() {
            of_source.swap_remove(at);
            if let Some(moved) = of_source.get(at) {
                moved.at_source.store(at, Ordering::Relaxed);
            }
        }
        if of_source.is_empty() {
            self.by_source.remove(&source);
        }
    }

    /// A few a second.
    fn may_end_for_stranger(&mut self, now: Millis) -> bool {
        let second = now.0 / 1_000;
        let ended = if self.for_strangers.0 == second { self.for_strangers.1 } else { 0 };
        self.for_strangers = (second, ended.saturating_add(1));
        ended < ENDED_FOR_STRANGERS
    }

    /// Of a few connections without a member (of one source, or of all) the one that should end first.
    fn choose(&mut self, source: Option<Source>, refused_min: u32) -> Option<(Arc<Manners>, Source)> {
        let among = match source {
            Some(source) => self.by_source.get(&source)?,
            None => &self.all,
        };
        let len = among.len().max(1);
        let mut state = self.state;
        let looked_at = (0..SAMPLE.min(len)).filter_map(|n| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = if len <= SAMPLE { n } else { usize::try_from(state >> 33).unwrap_or(0) % len };
            among.get(at)
        });
        let chosen = looked_at
            .filter(|m| !m.is_member() && m.burden().0 >= refused_min)
            .max_by_key(|manners| manners.burden())
            .cloned();
        self.state = state;
        let chosen = chosen?;
        let source = match source {
            Some(source) => source,
            None => {
                *self
                    .by_source
                    .iter()
                    .find(|(_, of_source)| {
                        of_source
                            .get(chosen.at_source.load(Ordering::Relaxed))
                            .is_some_and(|other| Arc::ptr_eq(other, &chosen))
                    })?
                    .0
            }
        };
        Some((chosen, source))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        if self.manners.is_member() {
            self.connections.members.fetch_sub(1, Ordering::Relaxed);
        }
        self.connections.roster().remove(&self.manners, self.source);
    }
}
