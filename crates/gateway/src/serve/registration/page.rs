//! `/register` for people, with and without script: a form, a place in the line, a turn, a letter, an invitation.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{GateLevel, Millis, ReasonCode, Secret, Sensitive};
use rempart_identity::gate::{InLine, Place, Purpose, open_invite};
use rempart_web::{
    ChallengePurpose, FieldError, MailedView, PageCtx, RegisterGate, RegisterIntro, RegisterView, WaitingView,
};

use super::{Application, Mailed, Registered, Waits, apply, with_cookies};
use crate::Gateway;
use crate::refusal::{Refusal, status};
use crate::respond::locale_of;
use crate::serve::pages::challenge::{Held, challenge_view, plain, waiting_answer};
use crate::serve::pages::{Fields, field_error, fields, page, query_value, see_other, with_page, with_retry};
use crate::serve::{Answer, Call};

/// What somebody brought along: from the address, or from the form that was not taken.
#[derive(Default)]
struct Brought {
    name: String,
    email: String,
    ticket: String,
    invite: String,
}

/// `GET /register`.
pub async fn show(call: Call) -> Answer {
    let asked = |name: &str| query_value(&call, name).unwrap_or_default();
    let brought =
        Brought { name: asked("name"), email: asked("email"), ticket: asked("ticket"), invite: asked("invite") };
    if brought.ticket.is_empty() {
        return form_page(&call, StatusCode::OK, &brought, None);
    }
    let gateway = &call.gateway;
    let Ok(place) = Place::open(&gateway.keyring, Purpose::Registration, &brought.ticket, gateway.clock.seconds())
    else {
        let brought = Brought { ticket: String::new(), ..brought };
        return form_page(&call, StatusCode::OK, &brought, Some(FieldError::Ticket));
    };
    let stands = gateway.gate.queue().present(gateway.clock.now(), &place);
    match stands {
        InLine::LetIn => form_page(&call, StatusCode::OK, &brought, None),
        InLine::Waits { position, eta } => wait_page(&call, &brought, position, eta),
        InLine::Used => {
            let brought = Brought { ticket: String::new(), ..brought };
            form_page(&call, StatusCode::OK, &brought, Some(FieldError::Ticket))
        }
        InLine::Full => Err(Refusal::from(ReasonCode::Overloaded).retry_after(Millis(30_000))),
    }
}

/// `POST /register`.
pub async fn form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let mut brought = brought_in(&form);
    let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let application = Application {
        name: brought.name.clone(),
        password: Secret::new(form.get("password").to_owned()),
        email: given(&brought.email).map(Sensitive::new),
        locale: Some(locale_of(&call.head).as_str().to_owned()),
        challenge: given(form.get("challenge")),
        ticket: given(&brought.ticket),
        invite: given(&brought.invite),
        is_form: true,
    };
    match apply(&call, application).await {
        Ok(Registered::In(signed_in)) => Ok(with_cookies(see_other("/")?, &signed_in)),
        Ok(Registered::Waits(Waits { ticket, .. })) => {
            brought.ticket = ticket;
            see_other(&link_of(&brought))
        }
        Ok(Registered::Mailed(mailed)) => mailed_page(&call, &brought, &mailed),
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let error = field_error(&refusal);
            if error == FieldError::Ticket {
                brought.ticket.clear();
            }
            with_retry(form_page(&call, status(refusal.reason), &brought, Some(error)), &refusal)
        }
    }
}

fn brought_in(form: &Fields) -> Brought {
    let text = |name: &str| form.get(name).trim().to_owned();
    Brought { name: text("name"), email: text("email"), ticket: text("ticket"), invite: text("invite") }
}

/// The address that keeps a place: the name is only what the form is filled with again.
fn link_of(brought: &Brought) -> String {
    format!("/register?ticket={}&name={}", plain(&brought.ticket), plain(&brought.name))
}

fn form_page(call: &Call, status: StatusCode, brought: &Brought, error: Option<FieldError>) -> Answer {
    let gateway = &call.gateway;
    let published = gateway.gate.published();
    let date = gateway.clock.seconds();
    let place = Place::open(&gateway.keyring, Purpose::Registration, &brought.ticket, date).ok();
    let invite = open_invite(&gateway.keyring, &brought.invite, date).ok();
    let is_invited = invite.is_some_and(|invite| invite.is_operators || published.level != GateLevel::Closed);
    let is_open = is_invited || published.level != GateLevel::Closed;
    let asks_contact = asks_contact(gateway, published.level) && !is_invited;
    let intro = match place {
        _ if is_invited => RegisterIntro::Invited,
        Some(place) if place.flags.is_confirmed => RegisterIntro::Confirmed,
        Some(_) => RegisterIntro::Turn { lasts_s: gateway.limits.gate_turn_ms / 1000 },
        None if published.level >= GateLevel::Queue => RegisterIntro::Queue,
        None if asks_contact => RegisterIntro::Verified,
        None => RegisterIntro::Open,
    };
    let needs_challenge = place.is_none() && !is_invited && published.level >= GateLevel::Challenge;
    let challenge = needs_challenge.then(|| challenge_view(call, ChallengePurpose::Registration));
    let view = RegisterView {
        name: &brought.name,
        email: &brought.email,
        error: error.or((invite.is_none() && !brought.invite.is_empty()).then_some(FieldError::Invite)),
        is_open,
        gate: RegisterGate {
            intro,
            ticket: if place.is_some() { &brought.ticket } else { "" },
            invite: if is_invited { &brought.invite } else { "" },
            challenge,
            asks_email: asks_contact,
        },
    };
    with_page(call, None, |ctx| page(status, rempart_web::register_page(ctx, &view)))
}

/// Whether the level asks for a confirmed address.
pub(super) fn asks_contact(gateway: &Gateway, level: GateLevel) -> bool {
    level >= GateLevel::Verified && gateway.can_confirm_contacts()
}

fn wait_page(call: &Call, brought: &Brought, position: u64, eta: Millis) -> Answer {
    let is_moving = call.gateway.gate.published().rate_per_s > 0.0;
    let link = link_of(brought);
    let held = Held { link: &link, ticket: &brought.ticket, name: &brought.name, position, eta, is_moving };
    waiting_answer(call, ChallengePurpose::Registration, held)
}

fn mailed_page(call: &Call, brought: &Brought, mailed: &Mailed) -> Answer {
    let link = link_of(brought);
    let mailed = MailedView {
        ticket: &mailed.ticket,
        name: &brought.name,
        email: &brought.email,
        is_too_soon: mailed.is_too_soon,
    };
    let view = WaitingView {
        purpose: ChallengePurpose::Registration,
        link: &link,
        ticket: "",
        name: "",
        wait: None,
        mailed: Some(mailed),
    };
    let html = |ctx: &PageCtx<'_>| page(StatusCode::ACCEPTED, rempart_web::waiting_page(ctx, false, &view));
    with_page(call, None, html)
}
