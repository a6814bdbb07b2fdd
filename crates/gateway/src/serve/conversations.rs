//! Conversations of the chat: a tree of sealed messages with a current leaf, and answers that outlive a closed tab.
//!
//! What must stay true: every call names the owner, so another's id is not found; `accepted` is sent when the question is durable;
//! what could not be kept is said so.

use std::sync::Arc;

use axum::extract::{Path, Query};
use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{ConversationId, GenerationId, MessageId, ReasonCode, Sensitive};
use rempart_engine::{FinishReason, Prompt, Sampling};
use rempart_store::{Conversation, Message, MessageRole, MessageStatus, NewConversation, NewMessage};
use serde::Deserialize;
use serde_json::json;

use crate::refusal::Refusal;
use crate::serve::accounts::parse;
use crate::serve::api::{streaming, usage_json};
use crate::serve::generation::{End, Generation, Kind, Look, Phase, WakeOn};
use crate::serve::{Answer, Call, drive, json, no_content, rfc3339, store_refusal, to_the_end};
use crate::wire::openai::push_keep_alive;
use crate::wire::parse::{Asked, MODEL_BYTES_MAX};

/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 200;
/// Messages of a branch that are read at once.
const BRANCH_PAGE_LEN: u32 = 32;
/// Conversations on a page of the list.
const PAGE_LEN: u32 = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    text: String,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

#[derive(Deserialize)]
/// A page of a list: `?cursor&limit`.
pub struct Cursor {
    cursor: Option<String>,
    limit: Option<u32>,
}

fn conversation_json(conversation: &Conversation) -> serde_json::Value {
    json!({
        "id": conversation.id.to_string(), "title": conversation.title.expose(), "model": conversation.model,
        "created": rfc3339(conversation.created.seconds()), "updated": rfc3339(conversation.updated.seconds()),
        "current_leaf": conversation.current_leaf.map(|m| m.to_string()),
    })
}

fn message_json(message: &Message) -> serde_json::Value {
    json!({
        "id": message.id.to_string(), "parent": message.parent.map(|m| m.to_string()), "role": message.role.as_str(),
        "text": message.text.expose(), "reasoning": message.reasoning.as_ref().map(Sensitive::expose),
        "model": message.model, "status": message.status.as_str(), "created": rfc3339(message.created.seconds()),
        "usage": message.usage.map(usage_json),
    })
}

fn check_title(title: &str) -> Result<Sensitive<String>, Refusal> {
    let title = title.trim();
    if title.chars().count() > TITLE_CHARS_MAX {
        return Err(Refusal::parameter("title", "a title has at most 200 characters"));
    }
    Ok(Sensitive::new(title.to_owned()))
}

/// `POST /api/v1/conversations`.
pub async fn create(call: Call, body: Bytes) -> Answer {
    let wanted: Wanted = if body.is_empty() { Wanted { title: None, model: None } } else { parse(&body)? };
    let id = begin_conversation(&call, wanted.title.as_deref().unwrap_or(""), wanted.model.as_deref()).await?;
    let conversation = find_own(&call, id).await?;
    json(StatusCode::CREATED, &conversation_json(&conversation))
}

/// Makes an empty conversation of the account that asks.
pub async fn begin_conversation(call: &Call, title: &str, model: Option<&str>) -> Result<ConversationId, Refusal> {
    if model.is_some_and(|model| model.len() > MODEL_BYTES_MAX) {
        return Err(Refusal::parameter("model", "this name is too long"));
    }
    let id = rempart_identity::random::conversation_id().map_err(|_| ReasonCode::Internal)?;
    let new = NewConversation {
        id,
        title: check_title(title)?,
        model: model.unwrap_or(call.gateway.engines.default_model()).to_owned(),
        created: call.gateway.clock.date(),
    };
    call.gateway.store.create_conversation(call.account()?, new).await.map_err(|e| store_refusal(&e))?;
    Ok(id)
}

async fn find_own(call: &Call, id: ConversationId) -> Result<Conversation, Refusal> {
    let found = call.gateway.store.find_conversation(call.account()?, id).await.map_err(|e| store_refusal(&e))?;
    found.ok_or_else(|| ReasonCode::NotFound.into())
}

fn parse_conversation(id: &str) -> Result<ConversationId, Refusal> {
    id.parse().map_err(|_| ReasonCode::NotFound.into())
}

