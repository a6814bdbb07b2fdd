//! Caps on the parameters by which one cheap request becomes much work: each is a cost amplifier.

use rempart_domain::{Band, Posture, TokenCount};

/// The most of each amplifier that a band gets. What is above is lowered without an error, except `n`, which only may be 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Prompt tokens.
    pub input: TokenCount,
    /// `max_tokens`, and what is generated when it is not given.
    pub max_tokens: TokenCount,
    /// `n` and `best_of`: one answer a request.
    pub n: u8,
    /// Whether `logprobs` is honoured at all.
    pub has_logprobs: bool,
    /// `top_logprobs`.
    pub top_logprobs: u8,
    /// Stop strings.
    pub stops: u8,
}

/// The caps of a band on a quiet day.
pub const fn caps(band: Band) -> Caps {
    match band {
        Band::Trusted => with(u32::MAX, 32_768, true, 20),
        Band::Member => with(u32::MAX, 16_384, true, 5),
        Band::Newcomer => with(16_384, 2_048, false, 0),
        Band::Visitor => with(4_096, 512, false, 0),
        Band::Suspended => with(0, 0, false, 0),
    }
}

impl Caps {
    /// The same under a posture: strangers' are halved, then quartered; members' never change.
    #[must_use]
    pub const fn under(self, band: Band, posture: Posture) -> Self {
        let divisor = match (band, posture) {
            (Band::Trusted | Band::Member, _) | (_, Posture::Calm) => 1,
            (_, Posture::Guarded) => 2,
            (_, Posture::Siege | Posture::Fortress) => 4,
        };
        Self { input: TokenCount(self.input.0 / divisor), max_tokens: TokenCount(self.max_tokens.0 / divisor), ..self }
    }

    /// The answer a request may have: what the client asked, under the cap.
    pub fn output_cap(self, asked: Option<TokenCount>) -> TokenCount {
        asked.map_or(self.max_tokens, |asked| asked.min(self.max_tokens))
    }
}

const fn with(input: u32, max_tokens: u32, has_logprobs: bool, top_logprobs: u8) -> Caps {
    Caps { input: TokenCount(input), max_tokens: TokenCount(max_tokens), n: 1, has_logprobs, top_logprobs, stops: 16 }
}
