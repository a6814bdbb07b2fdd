//! One sample of each page and of its states; also what `examples/pages.rs` writes for the eye and for browsers.

use rempart_domain::{ConversationId, Day, GateLevel, Posture, ReasonCode, Standing, UnixSeconds};
use rempart_web::{
    AccountAction, AccountNotice, AccountView, AskError, ConsoleView, ConversationRow, ConversationView, DeviceRow,
    EngineRow, FactorRow, FieldError, FirstRunView, HomeView, KeyRow, LinkView, Locale, MessageRow, MessageState,
    PageCtx, RecoverView, RefusalView, RegisterView, SecondStepView, SecurityAction, SecurityNotice, SecurityView,
    ServiceState, SessionRow, SignInView, Site, Speaker, StatusView, Theme, TotpView, UsageRow, account_page,
    confirm_page, console_home_page, console_sign_in_page, conversation_page, first_run_page, home_page, recover_page,
    refusal_page, register_page, reset_page, second_step_page, security_page, sign_in_page, status_page,
};

const NOW: UnixSeconds = UnixSeconds(1_738_011_180);

/// A site with all its links.
pub(crate) fn site() -> Site {
    Site {
        name: String::new(),
        contact: "help@example.org".into(),
        terms_url: "/terms".into(),
        privacy_url: "https://example.org/privacy".into(),
    }
}

/// The context of a page.
pub(crate) fn ctx<'a>(site: &'a Site, locale: Locale, path: &'a str, signed_in: Option<&'a str>) -> PageCtx<'a> {
    PageCtx { locale, site, path, signed_in, request_id: "req_0000000002A", csrf: "c5rf", theme: Theme::Auto }
}

/// Name and HTML of every sample.
pub(crate) fn all(locale: Locale) -> Vec<(&'static str, String)> {
    let mut pages = public(locale);
    pages.extend(signed_in(locale));
    pages.extend(security(locale));
    pages.extend(console(locale));
    pages
}

fn public(locale: Locale) -> Vec<(&'static str, String)> {
    let site = site();
    let at = |path| ctx(&site, locale, path, None);
    let register = RegisterView { is_open: true, ..RegisterView::default() };
    let taken =
        RegisterView { name: "lin.mei", email: "lin@example.org", error: Some(FieldError::NameTaken), ..register };
    let wrong = SignInView {
        name: "lin.mei",
        error: Some(FieldError::InvalidCredentials),
        next: "/account",
        link: None,
        has_passkeys: true,
    };
    let linked = SignInView { link: Some("0nce"), ..SignInView::default() };
    let refusal = |reason, status, retry_after_s| {
        refusal_page(&at("/chat"), &RefusalView { reason, status, retry_after_s, request_id: "req_0000000002A" })
    };
    let limited = StatusView {
        checked: NOW,
        registration: ServiceState::Limited,
        gate: GateLevel::Queue,
        storage: ServiceState::Down,
        ..StatusView::default()
    };
    vec![
        ("home-visitor", home_page(&at("/"), &HomeView::SignedOut { is_open: true })),
        ("home-visitor-closed", home_page(&at("/"), &HomeView::SignedOut { is_open: false })),
        ("register", register_page(&at("/register"), &register)),
        ("register-taken", register_page(&at("/register"), &taken)),
        ("register-closed", register_page(&at("/register"), &RegisterView::default())),
        ("sign-in", sign_in_page(&at("/sign-in"), &SignInView::default())),
        ("sign-in-link", sign_in_page(&at("/sign-in"), &linked)),
        ("sign-in-wrong", sign_in_page(&at("/sign-in"), &wrong)),
        ("refusal-overloaded", refusal(ReasonCode::Overloaded, 503, Some(12))),
        ("refusal-not-signed-in", refusal(ReasonCode::NotSignedIn, 401, None)),
        ("status", status_page(&at("/status"), &StatusView { checked: NOW, ..StatusView::default() })),
        ("status-limited", status_page(&at("/status"), &limited)),
    ]
}

