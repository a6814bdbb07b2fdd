//! The page functions: each joins a view, the texts and a template into HTML.

pub(crate) mod security;

use askama::Template;
use rempart_domain::{GateLevel, Posture, ReasonCode, Standing};

use crate::asset::{ASSET_URLS, AssetUrls};
use crate::view::account::{AccountAction, AccountNotice, AccountView, PreferencesView, RegisterView, SignInView};
use crate::view::chart::UsageChart;
use crate::view::chat::{ChatView, HomeView, MessageState, SharedView, Speaker};
use crate::view::console::{ConsoleView, FirstRunView};
use crate::view::gate::{InvitesView, RegisterIntro, WaitingView};
use crate::view::public::{RefusalView, ServiceState, StatusView};
use crate::words::{Words, message, reason_key};
use crate::{Field, FieldError, LOCALE_PARAM, Locale, PageCtx, Theme};

/// What the frame of every page needs; `base.html` and `forms.html` name it `p`.
#[derive(Clone, Copy)]
struct Frame<'a> {
    ctx: &'a PageCtx<'a>,
    w: Words,
    urls: &'static AssetUrls,
    /// The console is another place: other navigation, no way to the chat.
    is_console: bool,
    /// Query parameters that the language links must not lose: a one-time link, a place in a line, where to go afterwards. Empty ones are left out.
    kept: [(&'static str, &'a str); 3],
}

impl<'a> Frame<'a> {
    fn public(ctx: &'a PageCtx<'a>) -> Self {
        Self { ctx, w: Words::new(ctx.locale), urls: &ASSET_URLS, is_console: false, kept: [("", ""); 3] }
    }

    fn console(ctx: &'a PageCtx<'a>) -> Self {
        Self { is_console: true, ..Self::public(ctx) }
    }

    fn keeping(self, kept: [(&'static str, &'a str); 3]) -> Self {
        Self { kept, ..self }
    }

