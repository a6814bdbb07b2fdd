//! Conversations of the chat: a tree of sealed messages with a current leaf, and answers that outlive a closed tab.
//!
//! What must stay true: every call names the owner, so another's id is not found. [`ask`] takes questions, [`prompt`] says what of a
//! branch a model reads, [`events`] writes the stream, [`rows`] the JSON.

mod ask;
mod events;
mod prompt;
pub(crate) mod rows;
mod temporary;

use axum::extract::{Path, Query};
use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{ConversationId, MessageId, ReasonCode, Sensitive};
use rempart_store::{Conversation, ConversationChange, Message, MessageRole, MessageStatus, NewConversation};
use serde::{Deserialize, Deserializer};
use serde_json::json;

pub use ask::{Sent, go_on, regenerate, send, send_question};
pub use events::{EventWriter, events, stop};
pub use temporary::ask_temporary;

use crate::refusal::Refusal;
use crate::serve::accounts::parse;
use crate::serve::rendered::{Source, render_page};
use crate::serve::{Answer, Call, json, no_content, store_refusal};
use crate::wire::parse::MODEL_BYTES_MAX;
use rows::{conversation_json, message_json, read_around};

/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 200;
/// Rows on a page of a list.
const PAGE_LEN: u32 = 50;
/// Most rows on a page of a list.
const PAGE_LEN_MAX: u32 = 200;
/// The hottest that a conversation may be.
const TEMPERATURE_MAX: f64 = 2.0;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    system: Option<String>,
    #[serde(default)]
    temperature: Option<f64>,
}

/// A page of a list: `?cursor&limit`.
#[derive(Deserialize)]
pub struct Cursor {
    cursor: Option<String>,
    limit: Option<u32>,
    pinned: Option<bool>,
}

impl Cursor {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(PAGE_LEN).clamp(1, PAGE_LEN_MAX)
    }

    fn parse<T: std::str::FromStr>(&self) -> Result<Option<T>, Refusal> {
        let bad = |_| Refusal::parameter("cursor", "this is not a cursor");
        self.cursor.as_deref().map(|text| text.parse().map_err(bad)).transpose()
    }
}

/// A field that may be there and null: `Some(None)`.
pub(crate) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

fn check_title(title: &str) -> Result<Sensitive<String>, Refusal> {
    let title = title.trim();
    if title.chars().count() > TITLE_CHARS_MAX {
        return Err(Refusal::parameter("title", "a title has at most 200 characters"));
    }
    Ok(Sensitive::new(title.to_owned()))
}

/// Names the model where its name is of a sane length; whether it is served is asked when it is needed.
pub(crate) fn check_model(model: &str) -> Result<(), Refusal> {
    if model.len() > MODEL_BYTES_MAX {
        return Err(Refusal::parameter("model", "this name is too long"));
    }
    Ok(())
}

/// Instructions within their limit; empty ones are none.
pub(crate) fn check_system(call: &Call, text: Option<String>) -> Result<Option<Sensitive<String>>, Refusal> {
    let bytes_max = call.gateway.limits.system_bytes;
    let text = text.filter(|text| !text.trim().is_empty());
    if text.as_ref().is_some_and(|text| text.len() as u64 > bytes_max) {
        return Err(Refusal::parameter("system", format!("at most {bytes_max} bytes")));
    }
    Ok(text.map(Sensitive::new))
}

