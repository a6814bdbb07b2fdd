//! The last step of the path: the body is read within its limits, then axum's router finds the handler.
//!
//! A handler gets a [`Call`] (gateway, context, head) and the whole body, and returns a response or a refusal; refusals are written in
//! one place, in the words of the route.

pub mod accounts;
pub mod answer;
pub mod api;
mod chat_log;
pub mod console;
pub mod conversations;
mod days;
pub mod drive;
pub mod export;
pub mod factors;
pub mod files;
pub mod gate;
pub mod generation;
pub mod invites;
pub mod keys;
pub mod pages;
pub(crate) mod places;
pub mod posture;
pub mod preferences;
pub mod public;
pub mod registration;
pub mod registry;
pub(crate) mod rendered;
pub mod search;
pub mod sessions;
pub mod share;

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rempart_domain::{AccountId, ReasonCode};
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service;

use crate::Gateway;
use crate::body::Body;
use crate::ctx::{Ctx, Side};
use crate::refusal::Refusal;
use crate::respond;
use crate::routes::{Access, BodyLimit, Dialect, Handler, RouteClass, TABLE};
use crate::work::{Asker, WorkPermit};
use crate::{discard, memory};

/// What a handler of generated text answers with.
pub(crate) type Generated = Result<Response<Body>, Refusal>;

/// What a handler answers with.
pub type Answer = Result<Response<axum::body::Body>, Refusal>;

/// What a handler gets of its request besides the body.
#[derive(Clone, Debug)]
pub struct Call {
    /// The platform.
    pub gateway: Arc<Gateway>,
    /// The request.
    pub ctx: Arc<Ctx>,
    /// Its head.
    pub head: Arc<Parts>,
    /// The memory that its body holds, until the last who needs the body lets go.
    pub(crate) room: Arc<Option<OwnedSemaphorePermit>>,
}

