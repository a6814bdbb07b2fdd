//! Code in a stream: complete lines are appended for good, coloured once, with the grammar's state carried on; the line that is
//! being written has a block of its own after them.

use comrak::nodes::{Node, NodeValue};

use super::frame::{CodeTail, Frame, Kind};
use super::{Incremental, Reading, line_at};
use crate::code::Highlighter;
use crate::limits::CODE_LINE_BYTES_MAX;
use crate::sanitize::sanitize;
use crate::text::{CUT, push_escaped};
use crate::write::{CODE_FOOT, language_of, push_code_head};

impl Incremental {
    /// A fenced block begins: its frame, and where its lines go.
    pub(super) fn open_code(&mut self, node: Node<'_>, reading: &Reading<'_, '_>) -> bool {
        let NodeValue::CodeBlock(code) = node.data().value.clone() else { return false };
        let info = reading.prepared.restored(&code.info);
        let language = language_of(&info);
        let block = match self.open.take() {
            Some(shown) => shown.block,
            None => self.add_block(),
        };
        let line = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        self.blocks.push(super::Block::default());
        let mut html = String::new();
        push_code_head(language, &mut html);
        html.push_str(&format!("<span data-tail=\"\"></span><span data-block=\"{line}\"></span>{CODE_FOOT}"));
        let tail = CodeTail { highlighter: Highlighter::new(language), line, is_plain_line: false };
        let frame = Frame::new(Kind::Code(Box::new(tail)), block, node);
        self.set(block, sanitize(&html));
        self.frames.push(frame);
        self.open = None;
        let start = node.data().sourcepos.start.line;
        let offset = reading.prepared.source_at(line_at(reading.text, start + 1)).min(self.region.len());
        self.rebase_lines(offset);
        true
    }

    /// Appends the lines that are complete, shows the one that is not.
    pub(super) fn show_code(&mut self, node: Node<'_>, is_last: bool, reading: &Reading<'_, '_>) -> bool {
        let NodeValue::CodeBlock(code) = node.data().value.clone() else { return false };
        if is_last || code.closed {
            if is_last || self.region.ends_with('\n') {
                self.close_code(node, reading);
                self.region.truncate(self.rest_at);
                if !is_last {
                    // The fence stays, so that the parser still sees this block as closed.
                    self.frames.pop();
                    self.open = None;
                    self.region.clear();
                    self.rest_at = 0;
                    let (region, _) = super::frame::reopened(&self.frames);
                    self.rest_at = region.len();
                    self.region = region;
                }
            }
            return false;
        }
        let seen = reading.prepared.source_at(reading.cut).min(self.region.len());
        let view = self.region.get(..seen).unwrap_or_default();
        let line_at = view.rfind('\n').map_or(0, |at| at + 1).max(self.rest_at);
        let literal = reading.prepared.restored(&code.literal);
        // A line that is complete in the source is one in the code; what follows is the line being written.
        let complete = view.get(self.rest_at..).unwrap_or_default().matches('\n').count();
        let len = literal.split_inclusive('\n').take(complete).map(str::len).sum();
        let (lines, partial) = literal.split_at_checked(len).unwrap_or((&literal, ""));
        let partial = partial.strip_suffix('\n').unwrap_or(partial);
        self.append_lines(lines);
        let is_long = partial.len() > CODE_LINE_BYTES_MAX;
        self.show_line(partial, is_long);
        if is_long {
            // What was shown is done; the cut keeps the rest from looking like a fence.
            let rest = self.region.get(seen..).unwrap_or_default().to_owned();
            self.rebase_lines(self.region.len());
            let (_, indent) = super::frame::reopened(&self.frames);
            self.region.push_str(&format!("{indent}{CUT}{rest}"));
        } else if line_at > self.rest_at {
            self.rebase_lines(line_at);
        }
        false
    }

    /// The block is over: its last lines.
    pub(super) fn close_code(&mut self, node: Node<'_>, reading: &Reading<'_, '_>) {
        let NodeValue::CodeBlock(code) = node.data().value.clone() else { return };
        let literal = reading.prepared.restored(&code.literal);
        self.append_lines(&literal);
        if let Some(Frame { kind: Kind::Code(tail), .. }) = self.frames.last() {
            let line = tail.line;
            self.set(line, String::new());
        }
        self.open = None;
    }

    fn append_lines(&mut self, lines: &str) {
        let Some(Frame { kind: Kind::Code(tail), block, .. }) = self.frames.last_mut() else { return };
        let block = *block;
        let mut html = String::new();
        for line in lines.split_inclusive('\n') {
            let line = line.trim_start_matches(CUT);
            if std::mem::take(&mut tail.is_plain_line) {
                push_escaped(line, &mut html);
            } else {
                tail.highlighter.push_line(line, &mut html);
            }
        }
        self.append(block, sanitize(&html));
    }

    /// Shows the line being written; if it is too long, appends what there is of it.
    fn show_line(&mut self, partial: &str, is_long: bool) {
        let Some(Frame { kind: Kind::Code(tail), block, .. }) = self.frames.last_mut() else { return };
        let partial = partial.trim_start_matches(CUT);
        let (block, line) = (*block, tail.line);
        let mut html = String::new();
        if is_long || tail.is_plain_line {
            push_escaped(partial, &mut html);
        } else if !partial.is_empty() {
            tail.highlighter.clone().push_line(partial, &mut html);
        }
        tail.is_plain_line |= is_long;
        if is_long {
            self.set(line, String::new());
            self.append(block, sanitize(&html));
        } else {
            self.set(line, sanitize(&html));
        }
    }

    /// Begins the region anew at the beginning of a line, which still bears its containers' signs.
    fn rebase_lines(&mut self, offset: usize) {
        let rest = self.region.get(offset..).unwrap_or_default();
        let (mut region, _) = super::frame::reopened(&self.frames);
        self.rest_at = region.len();
        region.push_str(rest);
        self.region = region;
    }
}
