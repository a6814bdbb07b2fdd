//! One sample of each page and of its states; also what `examples/pages.rs` writes for the eye and for browsers.

use rempart_domain::{
    ConversationId, Day, GateLevel, GenerationId, MessageId, Posture, ReasonCode, Standing, UnixSeconds,
};
use rempart_web::{
    AccountAction, AccountNotice, AccountView, AskError, ChallengePurpose, ChallengeView, ChatView, ConsoleView,
    ConversationHead, ConversationRow, DeviceRow, EngineRow, FactorRow, FieldError, FirstRunView, FoundView,
    HistoryView, HitRow, HomeView, InviteRow, InvitesView, KeyRow, LinkView, Locale, MailedView, MessageState, PageCtx,
    PreferencesView, RecoverView, RefusalView, RegisterGate, RegisterIntro, RegisterView, SecondStepView,
    SecurityAction, SecurityNotice, SecurityView, ServiceState, SessionRow, SharedView, SignInView, Site, Speaker,
    StatusView, Theme, TotpView, TurnRow, UsageRow, WaitView, WaitingView, account_page, chat_page, confirm_page,
    console_home_page, console_sign_in_page, first_run_page, home_page, invites_page, recover_page, refusal_page,
    register_page, reset_page, second_step_page, security_page, shared_page, sign_in_page, status_page, waiting_page,
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
    pages.extend(gate(locale));
    pages.extend(waiting(locale));
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
        has_passkeys: true,
        ..SignInView::default()
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
        ("home-visitor", home_page(&at("/"), &HomeView { is_open: true })),
        ("home-visitor-closed", home_page(&at("/"), &HomeView { is_open: false })),
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

/// The gate: what a form carries.
fn gate(locale: Locale) -> Vec<(&'static str, String)> {
    let site = site();
    let at = |path| ctx(&site, locale, path, None);
    let challenge = |purpose| {
        let url = match purpose {
            ChallengePurpose::Registration => "/api/v1/challenge?for=registration",
            _ => "/api/v1/challenge?for=sign-in",
        };
        Some(ChallengeView { url, tries_max: 400, purpose })
    };
    let with = |gate| RegisterView { name: "lin.mei", is_open: true, gate, ..RegisterView::default() };
    let plain = RegisterGate::default();
    let computes = with(RegisterGate { challenge: challenge(ChallengePurpose::Registration), ..plain });
    let queues = with(RegisterGate {
        intro: RegisterIntro::Queue,
        challenge: challenge(ChallengePurpose::Registration),
        ..plain
    });
    let turn =
        with(RegisterGate { intro: RegisterIntro::Turn { lasts_s: 600 }, ticket: "p1ace", asks_email: true, ..plain });
    let invited = with(RegisterGate { intro: RegisterIntro::Invited, invite: "1nvite", ..plain });
    let sign_in = SignInView {
        name: "lin.mei",
        error: Some(FieldError::Challenge),
        challenge: challenge(ChallengePurpose::SignIn),
        ..SignInView::default()
    };
    let sign_in_turn = SignInView { name: "lin.mei", ticket: "p1ace", ..SignInView::default() };
    let recover =
        RecoverView { challenge: challenge(ChallengePurpose::Mail), mail_leaves: true, ..RecoverView::default() };
    vec![
        ("register-challenge", register_page(&at("/register"), &computes)),
        ("register-queue", register_page(&at("/register"), &queues)),
        ("register-turn", register_page(&at("/register"), &turn)),
        ("register-invited", register_page(&at("/register"), &invited)),
        ("sign-in-challenge", sign_in_page(&at("/sign-in"), &sign_in)),
        ("sign-in-turn", sign_in_page(&at("/sign-in"), &sign_in_turn)),
        ("recover-challenge", recover_page(&at("/recover"), false, &recover)),
    ]
}

/// The line, a letter, invitations.
fn waiting(locale: Locale) -> Vec<(&'static str, String)> {
    let site = site();
    let at = |path| ctx(&site, locale, path, None);
    let wait = |purpose, position, eta_s| WaitingView {
        purpose,
        link: "/register?ticket=p1ace&name=lin.mei",
        ticket: "p1ace",
        name: "lin.mei",
        wait: Some(WaitView { position, eta_s, look_after_s: 12 }),
        mailed: None,
    };
    let mailed = MailedView { ticket: "p1ace", name: "lin.mei", email: "lin@example.org", is_too_soon: true };
    let letter = WaitingView { wait: None, mailed: Some(mailed), ..wait(ChallengePurpose::Registration, 1, None) };
    let invite = |id, is_used, used_by, is_over| InviteRow {
        id,
        created: UnixSeconds(NOW.0 - 86_400),
        expires: UnixSeconds(NOW.0 + 13 * 86_400),
        is_used,
        used_by,
        is_over,
    };
    let invites = InvitesView {
        rows: vec![
            invite("i_01", false, "", false),
            invite("i_02", true, "bob", false),
            invite("i_03", true, "", false),
            invite("i_04", false, "", true),
        ],
        left: Some(3),
        new: Some("http://127.0.0.1:8090/register?invite=1nvite"),
        is_revoked: false,
    };
    let own = ctx(&site, locale, "/account/invites", Some("lin.mei"));
    vec![
        (
            "wait-register",
            waiting_page(&at("/register"), false, &wait(ChallengePurpose::Registration, 42, Some(1_260))),
        ),
        ("wait-register-stands", waiting_page(&at("/register"), false, &wait(ChallengePurpose::Registration, 1, None))),
        ("wait-sign-in", waiting_page(&at("/sign-in"), false, &wait(ChallengePurpose::SignIn, 2, Some(40)))),
        ("wait-letter", waiting_page(&at("/register"), false, &letter)),
        ("invites", invites_page(&own, &invites)),
        ("invites-newcomer", invites_page(&own, &InvitesView::default())),
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
    let first =
        ChatView { models: vec!["smollm2-135m-instruct"], is_kept: true, asks_time_zone: true, ..ChatView::default() };
    let temporary = ChatView { is_temporary: true, ..begun() };
    let shared = SharedView { title: "Why is the sky blue?", created: NOW, turns: turns() };
    vec![
        ("chat-first", chat_page(&at("/"), &first)),
        ("chat-new", chat_page(&at("/"), &begun())),
        ("chat-temporary", chat_page(&at("/"), &temporary)),
        ("chat-found", chat_page(&at("/"), &found())),
        ("conversation", chat_page(&at("/c/c_00000000001"), &conversation())),
        ("conversation-streaming", chat_page(&at("/c/c_00000000001"), &streaming())),
        ("shared", shared_page(&at("/s/0nce"), &shared)),
        ("account", account_page(&at("/account"), &account())),
        ("account-error", account_page(&at("/account"), &account_with_error())),
    ]
}

fn history() -> HistoryView<'static> {
    let row = |id, title, days: u16, is_pinned| ConversationRow {
        id: ConversationId::from_bits(id),
        title,
        day: Day(NOW.day().0 - days),
        is_pinned,
    };
    HistoryView {
        pinned: vec![row(9, "Résumé du livre de Vauban", 60, true)],
        rows: vec![
            row(4, "为什么天空是蓝色的？", 0, false),
            row(1, "Why is the sky blue?", 0, false),
            row(
                3,
                "Rewrite a letter to the landlord so that it is polite, firm and at most half a page long",
                1,
                false,
            ),
            row(2, "", 12, false),
            row(9, "Résumé du livre de Vauban", 60, true),
            row(5, "La différence entre une digue et un barrage", 71, false),
        ],
        today: NOW.day(),
        next: Some("c_00000000001"),
    }
}

fn begun() -> ChatView<'static> {
    ChatView {
        history: history(),
        models: vec!["smollm2-135m-instruct", "deepseek-chat"],
        draft: "Half a question",
        error: Some(AskError { reason: ReasonCode::Overloaded, retry_after_s: Some(12) }),
        is_kept: true,
        ..ChatView::default()
    }
}

