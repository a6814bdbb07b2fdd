//! Questions: a new one, another answer to an old one, an answer that goes on.
//!
//! What must stay true: `accepted` is sent when question and place are durable; what could not be kept is said so; a client that leaves
//! finds the answer under way, or nothing begun.

use std::sync::Arc;

use axum::extract::Path;
use bytes::Bytes;
use rempart_domain::{AccountId, ConversationId, FileId, GenerationId, MessageId, ReasonCode, Sensitive, Usage};
use rempart_engine::FinishReason;
use rempart_store::{Conversation, File, Message, MessageRole, MessageStatus, NewMessage, Store};
use serde::Deserialize;
use serde_json::json;

use super::events::EventWriter;
use super::prompt::{self, Gathered, Turn};
use super::rows::siblings_json;
use super::{check_model, find_message, find_own, nullable, parse_conversation, parse_message};
use crate::refusal::Refusal;
use crate::serve::accounts::parse;
use crate::serve::api::streaming;
use crate::serve::generation::{AnswerPlace, End, Generation, Kind, WakeOn};
use crate::serve::{Answer, Call, drive, store_refusal, to_the_end};
use crate::work::Asker;

/// Characters of a title that is taken from the first question.
const TITLE_CHARS: usize = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    text: String,
    /// Absent: below the current leaf; null: a new beginning.
    #[serde(default, deserialize_with = "nullable")]
    parent: Option<Option<String>>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    attachments: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Again {
    #[serde(default)]
    model: Option<String>,
}

/// A question that was taken up, with the answer on its way.
pub struct Sent {
    /// The question; `None` if it could not be kept.
    pub question: Option<MessageId>,
    /// Where the answer will stand; `None` with the question.
    pub answer: Option<MessageId>,
    /// The answer on its way.
    pub generation: Arc<Generation>,
    /// Messages of the branch that are not in the prompt: the conversation is longer than the model's context.
    pub omitted: u64,
    /// What stands beside the question.
    pub question_siblings: Vec<MessageId>,
}

/// What is written before the answer begins.
enum Keep {
    /// A question with its files, and the place for its answer.
    Question { parent: Option<MessageId>, text: String, files: Vec<FileId> },
    /// A place for another answer.
    Sibling { question: MessageId },
    /// The answer that goes on.
    GoOn { answer: Box<Message> },
}

/// What was written: the question, what stands beside it, the answer's place.
struct Kept {
    question: MessageId,
    question_siblings: Vec<MessageId>,
    place: AnswerPlace,
}

/// `POST /api/v1/conversations/{id}/messages`: SSE, first `accepted`.
pub async fn send(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let question: Question = parse(&body)?;
    let found = find_own(&call, parse_conversation(&id)?).await?;
    let parent = match question.parent {
        None => found.current_leaf,
        Some(None) => None,
        Some(Some(id)) => Some(find_message(&call, found.id, parse_message(&id)?).await?.id),
    };
    let files = read_files(&call, &question.attachments).await?;
    let sent = ask(&call, found, parent, question.text, files, question.model.as_deref()).await?;
    Ok(stream_sent(&call, &sent))
}

/// `POST /api/v1/conversations/{id}/messages/{mid}/regenerate`: another answer to the same question.
pub async fn regenerate(call: Call, Path((id, mid)): Path<(String, String)>, body: Bytes) -> Answer {
    let again: Again = if body.is_empty() { Again::default() } else { parse(&body)? };
    let found = find_own(&call, parse_conversation(&id)?).await?;
    let named = find_message(&call, found.id, parse_message(&mid)?).await?;
    let question = match (named.role, named.parent) {
        (MessageRole::User, _) => named,
        (_, Some(parent)) => find_message(&call, found.id, parent).await?,
        (_, None) => return Err(Refusal::parameter("mid", "this message answers no question")),
    };
    let model = chosen_model(&again.model, &found)?;
    let files = attached_texts(&call, &found, &question).await?;
    let history = prompt::read_history(&call, &found, question.parent).await?;
    let newest = Turn::question(question.text.expose(), &files);
    let gathered = prompt::gather(&call, &model, &found, &history, &newest, false)?;
    let sent = begin(&call, &found, gathered, Keep::Sibling { question: question.id }, &model).await?;
    Ok(stream_sent(&call, &sent))
}

