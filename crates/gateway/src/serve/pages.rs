//! Pages for people, without script: the same actions as the JSON, by forms that post to themselves.
//!
//! What must stay true: a form of a signed-in person carries the session's own secret; what was typed is shown again when it was not
//! taken, except passwords.

use axum::extract::Path;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use rempart_domain::{ConversationId, GateLevel, ReasonCode, RequestId, Secret, Sensitive, UnixSeconds};
use rempart_store::{MessageRole, MessageStatus};
use rempart_web::{
    AccountAction, AccountNotice, AccountView, AskError, ConversationRow, ConversationView, FieldError, HomeView,
    KeyRow, MessageRow, MessageState, PageCtx, RegisterView, SessionRow, SignInView, Speaker, UsageRow,
};

use crate::refusal::{Refusal, set_retry_after, status};
use crate::respond::locale_of;
use crate::serve::accounts::{
    Newcomer, add_cookies, change_password, end_all_sessions, end_own_session, find_own_account, forget_session_cookie,
    own_session, register_newcomer, sign_in_with_password, sign_out_here,
};
use crate::serve::answer::whole;
use crate::serve::conversations::{begin_conversation, send_question};
use crate::serve::generation::WakeOn;
use crate::serve::{Answer, Call, keys, parse_day, store_refusal};

/// Conversations and messages on a page.
const PAGE_LEN: u32 = 50;

/// How long a form waits for its answer before the page is sent without it.
const FORM_PATIENCE: std::time::Duration = std::time::Duration::from_secs(25);

/// The fields of a form.
#[derive(Debug)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// A field's value; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// Reads `application/x-www-form-urlencoded`.
pub fn fields(body: &[u8]) -> Result<Fields, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| ReasonCode::BadJson)?;
    let pairs = text.split('&').filter(|p| !p.is_empty()).take(64).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
    });
    pairs.collect::<Option<Vec<_>>>().map(Fields).ok_or_else(|| ReasonCode::BadJson.into())
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A page.
pub fn page(status: StatusCode, html: String) -> Answer {
    let mut response = Response::new(axum::body::Body::from(html));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}

/// 303 to a path of ours.
pub fn see_other(to: &str) -> Answer {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).map_err(|_| ReasonCode::Internal)?;
    response.headers_mut().insert(header::LOCATION, to);
    Ok(response)
}

/// Builds the page's context and hands it over. A language asked for in the address is kept in a cookie.
pub fn with_page(call: &Call, signed_in: Option<&str>, render: impl FnOnce(&PageCtx<'_>) -> Answer) -> Answer {
    let request_id: RequestId = call.ctx.request_id;
    let csrf = own_session(call).map(|session| call.gateway.keyring.form_token(session)).unwrap_or_default();
    let locale = locale_of(&call.head);
    let ctx = PageCtx {
        locale,
        site: &call.gateway.config.site,
        path: call.head.uri.path(),
        signed_in,
        request_id: &request_id.to_string(),
        csrf: &csrf,
    };
    let mut response = render(&ctx)?;
    let asks = format!("{}=", rempart_web::LOCALE_PARAM);
    if call.head.uri.query().is_some_and(|q| q.split('&').any(|p| p.starts_with(&asks))) {
        let cookie = call.gateway.cookies.set(rempart_web::LOCALE_COOKIE, locale.as_str(), 31_536_000);
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

fn check_form(call: &Call, form: &Fields) -> Result<(), Refusal> {
    let session = own_session(call).ok_or(ReasonCode::NotSignedIn)?;
    if call.gateway.keyring.is_form_token(session, form.get("csrf")) {
        Ok(())
    } else {
        Err(Refusal { param: Some("csrf".into()), ..ReasonCode::NotAllowed.into() })
    }
}

/// What a refusal is at a form.
pub fn field_error(refusal: &Refusal) -> FieldError {
    match (refusal.reason, refusal.param.as_deref()) {
        (ReasonCode::NameTaken, _) => FieldError::NameTaken,
        (ReasonCode::InvalidCredentials, _) => FieldError::InvalidCredentials,
        (ReasonCode::BadParameter, Some("name")) if refusal.message.contains("2 to 32") => FieldError::NameLength,
        (ReasonCode::BadParameter, Some("name")) => FieldError::NameCharacters,
        (ReasonCode::BadParameter, Some("password")) if refusal.message.contains("common") => FieldError::PasswordWeak,
        (ReasonCode::BadParameter, Some("password")) => FieldError::PasswordLength,
        (ReasonCode::BadParameter, Some("new_password")) if refusal.message.contains("common") => {
            FieldError::NewPasswordWeak
        }
        (ReasonCode::BadParameter, Some("new_password")) => FieldError::NewPasswordLength,
        (ReasonCode::BadParameter, Some("email")) => FieldError::Email,
        (ReasonCode::BadParameter, Some("expires")) => FieldError::KeyExpires,
        (ReasonCode::NotAllowed, Some("csrf")) => FieldError::FormExpired,
        (reason, _) => FieldError::Reason(reason),
    }
}

/// Adds a refusal's `Retry-After` to the page that shows it.
pub fn with_retry(answer: Answer, refusal: &Refusal) -> Answer {
    answer.map(|mut response| {
        set_retry_after(response.headers_mut(), refusal.retry_after);
        response
    })
}

/// `GET /register`.
pub async fn register(call: Call) -> Answer {
    let is_open = call.gateway.config.registration != GateLevel::Closed;
    let view = RegisterView { name: "", email: "", error: None, is_open };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::register_page(ctx, &view)))
}

/// `POST /register`.
pub async fn register_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let email = form.get("email").trim();
    let newcomer = Newcomer {
        name: form.get("name").trim().to_owned(),
        password: Secret::new(form.get("password").to_owned()),
        email: (!email.is_empty()).then(|| Sensitive::new(email.to_owned())),
        locale: Some(locale_of(&call.head).as_str().to_owned()),
    };
    match register_newcomer(&call, newcomer).await {
        Ok(signed_in) => {
            let mut response = see_other("/")?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let view = RegisterView {
                name: form.get("name"),
                email,
                error: Some(field_error(&refusal)),
                is_open: refusal.reason != ReasonCode::RegistrationClosed,
            };
            let html = |ctx: &PageCtx<'_>| page(status(refusal.reason), rempart_web::register_page(ctx, &view));
            with_retry(with_page(&call, None, html), &refusal)
        }
    }
}