/// What protects an account: its page in two states, the second step, a lost password.
fn security(locale: Locale) -> Vec<(&'static str, String)> {
    let site = site();
    let at = |path, name| ctx(&site, locale, path, name);
    let factor = |id, is_passkey, name| FactorRow { id, is_passkey, name, created: UnixSeconds(NOW.0 - 864_000) };
    let device = |id, device, is_current| DeviceRow {
        id,
        device,
        created: UnixSeconds(NOW.0 - 864_000),
        last_seen: NOW.day(),
        is_current,
    };
    let set = SecurityView {
        name: "lin.mei",
        email: "lin@example.org",
        email_confirmed: true,
        mail_leaves: true,
        is_unsure: true,
        asks_password: true,
        factors: vec![factor("k_00000000001", true, ""), factor("k_00000000002", false, "phone")],
        codes_left: 9,
        has_passkeys: true,
        devices: vec![device("s_00000000001", "Firefox, Linux", true), device("s_00000000002", "", false)],
        notice: Some(SecurityNotice::MailSent),
        ..SecurityView::default()
    };
    let setup = SecurityView {
        asks_password: true,
        totp: Some(TotpView {
            secret: "GEZDGNBVGY3TQOJQ",
            otpauth: "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ",
            setup: "s",
        }),
        error: Some((SecurityAction::FinishTotp, FieldError::CodeWrong)),
        ..SecurityView::default()
    };
    let codes = SecurityView { new_codes: vec!["abcd-efgh-jkmn", "pqrs-tuvw-xyz2"], ..SecurityView::default() };
    let second = SecondStepView { half: "half", next: "/", error: Some(FieldError::CodeWrong), has_passkeys: true };
    let sent = RecoverView { is_sent: true, mail_leaves: true, ..RecoverView::default() };
    let reset = LinkView { link: Some("0nce"), error: Some(FieldError::NewPasswordWeak), is_done: false };
    vec![
        ("security", security_page(&at("/security", Some("lin.mei")), false, &set)),
        ("security-setup", security_page(&at("/security", Some("lin.mei")), false, &setup)),
        ("security-codes", security_page(&at("/security", Some("lin.mei")), false, &codes)),
        ("second-step", second_step_page(&at("/sign-in", None), false, &second)),
        ("recover", recover_page(&at("/recover", None), false, &RecoverView::default())),
        ("recover-sent", recover_page(&at("/recover", None), false, &sent)),
        ("reset", reset_page(&at("/reset", None), false, &reset)),
        ("reset-spent", reset_page(&at("/reset", None), false, &LinkView::default())),
        (
            "confirm",
            confirm_page(&at("/confirm", None), false, &LinkView { link: Some("0nce"), ..LinkView::default() }),
        ),
    ]
}

fn signed_in(locale: Locale) -> Vec<(&'static str, String)> {
    let site = site();
    let at = |path| ctx(&site, locale, path, Some("lin.mei"));
    let empty = HomeView::SignedIn {
        conversations: vec![],
        next: None,
        models: vec!["smollm2-135m-instruct"],
        draft: "",
        error: None,
    };
    vec![
        ("home-first", home_page(&at("/"), &empty)),
        ("home", home_page(&at("/"), &history())),
        ("conversation", conversation_page(&at("/c/c_00000000001"), &conversation())),
        ("conversation-streaming", conversation_page(&at("/c/c_00000000001"), &streaming())),
        ("account", account_page(&at("/account"), &account())),
        ("account-error", account_page(&at("/account"), &account_with_error())),
    ]
}

fn history() -> HomeView<'static> {
    let row = |id, title, days: i64| ConversationRow {
        id: ConversationId::from_bits(id),
        title,
        updated: UnixSeconds(NOW.0 - days * 86_400),
    };
    HomeView::SignedIn {
        conversations: vec![
            row(4, "为什么天空是蓝色的？", 0),
            row(3, "Rewrite a letter to the landlord so that it is polite, firm and at most half a page long", 1),
            row(2, "", 12),
            row(1, "La différence entre une digue et un barrage", 31),
        ],
        next: Some("c_00000000001"),
        models: vec!["smollm2-135m-instruct", "deepseek-chat"],
        draft: "Half a question",
        error: Some(AskError { reason: ReasonCode::Overloaded, retry_after_s: Some(12) }),
    }
}

fn message(role: Speaker, text: &str, state: MessageState) -> MessageRow<'_> {
    MessageRow { role, text, state, model: if role == Speaker::Model { "smollm2-135m-instruct" } else { "" } }
}

