//! Registration: what somebody shows, whether it is their turn, and the account.
//!
//! What must stay true: until somebody is let in, their registration costs shape checks, MACs and look-ups in memory, and nothing is
//! hashed, asked, written or mailed for it; whether a name is taken is said after that only; then one look-up, one hash in a pool of its
//! own, one write.

mod complete;
mod contact;
mod page;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use rempart_domain::{AccountName, GateLevel, Millis, ReasonCode, Secret, Sensitive};
use rempart_identity::gate::{InLine, InviteFields, Place, PlaceFlags, Purpose, open_invite};
use serde::Deserialize;
use serde_json::json;

use crate::Gateway;
use crate::gate::Turn;
use crate::refusal::{Refusal, set_retry_after};
use crate::serve::accounts::{check_email, check_new_password, parse};
use crate::serve::gate::now;
use crate::serve::sessions::{SignedIn, add_cookies, answer_signed_in};
use crate::serve::{Answer, Call, json};
use complete::complete;
use contact::ask_contact;

pub use page::{form as page_form, show as page_show};

/// Between two looks of somebody who waits, at least and at most. Well under the time after which they count as absent.
const LOOK_EVERY: (Millis, Millis) = (Millis(2_000), Millis(30_000));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    name: String,
    password: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    locale: Option<String>,
    #[serde(default)]
    challenge: Option<String>,
    #[serde(default)]
    ticket: Option<String>,
    #[serde(default)]
    invite: Option<String>,
}

/// What somebody who registers tells and shows.
#[derive(Debug)]
pub(crate) struct Application {
    /// The handle.
    pub(crate) name: String,
    /// The password.
    pub(crate) password: Secret<String>,
    /// An address, if given.
    pub(crate) email: Option<Sensitive<String>>,
    /// `zh`, `en` or `fr`.
    pub(crate) locale: Option<String>,
    /// A solved challenge.
    pub(crate) challenge: Option<String>,
    /// A place in the line.
    pub(crate) ticket: Option<String>,
    /// An invitation.
    pub(crate) invite: Option<String>,
    /// From the page: who has no script cannot solve a challenge, and gets a place in the other line.
    pub(crate) is_form: bool,
}

/// How a registration went.
pub(crate) enum Registered {
    /// The account is made, its first session open.
    In(Box<SignedIn>),
    /// Not yet.
    Waits(Waits),
    /// A letter is on its way: its link goes on.
    Mailed(Mailed),
}

/// A letter that was asked for.
#[derive(Debug)]
pub(crate) struct Mailed {
    /// To ask again with.
    pub(crate) ticket: String,
    /// It was not sent again so soon.
    pub(crate) is_too_soon: bool,
}

/// Somebody's place in the line.
#[derive(Debug)]
pub(crate) struct Waits {
    /// To be shown again.
    pub(crate) ticket: String,
    /// From 1.
    pub(crate) position: u64,
    /// About how long.
    pub(crate) eta: Millis,
    /// When to look again.
    pub(crate) look_after: Millis,
}

/// What the gate says to an application.
enum Verdict {
    Go(Pass),
    Wait(Waits),
}

/// What somebody came in by.
#[derive(Default)]
struct Pass {
    /// A place, and its turn.
    turn: Option<(Place, Turn)>,
    /// An invitation.
    invite: Option<InviteFields>,
}

/// `POST /api/v1/registrations`.
pub async fn register(call: Call, body: Bytes) -> Answer {
    let asked: Registration = parse(&body)?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let application = Application {
        name: asked.name,
        password: Secret::new(asked.password),
        email: given(asked.email).map(Sensitive::new),
        locale: asked.locale,
        challenge: given(asked.challenge),
        ticket: given(asked.ticket),
        invite: given(asked.invite),
        is_form: false,
    };
    match apply(&call, application).await? {
        Registered::In(signed_in) => answer_signed_in(&signed_in, false),
        Registered::Waits(waits) => {
            let eta_s = waits.eta.0.div_ceil(1000);
            let value = json!({ "ticket": waits.ticket, "position": waits.position, "eta_s": eta_s });
            let mut response = json(StatusCode::ACCEPTED, &value)?;
            set_retry_after(response.headers_mut(), Some(waits.look_after));
            Ok(response)
        }
        Registered::Mailed(mailed) => {
            let value = json!({ "ticket": mailed.ticket, "position": 0, "eta_s": 0, "verify": "email" });
            let mut response = json(StatusCode::ACCEPTED, &value)?;
            set_retry_after(response.headers_mut(), Some(LOOK_EVERY.1));
            Ok(response)
        }
    }
}

