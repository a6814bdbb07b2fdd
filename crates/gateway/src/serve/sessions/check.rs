//! Checking who wants in: what the guard asks first, then the password, then the second factor.
//!
//! What must stay true: each step is cheaper than the next, and a refusal before the hash asks neither store nor pool; names that nobody has
//! take the same way, and the answer leaves on the same grid of time; a second factor that was set is asked for whatever the way in.

use std::sync::Arc;
use std::time::Duration;

use rempart_domain::{
    AccountId, AccountName, Millis, Provenance, ReasonCode, Secret, SessionId, Standing, UnixSeconds,
};
use rempart_identity::sign_in::{Attempt, Demand, Outcome};
use rempart_identity::{HashLane, TicketFields, TicketFlags, TicketKind, TimeGrid};
use rempart_store::Account;

use super::open::{Opening, Proof, SignedIn, open_session};
use super::work::{Paid, Work};
use crate::Gateway;
use crate::refusal::Refusal;
use crate::serve::accounts::hash_refusal;
use crate::serve::factors::second::{Shown, check_second_factor};
use crate::serve::{Call, store_refusal};

/// Answers to sign-in leave on this grid, whether the account exists or not.
const SIGN_IN_GRID: Millis = Millis(250);

/// How long the second factor may take after the password, in seconds.
const HALF_S: i64 = 600;

/// Longest name that is looked at.
const NAME_BYTES_MAX: usize = 64;

/// What somebody shows who wants in.
#[derive(Debug)]
pub struct Credentials {
    /// The handle, as typed.
    pub name: String,
    /// The password.
    pub password: Secret<String>,
    /// A code of a second factor: of an authenticator, or a recovery code.
    pub code: Option<Secret<String>>,
    /// A solved challenge, or empty.
    pub challenge: String,
    /// A place in the line, or empty.
    pub ticket: String,
}

/// Why somebody does not get in.
#[derive(Debug)]
pub struct Denied {
    /// What is answered.
    pub refusal: Refusal,
    /// The password was right and a second factor is asked for: shown again with the code, instead of name and password.
    pub half: Option<String>,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, half: None }
    }
}

impl From<ReasonCode> for Denied {
    fn from(reason: ReasonCode) -> Self {
        Refusal::from(reason).into()
    }
}

/// A password that was right.
struct Checked {
    account: Account,
    proof: Proof,
}

/// Signs in; the same answer at the same times for an account that is not there.
pub async fn sign_in_with_password(call: &Call, shown: Credentials) -> Result<SignedIn, Denied> {
    let gateway = &call.gateway;
    let (attempt, device) = attempt_of(call, &shown);
    let admitted = admit(call, &attempt, &shown).await?;
    let arrived = gateway.clock.now();
    let answered = check_and_open(call, shown, &attempt, admitted, device).await;
    if !matches!(&answered, Err(denied) if denied.refusal.reason == ReasonCode::Overloaded) {
        wait_for_grid(gateway, arrived).await;
    }
    answered
}

async fn wait_for_grid(gateway: &Gateway, arrived: Millis) {
    let now = gateway.clock.now();
    let wait = TimeGrid::new(SIGN_IN_GRID).answer_at(arrived, now).since(now);
    tokio::time::sleep(Duration::from_millis(wait.0)).await;
}

/// The attempt as the guard sees it, and the device ticket if it was issued to this very name.
fn attempt_of(call: &Call, shown: &Credentials) -> (Attempt, Option<TicketFields>) {
    let gateway = &call.gateway;
    let name: &str = if shown.name.len() > NAME_BYTES_MAX { "" } else { &shown.name };
    let device = crate::identify::device(gateway, &call.head)
        .filter(|device| device.name_tag() == gateway.keyring.name_tag(name));
    let id: Option<SessionId> = device.map(|device| device.session);
    (gateway.sign_in_guard.attempt(name, call.ctx.source.network(), shown.password.expose(), id), device)
}

/// Everything before the hash that costs microseconds: the guard's demand, room in the pool, work, the allowance.
async fn admit(call: &Call, attempt: &Attempt, shown: &Credentials) -> Result<Admitted, Refusal> {
    let gateway = &call.gateway;
    let guard = &gateway.sign_in_guard;
    let mut demand = guard.demand(gateway.clock.now(), attempt);
    if let Demand::Wait(wait) = demand {
        let words = "too many guesses at this account from devices it does not know: use a known device, a passkey or a mailed link";
        return Err(Refusal::new(ReasonCode::TooManyRequests, words).retry_after(wait));
    }
    if demand != Demand::Known {
        // Strangers who would be refused by the pool anyway buy no look-up in the store, and their work stays good.
        gateway.hash_pool.check_room(HashLane::Unknown).map_err(hash_refusal)?;
        // The free places are few: before the line is full, a place costs work.
        if demand == Demand::Free && gateway.hash_pool.load().queued_unknown >= FREE_QUEUE_MAX {
            demand = Demand::Work;
        }
    }
    let mut paid = None;
    if demand == Demand::Work {
        let work = Work { challenge: &shown.challenge, ticket: &shown.ticket };
        paid = Some(super::work::take(call, &shown.name, work).await?);
    }
    guard.take(gateway.clock.now(), attempt, demand, paid.is_some()).map_err(|wait| {
        Refusal::new(ReasonCode::TooManyRequests, "too many guesses at this account").retry_after(wait)
    })?;
    Ok(Admitted { demand, paid })
}

/// Strangers' jobs in the pool's line before which no work is asked on a quiet day.
const FREE_QUEUE_MAX: usize = 16;

/// What stood before the password, and was met.
struct Admitted {
    demand: Demand,
    paid: Option<Paid>,
}