    /// Which colours the browser's own parts wear: fields, bars, the page before its style sheet.
    fn color_scheme(&self) -> &'static str {
        match (self.is_console, self.ctx.theme) {
            (true, _) | (_, Theme::Dark) => "dark",
            (_, Theme::Light) => "light",
            (_, Theme::Auto) => "light dark",
        }
    }

    fn site_name(&self) -> &str {
        if self.ctx.site.name.is_empty() { "Rempart" } else { &self.ctx.site.name }
    }

    /// Terms, privacy, contact: only addresses that are safe to follow become links.
    fn site_links(&self) -> Vec<(String, String)> {
        let site = self.ctx.site;
        let contact = if site.contact.contains('@') && !site.contact.contains(':') {
            format!("mailto:{}", site.contact)
        } else {
            site.contact.clone()
        };
        [
            (site.terms_url.clone(), "footer-terms"),
            (site.privacy_url.clone(), "footer-privacy"),
            (contact, "footer-contact"),
        ]
        .into_iter()
        .filter(|(url, _)| is_link(url))
        .map(|(url, key)| (url, self.w.t(key)))
        .collect()
    }

    fn locale_link(&self, locale: &Locale) -> String {
        format!("{}?{LOCALE_PARAM}={locale}", self.ctx.path)
    }

    fn locale_name(&self, locale: &Locale) -> String {
        Words::new(*locale).t("language-name")
    }

    fn theme_name(&self, theme: &Theme) -> String {
        self.w.t(match theme {
            Theme::Auto => "theme-auto",
            Theme::Light => "theme-light",
            Theme::Dark => "theme-dark",
        })
    }

    /// A reason's text; `part` is nothing, `.meaning` or `.action`.
    fn reason_text(&self, reason: &ReasonCode, part: &str) -> String {
        self.w.t(&format!("{}{part}", reason_key(*reason)))
    }

    /// What a registration form says first.
    fn register_intro(&self, intro: &RegisterIntro) -> String {
        self.w.t(match intro {
            RegisterIntro::Open => "register-intro",
            RegisterIntro::Verified => "gate-intro-verified",
            RegisterIntro::Queue => "gate-intro-queue",
            RegisterIntro::Turn { lasts_s } => return self.w.with("gate-intro-turn", "span", self.w.span(lasts_s)),
            RegisterIntro::Confirmed => "gate-intro-confirmed",
            RegisterIntro::Invited => "gate-intro-invited",
        })
    }

    /// A place in the line, and about how long.
    fn place(&self, position: &u64, eta_s: &Option<u64>) -> String {
        let time = match eta_s {
            Some(eta_s) => self.w.with("wait-time", "span", self.w.span(eta_s)),
            None => self.w.t("wait-time-unknown"),
        };
        self.w.place(*position, time)
    }

    /// How long to wait, in words.
    fn wait(&self, retry_after_s: &Option<u32>) -> Option<String> {
        retry_after_s.map(|seconds| self.w.span(&u64::from(seconds)))
    }

    /// What happened and what to do, for a line above a form.
    fn reason(&self, reason: &ReasonCode) -> &'static str {
        message(self.ctx.locale, *reason)
    }

    fn notice(&self, notice: &AccountNotice) -> String {
        self.w.t(match notice {
            AccountNotice::KeyRevoked => "notice-key-revoked",
            AccountNotice::SessionEnded => "notice-session-ended",
            AccountNotice::PasswordChanged => "notice-password-changed",
            AccountNotice::PreferencesSaved => "notice-preferences-saved",
        })
    }

    /// The whole service in a few words: as bad as its worst part.
    fn overall(&self, view: &StatusView) -> String {
        let parts = [view.answers, view.sign_in, view.registration, view.storage];
        self.w.t(if parts.contains(&ServiceState::Down) {
            "status-some-down"
        } else if parts.iter().all(|part| *part == ServiceState::Works) {
            "status-all-work"
        } else {
            "status-some-limited"
        })
    }

    /// `3 / 8`; a dash for what is not known.
    fn part(&self, of: &Option<u64>, all: &u64) -> String {
        let part = of.map_or_else(|| String::from("–"), |value| self.w.number(&value));
        format!("{part} / {}", self.w.number(all))
    }

    fn state(&self, state: &ServiceState) -> String {
        self.w.t(match state {
            ServiceState::Works => "state-works",
            ServiceState::Starting => "state-starting",
            ServiceState::Limited => "state-limited",
            ServiceState::Down => "state-down",
        })
    }

    fn gate(&self, gate: &GateLevel) -> String {
        self.w.t(match gate {
            GateLevel::Open => "gate-open",
            GateLevel::Challenge => "gate-challenge",
            GateLevel::Verified => "gate-verified",
            GateLevel::Queue => "gate-queue",
            GateLevel::Closed => "gate-closed",
        })
    }

    fn posture(&self, posture: &Posture) -> String {
        self.w.t(match posture {
            Posture::Calm => "posture-calm",
            Posture::Guarded => "posture-guarded",
            Posture::Siege => "posture-siege",
            Posture::Fortress => "posture-fortress",
        })
    }

    /// Worth a word to everybody.
    fn is_on_guard(&self, posture: &Posture) -> bool {
        *posture != Posture::Calm
    }

    fn standing(&self, standing: &Standing) -> String {
        self.w.t(match standing {
            Standing::Suspended => "standing-suspended",
            Standing::Visitor => "standing-visitor",
            Standing::Newcomer => "standing-newcomer",
            Standing::Member => "standing-member",
            Standing::Trusted => "standing-trusted",
        })
    }
}

/// True for an http(s) address, a mail address, or an absolute path of this site.
fn is_link(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://") || url.starts_with("mailto:") || is_own_path(url)
}

/// True for an absolute path of this site; `//host` and `/\host` lead elsewhere.
fn is_own_path(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains('\\') && !path.chars().any(char::is_control)
}

impl SignInView<'_> {
    fn error_at(&self, field: Field) -> Option<FieldError> {
        self.error.filter(|error| error.field() == field)
    }

    fn has_next(&self) -> bool {
        is_own_path(self.next)
    }
}

impl RegisterView<'_> {
    fn error_at(&self, field: Field) -> Option<FieldError> {
        self.error.filter(|error| error.field() == field)
    }
}

impl FirstRunView<'_> {
    fn error_at(&self, field: Field) -> Option<FieldError> {
        self.error.filter(|error| error.field() == field)
    }
}

impl PreferencesView<'_> {
    fn is_in(&self, locale: &Locale) -> bool {
        self.locale.as_ref() == Some(locale)
    }
}

impl AccountView<'_> {
    fn chart(&self) -> Option<UsageChart> {
        UsageChart::of(&self.usage, self.today)
    }

    fn error_in(&self, form: AccountAction, field: Field) -> Option<FieldError> {
        self.error.filter(|(action, error)| *action == form && error.field() == field).map(|(_, error)| error)
    }
}

impl ServiceState {
    /// The class that gives a state its sign; the word stands beside it, so colour is never alone.
    fn sign(self) -> &'static str {
        match self {
            Self::Works => "is-good",
            Self::Starting | Self::Limited => "is-warning",
            Self::Down => "is-danger",
        }
    }
}

/// Rendering writes into a String: it fails only if a template names a filter that fails, and none does.
fn html(template: &impl Template) -> String {
    template.render().unwrap_or_default()
}

