//! Views of the chat: the front page for visitors, a conversation or the place to begin one, a shared link.

use rempart_domain::{ConversationId, GenerationId, MessageId, ReasonCode, UnixSeconds};

use crate::view::history::HistoryView;
use crate::words::Words;

/// Path of a conversation's page.
pub fn conversation_path(id: ConversationId) -> String {
    format!("/c/{id}")
}

/// `/` for visitors: what this is, and the way in.
#[derive(Debug, Clone, Copy)]
pub struct HomeView {
    /// Whether somebody can register now.
    pub is_open: bool,
}

/// Why a question was not taken, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskError {
    /// Why.
    pub reason: ReasonCode,
    /// The value of `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
}

/// `/` and `/c/{id}` for whoever is signed in: the history, the turns, the field. Its forms post to the same path: `text` and `model` ask,
/// `do` says what else (`stop`, `save`, `pin`, `unpin`, `share`, `unshare`, `delete`, `branch ID`, `regenerate ID`, `continue ID`).
#[derive(Debug, Clone, Default)]
pub struct ChatView<'a> {
    /// What stands at the side.
    pub history: HistoryView<'a>,
    /// What was looked for, instead of the history.
    pub found: Option<FoundView<'a>>,
    /// Which conversation; `None`: one that its first question begins.
    pub conversation: Option<ConversationHead<'a>>,
    /// The branch of the current leaf, oldest first.
    pub turns: Vec<TurnRow<'a>>,
    /// Names of the models that can be asked, the conversation's own first.
    pub models: Vec<&'a str>,
    /// Cursor of earlier turns, put into `?before=`; `None` when all are shown.
    pub earlier: Option<&'a str>,
    /// What was typed and not taken, to be shown again.
    pub draft: &'a str,
    /// Why it was not taken.
    pub error: Option<AskError>,
    /// False when the store takes no writes: the page says that this answer is not kept.
    pub is_kept: bool,
    /// A chat that is kept nowhere; needs script.
    pub is_temporary: bool,
    /// True until the browser has told the account's time zone.
    pub asks_time_zone: bool,
}

impl ChatView<'_> {
    /// True where there is nothing to read yet.
    pub(crate) fn is_new(&self) -> bool {
        self.conversation.is_none() && self.turns.is_empty()
    }

    pub(crate) fn heading(&self, words: &Words) -> String {
        match &self.conversation {
            Some(head) if !head.title.is_empty() => head.title.to_owned(),
            Some(_) => words.t("untitled"),
            None if self.is_temporary => words.t("history-temporary"),
            None => words.t("history-new"),
        }
    }

    pub(crate) fn is_at(&self, id: &ConversationId) -> bool {
        self.conversation.as_ref().is_some_and(|head| head.id == *id)
    }

    /// A link that was just made is shown at once.
    pub(crate) fn is_panel_open(&self) -> bool {
        self.conversation.as_ref().is_some_and(|head| head.link.is_some())
    }

    /// `0.7`, as a number field has it, whatever the language.
    pub(crate) fn temperature_text(&self) -> String {
        let thousandths = self.conversation.as_ref().and_then(|head| head.temperature);
        thousandths.map(|t| format!("{}", f64::from(t) / 1000.0)).unwrap_or_default()
    }
}

/// What is set for a conversation.
#[derive(Debug, Clone, Copy)]
pub struct ConversationHead<'a> {
    /// Which.
    pub id: ConversationId,
    /// As in the history; empty shows a neutral title.
    pub title: &'a str,
    /// Kept at the top.
    pub is_pinned: bool,
    /// A link shows a snapshot of it.
    pub is_shared: bool,
    /// That link, just made: shown once, for nobody here knows it later.
    pub link: Option<&'a str>,
    /// Instructions that stand before every question; empty for none.
    pub system: &'a str,
    /// Thousandths.
    pub temperature: Option<u16>,
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub struct FoundView<'a> {
    /// What was looked for.
    pub words: &'a str,
    /// Newest first.
    pub hits: Vec<HitRow<'a>>,
}

/// One place where the words stand.
#[derive(Debug, Clone, Copy)]
pub struct HitRow<'a> {
    /// In which conversation.
    pub conversation: ConversationId,
    /// In which message; `None`: in the title.
    pub message: Option<MessageId>,
    /// The conversation's title.
    pub title: &'a str,
    /// What stands around the words.
    pub snippet: &'a str,
}

impl HitRow<'_> {
    pub(crate) fn path(&self) -> String {
        let path = conversation_path(self.conversation);
        self.message.map_or_else(|| path.clone(), |message| format!("{path}?at={message}#{message}"))
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The account's owner.
    Person,
    /// A model.
    Model,
}

/// How far an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageState {
    /// All of it.
    #[default]
    Complete,
    /// Still being written: the page offers to show more, and to stop.
    Streaming,
    /// Ended by its owner.
    Stopped,
    /// Ended for want of room, or because the engine restarted; what came is kept.
    Cut,
    /// Nothing came.
    Failed,
}

/// A question or an answer.
#[derive(Debug, Clone)]
pub struct TurnRow<'a> {
    /// Which; `None` where nothing was kept.
    pub id: Option<MessageId>,
    /// The message above it; `None` for the first.
    pub parent: Option<MessageId>,
    /// Who wrote it.
    pub role: Speaker,
    /// A question's words: escaped, line breaks kept.
    pub text: &'a str,
    /// An answer as HTML, rendered and sanitised by `rempart_render`: put into the page as it is.
    pub html: &'a str,
    /// What the model thought before, as text; empty leaves it out.
    pub reasoning: &'a str,
    /// How far it came.
    pub state: MessageState,
    /// The model that wrote it; empty leaves the name out.
    pub model: &'a str,
    /// Names of the files that came with it.
    pub files: Vec<&'a str>,
    /// It and the branches beside it, oldest first.
    pub siblings: Vec<MessageId>,
    /// The answer on its way to this place.
    pub generation: Option<GenerationId>,
}

impl TurnRow<'_> {
    pub(crate) fn id_text(&self) -> String {
        self.id.map(|id| id.to_string()).unwrap_or_default()
    }

    pub(crate) fn parent_text(&self) -> String {
        self.parent.map(|id| id.to_string()).unwrap_or_default()
    }

    /// Which of its siblings it is, from 1.
    pub(crate) fn place(&self) -> usize {
        self.siblings.iter().position(|id| Some(*id) == self.id).map_or(1, |index| index + 1)
    }

    pub(crate) fn sibling_before(&self) -> String {
        self.sibling(self.place().checked_sub(2))
    }

    pub(crate) fn sibling_after(&self) -> String {
        self.sibling(Some(self.place()))
    }

    fn sibling(&self, index: Option<usize>) -> String {
        index.and_then(|index| self.siblings.get(index)).map(ToString::to_string).unwrap_or_default()
    }

    pub(crate) fn has_no_end(&self) -> bool {
        matches!(self.state, MessageState::Complete | MessageState::Streaming)
    }

    /// Whether there is more to be had of it.
    pub(crate) fn can_go_on(&self) -> bool {
        matches!(self.state, MessageState::Cut | MessageState::Stopped)
    }
}

/// `/s/{token}`: a conversation as its owner shared it, for everybody who has the link.
#[derive(Debug, Clone, Default)]
pub struct SharedView<'a> {
    /// Empty shows a neutral title.
    pub title: &'a str,
    /// When the snapshot was made.
    pub created: UnixSeconds,
    /// Oldest first.
    pub turns: Vec<TurnRow<'a>>,
}
