//! `/security`, on both sides: second factors, recovery codes, mail address, devices. Passkeys are added by script, all else by forms.
//!
//! What must stay true: every form carries the session's own secret; recovery codes are shown once, in the answer that made them.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use rempart_domain::{ReasonCode, Role, Secret};
use rempart_store::FactorKind;
use rempart_web::{DeviceRow, FactorRow, FieldError, SecurityAction, SecurityNotice, SecurityView, TotpView};

use super::recover::is_console;
use super::{Fields, check_form, field_error, fields, page, with_page, with_retry};
use crate::refusal::{Refusal, status};
use crate::serve::accounts::{ask_for_email, find_own_account};
use crate::serve::factors::{
    TotpSetup, begin_totp, finish_totp, remove_factor, renew_codes, resume_totp, step_up_or_first,
};
use crate::serve::sessions::links::{MailFor, request_mail};
use crate::serve::sessions::{add_cookies, end_own_device};
use crate::serve::{Answer, Call, store_refusal};

/// What a form did.
#[derive(Default)]
struct Done {
    notice: Option<SecurityNotice>,
    codes: Vec<Secret<String>>,
    setup: Option<TotpSetup>,
    cookies: Vec<HeaderValue>,
    error: Option<(SecurityAction, FieldError)>,
    code: StatusCode,
}

/// `GET /security`.
pub async fn security(call: Call) -> Answer {
    answer(&call, Done::default()).await
}

async fn answer(call: &Call, done: Done) -> Answer {
    let gateway = &call.gateway;
    let account = find_own_account(call).await?;
    let factors = gateway.store.list_factors(account.id).await.map_err(|e| store_refusal(&e))?;
    let codes_left = gateway.store.count_recovery_codes(account.id).await.map_err(|e| store_refusal(&e))?;
    let devices = gateway.store.list_devices(account.id).await.map_err(|e| store_refusal(&e))?;
    let current = crate::identify::device(gateway, &call.head).map(|device| device.session);
    let factor_ids: Vec<String> = factors.iter().map(|f| f.id.to_string()).collect();
    let device_ids: Vec<String> = devices.iter().map(|d| d.id.to_string()).collect();
    let is_first_of_operator = account.role == Role::Operator && factors.is_empty();
    let view = SecurityView {
        name: account.name.as_str(),
        email: account.email.as_ref().map_or("", |email| email.expose().as_str()),
        email_confirmed: account.email_confirmed,
        mail_leaves: gateway.mailer.is_configured(),
        is_unsure: call.ctx.principal.is_unsure,
        needs_factor: is_first_of_operator,
        asks_password: !is_first_of_operator,
        factors: factors
            .iter()
            .zip(&factor_ids)
            .map(|(f, id)| FactorRow {
                id,
                is_passkey: f.kind == FactorKind::Passkey,
                name: &f.name,
                created: f.created,
            })
            .collect(),
        codes_left,
        new_codes: done.codes.iter().map(|code| code.expose().as_str()).collect(),
        totp: done.setup.as_ref().map(|setup| TotpView {
            secret: setup.secret.expose(),
            otpauth: setup.otpauth.expose(),
            setup: &setup.setup,
        }),
        has_passkeys: gateway.passkeys.is_some(),
        devices: devices
            .iter()
            .zip(&device_ids)
            .map(|(d, id)| DeviceRow {
                id,
                device: d.agent.as_deref().unwrap_or(""),
                created: d.created,
                last_seen: d.last_seen,
                is_current: Some(d.id) == current,
            })
            .collect(),
        notice: done.notice,
        error: done.error,
    };
    let mut response = with_page(call, Some(account.name.as_str()), |ctx| {
        page(done.code, rempart_web::security_page(ctx, is_console(call), &view))
    })?;
    add_cookies(response.headers_mut(), &done.cookies);
    Ok(response)
}

/// `POST /security`: the field `action` says what.
pub async fn security_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let action = SecurityAction::parse(form.get("action")).ok_or(ReasonCode::BadParameter)?;
    let acted = match check_form(&call, &form) {
        Ok(()) => act(&call, &form, action).await,
        Err(refusal) => Err(refusal),
    };
    match acted {
        // A session that was renewed has another form secret: the next page is asked for anew, unless it shows codes.
        Ok(done) if done.codes.is_empty() && !done.cookies.is_empty() => {
            let mut response = super::see_other("/security")?;
            add_cookies(response.headers_mut(), &done.cookies);
            Ok(response)
        }
        Ok(done) => answer(&call, done).await,
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let error = match field_error(&refusal) {
                FieldError::InvalidCredentials => FieldError::PasswordWrong,
                error => error,
            };
            let setup = match action {
                SecurityAction::FinishTotp => {
                    let account = find_own_account(&call).await?;
                    resume_totp(&call, &account, form.get("setup")).ok()
                }
                _ => None,
            };
            let done = Done { setup, error: Some((action, error)), code: status(refusal.reason), ..Done::default() };
            with_retry(answer(&call, done).await, &refusal)
        }
    }
}

async fn act(call: &Call, form: &Fields, action: SecurityAction) -> Result<Done, Refusal> {
    let password = || Secret::new(form.get("password").to_owned());
    let noticed = |notice| Done { notice: Some(notice), ..Done::default() };
    match action {
        SecurityAction::ChangeEmail => {
            ask_for_email(call, form.get("email").trim(), password()).await?;
            Ok(noticed(SecurityNotice::MailSent))
        }
        SecurityAction::ConfirmSession => {
            let account = find_own_account(call).await?;
            request_mail(call, account.name.as_str(), MailFor::SignIn, None).await?;
            Ok(noticed(SecurityNotice::MailSent))
        }
        SecurityAction::StartTotp => {
            let account = find_own_account(call).await?;
            step_up_or_first(call, &account, password()).await?;
            Ok(Done { setup: Some(begin_totp(call, &account)?), ..Done::default() })
        }
        SecurityAction::FinishTotp => {
            let added = finish_totp(call, form.get("setup"), form.get("code"), form.get("name")).await?;
            let notice = Some(SecurityNotice::FactorAdded);
            Ok(Done { notice, codes: added.codes, cookies: added.signed_in.cookies, ..Done::default() })
        }
        SecurityAction::DeleteFactor => {
            let id = form.get("id").parse().map_err(|_| ReasonCode::NotFound)?;
            remove_factor(call, id, password()).await?;
            Ok(noticed(SecurityNotice::FactorRemoved))
        }
        SecurityAction::RenewCodes => Ok(Done { codes: renew_codes(call, password()).await?, ..Done::default() }),
        SecurityAction::EndDevice => {
            let id = form.get("id").parse().map_err(|_| ReasonCode::NotFound)?;
            end_own_device(call, id).await?;
            Ok(noticed(SecurityNotice::DeviceForgotten))
        }
        SecurityAction::AddPasskey => Err(ReasonCode::BadParameter.into()),
    }
}