macro_rules! page {
    ($a:lifetime, $(#[$doc:meta])* $function:ident, $template:ident, $path:literal, $view:ty, $frame:ident) => {
        #[derive(Template)]
        #[template(path = $path)]
        struct $template<$a> {
            p: Frame<$a>,
            view: &$a $view,
        }

        $(#[$doc])*
        pub fn $function<$a>(ctx: &$a PageCtx<$a>, view: &$a $view) -> String {
            html(&$template { p: Frame::$frame(ctx), view })
        }
    };
}

page!('a, /** `/account/invites`. */ invites_page, InvitesTemplate, "invites.html", InvitesView<'a>, public);
page!('a, /** `/account`. */ account_page, AccountTemplate, "account.html", AccountView<'a>, public);
page!('a, /** `/` for visitors: what this is. */ home_page, HomeTemplate, "home.html", HomeView, public);
page!('a, /** The chat: a conversation, or the place to begin one. */ chat_page, ChatTemplate, "chat.html", ChatView<'a>, public);
page!('a, /** `/s/{token}`: what somebody shared. */ shared_page, SharedTemplate, "shared.html", SharedView<'a>, public);
page!('a, /** `/status`, for everybody. */ status_page, StatusTemplate, "status.html", StatusView, public);
page!('a, /** A refusal, for people. */ refusal_page, RefusalTemplate, "refusal.html", RefusalView<'a>, public);
page!('a, /** The console's `/`. */ console_home_page, ConsoleTemplate, "console_home.html", ConsoleView<'a>, console);

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInTemplate<'a> {
    p: Frame<'a>,
    view: &'a SignInView<'a>,
}

impl<'a> SignInTemplate<'a> {
    fn new(p: Frame<'a>, view: &'a SignInView<'a>) -> Self {
        let next = if view.has_next() { view.next } else { "" };
        let kept = match view.link {
            Some(link) => [("link", link), ("next", next), ("", "")],
            None if view.ticket.is_empty() => [("next", next), ("", ""), ("", "")],
            None => [("ticket", view.ticket), ("name", view.name), ("next", next)],
        };
        Self { p: p.keeping(kept), view }
    }
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterTemplate<'a> {
    p: Frame<'a>,
    view: &'a RegisterView<'a>,
}

/// `/register`.
pub fn register_page<'a>(ctx: &'a PageCtx<'a>, view: &'a RegisterView<'a>) -> String {
    let name = if view.gate.ticket.is_empty() { "" } else { view.name };
    let kept = [("ticket", view.gate.ticket), ("name", name), ("invite", view.gate.invite)];
    html(&RegisterTemplate { p: Frame::public(ctx).keeping(kept), view })
}

#[derive(Template)]
#[template(path = "waiting.html")]
struct WaitingTemplate<'a> {
    p: Frame<'a>,
    view: &'a WaitingView<'a>,
}

/// Somebody's place in a line, or word of a letter.
pub fn waiting_page<'a>(ctx: &'a PageCtx<'a>, is_console: bool, view: &'a WaitingView<'a>) -> String {
    let p = if is_console { Frame::console(ctx) } else { Frame::public(ctx) };
    let (ticket, name) = match view.mailed {
        Some(mailed) => (mailed.ticket, mailed.name),
        None => (view.ticket, view.name),
    };
    html(&WaitingTemplate { p: p.keeping([("ticket", ticket), ("name", name), ("", "")]), view })
}

/// `/sign-in`.
pub fn sign_in_page<'a>(ctx: &'a PageCtx<'a>, view: &'a SignInView<'a>) -> String {
    html(&SignInTemplate::new(Frame::public(ctx), view))
}

/// The console's `/sign-in`: as [`sign_in_page`], without the way to register.
pub fn console_sign_in_page<'a>(ctx: &'a PageCtx<'a>, view: &'a SignInView<'a>) -> String {
    html(&SignInTemplate::new(Frame::console(ctx), view))
}

#[derive(Template)]
#[template(path = "first_run.html")]
struct FirstRunTemplate<'a> {
    p: Frame<'a>,
    view: &'a FirstRunView<'a>,
}

/// The console's `/first-run`.
pub fn first_run_page<'a>(ctx: &'a PageCtx<'a>, view: &'a FirstRunView<'a>) -> String {
    let p = Frame::console(ctx).keeping([("link", view.link.unwrap_or_default()), ("", ""), ("", "")]);
    html(&FirstRunTemplate { p, view })
}

/// A refusal on the console.
pub fn console_refusal_page<'a>(ctx: &'a PageCtx<'a>, view: &'a RefusalView<'a>) -> String {
    html(&RefusalTemplate { p: Frame::console(ctx), view })
}
