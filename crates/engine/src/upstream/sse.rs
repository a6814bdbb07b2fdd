//! Server-sent events, read incrementally from bytes that may be cut anywhere.
//!
//! What must stay true: each line ending (LF, CRLF, CR, mixed) works; comments and unknown fields are skipped; several `data:` lines are
//! joined by LF; no line or event grows past [`EVENT_BYTES_MAX`]; after the first events nothing is allocated.

use crate::EngineError;

/// Longest line, and longest event, that an upstream may send.
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;

const TOO_LONG: EngineError = EngineError::Protocol("event is too long");

/// The reader of one stream.
#[derive(Debug, Default)]
pub(crate) struct Sse {
    /// The beginning of a line that is not complete yet.
    line: Vec<u8>,
    /// The `data` of the event so far.
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a CR that ended a line: a LF now belongs to it.
    is_after_cr: bool,
    /// The first line may begin with a byte order mark.
    is_begun: bool,
}

impl Sse {
    /// Takes the next bytes and hands over the data of each event they complete.
    ///
    /// # Errors
    /// `Protocol` when a bound is passed, or what `on_data` returns; the reader is of no use after that.
    pub(crate) fn feed<F>(&mut self, mut bytes: &[u8], on_data: &mut F) -> Result<(), EngineError>
    where
        F: FnMut(&[u8]) -> Result<(), EngineError>,
    {
        if self.is_after_cr && !bytes.is_empty() {
            self.is_after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = bytes.split_at(end);
            let is_cr = rest.starts_with(b"\r");
            let rest = rest.get(1..).unwrap_or_default();
            bytes = if is_cr { rest.strip_prefix(b"\n").unwrap_or(rest) } else { rest };
            self.is_after_cr = is_cr && rest.is_empty();
            if self.line.is_empty() {
                self.take_line(line, on_data)?;
            } else {
                self.keep(line)?;
                let whole = std::mem::take(&mut self.line);
                self.take_line(&whole, on_data)?;
                self.line = whole;
                self.line.clear();
            }
        }
        self.keep(bytes)
    }

    /// The upstream closed: an event without its blank line counts too (some servers leave it out).
    pub(crate) fn finish<F>(&mut self, on_data: &mut F) -> Result<(), EngineError>
    where
        F: FnMut(&[u8]) -> Result<(), EngineError>,
    {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line, on_data)?;
        }
        self.take_line(b"", on_data)
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), EngineError> {
        if self.line.len().saturating_add(part.len()) > EVENT_BYTES_MAX {
            return Err(TOO_LONG);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn take_line<F>(&mut self, line: &[u8], on_data: &mut F) -> Result<(), EngineError>
    where
        F: FnMut(&[u8]) -> Result<(), EngineError>,
    {
        let line = if self.is_begun { line } else { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) };
        self.is_begun = true;
        if line.is_empty() {
            if self.has_data {
                self.has_data = false;
                let result = on_data(&self.data);
                self.data.clear();
                return result;
            }
            return Ok(());
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            _ => return Ok(()),
        };
        if self.data.len().saturating_add(value.len()) >= EVENT_BYTES_MAX {
            return Err(TOO_LONG);
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
        Ok(())
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
