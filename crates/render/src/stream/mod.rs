//! An answer while it streams: only the block that is open is rendered anew, and a block that grows long is split.
//!
//! **Blocks.** An answer is an element that holds blocks. [`Patch::Set`] gives a block its content, [`Patch::Append`] adds to the
//! element in it that bears `data-tail`. A block is the element with `data-block="N"` inside the answer; a `Set` for one that is
//! not there appends `<div data-block="N">` to the answer. Blocks stand in blocks: the items of a long list, the rows of a long
//! table, the pieces of a long paragraph are blocks whose elements came with an `Append`. For the page: find
//! `[data-block="N"]`, else make it; `Set`: `innerHTML = html`; `Append`: `querySelector("[data-tail]")` in it (the first one),
//! `insertAdjacentHTML("beforeend", html)`. Patches are applied in order; `snapshot()` on an empty answer gives the same page.
//!
//! **The machine.** `region` is the source that is not closed. Each push parses it. Children of the document but the last are
//! closed: they are written and leave the region. What is left is the open block. If it grows above `OPEN_BYTES_MAX`, its closed
//! part is written and it becomes a `Frame`: a list gives its items, an item its children, a table its rows, a paragraph
//! its text up to a safe place. The region then begins with a few signs that open the same containers for the parser, so no rule
//! of Markdown is written twice. Code is a frame from its first line: complete lines are appended, coloured once.
//!
//! **The end** is what [`crate::render`] gives for the whole text, but: a link definition holds for the block after it and no later;
//! a list that was split stays tight or loose as it was; an emphasis, a link or a code span longer than about 1.5 KiB is text; a
//! setext underline under a paragraph, or a table's rule under a head, of more than that makes no heading or table of it; a
//! block that can be split nowhere ends at 3 KiB and goes on as a new one. Elements with `data-block` or `data-tail` that are
//! `div` or `span` mean nothing.
//!
//! What must stay true: one push costs what the open block costs, never what the answer costs; a closed block never changes.

mod code;
mod cut;
mod frame;
mod hold;
mod memo;
mod split;
#[cfg(test)]
mod tests;

use comrak::Arena;
use comrak::nodes::{Node, NodeValue};

use crate::guard::unharmed;
use crate::limits::{BURDEN_MIN, BURDEN_SHARE, OPEN_BYTES_FORCED, OPEN_BYTES_MAX, STEPS_MAX};
use crate::parse::parse;
use crate::plain;
use crate::sanitize::sanitize_block;
use crate::source::{Prepared, prepare};
use crate::text::{CUT, defused};
use crate::write::Writer;
use frame::{Frame, Kind, reopened};
use memo::Memos;

/// What changed on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// The block's content is now this.
    Set {
        /// Its number.
        block: u32,
        /// Its content, sanitised.
        html: String,
    },
    /// This comes at the end of the element in the block that bears `data-tail`.
    Append {
        /// Its number.
        block: u32,
        /// What is added, sanitised.
        html: String,
    },
}

/// An answer that grows. One for a generation, whoever reads it.
#[derive(Debug, Default)]
pub struct Incremental {
    /// Source that is not closed, after the signs that open the frames anew.
    region: String,
    /// Where the source begins in the region.
    rest_at: usize,
    frames: Vec<Frame>,
    /// The block that shows what is open, once there is one.
    open: Option<Shown>,
    blocks: Vec<Block>,
    memos: Memos,
    patches: Vec<Patch>,
    /// Signs of markup in the region, where they are so many that reading it costs more than a piece of a stream may: then it is read
    /// less often.
    burden: usize,
    /// What came since it was read.
    unread: usize,
    /// A carriage return came last, and may be half of a line's end.
    is_after_return: bool,
}

/// All that a block has been given.
#[derive(Debug, Default)]
struct Block {
    set: String,
    appended: String,
}

/// The open block as it is shown.
#[derive(Debug)]
struct Shown {
    block: u32,
    /// Up to the end of the element that is marked, if one is.
    head: String,
    /// From there on.
    foot: Option<String>,
}

/// One reading of the region.
struct Reading<'a, 'p> {
    prepared: &'p Prepared,
    /// What was parsed: prepared, cut, closed for the eye.
    text: &'p str,
    /// How much of `text` is source.
    cut: usize,
    kids: Vec<Node<'a>>,
}