/// A path of ours to go on to after sign-in: never another site. Browsers drop tabs and line ends: `/<tab>/evil` would be `//evil`.
fn safe_next(next: &str) -> &str {
    let is_plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_ours = is_plain && next.starts_with('/') && !next.starts_with("//");
    if is_ours && next.len() <= 256 { next } else { "/" }
}

fn query_value(call: &Call, name: &str) -> Option<String> {
    let query = call.head.uri.query()?;
    let value = query.split('&').find_map(|p| p.split_once('=').filter(|(k, _)| *k == name).map(|(_, v)| v))?;
    decode(value).filter(|v| v.len() <= 256)
}

/// `GET /sign-in`, and `GET /sign-in?link=…`: a one-time address from the operator signs in when its button is pressed.
pub async fn sign_in(call: Call) -> Answer {
    let next = query_value(&call, "next").unwrap_or_default();
    let link = query_value(&call, "link");
    let view = SignInView { name: "", error: None, next: safe_next(&next), link: link.as_deref() };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::sign_in_page(ctx, &view)))
}

/// `POST /sign-in`.
pub async fn sign_in_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let (name, link) = (form.get("name").trim(), form.get("link"));
    let signed_in = if link.is_empty() {
        sign_in_with_password(&call, name, Secret::new(form.get("password").to_owned())).await
    } else {
        crate::serve::accounts::sign_in_with_link(&call, link).await
    };
    match signed_in {
        Ok(signed_in) => {
            let mut response = see_other(safe_next(form.get("next")))?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let view =
                SignInView { name, error: Some(field_error(&refusal)), next: safe_next(form.get("next")), link: None };
            let html = |ctx: &PageCtx<'_>| page(status(refusal.reason), rempart_web::sign_in_page(ctx, &view));
            with_retry(with_page(&call, None, html), &refusal)
        }
    }
}

/// `POST /sign-out`.
pub async fn sign_out_form(call: Call, body: Bytes) -> Answer {
    check_form(&call, &fields(&body)?)?;
    sign_out_here(&call).await?;
    let mut response = see_other("/")?;
    forget_session_cookie(&call.gateway, response.headers_mut());
    Ok(response)
}

/// `GET /account`.
pub async fn account(call: Call) -> Answer {
    account_answer(&call, StatusCode::OK, None, None, None).await
}

