//! Sign-in and sign-out as pages: the same doors as the JSON, by forms.
//!
//! What must stay true: a page says no more than the JSON does (never whether an account exists); what was typed is shown again,
//! passwords excepted.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{Millis, ReasonCode, Secret};
use rempart_identity::gate::InLine;
use rempart_web::{ChallengePurpose, FieldError, PageCtx, SignInView};

use super::challenge::{Held, asks_for_place, for_sign_in, plain, waiting_answer};
use super::{
    Fields, check_form, field_error, fields, is_console, page, query_value, safe_next, second_step, see_other,
    with_page, with_retry,
};
use crate::refusal::{Refusal, status};
use crate::serve::sessions::{
    Credentials, Denied, SignedIn, add_cookies, forget_session_cookie, line, sign_in_with_half, sign_in_with_link,
    sign_in_with_password, sign_out_here,
};
use crate::serve::{Answer, Call};

/// `GET /sign-in`, and `GET /sign-in?link=…`: a one-time address from the operator signs in when its button is pressed.
pub async fn sign_in(call: Call) -> Answer {
    let next = query_value(&call, "next").unwrap_or_default();
    sign_in_answer(&call, safe_next(&next))
}

/// The form, or where its sender stands in the line.
pub(crate) fn sign_in_answer(call: &Call, next: &str) -> Answer {
    let asked = |name: &str| query_value(call, name).unwrap_or_default();
    let (name, ticket, link) = (asked("name"), asked("ticket"), query_value(call, "link"));
    let has_passkeys = call.gateway.passkeys.is_some();
    let form = SignInView { next, link: link.as_deref(), has_passkeys, ..SignInView::default() };
    if link.is_some() || ticket.is_empty() {
        let challenge = if link.is_some() { None } else { for_sign_in(call, false) };
        return form_answer(call, StatusCode::OK, &SignInView { challenge, ..form });
    }
    match line::look(call, &ticket) {
        Some(InLine::LetIn) => form_answer(call, StatusCode::OK, &SignInView { name: &name, ticket: &ticket, ..form }),
        Some(InLine::Waits { position, eta }) => {
            let link = link_of(&ticket, &name, next);
            let held = Held { link: &link, ticket: &ticket, name: &name, position, eta, is_moving: true };
            waiting_answer(call, ChallengePurpose::SignIn, held)
        }
        Some(InLine::Full) => Err(Refusal::from(ReasonCode::Overloaded).retry_after(Millis(30_000))),
        Some(InLine::Used) | None => {
            let view =
                SignInView { name: &name, error: Some(FieldError::Ticket), challenge: for_sign_in(call, true), ..form };
            form_answer(call, StatusCode::OK, &view)
        }
    }
}

fn form_answer(call: &Call, status: StatusCode, view: &SignInView<'_>) -> Answer {
    let html = |ctx: &PageCtx<'_>| {
        let html = if is_console(call) {
            rempart_web::console_sign_in_page(ctx, view)
        } else {
            rempart_web::sign_in_page(ctx, view)
        };
        page(status, html)
    };
    with_page(call, None, html)
}

/// The address that keeps a place.
fn link_of(ticket: &str, name: &str, next: &str) -> String {
    let link = format!("/sign-in?ticket={}&name={}", plain(ticket), plain(name));
    if next == "/" { link } else { format!("{link}&next={next}") }
}

/// `POST /sign-in`: name and password, or a link, or the half of a sign-in with a code, or a name alone that takes a place in the line.
pub async fn sign_in_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let next = safe_next(form.get("next"));
    if asks_for_place(&form) {
        return take_place(&call, &form, next);
    }
    match try_sign_in(&call, &form).await {
        Ok(signed_in) => {
            let mut response = see_other(next)?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Err(denied) => denied_answer(&call, &form, &denied, next),
    }
}

/// A place in the line for the name of that form.
pub(crate) fn take_place(call: &Call, form: &Fields, next: &str) -> Answer {
    match line::take_place(call, form.get("name")) {
        Ok(ticket) => see_other(&link_of(&ticket, form.get("name").trim(), next)),
        Err(refusal) => denied_answer(call, form, &Denied::from(refusal), next),
    }
}

/// Whichever of the ways the form shows.
pub(crate) async fn try_sign_in(call: &Call, form: &Fields) -> Result<SignedIn, Denied> {
    let (half, link) = (form.get("half"), form.get("link"));
    if !half.is_empty() {
        return sign_in_with_half(call, half, Secret::new(form.get("code").to_owned())).await;
    }
    if !link.is_empty() {
        return sign_in_with_link(call, link).await;
    }
    let shown = Credentials {
        name: form.get("name").trim().to_owned(),
        password: Secret::new(form.get("password").to_owned()),
        code: None,
        challenge: form.get("challenge").to_owned(),
        ticket: form.get("ticket").to_owned(),
    };
    sign_in_with_password(call, shown).await
}

/// The same form again with what was wrong, or the second step.
pub(crate) fn denied_answer(call: &Call, form: &Fields, denied: &Denied, next: &str) -> Answer {
    let refusal: &Refusal = &denied.refusal;
    if let Some(half) = &denied.half {
        let error = (refusal.reason != ReasonCode::SecondFactorRequired).then(|| field_error(refusal));
        if error.is_some() {
            call.ctx.observation.refused(refusal.reason);
        }
        return with_retry(second_step(call, half, next, error), refusal);
    }
    call.ctx.observation.refused(refusal.reason);
    // A turn is good for some tries; what is over is not shown again.
    let keeps_turn = matches!(refusal.reason, ReasonCode::InvalidCredentials | ReasonCode::Overloaded);
    let ticket = if keeps_turn { form.get("ticket") } else { "" };
    let was_asked = refusal.reason == ReasonCode::ChallengeRequired
        || !form.get("challenge").is_empty()
        || !form.get("ticket").is_empty()
        || asks_for_place(form);
    let view = SignInView {
        name: form.get("name").trim(),
        error: Some(field_error(refusal)),
        next,
        link: None,
        has_passkeys: call.gateway.passkeys.is_some(),
        ticket,
        challenge: if ticket.is_empty() { for_sign_in(call, was_asked) } else { None },
    };
    with_retry(form_answer(call, status(refusal.reason), &view), refusal)
}

/// `POST /sign-out`.
pub async fn sign_out_form(call: Call, body: Bytes) -> Answer {
    check_form(&call, &fields(&body)?)?;
    sign_out_here(&call).await?;
    let mut response = see_other("/")?;
    forget_session_cookie(&call.gateway, response.headers_mut());
    Ok(response)
}