/// `POST /api/v1/conversations/{id}/messages/{mid}/continue`: an answer that was cut or stopped goes on in its place.
pub async fn go_on(call: Call, Path((id, mid)): Path<(String, String)>) -> Answer {
    let found = find_own(&call, parse_conversation(&id)?).await?;
    let answer = find_message(&call, found.id, parse_message(&mid)?).await?;
    let can_go_on = matches!(answer.status, MessageStatus::Cut | MessageStatus::Stopped | MessageStatus::Failed);
    let Some(question) = answer.parent.filter(|_| answer.role == MessageRole::Assistant && can_go_on) else {
        return Err(Refusal::parameter("mid", "only an answer that was cut or stopped can go on"));
    };
    let account = call.account()?;
    let store = &call.gateway.store;
    let end = store.find_newest_below(account, found.id, answer.id).await.map_err(|e| store_refusal(&e))?;
    if end != Some(answer.id) {
        return Err(Refusal::parameter("mid", "only the last answer of a branch can go on"));
    }
    let model = answer.model.clone().unwrap_or_else(|| found.model.clone());
    let said = answer.text.expose().clone();
    let gathered = if said.is_empty() {
        let question = find_message(&call, found.id, question).await?;
        let files = attached_texts(&call, &found, &question).await?;
        let history = prompt::read_history(&call, &found, question.parent).await?;
        prompt::gather(&call, &model, &found, &history, &Turn::question(question.text.expose(), &files), false)?
    } else {
        let history = prompt::read_history(&call, &found, Some(question)).await?;
        prompt::gather(&call, &model, &found, &history, &Turn::answer(said), true)?
    };
    let sent = begin(&call, &found, gathered, Keep::GoOn { answer: Box::new(answer) }, &model).await?;
    Ok(stream_sent(&call, &sent))
}

fn stream_sent(call: &Call, sent: &Sent) -> http::Response<axum::body::Body> {
    let subscription = sent.generation.subscribe(0, WakeOn::News);
    let siblings = sent.question.map(|question| siblings_json(question, &sent.question_siblings));
    let accepted = json!({
        "generation": sent.generation.id.to_string(),
        "message": sent.question.map(|m| m.to_string()),
        "answer": sent.answer.map(|m| m.to_string()),
        "kept": sent.question.is_some(),
        "omitted": sent.omitted,
        "siblings": siblings,
    });
    let writer = EventWriter::accepted(&sent.generation, &accepted);
    streaming(call, subscription, writer, "text/event-stream; charset=utf-8")
}

/// Keeps a question below `parent` (the current leaf, if none is named), starts the answer. If the store takes no writes the answer comes
/// all the same, and is not kept.
pub async fn send_question(
    call: &Call,
    conversation: ConversationId,
    text: &str,
    parent: Option<MessageId>,
    model: Option<&str>,
) -> Result<Sent, Refusal> {
    // A form's route takes no place for its handler, which waits for the whole answer.
    let _place = call.gateway.work.storage.acquire(Asker::of(&call.ctx)).await?;
    let found = find_own(call, conversation).await?;
    let parent = match parent {
        Some(parent) => Some(find_message(call, conversation, parent).await?.id),
        None => found.current_leaf,
    };
    ask(call, found, parent, text.to_owned(), Vec::new(), model).await
}

async fn ask(
    call: &Call,
    found: Conversation,
    parent: Option<MessageId>,
    text: String,
    files: Vec<(File, Sensitive<String>)>,
    model: Option<&str>,
) -> Result<Sent, Refusal> {
    let bytes_max = call.gateway.limits.message_bytes;
    if text.trim().is_empty() || text.len() as u64 > bytes_max {
        return Err(Refusal::parameter("text", format!("1 to {bytes_max} bytes")));
    }
    let model = chosen_model(&model.map(str::to_owned), &found)?;
    let history = prompt::read_history(call, &found, parent).await?;
    let gathered = prompt::gather(call, &model, &found, &history, &Turn::question(&text, &files), false)?;
    let files = files.into_iter().map(|(file, _)| file.id).collect();
    begin(call, &found, gathered, Keep::Question { parent, text, files }, &model).await
}

fn chosen_model(asked: &Option<String>, found: &Conversation) -> Result<String, Refusal> {
    let model = asked.as_ref().unwrap_or(&found.model);
    check_model(model)?;
    Ok(model.clone())
}

