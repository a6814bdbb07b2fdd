//! Sign-in and sign-out as pages: the same doors as the JSON, by forms.
//!
//! What must stay true: a page says no more than the JSON does (never whether an account exists); what was typed is shown again,
//! passwords excepted.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{ReasonCode, Secret};
use rempart_web::{PageCtx, SignInView};

use super::{
    Fields, check_form, field_error, fields, is_console, page, query_value, safe_next, second_step, see_other,
    with_page, with_retry,
};
use crate::refusal::{Refusal, status};
use crate::serve::sessions::{
    Credentials, Denied, SignedIn, add_cookies, forget_session_cookie, sign_in_with_half, sign_in_with_link,
    sign_in_with_password, sign_out_here,
};
use crate::serve::{Answer, Call};

/// `GET /sign-in`, and `GET /sign-in?link=…`: a one-time address from the operator signs in when its button is pressed.
pub async fn sign_in(call: Call) -> Answer {
    let next = query_value(&call, "next").unwrap_or_default();
    let link = query_value(&call, "link");
    let has_passkeys = call.gateway.passkeys.is_some();
    let view = SignInView { name: "", error: None, next: safe_next(&next), link: link.as_deref(), has_passkeys };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::sign_in_page(ctx, &view)))
}

/// `POST /sign-in`: name and password, or a link, or the half of a sign-in with a code.
pub async fn sign_in_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let next = safe_next(form.get("next"));
    match try_sign_in(&call, &form).await {
        Ok(signed_in) => {
            let mut response = see_other(next)?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Err(denied) => denied_answer(&call, &form, &denied, next),
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
    let challenge = form.get("challenge");
    let shown = Credentials {
        name: form.get("name").trim().to_owned(),
        password: Secret::new(form.get("password").to_owned()),
        code: None,
        challenge: (!challenge.is_empty()).then(|| challenge.to_owned()),
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
    let view = SignInView {
        name: form.get("name").trim(),
        error: Some(field_error(refusal)),
        next,
        link: None,
        has_passkeys: call.gateway.passkeys.is_some(),
    };
    let html = |ctx: &PageCtx<'_>| {
        let html = if is_console(call) {
            rempart_web::console_sign_in_page(ctx, &view)
        } else {
            rempart_web::sign_in_page(ctx, &view)
        };
        page(status(refusal.reason), html)
    };
    with_retry(with_page(call, None, html), refusal)
}

/// `POST /sign-out`.
pub async fn sign_out_form(call: Call, body: Bytes) -> Answer {
    check_form(&call, &fields(&body)?)?;
    sign_out_here(&call).await?;
    let mut response = see_other("/")?;
    forget_session_cookie(&call.gateway, response.headers_mut());
    Ok(response)
}