/// Shape, gate, account: in this order.
pub(crate) async fn apply(call: &Call, application: Application) -> Result<Registered, Refusal> {
    let gateway = &call.gateway;
    let name = AccountName::parse(&application.name).map_err(|e| Refusal::parameter("name", e.to_string()))?;
    // A place is taken with a name alone: the password is chosen when it is one's turn.
    let comes_later = application.is_form && application.password.expose().is_empty();
    if !comes_later {
        check_new_password("password", application.password.expose(), name.as_str())?;
    }
    if let Some(email) = &application.email {
        check_email(email.expose())?;
    }
    let pass = match ask_gate(call, &application, &name).await? {
        Verdict::Wait(waits) => return Ok(Registered::Waits(waits)),
        Verdict::Go(pass) => pass,
    };
    if comes_later {
        return kept(gateway, call, &name, pass.turn.as_ref().map(|(place, _)| place), LOOK_EVERY.0);
    }
    if let Some(mailed) = ask_contact(call, &application, &name, &pass)? {
        return Ok(Registered::Mailed(mailed));
    }
    let has_kept = pass.turn.is_some() || pass.invite.is_some();
    match complete(call, application, name.clone(), pass).await {
        Ok(signed_in) => Ok(Registered::In(Box::new(signed_in))),
        // Let in, but the password line is full: a place that is let in already, instead of another challenge.
        Err(refusal) if refusal.reason == ReasonCode::Overloaded && !has_kept => {
            kept(gateway, call, &name, None, refusal.retry_after.unwrap_or(LOOK_EVERY.0))
        }
        Err(refusal) => Err(refusal),
    }
}

/// A place that is let in: the one they came with, or a new one.
fn kept(
    gateway: &Gateway,
    call: &Call,
    name: &AccountName,
    place: Option<&Place>,
    look_after: Millis,
) -> Result<Registered, Refusal> {
    let place = match place {
        Some(place) => *place,
        None => new_place(gateway, call, name, PlaceFlags::default())?,
    };
    let place = Place { flags: PlaceFlags { is_let_in: true, ..place.flags }, ..place };
    let ticket = place.seal(&gateway.keyring);
    Ok(Registered::Waits(Waits { ticket, position: 1, eta: look_after, look_after }))
}

async fn ask_gate(call: &Call, application: &Application, name: &AccountName) -> Result<Verdict, Refusal> {
    let gateway = &call.gateway;
    let gate = &gateway.gate;
    let level = gate.level();
    if let Some(text) = &application.invite {
        return show_invite(gateway, text, level);
    }
    if level == GateLevel::Closed {
        return Err(ReasonCode::RegistrationClosed.into());
    }
    if let Some(text) = &application.ticket {
        return show_place(gateway, text, name, application.email.as_ref());
    }
    gate.note_asked();
    if level == GateLevel::Open && gate.queue().try_pass() {
        return Ok(Verdict::Go(Pass::default()));
    }
    let is_proved = match &application.challenge {
        Some(text) => {
            gate.take_challenge(Purpose::Registration, call.ctx.source, now(gateway), text).await?;
            true
        }
        None if !application.is_form => return Err(ReasonCode::ChallengeRequired.into()),
        None if !gate.plain_places.try_take(gate.network(call.ctx.source), gateway.clock.now()) => {
            return Err(Refusal::from(ReasonCode::TooManyRequests).retry_after(Millis(60_000)));
        }
        None => false,
    };
    gate.note_met();
    if is_proved && gate.queue().try_pass() {
        return Ok(Verdict::Go(Pass::default()));
    }
    let place = new_place(gateway, call, name, PlaceFlags { is_proved, ..PlaceFlags::default() })?;
    stand(gateway, &place, place.seal(&gateway.keyring))
}

