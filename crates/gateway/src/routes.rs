//! Every route: what it is, who may ask, how large its body may be. `path` reads this table before anything is done; `serve` builds
//! axum's router from the same table, and a test keeps them equal.
//!
//! What must stay true: no route is reachable without a principal unless its access is `Open` here.

use http::Method;

use crate::ctx::Side;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody. The whole list of open doors is this word's occurrences in [`TABLE`].
    Open,
    /// A session.
    Session,
    /// An API key of scope `api`.
    Key,
    /// Either.
    SessionOrKey,
    /// An operator's session, or a key of scope `console`.
    Console,
    /// The same, or a key of scope `metrics`.
    Metrics,
}

/// What kind of thing a route is, for journal and detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteClass {
    /// Work for an engine.
    Generate,
    /// Reading through the API.
    Read,
    /// Changing through the API.
    Write,
    /// Registration and sign-in.
    Door,
    /// A page for people.
    Page,
    /// Health, static files.
    Light,
    /// The operators' side.
    Console,
    /// No such route.
    Unknown,
}

/// In which words a refusal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// JSON in OpenAI's shape.
    OpenAi,
    /// The same, with 422 for parameter errors.
    DeepSeek,
    /// A page.
    Page,
}

/// How large a body may be; the numbers are in `Limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// None is expected; one that comes is not read.
    None,
    /// `body_bytes_form`.
    Form,
    /// `body_bytes_passkey`.
    Passkey,
    /// `body_bytes_api`.
    Api,
    /// `body_bytes_file`.
    File,
}

/// Which handler; `serve` has one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named like its path")]
pub enum Handler {
    Chat,
    Completions,
    Embeddings,
    Models,
    Model,
    Balance,
    Register,
    Challenge,
    Gate,
    SetGate,
    InvitesPage,
    InvitesForm,
    CreateInvite,
    ListInvites,
    RevokeInvite,
    SignIn,
    SignOut,
    ListDevices,
    EndDevice,
    RequestMail,
    ResetPassword,
    StartPasskeySignIn,
    PasskeySignIn,
    ChangeEmail,
    ListFactors,
    DeleteFactor,
    StartTotp,
    CreateTotp,
    StartPasskey,
    CreatePasskey,
    CreateRecoveryCodes,
    ListSessions,
    EndSession,
    EndSessions,
    Me,
    SetPassword,
    DeleteAccount,
    CreateKey,
    ListKeys,
    RevokeKey,
    Usage,
    CreateConversation,
    ListConversations,
    ReadConversation,
    ChangeConversation,
    DeleteConversation,
    ListMessages,
    SendMessage,
    Regenerate,
    GoOn,
    AskTemporary,
    Share,
    Unshare,
    Search,
    UploadFile,
    DeleteFile,
    ChangeAccount,
    Export,
    GenerationEvents,
    StopGeneration,
    HomePage,
    HomeForm,
    ConversationPage,
    ConversationForm,
    SharedPage,
    RegisterPage,
    RegisterForm,
    SignInPage,
    SignInForm,
    SignOutForm,
    RecoverPage,
    RecoverForm,
    ResetPage,
    ResetForm,
    ConfirmPage,
    ConfirmForm,
    SecurityPage,
    SecurityForm,
    AccountPage,
    AccountForm,
    StatusPage,
    StatusJson,
    StatusAtom,
    Health,
    Ready,
    OpenApi,
    SecurityTxt,
    Asset,
    ConsolePage,
    FirstRunPage,
    FirstRunForm,
    ConsoleSignInPage,
    ConsoleSignInForm,
    MetricsPage,
    ConsoleStatus,
    ConsoleJournal,
    ConsolePosture,
    SetPosture,
    NotFound,
}

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Which listener it is on.
    pub side: Side,
    /// `GET` also answers `HEAD`.
    pub method: Method,
    /// axum's pattern.
    pub pattern: &'static str,
    /// Who may ask.
    pub access: Access,
    /// What kind of thing it is.
    pub class: RouteClass,
    /// In which words it refuses.
    pub dialect: Dialect,
    /// How large its body may be.
    pub body: BodyLimit,
    /// Who answers.
    pub handler: Handler,
}

