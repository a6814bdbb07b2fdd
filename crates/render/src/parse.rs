//! The Markdown parser with the house's options: CommonMark, and of GitHub's additions what answers use.

use comrak::{Arena, Options, nodes::Node, parse_document};
use std::sync::LazyLock;

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.cjk_friendly_emphasis = true;
    options
});

/// Parses prepared text.
pub(crate) fn parse<'a>(arena: &'a Arena<'a>, text: &str) -> Node<'a> {
    parse_document(arena, text, &OPTIONS)
}
