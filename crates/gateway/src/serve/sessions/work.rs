//! Work that an unknown device shows before a password is checked: a challenge of the gate, solved.

use rempart_domain::ReasonCode;
use rempart_identity::gate::Purpose;

use crate::refusal::Refusal;
use crate::serve::Call;
use crate::serve::gate::now;

/// Takes a solved challenge; without one, the caller is told to solve it: `GET /api/v1/challenge?for=sign-in`.
pub(super) async fn take(call: &Call, challenge: Option<&str>) -> Result<(), Refusal> {
    let text = challenge.filter(|text| !text.is_empty()).ok_or(ReasonCode::ChallengeRequired)?;
    let gateway = &call.gateway;
    gateway.gate.take_challenge(Purpose::SignIn, call.ctx.source, now(gateway), text).await
}