macro_rules! table {
    ($($side:ident $method:ident $pattern:literal $access:ident $class:ident $dialect:ident $body:ident $handler:ident;)+) => {
        /// Every route of both listeners.
        pub static TABLE: &[Route] = &[$(Route {
            side: Side::$side,
            method: Method::$method,
            pattern: $pattern,
            access: Access::$access,
            class: RouteClass::$class,
            dialect: Dialect::$dialect,
            body: BodyLimit::$body,
            handler: Handler::$handler,
        },)+];
    };
}

table! {
    Public POST "/v1/chat/completions" Key Generate OpenAi Api Chat;
    Public POST "/v1/completions" Key Generate OpenAi Api Completions;
    Public POST "/v1/embeddings" Key Generate OpenAi Api Embeddings;
    Public GET "/v1/models" Key Read OpenAi None Models;
    Public GET "/v1/models/{*id}" Key Read OpenAi None Model;
    Public POST "/chat/completions" Key Generate DeepSeek Api Chat;
    Public POST "/completions" Key Generate DeepSeek Api Completions;
    Public POST "/embeddings" Key Generate DeepSeek Api Embeddings;
    Public GET "/models" Key Read DeepSeek None Models;
    Public GET "/user/balance" Key Read DeepSeek None Balance;
    Public POST "/api/v1/registrations" Open Door OpenAi Form Register;
    Public GET "/api/v1/gate" Open Light OpenAi None Gate;
    Public GET "/api/v1/challenge" Open Door OpenAi None Challenge;
    Public POST "/api/v1/sessions" Open Door OpenAi Form SignIn;
    Public GET "/api/v1/sessions" Session Read OpenAi None ListSessions;
    Public DELETE "/api/v1/sessions" Session Write OpenAi None EndSessions;
    Public DELETE "/api/v1/sessions/current" Session Write OpenAi None SignOut;
    Public DELETE "/api/v1/sessions/{id}" Session Write OpenAi None EndSession;
    Public POST "/api/v1/sessions/passkey/start" Open Door OpenAi Form StartPasskeySignIn;
    Public POST "/api/v1/sessions/passkey" Open Door OpenAi Passkey PasskeySignIn;
    Public GET "/api/v1/devices" Session Read OpenAi None ListDevices;
    Public DELETE "/api/v1/devices/{id}" Session Write OpenAi None EndDevice;
    Public POST "/api/v1/recovery" Open Door OpenAi Form RequestMail;
    Public POST "/api/v1/recovery/password" Open Door OpenAi Form ResetPassword;
    Public POST "/api/v1/account/email" Session Door OpenAi Form ChangeEmail;
    Public GET "/api/v1/factors" Session Read OpenAi None ListFactors;
    Public DELETE "/api/v1/factors/{id}" Session Door OpenAi Form DeleteFactor;
    Public POST "/api/v1/factors/totp/start" Session Door OpenAi Form StartTotp;
    Public POST "/api/v1/factors/totp" Session Door OpenAi Form CreateTotp;
    Public POST "/api/v1/factors/passkey/start" Session Door OpenAi Form StartPasskey;
    Public POST "/api/v1/factors/passkey" Session Door OpenAi Passkey CreatePasskey;
    Public POST "/api/v1/factors/recovery-codes" Session Door OpenAi Form CreateRecoveryCodes;
    Public GET "/api/v1/account" Session Read OpenAi None Me;
    Public PATCH "/api/v1/account" Session Write OpenAi Form ChangeAccount;
    Public GET "/api/v1/export" Session Read OpenAi None Export;
    Public POST "/api/v1/account/password" Session Door OpenAi Form SetPassword;
    Public DELETE "/api/v1/account" Session Write OpenAi Form DeleteAccount;
    Public POST "/api/v1/keys" Session Write OpenAi Form CreateKey;
    Public GET "/api/v1/keys" Session Read OpenAi None ListKeys;
    Public DELETE "/api/v1/keys/{id}" Session Write OpenAi None RevokeKey;
    Public GET "/account/invites" Session Page Page None InvitesPage;
    Public POST "/account/invites" Session Write Page Form InvitesForm;
    Public POST "/api/v1/invites" Session Write OpenAi Form CreateInvite;
    Public GET "/api/v1/invites" Session Read OpenAi None ListInvites;
    Public DELETE "/api/v1/invites/{id}" Session Write OpenAi None RevokeInvite;
    Public GET "/api/v1/usage" SessionOrKey Read OpenAi None Usage;
    Public POST "/api/v1/conversations" Session Write OpenAi Api CreateConversation;
    Public GET "/api/v1/conversations" Session Read OpenAi None ListConversations;
    Public GET "/api/v1/conversations/{id}" Session Read OpenAi None ReadConversation;
    Public PATCH "/api/v1/conversations/{id}" Session Write OpenAi Api ChangeConversation;
    Public DELETE "/api/v1/conversations/{id}" Session Write OpenAi None DeleteConversation;
    Public GET "/api/v1/conversations/{id}/messages" Session Read OpenAi None ListMessages;
    Public POST "/api/v1/conversations/{id}/messages" Session Generate OpenAi Api SendMessage;
    Public POST "/api/v1/conversations/{id}/messages/{mid}/regenerate" Session Generate OpenAi Form Regenerate;
    Public POST "/api/v1/conversations/{id}/messages/{mid}/continue" Session Generate OpenAi Form GoOn;
    Public POST "/api/v1/conversations/{id}/share" Session Write OpenAi Form Share;
    Public DELETE "/api/v1/conversations/{id}/share" Session Write OpenAi None Unshare;
    Public POST "/api/v1/temporary/messages" Session Generate OpenAi Api AskTemporary;
    Public GET "/api/v1/search" Session Read OpenAi None Search;
    Public POST "/api/v1/files" Session Write OpenAi File UploadFile;
    Public DELETE "/api/v1/files/{id}" Session Write OpenAi None DeleteFile;
    Public GET "/api/v1/generations/{id}/events" Session Read OpenAi None GenerationEvents;
    Public POST "/api/v1/generations/{id}/stop" Session Write OpenAi None StopGeneration;
    Public GET "/" Open Page Page None HomePage;
    Public POST "/" Session Generate Page Api HomeForm;
    Public GET "/c/{id}" Session Page Page None ConversationPage;
    Public POST "/c/{id}" Session Generate Page Api ConversationForm;
    Public GET "/s/{token}" Open Page Page None SharedPage;
    Public GET "/register" Open Page Page None RegisterPage;
    Public POST "/register" Open Door Page Form RegisterForm;
    Public GET "/sign-in" Open Page Page None SignInPage;
    Public POST "/sign-in" Open Door Page Form SignInForm;
    Public POST "/sign-out" Session Write Page Form SignOutForm;
    Public GET "/recover" Open Page Page None RecoverPage;
    Public POST "/recover" Open Door Page Form RecoverForm;
    Public GET "/reset" Open Page Page None ResetPage;
    Public POST "/reset" Open Door Page Form ResetForm;
    Public GET "/confirm" Open Page Page None ConfirmPage;
    Public POST "/confirm" Open Door Page Form ConfirmForm;
    Public GET "/security" Session Page Page None SecurityPage;
    Public POST "/security" Session Door Page Form SecurityForm;
    Public GET "/account" Session Page Page None AccountPage;
    Public POST "/account" Session Write Page Form AccountForm;
    Public GET "/status" Open Page Page None StatusPage;
    Public GET "/status.json" Open Light OpenAi None StatusJson;
    Public GET "/status.atom" Open Light OpenAi None StatusAtom;
    Public GET "/healthz" Open Light OpenAi None Health;
    Public GET "/readyz" Open Light OpenAi None Ready;
    Public GET "/openapi.json" Open Light OpenAi None OpenApi;
    Public GET "/.well-known/security.txt" Open Light OpenAi None SecurityTxt;
    Public GET "/static/{*path}" Open Light Page None Asset;
    Console GET "/" Console Console Page None ConsolePage;
    Console GET "/first-run" Open Door Page None FirstRunPage;
    Console POST "/first-run" Open Door Page Form FirstRunForm;
    Console GET "/sign-in" Open Page Page None ConsoleSignInPage;
    Console POST "/sign-in" Open Door Page Form ConsoleSignInForm;
    Console GET "/security" Session Page Page None SecurityPage;
    Console POST "/security" Session Door Page Form SecurityForm;
    Console POST "/api/v1/sessions/passkey/start" Open Door OpenAi Form StartPasskeySignIn;
    Console POST "/api/v1/sessions/passkey" Open Door OpenAi Passkey PasskeySignIn;
    Console POST "/api/v1/factors/passkey/start" Session Door OpenAi Form StartPasskey;
    Console POST "/api/v1/factors/passkey" Session Door OpenAi Passkey CreatePasskey;
    Console GET "/metrics" Metrics Console OpenAi None MetricsPage;
    Console GET "/api/status" Console Console OpenAi None ConsoleStatus;
    Console GET "/api/journal" Console Console OpenAi None ConsoleJournal;
    Console GET "/api/posture" Console Console OpenAi None ConsolePosture;
    Console POST "/api/posture" Console Console OpenAi Form SetPosture;
    Console GET "/api/v1/challenge" Open Door OpenAi None Challenge;
    Console GET "/api/gate" Console Console OpenAi None Gate;
    Console POST "/api/gate" Console Console OpenAi Form SetGate;
    Console GET "/healthz" Open Light OpenAi None Health;
    Console GET "/readyz" Open Light OpenAi None Ready;
    Console GET "/static/{*path}" Open Light Page None Asset;
}

