//! What a chat's answer said so far: the text once, and where each event ends in it.
//!
//! What must stay true: an event costs its text and eight bytes, so that the longest answer fits its spool; any event can be read on from.

use rempart_domain::{Sensitive, TokenCount};
use rempart_engine::Delta;

/// Bytes that an event holds besides its text.
const EVENT_BYTES: usize = size_of::<(u32, u32)>();

/// An answer's text by event.
#[derive(Debug, Default)]
pub(crate) struct ChatLog {
    content: String,
    reasoning: String,
    /// Where each event ends: in the answer, in the reasoning.
    ends: Vec<(u32, u32)>,
    /// What stood before the first event: an answer that goes on.
    before: (usize, usize),
}

impl ChatLog {
    /// An answer that goes on after what it said already.
    pub(crate) fn after(content: &str, reasoning: &str) -> Self {
        let before = (content.len(), reasoning.len());
        Self { content: content.to_owned(), reasoning: reasoning.to_owned(), ends: Vec::new(), before }
    }

    /// Events so far.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes held.
    pub(crate) const fn bytes(&self) -> usize {
        self.content.len() + self.reasoning.len() + self.ends.len() * EVENT_BYTES
    }

    /// Another piece; `false` if it does not fit.
    pub(crate) fn push(&mut self, delta: &Delta, bytes_max: usize) -> bool {
        let (content, reasoning) = (delta.content.expose(), delta.reasoning.expose());
        let ends = (self.content.len() + content.len(), self.reasoning.len() + reasoning.len());
        let (Ok(content_end), Ok(reasoning_end)) = (u32::try_from(ends.0), u32::try_from(ends.1)) else {
            return false;
        };
        if self.bytes() + content.len() + reasoning.len() + EVENT_BYTES > bytes_max {
            return false;
        }
        self.content.push_str(content);
        self.reasoning.push_str(reasoning);
        self.ends.push((content_end, reasoning_end));
        true
    }

    /// Everything from event `next` on as one piece; `None` if there is nothing.
    pub(crate) fn since(&self, next: usize) -> Option<Delta> {
        if next >= self.ends.len() {
            return None;
        }
        let (content, reasoning) = self.start_of(next);
        let rest = |text: &str, from: usize| Sensitive::new(text.get(from..).unwrap_or_default().to_owned());
        Some(Delta {
            content: rest(&self.content, content),
            reasoning: rest(&self.reasoning, reasoning),
            tokens: TokenCount(0),
            extra: Vec::new(),
        })
    }

    /// The answer's text before event `next`.
    pub(crate) fn content_before(&self, next: usize) -> &str {
        let (content, _) = self.start_of(next.min(self.ends.len()));
        self.content.get(..content).unwrap_or_default()
    }

    /// Answer and reasoning, whole.
    pub(crate) fn texts(&self) -> (&str, &str) {
        (&self.content, &self.reasoning)
    }

    fn start_of(&self, event: usize) -> (usize, usize) {
        let Some(last) = event.checked_sub(1).and_then(|last| self.ends.get(last)) else { return self.before };
        let offset = |end: u32| usize::try_from(end).unwrap_or(usize::MAX);
        (offset(last.0), offset(last.1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn piece(content: &str, reasoning: &str) -> Delta {
        Delta {
            content: Sensitive::new(content.to_owned()),
            reasoning: Sensitive::new(reasoning.to_owned()),
            ..Delta::default()
        }
    }

    #[test]
    fn an_answer_is_read_on_from_any_event() {
        let mut log = ChatLog::default();
        for (content, reasoning) in [("", "想"), ("你", ""), ("好", ""), (" world", "")] {
            assert!(log.push(&piece(content, reasoning), 1 << 20));
        }
        let since = |next| log.since(next).map(|d| (d.content.into_inner(), d.reasoning.into_inner()));
        assert_eq!(since(0), Some(("你好 world".to_owned(), "想".to_owned())));
        assert_eq!(since(2), Some(("好 world".to_owned(), String::new())));
        assert_eq!(since(4), None);
        assert_eq!(log.content_before(2), "你");
        assert_eq!(log.content_before(9), "你好 world");
    }

    #[test]
    fn an_answer_that_goes_on_knows_what_it_said_already() {
        let mut log = ChatLog::after("The capital", "hm");
        assert!(log.push(&piece(" is Paris", ""), 1 << 20));
        assert_eq!(log.content_before(0), "The capital");
        assert_eq!(log.since(0).unwrap().content.expose(), " is Paris");
        assert_eq!(log.texts(), ("The capital is Paris", "hm"));
    }

    #[test]
    fn the_longest_answer_of_a_member_fits_the_spool() {
        let limits = crate::Limits::default();
        let mut log = ChatLog::default();
        let bytes_max = usize::try_from(limits.spool_bytes).unwrap();
        // Three Chinese characters a token is more than tokenizers give.
        let all = (0..limits.max_tokens_member).all(|_| log.push(&piece("一二三", ""), bytes_max));
        assert!(all, "{} bytes for {} events", log.bytes(), log.len());
        assert!(!log.push(&piece(&"x".repeat(bytes_max), ""), bytes_max));
    }
}
