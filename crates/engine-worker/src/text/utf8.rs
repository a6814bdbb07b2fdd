//! Puts characters together whose bytes come in several tokens.
//!
//! What must stay true: what is given out is whole characters, in order, and nothing is given twice; bytes that no character can begin
//! or go on with become U+FFFD, as the standard library's lossy reading has it.

/// Holds the bytes of a character that is not whole yet: never more than three.
#[derive(Debug, Default)]
pub(crate) struct Utf8Decoder {
    held: Vec<u8>,
}

impl Utf8Decoder {
    /// Appends to `out` all characters that `bytes` completes.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut String) {
        if self.held.is_empty() {
            if let Ok(text) = std::str::from_utf8(bytes) {
                out.push_str(text);
                return;
            }
        }
        self.held.extend_from_slice(bytes);
        let mut taken = 0;
        for chunk in self.held.utf8_chunks() {
            out.push_str(chunk.valid());
            taken += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            if taken + invalid.len() == self.held.len() && may_go_on(invalid) {
                break;
            }
            out.push(char::REPLACEMENT_CHARACTER);
            taken += invalid.len();
        }
        self.held.drain(..taken);
    }
}

/// Whether more bytes could still make a character of these.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_character_comes_when_its_last_byte_comes() {
        let mut decoder = Utf8Decoder::default();
        let mut out = String::new();
        let seen: Vec<String> = "a春😀"
            .bytes()
            .map(|byte| {
                decoder.push(&[byte], &mut out);
                std::mem::take(&mut out)
            })
            .collect();
        assert_eq!(seen, ["a", "", "", "春", "", "", "", "😀"]);
    }

    proptest! {
        #[test]
        fn any_text_cut_anywhere_arrives_unchanged(text in "\\PC{0,40}", cuts in proptest::collection::vec(1_usize..5, 0..80)) {
            let (mut decoder, mut out) = (Utf8Decoder::default(), String::new());
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                decoder.push(head, &mut out);
                rest = tail;
            }
            decoder.push(rest, &mut out);
            prop_assert_eq!(out, text);
        }

        #[test]
        fn any_bytes_read_as_the_standard_library_reads_them(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in 1_usize..9) {
            let (mut decoder, mut out) = (Utf8Decoder::default(), String::new());
            for piece in bytes.chunks(cut) {
                decoder.push(piece, &mut out);
            }
            let lossy = String::from_utf8_lossy(&bytes);
            let whole = if decoder.held.is_empty() { lossy.as_ref() } else { lossy.strip_suffix('\u{fffd}').unwrap_or(&lossy) };
            prop_assert_eq!(out, whole);
            prop_assert!(decoder.held.len() <= 3);
        }
    }
}