/// Stands for every path that is not in the table, in the words of an API.
pub static NOT_FOUND: Route = Route {
    side: Side::Public,
    method: Method::GET,
    pattern: "",
    access: Access::Open,
    class: RouteClass::Unknown,
    dialect: Dialect::OpenAi,
    body: BodyLimit::None,
    handler: Handler::NotFound,
};

/// The same, as a page.
pub static NO_PAGE: Route = Route {
    side: Side::Public,
    method: Method::GET,
    pattern: "",
    access: Access::Open,
    class: RouteClass::Unknown,
    dialect: Dialect::Page,
    body: BodyLimit::None,
    handler: Handler::NotFound,
};

/// What stands for a path that is not in the table: an API's words under the API's prefixes, else a page.
pub fn missing(path: &str) -> &'static Route {
    let is_api = ["/v1/", "/api/", "/beta/", "/anthropic/"].iter().any(|prefix| path.starts_with(prefix));
    // A path of ours with another method: in the words of that path.
    let is_ours = || TABLE.iter().any(|r| r.dialect != Dialect::Page && is_match(r.pattern, path));
    if is_api || is_ours() { &NOT_FOUND } else { &NO_PAGE }
}

/// Finds a route by side, method and path. About sixty comparisons of short texts: under a microsecond, no allocation.
pub fn find(side: Side, method: &Method, path: &str) -> Option<&'static Route> {
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let mut matches = TABLE.iter().filter(|r| r.side == side && r.method == asked && is_match(r.pattern, path));
    matches.next()
}

/// Whether `path` fits axum's `pattern`: `{x}` is one segment, `{*x}` the rest, both not empty.
pub fn is_match(pattern: &str, path: &str) -> bool {
    let Some((fixed, rest)) = pattern.split_once('{') else {
        return pattern == path;
    };
    let Some(tail) = path.strip_prefix(fixed) else {
        return false;
    };
    let Some((name, after)) = rest.split_once('}') else {
        return false;
    };
    if name.starts_with('*') {
        return !tail.is_empty();
    }
    let end = tail.find('/').unwrap_or(tail.len());
    let (segment, remainder) = tail.split_at(end);
    !segment.is_empty() && is_match(after, remainder)
}
