//! The chat's pages: the front page with the history, a conversation, and asking by a plain form.
//!
//! What must stay true: everything here works without script; a conversation is found by its owner only.

use axum::extract::Path;
use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{ConversationId, GateLevel, ReasonCode};
use rempart_store::{MessageRole, MessageStatus};
use rempart_web::{AskError, ConversationRow, ConversationView, HomeView, MessageRow, MessageState, Speaker};

use super::{check_form, fields, page, query_value, see_other, with_page, with_retry};
use crate::refusal::{Refusal, status};
use crate::serve::accounts::find_own_account;
use crate::serve::answer::whole;
use crate::serve::conversations::{begin_conversation, send_question};
use crate::serve::generation::WakeOn;
use crate::serve::sessions::own_session;
use crate::serve::{Answer, Call, store_refusal};

/// Conversations and messages on a page.
const PAGE_LEN: u32 = 50;

/// How long a form waits for its answer before the page is sent without it.
const FORM_PATIENCE: std::time::Duration = std::time::Duration::from_secs(25);
fn model_names(call: &Call, first: &str) -> Vec<String> {
    let mut names: Vec<String> = call.gateway.engines.models().into_iter().map(|m| m.info.id).collect();
    names.sort_by_key(|name| name != first);
    names
}

fn ask_error(refusal: &Refusal) -> AskError {
    AskError {
        reason: refusal.reason,
        retry_after_s: refusal.retry_after.map(|a| u32::try_from(a.0.div_ceil(1000)).unwrap_or(u32::MAX)),
    }
}

/// `GET /`.
pub async fn home(call: Call) -> Answer {
    home_answer(&call, "", None).await
}

async fn home_answer(call: &Call, draft: &str, refusal: Option<&Refusal>) -> Answer {
    let code = refusal.map_or(StatusCode::OK, |r| status(r.reason));
    if own_session(call).is_none() {
        let is_open = call.gateway.gate.level() != GateLevel::Closed;
        let view = HomeView::SignedOut { is_open };
        return with_page(call, None, |ctx| page(code, rempart_web::home_page(ctx, &view)));
    }
    let account = find_own_account(call).await?;
    let after = query_value(call, "after").and_then(|c| c.parse().ok());
    let found =
        call.gateway.store.list_conversations(account.id, after, PAGE_LEN + 1).await.map_err(|e| store_refusal(&e))?;
    let shown = found.get(..found.len().min(PAGE_LEN as usize)).unwrap_or_default();
    let next = (found.len() > shown.len()).then(|| shown.last().map(|c| c.cursor().to_string())).flatten();
    let models = model_names(call, call.gateway.engines.default_model());
    let view = HomeView::SignedIn {
        conversations: shown
            .iter()
            .map(|c| ConversationRow { id: c.id, title: c.title.expose(), updated: c.updated.seconds() })
            .collect(),
        next: next.as_deref(),
        models: models.iter().map(String::as_str).collect(),
        draft,
        error: refusal.map(ask_error),
    };
    with_page(call, Some(account.name.as_str()), |ctx| page(code, rempart_web::home_page(ctx, &view)))
}

/// `POST /`: begins a conversation and asks.
pub async fn home_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let text = form.get("text");
    let model = Some(form.get("model")).filter(|m| !m.is_empty());
    let begun = async {
        check_form(&call, &form)?;
        if text.trim().is_empty() {
            return Err(Refusal::parameter("text", "nothing was asked"));
        }
        call.gateway.engines.route(model.unwrap_or("")).map_err(|e| crate::wire::openai::refusal_of(&e))?;
        begin_conversation(&call, "", model).await
    };
    let id = match begun.await {
        Ok(id) => id,
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            return with_retry(home_answer(&call, text, Some(&refusal)).await, &refusal);
        }
    };
    ask(&call, id, text, model).await
}