/// `GET /api/v1/conversations`.
pub async fn list(call: Call, Query(page): Query<Cursor>) -> Answer {
    let limit = page.limit.unwrap_or(PAGE_LEN).clamp(1, 200);
    let cursor = match &page.cursor {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| Refusal::parameter("cursor", "this is not a cursor"))?),
    };
    let found = call
        .gateway
        .store
        .list_conversations(call.account()?, cursor, limit + 1)
        .await
        .map_err(|e| store_refusal(&e))?;
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
    current_leaf: Option<String>,
}

/// `PATCH /api/v1/conversations/{id}`: title, or which branch is current.
pub async fn change(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let change: Change = parse(&body)?;
    let (id, account) = (parse_conversation(&id)?, call.account()?);
    find_own(&call, id).await?;
    if let Some(title) = &change.title {
        call.gateway.store.set_title(account, id, check_title(title)?).await.map_err(|e| store_refusal(&e))?;
    }
    if let Some(leaf) = &change.current_leaf {
        let leaf: MessageId = leaf.parse().map_err(|_| ReasonCode::NotFound)?;
        find_message(&call, id, leaf).await?;
        call.gateway.store.set_current_leaf(account, id, leaf).await.map_err(|e| store_refusal(&e))?;
    }
    let conversation = find_own(&call, id).await?;
    json(StatusCode::OK, &conversation_json(&conversation))
}

async fn find_message(call: &Call, conversation: ConversationId, id: MessageId) -> Result<Message, Refusal> {
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
    let before = match &page.cursor {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| Refusal::parameter("cursor", "this is not a cursor"))?),
    };
    let limit = page.limit.unwrap_or(PAGE_LEN).clamp(1, 200);
    let messages =
        call.gateway.store.list_messages(call.account()?, id, before, limit).await.map_err(|e| store_refusal(&e))?;
    let first = messages.first();
    let next = first.filter(|m| m.parent.is_some()).map(|m| m.id.to_string());
    let data: Vec<_> = messages.iter().map(message_json).collect();
    json(StatusCode::OK, &json!({ "data": data, "next": next }))
}

/// A question that was taken up, with the answer on its way.
pub struct Sent {
    /// The question; `None` if it could not be kept.
    pub question: Option<MessageId>,
    /// Where the answer will stand; `None` with the question.
    pub answer: Option<MessageId>,
    /// The answer on its way.
    pub generation: Arc<Generation>,
}

/// `POST /api/v1/conversations/{id}/messages`: SSE, first `accepted`.
pub async fn send(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let question: Question = parse(&body)?;
    let id = parse_conversation(&id)?;
    let parent = match &question.parent {
        None => None,
        Some(text) => Some(text.parse::<MessageId>().map_err(|_| ReasonCode::NotFound)?),
    };
    let sent = send_question(&call, id, &question.text, parent, question.model.as_deref()).await?;
    let subscription = sent.generation.subscribe(0, WakeOn::News);
    let accepted = json!({
        "generation": sent.generation.id.to_string(),
        "message": sent.question.map(|m| m.to_string()),
        "answer": sent.answer.map(|m| m.to_string()),
        "kept": sent.question.is_some(),
    });
    let mut writer = EventWriter::new(0);
    writer.preface = format!("event: accepted\ndata: {accepted}\n\n").into_bytes();
    Ok(streaming(&call, subscription, writer, "text/event-stream; charset=utf-8"))
}

/// Keeps the question, gathers the branch, starts the answer. If the store takes no writes the answer comes all the same, and is not kept.
pub async fn send_question(
    call: &Call,
    conversation: ConversationId,
    text: &str,
    parent: Option<MessageId>,
    model: Option<&str>,
) -> Result<Sent, Refusal> {
    let gateway = &call.gateway;
    let account = call.account()?;
    if text.trim().is_empty() || text.len() as u64 > gateway.limits.message_bytes {
        return Err(Refusal::parameter("text", format!("1 to {} bytes", gateway.limits.message_bytes)));
    }
    let found = find_own(call, conversation).await?;
    let parent = match parent {
        Some(parent) => Some(find_message(call, conversation, parent).await?.id),
        None => found.current_leaf,
    };
    let context_max = u32::try_from(gateway.limits.context_messages).unwrap_or(u32::MAX);
    let history = match parent {
        None => Vec::new(),
        Some(leaf) => read_branch(call, conversation, leaf, context_max).await?,
    };
    let id = GenerationId::from_bits(gateway.next_request_id().bits());
    let generation = Generation::new(id, account, Kind::Chat);
    let model = model.unwrap_or(&found.model);
    let asked = asked_of(model, &history, text)?;
    let plan = drive::plan(call, asked, &generation)?;
    if !gateway.generations.has_room() {
        return Err(ReasonCode::Overloaded.into());
    }
    let wants_title = found.title.expose().is_empty() && parent.is_none();
    let (call, text, model) = (call.clone(), text.to_owned(), model.to_owned());
    // A client that leaves now finds the answer under way, or nothing begun.
    to_the_end(gateway, async move {
        let kept = keep_question(&call, conversation, parent, &text, &model).await?;
        if wants_title && kept.is_some() {
            let title: String = text.trim().chars().take(60).collect();
            // A title that cannot be kept now is made again by hand; the question itself is safe.
            drop(call.gateway.store.set_title(account, conversation, Sensitive::new(title)).await);
        }
        let generations = Arc::clone(&call.gateway.generations);
        let plan = match kept {
            Some((_, answer)) => plan.kept_by(keeper(call, account, answer)),
            None => plan,
        };
        // If others were quicker to the last room, the answer comes all the same; it can only not be read again by its id.
        generations.insert(Arc::clone(&generation));
        plan.start();
        Ok(Sent { question: kept.map(|(question, _)| question), answer: kept.map(|(_, answer)| answer), generation })
    })
    .await
}

