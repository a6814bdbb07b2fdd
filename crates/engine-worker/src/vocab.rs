//! The vocabulary as tables: each token's bytes, which tokens end an answer, and which are control tokens.

/// A token that has a meaning beyond its text (`<|im_start|>`); text of a person must never become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) text: String,
    pub(crate) token: u32,
    /// White space before it is dropped.
    pub(crate) strips_before: bool,
    /// White space after it is dropped.
    pub(crate) strips_after: bool,
}

/// See the file's head.
#[derive(Debug, Default)]
pub(crate) struct Vocab {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    ends_answer: Vec<bool>,
    controls: Vec<Control>,
    /// The beginning-of-text token and its text.
    pub(crate) bos: Option<(u32, String)>,
    /// The end-of-text token's text, for templates.
    pub(crate) eos_text: String,
    /// Whether a prompt begins with `bos`.
    pub(crate) adds_bos: bool,
}

impl Vocab {
    /// Appends the next token.
    pub(crate) fn push(&mut self, piece: &[u8], ends_answer: bool) {
        self.bytes.extend_from_slice(piece);
        self.ends.push(self.bytes.len());
        self.ends_answer.push(ends_answer);
    }

    /// Adds a control token.
    pub(crate) fn push_control(&mut self, control: Control) {
        if !control.text.is_empty() {
            self.controls.push(control);
        }
    }

    /// Bytes of a token as an answer shows them; empty for control tokens.
    pub(crate) fn piece(&self, token: u32) -> &[u8] {
        let at = token as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(0);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Whether the token ends an answer.
    pub(crate) fn ends_answer(&self, token: u32) -> bool {
        self.ends_answer.get(token as usize).copied().unwrap_or(true)
    }

    /// All control tokens.
    pub(crate) fn controls(&self) -> &[Control] {
        &self.controls
    }
}
