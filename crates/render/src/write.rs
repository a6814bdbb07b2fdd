//! From the tree of a text to HTML: every element is written here, so nothing that a text says can become one.
//!
//! What must stay true: no recursion, whatever the nesting; raw HTML is text; an address is linked or not written at all; an image
//! is never loaded, it is a link that bears its description. What is written is then sanitised, and comes out as it went in.

use comrak::arena_tree::NodeEdge;
use comrak::nodes::{ListType, Node, NodeCodeBlock, NodeLink, NodeValue, TableAlignment};

use crate::Colours;
use crate::code::Highlighter;
use crate::limits::DEPTH_MAX;
use crate::math::mathml;
use crate::sanitize::is_language;
use crate::source::{Piece, Prepared, pieces};
use crate::text::{CUT, is_cjk, linkable, push_escaped};

/// Where the open leaf of a streamed block ends: what comes next goes there.
#[derive(Debug, Default)]
pub(crate) struct Tail<'a> {
    /// The node whose element is marked.
    pub(crate) leaf: Option<Node<'a>>,
    /// Where in the output its element is about to be closed.
    pub(crate) at: Option<usize>,
}

/// Code that was coloured before: a stream asks for the same block again and again.
pub(crate) trait CodeStore {
    /// Writes the code of the `number`th block of this text.
    fn push_code(&mut self, number: usize, language: &str, code: &str, out: &mut String);
}

/// Colours each block once, for a text that is written once, as long as there is colour.
pub(crate) struct Once<'a>(pub(crate) &'a mut Colours);

impl CodeStore for Once<'_> {
    fn push_code(&mut self, _number: usize, language: &str, code: &str, out: &mut String) {
        let mut highlighter = Highlighter::new(if self.0.take(code.len()) { language } else { "" });
        for line in code.split_inclusive('\n') {
            highlighter.push_line(line, out);
        }
    }
}

/// Writes nodes of one tree.
pub(crate) struct Writer<'a, 'p> {
    pub(crate) out: String,
    pub(crate) tail: Tail<'a>,
    prepared: &'p Prepared,
    code: &'p mut dyn CodeStore,
    code_blocks: usize,
    /// Elements open now, and for each whether it was written.
    open: Vec<bool>,
    /// The last sign of text, to join Chinese lines without a space.
    last: char,
    soft_break: bool,
}

impl<'a, 'p> Writer<'a, 'p> {
    pub(crate) fn new(prepared: &'p Prepared, code: &'p mut dyn CodeStore) -> Self {
        Self {
            out: String::new(),
            tail: Tail::default(),
            prepared,
            code,
            code_blocks: 0,
            open: Vec::new(),
            last: ' ',
            soft_break: false,
        }
    }

    /// Writes a node and all below it.
    pub(crate) fn write(&mut self, root: Node<'a>) {
        let mut skipped: Option<Node<'a>> = None;
        for edge in root.traverse() {
            match edge {
                NodeEdge::Start(node) if skipped.is_none() => {
                    if !self.enter(node) {
                        skipped = Some(node);
                    }
                }
                NodeEdge::End(node) => match skipped {
                    Some(whole) if std::ptr::eq(whole, node) => skipped = None,
                    Some(_) => {}
                    None => self.leave(node),
                },
                NodeEdge::Start(_) => {}
            }
        }
    }

    /// Writes what stands in a node, into an element that is there already.
    pub(crate) fn write_inner(&mut self, node: Node<'a>) {
        if let NodeValue::TaskItem(task) = &node.data().value {
            self.push_task(task.symbol.is_some());
        }
        for child in node.children() {
            self.write(child);
        }
    }

