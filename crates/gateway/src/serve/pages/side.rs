//! The history at the side of the chat: a page of conversations, by the days of the account's own time zone.
//!
//! What must stay true: a page of the history costs two bounded reads, however many conversations there are.

use rempart_domain::{AccountId, Day};
use rempart_store::{Conversation, ConversationCursor};
use rempart_web::{ConversationRow, HistoryView};

use crate::refusal::Refusal;
use crate::serve::days::Days;
use crate::serve::{Call, store_refusal};

/// Conversations on a page.
const PAGE_LEN: u32 = 20;
/// Pinned conversations that are shown.
const PINNED_MAX: u32 = 50;

/// What a page of the history shows.
pub(super) struct Side {
    pinned: Vec<Conversation>,
    rows: Vec<Conversation>,
    next: Option<String>,
    days: Days,
    today: Day,
}

/// Reads the page after `after`; the first one has the pinned conversations too.
pub(super) async fn read_side(
    call: &Call,
    account: AccountId,
    after: Option<ConversationCursor>,
    zone: Option<&str>,
) -> Result<Side, Refusal> {
    let store = &call.gateway.store;
    let pinned = match after {
        None => store.list_pinned_conversations(account, None, PINNED_MAX).await.map_err(|e| store_refusal(&e))?,
        Some(_) => Vec::new(),
    };
    let mut rows = store.list_conversations(account, after, PAGE_LEN + 1).await.map_err(|e| store_refusal(&e))?;
    let is_last = rows.len() <= PAGE_LEN as usize;
    rows.truncate(PAGE_LEN as usize);
    let next = (!is_last).then(|| rows.last().map(|c| c.cursor().to_string())).flatten();
    let days = Days::of(zone);
    let today = days.day(call.gateway.clock.seconds());
    Ok(Side { pinned, rows, next, days, today })
}

impl Side {
    /// As the page shows it.
    pub(super) fn view(&self) -> HistoryView<'_> {
        HistoryView {
            pinned: self.pinned.iter().map(|c| self.row(c)).collect(),
            rows: self.rows.iter().map(|c| self.row(c)).collect(),
            today: self.today,
            next: self.next.as_deref(),
        }
    }

    fn row<'a>(&self, c: &'a Conversation) -> ConversationRow<'a> {
        ConversationRow {
            id: c.id,
            title: c.title.expose(),
            day: self.days.day(c.updated.seconds()),
            is_pinned: c.is_pinned,
        }
    }
}
