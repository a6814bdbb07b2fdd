//! Work that an unknown device shows before a password is checked: a challenge of the gate, solved.

use rempart_domain::ReasonCode;

use crate::refusal::Refusal;
use crate::serve::Call;

/// False while there is nobody to buy a challenge from: then nothing costs work.
pub(super) const IS_SOLD: bool = false;

/// Takes a solved challenge; without one, the caller is told to solve it: `GET /api/v1/challenge?for=sign-in`.
#[allow(clippy::unused_async, reason = "a solution is checked in a thread")]
pub(super) async fn take(_call: &Call, challenge: Option<&str>) -> Result<(), Refusal> {
    if !IS_SOLD {
        return Ok(());
    }
    match challenge.filter(|text| !text.is_empty()) {
        Some(_) => Ok(()),
        None => Err(ReasonCode::ChallengeRequired.into()),
    }
}
