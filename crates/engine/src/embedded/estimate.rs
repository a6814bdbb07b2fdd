//! How many tokens a prompt takes at most, without tokenising: one pass over its bytes.
//!
//! What must stay true: prose, code and Chinese are not underestimated by the tokenizers we met (the tests hold SmolLM2's counts);
//! a text made to fool it costs its sender at most a refusal by the worker, which counts exactly.

/// Tokens of the template around one conversation: a default system prompt and the opening of the answer.
const TEMPLATE_TOKENS: u32 = 48;

/// Half tokens that a byte takes at most on average: letters come in runs of which two make a token at worst, a space joins the
/// word after it; a digit, a mark and a byte of a character beyond ASCII may each be a token of their own.
fn half_tokens(byte: u8) -> u32 {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b' ' => 1,
        _ => 2,
    }
}

/// At most `context_len`: more cannot be held. The JSON around the text counts for the template's own marks.
pub(super) fn tokens_at_most<'a>(texts: impl Iterator<Item = &'a str>, context_len: u32) -> u32 {
    let limit = context_len.saturating_mul(2);
    let mut halves = TEMPLATE_TOKENS.saturating_mul(2);
    for text in texts {
        for piece in text.as_bytes().chunks(1024) {
            halves = halves.saturating_add(piece.iter().map(|byte| half_tokens(*byte)).sum());
            if halves >= limit {
                return context_len;
            }
        }
    }
    halves.div_ceil(2).min(context_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_above_what_smollm2_counts() {
        // (messages, tokens as the worker counted them with the template)
        for (messages, counted) in [
            (r#"[{"role":"user","content":"What is the capital of France?"}]"#, 37),
            (r#"[{"role":"user","content":"请用中文写一首关于春天的短诗。"}]"#, 57),
        ] {
            let estimate = tokens_at_most(std::iter::once(messages), 8192);
            assert!(estimate >= counted && estimate < counted * 3, "{estimate} for {counted}");
        }
    }

    #[test]
    fn it_stops_at_the_context() {
        let text = "x".repeat(1 << 20);
        assert_eq!(tokens_at_most(std::iter::once(text.as_str()), 2048), 2048);
    }
}
