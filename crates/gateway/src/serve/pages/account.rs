//! The account's page: usage, keys, sessions, preferences, password, data; one form for each thing that can be done.
//!
//! What must stay true: every form carries the session's own secret; a key's text is shown once, in the answer that made it.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{KeyLimits, ReasonCode, Secret, UnixSeconds};
use rempart_store::PreferenceChange;
use rempart_web::{
    AccountAction, AccountNotice, AccountView, FieldError, KeyRow, Locale, PreferencesView, SessionRow, Theme, UsageRow,
};

use super::{Fields, check_form, field_error, fields, page, query_value, see_other, with_page};
use crate::refusal::{Refusal, status};
use crate::serve::accounts::{change_password, delete_account, find_own_account};
use crate::serve::days::Days;
use crate::serve::sessions::{
    add_cookies, end_all_sessions, end_own_session, forget_session_cookie, own_session, sign_out_here,
};
use crate::serve::{Answer, Call, keys, parse_day, store_refusal};

/// How long a device remembers language and colours, in seconds.
const YEAR_S: i64 = 31_536_000;

/// `GET /account`.
pub async fn account(call: Call) -> Answer {
    let notice = query_value(&call, "saved").map(|_| AccountNotice::PreferencesSaved);
    account_answer(&call, StatusCode::OK, None, notice, None).await
}

async fn account_answer(
    call: &Call,
    status: StatusCode,
    new_key: Option<&str>,
    notice: Option<AccountNotice>,
    error: Option<(AccountAction, FieldError)>,
) -> Answer {
    let store = &call.gateway.store;
    let account = find_own_account(call).await?;
    let keys = store.list_keys(account.id).await.map_err(|e| store_refusal(&e))?;
    let sessions = store.list_sessions(account.id).await.map_err(|e| store_refusal(&e))?;
    let today = call.gateway.clock.date().day();
    let from = rempart_domain::Day(today.0.saturating_sub(29));
    let usage = keys::read_usage(call, from, today).await?;
    let key_ids: Vec<String> = keys.iter().map(|k| k.id.to_string()).collect();
    let session_ids: Vec<String> = sessions.iter().map(|s| s.id.to_string()).collect();
    let current = own_session(call);
    let chosen = store.find_preferences(account.id).await.map_err(|e| store_refusal(&e))?;
    let models: Vec<String> = call.gateway.engines.models().into_iter().map(|m| m.info.id).collect();
    let api_url = format!("{}/v1", call.gateway.config.public_url);
    let view = AccountView {
        key_budget_days: call.gateway.limits.key_budget_days,
        name: account.name.as_str(),
        standing: account.standing,
        created: account.created.seconds(),
        keys: keys
            .iter()
            .zip(&key_ids)
            .filter(|(k, _)| k.revoked.is_none())
            .map(|(k, id)| KeyRow {
                id,
                name: &k.name,
                created: k.created,
                expires: k.expires,
                models: k.models.as_ref().map(|models| models.join(", ")).unwrap_or_default(),
                limits: k.limits,
                last_used: k.last_used,
            })
            .collect(),
        new_key,
        sessions: sessions
            .iter()
            .zip(&session_ids)
            .map(|(s, id)| SessionRow {
                id,
                device: s.agent.as_deref().unwrap_or(""),
                created: s.created,
                last_seen: Some(s.last_seen),
                is_current: Some(s.id) == current,
            })
            .collect(),
        usage: usage
            .iter()
            .rev()
            .map(|d| UsageRow { day: d.day, requests: d.requests, input_tokens: d.input, output_tokens: d.output })
            .collect(),
        today,
        models: models.iter().map(String::as_str).collect(),
        preferences: PreferencesView {
            locale: chosen.locale.as_deref().and_then(Locale::parse),
            theme: chosen.theme.as_deref().and_then(Theme::parse).unwrap_or_default(),
            time_zone: chosen.time_zone.as_deref().unwrap_or(""),
        },
        notice,
        error,
        api_url: &api_url,
    };
    with_page(call, Some(account.name.as_str()), |ctx| page(status, rempart_web::account_page(ctx, &view)))
}

/// `POST /account`: the field `action` says what.
pub async fn account_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let action = AccountAction::parse(form.get("action")).ok_or(ReasonCode::BadParameter)?;
    let acted = match check_form(&call, &form) {
        Ok(()) => act(&call, &form, action).await,
        Err(refusal) => Err(refusal),
    };
    match acted {
        Ok(answer) => Ok(answer),
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let error = match (action, field_error(&refusal)) {
                (AccountAction::CreateKey, FieldError::NameLength | FieldError::NameCharacters) => FieldError::KeyName,
                (AccountAction::CreateKey, FieldError::Reason(ReasonCode::NotAllowed)) => FieldError::KeysFull,
                (AccountAction::ChangePassword | AccountAction::DeleteAccount, FieldError::InvalidCredentials) => {
                    FieldError::PasswordWrong
                }
                (_, error) => error,
            };
            account_answer(&call, status(refusal.reason), None, None, Some((action, error))).await
        }
    }
}

