//! Conversations and messages as JSON rows.
//!
//! What must stay true: a row is made of what the owner's own calls read; an answer's HTML is made here, from its text.

use std::collections::HashMap;

use rempart_domain::{MessageId, Sensitive, Usage};
use rempart_store::{Conversation, File, Message, MessageStatus};
use rempart_web::render::render;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::serve::api::usage_json;
use crate::serve::generation::AnswerPlace;
use crate::serve::{Call, rfc3339, store_refusal};

/// A conversation of a list.
pub(crate) fn conversation_json(conversation: &Conversation) -> Value {
    json!({
        "id": conversation.id.to_string(), "title": conversation.title.expose(), "model": conversation.model,
        "created": rfc3339(conversation.created.seconds()), "updated": rfc3339(conversation.updated.seconds()),
        "current_leaf": conversation.current_leaf.map(|m| m.to_string()),
        "pinned": conversation.is_pinned, "shared": conversation.is_shared,
        "system": conversation.system.as_ref().map(Sensitive::expose),
        "temperature": conversation.temperature.map(|thousandths| f64::from(thousandths) / 1000.0),
    })
}

/// What stands around the messages of a page.
#[derive(Debug, Default)]
pub(crate) struct Around {
    siblings: HashMap<MessageId, Vec<MessageId>>,
    files: HashMap<MessageId, Vec<File>>,
}

/// Reads what stands around a page of a branch, oldest first: the branches beside each message, and its files.
pub(crate) async fn read_around(call: &Call, messages: &[Message]) -> Result<Around, Refusal> {
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return Ok(Around::default()) };
    let (store, account) = (&call.gateway.store, call.account()?);
    let limit = u32::try_from(messages.len()).unwrap_or(u32::MAX);
    let conversation = last.conversation;
    let failed = |error: rempart_store::StoreError| store_refusal(&error);
    let mut siblings = store.list_siblings(account, conversation, last.id, limit).await.map_err(failed)?;
    if first.parent.is_none() {
        siblings.insert(first.id, store.list_roots(account, conversation).await.map_err(failed)?);
    }
    let mut files: HashMap<MessageId, Vec<File>> = HashMap::new();
    for (message, file) in store.list_attachments(account, conversation, last.id, limit).await.map_err(failed)? {
        files.entry(message).or_default().push(file);
    }
    Ok(Around { siblings, files })
}

/// A file as a row.
pub(crate) fn file_json(file: &File) -> Value {
    json!({
        "id": file.id.to_string(), "name": file.name.expose(), "kind": file.kind.as_str(),
        "bytes": file.bytes, "chars": file.chars,
    })
}

/// Which of its siblings a message is.
pub(crate) fn siblings_json(message: MessageId, siblings: &[MessageId]) -> Value {
    let index = siblings.iter().position(|id| *id == message).unwrap_or(0);
    let ids: Vec<_> = siblings.iter().map(ToString::to_string).collect();
    json!({ "index": index, "count": ids.len().max(1), "ids": ids })
}

/// A message with what stands around it; `html` is an answer's.
pub(crate) fn message_json(message: &Message, around: &Around, html: Option<&str>) -> Value {
    let alone = [message.id];
    let siblings = around.siblings.get(&message.id).map_or(alone.as_slice(), Vec::as_slice);
    let files = around.files.get(&message.id).map_or(&[][..], Vec::as_slice);
    json!({
        "id": message.id.to_string(), "parent": message.parent.map(|m| m.to_string()), "role": message.role.as_str(),
        "text": message.text.expose(), "reasoning": message.reasoning.as_ref().map(Sensitive::expose), "html": html,
        "model": message.model, "status": message.status.as_str(), "created": rfc3339(message.created.seconds()),
        "usage": message.usage.map(usage_json), "attachments": files.iter().map(file_json).collect::<Vec<_>>(),
        "siblings": siblings_json(message.id, siblings), "generation": null,
    })
}

/// An answer that is just over, as the same row.
pub(crate) fn answer_json(
    place: &AnswerPlace,
    (text, reasoning): (&str, &str),
    status: MessageStatus,
    usage: Option<Usage>,
) -> Value {
    json!({
        "id": place.message.to_string(), "parent": place.parent.map(|m| m.to_string()), "role": "assistant",
        "text": text, "reasoning": (!reasoning.is_empty()).then_some(reasoning), "html": render(text),
        "model": place.model, "status": status.as_str(), "created": rfc3339(place.created.seconds()),
        "usage": usage.map(usage_json), "attachments": [],
        "siblings": siblings_json(place.message, &place.siblings), "generation": null,
    })
}