/// Asks and waits for the answer, at most [`FORM_PATIENCE`]; a refusal is shown on the conversation's page with the question kept.
async fn ask(call: &Call, id: ConversationId, text: &str, model: Option<&str>) -> Answer {
    let sent = match send_question(call, id, text, None, model).await {
        Ok(sent) => sent,
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            return with_retry(conversation_answer(call, id, text, Some(&refusal), true).await, &refusal);
        }
    };
    let mut subscription = sent.generation.subscribe(0, WakeOn::StartAndEnd);
    let answered = tokio::time::timeout(FORM_PATIENCE, whole(&mut subscription)).await;
    if sent.question.is_none() {
        // Nothing was kept: this page is the only place where the answer is.
        let answer = answered.map(|(text, _, _)| text).unwrap_or_default();
        return unkept_answer(call, text, &answer).await;
    }
    if let Ok((answer, _, crate::serve::generation::End::Failed(refusal))) = &answered
        && answer.is_empty()
    {
        return with_retry(conversation_answer(call, id, "", Some(refusal), true).await, refusal);
    }
    see_other(&rempart_web::conversation_path(id))
}

async fn unkept_answer(call: &Call, question: &str, answer: &str) -> Answer {
    let view = ConversationView {
        title: "",
        messages: vec![
            MessageRow { role: Speaker::Person, text: question, state: MessageState::Complete, model: "" },
            MessageRow { role: Speaker::Model, text: answer, state: MessageState::Complete, model: "" },
        ],
        models: Vec::new(),
        earlier: None,
        draft: "",
        error: None,
        is_kept: false,
    };
    with_page(call, None, |ctx| page(StatusCode::OK, rempart_web::conversation_page(ctx, &view)))
}

/// `GET /c/{id}`.
pub async fn conversation(call: Call, Path(id): Path<String>) -> Answer {
    let id = id.parse().map_err(|_| ReasonCode::NotFound)?;
    conversation_answer(&call, id, "", None, true).await
}

async fn conversation_answer(
    call: &Call,
    id: ConversationId,
    draft: &str,
    refusal: Option<&Refusal>,
    is_kept: bool,
) -> Answer {
    let store = &call.gateway.store;
    let account = find_own_account(call).await?;
    let found = store.find_conversation(account.id, id).await.map_err(|e| store_refusal(&e))?;
    let found = found.ok_or(ReasonCode::NotFound)?;
    let before = query_value(call, "before").and_then(|b| b.parse().ok());
    let messages = store.list_messages(account.id, id, before, PAGE_LEN).await.map_err(|e| store_refusal(&e))?;
    let earlier = messages.first().filter(|m| m.parent.is_some()).map(|m| m.id.to_string());
    let models = model_names(call, &found.model);
    let rows: Vec<MessageRow<'_>> = messages
        .iter()
        .map(|m| MessageRow {
            role: if m.role == MessageRole::User { Speaker::Person } else { Speaker::Model },
            text: m.text.expose(),
            state: state_of(m.status),
            model: m.model.as_deref().unwrap_or(""),
        })
        .collect();
    let view = ConversationView {
        title: found.title.expose(),
        messages: rows,
        models: models.iter().map(String::as_str).collect(),
        earlier: earlier.as_deref(),
        draft,
        error: refusal.map(ask_error),
        is_kept,
    };
    let code = refusal.map_or(StatusCode::OK, |r| status(r.reason));
    with_page(call, Some(account.name.as_str()), |ctx| page(code, rempart_web::conversation_page(ctx, &view)))
}

const fn state_of(status: MessageStatus) -> MessageState {
    match status {
        MessageStatus::Complete => MessageState::Complete,
        MessageStatus::Streaming => MessageState::Streaming,
        MessageStatus::Stopped => MessageState::Stopped,
        MessageStatus::Cut => MessageState::Cut,
        MessageStatus::Failed => MessageState::Failed,
    }
}

/// `POST /c/{id}`.
pub async fn conversation_form(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let id: ConversationId = id.parse().map_err(|_| ReasonCode::NotFound)?;
    let form = fields(&body)?;
    let text = form.get("text");
    if let Err(refusal) = check_form(&call, &form) {
        return conversation_answer(&call, id, text, Some(&refusal), true).await;
    }
    let model = Some(form.get("model")).filter(|m| !m.is_empty());
    ask(&call, id, text, model).await
}
