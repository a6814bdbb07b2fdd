//! Work that an unknown device shows before a password is checked or a link is mailed: a challenge of the gate, solved; or a turn in the line,
//! for a browser that cannot solve one.

use rempart_domain::ReasonCode;
use rempart_identity::gate::{Purpose, TryEnd};

use super::line;
use crate::gate::Turn;
use crate::refusal::Refusal;
use crate::serve::Call;
use crate::serve::gate::now;

/// What somebody shows instead of being known; empty texts are none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work<'a> {
    /// A solved challenge.
    pub challenge: &'a str,
    /// A place in the line.
    pub ticket: &'a str,
}

/// Work that was taken.
pub(crate) enum Paid {
    /// A challenge: spent, whatever comes of it.
    Challenge,
    /// A turn: good for another try until it has served its purpose.
    Turn(Turn),
}

impl Paid {
    /// It served its purpose.
    pub(super) const fn is_used(&mut self) {
        if let Self::Turn(turn) = self {
            turn.end_as(TryEnd::Made);
        }
    }
}

/// Takes it; without any, the caller is told to solve a challenge: `GET /api/v1/challenge?for=sign-in`. `who` is what was typed.
pub(super) async fn take(call: &Call, who: &str, shown: Work<'_>) -> Result<Paid, Refusal> {
    if !shown.ticket.is_empty() {
        return line::begin(call, who, shown.ticket).map(Paid::Turn);
    }
    if shown.challenge.is_empty() {
        return Err(ReasonCode::ChallengeRequired.into());
    }
    let gateway = &call.gateway;
    gateway.gate.take_challenge(Purpose::SignIn, call.ctx.source, now(gateway), shown.challenge).await?;
    Ok(Paid::Challenge)
}