fn found() -> ChatView<'static> {
    let hit = HitRow {
        conversation: ConversationId::from_bits(4),
        message: Some(MessageId::from_bits(7)),
        title: "为什么天空是蓝色的？",
        snippet: "……散射到我们眼中的光以蓝色为主……",
    };
    let found = FoundView { words: "蓝色", hits: vec![hit, HitRow { message: None, title: "", snippet: "", ..hit }] };
    ChatView { found: Some(found), draft: "", error: None, ..begun() }
}

fn turn(role: Speaker, text: &'static str, state: MessageState) -> TurnRow<'static> {
    let (text, html) = if role == Speaker::Person { (text, "") } else { ("", text) };
    TurnRow {
        id: None,
        parent: None,
        role,
        text,
        html,
        reasoning: "",
        state,
        model: if role == Speaker::Model { "smollm2-135m-instruct" } else { "" },
        files: Vec::new(),
        siblings: Vec::new(),
        generation: None,
    }
}

fn turns() -> Vec<TurnRow<'static>> {
    let mut turns = vec![
        turn(Speaker::Person, "Why is the sky blue? Please <b>explain</b> & be brief.", MessageState::Complete),
        turn(
            Speaker::Model,
            "<div class=\"block\" data-block=\"0\"><p>Air scatters short waves of light more than long ones: blue about \
             <strong>five times</strong> more than red.</p></div><div class=\"block\" data-block=\"1\"><p>So light from the side \
             of the sky, which reaches us only scattered, is mostly blue.</p></div>",
            MessageState::Complete,
        ),
        turn(Speaker::Person, "用中文再说一遍，一句话。", MessageState::Complete),
        turn(Speaker::Model, "<p>空气散射短波光比长波光强得多。</p>", MessageState::Cut),
    ];
    for (index, turn) in (1_u64..).zip(&mut turns) {
        turn.id = Some(MessageId::from_bits(index));
        turn.parent = (index > 1).then(|| MessageId::from_bits(index - 1));
    }
    turns[0].files = vec!["sky <notes>.pdf"];
    turns[1].reasoning = "They want it brief.";
    turns[2].siblings = vec![MessageId::from_bits(8), MessageId::from_bits(3), MessageId::from_bits(9)];
    turns
}

