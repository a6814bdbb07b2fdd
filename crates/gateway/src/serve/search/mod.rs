//! Search in what an account wrote: titles first, then messages from the newest on, opened and compared one by one.
//!
//! What must stay true: one search of an account at a time; few at once in all, some of them kept for members; each reads a bounded
//! number of bytes and says where it stopped; opening and comparing happen on threads for such work, never on those that serve.

mod fold;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use axum::extract::Query;
use http::StatusCode;
use rempart_domain::{AccountId, ConversationId, MessageId, ReasonCode, Sensitive, UnixMillis};
use rempart_store::{Conversation, ConversationCursor, ScanBatch, ScanCursor};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::serve::{Answer, Call, json, rfc3339, store_refusal};
use crate::work::Asker;
use fold::{Needle, Snippet};

/// Longest text to look for, in characters.
const QUERY_CHARS_MAX: usize = 200;

/// Hits of one answer.
const HITS_MAX: usize = 20;

/// Titles, and messages, that are read at once.
const TITLES_LEN: u32 = 500;
const BATCH_LEN: u32 = 64;

/// `?q&cursor`.
#[derive(Deserialize)]
pub struct Wanted {
    q: String,
    cursor: Option<String>,
}

/// Where a search stands.
#[derive(Debug, Clone, Copy)]
enum Position {
    Titles(Option<ConversationCursor>),
    Messages(Option<ScanCursor>),
    End,
}

impl Position {
    fn parse(text: &str) -> Option<Self> {
        if let Some(cursor) = text.strip_prefix("t.") {
            return cursor.parse().ok().map(|cursor| Self::Titles(Some(cursor)));
        }
        let rest = text.strip_prefix("m")?;
        if rest.is_empty() {
            return Some(Self::Messages(None));
        }
        let (created, message) = rest.strip_prefix('.')?.split_once('.')?;
        let created = UnixMillis(created.parse().ok()?);
        Some(Self::Messages(Some(ScanCursor { created, message: message.parse().ok()? })))
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Titles(None) | Self::End => None,
            Self::Titles(Some(cursor)) => Some(format!("t.{cursor}")),
            Self::Messages(None) => Some("m".to_owned()),
            Self::Messages(Some(at)) => Some(format!("m.{}.{}", at.created.0, at.message)),
        }
    }
}

/// A place where the text was found.
#[derive(Debug)]
struct Hit {
    conversation: ConversationId,
    message: Option<MessageId>,
    snippet: Snippet,
}

/// A search on its way.
struct Search<'a> {
    call: &'a Call,
    account: AccountId,
    needle: std::sync::Arc<Needle>,
    position: Position,
    hits: Vec<Hit>,
    /// Conversations that were read on the way.
    known: HashMap<ConversationId, Conversation>,
    bytes_left: u64,
}

/// `GET /api/v1/search?q&cursor`.
pub async fn search(call: Call, Query(wanted): Query<Wanted>) -> Answer {
    if wanted.q.chars().count() > QUERY_CHARS_MAX {
        return Err(Refusal::parameter("q", "at most 200 characters"));
    }
    let needle = Needle::new(&wanted.q).ok_or_else(|| Refusal::parameter("q", "there is nothing to look for"))?;
    let position = match &wanted.cursor {
        None => Position::Titles(None),
        Some(text) => Position::parse(text).ok_or_else(|| Refusal::parameter("cursor", "this is not a cursor"))?,
    };
    let account = call.account()?;
    let _permit = call.gateway.work.search.acquire(Asker::of(&call.ctx)).await?;
    let bytes_left = call.gateway.limits.search_bytes;
    let needle = std::sync::Arc::new(needle);
    let mut search =
        Search { call: &call, account, needle, position, hits: Vec::new(), known: HashMap::new(), bytes_left };
    search.run().await?;
    let next = search.position.text();
    let data = search.rows().await?;
    json(StatusCode::OK, &json!({ "data": data, "next": next }))
}