fn conversation() -> ConversationView<'static> {
    ConversationView {
        title: "Why is the sky blue?",
        messages: vec![
            message(Speaker::Person, "Why is the sky blue? Please <b>explain</b> & be brief.", MessageState::Complete),
            message(
                Speaker::Model,
                "Air scatters short waves of light more than long ones: blue about five times more than red.\n\nSo light \
                 from the side of the sky, which reaches us only scattered, is mostly blue. At sunset the way through the \
                 air is long, most blue is gone before it reaches us, and what is left is red.\n\n    intensity ~ 1 / wavelength^4",
                MessageState::Complete,
            ),
            message(Speaker::Person, "用中文再说一遍，一句话。", MessageState::Complete),
            message(
                Speaker::Model,
                "空气散射短波光比长波光强得多，所以从天空各处散射到我们眼中的光以蓝色为主。",
                MessageState::Cut,
            ),
        ],
        models: vec!["smollm2-135m-instruct", "deepseek-chat"],
        earlier: Some("m_00000000001"),
        is_kept: false,
        ..ConversationView::default()
    }
}

fn streaming() -> ConversationView<'static> {
    ConversationView {
        messages: vec![
            message(Speaker::Person, "Quelle est la capitale de la France ?", MessageState::Complete),
            message(Speaker::Model, "La capitale de la France est", MessageState::Streaming),
        ],
        models: vec!["smollm2-135m-instruct"],
        is_kept: true,
        ..ConversationView::default()
    }
}

fn account() -> AccountView<'static> {
    let key = |id, name, expires| KeyRow { id, name, created: UnixSeconds(NOW.0 - 864_000), expires };
    let session = |id, device, is_current| SessionRow {
        id,
        device,
        created: UnixSeconds(NOW.0 - 432_000),
        last_seen: Some(NOW.day()),
        is_current,
    };
    let use_of = |back: u16, requests, input_tokens, output_tokens| UsageRow {
        day: Day(NOW.day().0 - back),
        requests,
        input_tokens,
        output_tokens,
    };
    AccountView {
        name: "lin.mei",
        standing: Standing::Member,
        created: UnixSeconds(1_704_067_200),
        keys: vec![
            key("k_00000000002", "laptop", None),
            key("k_00000000001", "nightly summary job", Some(UnixSeconds(1_750_000_000))),
        ],
        new_key: Some("rmp_0exampleexampleexampleexampleexampleexample0"),
        sessions: vec![session("s_00000000002", "Firefox, Linux", true), session("s_00000000001", "", false)],
        usage: vec![use_of(0, 214, 48_211, 91_342), use_of(1, 1_032, 1_204_551, 402_118), use_of(4, 3, 120, 418)],
        notice: Some(AccountNotice::KeyRevoked),
        error: None,
        api_url: "http://localhost:8080/v1",
    }
}

fn account_with_error() -> AccountView<'static> {
    AccountView {
        name: "lin.mei",
        standing: Standing::Newcomer,
        created: NOW,
        error: Some((AccountAction::ChangePassword, FieldError::NewPasswordWeak)),
        ..AccountView::default()
    }
}

fn console(locale: Locale) -> Vec<(&'static str, String)> {
    let site = site();
    let at = |path| ctx(&site, locale, path, Some("operator"));
    let first = FirstRunView { link: Some("0nce"), ..FirstRunView::default() };
    let quiet = ConsoleView { version: "0.1.0", uptime_s: 42, ..ConsoleView::default() };
    vec![
        ("console-first-run", first_run_page(&at("/first-run"), &first)),
        ("console-first-run-spent", first_run_page(&at("/first-run"), &FirstRunView::default())),
        ("console-sign-in", console_sign_in_page(&at("/sign-in"), &SignInView::default())),
        ("console-home", console_home_page(&at("/"), &under_attack())),
        ("console-home-quiet", console_home_page(&at("/"), &quiet)),
    ]
}

fn under_attack() -> ConsoleView<'static> {
    ConsoleView {
        version: "0.1.0",
        uptime_s: 400_000,
        posture: Posture::Siege,
        gate: GateLevel::Queue,
        storage: ServiceState::Works,
        served_per_min: 1_214,
        refused_per_min: 381_552,
        ttft_p50_ms: Some(84),
        ttft_p99_ms: Some(1_310),
        in_flight: 61,
        in_flight_max: 64,
        queued: 12,
        accounts: 41_200,
        engines: vec![
            EngineRow {
                name: "embedded",
                state: ServiceState::Works,
                running: Some(5),
                sequences: 8,
                kv_tokens_used: Some(6_144),
                kv_tokens: 8_192,
            },
            EngineRow {
                name: "vllm-a",
                state: ServiceState::Starting,
                running: None,
                sequences: 56,
                kv_tokens_used: None,
                kv_tokens: 57_600,
            },
        ],
        refusals: vec![
            (ReasonCode::Overloaded, 1_204_118),
            (ReasonCode::InvalidApiKey, 88_120),
            (ReasonCode::TooManyRequests, 412),
        ],
    }
}
