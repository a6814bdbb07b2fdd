//! Registration, sign-in, sessions, the account itself.
//!
//! What must stay true: nothing that a stranger orders hashes before it was admitted by the pool's unknown lane; the answer to a wrong
//! name and a wrong password is the same, on the same time grid; passwords are wrapped in `Secret` from the first line on.

use std::time::Duration;

use axum::extract::Path;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use rempart_domain::{
    AccountId, AccountName, GateLevel, Millis, ReasonCode, Role, Secret, Sensitive, SessionId, Standing,
};
use rempart_identity::{
    Ended, HashError, HashLane, PasswordError, TicketFields, TicketFlags, TicketKind, TimeGrid, check_password, is_weak,
};
use rempart_store::{Account, LinkPurpose, NewAccount, NewSession, StoreError};
use serde::Deserialize;
use serde_json::json;

use crate::Gateway;
use crate::refusal::Refusal;
use crate::serve::preferences::{find_preferences, theme_word};
use crate::serve::{Answer, Call, json, no_content, rfc3339, store_refusal, to_the_end};

/// Answers to sign-in leave on this grid, whether the account exists or not.
const SIGN_IN_GRID: Millis = Millis(250);

/// How long a device ticket lasts, in days.
const DEVICE_DAYS: i64 = 365;

/// Longest e-mail address, in bytes (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    name: String,
    password: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    locale: Option<String>,
    /// Read when the gate is built; a client that sends them is not refused.
    #[serde(default, rename = "challenge")]
    _challenge: Option<String>,
    #[serde(default, rename = "ticket")]
    _ticket: Option<String>,
    #[serde(default, rename = "invite")]
    _invite: Option<String>,
}

/// What somebody who registers tells.
#[derive(Debug)]
pub struct Newcomer {
    /// The handle.
    pub name: String,
    /// The password.
    pub password: Secret<String>,
    /// An address, if given.
    pub email: Option<Sensitive<String>>,
    /// `zh`, `en` or `fr`.
    pub locale: Option<String>,
}

/// A sign-in that was made, with the cookies that carry it.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub account: AccountId,
    /// Their handle.
    pub name: AccountName,
    /// Their standing.
    pub standing: Standing,
    /// What they may beyond using.
    pub role: Role,
    /// When the session ends.
    pub expires: rempart_domain::UnixSeconds,
    /// `Set-Cookie` values: session and device.
    pub cookies: Vec<http::HeaderValue>,
}

/// `POST /api/v1/registrations`.
pub async fn register(call: Call, body: Bytes) -> Answer {
    let asked: Registration = parse(&body)?;
    let newcomer = Newcomer {
        name: asked.name,
        password: Secret::new(asked.password),
        email: asked.email.filter(|e| !e.is_empty()).map(Sensitive::new),
        locale: asked.locale,
    };
    let signed_in = register_newcomer(&call, newcomer).await?;
    answer_signed_in(&signed_in, false)
}

