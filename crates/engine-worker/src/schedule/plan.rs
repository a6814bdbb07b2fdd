//! How many prompt tokens of whom are read in the next step; pure.
//!
//! What must stay true: the sum is at most the chunk; a higher rank is read before a lower one; within a rank nobody gets more than an
//! equal share while another could use it, so a long prompt holds up a short one by a factor, never by its length.

/// A generation whose prompt is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader {
    /// Its place in the caller's list.
    pub(crate) index: usize,
    /// Prompt tokens left.
    pub(crate) left: usize,
    /// Higher is read first.
    pub(crate) rank: u8,
    /// It and its likes together get at most so much of a step; `None`: what there is.
    pub(crate) slice: Option<usize>,
}

/// Shares `chunk` tokens out; pairs of `index` and tokens. `beside_members`: somebody of theirs is at work, so those in slices read no more
/// than a slice together: each prompt token of a step is a wait for every token that is being said.
pub(crate) fn share_out(readers: &mut [Reader], chunk: usize, beside_members: bool) -> Vec<(usize, usize)> {
    // Least first: who needs less than a share leaves the rest to the others.
    readers.sort_unstable_by_key(|reader| (std::cmp::Reverse(reader.rank), reader.left, reader.index));
    let mut shares = Vec::with_capacity(readers.len());
    let mut rest = chunk;
    let mut sliced = usize::MAX;
    for group in readers.chunk_by(|a, b| a.rank == b.rank) {
        for (done, reader) in group.iter().enumerate() {
            let is_sliced = beside_members && reader.slice.is_some();
            if is_sliced {
                sliced = sliced.min(reader.slice.unwrap_or(usize::MAX));
            }
            let most = if is_sliced { rest.min(sliced) } else { rest };
            let share = most.div_ceil(group.len() - done);
            let tokens = reader.left.min(share).min(most);
            rest -= tokens;
            if is_sliced {
                sliced -= tokens;
            }
            if tokens > 0 {
                shares.push((reader.index, tokens));
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(lefts: &[(usize, u8)], chunk: usize) -> Vec<usize> {
        shares_beside(lefts, chunk, false)
    }

    fn shares_beside(lefts: &[(usize, u8)], chunk: usize, beside: bool) -> Vec<usize> {
        let mut readers: Vec<Reader> = lefts
            .iter()
            .enumerate()
            .map(|(index, (left, rank))| Reader { index, left: *left, rank: *rank, slice: (*rank < 3).then_some(32) })
            .collect();
        let mut out = vec![0; lefts.len()];
        for (index, tokens) in share_out(&mut readers, chunk, beside) {
            out[index] = tokens;
        }
        out
    }

    #[test]
    fn one_prompt_gets_the_whole_chunk_and_two_get_half_each() {
        assert_eq!(shares(&[(1000, 3)], 128), [128]);
        assert_eq!(shares(&[(1000, 3), (1000, 3)], 128), [64, 64]);
    }

    #[test]
    fn what_a_short_prompt_does_not_need_goes_to_the_others() {
        assert_eq!(shares(&[(1000, 3), (20, 3), (1000, 3)], 128), [54, 20, 54]);
        assert_eq!(shares(&[(3, 3), (5, 3)], 128), [3, 5]);
    }

    #[test]
    fn beside_members_strangers_read_a_slice_together() {
        assert_eq!(shares_beside(&[(1000, 2)], 128, true), [32]);
        assert_eq!(shares_beside(&[(1000, 2), (1000, 2), (1000, 1)], 128, true), [16, 16, 0]);
        assert_eq!(shares_beside(&[(50, 3), (1000, 2)], 128, true), [50, 32]);
        assert_eq!(shares_beside(&[(1000, 2), (1000, 2)], 128, false), [64, 64]);
    }

    #[test]
    fn a_higher_rank_is_read_first() {
        assert_eq!(shares(&[(1000, 2), (100, 3)], 128), [28, 100]);
        assert_eq!(shares(&[(1000, 2), (1000, 4)], 128), [0, 128]);
    }
}
