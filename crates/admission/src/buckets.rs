//! Buckets for many keys in a fixed table: so many at once, then one every so often, for accounts, networks, mail domains.
//!
//! A count-min table of theoretical arrival times (GCRA, ITU-T I.371): four cells a key, the earliest counts. Two keys that share
//! cells can only be held back more than they earned, never less; with four rows that takes four collisions at once.
//!
//! What must stay true: the memory is what it was at the start, whatever keys come; the caller's hash is keyed, so that nobody
//! outside can choose collisions; no clock, `now` is an argument.

use rempart_domain::Millis;

const ROWS: usize = 4;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At most this many at once.
    pub burst: u32,
    /// Then one every so often.
    pub every: Millis,
}

impl Rate {
    /// `count` in each `window`, all of them at once if need be. Zero counts as one.
    pub fn per(count: u64, window: Millis) -> Self {
        let count = count.max(1);
        Self { burst: u32::try_from(count).unwrap_or(u32::MAX), every: Millis((window.0 / count).max(1)) }
    }

    /// How far ahead of now a bucket's clock may run.
    fn horizon(self) -> u64 {
        self.every.0.saturating_mul(u64::from(self.burst))
    }
}

/// The table.
#[derive(Debug, Clone)]
pub struct Buckets {
    rate: Rate,
    cells: Vec<u64>,
    mask: usize,
}

impl Buckets {
    /// A table of four rows of `cells` cells each (the next power of two), 8 bytes a cell.
    pub fn new(rate: Rate, cells: usize) -> Self {
        let row = cells.clamp(16, 1 << 24).next_power_of_two();
        Self { rate, cells: vec![0; row * ROWS], mask: row - 1 }
    }

    /// How long until the key may take one; zero if it may now. `key` is a keyed hash.
    pub fn wait_of(&self, now: Millis, key: u64) -> Millis {
        Millis(self.ahead(now, key).saturating_add(self.rate.every.0).saturating_sub(self.rate.horizon()))
    }

    /// Takes one, or says how long until one is there.
    pub fn try_take(&mut self, now: Millis, key: u64) -> Result<(), Millis> {
        let wait = self.wait_of(now, key);
        if wait > Millis(0) {
            return Err(wait);
        }
        let until = now.0.saturating_add(self.ahead(now, key)).saturating_add(self.rate.every.0);
        for at in self.places(key) {
            if let Some(cell) = self.cells.get_mut(at) {
                *cell = (*cell).max(until);
            }
        }
        Ok(())
    }

    /// How many were taken and not yet given back by time: 0 for a bucket at rest, at most the burst.
    pub fn taken(&self, now: Millis, key: u64) -> u32 {
        let taken = self.ahead(now, key).div_ceil(self.rate.every.0);
        u32::try_from(taken).unwrap_or(u32::MAX)
    }

    /// Gives everything back to a key: what was counted against it was its owner after all.
    pub fn forgive(&mut self, now: Millis, key: u64) {
        for at in self.places(key) {
            if let Some(cell) = self.cells.get_mut(at) {
                *cell = (*cell).min(now.0);
            }
        }
    }

    fn ahead(&self, now: Millis, key: u64) -> u64 {
        let earliest = self.places(key).filter_map(|at| self.cells.get(at)).min().copied().unwrap_or(0);
        earliest.saturating_sub(now.0)
    }

    /// One place in each row: four parts of the hash, spread again so that 64 bits serve four rows.
    fn places(&self, key: u64) -> impl Iterator<Item = usize> + use<> {
        let (mask, row) = (self.mask, self.mask + 1);
        let second = key.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..ROWS).map(move |index| {
            let step = u64::try_from(index).unwrap_or(0);
            let mixed = key.wrapping_add(second.wrapping_mul(step));
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let place = usize::try_from(mixed >> 32).unwrap_or(0) & mask;
            index * row + place
        })
    }
}
