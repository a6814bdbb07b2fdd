//! An answer's Markdown, code and formulas to HTML that is safe to show: whole ([`render`]) or while it streams ([`Incremental`]).
//!
//! What must stay true: what a text says never becomes an element, an attribute or a style that is not on our lists; no script, no
//! image, no address but of the web and mail; time and memory stay in proportion to the text, whatever it is (`limits`); no HTTP,
//! no I/O, no clock. What a stream shows in the end is what the whole text gives; [`Incremental`] says where not.

mod code;
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
    if markdown.len() > limits::SOURCE_BYTES_MAX {
        let mut out = String::from("<p class=\"raw\">");
        text::push_escaped(&text::defused(markdown), &mut out);
        out.push_str("</p>");
        return sanitize::sanitize(&out);
    }
    let prepared = source::prepare(&text::defused(markdown));
    let arena = Arena::new();
    let document = parse::parse(&arena, &prepared.text);
    let mut code = write::Once;
    let mut writer = write::Writer::new(&prepared, &mut code);
    writer.write(document);
    sanitize::sanitize(&writer.out)
}
