//! Page functions of what protects an account.

use askama::Template;

use super::{Frame, html};
use crate::view::security::{LinkView, RecoverView, SecondStepView, SecurityAction, SecurityNotice, SecurityView};
use crate::{Field, FieldError, Locale, PageCtx, Theme};

impl Frame<'_> {
    pub(super) fn passkey_script(&self) -> String {
        format!("/static/passkey.js?v={}", crate::asset_version())
    }

    fn qr(&self, text: &str) -> String {
        crate::qr::svg(text, &self.w.t("totp-qr"))
    }

    fn security_notice(&self, notice: &SecurityNotice) -> String {
        self.w.t(match notice {
            SecurityNotice::MailSent => "security-mail-sent",
            SecurityNotice::FactorAdded => "security-factor-added",
            SecurityNotice::FactorRemoved => "security-factor-removed",
            SecurityNotice::DeviceForgotten => "security-device-forgotten",
            SecurityNotice::EmailConfirmed => "security-email-confirmed",
        })
    }
}

impl SecurityView<'_> {
    fn error_in(&self, form: SecurityAction, field: Field) -> Option<FieldError> {
        self.error.filter(|(action, error)| *action == form && error.field() == field).map(|(_, error)| error)
    }
}

impl SecondStepView<'_> {
    fn error_at(&self, field: Field) -> Option<FieldError> {
        self.error.filter(|error| error.field() == field)
    }
}

impl LinkView<'_> {
    fn error_at(&self, field: Field) -> Option<FieldError> {
        self.error.filter(|error| error.field() == field)
    }
}

macro_rules! page {
    ($(#[$doc:meta])* $function:ident, $template:ident, $path:literal, $view:ident) => {
        #[derive(Template)]
        #[template(path = $path)]
        struct $template<'a> {
            p: Frame<'a>,
            view: &'a $view<'a>,
        }

        $(#[$doc])*
        pub fn $function<'a>(ctx: &'a PageCtx<'a>, is_console: bool, view: &'a $view<'a>) -> String {
            let p = if is_console { Frame::console(ctx) } else { Frame::public(ctx) };
            html(&$template { p, view })
        }
    };
}

page!(/** `/security`. */ security_page, SecurityTemplate, "security.html", SecurityView);
page!(/** The second step of a sign-in. */ second_step_page, SecondStepTemplate, "second_step.html", SecondStepView);
page!(/** `/recover`. */ recover_page, RecoverTemplate, "recover.html", RecoverView);
page!(/** `/reset`. */ reset_page, ResetTemplate, "reset.html", LinkView);
page!(/** `/confirm`. */ confirm_page, ConfirmTemplate, "confirm.html", LinkView);
