//! A binary heap whose items know where they are, so that any of them can be moved or taken out in O(log n) without allocation.
//!
//! What must stay true: `place` is told of every move; an item stands in a heap at most once.

/// The place of an item that stands in no heap and no list.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Where the items keep their place.
pub(crate) trait Places {
    /// `item` now stands at `at`, or [`NOWHERE`].
    fn place(&mut self, item: u32, at: u32);
}

/// Smallest key first. Keys are unique where ties matter: the caller puts a sequence number in the low bits.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    items: Vec<(u128, u32)>,
}

impl Heap {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn peek(&self) -> Option<(u128, u32)> {
        self.items.first().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn push(&mut self, places: &mut impl Places, key: u128, item: u32) {
        self.items.push((key, item));
        self.rise(places, self.items.len() - 1);
    }

    /// Takes out what stands at `at`.
    pub(crate) fn remove(&mut self, places: &mut impl Places, at: u32) {
        let at = at as usize;
        if at >= self.items.len() {
            return;
        }
        let (_, item) = self.items.swap_remove(at);
        places.place(item, NOWHERE);
        if at < self.items.len() {
            self.settle(places, at);
        }
    }

    /// Gives what stands at `at` another key.
    pub(crate) fn rekey(&mut self, places: &mut impl Places, at: u32, key: u128) {
        let at = at as usize;
        if let Some(entry) = self.items.get_mut(at) {
            entry.0 = key;
            self.settle(places, at);
        }
    }

    /// Gives every item a new key, made from its old one; O(n log n), for the rare change of scale.
    pub(crate) fn rekey_all(&mut self, places: &mut impl Places, key: impl Fn(u128) -> u128) {
        for entry in &mut self.items {
            entry.0 = key(entry.0);
        }
        self.items.sort_unstable();
        for (at, (_, item)) in self.items.iter().enumerate() {
            places.place(*item, u32::try_from(at).unwrap_or(NOWHERE));
        }
    }

    fn key(&self, at: usize) -> Option<u128> {
        self.items.get(at).map(|entry| entry.0)
    }

    fn settle(&mut self, places: &mut impl Places, at: usize) {
        let at = self.rise(places, at);
        self.sink(places, at);
    }

    fn rise(&mut self, places: &mut impl Places, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.key(parent) <= self.key(at) {
                break;
            }
            self.exchange(places, at, parent);
            at = parent;
        }
        self.tell(places, at);
        at
    }

    fn sink(&mut self, places: &mut impl Places, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            if left < self.items.len() && self.key(left) < self.key(least) {
                least = left;
            }
            if right < self.items.len() && self.key(right) < self.key(least) {
                least = right;
            }
            if least == at {
                break;
            }
            self.exchange(places, at, least);
            at = least;
        }
        self.tell(places, at);
    }

    fn exchange(&mut self, places: &mut impl Places, a: usize, b: usize) {
        self.items.swap(a, b);
        self.tell(places, a);
        self.tell(places, b);
    }

    fn tell(&self, places: &mut impl Places, at: usize) {
        if let Some((_, item)) = self.items.get(at) {
            places.place(*item, u32::try_from(at).unwrap_or(NOWHERE));
        }
    }
}
