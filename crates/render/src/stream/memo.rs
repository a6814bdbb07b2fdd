//! Code that stands in an open block is asked for with each piece of the stream: what was coloured is kept.

use crate::code::Highlighter;
use crate::write::CodeStore;

/// Blocks of code kept at a time; an open block holds few.
const MEMOS_MAX: usize = 8;

#[derive(Debug)]
struct Memo {
    language: String,
    code: String,
    html: String,
    highlighter: Highlighter,
}

/// The code of the open block, as far as it was coloured.
#[derive(Debug, Default)]
pub(super) struct Memos(Vec<Memo>);

impl CodeStore for Memos {
    fn push_code(&mut self, _number: usize, language: &str, code: &str, out: &mut String) {
        let known = self.0.iter().position(|memo| memo.language == language && code.starts_with(&memo.code));
        let mut memo = match known {
            Some(index) => self.0.remove(index),
            None => Memo {
                language: language.to_owned(),
                code: String::new(),
                html: String::new(),
                highlighter: Highlighter::new(language),
            },
        };
        let rest = code.get(memo.code.len()..).unwrap_or_default();
        for line in rest.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            memo.highlighter.push_line(line, &mut memo.html);
            memo.code.push_str(line);
        }
        out.push_str(&memo.html);
        if let Some(line) = code.get(memo.code.len()..).filter(|line| !line.is_empty()) {
            memo.highlighter.clone().push_line(line, out);
        }
        self.0.insert(0, memo);
        self.0.truncate(MEMOS_MAX);
    }
}
