//! Registration, sign-in and sign-out as pages: the same doors as the JSON, by forms.
//!
//! What must stay true: a page says no more than the JSON does (never whether an account exists); what was typed is shown again,
//! passwords excepted.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{GateLevel, ReasonCode, Secret, Sensitive};
use rempart_web::{PageCtx, RegisterView, SignInView};

use super::{check_form, field_error, fields, page, query_value, safe_next, see_other, with_page, with_retry};
use crate::refusal::status;
use crate::respond::locale_of;
use crate::serve::accounts::{
    Newcomer, add_cookies, forget_session_cookie, register_newcomer, sign_in_with_password, sign_out_here,
};
use crate::serve::{Answer, Call};

/// `GET /register`.
pub async fn register(call: Call) -> Answer {
    let is_open = call.gateway.config.registration != GateLevel::Closed;
    let view = RegisterView { name: "", email: "", error: None, is_open };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::register_page(ctx, &view)))
}

/// `POST /register`.
pub async fn register_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let email = form.get("email").trim();
    let newcomer = Newcomer {
        name: form.get("name").trim().to_owned(),
        password: Secret::new(form.get("password").to_owned()),
        email: (!email.is_empty()).then(|| Sensitive::new(email.to_owned())),
        locale: Some(locale_of(&call.head).as_str().to_owned()),
    };
    match register_newcomer(&call, newcomer).await {
        Ok(signed_in) => {
            let mut response = see_other("/")?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let view = RegisterView {
                name: form.get("name"),
                email,
                error: Some(field_error(&refusal)),
                is_open: refusal.reason != ReasonCode::RegistrationClosed,
            };
            let html = |ctx: &PageCtx<'_>| page(status(refusal.reason), rempart_web::register_page(ctx, &view));
            with_retry(with_page(&call, None, html), &refusal)
        }
    }
}

/// `GET /sign-in`, and `GET /sign-in?link=…`: a one-time address from the operator signs in when its button is pressed.
pub async fn sign_in(call: Call) -> Answer {
    let next = query_value(&call, "next").unwrap_or_default();
    let link = query_value(&call, "link");
    let view = SignInView { name: "", error: None, next: safe_next(&next), link: link.as_deref() };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::sign_in_page(ctx, &view)))
}

/// `POST /sign-in`.
pub async fn sign_in_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let (name, link) = (form.get("name").trim(), form.get("link"));
    let signed_in = if link.is_empty() {
        sign_in_with_password(&call, name, Secret::new(form.get("password").to_owned())).await
    } else {
        crate::serve::accounts::sign_in_with_link(&call, link).await
    };
    match signed_in {
        Ok(signed_in) => {
            let mut response = see_other(safe_next(form.get("next")))?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let view =
                SignInView { name, error: Some(field_error(&refusal)), next: safe_next(form.get("next")), link: None };
            let html = |ctx: &PageCtx<'_>| page(status(refusal.reason), rempart_web::sign_in_page(ctx, &view));
            with_retry(with_page(&call, None, html), &refusal)
        }
    }
}

/// `POST /sign-out`.
pub async fn sign_out_form(call: Call, body: Bytes) -> Answer {
    check_form(&call, &fields(&body)?)?;
    sign_out_here(&call).await?;
    let mut response = see_other("/")?;
    forget_session_cookie(&call.gateway, response.headers_mut());
    Ok(response)
}
