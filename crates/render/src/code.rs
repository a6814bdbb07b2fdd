//! Colours of code: one class a piece, from a closed set of thirteen, line by line with the state carried on.
//!
//! What must stay true: a line is parsed once; a line too long, or a grammar that fails, gives plain text and never an error. The
//! grammars are unpacked and their expressions compiled on first use: [`warm`] does that off the path.

use std::sync::OnceLock;

use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

use crate::limits::{CODE_BYTES_MAX, CODE_LINE_BYTES_MAX};
use crate::text::push_escaped;

static SYNTAXES: OnceLock<SyntaxSet> = OnceLock::new();
static RULES: OnceLock<Vec<(Scope, Option<&'static str>)>> = OnceLock::new();

/// The classes that a piece of code may have; the style sheet gives each a colour.
pub(crate) const CLASSES: [&str; 12] = ["c", "s", "e", "n", "k", "o", "f", "t", "a", "v", "i", "d"];

/// Scopes and their classes; the first that fits wins, so the special stand before the general. `None` looks further out.
const SCOPES: [(&str, Option<&str>); 45] = [
    ("comment", Some("c")),
    ("punctuation.definition.comment", Some("c")),
    ("constant.character.escape", Some("e")),
    ("constant.other.placeholder", Some("e")),
    ("string", Some("s")),
    ("punctuation.definition.string", Some("s")),
    ("constant.numeric", Some("n")),
    ("constant.language", Some("n")),
    ("constant", Some("n")),
    ("support.constant", Some("n")),
    ("keyword.operator.word", Some("k")),
    ("keyword.operator.logical.python", Some("k")),
    ("keyword.operator", Some("o")),
    ("keyword", Some("k")),
    ("storage", Some("k")),
    ("variable.language", Some("k")),
    ("entity.name.function", Some("f")),
    ("support.function", Some("f")),
    ("variable.function", Some("f")),
    ("entity.name.macro", Some("f")),
    ("support.macro", Some("f")),
    ("entity.name.tag", Some("t")),
    ("entity.name.type", Some("t")),
    ("entity.name.class", Some("t")),
    ("entity.name.struct", Some("t")),
    ("entity.name.enum", Some("t")),
    ("entity.name.trait", Some("t")),
    ("entity.name.impl", Some("t")),
    ("entity.name.interface", Some("t")),
    ("entity.name.namespace", Some("t")),
    ("entity.name.section", Some("k")),
    ("entity.other.inherited-class", Some("t")),
    ("entity.other.attribute-name", Some("a")),
    ("entity.name", Some("f")),
    ("support.type.property-name", Some("a")),
    ("meta.mapping.key", Some("a")),
    ("support.type", Some("t")),
    ("support.class", Some("t")),
    ("variable.parameter", Some("v")),
    ("variable.other.readwrite.shell", Some("v")),
    ("variable.other", None),
    ("meta.annotation", Some("a")),
    ("markup.inserted", Some("i")),
    ("markup.deleted", Some("d")),
    ("markup.heading", Some("k")),
];

/// Names that people give to languages and the grammars do not know.
const ALIASES: [(&str, &str); 30] = [
    ("node", "js"),
    ("javascript", "js"),
    ("mjs", "js"),
    ("typescript", "ts"),
    ("shell", "sh"),
    ("zsh", "sh"),
    ("console", "sh"),
    ("shell-session", "sh"),
    ("golang", "go"),
    ("csharp", "cs"),
    ("c#", "cs"),
    ("c++", "cpp"),
    ("objective-c", "m"),
    ("python3", "py"),
    ("py3", "py"),
    ("jsonc", "json"),
    ("json5", "json"),
    ("postgresql", "sql"),
    ("postgres", "sql"),
    ("mysql", "sql"),
    ("sqlite", "sql"),
    ("plsql", "sql"),
    ("powershell", "ps1"),
    ("docker", "dockerfile"),
    ("vue.js", "vue"),
    ("latex", "tex"),
    ("yml", "yaml"),
    ("kotlin", "kt"),
    ("rust", "rs"),
    ("patch", "diff"),
];

/// Languages compiled before anybody asks: what answers hold most.
const WARM: [(&str, &str); 12] = [
    (
        "py",
        "import os\n\n@cached\ndef f(x: int = 1) -> str:\n    \"\"\"doc\"\"\"\n    return f\"{x} {len('a')}\"  # c\n",
    ),
    (
        "rs",
        "use std::io;\n#[derive(Debug)]\npub fn f<'a>(x: &'a str) -> Option<u8> {\n    println!(\"{}\", 1);\n    None // c\n}\n",
    ),
    (
        "js",
        "import a from 'b';\nconst f = async (x) => { return `${x}` + 1; } // c\nclass A extends B { m() { new C() } }\n",
    ),
    ("ts", "interface A { b?: string }\nexport const f = (x: number): A => ({ b: `${x}` }); // c\n"),
    ("sh", "#!/bin/sh\nset -e\nfor f in *.txt; do echo \"$f\" | grep -v 'x' > out; done # c\n"),
    ("json", "{\"a\": [1, true, null, \"b\\n\"]}\n"),
    ("html", "<!doctype html>\n<p class=\"a\">b<script>let a = 1;</script><style>p { color: red }</style></p>\n"),
    ("css", "@media (min-width: 1px) { .a > b:hover { color: #fff; margin: 1px 2em } } /* c */\n"),
    ("sql", "SELECT a, count(*) FROM t WHERE b = 'c' AND d > 1 GROUP BY a; -- c\n"),
    ("java", "package a;\npublic class A<T> extends B { int f(String s) { return 1 + s.length(); } } // c\n"),
    ("cpp", "#include <a>\nnamespace n { template <typename T> class A { int f() const { return 1; } }; } // c\n"),
    ("yaml", "a: b\nc:\n  - \"d\" # e\n"),
];

/// Unpacks the grammars and compiles those that answers hold most: call it once, in the background, after the start.
pub fn warm() {
    for (language, sample) in WARM {
        let mut code = Highlighter::new(language);
        let mut out = String::new();
        for line in sample.split_inclusive('\n') {
            code.push_line(line, &mut out);
        }
    }
}

/// A block of code while it is read: where the grammar stands after the last line.
#[derive(Debug, Clone)]
pub(crate) struct Highlighter {
    state: Option<(ParseState, ScopeStack)>,
    bytes: usize,
}

impl Highlighter {
    /// Begins a block in this language, or in none where the name is not known.
    pub(crate) fn new(language: &str) -> Self {
        let state = find_syntax(language).map(|syntax| (ParseState::new(syntax), ScopeStack::new()));
        Self { state, bytes: 0 }
    }

    /// Writes one line, which ends with its line feed unless it is the last.
    pub(crate) fn push_line(&mut self, line: &str, out: &mut String) {
        self.bytes = self.bytes.saturating_add(line.len());
        if line.len() > CODE_LINE_BYTES_MAX || self.bytes > CODE_BYTES_MAX || self.try_push_line(line, out).is_none() {
            push_escaped(line, out);
        }
    }

    fn try_push_line(&mut self, line: &str, out: &mut String) -> Option<()> {
        let (state, stack) = self.state.as_mut()?;
        let Ok(ops) = state.parse_line(line, syntaxes()) else {
            self.state = None;
            return None;
        };
        let mut pieces = Pieces { open: None, out };
        let mut from = 0;
        for (at, op) in ops {
            pieces.push(class_of(stack), line.get(from..at).unwrap_or_default());
            from = at.max(from);
            if stack.apply(&op).is_err() {
                *stack = ScopeStack::new();
            }
        }
        pieces.push(class_of(stack), line.get(from..).unwrap_or_default());
        pieces.close();
        Some(())
    }
}

/// Pieces of one line; neighbours of one class share an element.
struct Pieces<'a> {
    open: Option<&'static str>,
    out: &'a mut String,
}

