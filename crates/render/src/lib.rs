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

/// Markdown to HTML, sanitised: for a message that is complete, a shared page, an export.
pub fn render(markdown: &str) -> String {
    let text = text::defused(markdown);
    if text.len() > limits::SOURCE_BYTES_MAX {
        return plain(&text);
    }
    guard::unharmed(|| rendered(&text)).unwrap_or_else(|| plain(&text))
}

fn rendered(text: &str) -> String {
    let prepared = source::prepare(text);
    let arena = Arena::new();
    let document = parse::parse(&arena, &prepared.text);
    let mut code = write::Once;
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
