//! Views of the chat: the front page and a conversation.

use rempart_domain::{ConversationId, ReasonCode, UnixSeconds};

/// Path of a conversation's page.
pub fn conversation_path(id: ConversationId) -> String {
    format!("/c/{id}")
}

/// `/`. Signed in, its form posts `text` and `model` to `/`.
#[derive(Debug, Clone)]
pub enum HomeView<'a> {
    /// A visitor: what this is, and the way in.
    SignedOut {
        /// Whether somebody can register now.
        is_open: bool,
    },
    /// Conversations, and a form to begin one.
    SignedIn {
        /// Newest first.
        conversations: Vec<ConversationRow<'a>>,
        /// Cursor of the next page, put into `?after=`; `None` on the last.
        next: Option<&'a str>,
        /// Names of the models that can be asked, the default first; with fewer than two no choice is shown.
        models: Vec<&'a str>,
        /// What was typed and not taken, to be shown again.
        draft: &'a str,
        /// Why it was not taken.
        error: Option<AskError>,
    },
}

/// Why a question was not taken, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskError {
    /// Why.
    pub reason: ReasonCode,
    /// The value of `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
}

/// A line of the history.
#[derive(Debug, Clone, Copy)]
pub struct ConversationRow<'a> {
    /// Which.
    pub id: ConversationId,
    /// As the person or the first words named it; empty shows a neutral title.
    pub title: &'a str,
    /// Last message.
    pub updated: UnixSeconds,
}

/// A conversation's page: its form posts `text` and `model` to the same path; while an answer is written also `action=stop`.
#[derive(Debug, Clone, Default)]
pub struct ConversationView<'a> {
    /// As in the history; empty shows a neutral title.
    pub title: &'a str,
    /// The branch of the current leaf, oldest first.
    pub messages: Vec<MessageRow<'a>>,
    /// Names of the models that can be asked, the conversation's own first.
    pub models: Vec<&'a str>,
    /// Cursor of earlier messages, put into `?before=`; `None` when all are shown.
    pub earlier: Option<&'a str>,
    /// What was typed and not taken, to be shown again.
    pub draft: &'a str,
    /// Why it was not taken.
    pub error: Option<AskError>,
    /// False when the store takes no writes: the page says that this answer is not kept.
    pub is_kept: bool,
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

/// A message. Plain text: escaped, line breaks kept.
#[derive(Debug, Clone, Copy)]
pub struct MessageRow<'a> {
    /// Who wrote it.
    pub role: Speaker,
    /// Its text.
    pub text: &'a str,
    /// How far it came.
    pub state: MessageState,
    /// The model that wrote it; empty leaves the name out.
    pub model: &'a str,
}