/// An invitation: ours, and tried no more often than a person would.
fn show_invite(gateway: &Gateway, text: &str, level: GateLevel) -> Result<Verdict, Refusal> {
    let invite = open_invite(&gateway.keyring, text, gateway.clock.seconds())
        .map_err(|_| Refusal::parameter("invite", "this is no invitation, or one that is over"))?;
    if level == GateLevel::Closed && !invite.is_operators {
        return Err(ReasonCode::RegistrationClosed.into());
    }
    let [a, b, c, d, ..] = invite.id.to_le_bytes();
    if !gateway.gate.invite_tries.try_take(u32::from_le_bytes([a, b, c, d]), gateway.clock.now()) {
        return Err(Refusal::from(ReasonCode::TooManyRequests).retry_after(Millis(60_000)));
    }
    Ok(Verdict::Go(Pass { invite: Some(invite), turn: None }))
}

/// A place that was taken before: ours, for this name, and for this address once one is confirmed.
fn show_place(
    gateway: &Arc<Gateway>,
    text: &str,
    name: &AccountName,
    email: Option<&Sensitive<String>>,
) -> Result<Verdict, Refusal> {
    let place = Place::open(&gateway.keyring, Purpose::Registration, text, gateway.clock.seconds())
        .map_err(|_| Refusal::parameter("ticket", "this is no place in the line, or one that is over"))?;
    let is_for_this = place.name == Place::bind_name(&gateway.keyring, Purpose::Registration, name.as_str());
    if !is_for_this && !gateway.gate.queue().is_free_of_name(place.id) {
        return Err(Refusal::parameter("ticket", "this place was taken for another name"));
    }
    let contact = email.map(|email| Place::bind_contact(&gateway.keyring, email.expose()));
    if place.flags.is_confirmed && contact != Some(place.contact) {
        return Err(Refusal::parameter("email", "another address was confirmed"));
    }
    stand(gateway, &place, text.to_owned())
}

/// Where the holder of a place stands.
fn stand(gateway: &Arc<Gateway>, place: &Place, ticket: String) -> Result<Verdict, Refusal> {
    let stands = gateway.gate.queue().present(gateway.clock.now(), place);
    match stands {
        InLine::LetIn => Turn::begin(gateway, Purpose::Registration, place.id)
            .map(|turn| Verdict::Go(Pass { turn: Some((*place, turn)), invite: None }))
            .ok_or_else(|| {
                Refusal::new(ReasonCode::TooManyRequests, "this turn is being used, or was tried too often")
            }),
        InLine::Waits { position, eta } => {
            Ok(Verdict::Wait(Waits { ticket, position, eta, look_after: look_after(eta) }))
        }
        InLine::Used => Err(Refusal::parameter("ticket", "an account was made with this place")),
        InLine::Full => Err(Refusal::from(ReasonCode::Overloaded).retry_after(LOOK_EVERY.1)),
    }
}

/// When to look again: the further off, the later.
pub(crate) fn look_after(eta: Millis) -> Millis {
    Millis((eta.0 / 4).clamp(LOOK_EVERY.0.0, LOOK_EVERY.1.0))
}

fn new_place(gateway: &Gateway, call: &Call, name: &AccountName, flags: PlaceFlags) -> Result<Place, Refusal> {
    let id = rempart_identity::random::session_id().map_err(|_| ReasonCode::Internal)?;
    Ok(Place {
        purpose: Purpose::Registration,
        id: id.bits(),
        issued: gateway.clock.seconds(),
        cohort: gateway.gate.network(call.ctx.source),
        name: Place::bind_name(&gateway.keyring, Purpose::Registration, name.as_str()),
        contact: 0,
        flags,
    })
}

/// Adds the cookies of a session to an answer.
fn with_cookies(mut response: Response<axum::body::Body>, signed_in: &SignedIn) -> Response<axum::body::Body> {
    let headers: &mut HeaderMap = response.headers_mut();
    add_cookies(headers, &signed_in.cookies);
    response
}
