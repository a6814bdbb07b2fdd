//! A place in the line, as its holder carries it: sealed, so that it survives a restart and cannot be moved forward or sold.
//!
//! What must stay true: a place belongs to one purpose and one name (in the registration's line to its mail address too, once there is one);
//! it is never a session.

use rempart_domain::{AccountId, Day, Provenance, SessionId, Standing, UnixSeconds};

use crate::gate::Purpose;
use crate::{Keyring, TicketError, TicketFields, TicketFlags, TicketKind};

/// How long a place is good, in seconds.
const PLACE_LASTS_S: i64 = 6 * 3600;

/// Claims of a place, one bit each, beside those of other tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlaceFlags {
    /// A challenge was solved for it.
    pub is_proved: bool,
    /// It came by mail to the address that it belongs to.
    pub is_confirmed: bool,
    /// It was let in when it was made: only the password line was full.
    pub is_let_in: bool,
}

const PROVED: u16 = 1 << 8;
const CONFIRMED: u16 = 1 << 9;
const LET_IN: u16 = 1 << 10;
const SIGN_IN: u16 = 1 << 11;

/// What a place says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which line it is a place in.
    pub purpose: Purpose,
    /// Its number.
    pub id: u64,
    /// When it was taken; its minute decides the order.
    pub issued: UnixSeconds,
    /// Whom it weighs with.
    pub cohort: u32,
    /// A keyed hash of the account's name, or of what somebody typed who signs in.
    pub name: u64,
    /// A keyed hash of the mail address; 0 as long as there is none.
    pub contact: u32,
    /// Its claims.
    pub flags: PlaceFlags,
}

impl Place {
    /// The minute it was taken in.
    pub fn minute(&self) -> u32 {
        u32::try_from(self.issued.0.max(0) / 60).unwrap_or(u32::MAX)
    }

    /// From when on it is void.
    pub const fn expires(&self) -> UnixSeconds {
        UnixSeconds(self.issued.0.saturating_add(PLACE_LASTS_S))
    }

    /// Seals it.
    pub fn seal(&self, keyring: &Keyring) -> String {
        let bits = [
            (self.flags.is_proved, PROVED),
            (self.flags.is_confirmed, CONFIRMED),
            (self.flags.is_let_in, LET_IN),
            (self.purpose == Purpose::SignIn, SIGN_IN),
        ];
        let flags = bits.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, bit)| all | bit);
        keyring.seal_ticket(&TicketFields {
            kind: TicketKind::Registration,
            standing: Standing::Visitor,
            account: AccountId::from_bits(self.name),
            session: SessionId::from_bits(self.id),
            issued: self.issued,
            expires: self.expires(),
            account_epoch: self.cohort,
            global_epoch: self.contact,
            created_day: Day(0),
            flags: TicketFlags(flags),
            provenance: Provenance::default(),
        })
    }

    /// Opens one; a place in another line is none.
    pub fn open(keyring: &Keyring, purpose: Purpose, text: &str, now: UnixSeconds) -> Result<Self, TicketError> {
        let ticket = keyring.open_ticket(TicketKind::Registration, text, now)?;
        let has = |bit: u16| ticket.flags.contains(TicketFlags(bit));
        if has(SIGN_IN) != (purpose == Purpose::SignIn) {
            return Err(TicketError::Malformed);
        }
        Ok(Self {
            purpose,
            id: ticket.session.bits(),
            issued: ticket.issued,
            cohort: ticket.account_epoch,
            name: ticket.account.bits(),
            contact: ticket.global_epoch,
            flags: PlaceFlags { is_proved: has(PROVED), is_confirmed: has(CONFIRMED), is_let_in: has(LET_IN) },
        })
    }

    /// The hash that binds a place to a name, whatever its case.
    pub fn bind_name(keyring: &Keyring, purpose: Purpose, name: &str) -> u64 {
        let table = match purpose {
            Purpose::Registration => "registration-name",
            Purpose::SignIn => "sign-in-name",
        };
        let [a, b, c, d, e, f, g, h, ..] = keyring.lookup_hash(table, &name.trim().to_lowercase());
        AccountId::from_bits(u64::from_le_bytes([a, b, c, d, e, f, g, h])).bits()
    }

    /// The hash that binds a place to a mail address; never 0.
    pub fn bind_contact(keyring: &Keyring, email: &str) -> u32 {
        let [a, b, c, d, ..] = keyring.lookup_hash("registration-contact", &email.trim().to_lowercase());
        u32::from_le_bytes([a, b, c, d]).max(1)
    }
}
