//! The chat's pages: the front page, a conversation, asking and everything else by plain forms.
//!
//! What must stay true: everything here works without script; a conversation is found by its owner only; a page shows the rows that the
//! API gives, and its forms do what the API does, through the same handlers.

use axum::extract::Path;
use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{ConversationId, GateLevel, MessageId, ReasonCode};
use rempart_store::Conversation;
use rempart_web::{AskError, ChatView, ConversationHead, HomeView, conversation_path};
use serde_json::{Value, json};

use super::side::read_side;
use super::turns::{html_of, turn_of};
use super::{Fields, check_form, fields, json_of, page, query_value, see_other, with_page, with_retry};
use crate::refusal::{Refusal, status};
use crate::serve::accounts::find_own_account;
use crate::serve::answer::whole;
use crate::serve::conversations::{self, begin_conversation, find_own, parse_conversation, read_page, send_question};
use crate::serve::generation::{End, WakeOn};
use crate::serve::sessions::own_session;
use crate::serve::{Answer, Call, share, store_refusal};

/// Messages on a page.
const PAGE_LEN: u32 = 50;
/// Pages of a branch that are looked through for a message that a search found.
const PAGES_LOOKED_THROUGH_MAX: usize = 40;
/// How long a form waits for its answer before the page is sent without it.
const FORM_PATIENCE: std::time::Duration = std::time::Duration::from_secs(25);

/// What a page of the chat shows besides what is stored.
#[derive(Default)]
struct Shown<'a> {
    /// Which conversation; none begins one.
    conversation: Option<ConversationId>,
    /// What was typed and not taken.
    draft: &'a str,
    /// Why.
    refusal: Option<&'a Refusal>,
    /// A link that was just made.
    link: Option<String>,
    /// A question and its answer that nothing keeps.
    unkept: Option<(&'a str, &'a str)>,
}

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
    if own_session(&call).is_none() {
        let view = HomeView { is_open: call.gateway.gate.level() != GateLevel::Closed };
        return with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::home_page(ctx, &view)));
    }
    chat_answer(&call, Shown::default()).await
}

/// `GET /c/{id}`.
pub async fn conversation(call: Call, Path(id): Path<String>) -> Answer {
    let conversation = Some(parse_conversation(&id)?);
    chat_answer(&call, Shown { conversation, ..Shown::default() }).await
}

/// What a page of one conversation is made of.
struct Read {
    head: Conversation,
    rows: Vec<Value>,
    earlier: Option<String>,
}

async fn read_conversation(call: &Call, id: ConversationId) -> Result<Read, Refusal> {
    let mut head = find_own(call, id).await?;
    let before = query_value(call, "before").and_then(|b| b.parse().ok());
    let (mut rows, mut earlier) = read_page(call, id, before, PAGE_LEN).await?;
    if let Some(at) = query_value(call, "at").and_then(|at| at.parse::<MessageId>().ok()) {
        let has_it = |rows: &[Value]| rows.iter().any(|row| row["id"].as_str() == Some(at.to_string().as_str()));
        if !has_it(&rows) {
            // What a search found may stand on another branch: that one is shown from now on, as the switch beside a turn would do.
            let body = json!({ "current_leaf": at.to_string() }).to_string();
            conversations::change(call.clone(), Path(id.to_string()), body.into()).await?;
            head = find_own(call, id).await?;
            (rows, earlier) = read_page(call, id, None, PAGE_LEN).await?;
            for _ in 0..PAGES_LOOKED_THROUGH_MAX {
                let Some(before) = earlier.as_deref().filter(|_| !has_it(&rows)) else { break };
                let before = before.parse().map_err(|_| ReasonCode::Internal)?;
                (rows, earlier) = read_page(call, id, Some(before), PAGE_LEN).await?;
            }
        }
    }
    Ok(Read { head, rows, earlier })
}