    /// Writes what opens a node; false if all of it was written.
    fn enter(&mut self, node: Node<'a>) -> bool {
        let data = node.data();
        match &data.value {
            NodeValue::Text(text) => self.push_text(text),
            NodeValue::SoftBreak => self.soft_break = true,
            NodeValue::LineBreak => self.push_break(),
            NodeValue::Code(code) => {
                self.flush_break('x');
                let literal = self.prepared.restored(&code.literal);
                self.out.push_str("<code>");
                push_escaped(&literal, &mut self.out);
                self.out.push_str("</code>");
            }
            NodeValue::HtmlInline(html) => self.push_inline_html(html),
            NodeValue::HtmlBlock(block) => {
                let literal = self.prepared.restored(&block.literal);
                let is_tail = self.tail.leaf.is_some_and(|leaf| std::ptr::eq(leaf, node));
                self.out.push_str(if is_tail { "<p class=\"raw\" data-tail=\"\">" } else { "<p class=\"raw\">" });
                push_escaped(literal.trim_start_matches(CUT).trim_end(), &mut self.out);
                if is_tail {
                    self.tail.at = Some(self.out.len());
                }
                self.out.push_str("</p>");
            }
            NodeValue::CodeBlock(block) => self.push_code_block(node, block),
            NodeValue::ThematicBreak => self.out.push_str("<hr>"),
            NodeValue::Image(image) => {
                self.push_image(node, image);
                return false;
            }
            NodeValue::Document => self.open.push(false),
            _ => {
                self.open_element(node, &data.value);
            }
        }
        !matches!(data.value, NodeValue::CodeBlock(_) | NodeValue::HtmlBlock(_))
    }

    fn leave(&mut self, node: Node<'a>) {
        if is_leaf(&node.data().value) {
            return;
        }
        self.soft_break = false;
        if self.tail.leaf.is_some_and(|leaf| std::ptr::eq(leaf, node)) {
            self.tail.at = Some(self.out.len());
        }
        if self.open.pop() == Some(true) {
            let closing = closing_tag(node);
            self.out.push_str(closing);
        }
        if node.data().value.block() {
            self.last = ' ';
        }
    }

    fn open_element(&mut self, node: Node<'a>, value: &NodeValue) {
        let is_shown = self.open.len() < DEPTH_MAX && self.has_element(node, value);
        if value.block() {
            self.soft_break = false;
            if self.open.len() >= DEPTH_MAX {
                self.out.push('\n');
            }
        } else {
            self.flush_break(first_sign(node));
        }
        self.open.push(is_shown);
        if is_shown {
            self.push_opening_tag(node, value);
        }
        if let NodeValue::TaskItem(task) = value {
            self.push_task(task.symbol.is_some());
        }
    }

    /// A tight list's paragraphs have no element of their own; an address that may not be linked has none either.
    fn has_element(&self, node: Node<'a>, value: &NodeValue) -> bool {
        match value {
            NodeValue::Paragraph => !is_tight(node) || self.tail.leaf.is_some_and(|leaf| std::ptr::eq(leaf, node)),
            NodeValue::Link(link) => linkable(&self.prepared.restored(&link.url)).is_some(),
            _ => true,
        }
    }

    fn push_opening_tag(&mut self, node: Node<'a>, value: &NodeValue) {
        let tag = tag_of(node, value);
        self.out.push('<');
        self.out.push_str(tag);
        match value {
            NodeValue::List(list) if list.list_type == ListType::Ordered && list.start != 1 => {
                self.out.push_str(&format!(" start=\"{}\"", list.start));
            }
            NodeValue::Link(link) => self.push_link_attributes(link),
            NodeValue::TableCell => self.out.push_str(alignment_of(node)),
            _ => {}
        }
        if self.tail.leaf.is_some_and(|leaf| std::ptr::eq(leaf, node)) {
            self.out.push_str(" data-tail=\"\"");
        }
        self.out.push('>');
        if matches!(value, NodeValue::Table(_)) {
            let from = self.out.len() - "<table>".len();
            self.out.insert_str(from, "<div class=\"table\" tabindex=\"0\">");
        }
        if matches!(value, NodeValue::TableRow(true)) {
            let from = self.out.len() - "<tr>".len();
            self.out.insert_str(from, "<thead>");
        }
    }

    fn push_link_attributes(&mut self, link: &NodeLink) {
        let url = self.prepared.restored(&link.url);
        if let Some(url) = linkable(&url) {
            self.out.push_str(" href=\"");
            push_escaped(url, &mut self.out);
            self.out.push_str("\" target=\"_blank\"");
        }
    }

