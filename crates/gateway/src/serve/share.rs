//! Shared links: a read-only snapshot of a conversation's current branch, for whoever has the link.
//!
//! What must stay true: the link's secret is told once and stored nowhere; a guessed link is refused before the store is asked; reading
//! a page takes one of few places, strangers are paced by where they come from, and neither touches what members' chats need.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Path;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use rempart_domain::{MessageId, Millis, ReasonCode, Secret, Sensitive, UnixMillis};
use rempart_store::{Conversation, File, Message, MessageRole, NewShare};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Gateway;
use crate::ctx::Source;
use crate::refusal::Refusal;
use crate::serve::conversations::{find_own, parse_conversation};
use crate::serve::{Answer, Call, json, no_content, store_refusal};

/// Bytes of a link's secret, and of the tag that tells it from a guess.
const SECRET_LEN: usize = 32;
const TAG_LEN: usize = 8;

/// The layout of a snapshot; a new one takes the next number.
const LAYOUT: u32 = 1;

/// Messages read at once.
const PAGE_LEN: u32 = 100;

/// What a link shows.
#[derive(Debug, Serialize, Deserialize)]
pub struct SharedConversation {
    layout: u32,
    /// Its title when it was shared.
    pub title: String,
    /// When it was shared, in milliseconds since 1970.
    pub shared_ms: i64,
    /// The branch, oldest first.
    pub messages: Vec<SharedMessage>,
}

/// A message of a shared conversation.
#[derive(Debug, Serialize, Deserialize)]
pub struct SharedMessage {
    /// True for what the person said, false for an answer.
    pub is_question: bool,
    /// What was said; an answer's is Markdown, to be rendered and sanitised like any other.
    pub text: String,
    /// The model that answered.
    pub model: Option<String>,
    /// Names of the files that were attached; what is in them is not shared.
    pub files: Vec<String>,
}

/// `POST /api/v1/conversations/{id}/share`: a new link; an older one ends.
pub async fn create(call: Call, Path(id): Path<String>) -> Answer {
    let found = find_own(&call, parse_conversation(&id)?).await?;
    let gateway = &call.gateway;
    let shared = snapshot(&call, &found).await?;
    let text = serde_json::to_string(&shared).map_err(|_| ReasonCode::Internal)?;
    let mut secret = [0_u8; SECRET_LEN];
    rempart_identity::random::fill(&mut secret).map_err(|_| ReasonCode::Internal)?;
    let token = token_of(gateway, &secret);
    let share = rempart_identity::random::share_id().map_err(|_| ReasonCode::Internal)?;
    let new = NewShare {
        id: share,
        secret: Secret::new(secret),
        text: Sensitive::new(text),
        created: UnixMillis(shared.shared_ms),
    };
    gateway.store.create_share(call.account()?, found.id, new).await.map_err(|e| store_refusal(&e))?;
    let url = format!("{}/s/{}", gateway.config.public_url, token.expose());
    json(StatusCode::CREATED, &json!({ "id": share.to_string(), "url": url }))
}

/// `DELETE /api/v1/conversations/{id}/share`.
pub async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let found = find_own(&call, parse_conversation(&id)?).await?;
    let was_there = call.gateway.store.delete_share(call.account()?, found.id).await.map_err(|e| store_refusal(&e))?;
    if was_there { no_content() } else { Err(ReasonCode::NotFound.into()) }
}

/// The current branch as it is shown to others: no reasoning, no instructions, no text of files.
async fn snapshot(call: &Call, found: &Conversation) -> Result<SharedConversation, Refusal> {
    let (store, account) = (&call.gateway.store, call.account()?);
    let bytes_max = call.gateway.limits.share_bytes;
    let mut newest_first = Vec::new();
    let (mut before, mut bytes) = (None, 0_u64);
    loop {
        let page = store.list_messages(account, found.id, before, PAGE_LEN).await.map_err(|e| store_refusal(&e))?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else { break };
        let (oldest, is_root) = (first.id, first.parent.is_none());
        let files =
            store.list_attachments(account, found.id, last.id, PAGE_LEN).await.map_err(|e| store_refusal(&e))?;
        for message in page.into_iter().rev() {
            bytes = bytes.saturating_add(message.text.expose().len() as u64);
            if bytes > bytes_max {
                let words = format!("a conversation of more than {} KiB cannot be shared", bytes_max / 1024);
                return Err(Refusal::new(ReasonCode::TooLarge, words));
            }
            newest_first.extend(shared_message(message, &files));
        }
        if is_root {
            break;
        }
        before = Some(oldest);
    }
    if newest_first.is_empty() {
        return Err(Refusal::new(ReasonCode::BadParameter, "there is nothing to share yet"));
    }
    newest_first.reverse();
    Ok(SharedConversation {
        layout: LAYOUT,
        title: found.title.expose().clone(),
        shared_ms: call.gateway.clock.date().0,
        messages: newest_first,
    })
}