async fn check_and_open(
    call: &Call,
    shown: Credentials,
    attempt: &Attempt,
    admitted: Admitted,
    device: Option<TicketFields>,
) -> Result<SignedIn, Denied> {
    let Credentials { name, password, code, .. } = shown;
    let Admitted { demand, mut paid } = admitted;
    let checked = check_password(call, &name, password, demand, device).await;
    let (guard, now) = (&call.gateway.sign_in_guard, call.gateway.clock.now());
    match &checked {
        Ok(_) => {
            guard.settle(now, attempt, demand, paid.is_some(), Outcome::Right);
            if let Some(paid) = &mut paid {
                paid.is_used();
            }
        }
        Err(refusal) if refusal.reason == ReasonCode::InvalidCredentials => {
            guard.settle(now, attempt, demand, paid.is_some(), Outcome::Wrong);
        }
        Err(_) => {}
    }
    let Checked { account, proof } = checked?;
    let is_known = proof == Proof::KnownDevice;
    match check_second_factor(call, account.id, code, is_known).await? {
        Shown::NotSet => Ok(open_session(call, &Opening::of(&account, proof, false)).await?),
        Shown::Right => Ok(open_session(call, &Opening::of(&account, proof, true)).await?),
        Shown::Missing => {
            let half = Some(seal_half(&call.gateway, &account, is_known));
            Err(Denied { refusal: ReasonCode::SecondFactorRequired.into(), half })
        }
    }
}

async fn check_password(
    call: &Call,
    name: &str,
    password: Secret<String>,
    demand: Demand,
    device: Option<TicketFields>,
) -> Result<Checked, Refusal> {
    let gateway = &call.gateway;
    let account = match AccountName::parse(name) {
        Ok(name) => gateway.store.find_account_by_name(&name).await.map_err(|e| store_refusal(&e))?,
        Err(_) => None,
    };
    let is_known = demand == Demand::Known
        && account.as_ref().is_some_and(|a| device.is_some_and(|device| device.account == a.id));
    // A newcomer's own device must not fill the members' lane.
    let is_member = account.as_ref().is_some_and(|a| a.standing.is_member());
    let lane = if is_known && is_member { HashLane::Known } else { HashLane::Unknown };
    let hash = account.as_ref().and_then(|a| a.password_hash.as_ref()).map(|h| h.expose().as_str());
    let again = Secret::new(password.expose().clone());
    let verified = gateway.hash_pool.verify(lane, password, hash).await.map_err(hash_refusal)?;
    match account {
        Some(account) if verified.ok && account.standing != Standing::Suspended => {
            if verified.needs_rehash {
                gateway.tasks.spawn_light(rehash(Arc::clone(gateway), account.id, again));
            }
            let proof = if is_known { Proof::KnownDevice } else { Proof::UnknownDevice };
            Ok(Checked { account, proof })
        }
        Some(_) if verified.ok => Err(Refusal::new(ReasonCode::NotAllowed, "this account is suspended")),
        _ => Err(ReasonCode::InvalidCredentials.into()),
    }
}

/// An imported hash of another price is replaced at the first sign-in; if the pool is busy, at the next.
async fn rehash(gateway: Arc<Gateway>, account: AccountId, password: Secret<String>) {
    if let Ok(hash) = gateway.hash_pool.hash(HashLane::Unknown, password).await
        && let Err(error) = gateway.store.set_password_hash(account, Some(hash)).await
    {
        tracing::debug!(error = %error, "a password was not rehashed");
    }
}

/// The password was right: remembered for ten minutes, in the person's own hands.
pub(crate) fn seal_half(gateway: &Gateway, account: &Account, is_known_device: bool) -> String {
    let now = gateway.clock.seconds();
    gateway.keyring.seal_ticket(&TicketFields {
        kind: TicketKind::HalfSignIn,
        standing: account.standing,
        account: account.id,
        session: SessionId::from_bits(0),
        issued: now,
        expires: UnixSeconds(now.0 + HALF_S),
        account_epoch: account.epoch,
        global_epoch: gateway.revocations.global_epoch(),
        created_day: account.created.day(),
        flags: if is_known_device { KNOWN } else { TicketFlags::default() },
        provenance: Provenance::default(),
    })
}

/// In a half: the device was known.
const KNOWN: TicketFlags = TicketFlags(1);

/// Whose half that is, and whether the device was known.
pub(crate) fn open_half(gateway: &Gateway, half: &str) -> Option<(AccountId, bool)> {
    let ticket = gateway.keyring.open_ticket(TicketKind::HalfSignIn, half, gateway.clock.seconds()).ok()?;
    gateway.revocations.is_current(&ticket).then_some((ticket.account, ticket.flags.contains(KNOWN)))
}

/// The second step of a sign-in by a form: the half, and a code.
pub async fn sign_in_with_half(call: &Call, half: &str, code: Secret<String>) -> Result<SignedIn, Denied> {
    let gateway = &call.gateway;
    let arrived = gateway.clock.now();
    let (id, is_known) = open_half(gateway, half).ok_or(ReasonCode::InvalidCredentials)?;
    let shown = check_second_factor(call, id, Some(code), is_known).await;
    wait_for_grid(gateway, arrived).await;
    match shown {
        Ok(Shown::Right) => {
            let account = gateway.store.find_account(id).await.map_err(|e| store_refusal(&e))?;
            let account =
                account.filter(|a| a.standing != Standing::Suspended).ok_or(ReasonCode::InvalidCredentials)?;
            let proof = if is_known { Proof::KnownDevice } else { Proof::UnknownDevice };
            Ok(open_session(call, &Opening::of(&account, proof, true)).await?)
        }
        Ok(_) => Err(ReasonCode::InvalidCredentials.into()),
        Err(refusal) => Err(Denied { refusal, half: Some(half.to_owned()) }),
    }
}