impl Call {
    /// The account that asks; routes that need none do not call this.
    pub fn account(&self) -> Result<AccountId, Refusal> {
        self.ctx.principal.account.ok_or_else(|| ReasonCode::NotSignedIn.into())
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ReasonCode::Internal.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> axum::response::Response {
        let mut response = axum::response::Response::new(axum::body::Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

static PUBLIC: LazyLock<Router> = LazyLock::new(|| router(Side::Public));
static CONSOLE: LazyLock<Router> = LazyLock::new(|| router(Side::Console));

fn router(side: Side) -> Router {
    let routes = TABLE.iter().filter(|route| route.side == side);
    routes.fold(Router::new(), |router, route| match handler(route.handler) {
        Some(method_router) => {
            let filter = axum::routing::MethodFilter::try_from(route.method.clone());
            match filter {
                Ok(filter) => router.route(route.pattern, method_router(filter)),
                Err(_) => router,
            }
        }
        None => router,
    })
}

type MethodRouter = Box<dyn Fn(axum::routing::MethodFilter) -> axum::routing::MethodRouter>;

macro_rules! handlers {
    ($($name:ident => $path:path,)+) => {
        /// The handler of a route; `None` for those that the path answers before the router.
        fn handler(handler: Handler) -> Option<MethodRouter> {
            match handler {
                $(Handler::$name => Some(Box::new(|filter| axum::routing::on(filter, $path))),)+
                Handler::Health | Handler::Ready | Handler::NotFound => None,
            }
        }
    };
}

handlers! {
    Chat => api::chat,
    Completions => api::completions,
    Embeddings => api::embeddings,
    Models => api::models,
    Model => api::model,
    Balance => api::balance,
    Register => registration::register,
    Challenge => gate::challenge,
    Gate => gate::show,
    SetGate => gate::set,
    InvitesPage => invites::page_show,
    InvitesForm => invites::page_form,
    CreateInvite => invites::create,
    ListInvites => invites::list,
    RevokeInvite => invites::revoke,
    SignIn => sessions::sign_in,
    SignOut => sessions::sign_out,
    ListSessions => sessions::list_sessions,
    EndSession => sessions::end_session,
    EndSessions => sessions::end_sessions,
    ListDevices => sessions::list_devices,
    EndDevice => sessions::end_device,
    RequestMail => sessions::request_mail,
    ResetPassword => sessions::reset_password,
    StartPasskeySignIn => factors::passkeys::start_sign_in,
    PasskeySignIn => factors::passkeys::sign_in,
    ChangeEmail => accounts::change_email,
    ListFactors => factors::list,
    DeleteFactor => factors::delete,
    StartTotp => factors::start_totp,
    CreateTotp => factors::create_totp,
    StartPasskey => factors::passkeys::start_adding,
    CreatePasskey => factors::passkeys::add,
    CreateRecoveryCodes => factors::create_codes,
    Me => accounts::me,
    ChangeAccount => preferences::change,
    Export => export::export,
    SetPassword => accounts::set_password,
    DeleteAccount => accounts::delete_account,
    CreateKey => keys::create,
    ListKeys => keys::list,
    RevokeKey => keys::revoke,
    Usage => keys::usage,
    CreateConversation => conversations::create,
    ListConversations => conversations::list,
    ReadConversation => conversations::read,
    ChangeConversation => conversations::change,
    DeleteConversation => conversations::delete,
    ListMessages => conversations::list_messages,
    SendMessage => conversations::send,
    Regenerate => conversations::regenerate,
    GoOn => conversations::go_on,
    AskTemporary => conversations::ask_temporary,
    Share => share::create,
    Unshare => share::delete,
    Search => search::search,
    UploadFile => files::upload,
    DeleteFile => files::delete,
    GenerationEvents => conversations::events,
    StopGeneration => conversations::stop,
    HomePage => pages::home,
    HomeForm => pages::home_form,
    ConversationPage => pages::conversation,
    ConversationForm => pages::conversation_form,
    SharedPage => pages::shared,
    RegisterPage => registration::page_show,
    RegisterForm => registration::page_form,
    SignInPage => pages::sign_in,
    SignInForm => pages::sign_in_form,
    SignOutForm => pages::sign_out_form,
    RecoverPage => pages::recover,
    RecoverForm => pages::recover_form,
    ResetPage => pages::reset,
    ResetForm => pages::reset_form,
    ConfirmPage => pages::confirm,
    ConfirmForm => pages::confirm_form,
    SecurityPage => pages::security,
    SecurityForm => pages::security_form,
    AccountPage => pages::account,
    AccountForm => pages::account_form,
    StatusPage => public::status_page,
    StatusJson => public::status_json,
    StatusAtom => public::status_atom,
    OpenApi => public::openapi,
    SecurityTxt => public::security_txt,
    Asset => public::asset,
    ConsolePage => console::home,
    FirstRunPage => console::first_run,
    FirstRunForm => console::first_run_form,
    ConsoleSignInPage => console::sign_in,
    ConsoleSignInForm => console::sign_in_form,
    MetricsPage => console::metrics,
    ConsoleStatus => console::status,
    ConsoleJournal => console::journal,
    ConsolePosture => posture::show,
    SetPosture => posture::set,
}

/// Reads the body and asks the router.
pub async fn call(gateway: &Arc<Gateway>, ctx: Arc<Ctx>, parts: Parts, incoming: Incoming) -> Response<Body> {
    let (body, room) = match read_body(gateway, &ctx, &parts, incoming).await {
        Ok(read) => read,
        Err(refusal) => return respond::refuse(gateway, &ctx, &parts, refusal),
    };
    // After the body: whoever sends one slowly holds nothing meanwhile.
    let storage = match take_storage(gateway, &ctx).await {
        Ok(permit) => permit,
        Err(refusal) => return respond::refuse(gateway, &ctx, &parts, refusal),
    };
    let head = Arc::new(parts);
    let room = Arc::new(room);
    let call = Call { gateway: Arc::clone(gateway), ctx: Arc::clone(&ctx), head: Arc::clone(&head), room };
    // The table has found the route; for the one that is asked most, axum's router would only find it again.
    if ctx.route.handler == Handler::Chat {
        let answer = api::chat(call, body).await;
        return answer.unwrap_or_else(|refusal| respond::refuse(gateway, &ctx, &head, refusal));
    }
    let mut request = Request::new(axum::body::Body::from(body));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    request.extensions_mut().insert(call);
    let mut router = match ctx.conn.side {
        Side::Public => PUBLIC.clone(),
        Side::Console => CONSOLE.clone(),
    };
    let result: Result<_, Infallible> = Box::pin(Service::call(&mut router, request)).await;
    let mut response = match result {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // What streams from here on needs the store no more, or takes its own place.
    drop(storage);
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        return respond::refuse(gateway, &ctx, &head, refusal);
    }
    if is_of_axum(&response) {
        let refusal = Refusal::new(ReasonCode::BadParameter, "the address or its query cannot be read");
        return respond::refuse(gateway, &ctx, &head, refusal);
    }
    response.map(Body::axum)
}

/// Reading and changing what is stored waits in a line of its own, members first; a chat's question too, until it is kept. The API's generations
/// store nothing, a form's handler takes its place itself (it waits for the whole answer), and what everybody may see is cheap.
async fn take_storage(gateway: &Gateway, ctx: &Ctx) -> Result<Option<WorkPermit>, Refusal> {
    let is_question = ctx.route.class == RouteClass::Generate && ctx.route.dialect != Dialect::Page;
    let is_stored = is_question || matches!(ctx.route.class, RouteClass::Read | RouteClass::Write | RouteClass::Page);
    // Models and balance are in memory.
    if !is_stored || matches!(ctx.route.access, Access::Open | Access::Key) {
        return Ok(None);
    }
    gateway.work.storage.acquire(Asker::of(ctx)).await.map(Some)
}

/// A rejection by one of axum's extractors: plain words of its own, which no program of a client expects.
fn is_of_axum(response: &Response<axum::body::Body>) -> bool {
    let kind = response.headers().get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    response.status().is_client_error() && kind.is_none_or(|kind| kind.starts_with(b"text/plain"))
}

/// The whole body within its size, its deadline and the memory that all bodies share. A body that nobody expects is not read.
async fn read_body(
    gateway: &Gateway,
    ctx: &Ctx,
    parts: &Parts,
    mut incoming: Incoming,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
    let max = match ctx.route.body {
        BodyLimit::None => return Ok((Bytes::new(), None)),
        BodyLimit::Form => gateway.limits.body_bytes_form,
        BodyLimit::Passkey => gateway.limits.body_bytes_passkey,
        BodyLimit::Api => gateway.limits.body_bytes_api,
        BodyLimit::File => gateway.limits.body_bytes_file,
    };
    let said = parts.headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|len| len > max) {
        discard::take(gateway, parts, incoming, ctx.principal.is_known());
        return Err(ReasonCode::TooLarge.into());
    }
    if said == Some(0) {
        return Ok((Bytes::new(), None));
    }
    // Files have memory and time of their own: whoever sends slowly what is large crowds out no other request.
    let (memory, deadline_ms) = match ctx.route.body {
        BodyLimit::File => (&gateway.file_memory, gateway.limits.file_deadline_ms),
        _ => (&gateway.body_memory, gateway.limits.body_deadline_ms),
    };
    let mut room = memory.try_take(ctx.band, said.unwrap_or(max)).ok_or(ReasonCode::Overloaded)?;
    let deadline = Duration::from_millis(deadline_ms);
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let collected = tokio::time::timeout(deadline, collect(&mut incoming, max))
        .await
        .unwrap_or_else(|_| Err(Refusal::new(ReasonCode::BadParameter, "the body did not arrive in time")));
    let body = match collected {
        Ok(body) => body,
        Err(refusal) => {
            if refusal.reason == ReasonCode::TooLarge {
                discard::take(gateway, parts, incoming, ctx.principal.is_known());
            }
            return Err(refusal);
        }
    };
    memory::shrink(&mut room, body.len());
    Ok((body, Some(room)))
}

async fn collect(incoming: &mut Incoming, max: usize) -> Result<Bytes, Refusal> {
    let mut first: Option<Bytes> = None;
    let mut gathered = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| Refusal::new(ReasonCode::BadJson, "the body ended early"))?;
        let Ok(data) = frame.into_data() else { continue };
        let held = first.as_ref().map_or(0, Bytes::len) + gathered.len();
        if held + data.len() > max {
            return Err(ReasonCode::TooLarge.into());
        }
        match (&first, gathered.is_empty()) {
            (None, true) => first = Some(data),
            _ => {
                if let Some(first) = first.take() {
                    gathered.extend_from_slice(&first);
                }
                gathered.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| gathered.freeze()))
}

/// Runs a change to its end, also when its caller hangs up meanwhile: what the store took, memory learns.
pub(crate) async fn to_the_end<T: Send + 'static>(
    gateway: &Gateway,
    change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let (told, tell) = tokio::sync::oneshot::channel();
    gateway.tasks.spawn_light(async move {
        // Whoever asked may be gone.
        let _gone = told.send(change.await);
    });
    tell.await.unwrap_or_else(|_| Err(ReasonCode::Internal.into()))
}

/// Which error a store's failure is to the caller.
pub(crate) fn store_refusal(error: &rempart_store::StoreError) -> Refusal {
    if let rempart_store::StoreError::Full(what) = error {
        return Refusal::new(ReasonCode::NotAllowed, full_message(what));
    }
    let reason = error.reason();
    if reason == ReasonCode::Internal {
        tracing::error!(error = %error, "the store failed");
    }
    reason.into()
}

/// What to do when an account holds as much as it may.
const fn full_message(what: &str) -> &'static str {
    match what.as_bytes() {
        b"conversations" => "this account holds as many conversations as it may: delete some first",
        b"messages" => "this conversation is as long as it may be: begin a new one",
        b"branches" => "there are as many branches here as there may be",
        b"files" => "this account holds as many files as it may: delete some first",
        _ => "this account holds as much as it may: delete conversations or files first",
    }
}

/// A JSON answer.
pub(crate) fn json(status: http::StatusCode, value: &impl serde::Serialize) -> Answer {
    let bytes = serde_json::to_vec(value).map_err(|_| ReasonCode::Internal)?;
    let mut response = Response::new(axum::body::Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// 204.
pub(crate) fn no_content() -> Answer {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    Ok(response)
}

/// RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(seconds: rempart_domain::UnixSeconds) -> String {
    let (days, rest) = (seconds.0.div_euclid(86_400), seconds.0.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`).
pub(crate) const fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

/// Days since 1970 of a date `YYYY-MM-DD`; `None` for anything else.
pub(crate) fn parse_day(text: &str) -> Option<rempart_domain::Day> {
    let mut parts = text.get(..10)?.split('-');
    let (year, month, day) =
        (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    if !(1970..=2149).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    u16::try_from(era * 146_097 + doe - 719_468).ok().map(rempart_domain::Day)
}

/// `YYYY-MM-DD` of a day.
pub(crate) fn day_text(day: rempart_domain::Day) -> String {
    let (year, month, date) = civil(i64::from(day.0));
    format!("{year:04}-{month:02}-{date:02}")
}
