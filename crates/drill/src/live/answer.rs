//! Reads an answer as it comes: is there text, did it end, was it cut, is somebody else's text in it?
//!
//! What must stay true: an event may be cut anywhere between two pieces of a stream, and nothing is counted twice or missed for it.

/// Letters of a canary after the word.
pub(crate) const CANARY_LEN: usize = 18;

/// What every canary begins with.
pub(crate) const CANARY_WORD: &str = "canary";

const TEXT_MARK: &[u8] = b"content\":";
const DONE_MARK: &[u8] = b"data: [DONE]";
const ERROR_MARK: &[u8] = b"{\"error\":{";
const CUT_MARK: &[u8] = b"insufficient_system_resource";
const KEPT_LEN: usize = 40;

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// As asked.
    Done,
    /// With a refusal of this reason.
    Refused(String),
    /// Before its end, or for lack of room.
    Cut,
    /// Without an answer.
    Broken,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    canary: &'a str,
    kept: Vec<u8>,
    error: Vec<u8>,
    is_done: bool,
    /// An error's object was in it.
    pub(super) has_error: bool,
    /// It ended for lack of room.
    pub(super) is_cut: bool,
    /// Another canary than the own was in it.
    pub(super) is_leak: bool,
}

impl<'a> Answer<'a> {
    pub(super) const fn new(canary: &'a str) -> Self {
        Self {
            canary,
            kept: Vec::new(),
            error: Vec::new(),
            is_done: false,
            has_error: false,
            is_cut: false,
            is_leak: false,
        }
    }

    /// Takes the next bytes; true if there is text in them.
    pub(super) fn read(&mut self, data: &[u8]) -> bool {
        let mut joined = std::mem::take(&mut self.kept);
        let seen = joined.len();
        joined.extend_from_slice(data);
        let is_new = |at: usize, mark: &[u8]| at + mark.len() > seen;
        // The byte after the mark decides; if it is new, the text is.
        let has_text = find_all(&joined, TEXT_MARK).any(|at| {
            let after = at + TEXT_MARK.len();
            let after = after + usize::from(joined.get(after) == Some(&b' '));
            let decides = after + 1;
            decides >= seen && joined.get(after) == Some(&b'"') && joined.get(decides).is_some_and(|byte| *byte != b'"')
        });
        self.is_done |= find_all(&joined, DONE_MARK).any(|at| is_new(at, DONE_MARK));
        self.is_cut |= find_all(&joined, CUT_MARK).any(|at| is_new(at, CUT_MARK));
        if !self.has_error
            && let Some(at) = find_all(&joined, ERROR_MARK).find(|at| is_new(*at, ERROR_MARK))
        {
            self.has_error = true;
            self.error = joined.get(at..).unwrap_or_default().iter().copied().take(2_048).collect();
        }
        self.is_leak |= !self.canary.is_empty() && has_foreign(&joined, self.canary.as_bytes());
        let keep_from = joined.len().saturating_sub(KEPT_LEN);
        self.kept = joined.split_off(keep_from);
        has_text
    }

    /// How a stream ended.
    pub(super) fn ending(&self) -> Ending {
        if self.has_error {
            Ending::Refused(reason_of(200, &self.error))
        } else if self.is_cut || !self.is_done {
            Ending::Cut
        } else {
            Ending::Done
        }
    }
}

/// True if a whole canary other than `own` is in the text.
fn has_foreign(text: &[u8], own: &[u8]) -> bool {
    let word = CANARY_WORD.as_bytes();
    let whole = word.len() + CANARY_LEN;
    find_all(text, word).filter_map(|at| text.get(at..at + whole)).any(|found| found != own)
}

/// The reason in an error's object, or the status if there is none.
pub(super) fn reason_of(status: u16, body: &[u8]) -> String {
    let mut values = serde_json::Deserializer::from_slice(body.trim_ascii_start()).into_iter::<serde_json::Value>();
    let value = values.next().and_then(Result::ok);
    let code = value.as_ref().and_then(|value| value.pointer("/error/code")).and_then(|code| code.as_str());
    code.map_or_else(|| status.to_string(), str::to_owned)
}

fn find_all<'t>(text: &'t [u8], mark: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    text.windows(mark.len()).enumerate().filter(move |(_, window)| *window == mark).map(|(at, _)| at)
}
