//! The line for unknown devices that cannot solve a challenge: no script, or a browser that computes for secure addresses only.
//!
//! What must stay true: a place belongs to what was typed as the name, and is worth a few passwords, no more; whether such an account
//! exists is not asked here.

use rempart_domain::{Millis, ReasonCode};
use rempart_identity::gate::{InLine, Place, PlaceFlags, Purpose};

use crate::gate::Turn;
use crate::refusal::Refusal;
use crate::serve::Call;
use crate::serve::registration::look_after;

/// Longest name or address that a place is taken for.
const WHO_BYTES_MAX: usize = 254;

/// Takes a place for somebody; what they come back with.
pub(crate) fn take_place(call: &Call, who: &str) -> Result<String, Refusal> {
    let (gateway, who) = (&call.gateway, who.trim());
    if who.is_empty() || who.len() > WHO_BYTES_MAX {
        return Err(Refusal::parameter("name", "a name"));
    }
    let cohort = gateway.gate.network(call.ctx.source);
    if !gateway.gate.sign_in_places.try_take(cohort, gateway.clock.now()) {
        return Err(Refusal::from(ReasonCode::TooManyRequests).retry_after(Millis(60_000)));
    }
    let id = rempart_identity::random::session_id().map_err(|_| ReasonCode::Internal)?;
    let place = Place {
        purpose: Purpose::SignIn,
        id: id.bits(),
        issued: gateway.clock.seconds(),
        cohort,
        name: Place::bind_name(&gateway.keyring, Purpose::SignIn, who),
        contact: 0,
        flags: PlaceFlags::default(),
    };
    match gateway.gate.line(Purpose::SignIn).present(gateway.clock.now(), &place) {
        InLine::Full => Err(Refusal::from(ReasonCode::Overloaded).retry_after(Millis(30_000))),
        _ => Ok(place.seal(&gateway.keyring)),
    }
}

/// Where the holder of a place stands; `None` if it is none, or one that is over.
pub(crate) fn look(call: &Call, ticket: &str) -> Option<InLine> {
    let gateway = &call.gateway;
    let place = Place::open(&gateway.keyring, Purpose::SignIn, ticket, gateway.clock.seconds()).ok()?;
    let stands = gateway.gate.line(Purpose::SignIn).present(gateway.clock.now(), &place);
    (stands != InLine::Used).then_some(stands)
}

/// Begins a try with a place whose turn it is.
pub(super) fn begin(call: &Call, who: &str, ticket: &str) -> Result<Turn, Refusal> {
    let gateway = &call.gateway;
    let over = || Refusal::parameter("ticket", "this is no place in the line, or one that is over");
    let place = Place::open(&gateway.keyring, Purpose::SignIn, ticket, gateway.clock.seconds()).map_err(|_| over())?;
    if place.name != Place::bind_name(&gateway.keyring, Purpose::SignIn, who) {
        return Err(Refusal::parameter("ticket", "this place was taken for another name"));
    }
    let stands = gateway.gate.line(Purpose::SignIn).present(gateway.clock.now(), &place);
    match stands {
        // Every try of it was used: another place is another wait.
        InLine::LetIn => Turn::begin(gateway, Purpose::SignIn, place.id).ok_or_else(over),
        InLine::Waits { eta, .. } => Err(Refusal::from(ReasonCode::TooManyRequests).retry_after(look_after(eta))),
        InLine::Used => Err(over()),
        InLine::Full => Err(Refusal::from(ReasonCode::Overloaded).retry_after(Millis(30_000))),
    }
}
