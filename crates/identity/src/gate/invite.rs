//! Invitations: a sealed ticket that says who invites, known for ours without a look-up; the store knows whether it was used.
//!
//! What must stay true: an invented invitation costs a MAC; one of an operator's opens a closed gate, a member's does not.

use rempart_domain::{AccountId, Day, Provenance, Role, SessionId, Standing, UnixSeconds};

use crate::{Keyring, TicketError, TicketFields, TicketFlags, TicketKind};

/// What an invitation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InviteFields {
    /// Its number in the store.
    pub id: u64,
    /// Who invites; `None` for the command line.
    pub inviter: Option<AccountId>,
    /// By an operator: good at a closed gate too.
    pub is_operators: bool,
    /// Until when.
    pub expires: UnixSeconds,
}

/// Seals an invitation.
pub fn seal_invite(keyring: &Keyring, invite: &InviteFields, now: UnixSeconds) -> String {
    keyring.seal_ticket(&TicketFields {
        kind: TicketKind::Invite,
        standing: Standing::Visitor,
        account: invite.inviter.unwrap_or(AccountId::from_bits(0)),
        session: SessionId::from_bits(invite.id),
        issued: now,
        expires: invite.expires,
        account_epoch: 0,
        global_epoch: 0,
        created_day: Day(0),
        flags: TicketFlags::of_role(if invite.is_operators { Role::Operator } else { Role::None }),
        provenance: Provenance::default(),
    })
}

/// Opens one.
pub fn open_invite(keyring: &Keyring, text: &str, now: UnixSeconds) -> Result<InviteFields, TicketError> {
    let ticket = keyring.open_ticket(TicketKind::Invite, text, now)?;
    Ok(InviteFields {
        id: ticket.session.bits(),
        inviter: Some(ticket.account).filter(|account| account.bits() != 0),
        is_operators: ticket.flags.role() == Role::Operator,
        expires: ticket.expires,
    })
}
