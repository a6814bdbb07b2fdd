//! Tickets: 48 bytes under HMAC-SHA256, one layout for session, device, sign-in and registration.
//!
//! ```text
//!  0 version = 1   1 key id   2 kind   3 standing
//!  4 account u64         12 session u64
//! 20 issued u32          24 expires u32      seconds since 1970, until 2106
//! 28 account epoch u32   32 global epoch u32
//! 36 created day u16     38 flags u16        40 provenance u64
//! 48 tag, 32 bytes                           all little endian; as text base64url, 107 characters
//! ```
//!
//! What must stay true: opening allocates nothing and does no I/O; a forged ticket costs what a valid one costs; the kind is
//! under the MAC, so that a device ticket is never a session. A ticket says what was true when it was issued: whether it still
//! is, [`crate::Revocations`] knows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use rempart_domain::{AccountId, Day, Provenance, Role, SessionId, Standing, UnixSeconds};

use crate::Keyring;
use crate::keyring::tag;

/// Characters of a ticket as text.
pub const TICKET_LEN: usize = 107;

const VERSION: u8 = 1;
const BODY_LEN: usize = 48;
const TAG_LEN: usize = 32;

/// What a ticket is for; one kind is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TicketKind {
    /// A sign-in: the cookie `rmp_session`.
    Session = 1,
    /// "This browser has signed in to that account before": the cookie `rmp_device`. `session` is the device's own id, `created_day` and
    /// `flags` together a tag of the account's name ([`TicketFields::with_name_tag`]): whose it is can be told without a look-up.
    Device = 2,
    /// Issued with the sign-in form, so that a sign-in cannot be replayed blindly. `session` is a nonce.
    SignIn = 3,
    /// A place in the registration queue. `session` is its number.
    Registration = 4,
    /// An invitation to register. `session` is its number, `account` who invites.
    Invite = 5,
    /// The password was right, the second factor is still asked for. `session` is unused.
    HalfSignIn = 6,
}

impl TicketKind {
    const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Session),
            2 => Some(Self::Device),
            3 => Some(Self::SignIn),
            4 => Some(Self::Registration),
            5 => Some(Self::Invite),
            6 => Some(Self::HalfSignIn),
            _ => None,
        }
    }
}

/// Claims of one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TicketFlags(pub u16);

impl TicketFlags {
    /// The account was an operator's when the ticket was issued.
    pub const OPERATOR: Self = Self(1);
    /// The session was won with a second factor, a passkey, or a link that an operator made on the machine itself.
    pub const SECOND_FACTOR: Self = Self(2);
    /// The session was won from an unknown device during an incident, with a password alone.
    pub const UNSURE: Self = Self(4);

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of an account with that role.
    pub const fn of_role(role: Role) -> Self {
        match role {
            Role::None => Self(0),
            Role::Operator => Self::OPERATOR,
        }
    }

    /// The role that the flags carry.
    pub const fn role(self) -> Role {
        if self.contains(Self::OPERATOR) { Role::Operator } else { Role::None }
    }
}

/// What a ticket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketFields {
    /// What it is for.
    pub kind: TicketKind,
    /// The account's standing when it was issued.
    pub standing: Standing,
    /// Whose it is.
    pub account: AccountId,
    /// The sign-in, or the id that the kind gives it.
    pub session: SessionId,
    /// When it was issued. Not checked: a clock that was set back ends no session.
    pub issued: UnixSeconds,
    /// From this second on it is void.
    pub expires: UnixSeconds,
    /// The account's epoch when it was issued: a later epoch ends it.
    pub account_epoch: u32,
    /// The platform's epoch when it was issued ([`crate::Revocations::global_epoch`]): a later one ends it.
    pub global_epoch: u32,
    /// The UTC day the account was made.
    pub created_day: Day,
    /// Claims of one bit each.
    pub flags: TicketFlags,
    /// What the account has in common with others; a session's only.
    pub provenance: Provenance,
}

/// Why a text is no ticket of the wanted kind. The caller answers all of them alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TicketError {
    /// Not 107 characters of base64url, or of another version.
    #[error("not a ticket")]
    Malformed,
    /// Sealed by a key that is not ours, or not any more; or changed since.
    #[error("the seal does not hold")]
    Forged,
    /// Ours, but for another use.
    #[error("a ticket of another kind")]
    WrongKind,
    /// Its time is over.
    #[error("the ticket has expired")]
    Expired,
}