/// What was said; `None` for an answer that is not there.
fn shared_message(message: Message, files: &[(MessageId, File)]) -> Option<SharedMessage> {
    let is_question = message.role == MessageRole::User;
    let names = files.iter().filter(|(of, _)| *of == message.id).map(|(_, file)| file.name.expose().clone());
    let files = names.collect();
    let text = message.text.into_inner();
    (!text.is_empty()).then_some(SharedMessage { is_question, text, model: message.model, files })
}

/// The part of a link after `/s/`: the secret and a tag that only this platform can make.
fn token_of(gateway: &Gateway, secret: &[u8; SECRET_LEN]) -> Secret<String> {
    let mut bytes = secret.to_vec();
    bytes.extend_from_slice(&tag_of(gateway, secret));
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

fn tag_of(gateway: &Gateway, secret: &[u8]) -> [u8; TAG_LEN] {
    let hash = gateway.keyring.lookup_hash("share link", &URL_SAFE_NO_PAD.encode(secret));
    let mut tag = [0; TAG_LEN];
    tag.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    tag
}

/// The secret in a link; `None` for a guess. No I/O.
fn parse_token(gateway: &Gateway, token: &str) -> Option<Secret<[u8; SECRET_LEN]>> {
    let mut bytes = [0_u8; SECRET_LEN + TAG_LEN];
    if URL_SAFE_NO_PAD.decode_slice(token, &mut bytes) != Ok(bytes.len()) {
        return None;
    }
    let (secret, tag) = bytes.split_first_chunk::<SECRET_LEN>()?;
    // A tag is no secret of anybody's: it only spares a look-up, and the secret itself is looked up by its hash.
    (tag == tag_of(gateway, secret)).then(|| Secret::new(*secret))
}

/// What a link shows; `not_found` for a guess and for a link that ended, `too_many_requests` for a stranger who reads too many,
/// `overloaded` when all places are taken.
pub async fn read_share(call: &Call, token: &str) -> Result<SharedConversation, Refusal> {
    let gateway = &call.gateway;
    let secret = parse_token(gateway, token).ok_or(ReasonCode::NotFound)?;
    let is_member = call.ctx.band.is_member();
    if !is_member {
        gateway.share_pace.take(call.ctx.source, gateway.clock.now())?;
    }
    let _place = gateway.share_readers.enter_unknown(is_member)?;
    let found = gateway.store.read_share(&secret).await.map_err(|e| store_refusal(&e))?;
    let found = found.ok_or(ReasonCode::NotFound)?;
    serde_json::from_str(found.text.expose()).map_err(|_| ReasonCode::Internal.into())
}

/// Cells of a [`Pace`]: memory is the same however many sources there are; two that meet in a cell share it.
const CELLS: usize = 4096;

/// How often a source may ask, without a list of sources: a cell holds when its next turn is due (GCRA).
#[derive(Debug)]
pub(crate) struct Pace {
    cells: Box<[AtomicU64]>,
    seed: u64,
    /// Between two turns, in milliseconds.
    gap_ms: u64,
    /// Turns that may be taken at once.
    burst: u64,
}

impl Pace {
    pub(crate) fn new(per_minute: u64, burst: u64, seed: u64) -> Self {
        let cells = (0..CELLS).map(|_| AtomicU64::new(0)).collect();
        Self { cells, seed, gap_ms: 60_000 / per_minute.clamp(1, 60_000), burst: burst.max(1) }
    }

    /// Takes a turn, or says when there will be one.
    pub(crate) fn take(&self, source: Source, now: Millis) -> Result<(), Refusal> {
        let mixed = (source.bits() ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = usize::try_from(mixed >> 32).unwrap_or(0) % CELLS;
        let Some(cell) = self.cells.get(index) else { return Ok(()) };
        let may_run_ahead = self.gap_ms.saturating_mul(self.burst - 1);
        let due = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let start = due.max(now.0);
            (start <= now.0.saturating_add(may_run_ahead)).then(|| start.saturating_add(self.gap_ms))
        });
        due.map(|_| ()).map_err(|due| {
            let wait = due.saturating_sub(now.0).saturating_sub(may_run_ahead);
            Refusal::from(ReasonCode::TooManyRequests).retry_after(Millis(wait.max(1)))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_source_takes_its_burst_and_then_its_turns() {
        let pace = Pace::new(60, 3, 7);
        let source = Source::of("192.0.2.1".parse().unwrap());
        for _ in 0..3 {
            assert!(pace.take(source, Millis(10_000)).is_ok());
        }
        let refused = pace.take(source, Millis(10_000)).unwrap_err();
        assert_eq!((refused.reason, refused.retry_after), (ReasonCode::TooManyRequests, Some(Millis(1000))));
        assert!(pace.take(source, Millis(11_000)).is_ok());
        assert!(pace.take(Source::of("192.0.2.77".parse().unwrap()), Millis(10_000)).is_ok());
    }
}