async fn chat_answer(call: &Call, shown: Shown<'_>) -> Answer {
    let account = find_own_account(call).await?;
    let chosen = call.gateway.store.find_preferences(account.id).await.map_err(|e| store_refusal(&e))?;
    let after = query_value(call, "after").and_then(|c| c.parse().ok());
    let side = read_side(call, account.id, after, chosen.time_zone.as_deref()).await?;
    let read = match shown.conversation {
        Some(id) if shown.unkept.is_none() => Some(read_conversation(call, id).await?),
        _ => None,
    };
    let default_model = call.gateway.engines.default_model();
    let models = model_names(call, read.as_ref().map_or(default_model, |read| &read.head.model));
    let unkept = shown.unkept.map(unkept_rows).unwrap_or_default();
    let rows = read.as_ref().map_or(unkept.as_slice(), |read| &read.rows);
    let found = super::found::find(call).await?;
    let rendered: Vec<String> = rows.iter().map(html_of).collect();
    let view = ChatView {
        history: side.view(),
        found: found.as_ref().map(super::found::Found::view),
        conversation: read.as_ref().map(|read| head_of(&read.head, shown.link.as_deref())),
        turns: rows.iter().zip(&rendered).map(|(row, html)| turn_of(row, html)).collect(),
        models: models.iter().map(String::as_str).collect(),
        earlier: read.as_ref().and_then(|read| read.earlier.as_deref()),
        draft: shown.draft,
        error: shown.refusal.map(ask_error),
        is_kept: shown.unkept.is_none(),
        is_temporary: shown.conversation.is_none() && query_value(call, "temporary").is_some(),
        asks_time_zone: chosen.time_zone.is_none(),
    };
    let code = shown.refusal.map_or(StatusCode::OK, |r| status(r.reason));
    with_page(call, Some(account.name.as_str()), |ctx| page(code, rempart_web::chat_page(ctx, &view)))
}

fn head_of<'a>(head: &'a Conversation, link: Option<&'a str>) -> ConversationHead<'a> {
    ConversationHead {
        id: head.id,
        title: head.title.expose(),
        is_pinned: head.is_pinned,
        is_shared: head.is_shared,
        link,
        system: head.system.as_ref().map_or("", |system| system.expose()),
        temperature: head.temperature,
    }
}

fn unkept_rows((question, answer): (&str, &str)) -> Vec<Value> {
    vec![
        json!({ "role": "user", "text": question, "status": "complete" }),
        json!({ "role": "assistant", "text": answer, "status": "complete" }),
    ]
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
        let id = begin_conversation(&call, "", model).await?;
        if !form.get("system").trim().is_empty() || !form.get("temperature").trim().is_empty() {
            save(&call, id, &form).await?;
        }
        Ok(id)
    };
    match begun.await {
        Ok(id) => ask(&call, id, text, model).await,
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let shown = Shown { draft: text, refusal: Some(&refusal), ..Shown::default() };
            with_retry(chat_answer(&call, shown).await, &refusal)
        }
    }
}

/// `POST /c/{id}`: the field `do` says what; without one it asks.
pub async fn conversation_form(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let id = parse_conversation(&id)?;
    let form = fields(&body)?;
    let text = form.get("text");
    let (verb, named) = form.get("do").split_once(' ').unwrap_or((form.get("do"), ""));
    let acted = match check_form(&call, &form) {
        Err(refusal) => Err(refusal),
        Ok(()) if verb.is_empty() => {
            let model = Some(form.get("model")).filter(|m| !m.is_empty());
            return ask(&call, id, text, model).await;
        }
        Ok(()) => act(&call, id, verb, named, &form).await,
    };
    match acted {
        Ok(answer) => Ok(answer),
        Err(refusal) if refusal.reason == ReasonCode::NotFound => Err(refusal),
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let shown = Shown { conversation: Some(id), draft: text, refusal: Some(&refusal), ..Shown::default() };
            with_retry(chat_answer(&call, shown).await, &refusal)
        }
    }
}