    fn push_image(&mut self, node: Node<'a>, image: &NodeLink) {
        self.flush_break(' ');
        let mut words = String::new();
        for inner in node.descendants().skip(1) {
            match &inner.data().value {
                NodeValue::Text(text) => words.push_str(text),
                NodeValue::Code(code) => words.push_str(&code.literal),
                NodeValue::SoftBreak | NodeValue::LineBreak => words.push(' '),
                _ => {}
            }
        }
        let words = self.prepared.restored(&words);
        let url = self.prepared.restored(&image.url);
        let Some(url) = linkable(&url) else {
            push_escaped(&words, &mut self.out);
            return;
        };
        self.out.push_str("<a href=\"");
        push_escaped(url, &mut self.out);
        self.out.push_str("\" target=\"_blank\">");
        push_escaped(if words.trim().is_empty() { url } else { &words }, &mut self.out);
        self.out.push_str("</a>");
    }

    /// A line break is the only element of raw HTML that is understood: cells of tables know no other.
    fn push_inline_html(&mut self, html: &str) {
        let html = self.prepared.restored(html);
        let is_break = html.len() <= 6
            && html.trim_start_matches('<').get(..2).is_some_and(|tag| tag.eq_ignore_ascii_case("br"))
            && html.get(3..).is_some_and(|rest| rest.trim_end_matches('>').trim().trim_end_matches('/').is_empty());
        if is_break {
            self.push_break();
        } else {
            self.flush_break('<');
            push_escaped(&html, &mut self.out);
            self.last = '>';
        }
    }

    fn push_text(&mut self, text: &str) {
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => {
                    let text = text.trim_start_matches(CUT);
                    let Some(first) = text.chars().next() else { continue };
                    self.flush_break(first);
                    push_escaped(text, &mut self.out);
                    self.last = text.chars().next_back().unwrap_or(' ');
                }
                Piece::Formula(number) => {
                    self.flush_break('x');
                    self.push_formula(number);
                    self.last = 'x';
                }
            }
        }
    }

    fn push_formula(&mut self, number: usize) {
        let Some(formula) = self.prepared.formulas.get(number) else { return };
        match mathml(&formula.tex, formula.is_display) {
            Some(set) if formula.is_display => {
                self.out.push_str("<span class=\"math\">");
                self.out.push_str(&set);
                self.out.push_str("</span>");
            }
            Some(set) => self.out.push_str(&set),
            None => {
                self.out.push_str("<code class=\"math\">");
                push_escaped(&formula.source, &mut self.out);
                self.out.push_str("</code>");
            }
        }
    }

    fn push_code_block(&mut self, node: Node<'a>, block: &NodeCodeBlock) {
        let info = self.prepared.restored(&block.info);
        let language = language_of(&info);
        let literal = self.prepared.restored(&block.literal);
        let code = literal.trim_start_matches(CUT);
        push_code_head(language, &mut self.out);
        let is_tail = self.tail.leaf.is_some_and(|leaf| std::ptr::eq(leaf, node));
        if is_tail {
            self.out.push_str("<span data-tail=\"\">");
        }
        self.code.push_code(self.code_blocks, language, code, &mut self.out);
        self.code_blocks += 1;
        if is_tail {
            self.tail.at = Some(self.out.len());
            self.out.push_str("</span>");
        }
        self.out.push_str(CODE_FOOT);
    }

    fn push_task(&mut self, is_done: bool) {
        self.out.push_str("<span class=\"task\">");
        self.out.push(if is_done { '\u{2611}' } else { '\u{2610}' });
        self.out.push_str("</span> ");
    }

    fn push_break(&mut self) {
        self.soft_break = false;
        self.out.push_str("<br>");
        self.last = ' ';
    }

    /// Writes the line feed of a soft break, unless it would put a space between two Chinese signs.
    fn flush_break(&mut self, next: char) {
        if std::mem::take(&mut self.soft_break) && !(is_cjk(self.last) && is_cjk(next)) {
            self.out.push('\n');
        }
    }
}

/// What closes a block of code.
pub(crate) const CODE_FOOT: &str = "</code></pre></div>";

/// What opens a block of code.
pub(crate) fn push_code_head(language: &str, out: &mut String) {
    out.push_str("<div class=\"code\" data-code=\"\"");
    if is_language(language) {
        out.push_str(" data-lang=\"");
        push_escaped(language, out);
        out.push('"');
    }
    out.push_str("><pre tabindex=\"0\"><code>");
}

