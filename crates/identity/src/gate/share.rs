//! How often each network came lately: a small table of counters that never grows. Networks that fall on one counter share it.

use std::sync::atomic::{AtomicU32, Ordering};

use rempart_domain::Millis;

/// Counters. Two of a thousand networks share one.
const COUNTERS: usize = 65_536;

/// Counts by network in windows of fixed length.
#[derive(Debug)]
pub struct Shares {
    /// The upper half is the window's number, the lower the count in it.
    counters: Box<[AtomicU32]>,
    window: Millis,
    most: u16,
}

impl Shares {
    /// At most `most` turns a network in each `window`.
    pub fn new(window: Millis, most: u16) -> Self {
        let counters = std::iter::repeat_with(|| AtomicU32::new(0)).take(COUNTERS).collect();
        Self { counters, window: Millis(window.0.max(1)), most: most.max(1) }
    }

    /// Takes a turn; false if the network has had its turns in this window. `network` is a keyed hash.
    pub fn try_take(&self, network: u32, now: Millis) -> bool {
        let [low, high, ..] = network.to_le_bytes();
        let Some(counter) = self.counters.get(usize::from(u16::from_le_bytes([low, high]))) else { return false };
        // From 1 on: an untouched counter belongs to no window.
        let [w0, w1, ..] = (now.0 / self.window.0 + 1).to_le_bytes();
        let window = u32::from(u16::from_le_bytes([w0, w1])) << 16;
        let next = |held: u32| {
            let count = if held & 0xffff_0000 == window { held & 0xffff } else { 0 };
            (count < u32::from(self.most)).then_some(window | (count + 1))
        };
        counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}