impl Incremental {
    /// An empty answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece of the answer; gives what changes.
    pub fn push(&mut self, text: &str) -> Vec<Patch> {
        let text = if self.is_after_return { text.strip_prefix('\n').unwrap_or(text) } else { text };
        self.is_after_return = text.ends_with('\r');
        self.region.push_str(&defused(text));
        self.unread += text.len();
        if self.unread < self.burden / BURDEN_SHARE {
            return Vec::new();
        }
        self.unread = 0;
        let patches = self.advance(false);
        let signs = self.region.bytes().filter(|byte| b"[]*_`~<>&$\\!|".contains(byte)).count();
        self.burden = if signs > BURDEN_MIN { signs } else { 0 };
        patches
    }

    /// The answer is complete: shows what was held back.
    pub fn finish(&mut self) -> Vec<Patch> {
        self.advance(true)
    }

    /// What shows the answer, as far as it came, on an empty page.
    pub fn snapshot(&self) -> Vec<Patch> {
        let mut patches = Vec::new();
        for (number, shown) in self.blocks.iter().enumerate() {
            let block = u32::try_from(number).unwrap_or(u32::MAX);
            if !shown.set.is_empty() {
                patches.push(Patch::Set { block, html: shown.set.clone() });
            }
            if !shown.appended.is_empty() {
                patches.push(Patch::Append { block, html: shown.appended.clone() });
            }
        }
        patches
    }

    fn advance(&mut self, is_last: bool) -> Vec<Patch> {
        // Each step but the last shortens the region or goes one container deeper, so few are needed.
        if unharmed(|| (0..STEPS_MAX).all(|_| self.step(is_last))) != Some(false) {
            self.give_up();
        }
        std::mem::take(&mut self.patches)
    }

    /// A library broke, or the steps do not end: what is open is shown plain, and the text goes on in a new block.
    fn give_up(&mut self) {
        let rest = self.region.get(self.rest_at..).unwrap_or_default().replace(CUT, "");
        let shown = self.open.take().filter(|_| self.frames.is_empty());
        self.restart(String::new());
        let block = shown.map_or_else(|| self.add_block(), |shown| shown.block);
        self.set(block, plain(&rest));
    }

    /// Reads the region once; true if it must be read again because something closed or was split.
    fn step(&mut self, is_last: bool) -> bool {
        let is_code = matches!(self.frames.last().map(|frame| &frame.kind), Some(Kind::Code(_)));
        let seen = if is_last { self.region.len() } else { hold::visible(&self.region, is_code).max(self.rest_at) };
        let prepared = prepare(self.region.get(..seen).unwrap_or_default());
        let end = if is_last || is_code {
            hold::InlineEnd { cut: prepared.text.len(), closers: String::new() }
        } else {
            hold::inline_end(&prepared)
        };
        let mut text = prepared.text.get(..end.cut).unwrap_or_default().to_owned();
        text.push_str(&end.closers);
        let arena = Arena::new();
        let document = parse(&arena, &text);
        let mut reading =
            Reading { prepared: &prepared, text: &text, cut: end.cut, kids: document.children().collect() };
        for level in 0..self.frames.len() {
            let (Some(frame), Some(first)) = (self.frames.get(level), reading.kids.first().copied()) else {
                return false;
            };
            if !frame.fits(first) {
                return self.abandon(level);
            }
            if let (Kind::List { is_tight }, NodeValue::List(list)) = (&frame.kind, &mut first.data_mut().value) {
                list.tight = *is_tight;
            }
            if let Some(next) = reading.kids.get(1).copied() {
                let at = self.source_of(&reading, next);
                self.settle(level, first, &reading);
                self.frames.truncate(level);
                self.open = None;
                self.rebase(at);
                return true;
            }
            if matches!(frame.kind, Kind::Leaf | Kind::Code(_)) {
                break;
            }
            reading.kids = frame.children(first);
        }
        self.show(&reading, is_last)
    }