impl Pieces<'_> {
    fn push(&mut self, class: Option<&'static str>, text: &str) {
        if text.is_empty() {
            return;
        }
        let (body, feed) = text.strip_suffix('\n').map_or((text, ""), |body| (body, "\n"));
        let is_blank = body.trim().is_empty();
        if !is_blank && class != self.open {
            self.close();
            if let Some(class) = class {
                self.out.push_str("<span class=\"");
                self.out.push_str(class);
                self.out.push_str("\">");
            }
            self.open = class;
        }
        push_escaped(body, self.out);
        if !feed.is_empty() {
            self.close();
            self.out.push('\n');
        }
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.out.push_str("</span>");
        }
    }
}

fn syntaxes() -> &'static SyntaxSet {
    SYNTAXES.get_or_init(two_face::syntax::extra_newlines)
}

fn find_syntax(language: &str) -> Option<&'static SyntaxReference> {
    let name = language.to_ascii_lowercase();
    if name.is_empty() || matches!(name.as_str(), "text" | "txt" | "plain" | "plaintext" | "none") {
        return None;
    }
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, token)| token);
    syntaxes().find_syntax_by_token(name)
}

fn class_of(stack: &ScopeStack) -> Option<&'static str> {
    let rules = RULES
        .get_or_init(|| SCOPES.iter().filter_map(|(name, class)| Some((Scope::new(name).ok()?, *class))).collect());
    for scope in stack.as_slice().iter().rev().take(12) {
        if let Some((_, Some(class))) = rules.iter().find(|(rule, _)| rule.is_prefix_of(*scope)) {
            return Some(class);
        }
    }
    None
}
