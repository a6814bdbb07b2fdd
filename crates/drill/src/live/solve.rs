//! Solves what the registration gate asks, as a browser's widget would.

/// The payload for a challenge's JSON; `None` if it is none that can be solved here.
pub(super) fn solve(challenge: &[u8]) -> Option<String> {
    let _challenge: serde_json::Value = serde_json::from_slice(challenge).ok()?;
    None
}
