//! Who asks? A session cookie or an API key, checked without I/O for everybody we know; before any rule on addresses.
//!
//! What must stay true: a guessed key is refused without a look-up (its checksum is keyed); a session is valid with the database
//! stopped; this is the only place where a [`Principal`] with an account is made.

use std::sync::Arc;

use http::header;
use http::request::Parts;
use rempart_domain::{Credential, KeyScope, Principal, ReasonCode, Sensitive, UnixSeconds};
use rempart_identity::{KeyLookup, KnownKey, PresentedKey, TicketFields, TicketKind};
use rempart_store::KeyRecord;

use crate::Gateway;
use crate::refusal::Refusal;

/// A caller with a checked credential, or a visitor.
#[derive(Debug)]
pub struct Identified {
    /// Who.
    pub principal: Principal,
    /// With which key.
    pub key: Option<Arc<KnownKey>>,
}

const VISITOR: Identified = Identified { principal: Principal::VISITOR, key: None };

/// Identifies the caller. A wrong key is a refusal; a wrong or ended session is a visitor.
pub async fn identify(gateway: &Gateway, parts: &Parts) -> Result<Identified, Refusal> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let text = value.to_str().map_err(|_| ReasonCode::InvalidApiKey)?;
        let Some(key) = bearer(text) else {
            return Err(ReasonCode::InvalidApiKey.into());
        };
        return identify_key(gateway, key).await;
    }
    let Some(text) = cookie(parts, gateway.cookies.session) else {
        return Ok(VISITOR);
    };
    let now = gateway.clock.seconds();
    let Ok(ticket) = gateway.keyring.open_ticket(TicketKind::Session, text, now) else {
        return Ok(VISITOR);
    };
    Ok(match gateway.revocations.principal_of_session(&ticket) {
        Some(principal) => Identified { principal, key: None },
        None => VISITOR,
    })
}

/// `Bearer KEY`, the scheme in any case.
fn bearer(text: &str) -> Option<&str> {
    let (scheme, key) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

async fn identify_key(gateway: &Gateway, text: &str) -> Result<Identified, Refusal> {
    let presented = rempart_identity::parse(&gateway.keyring, text).map_err(|_| ReasonCode::InvalidApiKey)?;
    let now = gateway.clock.seconds();
    let key = match gateway.known_keys.find(&presented, now) {
        KeyLookup::Known(key) => key,
        KeyLookup::Refused => return Err(ReasonCode::InvalidApiKey.into()),
        // Boxed, since it is rare: what every request carries along stays small.
        KeyLookup::Unknown => Box::pin(look_up_key(gateway, &presented, now)).await?,
    };
    let principal = gateway.revocations.principal_of_key(&key);
    if principal.account.is_none() {
        return Err(ReasonCode::InvalidApiKey.into());
    }
    Ok(Identified { principal, key: Some(key) })
}

/// Only keys that we made come here: their keyed checksum holds. A few look-ups at once; more are told to come again.
async fn look_up_key(gateway: &Gateway, presented: &PresentedKey, now: UnixSeconds) -> Result<Arc<KnownKey>, Refusal> {
    let _permit = gateway.key_lookups.try_acquire().map_err(|_| ReasonCode::Overloaded)?;
    let record = gateway.store.find_key(presented.id).await.map_err(|_| ReasonCode::StorageUnavailable)?;
    // Whatever was found is remembered: a key that is revoked, expired or deleted buys one look-up, not one a request.
    let Some(known) = record.filter(|r| r.revoked.is_none()).map(known_key) else {
        gateway.known_keys.revoke(presented.id);
        return Err(ReasonCode::InvalidApiKey.into());
    };
    let is_valid = known.is_valid(presented, now);
    gateway.known_keys.insert(known.clone());
    if is_valid { Ok(Arc::new(known)) } else { Err(ReasonCode::InvalidApiKey.into()) }
}

/// A stored key as the memory of known keys has it.
pub fn known_key(record: KeyRecord) -> KnownKey {
    KnownKey {
        id: record.id,
        account: record.account,
        hash: record.hash,
        scope: record.scope,
        standing: record.standing,
        role: record.role,
        created_day: record.created_day,
        created_minute: record.created_minute,
        provenance: record.provenance,
        models: record.models.map(|models| models.into_iter().map(Into::into).collect()),
        limits: record.limits,
        expires: record.expires,
        epoch: record.epoch,
    }
}

/// What the session that asks was won with.
pub fn session_flags(gateway: &Gateway, parts: &Parts) -> Option<rempart_identity::TicketFlags> {
    let text = cookie(parts, gateway.cookies.session)?;
    let ticket = gateway.keyring.open_ticket(TicketKind::Session, text, gateway.clock.seconds()).ok()?;
    gateway.revocations.is_current(&ticket).then_some(ticket.flags)
}

/// The device ticket, if this browser has signed in to some account before.
pub fn device(gateway: &Gateway, parts: &Parts) -> Option<TicketFields> {
    let text = cookie(parts, gateway.cookies.device)?;
    let ticket = gateway.keyring.open_ticket(TicketKind::Device, text, gateway.clock.seconds()).ok()?;
    gateway.revocations.is_current(&ticket).then_some(ticket)
}

/// A cookie's value by name.
pub fn cookie<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';')).find_map(
        |pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then_some(value)
        },
    )
}

/// Whether the principal shows a key of this scope.
pub const fn has_scope(principal: &Principal, scope: KeyScope) -> bool {
    matches!(principal.credential, Credential::Key(_, s) if s as u8 == scope as u8)
}

/// The client's address as a trusted proxy tells it: the last element of `Forwarded` or `X-Forwarded-For`.
pub fn forwarded_for(parts: &Parts) -> Option<Sensitive<std::net::IpAddr>> {
    let last = |name: &str| {
        let value = parts.headers.get_all(name).iter().next_back()?.to_str().ok()?;
        value.rsplit(',').next().map(str::trim)
    };
    let node = |text: &str| parse_node(text.trim_matches('"'));
    let in_forwarded = last("forwarded").map(|element| {
        let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case("for")).and_then(|(_, value)| node(value))
    });
    let in_other = last("x-forwarded-for").map(node);
    // A proxy writes one of the two and passes the other on as the client sent it: what they do not agree on is nobody's word.
    let address = match (in_forwarded, in_other) {
        (Some(one), Some(other)) => one.filter(|_| one == other),
        (one, other) => one.or(other).flatten(),
    };
    address.map(Sensitive::new)
}

fn parse_node(text: &str) -> Option<std::net::IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next()?.parse().ok();
    }
    text.parse().ok().or_else(|| text.rsplit_once(':')?.0.parse().ok())
}
