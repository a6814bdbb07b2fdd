//! Lost passwords and mailed links as pages; all of them work without script.
//!
//! What must stay true: `/recover` says the same whatever was typed; a link is used by a button, never by being looked at: mail programs look.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{ReasonCode, Secret};
use rempart_web::{FieldError, LinkView, RecoverView, SecondStepView};

use super::{field_error, fields, page, query_value, safe_next, see_other, with_page, with_retry};
use crate::ctx::Side;
use crate::refusal::{Refusal, status};
use crate::serve::sessions::links::{MailFor, confirm_email, request_mail, reset_password};
use crate::serve::sessions::{Denied, add_cookies};
use crate::serve::{Answer, Call};

pub(crate) fn is_console(call: &Call) -> bool {
    call.ctx.conn.side == Side::Console
}

/// `GET /recover`.
pub async fn recover(call: Call) -> Answer {
    recover_answer(&call, "", None, false)
}

fn recover_answer(call: &Call, who: &str, refusal: Option<&Refusal>, is_sent: bool) -> Answer {
    let mail_leaves = call.gateway.mailer.is_configured();
    let needs_work = refusal.is_some_and(|refusal| refusal.reason == ReasonCode::ChallengeRequired);
    let view = RecoverView { who, error: refusal.map(field_error), is_sent, mail_leaves, needs_work };
    let code = refusal.map_or(StatusCode::OK, |refusal| status(refusal.reason));
    with_page(call, None, |ctx| page(code, rempart_web::recover_page(ctx, false, &view)))
}

/// `POST /recover`: fields `who`, `for`, perhaps `challenge`.
pub async fn recover_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let what = MailFor::parse(form.get("for")).unwrap_or(MailFor::Reset);
    match request_mail(&call, form.get("who"), what, Some(form.get("challenge"))).await {
        Ok(()) => recover_answer(&call, "", None, true),
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            with_retry(recover_answer(&call, form.get("who"), Some(&refusal), false), &refusal)
        }
    }
}

/// `GET /reset?link=…`.
pub async fn reset(call: Call) -> Answer {
    let link = query_value(&call, "link").filter(|link| !link.is_empty());
    let view = LinkView { link: link.as_deref(), ..LinkView::default() };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::reset_page(ctx, false, &view)))
}

/// `POST /reset`: fields `link`, `new_password`.
pub async fn reset_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let link = form.get("link");
    match reset_password(&call, link, Secret::new(form.get("new_password").to_owned())).await {
        Ok(signed_in) => {
            let mut response = see_other("/")?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Err(Denied { half: Some(half), .. }) => second_step(&call, &half, "/", None),
        Err(Denied { refusal, .. }) => {
            call.ctx.observation.refused(refusal.reason);
            let is_spent = refusal.reason == ReasonCode::NotFound;
            let view =
                LinkView { link: (!is_spent).then_some(link), error: Some(field_error(&refusal)), is_done: false };
            let html =
                with_page(&call, None, |ctx| page(status(refusal.reason), rempart_web::reset_page(ctx, false, &view)));
            with_retry(html, &refusal)
        }
    }
}

/// `GET /confirm?link=…`.
pub async fn confirm(call: Call) -> Answer {
    let link = query_value(&call, "link").filter(|link| !link.is_empty());
    let view = LinkView { link: link.as_deref(), ..LinkView::default() };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::confirm_page(ctx, false, &view)))
}

/// `POST /confirm`: field `link`.
pub async fn confirm_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let confirmed = confirm_email(&call, form.get("link")).await;
    let code = confirmed.as_ref().map_or_else(|refusal| status(refusal.reason), |()| StatusCode::OK);
    if let Err(refusal) = &confirmed {
        call.ctx.observation.refused(refusal.reason);
    }
    let view = LinkView { is_done: confirmed.is_ok(), ..LinkView::default() };
    with_page(&call, None, |ctx| page(code, rempart_web::confirm_page(ctx, false, &view)))
}

/// The page that asks for the second factor after a password that was right.
pub(crate) fn second_step(call: &Call, half: &str, next: &str, error: Option<FieldError>) -> Answer {
    let view = SecondStepView { half, next: safe_next(next), error, has_passkeys: call.gateway.passkeys.is_some() };
    let code = if error.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    with_page(call, None, |ctx| page(code, rempart_web::second_step_page(ctx, is_console(call), &view)))
}
