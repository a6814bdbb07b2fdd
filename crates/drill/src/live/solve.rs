//! Solves what the registration gate asks (ALTCHA v2), as a browser's widget would.

use altcha::{Challenge, Payload, SolveChallengeOptions, solve_challenge};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The widget's payload for a challenge's JSON; `None` if it is none, or none that can be solved in reasonable time.
pub fn solve(challenge: &[u8]) -> Option<String> {
    let challenge: Challenge = serde_json::from_slice(challenge).ok()?;
    let solution = solve_challenge(SolveChallengeOptions::new(&challenge)).ok()??;
    let payload = Payload { challenge, solution };
    serde_json::to_vec(&payload).ok().map(|json| STANDARD.encode(json))
}
