//! Pages for people: values in, HTML out. Templates, texts in Chinese, English and French, style sheets.
//!
//! What must stay true: rendering only, no HTTP, no I/O, no clock; every text comes from `locales/`, in three languages that are
//! equals; doors, account and plain asking work without script, and [`CSP`] forbids inline script, inline style and third parties;
//! whatever came from outside is escaped; no page says whether an account exists.

mod asset;
mod ctx;
mod field_error;
mod format;
mod locale;
mod mail;
mod pages;
mod qr;
mod theme;
mod view;
mod words;

#[cfg(test)]
mod tests;

pub use asset::{Asset, asset, asset_version};
pub use ctx::{PageCtx, Site};
pub use field_error::{Field, FieldError};
pub use locale::{LOCALE_COOKIE, LOCALE_PARAM, Locale};
pub use mail::{MailLink, MailText, MailTopic, mail_text};
pub use pages::security::{confirm_page, recover_page, reset_page, second_step_page, security_page};
pub use pages::{
    account_page, chat_page, console_home_page, console_refusal_page, console_sign_in_page, first_run_page, home_page,
    invites_page, refusal_page, register_page, shared_page, sign_in_page, status_page, waiting_page,
};
pub use theme::{THEME_COOKIE, Theme};
pub use view::account::{
    AccountAction, AccountNotice, AccountView, KeyRow, PreferencesView, RegisterView, SessionRow, SignInView, UsageRow,
};
pub use view::chat::{
    AskError, ChatView, ConversationHead, FoundView, HitRow, HomeView, MessageState, SharedView, Speaker, TurnRow,
    conversation_path,
};
pub use view::console::{ConsoleView, EngineRow, FirstRunView};
pub use view::gate::{
    ChallengePurpose, ChallengeView, InviteRow, InvitesView, MailedView, RegisterGate, RegisterIntro, WaitView,
    WaitingView,
};
pub use view::history::{ConversationRow, HistoryView};
pub use view::public::{RefusalView, ServiceState, StatusView};
pub use view::security::{
    DeviceRow, FactorRow, LinkView, RecoverView, SecondStepView, SecurityAction, SecurityNotice, SecurityView, TotpView,
};
pub use words::message;

/// Answers as HTML, whole or while they stream.
pub use rempart_render as render;

/// The value of `Content-Security-Policy` for every page: our own scripts, style sheets and images, requests and forms to ourselves,
/// nothing else. `worker-src` is for a proof of work, which is solved beside the page.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                       worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A text of `locales/`, for what is written outside of pages: the drill's report.
pub fn text(locale: Locale, key: &str) -> String {
    words::Words::new(locale).t(key)
}
