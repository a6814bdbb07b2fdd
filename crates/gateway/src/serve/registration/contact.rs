//! A confirmed address: the letter that is sent once somebody is let in, and what it costs to ask for another.
//!
//! What must stay true: no letter before the gate let somebody in; the answer is the same whether the address is known here, whether the
//! mailer took the letter, and whether anybody reads it; a link is the place itself, with the claim that it came by mail.

use rempart_domain::{AccountName, Millis, Sensitive};
use rempart_identity::gate::{Place, PlaceFlags, is_disposable};
use rempart_mail::{Address, Mail, MailLane};
use rempart_web::{Locale, MailLink, MailTopic, mail_text};

use super::page::asks_contact;
use super::{Application, Mailed, Pass, new_place};
use crate::Gateway;
use crate::refusal::Refusal;
use crate::respond::locale_of;
use crate::serve::Call;

impl Gateway {
    /// Whether an address can be confirmed at all: the operator said where mail goes.
    pub(crate) fn can_confirm_contacts(&self) -> bool {
        self.mailer.is_configured()
    }
}

/// `None` if the level asks for no address, or it is confirmed, or an invitation vouches; else a letter is on its way.
pub(super) fn ask_contact(
    call: &Call,
    application: &Application,
    name: &AccountName,
    pass: &Pass,
) -> Result<Option<Mailed>, Refusal> {
    let gateway = &call.gateway;
    let held = pass.turn.as_ref().map(|(place, _)| *place);
    let is_confirmed = held.is_some_and(|place| place.flags.is_confirmed);
    if is_confirmed || pass.invite.is_some() || !asks_contact(gateway, gateway.gate.level()) {
        return Ok(None);
    }
    let email = application.email.as_ref().ok_or_else(|| Refusal::parameter("email", "a mail address is needed"))?;
    let address =
        Address::parse(email.expose()).map_err(|_| Refusal::parameter("email", "this is not an e-mail address"))?;
    if is_disposable(address.domain()) {
        return Err(Refusal::parameter("email", "mail to this provider's addresses is thrown away"));
    }
    let place = match held {
        Some(place) => place,
        None => new_place(gateway, call, name, PlaceFlags::default())?,
    };
    let let_in = Place { flags: PlaceFlags { is_let_in: true, ..place.flags }, ..place };
    let [a, b, c, d, ..] = place.id.to_le_bytes();
    let is_too_soon = !gateway.gate.letters.try_take(u32::from_le_bytes([a, b, c, d]), gateway.clock.now());
    if !is_too_soon {
        send_letter(call, application.locale.as_deref(), name, &address, &let_in);
    }
    Ok(Some(Mailed { ticket: let_in.seal(&gateway.keyring), is_too_soon }))
}

/// Whatever becomes of it, the answer is the same.
fn send_letter(call: &Call, locale: Option<&str>, name: &AccountName, address: &Address, place: &Place) {
    let gateway = &call.gateway;
    let contact = Place::bind_contact(&gateway.keyring, address.expose());
    let flags = PlaceFlags { is_confirmed: true, ..place.flags };
    let ticket = Place { contact, flags, ..*place }.seal(&gateway.keyring);
    let public_url = &gateway.config.public_url;
    let email: Sensitive<String> = Sensitive::new(percent_encoded(address.expose()));
    let url = format!("{public_url}/register?ticket={ticket}&name={name}&email={}", email.expose());
    let lasts_s = u64::try_from(place.expires().0 - gateway.clock.seconds().0).unwrap_or(0);
    let locale = locale.and_then(Locale::parse).unwrap_or_else(|| locale_of(&call.head));
    let topic = MailTopic::Verify(MailLink { url: &url, lasts_s });
    let text = mail_text(locale, &gateway.config.site.name, public_url, "", topic);
    let mail = Mail {
        to: address.clone(),
        lane: MailLane::Registration,
        subject: text.subject,
        text: Sensitive::new(text.text),
        language: locale.as_str(),
        lasts: Millis::from_secs(lasts_s),
    };
    if let Err(held) = gateway.mailer.try_send(mail) {
        tracing::debug!(reason = %held, "a letter was held back");
    }
}

/// For the query of a link.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _written = write!(out, "%{byte:02X}");
        }
        out
    })
}
