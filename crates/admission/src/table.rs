//! A bounded table of rows under caller-chosen numbers. Idle rows are kept for their memory and given up when room is needed.
//!
//! What must stay true: a row in use is never given up; the longest idle of a few goes first (sampling, as a full order would cost
//! every request a little for something that happens seldom).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use rempart_domain::Millis;

/// Rows looked at when room is needed.
const PROBES: usize = 16;

/// What a table keeps.
pub(crate) trait Row: Default {
    fn key(&self) -> u64;
    /// Becomes the row of another number; may keep allocations.
    fn reset(&mut self, key: u64);
    /// Whether nothing but memory is in it.
    fn is_idle(&self) -> bool;
    /// When it was last used.
    fn used(&self) -> Millis;
}

/// Rows by number. Slots stay valid while their row is in use.
#[derive(Debug)]
pub(crate) struct Table<T> {
    index: HashMap<u64, u32, Mixing>,
    rows: Vec<T>,
    hand: usize,
    /// Idle rows are given up from here on.
    soft: usize,
    /// Never more than this.
    hard: usize,
}

impl<T: Row> Table<T> {
    pub(crate) fn new(soft: usize, in_use_max: usize, seed: u64) -> Self {
        Self {
            index: HashMap::with_hasher(Mixing(seed)),
            rows: Vec::new(),
            hand: 0,
            soft,
            hard: soft.saturating_add(in_use_max).min(u32::MAX as usize - 1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn find(&self, key: u64) -> Option<u32> {
        self.index.get(&key).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.rows.get(slot as usize)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.rows.get_mut(slot as usize)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.iter_mut()
    }

    /// The row of `key`, made if there is none. `None`: every row is in use.
    pub(crate) fn find_or_make(&mut self, key: u64) -> Option<u32> {
        if let Some(slot) = self.find(key) {
            return Some(slot);
        }
        let idle = if self.rows.len() < self.soft { None } else { self.longest_idle() };
        let slot = match idle {
            Some(slot) => slot,
            None if self.rows.len() < self.hard => {
                self.rows.push(T::default());
                self.rows.len() - 1
            }
            None => return None,
        };
        let row = self.rows.get_mut(slot)?;
        if idle.is_some() {
            self.index.remove(&row.key());
        }
        row.reset(key);
        let slot = u32::try_from(slot).ok()?;
        self.index.insert(key, slot);
        Some(slot)
    }

    /// Of the next few rows that are idle, the one longest so. Looks further only while it meets none at all.
    fn longest_idle(&mut self) -> Option<usize> {
        let len = self.rows.len();
        for _ in 0..len.div_ceil(PROBES) {
            let start = self.hand;
            self.hand = (start + PROBES) % len;
            let found = (start..start + PROBES.min(len))
                .map(|at| at % len)
                .filter_map(|at| self.rows.get(at).filter(|row| row.is_idle()).map(|row| (row.used(), at)))
                .min();
            if let Some((_, at)) = found {
                return Some(at);
            }
        }
        None
    }
}

/// A seeded mixing hash for numbers that are random already or hashed by the caller under a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixing(pub(crate) u64);

impl BuildHasher for Mixing {
    type Hasher = Mixer;
    fn build_hasher(&self) -> Mixer {
        Mixer(self.0)
    }
}

/// One number, mixed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(self.0 ^ number);
    }
}

/// The finaliser of splitmix64: a bijection in which every input bit reaches every output bit.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
