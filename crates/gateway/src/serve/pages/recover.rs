//! Lost passwords and mailed links as pages; all of them work without script.
//!
//! What must stay true: `/recover` says the same whatever was typed; a link is used by a button, never by being looked at: mail programs look.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{Millis, ReasonCode, Secret};
use rempart_identity::gate::InLine;
use rempart_web::{ChallengePurpose, FieldError, LinkView, RecoverView, SecondStepView};

use super::challenge::{Held, asks_for_place, for_mail, plain, waiting_answer};
use super::{field_error, fields, page, query_value, safe_next, see_other, with_page, with_retry};
use crate::ctx::Side;
use crate::refusal::{Refusal, status};
use crate::serve::sessions::links::{MailFor, confirm_email, request_mail, reset_password};
use crate::serve::sessions::{Denied, Work, add_cookies, line};
use crate::serve::{Answer, Call};

pub(crate) fn is_console(call: &Call) -> bool {
    call.ctx.conn.side == Side::Console
}

/// `GET /recover`, and `GET /recover?ticket=…` for who waits in the line.
pub async fn recover(call: Call) -> Answer {
    let ticket = query_value(&call, "ticket").unwrap_or_default();
    if ticket.is_empty() {
        let view = RecoverView { challenge: for_mail(&call, false), ..RecoverView::default() };
        return recover_answer(&call, StatusCode::OK, &view);
    }
    match line::look(&call, &ticket) {
        Some(InLine::LetIn) => {
            recover_answer(&call, StatusCode::OK, &RecoverView { ticket: &ticket, ..RecoverView::default() })
        }
        Some(InLine::Waits { position, eta }) => {
            let link = format!("/recover?ticket={}", plain(&ticket));
            let held = Held { link: &link, ticket: &ticket, name: "", position, eta, is_moving: true };
            waiting_answer(&call, ChallengePurpose::Mail, held)
        }
        Some(InLine::Full) => Err(Refusal::from(ReasonCode::Overloaded).retry_after(Millis(30_000))),
        Some(InLine::Used) | None => {
            let error = Some(FieldError::Ticket);
            let view = RecoverView { error, challenge: for_mail(&call, true), ..RecoverView::default() };
            recover_answer(&call, StatusCode::OK, &view)
        }
    }
}

fn recover_answer(call: &Call, code: StatusCode, view: &RecoverView<'_>) -> Answer {
    let view = RecoverView { mail_leaves: call.gateway.mailer.is_configured(), ..*view };
    with_page(call, None, |ctx| page(code, rempart_web::recover_page(ctx, false, &view)))
}

/// `POST /recover`: fields `who`, `for`, perhaps `challenge` or `ticket`; or `wait`, which takes a place in the line.
pub async fn recover_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let (who, ticket) = (form.get("who"), form.get("ticket"));
    let refused = |refusal: &Refusal| {
        call.ctx.observation.refused(refusal.reason);
        // Whoever was asked for work is asked again; a turn that is not over goes on.
        let keeps_turn = refusal.reason == ReasonCode::Overloaded && !ticket.is_empty();
        let was_asked = refusal.reason == ReasonCode::ChallengeRequired
            || !form.get("challenge").is_empty()
            || !ticket.is_empty()
            || asks_for_place(&form);
        let view = RecoverView {
            who,
            error: Some(field_error(refusal)),
            ticket: if keeps_turn { ticket } else { "" },
            challenge: if keeps_turn { None } else { for_mail(&call, was_asked) },
            ..RecoverView::default()
        };
        with_retry(recover_answer(&call, status(refusal.reason), &view), refusal)
    };
    if asks_for_place(&form) {
        // The address is not put into a link: whoever comes back types it again.
        return match line::take_place(&call, who) {
            Ok(ticket) => see_other(&format!("/recover?ticket={}", plain(&ticket))),
            Err(refusal) => refused(&refusal),
        };
    }
    let what = MailFor::parse(form.get("for")).unwrap_or(MailFor::Reset);
    let work = Work { challenge: form.get("challenge"), ticket };
    match request_mail(&call, who, what, Some(work)).await {
        Ok(()) => recover_answer(&call, StatusCode::OK, &RecoverView { is_sent: true, ..RecoverView::default() }),
        Err(refusal) => refused(&refusal),
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
