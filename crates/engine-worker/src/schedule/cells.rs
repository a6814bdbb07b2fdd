//! A mirror of llama.cpp's unified KV pool: which cell holds which position of which sequences. The library cannot be asked how many
//! cells are free, and asking by failing would cost a step.
//!
//! What must stay true: a cell is free when nothing holds it, *busy* when a running generation holds it, and else *cached*.

/// Cells of one sequence, in the order of its positions.
#[derive(Debug, Default)]
pub(crate) struct Held {
    cells: Vec<u32>,
    is_busy: bool,
}

/// The pool.
#[derive(Debug)]
pub(crate) struct Cells {
    free: Vec<u32>,
    /// For each cell: sequences that hold it, and how many of these are running.
    holders: Vec<(u16, u16)>,
    busy: usize,
}

impl Held {
    /// Positions held.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }
}

impl Cells {
    /// A pool of `count` free cells.
    pub(crate) fn new(count: usize) -> Self {
        let last = u32::try_from(count).unwrap_or(u32::MAX);
        Self { free: (0..last).rev().collect(), holders: vec![(0, 0); count], busy: 0 }
    }

    /// Cells that nothing holds.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Cells that running generations hold.
    pub(crate) fn busy(&self) -> usize {
        self.busy
    }

    /// Cells that only cached sequences hold: free as soon as these are given up.
    pub(crate) fn cached(&self) -> usize {
        self.holders.len() - self.free.len() - self.busy
    }

    /// A running sequence that shares the first `len` positions of another.
    pub(crate) fn share(&mut self, from: Option<&Held>, len: usize) -> Held {
        let cells: Vec<u32> = from.map(|from| from.cells.iter().take(len).copied().collect()).unwrap_or_default();
        for cell in &cells {
            self.hold(*cell, true);
        }
        Held { cells, is_busy: true }
    }

    /// Takes `count` more positions; false, with nothing taken, when there is no room.
    pub(crate) fn grow(&mut self, held: &mut Held, count: usize) -> bool {
        if self.free.len() < count {
            return false;
        }
        let at = self.free.len() - count;
        let taken = self.free.split_off(at);
        for cell in &taken {
            self.hold(*cell, held.is_busy);
        }
        held.cells.extend(taken);
        true
    }

    /// Gives up the positions after the first `len`.
    pub(crate) fn cut(&mut self, held: &mut Held, len: usize) {
        for cell in held.cells.split_off(len.min(held.cells.len())) {
            self.release(cell, held.is_busy);
        }
    }

    /// Gives everything up.
    pub(crate) fn drop_all(&mut self, mut held: Held) {
        self.cut(&mut held, 0);
    }

    /// A running sequence becomes a cached one.
    pub(crate) fn rest(&mut self, held: &mut Held) {
        if !std::mem::replace(&mut held.is_busy, false) {
            return;
        }
        for cell in &held.cells {
            if let Some((_, running)) = self.holders.get_mut(*cell as usize) {
                *running = running.saturating_sub(1);
                self.busy -= usize::from(*running == 0);
            }
        }
    }

    fn hold(&mut self, cell: u32, is_busy: bool) {
        if let Some((all, running)) = self.holders.get_mut(cell as usize) {
            *all += 1;
            if is_busy {
                self.busy += usize::from(*running == 0);
                *running += 1;
            }
        }
    }

    fn release(&mut self, cell: u32, is_busy: bool) {
        if let Some((all, running)) = self.holders.get_mut(cell as usize) {
            *all = all.saturating_sub(1);
            if is_busy {
                *running = running.saturating_sub(1);
                self.busy -= usize::from(*running == 0);
            }
            if *all == 0 {
                self.free.push(cell);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(cells: &Cells) -> (usize, usize, usize) {
        (cells.free(), cells.busy(), cells.cached())
    }

    #[test]
    fn shared_cells_count_once_and_are_free_when_the_last_holder_goes() {
        let mut cells = Cells::new(10);
        let mut first = cells.share(None, 0);
        assert!(cells.grow(&mut first, 6));
        let mut second = cells.share(Some(&first), 4);
        assert!(cells.grow(&mut second, 2));
        assert_eq!((counts(&cells), second.len()), ((2, 8, 0), 6));
        assert!(!cells.grow(&mut second, 3));
        cells.rest(&mut first);
        assert_eq!(counts(&cells), (2, 6, 2));
        cells.drop_all(second);
        assert_eq!(counts(&cells), (4, 0, 6));
        cells.cut(&mut first, 1);
        assert_eq!(counts(&cells), (9, 0, 1));
        cells.drop_all(first);
        assert_eq!(counts(&cells), (10, 0, 0));
    }
}