/// The files that a question names, with their texts.
async fn read_files(call: &Call, ids: &[String]) -> Result<Vec<(File, Sensitive<String>)>, Refusal> {
    let limits = &call.gateway.limits;
    if ids.len() as u64 > limits.files_per_message {
        return Err(Refusal::parameter("attachments", format!("at most {} files", limits.files_per_message)));
    }
    let mut files: Vec<(File, Sensitive<String>)> = Vec::with_capacity(ids.len());
    let mut bytes = 0;
    for id in ids {
        let id: FileId = id.parse().map_err(|_| ReasonCode::NotFound)?;
        let found = call.gateway.store.read_file(call.account()?, id).await.map_err(|e| store_refusal(&e))?;
        let (file, text) = found.ok_or(ReasonCode::NotFound)?;
        bytes += text.expose().len() as u64;
        if bytes > limits.body_bytes_api || files.iter().any(|(held, _)| held.id == id) {
            return Err(Refusal::parameter("attachments", "these are too long together, or one is named twice"));
        }
        files.push((file, text));
    }
    Ok(files)
}

async fn attached_texts(
    call: &Call,
    found: &Conversation,
    question: &Message,
) -> Result<Vec<(File, Sensitive<String>)>, Refusal> {
    let account = call.account()?;
    let store = &call.gateway.store;
    let attached = store.list_attachments(account, found.id, question.id, 1).await.map_err(|e| store_refusal(&e))?;
    let ids: Vec<_> = attached.iter().map(|(_, file)| file.id.to_string()).collect();
    read_files(call, &ids).await
}

/// Plans the answer, writes what is to be kept, starts.
async fn begin(
    call: &Call,
    found: &Conversation,
    gathered: Gathered,
    keep: Keep,
    model: &str,
) -> Result<Sent, Refusal> {
    let gateway = &call.gateway;
    let account = call.account()?;
    let id = GenerationId::from_bits(gateway.next_request_id().bits());
    let generation = match &keep {
        Keep::GoOn { answer } => {
            let reasoning = answer.reasoning.as_ref().map_or("", |text| text.expose());
            Generation::going_on(id, account, answer.text.expose(), reasoning)
        }
        Keep::Question { .. } | Keep::Sibling { .. } => Generation::new(id, account, Kind::Chat),
    };
    let Gathered { asked, omitted } = gathered;
    let plan = drive::plan_gathered(call, asked, &generation)?;
    if !gateway.generations.has_room() {
        return Err(ReasonCode::Overloaded.into());
    }
    let wants_title = found.title.expose().is_empty();
    let (call, conversation, model) = (call.clone(), found.id, model.to_owned());
    to_the_end(gateway, async move {
        let title = match &keep {
            Keep::Question { parent: None, text, .. } if wants_title => Some(title_of(text)),
            _ => None,
        };
        let kept = write(&call, conversation, keep, model).await?;
        if let (Some(title), Some(_)) = (title, &kept) {
            // A title that cannot be kept now is made again by hand; the question itself is safe.
            drop(call.gateway.store.set_title(account, conversation, title).await);
        }
        let generations = Arc::clone(&call.gateway.generations);
        let (question, question_siblings, answer, plan) = match kept {
            None => (None, Vec::new(), None, plan),
            Some(Kept { question, question_siblings, place }) => {
                let answer = place.message;
                let plan = plan.kept_by(keeper(call, account, answer, place.spent));
                generation.set_place(place);
                (Some(question), question_siblings, Some(answer), plan)
            }
        };
        // If others were quicker to the last room, the answer comes all the same; it can only not be read again by its id.
        generations.insert(Arc::clone(&generation));
        plan.start();
        Ok(Sent { question, answer, generation, omitted, question_siblings })
    })
    .await
}

fn title_of(text: &str) -> Sensitive<String> {
    let line = text.trim().lines().next().unwrap_or_default();
    Sensitive::new(line.trim().chars().take(TITLE_CHARS).collect())
}

