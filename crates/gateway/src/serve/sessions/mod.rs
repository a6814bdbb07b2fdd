//! Sign-in, sessions and devices as JSON. `check` is who wants in, `open` the one way a session is made, `links` what is mailed.

pub mod check;
pub(crate) mod line;
pub mod links;
pub mod open;
mod work;

use axum::extract::Path;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use rempart_domain::{AccountId, Millis, ReasonCode, Secret, SessionId};
use rempart_identity::Ended;
use rempart_identity::gate::InLine;
use serde::Deserialize;
use serde_json::json;

pub use self::check::{Credentials, Denied, sign_in_with_half, sign_in_with_password};
pub use self::links::sign_in_with_link;
pub use self::open::{Opening, Proof, SignedIn, open_session, own_session};
pub use self::work::Work;
use crate::Gateway;
use crate::refusal::{Refusal, set_retry_after};
use crate::serve::accounts::parse;
use crate::serve::registration::look_after;
use crate::serve::{Answer, Call, json, no_content, rfc3339, store_refusal, to_the_end};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningIn {
    name: String,
    password: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    challenge: Option<String>,
    /// A place in the line whose turn it is, instead of a challenge.
    #[serde(default)]
    ticket: Option<String>,
    /// Takes such a place; the password is not looked at.
    #[serde(default)]
    wait: bool,
}

/// `POST /api/v1/sessions`.
pub async fn sign_in(call: Call, body: Bytes) -> Answer {
    let asked: SigningIn = parse(&body)?;
    if asked.wait {
        return place_in_line(&call, &asked.name, asked.ticket);
    }
    let shown = Credentials {
        name: asked.name,
        password: Secret::new(asked.password),
        code: asked.code.filter(|code| !code.is_empty()).map(Secret::new),
        challenge: asked.challenge.unwrap_or_default(),
        ticket: asked.ticket.unwrap_or_default(),
    };
    let signed_in = sign_in_with_password(&call, shown).await.map_err(|denied| denied.refusal)?;
    answer_signed_in(&signed_in, true)
}

/// A place in the line, or where one stands: 202 as at registration; position 0 when it is their turn.
fn place_in_line(call: &Call, name: &str, ticket: Option<String>) -> Answer {
    let ticket = match ticket.filter(|ticket| !ticket.is_empty()) {
        Some(ticket) => ticket,
        None => line::take_place(call, name)?,
    };
    let (position, eta) = match line::look(call, &ticket) {
        Some(InLine::LetIn) => (0, Millis(0)),
        Some(InLine::Waits { position, eta }) => (position, eta),
        Some(InLine::Full) => return Err(Refusal::from(ReasonCode::Overloaded).retry_after(Millis(30_000))),
        Some(InLine::Used) | None => {
            return Err(Refusal::parameter("ticket", "this is no place in the line, or one that is over"));
        }
    };
    let value = json!({ "ticket": ticket, "position": position, "eta_s": eta.0.div_ceil(1000) });
    let mut response = json(StatusCode::ACCEPTED, &value)?;
    set_retry_after(response.headers_mut(), Some(if position == 0 { Millis(1_000) } else { look_after(eta) }));
    Ok(response)
}

pub(crate) fn answer_signed_in(signed_in: &SignedIn, with_expires: bool) -> Answer {
    let mut value = json!({
        "account": {
            "id": signed_in.account.to_string(),
            "name": signed_in.name.as_str(),
            "standing": signed_in.standing.as_str(),
        },
    });
    if let (true, Some(object)) = (with_expires, value.as_object_mut()) {
        object.insert("expires".into(), rfc3339(signed_in.expires).into());
    }
    let mut response = json(StatusCode::CREATED, &value)?;
    add_cookies(response.headers_mut(), &signed_in.cookies);
    Ok(response)
}

/// Appends `Set-Cookie` headers.
pub fn add_cookies(headers: &mut HeaderMap, cookies: &[http::HeaderValue]) {
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie.clone());
    }
}

/// Ends a session of the caller's own: in memory at once, then in the store.
pub async fn end_own_session(gateway: &Gateway, account: AccountId, session: SessionId) -> Result<bool, Refusal> {
    let sessions = gateway.store.list_sessions(account).await.map_err(|e| store_refusal(&e))?;
    let Some(row) = sessions.iter().find(|s| s.id == session) else {
        return Ok(false);
    };
    end_in_memory(gateway, account, session, row.expires).await?;
    gateway.store.end_session(session).await.map_err(|e| store_refusal(&e))
}

async fn end_in_memory(
    gateway: &Gateway,
    account: AccountId,
    session: SessionId,
    expires: rempart_domain::UnixSeconds,
) -> Result<(), Refusal> {
    let ended =
        gateway.revocations.end_session(account, session, expires).map_err(|_| ReasonCode::StorageUnavailable)?;
    if let Ended::Account { .. } = ended {
        gateway.store.bump_epoch(account).await.map_err(|e| store_refusal(&e))?;
    }
    Ok(())
}

/// `DELETE /api/v1/sessions/current`.
pub async fn sign_out(call: Call) -> Answer {
    sign_out_here(&call).await?;
    let mut response = no_content()?;
    forget_session_cookie(&call.gateway, response.headers_mut());
    Ok(response)
}

/// Ends the session that asks. Memory first: it is over even if the store is down, as long as this process lives.
pub async fn sign_out_here(call: &Call) -> Result<(), Refusal> {
    let account = call.account()?;
    if let Some(session) = own_session(call) {
        let far = rempart_domain::UnixSeconds(
            call.gateway.clock.seconds().0 + i64::from(call.gateway.config.session_days) * 86_400,
        );
        let gateway = std::sync::Arc::clone(&call.gateway);
        to_the_end(&call.gateway, async move {
            end_in_memory(&gateway, account, session, far).await?;
            gateway.store.end_session(session).await.map_err(|e| store_refusal(&e))
        })
        .await?;
    }
    Ok(())
}

