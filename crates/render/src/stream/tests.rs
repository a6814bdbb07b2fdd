//! A stream shows in the end what the whole text gives, wherever it was cut.
#![cfg(test)]

use crate::testing::{Page, normal_html};
use crate::{Incremental, Patch, render};

fn streamed(text: &str, cuts: &mut dyn FnMut(usize) -> usize) -> (Page, Incremental) {
    let mut page = Page::new();
    let mut stream = Incremental::new();
    let mut at = 0;
    while at < text.len() {
        let mut end = (at + cuts(at).max(1)).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        page.apply(&stream.push(&text[at..end]));
        at = end;
    }
    page.apply(&stream.finish());
    (page, stream)
}

fn check(text: &str) {
    let whole = normal_html(&render(text));
    for step in [1, 3, 4, 7, 1000] {
        let (page, stream) = streamed(text, &mut |_| step);
        assert_eq!(page.normal(), whole, "in steps of {step}: {text:?}");
        let mut again = Page::new();
        again.apply(&stream.snapshot());
        assert_eq!(again.normal(), whole, "snapshot in steps of {step}: {text:?}");
    }
}

#[test]
fn short_documents_end_as_the_whole_does() {
    for text in [
        "Hello **bold** and *em* `code` [link](https://a.example/b) ~~x~~ end.",
        "# Title\n\nText\nmore\n\n- a\n- b\n  - c\n  - d\n- e\n\nEnd",
        "1. a\n\n   ```rust\n   fn main() {}\n   ```\n\n2. b\n",
        "```python\ndef f():\n    return 1\n```\n\nText after.\n\n~~~\nx\n~~~",
        "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | **4** |\n\nafter",
        "> quote\n> more\n>\n> - a\n> - b\n\nafter",
        "Formula $x_1$ and\n\n$$\n\\frac{a}{b}\n$$\n\nthen \\(y\\) and \\[z\\] end",
        "Title\n=====\n\npara\n---\n\n***\n",
        "- [ ] a\n- [x] b\n",
        "中文**粗体**，然后\n换行。\n\n1. 一\n2. 二\n",
        "a\r\nb\r\n\r\nc",
        "<div>\nraw\n</div>\n\nx <b>y</b>",
        "```\nunclosed\ncode",
        "a ** b * c _ d ` e [ f ] ( g",
        "    indented\n    code\n\ntext",
        "costs $5 and $6, formula $a$",
        "",
        "\n\n\n",
        "```\n```\n```js\n```\n",
        "- ```sh\n  ls\n  ```\n- b",
    ] {
        check(text);
    }
}

#[test]
fn code_is_appended_and_never_written_again() {
    let mut stream = Incremental::new();
    let mut sets = 0;
    for line in ["```rust\n", "let a = 1;\n", "let b = 2;\n", "let c = 3;\n", "```\n"] {
        for patch in stream.push(line) {
            match patch {
                Patch::Set { block: 0, .. } => sets += 1,
                Patch::Append { block, html } => assert!(block == 0 && html.contains("let"), "{html}"),
                Patch::Set { .. } => {}
            }
        }
    }
    assert_eq!(sets, 1);
}