/// Writes the question and the place for the answer in one commit; `None` if the store takes no writes now.
async fn write(call: &Call, conversation: ConversationId, keep: Keep, model: String) -> Result<Option<Kept>, Refusal> {
    let new_id = || rempart_identity::random::message_id().map_err(|_| ReasonCode::Internal);
    let account = call.account()?;
    let store = &call.gateway.store;
    let created = call.gateway.clock.date();
    let place = |message, question| AnswerPlace {
        conversation,
        message,
        parent: Some(question),
        siblings: vec![message],
        model: model.clone(),
        created,
        spent: Usage::default(),
    };
    let empty = |id, parent, role| NewMessage {
        id,
        conversation,
        parent,
        role,
        text: Sensitive::default(),
        reasoning: None,
        model: (role == MessageRole::Assistant).then(|| model.clone()),
        status: MessageStatus::Streaming,
        created,
    };
    let (written, mut kept) = match keep {
        Keep::Question { parent, text, files } => {
            let (question, answer) = (new_id()?, new_id()?);
            let first = NewMessage {
                text: Sensitive::new(text),
                status: MessageStatus::Complete,
                ..empty(question, parent, MessageRole::User)
            };
            let second = empty(answer, Some(question), MessageRole::Assistant);
            let written = store.append_messages(account, vec![first, second], files).await;
            (written, Kept { question, question_siblings: vec![question], place: place(answer, question) })
        }
        Keep::Sibling { question } => {
            let answer = new_id()?;
            let new = empty(answer, Some(question), MessageRole::Assistant);
            let written = store.append_message(account, new).await;
            (written, Kept { question, question_siblings: Vec::new(), place: place(answer, question) })
        }
        Keep::GoOn { answer } => {
            let question = answer.parent.ok_or(ReasonCode::Internal)?;
            let written = match store.resume_message(account, answer.id).await {
                Ok(true) => store.set_current_leaf(account, conversation, answer.id).await,
                Ok(false) => return Err(Refusal::parameter("mid", "this answer is on its way already")),
                Err(error) => Err(error),
            };
            let (created, spent) = (answer.created, answer.usage.unwrap_or_default());
            let place = AnswerPlace { created, spent, ..place(answer.id, question) };
            (written, Kept { question, question_siblings: Vec::new(), place })
        }
    };
    match written {
        Ok(()) => {}
        Err(error) if error.is_unavailable() => return Ok(None),
        Err(error) => return Err(store_refusal(&error)),
    }
    look_around(store, account, conversation, &mut kept).await;
    Ok(Some(kept))
}

/// What stands beside question and answer is for the page; if it cannot be read now, they stand alone.
async fn look_around(store: &Store, account: AccountId, conversation: ConversationId, kept: &mut Kept) {
    let Ok(mut around) = store.list_siblings(account, conversation, kept.place.message, 2).await else { return };
    if let Some(siblings) = around.remove(&kept.place.message) {
        kept.place.siblings = siblings;
    }
    if let Some(siblings) = around.remove(&kept.question) {
        kept.question_siblings = siblings;
    } else if let Ok(roots) = store.list_roots(account, conversation).await {
        kept.question_siblings = roots;
    }
}

/// Writes the answer into its place when it is over, whatever became of those who listened.
fn keeper(call: Call, account: AccountId, answer: MessageId, spent: Usage) -> drive::Keeper {
    Box::new(move |generation, end| {
        Box::pin(async move {
            let (text, reasoning) = generation.text();
            let (status, usage) = outcome_of(generation, end, spent, text.is_empty());
            let reasoning = (!reasoning.is_empty()).then(|| Sensitive::new(reasoning));
            let text = Sensitive::new(text);
            let store = &call.gateway.store;
            if let Err(error) = store.update_message(account, answer, text, reasoning, status, usage).await {
                tracing::debug!(error = %error, "an answer was not kept");
            }
        })
    })
}

/// How an answer ended, and what it cost with what it had cost before it went on.
pub(super) fn outcome_of(
    generation: &Generation,
    end: &End,
    spent: Usage,
    is_empty: bool,
) -> (MessageStatus, Option<Usage>) {
    let status = match end {
        End::Finished { is_stopped: true, .. } if generation.was_interrupted() => MessageStatus::Cut,
        End::Finished { is_stopped: true, .. } => MessageStatus::Stopped,
        End::Finished { reason: FinishReason::InsufficientSystemResource | FinishReason::Length, .. } => {
            MessageStatus::Cut
        }
        End::Finished { .. } => MessageStatus::Complete,
        End::Failed(_) if !is_empty => MessageStatus::Cut,
        End::Failed(_) => MessageStatus::Failed,
    };
    let now = match end {
        End::Finished { usage, .. } => Some(*usage),
        End::Failed(_) => None,
    };
    let before = (spent != Usage::default()).then_some(spent);
    (status, now.map_or(before, |now| Some(before.map_or(now, |before| added(before, now)))))
}

fn added(before: Usage, now: Usage) -> Usage {
    let sum = |a: rempart_domain::TokenCount, b: rempart_domain::TokenCount| {
        rempart_domain::TokenCount(a.0.saturating_add(b.0))
    };
    Usage {
        input: sum(before.input, now.input),
        output: sum(before.output, now.output),
        reasoning: sum(before.reasoning, now.reasoning),
        cached_input: sum(before.cached_input, now.cached_input),
    }
}