fn conversation() -> ChatView<'static> {
    ChatView {
        conversation: Some(ConversationHead {
            id: ConversationId::from_bits(1),
            title: "Why is the sky blue?",
            is_pinned: true,
            is_shared: true,
            link: Some("http://localhost:8080/s/0nce"),
            system: "Answer like a mason.",
            temperature: Some(700),
        }),
        turns: turns(),
        earlier: Some("m_00000000001"),
        is_kept: false,
        draft: "",
        error: None,
        ..begun()
    }
}

fn streaming() -> ChatView<'static> {
    let mut turns = vec![
        turn(Speaker::Person, "Quelle est la capitale de la France ?", MessageState::Complete),
        turn(Speaker::Model, "<p>La capitale de la France est</p>", MessageState::Streaming),
    ];
    turns[1].id = Some(MessageId::from_bits(2));
    turns[0].id = Some(MessageId::from_bits(1));
    turns[1].generation = Some(GenerationId::from_bits(5));
    let head = ConversationHead {
        id: ConversationId::from_bits(1),
        title: "",
        is_pinned: false,
        is_shared: false,
        link: None,
        system: "",
        temperature: None,
    };
    ChatView { conversation: Some(head), turns, draft: "", error: None, ..begun() }
}

fn account() -> AccountView<'static> {
    let key = |id, name, expires| KeyRow {
        id,
        name,
        created: UnixSeconds(NOW.0 - 864_000),
        expires,
        models: if name == "laptop" { String::new() } else { "deepseek-chat".to_owned() },
        limits: rempart_domain::KeyLimits {
            budget_tokens: Some(50_000),
            requests_per_minute: Some(60),
            in_flight: Some(2),
        },
        last_used: Some(NOW.day()),
    };
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
        key_budget_days: 0,
        name: "lin.mei",
        standing: Standing::Member,
        created: UnixSeconds(1_704_067_200),
        keys: vec![
            key("k_00000000002", "laptop", None),
            key("k_00000000001", "nightly summary job", Some(UnixSeconds(1_750_000_000))),
        ],
        new_key: Some("rmp_0exampleexampleexampleexampleexampleexample0"),
        sessions: vec![session("s_00000000002", "Firefox, Linux", true), session("s_00000000001", "", false)],
        today: NOW.day(),
        models: vec!["smollm2-135m-instruct", "deepseek-chat"],
        preferences: PreferencesView { locale: Some(Locale::Fr), theme: Theme::Dark, time_zone: "Europe/Paris" },
        usage: vec![use_of(0, 214, 48_211, 91_342), use_of(1, 1_032, 1_204_551, 402_118), use_of(4, 3, 120, 418)],
        notice: Some(AccountNotice::KeyRevoked),
        error: None,
        api_url: "http://localhost:8080/v1",
    }
}

fn account_with_error() -> AccountView<'static> {
    AccountView {
        key_budget_days: 0,
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
