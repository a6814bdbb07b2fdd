//! Containers that a stream has split: what is closed in them is no longer in the open text, so each is opened anew, by a few
//! synthetic signs, for the parser. That way the parser alone decides what belongs to what.

use comrak::nodes::{ListType, Node, NodeList, NodeValue, TableAlignment};

use crate::code::Highlighter;
use crate::text::CUT;

/// What was split.
#[derive(Debug)]
pub(super) enum Kind {
    Quote,
    /// Tight or loose stays as it was when the list was split.
    List {
        is_tight: bool,
    },
    Item,
    Table,
    /// A paragraph or a heading.
    Leaf,
    Code(Box<CodeTail>),
}

/// A block of code that is streamed line by line.
#[derive(Debug)]
pub(super) struct CodeTail {
    pub(super) highlighter: Highlighter,
    /// The block that shows the line being written.
    pub(super) line: u32,
    /// Whether the line being written was too long, and is passed on plain.
    pub(super) is_plain_line: bool,
}

/// A container that is open, with its block.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// The block that holds the container.
    pub(super) block: u32,
    /// What opens it in Markdown.
    head: String,
    /// What each further line in it begins with.
    indent: String,
}

impl Frame {
    pub(super) fn new(kind: Kind, block: u32, node: Node<'_>) -> Self {
        let (head, indent) = match &node.data().value {
            NodeValue::BlockQuote => ("> ".to_owned(), "> ".to_owned()),
            NodeValue::Item(list) => item_head(list),
            NodeValue::TaskItem(_) => match node.parent().map(|list| list.data().value.clone()) {
                Some(NodeValue::List(list)) => item_head(&list),
                _ => ("- ".to_owned(), "  ".to_owned()),
            },
            NodeValue::Table(table) => (table_head(&table.alignments), String::new()),
            NodeValue::Heading(heading) => (format!("{} ", "#".repeat(usize::from(heading.level))), String::new()),
            NodeValue::CodeBlock(code) => {
                (char::from(code.fence_char).to_string().repeat(code.fence_length), " ".repeat(code.fence_offset))
            }
            _ => (String::new(), String::new()),
        };
        Self { kind, block, head, indent }
    }

    /// Whether the parser found again what was split.
    pub(super) fn fits(&self, node: Node<'_>) -> bool {
        matches!(
            (&self.kind, &node.data().value),
            (Kind::Quote, NodeValue::BlockQuote)
                | (Kind::List { .. }, NodeValue::List(_))
                | (Kind::Item, NodeValue::Item(_) | NodeValue::TaskItem(_))
                | (Kind::Table, NodeValue::Table(_))
                | (Kind::Leaf, NodeValue::Paragraph | NodeValue::Heading(_))
                | (Kind::Code(_), NodeValue::CodeBlock(_))
        )
    }

    /// What of a container is not closed: its children, without the sign of the cut and the synthetic head.
    pub(super) fn children<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        let skip = match self.kind {
            Kind::Table => 1,
            Kind::Quote | Kind::Item => usize::from(node.first_child().is_some_and(is_cut)),
            _ => 0,
        };
        node.children().skip(skip).collect()
    }
}

/// What opens all containers anew, and what a further line in them begins with.
pub(super) fn reopened(frames: &[Frame]) -> (String, String) {
    let mut text = String::new();
    let mut indent = String::new();
    for frame in frames {
        match frame.kind {
            Kind::List { .. } => {}
            Kind::Quote | Kind::Item => {
                text.push_str(&indent);
                text.push_str(&frame.head);
                text.push(CUT);
                text.push('\n');
                indent.push_str(&frame.indent);
                text.push_str(indent.trim_end());
                text.push('\n');
            }
            Kind::Table => {
                for line in frame.head.split_inclusive('\n') {
                    text.push_str(&indent);
                    text.push_str(line);
                }
            }
            Kind::Leaf => {
                text.push_str(&indent);
                text.push_str(&frame.head);
                text.push(CUT);
            }
            Kind::Code(_) => {
                text.push_str(&indent);
                text.push_str(&frame.indent);
                text.push_str(&frame.head);
                text.push('\n');
            }
        }
    }
    (text, indent)
}

fn is_cut(node: Node<'_>) -> bool {
    matches!(node.data().value, NodeValue::Paragraph)
        && node.children().count() == 1
        && node
            .first_child()
            .is_some_and(|text| matches!(&text.data().value, NodeValue::Text(text) if text.chars().eq([CUT])))
}

fn item_head(list: &NodeList) -> (String, String) {
    let marker = match list.list_type {
        ListType::Bullet => char::from(list.bullet_char).to_string(),
        ListType::Ordered => {
            let close = if list.delimiter == comrak::nodes::ListDelimType::Paren { ')' } else { '.' };
            format!("{}{close}", list.start)
        }
    };
    let spaces = list.padding.saturating_sub(marker.len()).max(1);
    let head = format!("{}{marker}{}", " ".repeat(list.marker_offset), " ".repeat(spaces));
    let indent = " ".repeat(head.len());
    (head, indent)
}

fn table_head(alignments: &[TableAlignment]) -> String {
    let mut head = String::from("|");
    let mut rule = String::from("|");
    for alignment in alignments {
        head.push(CUT);
        head.push('|');
        rule.push_str(match alignment {
            TableAlignment::None => "-|",
            TableAlignment::Left => ":-|",
            TableAlignment::Center => ":-:|",
            TableAlignment::Right => "-:|",
        });
    }
    format!("{head}\n{rule}\n")
}
