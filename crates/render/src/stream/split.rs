//! Splitting a block that has grown long: what is closed in it is written for good, the rest becomes the open part of a frame.

use comrak::Arena;
use comrak::nodes::{Node, NodeValue};

use super::cut::cut_at;
use super::frame::{Frame, Kind, reopened};
use super::{Incremental, Place, Reading};
use crate::limits::{DEPTH_MAX, OPEN_BYTES_FORCED, OPEN_BYTES_MAX};
use crate::parse::parse;
use crate::sanitize::sanitize;
use crate::source::prepare;
use crate::text::CUT;
use crate::write::{Writer, closing_tag, is_tight, tag_of};

impl Incremental {
    /// Splits the open block; false if its kind cannot be split, or not here.
    pub(super) fn split(&mut self, node: Node<'_>, reading: &Reading<'_, '_>) -> bool {
        let Some(block) = self.open.as_ref().map(|shown| shown.block).filter(|_| self.frames.len() < DEPTH_MAX) else {
            return false;
        };
        let value = node.data().value.clone();
        match value {
            NodeValue::List(list) => self.split_container(node, block, Kind::List { is_tight: list.tight }, reading),
            NodeValue::Item(_) | NodeValue::TaskItem(_) => self.split_container(node, block, Kind::Item, reading),
            NodeValue::BlockQuote => self.split_container(node, block, Kind::Quote, reading),
            NodeValue::Table(_) => self.split_table(node, block, reading),
            NodeValue::Paragraph | NodeValue::Heading(_) => self.split_leaf(node, block, reading),
            _ => false,
        }
    }

    /// Writes all children but the last, and goes on with that.
    fn split_container(&mut self, node: Node<'_>, block: u32, kind: Kind, reading: &Reading<'_, '_>) -> bool {
        let Some(last) = node.last_child() else { return false };
        let mut at = self.source_of(reading, last);
        let rest = self.region.get(at.offset..).unwrap_or_default();
        if matches!(node.data().value, NodeValue::TaskItem(_))
            && last.previous_sibling().is_none()
            && rest.starts_with('[')
        {
            // The box is written with what is closed.
            at.offset += rest.find(']').map_or(0, |end| end + 1);
        }
        let is_item = matches!(kind, Kind::Item);
        let frame = Frame::new(kind, block, node);
        last.detach();
        let html = if is_item {
            format!("<div data-tail=\"\">{}</div>", self.html_of(node, None, reading).0)
        } else {
            self.html_of(node, Some(node), reading).0
        };
        self.enter(frame, &html, at);
        true
    }

    /// Writes all rows but the last.
    fn split_table(&mut self, node: Node<'_>, block: u32, reading: &Reading<'_, '_>) -> bool {
        let Some(last) = node.last_child().filter(|last| matches!(last.data().value, NodeValue::TableRow(false)))
        else {
            return false;
        };
        let at = self.source_of(reading, last);
        let frame = Frame::new(Kind::Table, block, node);
        last.detach();
        let html = self.html_of(node, None, reading).0;
        // Only the writer's own element reads so: a text's signs are escaped.
        let html = if html.contains("<tbody>") {
            html.replacen("<tbody>", "<tbody data-tail=\"\">", 1)
        } else {
            html.replacen("</table>", "<tbody data-tail=\"\"></tbody></table>", 1)
        };
        self.enter(frame, &html, at);
        true
    }

    fn enter(&mut self, frame: Frame, html: &str, at: Place) {
        self.set(frame.block, sanitize(html));
        self.frames.push(frame);
        self.open = None;
        self.rebase(at);
    }

    /// Writes a paragraph or heading up to a safe place.
    fn split_leaf(&mut self, node: Node<'_>, block: u32, reading: &Reading<'_, '_>) -> bool {
        let start = self.source_of(reading, node).offset;
        let (from, to) = (reading.prepared.text_at(start), reading.cut);
        let is_forced = to.saturating_sub(from) > OPEN_BYTES_FORCED;
        let Some(cut) = cut_at(reading.prepared, from, to, is_forced) else { return false };
        let tag = if is_tight(node) { "span" } else { tag_of(node, &node.data().value) };
        let offset = reading.prepared.source_at(cut);
        let mut head = self.region.get(start..offset).unwrap_or_default().to_owned();
        if matches!(node.data().value, NodeValue::Heading(_)) {
            head = head.trim_start_matches('#').trim_start().to_owned();
        }
        self.frames.push(Frame::new(Kind::Leaf, block, node));
        let inner = self.inline_html(&head);
        self.set(block, sanitize(&format!("<{tag} data-tail=\"\">{inner}{}", closing_tag(node))));
        self.open = None;
        self.rebase(Place { offset, indent: 0 });
        true
    }

    /// Cuts once more what is open of a paragraph that was split.
    pub(super) fn split_leaf_again(&mut self, reading: &Reading<'_, '_>) -> bool {
        if self.open_len() <= OPEN_BYTES_MAX {
            return false;
        }
        let (from, to) = (reading.prepared.text_at(self.rest_at), reading.cut);
        let Some(cut) = cut_at(reading.prepared, from, to, to.saturating_sub(from) > OPEN_BYTES_FORCED) else {
            return false;
        };
        let offset = reading.prepared.source_at(cut);
        let head = self.region.get(self.rest_at..offset).unwrap_or_default().to_owned();
        let html = format!("<span data-tail=\"\">{}</span>", self.inline_html(&head));
        let block = match self.open.take() {
            Some(shown) => shown.block,
            None => self.add_block(),
        };
        self.set(block, sanitize(&html));
        self.rebase(Place { offset, indent: 0 });
        true
    }

    /// Shows what is open of a paragraph that was split.
    pub(super) fn show_leaf(&mut self, node: Node<'_>, reading: &Reading<'_, '_>, is_last: bool) {
        let mut writer = Writer::new(reading.prepared, &mut self.memos);
        writer.write_inner(node);
        if writer.out.is_empty() && self.open.is_none() {
            return;
        }
        let html = format!("<span data-tail=\"\">{}</span>", writer.out);
        self.show_html(&html, Some("</span>".to_owned()));
        if is_last {
            self.open = None;
            self.region.truncate(self.rest_at);
        }
    }

    /// The text of a leaf that stands in the frames, as HTML.
    fn inline_html(&mut self, source: &str) -> String {
        let (mut text, _) = reopened(&self.frames);
        text.push_str(source);
        let prepared = prepare(&text);
        let arena = Arena::new();
        let mut node = parse(&arena, &prepared.text);
        // The leaf is what lies deepest at the end.
        while let Some(last) = node.last_child().filter(|last| last.data().value.block()) {
            node = last;
        }
        let mut writer = Writer::new(&prepared, &mut self.memos);
        writer.write_inner(node);
        writer.out.replace(CUT, "")
    }
}
