//! Watches an answer for the texts that end it, also when such a text is split over tokens.
//!
//! What must stay true: nothing of a stop text, and nothing after it, is ever given out; what might still become one is held back; an
//! answer that ends without it gets what was held.

/// Texts that end one answer, and what is held back for them.
#[derive(Debug, Default)]
pub(crate) struct StopWatch {
    stops: Vec<String>,
    held: String,
}

impl StopWatch {
    /// Empty texts end nothing.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    /// Takes `text` in and appends to `out` what is safe to give; true when a stop text came, and the answer is over.
    pub(crate) fn push(&mut self, text: &str, out: &mut String) -> bool {
        if self.stops.is_empty() {
            out.push_str(text);
            return false;
        }
        self.held.push_str(text);
        let first = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        let safe = first.unwrap_or_else(|| self.held.len() - self.len_held_back());
        out.extend(self.held.drain(..safe));
        if first.is_some() {
            self.held.clear();
        }
        first.is_some()
    }

    /// The answer ended for another reason: what was held back is part of it.
    pub(crate) fn finish(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.clear();
    }

    /// Length of the longest end of `held` with which some stop text begins.
    fn len_held_back(&self) -> usize {
        let longest = |stop: &String| {
            (1..stop.len())
                .rev()
                .find(|len| stop.get(..*len).is_some_and(|begin| self.held.ends_with(begin)))
                .unwrap_or(0)
        };
        self.stops.iter().map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(stops: &[&str], pieces: &[&str]) -> (String, bool, Vec<usize>) {
        let mut watch = StopWatch::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let (mut out, mut lens) = (String::new(), Vec::new());
        for piece in pieces {
            let is_over = watch.push(piece, &mut out);
            lens.push(out.len());
            if is_over {
                return (out, true, lens);
            }
        }
        watch.finish(&mut out);
        (out, false, lens)
    }

    #[test]
    fn a_stop_text_split_over_pieces_is_never_shown() {
        assert_eq!(
            read(&["\nUser:"], &["Hi", "\n", "Us", "er", ":", " more"]),
            ("Hi".to_owned(), true, vec![2, 2, 2, 2, 2])
        );
    }

    #[test]
    fn what_only_began_like_a_stop_text_is_shown_as_soon_as_that_is_known() {
        assert_eq!(read(&["abc"], &["xab", "ab", "d"]), ("xababd".to_owned(), false, vec![1, 3, 6]));
        assert_eq!(read(&["abc"], &["xab"]), ("xab".to_owned(), false, vec![1]));
    }

    #[test]
    fn the_first_of_several_wins_and_chinese_is_not_cut() {
        assert_eq!(read(&["。", "停"], &["春天来了停", "。"]).0, "春天来了");
        assert_eq!(read(&["结束"], &["春结", "果"]), ("春结果".to_owned(), false, vec!["春".len(), "春结果".len()]));
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_text_gives(text in "[abc]{0,30}", stops in proptest::collection::vec("[abc]{1,4}", 1..4), cut in 1_usize..4) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let pieces: Vec<&str> = text.as_bytes().chunks(cut).map(|piece| std::str::from_utf8(piece).unwrap_or("")).collect();
            let (out, is_over, _) = read(&stops, &pieces);
            // Token by token the first stop text to be complete ends the answer.
            let end = (0..=text.len()).find_map(|len| {
                let seen = text.get(..len)?;
                stops.iter().filter(|stop| seen.ends_with(**stop)).map(|stop| len - stop.len()).min()
            });
            prop_assert_eq!(is_over, end.is_some());
            if cut == 1 {
                prop_assert_eq!(out, text.get(..end.unwrap_or(text.len())).unwrap_or(""));
            } else {
                prop_assert!(text.starts_with(&out) && stops.iter().all(|stop| !out.contains(stop)));
            }
        }
    }
}
