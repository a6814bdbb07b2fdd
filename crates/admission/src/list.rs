//! Doubly linked lists through slots of a slab: put at the end, take from anywhere, no allocation.

use crate::heap::NOWHERE;

/// One item's neighbours in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    prev: u32,
    next: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { prev: NOWHERE, next: NOWHERE }
    }
}

/// Where the items keep their link.
pub(crate) trait Links {
    fn link(&mut self, item: u32) -> Option<&mut Link>;
}

/// First and last item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NOWHERE, last: NOWHERE }
    }
}

impl List {
    pub(crate) const fn first(&self) -> Option<u32> {
        if self.first == NOWHERE { None } else { Some(self.first) }
    }

    pub(crate) const fn last(&self) -> Option<u32> {
        if self.last == NOWHERE { None } else { Some(self.last) }
    }

    pub(crate) fn push_back(&mut self, links: &mut impl Links, item: u32) {
        if let Some(link) = links.link(item) {
            *link = Link { prev: self.last, next: NOWHERE };
        }
        match links.link(self.last) {
            Some(last) => last.next = item,
            None => self.first = item,
        }
        self.last = item;
    }

    /// The item must be in this list.
    pub(crate) fn remove(&mut self, links: &mut impl Links, item: u32) {
        let Some(link) = links.link(item) else { return };
        let Link { prev, next } = std::mem::take(link);
        match links.link(prev) {
            Some(before) => before.next = next,
            None => self.first = next,
        }
        match links.link(next) {
            Some(after) => after.prev = prev,
            None => self.last = prev,
        }
    }
}