/// At most `limit` messages of the branch that ends in `leaf`, and no more text than the API takes in a body, oldest first: a short question
/// buys no more memory than a long one. Read in small pages from the leaf on.
async fn read_branch(
    call: &Call,
    conversation: ConversationId,
    leaf: MessageId,
    limit: u32,
) -> Result<Vec<Message>, Refusal> {
    let (store, account) = (&call.gateway.store, call.account()?);
    let bytes_max = usize::try_from(call.gateway.limits.body_bytes_api).unwrap_or(usize::MAX);
    let mut newest_first = vec![find_message(call, conversation, leaf).await?];
    let mut bytes = newest_first.iter().map(|m| m.text.expose().len()).sum::<usize>();
    loop {
        let held = u32::try_from(newest_first.len()).unwrap_or(u32::MAX);
        let wanted = limit.saturating_sub(held).min(BRANCH_PAGE_LEN);
        let Some(before) = newest_first.last().map(|m| m.id).filter(|_| wanted > 0) else { break };
        let page =
            store.list_messages(account, conversation, Some(before), wanted).await.map_err(|e| store_refusal(&e))?;
        let is_root = page.len() < wanted as usize;
        for message in page.into_iter().rev() {
            bytes = bytes.saturating_add(message.text.expose().len());
            if bytes > bytes_max {
                newest_first.reverse();
                return Ok(newest_first);
            }
            newest_first.push(message);
        }
        if is_root {
            break;
        }
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// Writes the question, and below it the place for the answer, in one commit; `None` if the store takes no writes now.
async fn keep_question(
    call: &Call,
    conversation: ConversationId,
    parent: Option<MessageId>,
    text: &str,
    model: &str,
) -> Result<Option<(MessageId, MessageId)>, Refusal> {
    let new_id = || rempart_identity::random::message_id().map_err(|_| ReasonCode::Internal);
    let (question, answer) = (new_id()?, new_id()?);
    let account = call.account()?;
    let message = NewMessage {
        id: question,
        conversation,
        parent,
        role: MessageRole::User,
        text: Sensitive::new(text.to_owned()),
        reasoning: None,
        model: None,
        status: MessageStatus::Complete,
        created: call.gateway.clock.date(),
    };
    let place = NewMessage {
        id: answer,
        conversation,
        parent: Some(question),
        role: MessageRole::Assistant,
        text: Sensitive::default(),
        reasoning: None,
        model: Some(model.to_owned()),
        status: MessageStatus::Streaming,
        created: call.gateway.clock.date(),
    };
    let store = &call.gateway.store;
    let written = match store.append_message(account, message).await {
        Ok(()) => store.append_message(account, place).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => Ok(Some((question, answer))),
        Err(error) if error.is_unavailable() => Ok(None),
        Err(error) => Err(store_refusal(&error)),
    }
}

/// Writes the answer into its place when it is over, whatever became of those who listened.
fn keeper(call: Call, account: rempart_domain::AccountId, answer: MessageId) -> drive::Keeper {
    Box::new(move |generation, end| {
        Box::pin(async move {
            let (text, reasoning) = generation.text();
            let (status, usage) = outcome_of(end, text.is_empty());
            let reasoning = (!reasoning.is_empty()).then(|| Sensitive::new(reasoning));
            let text = Sensitive::new(text);
            let store = &call.gateway.store;
            if let Err(error) = store.update_message(account, answer, text, reasoning, status, usage).await {
                tracing::debug!(error = %error, "an answer was not kept");
            }
        })
    })
}

const fn outcome_of(end: &End, is_empty: bool) -> (MessageStatus, Option<rempart_domain::Usage>) {
    match end {
        End::Finished { is_stopped: true, usage, .. } => (MessageStatus::Stopped, Some(*usage)),
        End::Finished { reason: FinishReason::InsufficientSystemResource, usage, .. } => {
            (MessageStatus::Cut, Some(*usage))
        }
        End::Finished { usage, .. } => (MessageStatus::Complete, Some(*usage)),
        End::Failed(_) if !is_empty => (MessageStatus::Cut, None),
        End::Failed(_) => (MessageStatus::Failed, None),
    }
}

/// The branch and the new question as a chat.
fn asked_of(model: &str, history: &[Message], text: &str) -> Result<Asked, Refusal> {
    let earlier = history
        .iter()
        // An answer that failed, or is not there yet, is no turn of the conversation.
        .filter(|m| !m.text.expose().is_empty())
        .map(|m| json!({ "role": m.role.as_str(), "content": m.text.expose() }));
    let messages: Vec<_> = earlier.chain([json!({ "role": "user", "content": text })]).collect();
    let messages = serde_json::value::to_raw_value(&messages).map_err(|_| ReasonCode::Internal)?;
    Ok(Asked {
        model: model.to_owned(),
        prompt: Prompt::Chat(Sensitive::new(messages)),
        is_stream: true,
        includes_usage: true,
        max_tokens: None,
        sampling: Sampling::default(),
        is_json_object: false,
        extra: Vec::new(),
    })
}

/// `GET /api/v1/generations/{id}/events`: from the beginning, or after `Last-Event-ID`.
pub async fn events(call: Call, Path(id): Path<String>) -> Answer {
    let generation = find_generation(&call, &id)?;
    let after = call.head.headers.get("last-event-id").and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let next = after.map_or(0, |id| id.saturating_add(1));
    let subscription = generation.subscribe(next, WakeOn::News);
    Ok(streaming(&call, subscription, EventWriter::new(next), "text/event-stream; charset=utf-8"))
}

/// `POST /api/v1/generations/{id}/stop`.
pub async fn stop(call: Call, Path(id): Path<String>) -> Answer {
    find_generation(&call, &id)?.stop();
    no_content()
}

fn find_generation(call: &Call, id: &str) -> Result<Arc<Generation>, Refusal> {
    let id: GenerationId = id.parse().map_err(|_| ReasonCode::NotFound)?;
    call.gateway.generations.find(id, call.account()?).ok_or_else(|| ReasonCode::NotFound.into())
}

/// Writes the chat's events: `delta` with ids, `queued`, `done`, `error`.
pub struct EventWriter {
    next_event: u64,
    preface: Vec<u8>,
}

impl EventWriter {
    /// A stream that begins with event `next_event`.
    pub const fn new(next_event: u64) -> Self {
        Self { next_event, preface: Vec::new() }
    }

    fn push_event(&mut self, out: &mut Vec<u8>, name: &str, data: &serde_json::Value) {
        out.extend_from_slice(format!("id: {}\nevent: {name}\ndata: {data}\n\n", self.next_event).as_bytes());
        self.next_event += 1;
    }
}

impl crate::serve::answer::Writer for EventWriter {
    fn preface(&mut self) -> Option<Vec<u8>> {
        (!self.preface.is_empty()).then(|| std::mem::take(&mut self.preface))
    }

    fn push(&mut self, out: &mut Vec<u8>, look: &Look) {
        self.next_event = look.next_event - look.deltas.len() as u64;
        for delta in &look.deltas {
            let data = json!({ "content": delta.content.expose(), "reasoning": delta.reasoning.expose() });
            self.push_event(out, "delta", &data);
        }
        match &look.end {
            None => {}
            Some(End::Finished { reason, usage, is_stopped }) => {
                let data =
                    json!({ "finish_reason": reason.as_str(), "stopped": is_stopped, "usage": usage_json(*usage) });
                self.push_event(out, "done", &data);
            }
            Some(End::Failed(refusal)) => {
                let data = serde_json::from_slice(&refusal.to_json()).unwrap_or_default();
                self.push_event(out, "error", &data);
            }
        }
    }

    fn push_alive(&mut self, out: &mut Vec<u8>, phase: &Phase) {
        match phase {
            Phase::Queued { position, eta } => {
                let data = json!({ "position": position, "eta_s": eta.map(|e| e.0.div_ceil(1000)) });
                out.extend_from_slice(format!("event: queued\ndata: {data}\n\n").as_bytes());
            }
            _ => push_keep_alive(out, 0, None),
        }
    }
}