/// Makes the account and its first session. Checks cost nothing, then the hash under its permit, then one write.
pub async fn register_newcomer(call: &Call, newcomer: Newcomer) -> Result<SignedIn, Refusal> {
    let gateway = &call.gateway;
    if gateway.config.registration == GateLevel::Closed {
        return Err(ReasonCode::RegistrationClosed.into());
    }
    let name = AccountName::parse(&newcomer.name).map_err(|e| Refusal::parameter("name", e.to_string()))?;
    check_new_password("password", newcomer.password.expose())?;
    if let Some(email) = &newcomer.email {
        check_email(email.expose())?;
    }
    let locale = newcomer.locale.and_then(|l| rempart_web::Locale::parse(&l)).map(|l| l.as_str().to_owned());
    let hash = gateway.hash_pool.hash(HashLane::Unknown, newcomer.password).await.map_err(hash_refusal)?;
    let id = rempart_identity::random::account_id().map_err(|_| ReasonCode::Internal)?;
    let account = NewAccount {
        id,
        name: name.clone(),
        standing: Standing::Newcomer,
        role: Role::None,
        created: gateway.clock.date(),
        email: newcomer.email,
        password_hash: Some(hash),
        locale,
    };
    let (standing, role, created_day) = (account.standing, account.role, account.created.day());
    gateway.store.create_account(account).await.map_err(|e| match e {
        StoreError::NameTaken => Refusal { param: Some("name".into()), ..ReasonCode::NameTaken.into() },
        other => store_refusal(&other),
    })?;
    open_session(call, &Opening { account: id, name, standing, role, created_day, epoch: 0 }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningIn {
    name: String,
    password: String,
    #[serde(default, rename = "code")]
    _code: Option<String>,
    #[serde(default, rename = "challenge")]
    _challenge: Option<String>,
}

/// `POST /api/v1/sessions`.
pub async fn sign_in(call: Call, body: Bytes) -> Answer {
    let asked: SigningIn = parse(&body)?;
    let signed_in = sign_in_with_password(&call, &asked.name, Secret::new(asked.password)).await?;
    answer_signed_in(&signed_in, true)
}

/// Signs in; the same answer at the same times for an account that is not there.
pub async fn sign_in_with_password(call: &Call, name: &str, password: Secret<String>) -> Result<SignedIn, Refusal> {
    let gateway = &call.gateway;
    let arrived = gateway.clock.now();
    let checked = check_credentials(call, name, password).await;
    if !matches!(&checked, Err(refusal) if refusal.reason == ReasonCode::Overloaded) {
        let grid = TimeGrid::new(SIGN_IN_GRID);
        let now = gateway.clock.now();
        let wait = grid.answer_at(arrived, now).since(now);
        tokio::time::sleep(Duration::from_millis(wait.0)).await;
    }
    let account = checked?;
    let (name, created_day) = (account.name.clone(), account.created.day());
    let opening = Opening {
        account: account.id,
        name,
        standing: account.standing,
        role: account.role,
        created_day,
        epoch: account.epoch,
    };
    open_session(call, &opening).await
}

async fn check_credentials(call: &Call, name: &str, password: Secret<String>) -> Result<Account, Refusal> {
    let gateway = &call.gateway;
    let device = crate::identify::device(gateway, &call.head);
    if device.is_none() {
        // Strangers who would be refused by the pool anyway buy no look-up in the store.
        gateway.hash_pool.check_room(HashLane::Unknown).map_err(hash_refusal)?;
    }
    let account = match AccountName::parse(name) {
        Ok(name) => gateway.store.find_account_by_name(&name).await.map_err(|e| store_refusal(&e))?,
        Err(_) => None,
    };
    let is_known_device = account.as_ref().is_some_and(|a| device.is_some_and(|d| d.account == a.id));
    // A newcomer's own device must not fill the members' lane.
    let is_member = account.as_ref().is_some_and(|a| a.standing.is_member());
    let lane = if is_known_device && is_member { HashLane::Known } else { HashLane::Unknown };
    let hash = account.as_ref().and_then(|a| a.password_hash.as_ref()).map(|h| h.expose().as_str());
    let again = Secret::new(password.expose().clone());
    let verified = gateway.hash_pool.verify(lane, password, hash).await.map_err(hash_refusal)?;
    match account {
        Some(account) if verified.ok && account.standing != Standing::Suspended => {
            if verified.needs_rehash {
                gateway.tasks.spawn_light(rehash(std::sync::Arc::clone(gateway), account.id, again));
            }
            Ok(account)
        }
        Some(_) if verified.ok => Err(Refusal::new(ReasonCode::NotAllowed, "this account is suspended")),
        _ => Err(ReasonCode::InvalidCredentials.into()),
    }
}

/// An imported hash of another price is replaced at the first sign-in; if the pool is busy, at the next.
async fn rehash(gateway: std::sync::Arc<Gateway>, account: AccountId, password: Secret<String>) {
    if let Ok(hash) = gateway.hash_pool.hash(HashLane::Unknown, password).await
        && let Err(error) = gateway.store.set_password_hash(account, Some(hash)).await
    {
        tracing::debug!(error = %error, "a password was not rehashed");
    }
}

/// Signs in with a one-time address from the operator (`rempart account link`).
pub async fn sign_in_with_link(call: &Call, link: &str) -> Result<SignedIn, Refusal> {
    let gateway = &call.gateway;
    let hash = rempart_identity::random::token_hash(link);
    let found = gateway
        .store
        .take_link(hash, LinkPurpose::SignIn, gateway.clock.seconds())
        .await
        .map_err(|e| store_refusal(&e))?;
    let account = found.and_then(|link| link.account).ok_or(ReasonCode::InvalidCredentials)?;
    let account = gateway.store.find_account(account).await.map_err(|e| store_refusal(&e))?;
    let account = account.filter(|a| a.standing != Standing::Suspended).ok_or(ReasonCode::InvalidCredentials)?;
    let opening = Opening {
        account: account.id,
        name: account.name.clone(),
        standing: account.standing,
        role: account.role,
        created_day: account.created.day(),
        epoch: account.epoch,
    };
    open_session(call, &opening).await
}

/// Whom a session is opened for.
#[derive(Debug)]
pub struct Opening {
    /// The account.
    pub account: AccountId,
    /// Its handle.
    pub name: AccountName,
    /// Its standing now.
    pub standing: Standing,
    /// Its role now.
    pub role: Role,
    /// The day it was made.
    pub created_day: rempart_domain::Day,
    /// Its epoch now.
    pub epoch: u32,
}

/// Writes the session and seals its tickets.
pub async fn open_session(call: &Call, opening: &Opening) -> Result<SignedIn, Refusal> {
    let gateway = &call.gateway;
    let now = gateway.clock.seconds();
    let lasts = i64::from(gateway.config.session_days) * 86_400;
    let expires = rempart_domain::UnixSeconds(now.0 + lasts);
    let session = rempart_identity::random::session_id().map_err(|_| ReasonCode::Internal)?;
    let agent = call.head.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).and_then(agent_family);
    let row = NewSession { id: session, account: opening.account, created: now, expires, agent };
    gateway.store.create_session(row).await.map_err(|e| store_refusal(&e))?;
    let ticket = TicketFields {
        kind: TicketKind::Session,
        standing: opening.standing,
        account: opening.account,
        session,
        issued: now,
        expires,
        account_epoch: opening.epoch,
        global_epoch: gateway.revocations.global_epoch(),
        created_day: opening.created_day,
        flags: TicketFlags::of_role(opening.role),
    };
    let device = TicketFields {
        kind: TicketKind::Device,
        expires: rempart_domain::UnixSeconds(now.0 + DEVICE_DAYS * 86_400),
        ..ticket
    };
    let cookies = [
        gateway.cookies.set(gateway.cookies.session, &gateway.keyring.seal_ticket(&ticket), lasts),
        gateway.cookies.set(gateway.cookies.device, &gateway.keyring.seal_ticket(&device), DEVICE_DAYS * 86_400),
    ];
    Ok(SignedIn {
        account: opening.account,
        name: opening.name.clone(),
        standing: opening.standing,
        role: opening.role,
        expires,
        cookies: cookies.into_iter().flatten().collect(),
    })
}

fn answer_signed_in(signed_in: &SignedIn, with_expires: bool) -> Answer {
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

/// The session id of a principal that came by cookie.
pub fn own_session(call: &Call) -> Option<SessionId> {
    match call.ctx.principal.credential {
        rempart_domain::Credential::Session(id) => Some(id),
        _ => None,
    }
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

async fn end_sessions_of(gateway: &Gateway, account: AccountId) -> Result<(), Refusal> {
    let epoch = gateway.store.bump_epoch(account).await.map_err(|e| store_refusal(&e))?;
    gateway.revocations.set_epoch(account, epoch).map_err(|_| ReasonCode::Internal)?;
    gateway.store.end_sessions_of(account).await.map_err(|e| store_refusal(&e))?;
    Ok(())
}

/// `GET /api/v1/account`.
pub async fn me(call: Call) -> Answer {
    let account = find_own_account(&call).await?;
    let chosen = find_preferences(&call, account.id).await?;
    json(
        StatusCode::OK,
        &json!({
            "account": {
                "id": account.id.to_string(), "name": account.name.as_str(), "standing": account.standing.as_str(),
                "created": rfc3339(account.created.seconds()), "locale": account.locale,
                "theme": theme_word(&chosen), "time_zone": chosen.time_zone,
                "email": account.email.as_ref().map(Sensitive::expose),
            },
        }),
    )
}

/// The row of the account that asks.
pub async fn find_own_account(call: &Call) -> Result<Account, Refusal> {
    let account = call.account()?;
    let found = call.gateway.store.find_account(account).await.map_err(|e| store_refusal(&e))?;
    found.ok_or_else(|| ReasonCode::NotSignedIn.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    password: String,
    new_password: String,
}

/// `POST /api/v1/account/password`: signs out everywhere else.
pub async fn set_password(call: Call, body: Bytes) -> Answer {
    let asked: PasswordChange = parse(&body)?;
    let signed_in = change_password(&call, Secret::new(asked.password), Secret::new(asked.new_password)).await?;
    answer_signed_in(&signed_in, true)
}

/// Checks the old password, stores the new one, ends every session and opens this one anew.
pub async fn change_password(call: &Call, old: Secret<String>, new: Secret<String>) -> Result<SignedIn, Refusal> {
    check_new_password("new_password", new.expose())?;
    let account = find_own_account(call).await?;
    let hash = account.password_hash.as_ref().map(|h| h.expose().as_str());
    let verified = call.gateway.hash_pool.verify(lane_of(call), old, hash).await.map_err(hash_refusal)?;
    if !verified.ok {
        return Err(ReasonCode::InvalidCredentials.into());
    }
    let hash = call.gateway.hash_pool.hash(lane_of(call), new).await.map_err(hash_refusal)?;
    let (id, gateway) = (account.id, std::sync::Arc::clone(&call.gateway));
    to_the_end(&call.gateway, async move {
        gateway.store.set_password_hash(id, Some(hash)).await.map_err(|e| store_refusal(&e))?;
        end_sessions_of(&gateway, id).await
    })
    .await?;
    let opening = Opening {
        account: account.id,
        name: account.name.clone(),
        standing: account.standing,
        role: account.role,
        created_day: account.created.day(),
        epoch: call.gateway.revocations.epoch_of(account.id),
    };
    open_session(call, &opening).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deletion {
    password: String,
}

/// Members' passwords are checked in the lane that is kept for them.
fn lane_of(call: &Call) -> HashLane {
    if call.ctx.band.is_member() { HashLane::Known } else { HashLane::Unknown }
}

/// `DELETE /api/v1/account {"password"}`: destroys the account's key, then its rows.
pub async fn delete_account(call: Call, body: Bytes) -> Answer {
    let asked: Deletion = parse(&body)?;
    let account = find_own_account(&call).await?;
    let hash = account.password_hash.as_ref().map(|h| h.expose().as_str());
    let password = Secret::new(asked.password);
    let verified = call.gateway.hash_pool.verify(lane_of(&call), password, hash).await.map_err(hash_refusal)?;
    if !verified.ok {
        return Err(ReasonCode::InvalidCredentials.into());
    }
    let (id, gateway) = (account.id, std::sync::Arc::clone(&call.gateway));
    to_the_end(&call.gateway, async move {
        gateway.store.delete_account(id).await.map_err(|e| store_refusal(&e))?;
        gateway.known_keys.revoke_account(id);
        gateway.revocations.delete_account(id).map_err(|_| ReasonCode::Internal.into())
    })
    .await?;
    let mut response = no_content()?;
    forget_session_cookie(&call.gateway, response.headers_mut());
    Ok(response)
}

/// Reads a small JSON body; faults name the field, never the value.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            Refusal::new(ReasonCode::BadParameter, "a field is missing, unknown or of the wrong type")
        } else {
            ReasonCode::BadJson.into()
        }
    })
}

/// Length, and not one of those that everybody tries first.
pub(crate) fn check_new_password(param: &'static str, password: &str) -> Result<(), Refusal> {
    check_password(password).map_err(|error: PasswordError| Refusal::parameter(param, error.to_string()))?;
    if is_weak(password) {
        return Err(Refusal::parameter(param, "this password is too common: it is tried first"));
    }
    Ok(())
}

pub(crate) fn hash_refusal(error: HashError) -> Refusal {
    match error {
        HashError::Busy { retry_after } => Refusal::from(ReasonCode::Overloaded).retry_after(retry_after),
        // Nobody's password is that long.
        HashError::TooLong => ReasonCode::InvalidCredentials.into(),
        _ => ReasonCode::Internal.into(),
    }
}

fn check_email(text: &str) -> Result<(), Refusal> {
    let is_plausible = text.len() <= EMAIL_BYTES_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    if is_plausible { Ok(()) } else { Err(Refusal::parameter("email", "this is not an e-mail address")) }
}

/// The family of a browser, from a closed list: enough to tell one's devices apart, nothing that tracks.
fn agent_family(agent: &str) -> Option<String> {
    let browser = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]
    .iter()
    .find(|(mark, _)| agent.contains(mark))?
    .1;
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]
    .iter()
    .find(|(mark, _)| agent.contains(mark))
    .map(|(_, name)| *name);
    Some(system.map_or_else(|| browser.to_owned(), |system| format!("{browser}, {system}")))
}