    /// Writes what is closed, shows what is open; true if the region changed.
    fn show(&mut self, reading: &Reading<'_, '_>, is_last: bool) -> bool {
        let Some(last) = reading.kids.last().copied() else { return !is_last && self.force(reading) };
        match self.frames.last().map(|frame| &frame.kind) {
            Some(Kind::Code(_)) => return self.show_code(last, is_last, reading),
            Some(Kind::Leaf) => {
                self.show_leaf(last, reading, is_last);
                return !is_last && self.split_leaf_again(reading);
            }
            _ => {}
        }
        if reading.kids.len() > 1 {
            let at = self.source_of(reading, last);
            for kid in reading.kids.iter().take(reading.kids.len() - 1) {
                self.write_closed(kid, reading);
            }
            self.rebase(at);
            return true;
        }
        if is_last {
            self.write_closed(last, reading);
            self.region.truncate(self.rest_at);
            return false;
        }
        let is_code = matches!(&last.data().value, NodeValue::CodeBlock(code) if code.fenced);
        if is_code && (self.frames.is_empty() || self.open_len() > OPEN_BYTES_MAX) {
            return self.open_code(last, reading);
        }
        self.show_open(last, reading);
        self.open_len() > OPEN_BYTES_MAX && (self.split(last, reading) || self.force(reading))
    }

    fn open_len(&self) -> usize {
        self.region.len().saturating_sub(self.rest_at)
    }

    /// Writes a container's last words: all that stands in `node`, which the parser found for the frame at `level`.
    fn settle(&mut self, level: usize, node: Node<'_>, reading: &Reading<'_, '_>) {
        let Some(frame) = self.frames.get(level) else { return };
        match frame.kind {
            Kind::Leaf => return self.show_leaf(node, reading, true),
            Kind::Code(_) => return self.close_code(node, reading),
            _ => {}
        }
        if let (Kind::List { is_tight }, NodeValue::List(list)) = (&frame.kind, &mut node.data_mut().value) {
            list.tight = *is_tight;
        }
        let kids = frame.children(node);
        let mut from = 0;
        if level + 1 < self.frames.len() {
            if let Some(first) = kids.first().copied() {
                self.settle(level + 1, first, reading);
            }
            self.frames.truncate(level + 1);
            self.open = None;
            from = 1;
        }
        for kid in kids.into_iter().skip(from) {
            self.write_closed(kid, reading);
        }
    }

    /// The parser does not find a container any more: what is open goes on outside of it.
    fn abandon(&mut self, level: usize) -> bool {
        if let Some(shown) = self.open.take() {
            self.set(shown.block, String::new());
        }
        self.frames.truncate(level);
        let rest = self.region.get(self.rest_at..).unwrap_or_default().replace(CUT, "");
        let (mut region, indent) = reopened(&self.frames);
        self.rest_at = region.len();
        region.push_str(&indent);
        region.push_str(&rest);
        self.region = region;
        true
    }

    /// Nothing can be split: what is there is closed, at a line's end if there is one, and the text goes on in a new block.
    fn force(&mut self, reading: &Reading<'_, '_>) -> bool {
        if self.open_len() <= OPEN_BYTES_FORCED {
            return false;
        }
        let end = reading.prepared.source_at(reading.cut).clamp(self.rest_at, self.region.len());
        let body = self.region.get(self.rest_at..end).unwrap_or_default();
        let at = match body.rfind('\n') {
            Some(line) => self.rest_at + line + 1,
            None if body.is_empty() => self.region.len(),
            None => end,
        };
        let rest = self.region.split_off(at);
        while self.step(true) {}
        self.restart(rest);
        true
    }

    fn restart(&mut self, rest: String) {
        self.frames.clear();
        self.open = None;
        self.rest_at = 0;
        self.region = rest;
    }

    /// Begins the region anew at this place of it.
    fn rebase(&mut self, at: Place) {
        let rest = self.region.get(at.offset..).unwrap_or_default();
        let (mut region, indent) = reopened(&self.frames);
        self.rest_at = region.len();
        if !matches!(self.frames.last().map(|frame| &frame.kind), Some(Kind::Leaf)) {
            region.push_str(&indent);
        }
        region.push_str(&" ".repeat(at.indent.saturating_sub(indent.len() - indent.trim_end_matches(' ').len())));
        region.push_str(rest);
        self.region = region;
    }

    /// Where a node begins in the region.
    fn source_of(&self, reading: &Reading<'_, '_>, node: Node<'_>) -> Place {
        let start = node.data().sourcepos.start;
        let line_at = line_at(reading.text, start.line);
        let is_indented_code = matches!(&node.data().value, NodeValue::CodeBlock(code) if !code.fenced);
        let column = if is_indented_code { 0 } else { start.column.saturating_sub(1) };
        let before = reading.text.get(line_at..line_at + column).unwrap_or_default();
        let indent = (before.len() - before.trim_end_matches(' ').len()).min(3);
        Place { offset: reading.prepared.source_at(line_at + column), indent }
    }