impl Keyring {
    /// Seals a ticket with the current key. Times outside 1970 to 2106 are cut to those years.
    pub fn seal_ticket(&self, fields: &TicketFields) -> String {
        let keys = self.keys();
        let body = fields.to_bytes(keys.current.id);
        let mut sealed = [0_u8; BODY_LEN + TAG_LEN];
        let both = body.into_iter().chain(tag(&keys.current.mac, &body));
        sealed.iter_mut().zip(both).for_each(|(to, from)| *to = from);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Opens a ticket of that kind, at `now`. Says nothing about revocation: ask [`crate::Revocations`] next.
    pub fn open_ticket(&self, kind: TicketKind, text: &str, now: UnixSeconds) -> Result<TicketFields, TicketError> {
        if text.len() != TICKET_LEN {
            return Err(TicketError::Malformed);
        }
        let mut sealed = [0_u8; BODY_LEN + TAG_LEN];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut sealed).map_err(|_| TicketError::Malformed)?;
        let (body, shown_tag) = sealed.split_first_chunk::<BODY_LEN>().ok_or(TicketError::Malformed)?;
        let [version, key_id, ..] = *body;
        if len != sealed.len() || version != VERSION {
            return Err(TicketError::Malformed);
        }
        let keys = self.keys();
        let mut mac = keys.ticket_key(key_id).ok_or(TicketError::Forged)?.mac.clone();
        mac.update(body);
        mac.verify_slice(shown_tag).map_err(|_| TicketError::Forged)?;
        let fields = TicketFields::from_bytes(body).ok_or(TicketError::Malformed)?;
        if fields.kind != kind {
            return Err(TicketError::WrongKind);
        }
        if now >= fields.expires {
            return Err(TicketError::Expired);
        }
        Ok(fields)
    }
}

impl TicketFields {
    /// A device ticket that carries a tag of its account's name.
    #[must_use]
    pub fn with_name_tag(self, tag: u32) -> Self {
        let [a, b, c, d] = tag.to_le_bytes();
        Self { created_day: Day(u16::from_le_bytes([a, b])), flags: TicketFlags(u16::from_le_bytes([c, d])), ..self }
    }

    /// The tag of a device ticket.
    pub const fn name_tag(&self) -> u32 {
        let ([a, b], [c, d]) = (self.created_day.0.to_le_bytes(), self.flags.0.to_le_bytes());
        u32::from_le_bytes([a, b, c, d])
    }

    fn to_bytes(self, key_id: u8) -> [u8; BODY_LEN] {
        let mut body = [0_u8; BODY_LEN];
        let head = [VERSION, key_id, self.kind as u8, self.standing.to_u8()];
        let fields = head
            .into_iter()
            .chain(self.account.bits().to_le_bytes())
            .chain(self.session.bits().to_le_bytes())
            .chain(wire_seconds(self.issued).to_le_bytes())
            .chain(wire_seconds(self.expires).to_le_bytes())
            .chain(self.account_epoch.to_le_bytes())
            .chain(self.global_epoch.to_le_bytes())
            .chain(self.created_day.0.to_le_bytes())
            .chain(self.flags.0.to_le_bytes())
            .chain(self.provenance.bits().to_le_bytes());
        body.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        body
    }

    fn from_bytes(body: &[u8; BODY_LEN]) -> Option<Self> {
        let [_version, _key_id, kind, standing, ..] = *body;
        let (_, rest) = body.split_at(4);
        let (account, rest) = rest.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (issued, rest) = rest.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let (account_epoch, rest) = rest.split_first_chunk()?;
        let (global_epoch, rest) = rest.split_first_chunk()?;
        let (created_day, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (provenance, _none) = rest.split_first_chunk()?;
        Some(Self {
            kind: TicketKind::from_u8(kind)?,
            standing: Standing::from_u8(standing),
            account: AccountId::from_bits(u64::from_le_bytes(*account)),
            session: SessionId::from_bits(u64::from_le_bytes(*session)),
            issued: UnixSeconds(i64::from(u32::from_le_bytes(*issued))),
            expires: UnixSeconds(i64::from(u32::from_le_bytes(*expires))),
            account_epoch: u32::from_le_bytes(*account_epoch),
            global_epoch: u32::from_le_bytes(*global_epoch),
            created_day: Day(u16::from_le_bytes(*created_day)),
            flags: TicketFlags(u16::from_le_bytes(*flags)),
            provenance: Provenance::from_bits(u64::from_le_bytes(*provenance)),
        })
    }
}

/// Seconds as they stand in a ticket.
pub(crate) fn wire_seconds(at: UnixSeconds) -> u32 {
    u32::try_from(at.0.max(0)).unwrap_or(u32::MAX)
}
