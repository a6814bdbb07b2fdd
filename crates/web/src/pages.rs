//! The page functions: each joins a view, the texts and a template into HTML.

use askama::Template;
use rempart_domain::{GateLevel, Posture, Standing};

use crate::asset::{ASSET_URLS, AssetUrls};
use crate::format::Date;
use crate::view::account::{AccountAction, AccountView, RegisterView, SignInView};
use crate::view::chat::{ConversationView, HomeView, MessageState, Speaker, conversation_path};
use crate::view::console::{ConsoleView, FirstRunView};
use crate::view::public::{RefusalView, ServiceState, StatusView};
use crate::words::{Words, message, reason_key};
use crate::{Field, FieldError, LOCALE_PARAM, Locale, PageCtx};

/// What the frame of every page needs; `base.html` and `forms.html` name it `p`.
#[derive(Clone, Copy)]
struct Frame<'a> {
    ctx: &'a PageCtx<'a>,
    w: Words,
    urls: &'static AssetUrls,
    /// The console is another place: other navigation, no way to the chat.
    is_console: bool,
}

impl<'a> Frame<'a> {
    fn public(ctx: &'a PageCtx<'a>) -> Self {
        Self { ctx, w: Words::new(ctx.locale), urls: &ASSET_URLS, is_console: false }
    }

    fn console(ctx: &'a PageCtx<'a>) -> Self {
        Self { is_console: true, ..Self::public(ctx) }
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
        [(site.terms_url.clone(), "footer-terms"), (site.privacy_url.clone(), "footer-privacy"), (contact, "footer-contact")]
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

    fn iso(&self, time: &rempart_domain::UnixSeconds) -> String {
        Date::of_seconds(*time).iso()
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

/// The class that gives a state its sign; the word stands beside it, so colour is never alone.
fn state_class(state: &ServiceState) -> &'static str {
    match state {
        ServiceState::Works => "is-good",
        ServiceState::Starting | ServiceState::Limited => "is-warning",
        ServiceState::Down => "is-danger",
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

fn at(error: Option<FieldError>, field: Field) -> Option<FieldError> {
    error.filter(|error| error.field() == field)
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

page!('a, /** `/register`. */ register_page, RegisterTemplate, "register.html", RegisterView<'a>, public);
page!('a, /** `/sign-in`. */ sign_in_page, SignInTemplate, "sign_in.html", SignInView<'a>, public);
page!('a, /** `/account`. */ account_page, AccountTemplate, "account.html", AccountView<'a>, public);
page!('a, /** `/`: what this is, or the history and a form to ask. */ home_page, HomeTemplate, "home.html", HomeView<'a>, public);
page!('a, /** A conversation. */ conversation_page, ConversationTemplate, "conversation.html", ConversationView<'a>, public);
page!('a, /** `/status`, for everybody. */ status_page, StatusTemplate, "status.html", StatusView, public);
page!('a, /** A refusal, for people. */ refusal_page, RefusalTemplate, "refusal.html", RefusalView<'a>, public);
page!('a, /** The console's `/first-run`. */ first_run_page, FirstRunTemplate, "first_run.html", FirstRunView<'a>, console);
page!('a, /** The console's `/`. */ console_home_page, ConsoleTemplate, "console_home.html", ConsoleView<'a>, console);