impl Search<'_> {
    async fn run(&mut self) -> Result<(), Refusal> {
        while self.hits.len() < HITS_MAX && self.bytes_left > 0 {
            match self.position {
                Position::Titles(after) => self.read_titles(after).await?,
                Position::Messages(after) => self.read_messages(after).await?,
                Position::End => break,
            }
        }
        Ok(())
    }

    async fn read_titles(&mut self, after: Option<ConversationCursor>) -> Result<(), Refusal> {
        let store = &self.call.gateway.store;
        let page = store.scan_conversations(self.account, after, TITLES_LEN).await.map_err(|e| store_refusal(&e))?;
        self.position = match page.last() {
            Some(last) if page.len() == TITLES_LEN as usize => Position::Titles(Some(last.cursor())),
            _ => Position::Messages(None),
        };
        let mut folded = String::new();
        for conversation in page {
            self.bytes_left = self.bytes_left.saturating_sub(conversation.title.expose().len() as u64);
            let Some(snippet) = self.needle.find(conversation.title.expose(), &mut folded) else { continue };
            let cursor = conversation.cursor();
            self.hits.push(Hit { conversation: conversation.id, message: None, snippet });
            self.known.insert(conversation.id, conversation);
            if self.hits.len() >= HITS_MAX {
                self.position = Position::Titles(Some(cursor));
                break;
            }
        }
        Ok(())
    }

    async fn read_messages(&mut self, after: Option<ScanCursor>) -> Result<(), Refusal> {
        let store = &self.call.gateway.store;
        let batch = store.scan_messages(self.account, after, BATCH_LEN).await.map_err(|e| store_refusal(&e))?;
        let is_last = batch.len() < BATCH_LEN as usize;
        let (needle, most) = (std::sync::Arc::clone(&self.needle), HITS_MAX.saturating_sub(self.hits.len()));
        let looked = tokio::task::spawn_blocking(move || look_through(batch, &needle, most)).await;
        let looked = looked.map_err(|_| ReasonCode::Internal)?.map_err(|e| store_refusal(&e))?;
        self.bytes_left = self.bytes_left.saturating_sub(looked.bytes);
        self.position = match looked.last {
            Some(last) if !is_last || looked.is_full => Position::Messages(Some(last)),
            _ => Position::End,
        };
        self.hits.extend(looked.hits);
        Ok(())
    }

    async fn rows(self) -> Result<Vec<Value>, Refusal> {
        let Self { call, account, hits, mut known, .. } = self;
        let mut rows = Vec::with_capacity(hits.len());
        for hit in hits {
            let conversation = match known.entry(hit.conversation) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let found = call.gateway.store.find_conversation(account, hit.conversation).await;
                    // Deleted while it was looked through: no hit.
                    let Some(found) = found.map_err(|e| store_refusal(&e))? else { continue };
                    unknown.insert(found)
                }
            };
            rows.push(json!({
                "conversation": {
                    "id": conversation.id.to_string(), "title": conversation.title.expose(),
                    "updated": rfc3339(conversation.updated.seconds()),
                },
                "message": hit.message.map(|m| m.to_string()), "snippet": hit.snippet.text,
                "ranges": hit.snippet.ranges,
            }));
        }
        Ok(rows)
    }
}

/// What a batch held.
struct Looked {
    hits: Vec<Hit>,
    bytes: u64,
    last: Option<ScanCursor>,
    /// Stopped before its end.
    is_full: bool,
}

fn look_through(batch: ScanBatch, needle: &Needle, most: usize) -> Result<Looked, rempart_store::StoreError> {
    let mut looked = Looked { hits: Vec::new(), bytes: 0, last: None, is_full: false };
    let mut folded = String::new();
    for scanned in batch.open() {
        let scanned = scanned?;
        let text: &Sensitive<String> = &scanned.text;
        looked.bytes = looked.bytes.saturating_add(text.expose().len() as u64);
        looked.last = Some(ScanCursor { created: scanned.created, message: scanned.message });
        if let Some(snippet) = needle.find(text.expose(), &mut folded) {
            looked.hits.push(Hit { conversation: scanned.conversation, message: Some(scanned.message), snippet });
            if looked.hits.len() >= most {
                looked.is_full = true;
                break;
            }
        }
    }
    Ok(looked)
}
