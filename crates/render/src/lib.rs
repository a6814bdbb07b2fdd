//! An answer's Markdown, code and formulas to HTML that is safe to show: whole ([`render`]) or while it streams ([`Incremental`]).
//!
//! What must stay true: what a text says never becomes an element, an attribute or a style that is not on our lists; no script, no
//! image, no address but of the web and mail; time and memory stay in proportion to the text, whatever it is (`limits`); no HTTP,
//! no I/O, no clock. What a stream shows in the end is what the whole text gives; [`Incremental`] says where not.

mod code;
mod guard;
mod limits;
mod math;
mod parse;
mod sanitize;
mod source;
mod stream;
mod text;
mod write;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use code::warm;
pub use limits::SOURCE_BYTES_MAX;
pub use stream::{Incremental, Patch};

use comrak::Arena;

/// Code that may still be coloured, in bytes of source: colours are the dearest part of an answer, up to 13 µs a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours {
    bytes_left: usize,
    is_short: bool,
}

impl Colours {
    /// Enough for `bytes` of code.
    pub const fn new(bytes: usize) -> Self {
        Self { bytes_left: bytes, is_short: false }
    }

    /// True once a block was left without colours.
    pub const fn is_short(&self) -> bool {
        self.is_short
    }

    /// True where a block of this length is coloured; one that does not fit leaves what there is to shorter ones.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(self.bytes_left);
        self.is_short |= left.is_none();
        left.is_some()
    }
}

impl Default for Colours {
    /// For one text.
    fn default() -> Self {
        Self::new(limits::CODE_BYTES_MAX)
    }
}

/// Markdown to HTML, sanitised: for a message that is complete.
pub fn render(markdown: &str) -> String {
    render_with(markdown, &mut Colours::default())
}

/// As [`render`], for one of several texts on a page, which share their colours: code for which none is left is shown without.
pub fn render_with(markdown: &str, colours: &mut Colours) -> String {
    let text = text::defused(markdown);
    if text.len() > limits::SOURCE_BYTES_MAX {
        return plain(&text);
    }
    let before = *colours;
    let html = guard::unharmed(|| {
        let mut spent = before;
        let html = rendered(&text, &mut spent);
        (html, spent)
    });
    let Some((html, spent)) = html else { return plain(&text) };
    *colours = spent;
    html
}

fn rendered(text: &str, colours: &mut Colours) -> String {
    let prepared = source::prepare(text);
    let arena = Arena::new();
    let document = parse::parse(&arena, &prepared.text);
    let mut code = write::Once(colours);
    let mut writer = write::Writer::new(&prepared, &mut code);
    writer.write(document);
    sanitize::sanitize(&writer.out)
}

/// Text as it stands, for what is too long or breaks a library.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::from("<p class=\"raw\">");
    text::push_escaped(text, &mut out);
    out.push_str("</p>");
    sanitize::sanitize(&out)
}