/// True if the session that asks was won with a second factor.
pub(crate) fn is_strong(call: &Call) -> bool {
    crate::identify::session_flags(&call.gateway, &call.head)
        .is_some_and(|flags| flags.contains(rempart_identity::TicketFlags::SECOND_FACTOR))
}

/// Removes the session cookie.
pub fn forget_session_cookie(gateway: &Gateway, headers: &mut HeaderMap) {
    if let Some(cookie) = gateway.cookies.set(gateway.cookies.session, "", 0) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// `GET /api/v1/sessions`.
pub async fn list_sessions(call: Call) -> Answer {
    let account = call.account()?;
    let current = own_session(&call);
    let sessions = call.gateway.store.list_sessions(account).await.map_err(|e| store_refusal(&e))?;
    let data: Vec<_> = sessions
        .iter()
        .map(|s| {
            json!({
                "id": s.id.to_string(), "created": rfc3339(s.created), "expires": rfc3339(s.expires),
                "device": s.agent, "current": Some(s.id) == current,
            })
        })
        .collect();
    json(StatusCode::OK, &json!({ "data": data, "next": null }))
}

/// `DELETE /api/v1/sessions/{id}`.
pub async fn end_session(call: Call, Path(id): Path<String>) -> Answer {
    let account = call.account()?;
    let session: SessionId = id.parse().map_err(|_| ReasonCode::NotFound)?;
    if end_own_session(&call.gateway, account, session).await? {
        no_content()
    } else {
        Err(ReasonCode::NotFound.into())
    }
}

/// `DELETE /api/v1/sessions`: sign out everywhere.
pub async fn end_sessions(call: Call) -> Answer {
    end_all_sessions(&call).await?;
    let mut response = no_content()?;
    forget_session_cookie(&call.gateway, response.headers_mut());
    Ok(response)
}

/// A new epoch of the account voids every ticket, device tickets included.
pub async fn end_all_sessions(call: &Call) -> Result<(), Refusal> {
    let (account, gateway) = (call.account()?, std::sync::Arc::clone(&call.gateway));
    to_the_end(&call.gateway, async move { end_sessions_of(&gateway, account).await }).await
}

pub(crate) async fn end_sessions_of(gateway: &Gateway, account: AccountId) -> Result<(), Refusal> {
    let epoch = gateway.store.bump_epoch(account).await.map_err(|e| store_refusal(&e))?;
    gateway.revocations.set_epoch(account, epoch).map_err(|_| ReasonCode::Internal)?;
    gateway.store.end_sessions_of(account).await.map_err(|e| store_refusal(&e))?;
    gateway.store.end_devices_of(account).await.map_err(|e| store_refusal(&e))?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    who: String,
    #[serde(rename = "for")]
    what: String,
    #[serde(default)]
    challenge: Option<String>,
}

/// `POST /api/v1/recovery {"who","for":"reset"|"sign-in"}` → 202, whoever `who` is.
pub async fn request_mail(call: Call, body: Bytes) -> Answer {
    let asked: Asking = parse(&body)?;
    let what = links::MailFor::parse(&asked.what).ok_or_else(|| Refusal::parameter("for", "reset or sign-in"))?;
    let work = Work { challenge: asked.challenge.as_deref().unwrap_or_default(), ..Work::default() };
    links::request_mail(&call, &asked.who, what, Some(work)).await?;
    json(StatusCode::ACCEPTED, &json!({ "status": "accepted" }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resetting {
    link: String,
    new_password: String,
}

/// `POST /api/v1/recovery/password {"link","new_password"}` → 201 as a sign-in; 403 `second_factor_required` if one is set: then sign in.
pub async fn reset_password(call: Call, body: Bytes) -> Answer {
    let asked: Resetting = parse(&body)?;
    let reset = links::reset_password(&call, &asked.link, Secret::new(asked.new_password)).await;
    answer_signed_in(&reset.map_err(|denied| denied.refusal)?, true)
}

/// `GET /api/v1/devices`.
pub async fn list_devices(call: Call) -> Answer {
    let account = call.account()?;
    let devices = call.gateway.store.list_devices(account).await.map_err(|e| store_refusal(&e))?;
    let current = crate::identify::device(&call.gateway, &call.head).map(|device| device.session);
    let data: Vec<_> = devices
        .iter()
        .map(|d| {
            json!({
                "id": d.id.to_string(), "created": rfc3339(d.created), "expires": rfc3339(d.expires),
                "device": d.agent, "current": Some(d.id) == current,
            })
        })
        .collect();
    json(StatusCode::OK, &json!({ "data": data, "next": null }))
}

/// `DELETE /api/v1/devices/{id}`: that browser is a stranger from now on; its session goes on until it is ended.
pub async fn end_device(call: Call, Path(id): Path<String>) -> Answer {
    let device: SessionId = id.parse().map_err(|_| ReasonCode::NotFound)?;
    if end_own_device(&call, device).await? { no_content() } else { Err(ReasonCode::NotFound.into()) }
}

/// Forgets a device of the caller's own: in the store, then in memory.
pub async fn end_own_device(call: &Call, device: SessionId) -> Result<bool, Refusal> {
    let (account, gateway) = (call.account()?, std::sync::Arc::clone(&call.gateway));
    to_the_end(&call.gateway, async move {
        let ended = gateway.store.end_device(account, device).await.map_err(|e| store_refusal(&e))?;
        let Some(expires) = ended else { return Ok(false) };
        end_in_memory(&gateway, account, device, expires).await?;
        Ok(true)
    })
    .await
}