/// What a form asks for besides an answer. Each goes through the API's own handler.
async fn act(call: &Call, id: ConversationId, verb: &str, named: &str, form: &Fields) -> Answer {
    let changed = |change: Value| conversations::change(call.clone(), Path(id.to_string()), change.to_string().into());
    match verb {
        "stop" => {
            let found = find_own(call, id).await?;
            if let Some(leaf) = found.current_leaf
                && let Some(generation) = call.gateway.generations.find_by_message(leaf, call.account()?)
            {
                generation.stop();
            }
        }
        "save" => save(call, id, form).await?,
        "pin" | "unpin" => drop(changed(json!({ "pinned": verb == "pin" })).await?),
        "branch" => drop(changed(json!({ "current_leaf": named })).await?),
        "delete" => {
            conversations::delete(call.clone(), Path(id.to_string())).await?;
            return see_other("/");
        }
        // The answer comes in its own time: the page shows how far it is.
        "regenerate" => drop(conversations::regenerate(call.clone(), named_path(id, named), Bytes::new()).await?),
        "continue" => drop(conversations::go_on(call.clone(), named_path(id, named)).await?),
        "share" => {
            let made = json_of(share::create(call.clone(), Path(id.to_string())).await).await?;
            let link = made.get("url").and_then(Value::as_str).map(str::to_owned);
            return chat_answer(call, Shown { conversation: Some(id), link, ..Shown::default() }).await;
        }
        "unshare" => drop(share::delete(call.clone(), Path(id.to_string())).await?),
        _ => return Err(Refusal::parameter("do", "this is not known here")),
    }
    let anchor = if verb == "branch" { format!("#{named}") } else { String::new() };
    see_other(&format!("{}{anchor}", conversation_path(id)))
}

fn named_path(id: ConversationId, message: &str) -> Path<(String, String)> {
    Path((id.to_string(), message.to_owned()))
}

/// Title, instructions and temperature, as the panel has them.
async fn save(call: &Call, id: ConversationId, form: &Fields) -> Result<(), Refusal> {
    let temperature = match form.get("temperature").trim() {
        "" => None,
        text => {
            Some(text.replace(',', ".").parse::<f64>().map_err(|_| Refusal::parameter("temperature", "not a number"))?)
        }
    };
    let system = form.get("system");
    let change = if form.has("title") {
        json!({ "title": form.get("title"), "system": system, "temperature": temperature })
    } else {
        json!({ "system": system, "temperature": temperature })
    };
    conversations::change(call.clone(), Path(id.to_string()), change.to_string().into()).await.map(drop)
}

/// Asks and waits for the answer, at most [`FORM_PATIENCE`]; a refusal is shown on the conversation's page with the question kept.
async fn ask(call: &Call, id: ConversationId, text: &str, model: Option<&str>) -> Answer {
    let sent = match send_question(call, id, text, None, model).await {
        Ok(sent) => sent,
        Err(refusal) if refusal.reason == ReasonCode::NotFound => return Err(refusal),
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let shown = Shown { conversation: Some(id), draft: text, refusal: Some(&refusal), ..Shown::default() };
            return with_retry(chat_answer(call, shown).await, &refusal);
        }
    };
    let mut subscription = sent.generation.subscribe(0, WakeOn::StartAndEnd);
    let answered = tokio::time::timeout(FORM_PATIENCE, whole(&mut subscription)).await;
    if sent.question.is_none() {
        // Nothing was kept: this page is the only place where the answer is.
        let answer = answered.map(|(text, _, _)| text).unwrap_or_default();
        let shown = Shown { conversation: Some(id), unkept: Some((text, &answer)), ..Shown::default() };
        return chat_answer(call, shown).await;
    }
    if let Ok((answer, _, End::Failed(refusal))) = &answered
        && answer.is_empty()
    {
        let shown = Shown { conversation: Some(id), refusal: Some(refusal), ..Shown::default() };
        return with_retry(chat_answer(call, shown).await, refusal);
    }
    see_other(&conversation_path(id))
}