/// A temperature in thousandths.
pub(crate) fn check_temperature(temperature: Option<f64>) -> Result<Option<u16>, Refusal> {
    let Some(temperature) = temperature else { return Ok(None) };
    if !(0.0..=TEMPERATURE_MAX).contains(&temperature) {
        return Err(Refusal::parameter("temperature", "a number from 0 to 2"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2000")]
    Ok(Some((temperature * 1000.0).round() as u16))
}

/// `POST /api/v1/conversations`.
pub async fn create(call: Call, body: Bytes) -> Answer {
    let wanted: Wanted = if body.is_empty() { Wanted::default() } else { parse(&body)? };
    let id = make_conversation(&call, wanted).await?;
    let conversation = find_own(&call, id).await?;
    json(StatusCode::CREATED, &conversation_json(&conversation))
}

/// Makes an empty conversation of the account that asks.
pub async fn begin_conversation(call: &Call, title: &str, model: Option<&str>) -> Result<ConversationId, Refusal> {
    let wanted =
        Wanted { title: Some(title.to_owned()), model: model.map(str::to_owned), system: None, temperature: None };
    make_conversation(call, wanted).await
}

async fn make_conversation(call: &Call, wanted: Wanted) -> Result<ConversationId, Refusal> {
    let gateway = &call.gateway;
    let model = wanted.model.unwrap_or_else(|| gateway.engines.default_model().to_owned());
    check_model(&model)?;
    let id = rempart_identity::random::conversation_id().map_err(|_| ReasonCode::Internal)?;
    let new = NewConversation {
        id,
        title: check_title(wanted.title.as_deref().unwrap_or(""))?,
        model,
        system: check_system(call, wanted.system)?,
        temperature: check_temperature(wanted.temperature)?,
        created: gateway.clock.date(),
    };
    gateway.store.create_conversation(call.account()?, new).await.map_err(|e| store_refusal(&e))?;
    Ok(id)
}

/// The conversation, if it is the account's.
pub(crate) async fn find_own(call: &Call, id: ConversationId) -> Result<Conversation, Refusal> {
    let found = call.gateway.store.find_conversation(call.account()?, id).await.map_err(|e| store_refusal(&e))?;
    found.ok_or_else(|| ReasonCode::NotFound.into())
}

pub(crate) fn parse_conversation(id: &str) -> Result<ConversationId, Refusal> {
    id.parse().map_err(|_| ReasonCode::NotFound.into())
}

fn parse_message(id: &str) -> Result<MessageId, Refusal> {
    id.parse().map_err(|_| ReasonCode::NotFound.into())
}

/// `GET /api/v1/conversations`: last written to first; `?pinned=true`: those that are pinned.
pub async fn list(call: Call, Query(page): Query<Cursor>) -> Answer {
    let (limit, cursor, account) = (page.limit(), page.parse()?, call.account()?);
    let store = &call.gateway.store;
    let found = if page.pinned == Some(true) {
        store.list_pinned_conversations(account, cursor, limit + 1).await
    } else {
        store.list_conversations(account, cursor, limit + 1).await
    };
    let found = found.map_err(|e| store_refusal(&e))?;
    let shown = found.get(..found.len().min(limit as usize)).unwrap_or_default();
    let next = (found.len() > shown.len()).then(|| shown.last().map(|c| c.cursor().to_string())).flatten();
    let data: Vec<_> = shown.iter().map(conversation_json).collect();
    json(StatusCode::OK, &json!({ "data": data, "next": next }))
}

/// `GET /api/v1/conversations/{id}`.
pub async fn read(call: Call, Path(id): Path<String>) -> Answer {
    let conversation = find_own(&call, parse_conversation(&id)?).await?;
    json(StatusCode::OK, &conversation_json(&conversation))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    pinned: Option<bool>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    system: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    temperature: Option<Option<f64>>,
    #[serde(default)]
    current_leaf: Option<String>,
}

/// `PATCH /api/v1/conversations/{id}`: what it is called, how it answers, which branch is shown. A message named as `current_leaf` shows
/// the branch through it that was written to last.
pub async fn change(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let change: Change = parse(&body)?;
    let (id, account) = (parse_conversation(&id)?, call.account()?);
    find_own(&call, id).await?;
    if let Some(model) = &change.model {
        check_model(model)?;
    }
    let store = &call.gateway.store;
    let current_leaf = match &change.current_leaf {
        None => None,
        Some(leaf) => {
            let leaf = parse_message(leaf)?;
            let end = store.find_newest_below(account, id, leaf).await.map_err(|e| store_refusal(&e))?;
            Some(end.ok_or(ReasonCode::NotFound)?)
        }
    };
    let changed = ConversationChange {
        title: change.title.as_deref().map(check_title).transpose()?,
        is_pinned: change.pinned,
        model: change.model,
        system: change.system.map(|text| check_system(&call, text)).transpose()?,
        temperature: change.temperature.map(check_temperature).transpose()?,
        current_leaf,
    };
    store.change_conversation(account, id, changed).await.map_err(|e| store_refusal(&e))?;
    let conversation = find_own(&call, id).await?;
    json(StatusCode::OK, &conversation_json(&conversation))
}

/// The message, if it is of this conversation of the account's.
pub(crate) async fn find_message(call: &Call, conversation: ConversationId, id: MessageId) -> Result<Message, Refusal> {
    let found = call.gateway.store.find_message(call.account()?, id).await.map_err(|e| store_refusal(&e))?;
    found.filter(|m| m.conversation == conversation).ok_or_else(|| ReasonCode::NotFound.into())
}

/// `DELETE /api/v1/conversations/{id}`.
pub async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let id = parse_conversation(&id)?;
    let was_theirs =
        call.gateway.store.delete_conversation(call.account()?, id).await.map_err(|e| store_refusal(&e))?;
    if was_theirs { no_content() } else { Err(ReasonCode::NotFound.into()) }
}

/// `GET /api/v1/conversations/{id}/messages`: the current branch, the last page first, oldest first in it.
pub async fn list_messages(call: Call, Path(id): Path<String>, Query(page): Query<Cursor>) -> Answer {
    let id = parse_conversation(&id)?;
    find_own(&call, id).await?;
    let (data, next) = read_page(&call, id, page.parse()?, page.limit()).await?;
    json(StatusCode::OK, &json!({ "data": data, "next": next }))
}

/// A page of the current branch as rows, and the cursor of the page before it. An answer that is on its way is shown as far as it came,
/// with the generation that it is read on from.
pub(crate) async fn read_page(
    call: &Call,
    id: ConversationId,
    before: Option<MessageId>,
    limit: u32,
) -> Result<(Vec<serde_json::Value>, Option<String>), Refusal> {
    let (gateway, account) = (&call.gateway, call.account()?);
    let mut messages = gateway.store.list_messages(account, id, before, limit).await.map_err(|e| store_refusal(&e))?;
    let around = read_around(call, &messages).await?;
    let next = messages.first().filter(|m| m.parent.is_some()).map(|m| m.id.to_string());
    let mut running = Vec::with_capacity(messages.len());
    for message in &mut messages {
        let generation = match message.status {
            MessageStatus::Streaming => gateway.generations.find_by_message(message.id, account),
            _ => None,
        };
        if let Some(generation) = &generation {
            let (text, reasoning) = generation.text();
            message.text = Sensitive::new(text);
            message.reasoning = (!reasoning.is_empty()).then(|| Sensitive::new(reasoning));
        }
        running.push(generation.map(|generation| generation.id));
    }
    let answers = messages.iter().zip(&running).map(|(message, generation)| Source {
        text: (message.role == MessageRole::Assistant).then(|| message.text.expose().clone()),
        is_over: generation.is_none(),
    });
    let html = render_page(call, answers.collect()).await?;
    let rows = messages.iter().zip(running).zip(html).map(|((message, generation), html)| {
        let mut row = message_json(message, &around, html.as_deref());
        if let (Some(generation), Some(row)) = (generation, row.as_object_mut()) {
            row.insert("generation".into(), generation.to_string().into());
        }
        row
    });
    Ok((rows.collect(), next))
}
