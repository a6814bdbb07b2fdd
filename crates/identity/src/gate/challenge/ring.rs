//! Which numbers were used: a ring of bits over the last sixteen million numbers given out, 2 MiB, whatever is presented.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of the ring.
const WORDS: u64 = 1 << 18;

/// Numbers that the ring tells of; one word is kept free for the next.
const REACH: u64 = (WORDS - 1) * 64;

#[derive(Debug)]
pub(super) struct Ring {
    words: Box<[AtomicU64]>,
    next: AtomicU64,
}

impl Default for Ring {
    fn default() -> Self {
        Self::starting_at(0)
    }
}

impl Ring {
    fn starting_at(next: u64) -> Self {
        let words = usize::try_from(WORDS).unwrap_or(0);
        Self { words: std::iter::repeat_with(|| AtomicU64::new(0)).take(words).collect(), next: AtomicU64::new(next) }
    }

    fn word(&self, serial: u64) -> Option<&AtomicU64> {
        self.words.get(usize::try_from(serial / 64 % WORDS).ok()?)
    }

    /// A fresh number. The first of a word clears what the ring told of there one round ago: those numbers are past.
    pub(super) fn next(&self) -> u64 {
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        if serial.is_multiple_of(64)
            && let Some(word) = self.word(serial)
        {
            word.store(0, Ordering::Relaxed);
        }
        serial
    }

    /// True for a number that was not given out, or so long ago that nobody remembers whether it was used.
    pub(super) fn is_past(&self, serial: u64) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        serial >= next || next - serial > REACH
    }

    pub(super) fn is_used(&self, serial: u64) -> bool {
        self.word(serial).is_none_or(|word| word.load(Ordering::Relaxed) >> (serial % 64) & 1 == 1)
    }

    /// Marks a number; false if it was marked before.
    pub(super) fn mark(&self, serial: u64) -> bool {
        let bit = 1_u64 << (serial % 64);
        self.word(serial).is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_once_and_forgotten_as_past_only() {
        let ring = Ring::starting_at(1 << 40);
        let first = ring.next();
        assert!(ring.mark(first));
        assert!(!ring.mark(first));
        assert!(ring.is_used(first));
        assert!(ring.is_past(first + 1), "it was not given out yet");
        for _ in 0..REACH - 1 {
            ring.next();
        }
        assert!(!ring.is_past(first) && ring.is_used(first), "still remembered");
        for _ in 0..64 {
            ring.next();
        }
        assert!(ring.is_past(first), "before its bit is given to another");
    }
}