/// The first word of what follows a fence.
pub(crate) fn language_of(info: &str) -> &str {
    info.split([' ', '\t', ',', '{', '(', ':']).next().unwrap_or_default()
}

fn is_leaf(value: &NodeValue) -> bool {
    matches!(
        value,
        NodeValue::Text(_)
            | NodeValue::SoftBreak
            | NodeValue::LineBreak
            | NodeValue::Code(_)
            | NodeValue::HtmlInline(_)
            | NodeValue::HtmlBlock(_)
            | NodeValue::CodeBlock(_)
            | NodeValue::ThematicBreak
    )
}

/// Whether this paragraph stands in a tight list.
pub(crate) fn is_tight(paragraph: Node<'_>) -> bool {
    let item = paragraph.parent();
    item.is_some_and(|item| matches!(item.data().value, NodeValue::Item(_) | NodeValue::TaskItem(_)))
        && item
            .and_then(|item| item.parent())
            .is_some_and(|list| matches!(&list.data().value, NodeValue::List(list) if list.tight))
}

/// The element of a node.
pub(crate) fn tag_of(node: Node<'_>, value: &NodeValue) -> &'static str {
    match value {
        NodeValue::BlockQuote => "blockquote",
        NodeValue::List(list) if list.list_type == ListType::Ordered => "ol",
        NodeValue::List(_) => "ul",
        NodeValue::Item(_) | NodeValue::TaskItem(_) => "li",
        // In a tight list only the end of a stream is marked, and needs an element for it.
        NodeValue::Paragraph if is_tight(node) => "span",
        NodeValue::Paragraph => "p",
        // The page has one heading of its own, and each message may have one.
        NodeValue::Heading(heading) => match heading.level {
            0 | 1 => "h3",
            2 => "h4",
            3 => "h5",
            _ => "h6",
        },
        NodeValue::Table(_) => "table",
        NodeValue::TableRow(_) => "tr",
        NodeValue::TableCell => match node.parent().map(|row| matches!(row.data().value, NodeValue::TableRow(true))) {
            Some(true) => "th",
            _ => "td",
        },
        NodeValue::Emph => "em",
        NodeValue::Strong => "strong",
        NodeValue::Strikethrough => "del",
        NodeValue::Link(_) => "a",
        _ => "span",
    }
}

/// What closes the element of a node.
pub(crate) fn closing_tag(node: Node<'_>) -> &'static str {
    let data = node.data();
    match &data.value {
        NodeValue::Table(_) if node.children().nth(1).is_some() => "</tbody></table></div>",
        NodeValue::Table(_) => "</table></div>",
        NodeValue::TableRow(true) if node.next_sibling().is_some() => "</tr></thead><tbody>",
        NodeValue::TableRow(true) => "</tr></thead>",
        value => match tag_of(node, value) {
            "blockquote" => "</blockquote>",
            "ol" => "</ol>",
            "ul" => "</ul>",
            "li" => "</li>",
            "p" => "</p>",
            "h3" => "</h3>",
            "h4" => "</h4>",
            "h5" => "</h5>",
            "h6" => "</h6>",
            "tr" => "</tr>",
            "th" => "</th>",
            "td" => "</td>",
            "em" => "</em>",
            "strong" => "</strong>",
            "del" => "</del>",
            "a" => "</a>",
            _ => "</span>",
        },
    }
}

/// The first sign of text in a node.
fn first_sign(node: Node<'_>) -> char {
    node.descendants()
        .take(DEPTH_MAX)
        .find_map(|inner| match &inner.data().value {
            NodeValue::Text(text) => text.chars().next(),
            NodeValue::Code(_) => Some('x'),
            _ => None,
        })
        .unwrap_or(' ')
}

fn alignment_of(cell: Node<'_>) -> &'static str {
    let column = std::iter::successors(cell.previous_sibling(), |cell| cell.previous_sibling()).count();
    let table = cell.parent().and_then(|row| row.parent());
    let alignment = table.and_then(|table| match &table.data().value {
        NodeValue::Table(table) => table.alignments.get(column).copied(),
        _ => None,
    });
    match alignment {
        Some(TableAlignment::Left) => " class=\"l\"",
        Some(TableAlignment::Center) => " class=\"c\"",
        Some(TableAlignment::Right) => " class=\"r\"",
        _ => "",
    }
}
