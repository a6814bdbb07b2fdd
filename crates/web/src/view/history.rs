//! The history at the side of the chat: pinned conversations, then the others by the days of the account's own time zone.
//!
//! What must stay true: nothing here asks a clock; which day a conversation belongs to was decided by who knows the time zone.

use rempart_domain::{ConversationId, Day};

use crate::format::Date;
use crate::view::chat::conversation_path;
use crate::words::Words;

/// A line of the history.
#[derive(Debug, Clone, Copy)]
pub struct ConversationRow<'a> {
    /// Which.
    pub id: ConversationId,
    /// As the person or the first words named it; empty shows a neutral title.
    pub title: &'a str,
    /// Day of the last message, in the account's time zone.
    pub day: Day,
    /// Kept at the top.
    pub is_pinned: bool,
}

impl ConversationRow<'_> {
    pub(crate) fn path(&self) -> String {
        conversation_path(self.id)
    }
}

/// A page of the history.
#[derive(Debug, Clone, Default)]
pub struct HistoryView<'a> {
    /// Those at the top, on the first page only.
    pub pinned: Vec<ConversationRow<'a>>,
    /// The others, last written to first; pinned ones are left out when shown.
    pub rows: Vec<ConversationRow<'a>>,
    /// Today, in the account's time zone.
    pub today: Day,
    /// Cursor of the next page, put into `?after=`; `None` on the last.
    pub next: Option<&'a str>,
}

/// Conversations under one heading.
pub(crate) struct HistoryGroup<'v, 'a> {
    span: Span,
    pub(crate) rows: Vec<&'v ConversationRow<'a>>,
}

/// A heading's stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Pinned,
    Today,
    Yesterday,
    Week,
    Month,
    MonthOf { year: i64, month: u8 },
}

impl Span {
    /// A clock that runs ahead of ours is of today.
    fn of(day: Day, today: Day) -> Self {
        match today.0.saturating_sub(day.0) {
            0 => Self::Today,
            1 => Self::Yesterday,
            2..=7 => Self::Week,
            8..=30 => Self::Month,
            _ => {
                let date = Date::of_day(day);
                Self::MonthOf { year: date.year, month: date.month }
            }
        }
    }
}

impl<'a> HistoryView<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.pinned.is_empty() && self.rows.is_empty()
    }

    /// The conversations under their headings, in order.
    pub(crate) fn groups(&self) -> Vec<HistoryGroup<'_, 'a>> {
        let mut groups: Vec<HistoryGroup<'_, 'a>> = Vec::new();
        if !self.pinned.is_empty() {
            groups.push(HistoryGroup { span: Span::Pinned, rows: self.pinned.iter().collect() });
        }
        for row in self.rows.iter().filter(|row| !row.is_pinned) {
            let span = Span::of(row.day, self.today);
            match groups.last_mut().filter(|group| group.span == span) {
                Some(group) => group.rows.push(row),
                None => groups.push(HistoryGroup { span, rows: vec![row] }),
            }
        }
        groups
    }
}

impl HistoryGroup<'_, '_> {
    pub(crate) fn is_pinned(&self) -> bool {
        self.span == Span::Pinned
    }

    /// A name that does not depend on the language: the next page goes on under the same heading.
    pub(crate) fn id(&self) -> String {
        match self.span {
            Span::Pinned => "pinned".to_owned(),
            Span::Today => "today".to_owned(),
            Span::Yesterday => "yesterday".to_owned(),
            Span::Week => "week".to_owned(),
            Span::Month => "month".to_owned(),
            Span::MonthOf { year, month } => format!("{year:04}-{month:02}"),
        }
    }

    pub(crate) fn label(&self, words: &Words) -> String {
        match self.span {
            Span::Pinned => words.t("history-pinned"),
            Span::Today => words.t("history-today"),
            Span::Yesterday => words.t("history-yesterday"),
            Span::Week => words.t("history-week"),
            Span::Month => words.t("history-month"),
            Span::MonthOf { year, month } => words.month(year, month),
        }
    }
}
