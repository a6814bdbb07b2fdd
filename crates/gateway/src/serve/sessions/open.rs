//! The one function that makes a session. Whoever has proved who they are comes through here: password, link, passkey, registration.
//!
//! What must stay true: nothing else seals a session or a device ticket; what a session counts for is decided here, from how it was won.

use http::header;
use rempart_domain::{AccountId, AccountName, Day, Provenance, ReasonCode, Role, SessionId, Standing, UnixSeconds};
use rempart_identity::{TicketFields, TicketFlags, TicketKind};
use rempart_store::{Account, NewDevice, NewSession};

use crate::Gateway;
use crate::refusal::Refusal;
use crate::serve::{Call, store_refusal};

/// How long a device ticket lasts, in days.
const DEVICE_DAYS: i64 = 365;

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The account was made a moment ago.
    Registration,
    /// The password, in a browser that had signed in to this account before.
    KnownDevice,
    /// The password, anywhere else.
    UnknownDevice,
    /// A link that was mailed to the account's address.
    MailedLink,
    /// A link that an operator made on the machine itself.
    OperatorLink,
    /// A passkey, with the person verified.
    Passkey,
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
    pub created_day: Day,
    /// Its epoch now.
    pub epoch: u32,
    /// How they proved it.
    pub proof: Proof,
    /// A second factor was shown besides.
    pub has_second_factor: bool,
    /// What the account has in common with others.
    pub provenance: Provenance,
}

impl Opening {
    /// For an account as the store has it.
    pub fn of(account: &Account, proof: Proof, has_second_factor: bool) -> Self {
        Self {
            account: account.id,
            name: account.name.clone(),
            standing: account.standing,
            role: account.role,
            created_day: account.created.day(),
            epoch: account.epoch,
            proof,
            has_second_factor,
            provenance: account.provenance,
        }
    }

    /// A possession was proved besides, or instead of, the password.
    fn is_strong(&self) -> bool {
        self.has_second_factor || matches!(self.proof, Proof::Passkey | Proof::OperatorLink)
    }

    /// What a session counts for: during an incident, a password alone, from a device that is not known, wins a newcomer's.
    fn flags(&self, is_incident_open: bool) -> TicketFlags {
        let mut flags = TicketFlags::of_role(self.role);
        if self.is_strong() {
            flags = flags.with(TicketFlags::SECOND_FACTOR);
        } else if is_incident_open && self.proof == Proof::UnknownDevice {
            flags = flags.with(TicketFlags::UNSURE);
        }
        flags
    }
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
    /// What they may beyond using, in this session.
    pub role: Role,
    /// False for an operator who has not shown a second factor.
    pub is_strong: bool,
    /// When the session ends.
    pub expires: UnixSeconds,
    /// `Set-Cookie` values: session and device.
    pub cookies: Vec<http::HeaderValue>,
}

/// Writes the session and seals its tickets.
pub async fn open_session(call: &Call, opening: &Opening) -> Result<SignedIn, Refusal> {
    let (session, device, signed_in) = seal_session(call, opening)?;
    call.gateway.store.create_session_on(session, device).await.map_err(|e| store_refusal(&e))?;
    Ok(signed_in)
}

/// A session and its device that are not written yet, and their tickets.
pub(crate) fn seal_session(call: &Call, opening: &Opening) -> Result<(NewSession, NewDevice, SignedIn), Refusal> {
    let gateway = &call.gateway;
    let now = gateway.clock.seconds();
    let lasts = i64::from(gateway.config.session_days) * 86_400;
    let expires = UnixSeconds(now.0 + lasts);
    let session = rempart_identity::random::session_id().map_err(|_| ReasonCode::Internal)?;
    let agent = call.head.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).and_then(agent_family);
    let row = NewSession { id: session, account: opening.account, created: now, expires, agent: agent.clone() };
    let flags = opening.flags(is_incident_open(gateway));
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
        flags,
        provenance: opening.provenance,
    };
    // A browser that is known stays the same device.
    let known = crate::identify::device(gateway, &call.head).filter(|device| device.account == opening.account);
    let device_id = match known {
        Some(device) => device.session,
        None => rempart_identity::random::session_id().map_err(|_| ReasonCode::Internal)?,
    };
    let device_expires = UnixSeconds(now.0 + DEVICE_DAYS * 86_400);
    let device_ticket = TicketFields {
        kind: TicketKind::Device,
        session: device_id,
        expires: device_expires,
        provenance: Provenance::default(),
        ..ticket
    }
    .with_name_tag(gateway.keyring.name_tag(opening.name.as_str()));
    let device = NewDevice { id: device_id, account: opening.account, seen: now, expires: device_expires, agent };
    let cookies = [
        gateway.cookies.set(gateway.cookies.session, &gateway.keyring.seal_ticket(&ticket), lasts),
        gateway.cookies.set(gateway.cookies.device, &gateway.keyring.seal_ticket(&device_ticket), DEVICE_DAYS * 86_400),
    ];
    let signed_in = SignedIn {
        account: opening.account,
        name: opening.name.clone(),
        standing: opening.standing,
        role: opening.role,
        is_strong: opening.is_strong(),
        expires,
        cookies: cookies.into_iter().flatten().collect(),
    };
    Ok((row, device, signed_in))
}

/// True while standing is frozen for an incident, or passwords are being tried over many accounts.
pub(crate) fn is_incident_open(gateway: &Gateway) -> bool {
    gateway.revocations.is_frozen() || gateway.sign_in_guard.is_spraying()
}

/// The id of a session that a principal came with.
pub fn own_session(call: &Call) -> Option<SessionId> {
    match call.ctx.principal.credential {
        rempart_domain::Credential::Session(id) => Some(id),
        _ => None,
    }
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
