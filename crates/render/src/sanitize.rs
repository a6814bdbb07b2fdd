//! The last step: whatever the writer wrote, only what stands in these lists leaves.
//!
//! What must stay true: closed lists, for elements, attributes, classes and schemes. The writer never passes raw HTML on, so in
//! ordinary times this changes nothing; it is the wall behind the wall.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

use crate::code;
use crate::text::linkable;

/// Elements that an answer may hold; `math` and what stands in it are MathML.
pub(crate) const ELEMENTS: [&str; 45] = [
    "p",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "blockquote",
    "pre",
    "code",
    "div",
    "span",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "hr",
    "br",
    "em",
    "strong",
    "del",
    "a",
    "math",
    "mrow",
    "mi",
    "mo",
    "mn",
    "mtext",
    "mspace",
    "msub",
    "msup",
    "msubsup",
    "munder",
    "mover",
    "munderover",
    "mfrac",
    "msqrt",
    "mroot",
    "mtable",
    "mtr",
    "mtd",
    "mpadded",
];

/// Attributes of MathML that need no look at their value: numbers, lengths and words of a closed set.
const MATH_ATTRIBUTES: [(&str, &[&str]); 12] = [
    ("math", &["display"]),
    ("mi", &["mathvariant"]),
    (
        "mo",
        &[
            "stretchy",
            "symmetric",
            "lspace",
            "rspace",
            "minsize",
            "maxsize",
            "movablelimits",
            "form",
            "fence",
            "separator",
            "accent",
        ],
    ),
    ("mspace", &["width", "height", "depth"]),
    ("mpadded", &["width", "height", "depth", "voffset", "lspace"]),
    ("mfrac", &["linethickness", "displaystyle", "scriptlevel"]),
    ("mrow", &["displaystyle", "scriptlevel"]),
    ("mover", &["accent", "displaystyle", "scriptlevel"]),
    ("munder", &["accentunder", "displaystyle", "scriptlevel"]),
    ("munderover", &["accent", "accentunder", "displaystyle", "scriptlevel"]),
    ("mtable", &["displaystyle", "scriptlevel"]),
    ("mtd", &["columnspan", "rowspan"]),
];

/// What else an element may carry.
const ATTRIBUTES: [(&str, &[&str]); 4] = [
    ("a", &["href", "target"]),
    ("ol", &["start"]),
    ("div", &["data-code", "data-lang", "tabindex"]),
    ("pre", &["tabindex"]),
];

/// Elements that a stream may mark as the place where the next piece goes.
const TAILS: [&str; 16] =
    ["p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "code", "div", "span", "tbody", "tr", "th", "td"];

/// Classes that `pulldown-latex` gives to tables and signs; the style sheet knows them.
const MATH_CLASSES: [&str; 21] = [
    "menv-alignlike",
    "menv-align",
    "menv-with-eqn",
    "menv-arraylike",
    "menv-cells-left",
    "menv-cells-right",
    "menv-cases",
    "menv-multline",
    "menv-matrix",
    "menv-nonumber",
    "menv-left-solid",
    "menv-right-solid",
    "menv-left-dashed",
    "menv-right-dashed",
    "menv-border-only",
    "menv-hline",
    "menv-hdashline",
    "cell-left",
    "cell-right",
    "small",
    "mop-negated",
];

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    let mut attributes: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (element, names) in ATTRIBUTES.iter().chain(&MATH_ATTRIBUTES) {
        attributes.entry(element).or_default().extend(names.iter());
    }
    for element in TAILS {
        attributes.entry(element).or_default().extend(["data-tail", "data-block"]);
    }
    let mut classes: HashMap<&str, HashSet<&str>> = HashMap::new();
    classes.insert("span", code::CLASSES.into_iter().chain(["task", "math", "lang"]).collect());
    classes.insert("code", HashSet::from(["math"]));
    classes.insert("div", HashSet::from(["code", "table"]));
    classes.insert("p", HashSet::from(["raw"]));
    for cell in ["th", "td"] {
        classes.insert(cell, HashSet::from(["l", "c", "r"]));
    }
    for element in ["mtable", "mtr", "mtd", "mo", "mi"] {
        classes.insert(element, MATH_CLASSES.into_iter().collect());
    }
    builder
        .tags(ELEMENTS.into_iter().collect())
        .tag_attributes(attributes)
        .allowed_classes(classes)
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow ugc"))
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            ("a", "href") => linkable(value).map(Into::into),
            ("a", "target") => (value == "_blank").then(|| value.into()),
            (_, "tabindex") => (value == "0").then(|| value.into()),
            (_, "data-tail" | "data-code") => value.is_empty().then(|| value.into()),
            (_, "data-block" | "start") => value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.into()),
            (_, "data-lang") => is_language(value).then(|| value.into()),
            _ => is_plain(value).then(|| value.into()),
        });
    builder
});

/// Lets through what stands in the lists, and nothing else.
pub(crate) fn sanitize(html: &str) -> String {
    SANITIZER.clean(&in_short_runs(html)).to_string()
}

/// Text between two tags is written in squares of its `&`s (html5ever looks for the next tag at each of them), so a long run is parted
/// by comments, which do not come out again.
fn in_short_runs(html: &str) -> Cow<'_, str> {
    if html.len() <= RUN_BYTES_MAX {
        return Cow::Borrowed(html);
    }
    let mut out = String::with_capacity(html.len() + html.len() / 256);
    let mut run_at = 0;
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (text, from) = rest.split_at(at);
        out.push_str(text);
        let len = if from.starts_with('<') { from.find('>').map_or(from.len(), |end| end + 1) } else { 1 };
        if from.starts_with('&') && out.len() - run_at > RUN_BYTES_MAX {
            out.push_str("<!---->");
            run_at = out.len();
        }
        let (sign, after) = from.split_at(len);
        out.push_str(sign);
        if len > 1 {
            run_at = out.len();
        }
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The longest run of text that is written in one piece.
const RUN_BYTES_MAX: usize = 4_096;

/// The same for what goes into a block of a stream; cells of a row are looked at where they will stand.
pub(crate) fn sanitize_block(html: &str) -> String {
    if !html.starts_with("<td") {
        return sanitize(html);
    }
    let whole = sanitize(&format!("{ROW_HEAD}{html}{ROW_FOOT}"));
    let cells = whole.strip_prefix(ROW_HEAD).and_then(|rest| rest.strip_suffix(ROW_FOOT));
    cells.map_or_else(String::new, str::to_owned)
}

const ROW_HEAD: &str = "<table><tbody><tr>";
const ROW_FOOT: &str = "</tr></tbody></table>";

/// Whether this may be shown as the name of a language.
pub(crate) fn is_language(name: &str) -> bool {
    (1..=24).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'#' | b'-' | b'.' | b'_'))
}

/// Words and lengths, as classes and MathML's attributes have them.
fn is_plain(value: &str) -> bool {
    value.len() <= 96
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b' ' | b'%'))
}
