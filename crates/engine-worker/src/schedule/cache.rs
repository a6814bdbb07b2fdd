//! Finished sequences whose KV cells are kept for prompts that begin alike.
//!
//! What must stay true: a sequence is found by its own salt only (whoever could probe others' prefixes by timing would read their
//! prompts: CVE-2025-46570); one salt cannot fill the cache; the least recently used goes first.

use super::cells::Held;

/// Shorter beginnings are not worth the look.
const SHARED_TOKENS_MIN: usize = 16;

/// One kept sequence.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) sequence: u32,
    pub(crate) salt: u64,
    pub(crate) tokens: Vec<u32>,
    pub(crate) held: Held,
    used_at: u64,
}

/// See the file's head.
#[derive(Debug)]
pub(crate) struct PrefixCache {
    kept: Vec<Kept>,
    sequences_max: usize,
    clock: u64,
}

impl PrefixCache {
    /// Keeps at most `sequences_max`; 0 keeps nothing.
    pub(crate) fn new(sequences_max: usize) -> Self {
        Self { kept: Vec::with_capacity(sequences_max), sequences_max, clock: 0 }
    }

    /// The kept sequence of this salt that has most in common with `prompt`, and how much; it counts as used.
    pub(crate) fn find(&mut self, salt: u64, prompt: &[u32]) -> Option<(&Kept, usize)> {
        self.clock += 1;
        let clock = self.clock;
        let of_salt = self.kept.iter_mut().filter(|kept| kept.salt == salt);
        let (kept, shared) = of_salt
            .map(|kept| (common(&kept.tokens, prompt), kept))
            .map(|(len, kept)| (kept, len))
            .max_by_key(|(_, len)| *len)?;
        if shared < SHARED_TOKENS_MIN {
            return None;
        }
        kept.used_at = clock;
        Some((kept, shared))
    }

    /// Keeps a sequence, and hands back what has to go for it: sequences that it goes on from, the oldest of its salt over a quarter of
    /// the cache, the oldest of all, or itself when it is not worth keeping.
    pub(crate) fn keep(&mut self, sequence: u32, salt: u64, tokens: Vec<u32>, held: Held) -> Vec<Kept> {
        self.clock += 1;
        let new = Kept { sequence, salt, tokens, held, used_at: self.clock };
        if self.sequences_max == 0 || new.tokens.len() < SHARED_TOKENS_MIN {
            return vec![new];
        }
        let mut gone: Vec<Kept> =
            self.kept.extract_if(.., |old| old.salt == salt && new.tokens.starts_with(&old.tokens)).collect();
        let of_salt = self.kept.iter().filter(|old| old.salt == salt).count();
        if of_salt >= self.sequences_max.div_ceil(4) {
            gone.extend(self.take_oldest(|old| old.salt == salt));
        }
        if self.kept.len() >= self.sequences_max {
            gone.extend(self.take_oldest(|_| true));
        }
        self.kept.push(new);
        gone
    }

    /// Gives up the least recently used.
    pub(crate) fn evict(&mut self) -> Option<Kept> {
        self.take_oldest(|_| true)
    }

    fn take_oldest(&mut self, among: impl Fn(&Kept) -> bool) -> Option<Kept> {
        let oldest = self.kept.iter().enumerate().filter(|(_, kept)| among(kept)).min_by_key(|(_, kept)| kept.used_at);
        let at = oldest.map(|(at, _)| at)?;
        Some(self.kept.swap_remove(at))
    }
}

/// How many tokens two sequences begin with in common.
pub(crate) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(begin: u32, len: u32) -> Vec<u32> {
        (begin..begin + len).collect()
    }

    fn keep(cache: &mut PrefixCache, sequence: u32, salt: u64, tokens: Vec<u32>) -> Vec<u32> {
        cache.keep(sequence, salt, tokens, Held::default()).iter().map(|gone| gone.sequence).collect()
    }

    fn find(cache: &mut PrefixCache, salt: u64, prompt: &[u32]) -> Option<(u32, usize)> {
        cache.find(salt, prompt).map(|(kept, shared)| (kept.sequence, shared))
    }

    #[test]
    fn the_longest_beginning_of_the_same_salt_is_found_and_never_anothers() {
        let mut cache = PrefixCache::new(8);
        keep(&mut cache, 1, 7, tokens(0, 20));
        keep(&mut cache, 2, 7, [tokens(0, 18), tokens(900, 9)].concat());
        keep(&mut cache, 3, 8, tokens(0, 40));
        assert_eq!(find(&mut cache, 7, &tokens(0, 40)), Some((1, 20)));
        assert_eq!(find(&mut cache, 7, &[tokens(0, 18), tokens(900, 20)].concat()), Some((2, 27)));
        assert_eq!(find(&mut cache, 9, &tokens(0, 40)), None);
        assert_eq!(find(&mut cache, 7, &[tokens(0, 9), tokens(50, 9)].concat()), None);
    }

    #[test]
    fn a_sequence_replaces_what_it_goes_on_from() {
        let mut cache = PrefixCache::new(8);
        assert!(keep(&mut cache, 1, 7, tokens(0, 20)).is_empty());
        assert_eq!(keep(&mut cache, 2, 7, tokens(0, 30)), [1]);
        assert!(keep(&mut cache, 3, 8, tokens(0, 40)).is_empty());
    }

    #[test]
    fn one_salt_holds_a_quarter_and_the_oldest_goes_first() {
        let mut cache = PrefixCache::new(8);
        keep(&mut cache, 1, 7, tokens(0, 20));
        keep(&mut cache, 2, 7, tokens(100, 20));
        find(&mut cache, 7, &tokens(0, 20));
        assert_eq!(keep(&mut cache, 3, 7, tokens(200, 20)), [2]);
        for salt in 10..16 {
            assert!(keep(&mut cache, u32::try_from(salt).unwrap_or(0), salt, tokens(0, 20)).is_empty());
        }
        assert_eq!(keep(&mut cache, 99, 99, tokens(0, 20)), [1]);
        assert_eq!(cache.evict().map(|kept| kept.sequence), Some(3));
    }

    #[test]
    fn what_is_too_short_or_has_no_room_at_all_comes_back() {
        assert_eq!(keep(&mut PrefixCache::new(8), 1, 7, tokens(0, 15)), [1]);
        assert_eq!(keep(&mut PrefixCache::new(0), 1, 7, tokens(0, 50)), [1]);
    }
}