async fn account_answer(
    call: &Call,
    status: StatusCode,
    new_key: Option<&str>,
    notice: Option<AccountNotice>,
    error: Option<(AccountAction, FieldError)>,
) -> Answer {
    let store = &call.gateway.store;
    let account = find_own_account(call).await?;
    let keys = store.list_keys(account.id).await.map_err(|e| store_refusal(&e))?;
    let sessions = store.list_sessions(account.id).await.map_err(|e| store_refusal(&e))?;
    let today = call.gateway.clock.date().day();
    let from = rempart_domain::Day(today.0.saturating_sub(29));
    let usage = keys::read_usage(call, from, today).await?;
    let key_ids: Vec<String> = keys.iter().map(|k| k.id.to_string()).collect();
    let session_ids: Vec<String> = sessions.iter().map(|s| s.id.to_string()).collect();
    let current = own_session(call);
    let api_url = format!("{}/v1", call.gateway.config.public_url);
    let view = AccountView {
        name: account.name.as_str(),
        standing: account.standing,
        created: account.created.seconds(),
        keys: keys
            .iter()
            .zip(&key_ids)
            .filter(|(k, _)| k.revoked.is_none())
            .map(|(k, id)| KeyRow { id, name: &k.name, created: k.created, expires: k.expires })
            .collect(),
        new_key,
        sessions: sessions
            .iter()
            .zip(&session_ids)
            .map(|(s, id)| SessionRow {
                id,
                device: s.agent.as_deref().unwrap_or(""),
                created: s.created,
                last_seen: Some(s.last_seen),
                is_current: Some(s.id) == current,
            })
            .collect(),
        usage: usage
            .iter()
            .rev()
            .map(|d| UsageRow { day: d.day, requests: d.requests, input_tokens: d.input, output_tokens: d.output })
            .collect(),
        notice,
        error,
        api_url: &api_url,
    };
    with_page(call, Some(account.name.as_str()), |ctx| page(status, rempart_web::account_page(ctx, &view)))
}

/// `POST /account`: the field `action` says what.
pub async fn account_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let action = AccountAction::parse(form.get("action")).ok_or(ReasonCode::BadParameter)?;
    let acted = match check_form(&call, &form) {
        Ok(()) => act(&call, &form, action).await,
        Err(refusal) => Err(refusal),
    };
    match acted {
        Ok(answer) => Ok(answer),
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let error = match (action, field_error(&refusal)) {
                (AccountAction::CreateKey, FieldError::NameLength | FieldError::NameCharacters) => FieldError::KeyName,
                (AccountAction::CreateKey, FieldError::Reason(ReasonCode::NotAllowed)) => FieldError::KeysFull,
                (AccountAction::ChangePassword, FieldError::InvalidCredentials) => FieldError::PasswordWrong,
                (_, error) => error,
            };
            account_answer(&call, status(refusal.reason), None, None, Some((action, error))).await
        }
    }
}

async fn act(call: &Call, form: &Fields, action: AccountAction) -> Answer {
    match action {
        AccountAction::CreateKey => {
            let expires = match form.get("expires") {
                "" => None,
                text => {
                    let day = parse_day(text).ok_or_else(|| Refusal::parameter("expires", "not a date"))?;
                    Some(UnixSeconds((i64::from(day.0) + 1) * 86_400))
                }
            };
            let made = keys::make_key(call, form.get("name"), expires, None, None).await?;
            account_answer(call, StatusCode::OK, Some(made.text.expose()), None, None).await
        }
        AccountAction::RevokeKey => {
            let id = form.get("id").parse().map_err(|_| ReasonCode::NotFound)?;
            keys::revoke_own(call, id).await?;
            account_answer(call, StatusCode::OK, None, Some(AccountNotice::KeyRevoked), None).await
        }
        AccountAction::EndSession => {
            let id = form.get("id").parse().map_err(|_| ReasonCode::NotFound)?;
            let account = call.account()?;
            end_own_session(&call.gateway, account, id).await?;
            if Some(id) == own_session(call) {
                return see_other("/sign-in");
            }
            account_answer(call, StatusCode::OK, None, Some(AccountNotice::SessionEnded), None).await
        }
        AccountAction::SignOut | AccountAction::SignOutEverywhere => {
            if action == AccountAction::SignOut {
                sign_out_here(call).await?;
            } else {
                end_all_sessions(call).await?;
            }
            let mut response = see_other("/")?;
            forget_session_cookie(&call.gateway, response.headers_mut());
            Ok(response)
        }
        AccountAction::ChangePassword => {
            let old = Secret::new(form.get("password").to_owned());
            let new = Secret::new(form.get("new_password").to_owned());
            let signed_in = change_password(call, old, new).await?;
            // The new session's form secret comes with the next page.
            let mut response = see_other("/account")?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
    }
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
    home_answer(&call, "", None).await
}

async fn home_answer(call: &Call, draft: &str, refusal: Option<&Refusal>) -> Answer {
    let code = refusal.map_or(StatusCode::OK, |r| status(r.reason));
    if own_session(call).is_none() {
        let is_open = call.gateway.config.registration != GateLevel::Closed;
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