    fn write_closed(&mut self, node: Node<'_>, reading: &Reading<'_, '_>) {
        let html = sanitize_block(&self.html_of(node, None, reading).0);
        let block = match self.open.take() {
            Some(shown) => shown.block,
            None => self.add_block(),
        };
        self.set(block, html);
    }

    /// Shows the open block, by what was added to it if that is all.
    fn show_open(&mut self, node: Node<'_>, reading: &Reading<'_, '_>) {
        let (html, foot) = self.html_of(node, leaf_of(node), reading);
        self.show_html(&html, foot);
    }

    fn show_html(&mut self, html: &str, foot: Option<String>) {
        let clean = sanitize_block(html);
        let (head, foot) = match foot.and_then(|foot| Some((clean.strip_suffix(&foot)?.to_owned(), foot))) {
            Some((head, foot)) => (head, Some(foot)),
            None => (clean.clone(), None),
        };
        let block = match &mut self.open {
            Some(shown) => {
                let added = if foot.is_some() && shown.foot == foot { head.strip_prefix(&shown.head) } else { None };
                let block = shown.block;
                let is_same = shown.foot == foot && shown.head == head;
                let added = added.map(str::to_owned);
                (shown.head, shown.foot) = (head, foot);
                match added {
                    _ if is_same => return,
                    Some(added) => return self.append(block, added),
                    None => block,
                }
            }
            None => {
                let block = self.add_block();
                self.open = Some(Shown { block, head, foot });
                block
            }
        };
        self.set(block, clean);
    }

    /// The HTML of a node in its block, and what of it comes after the marked leaf.
    fn html_of<'a>(
        &mut self,
        node: Node<'a>,
        leaf: Option<Node<'a>>,
        reading: &Reading<'_, '_>,
    ) -> (String, Option<String>) {
        let mut writer = Writer::new(reading.prepared, &mut self.memos);
        writer.tail.leaf = leaf;
        // Items and rows are written into an element that is there already.
        if matches!(node.data().value, NodeValue::Item(_) | NodeValue::TaskItem(_) | NodeValue::TableRow(_)) {
            writer.write_inner(node);
        } else {
            writer.write(node);
        }
        let foot = writer.tail.at.and_then(|at| writer.out.get(at..)).map(str::to_owned);
        (writer.out, foot)
    }

    /// A new block where the next one belongs.
    fn add_block(&mut self) -> u32 {
        let block = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        self.blocks.push(Block::default());
        if let Some(frame) = self.frames.last() {
            let tag = match frame.kind {
                Kind::List { .. } => "li",
                Kind::Table => "tr",
                Kind::Leaf => "span",
                _ => "div",
            };
            let parent = frame.block;
            self.append(parent, format!("<{tag} data-block=\"{block}\"></{tag}>"));
        }
        block
    }

    fn set(&mut self, block: u32, html: String) {
        let Some(shown) = self.blocks.get_mut(block as usize) else { return };
        if shown.set != html || !shown.appended.is_empty() {
            shown.appended.clear();
            shown.set.clone_from(&html);
            self.patches.push(Patch::Set { block, html });
        }
    }

    fn append(&mut self, block: u32, html: String) {
        let Some(shown) = self.blocks.get_mut(block as usize) else { return };
        if !html.is_empty() {
            shown.appended.push_str(&html);
            self.patches.push(Patch::Append { block, html });
        }
    }
}

/// A place in the region, and the spaces that stand before it.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: usize,
    indent: usize,
}

/// Where a line begins; lines count from one.
fn line_at(text: &str, line: usize) -> usize {
    match line.checked_sub(2) {
        None => 0,
        Some(nth) => {
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').nth(nth).map_or(text.len(), |(at, _)| at + 1)
        }
    }
}

/// The leaf at the end of a block, where the next words go.
fn leaf_of(node: Node<'_>) -> Option<Node<'_>> {
    let mut leaf = node;
    loop {
        let value = &leaf.data().value;
        match value {
            NodeValue::Paragraph
            | NodeValue::Heading(_)
            | NodeValue::TableCell
            | NodeValue::CodeBlock(_)
            | NodeValue::HtmlBlock(_) => {
                return Some(leaf);
            }
            NodeValue::TableRow(_) => {
                let written = leaf.children().filter(|cell| cell.first_child().is_some()).last();
                return written.or_else(|| leaf.first_child());
            }
            _ => leaf = leaf.last_child()?,
        }
    }
}