async fn act(call: &Call, form: &Fields, action: AccountAction) -> Answer {
    match action {
        AccountAction::CreateKey => create_key(call, form).await,
        AccountAction::RevokeKey => {
            let id = form.get("id").parse().map_err(|_| ReasonCode::NotFound)?;
            keys::revoke_own(call, id).await?;
            account_answer(call, StatusCode::OK, None, Some(AccountNotice::KeyRevoked), None).await
        }
        AccountAction::EndSession => {
            let id = form.get("id").parse().map_err(|_| ReasonCode::NotFound)?;
            let account = call.account()?;
            end_own_session(&call.gateway, account, id).await?;
            if Some(id) == own_session(call) {
                return see_other("/sign-in");
            }
            account_answer(call, StatusCode::OK, None, Some(AccountNotice::SessionEnded), None).await
        }
        AccountAction::SignOut | AccountAction::SignOutEverywhere => {
            if action == AccountAction::SignOut {
                sign_out_here(call).await?;
            } else {
                end_all_sessions(call).await?;
            }
            let mut response = see_other("/")?;
            forget_session_cookie(&call.gateway, response.headers_mut());
            Ok(response)
        }
        AccountAction::ChangePassword => {
            let old = Secret::new(form.get("password").to_owned());
            let new = Secret::new(form.get("new_password").to_owned());
            let signed_in = change_password(call, old, new).await?;
            // The new session's form secret comes with the next page.
            let mut response = see_other("/account")?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        AccountAction::SavePreferences => save_preferences(call, form).await,
        AccountAction::DeleteAccount => {
            let body = serde_json::json!({ "password": form.get("password") }).to_string();
            delete_account(call.clone(), body.into()).await?;
            let mut response = see_other("/")?;
            forget_session_cookie(&call.gateway, response.headers_mut());
            Ok(response)
        }
    }
}

async fn create_key(call: &Call, form: &Fields) -> Answer {
    let expires = match form.get("expires") {
        "" => None,
        text => {
            let day = parse_day(text).ok_or_else(|| Refusal::parameter("expires", "not a date"))?;
            Some(UnixSeconds((i64::from(day.0) + 1) * 86_400))
        }
    };
    let models: Vec<String> = form.all("models").map(str::to_owned).collect();
    let limits = KeyLimits {
        budget_tokens: number(form, "budget")?,
        requests_per_minute: number(form, "requests_per_minute")?,
        in_flight: number(form, "in_flight")?,
    };
    let made = keys::make_key(call, form.get("name"), expires, (!models.is_empty()).then_some(models), limits).await?;
    account_answer(call, StatusCode::OK, Some(made.text.expose()), None, None).await
}

/// A field that holds a number or nothing.
fn number<T: std::str::FromStr>(form: &Fields, field: &'static str) -> Result<Option<T>, Refusal> {
    let text = form.get(field).trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Refusal::parameter(field, "not a number"))
}

/// Keeps what was chosen with the account, and on this device, whose next page shows it.
async fn save_preferences(call: &Call, form: &Fields) -> Answer {
    let locale = Locale::parse(form.get("locale"));
    let theme = Theme::parse(form.get("theme")).unwrap_or_default();
    let zone = Some(form.get("time_zone").trim()).filter(|zone| !zone.is_empty());
    if zone.is_some_and(|zone| !Days::is_known(zone)) {
        return Err(Refusal::parameter("time_zone", "this is no IANA time zone"));
    }
    let change = PreferenceChange {
        locale: Some(locale.map(|locale| locale.as_str().to_owned())),
        theme: Some(Some(theme).filter(|theme| *theme != Theme::Auto).map(|theme| theme.as_str().to_owned())),
        time_zone: Some(zone.map(str::to_owned)),
    };
    call.gateway.store.set_preferences(call.account()?, change).await.map_err(|e| store_refusal(&e))?;
    let mut response = see_other("/account?saved=1#preferences")?;
    let cookies = &call.gateway.cookies;
    let kept =
        |name, value: Option<&str>| cookies.set(name, value.unwrap_or(""), if value.is_some() { YEAR_S } else { 0 });
    let theme = Some(theme).filter(|theme| *theme != Theme::Auto);
    let chosen = [
        kept(rempart_web::LOCALE_COOKIE, locale.map(Locale::as_str)),
        kept(rempart_web::THEME_COOKIE, theme.map(Theme::as_str)),
    ];
    for cookie in chosen.into_iter().flatten() {
        response.headers_mut().append(http::header::SET_COOKIE, cookie);
    }
    Ok(response)
}
