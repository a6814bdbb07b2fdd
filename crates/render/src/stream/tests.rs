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
        page.apply(&stream.push(text.get(at..end).unwrap()));
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

/// Long blocks, each split on its way, end as the whole does.
#[test]
fn long_blocks_end_as_the_whole_does() {
    let many = |line: &dyn Fn(usize) -> String| (0..150).map(line).collect::<String>();
    for text in [
        format!("```rust\n{}```\n\nafter", many(&|n| format!("    let a{n} = \"{n}\"; // {n}\n"))),
        format!("| a | b |\n|---|--:|\n{}\nafter", many(&|n| format!("| row {n} | **{n}** `x` |\n"))),
        format!("{}\nafter", many(&|n| format!("- item {n} with **bold** and `code`\n"))),
        format!("before\n\n{}\nafter", many(&|n| format!("{}. item {n}\n   - inner {n}\n   - more\n", n + 1))),
        format!("{}after", many(&|n| format!("{}. item {n}\n\n   more of it\n\n", n + 1))),
        many(&|n| format!("word {n} **bold {n}** and `code {n}`, [link](https://a.example/{n}). ")),
        many(&|n| format!("line {n} of *one* paragraph\n")),
        many(&|_| "这是一个很长的段落，没有空格，**加粗**文字在这里。".to_owned()),
        many(&|n| format!("> line {n} of a quote\n")),
        many(&|n| format!("> paragraph {n} of a quote\n>\n")),
        format!("> ```py\n{}> ```\n\nafter", many(&|n| format!("> x = {n}\n"))),
        format!("1. Do this:\n\n   ```rust\n{}   ```\n\n2. Then that\n", many(&|n| format!("   let a{n} = {n};\n"))),
        format!("- {}\n- next", many(&|n| format!("word {n} "))),
        many(&|n| format!("{}- item {n}\n", "  ".repeat(n % 5))),
        many(&|n| format!("- [{}] task {n}\n", if n % 3 == 0 { 'x' } else { ' ' })),
        format!("# {}", many(&|n| format!("word {n} "))),
        many(&|n| format!("formula $x_{{{n}}}$ and \\(y\\) in words. ")),
        many(&|n| format!("$$\nx_{{{n}}} = \\frac{{1}}{{2}}\n$$\n\n")),
        many(&|n| format!("para {n} ends\n\n## Head {n}\n\n")),
    ] {
        check_long(&text);
    }
}

fn check_long(text: &str) {
    let whole = normal_html(&render(text));
    for step in [5, 61] {
        let (page, stream) = streamed(text, &mut |_| step);
        let normal = page.normal();
        if normal != whole {
            let at = normal.bytes().zip(whole.bytes()).take_while(|(a, b)| a == b).count();
            let around =
                |text: &str| text.get(at.saturating_sub(200)..(at + 200).min(text.len())).unwrap_or("?").to_owned();
            panic!(
                "in steps of {step}: {:?}…\nstream: {}\n\nwhole: {}",
                text.get(..60),
                around(&normal),
                around(&whole)
            );
        }
        let mut again = Page::new();
        again.apply(&stream.snapshot());
        assert_eq!(again.normal(), whole, "snapshot");
    }
}

/// What is shown while it streams never exceeds what an open block may cost.
#[test]
fn a_push_sends_little_whatever_the_answer_has_grown_to() {
    let text: String = (0..2_000).map(|n| format!("- item {n} with **bold** words\n")).collect();
    let mut stream = Incremental::new();
    let mut sent = 0;
    for chunk in text.as_bytes().chunks(4) {
        for patch in stream.push(std::str::from_utf8(chunk).unwrap()) {
            let (Patch::Set { html, .. } | Patch::Append { html, .. }) = patch;
            assert!(html.len() < 16 * 1024, "{}", html.len());
            sent += html.len();
        }
    }
    assert!(sent < text.len() * 40, "{sent}");
}

/// Nothing half written is shown as what it will not be.
#[test]
fn half_written_markup_does_not_jump() {
    for (text, never) in [
        ("some **bold text** here", "*"),
        ("a [link](https://a.example/b) here", "["),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", "|"),
        ("para\n\n```rust\nfn\n```\n", "`"),
        ("a `code` b", "`"),
        ("- [x] done\n- [ ] open", "["),
        ("# Title\n", "#"),
        ("then $x + y$ is", "$"),
        ("\\[\nx\n\\]", "\\"),
        ("1. one\n2. two", "."),
        ("***both*** and ~~gone~~", "*"),
    ] {
        let mut stream = Incremental::new();
        let mut page = Page::new();
        for c in text.chars() {
            page.apply(&stream.push(&c.to_string()));
            assert!(!page.normal().contains(never), "{never:?} is shown of {text:?}: {}", page.normal());
        }
        page.apply(&stream.finish());
        assert_eq!(page.normal(), normal_html(&render(text)));
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn inline() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-z]{1,8}( [a-z]{1,8}){0,6}",
            1 => "[a-z]{1,6}".prop_map(|word| format!("**{word}**")),
            1 => "[a-z]{1,6}".prop_map(|word| format!("*{word} {word}*")),
            1 => "[a-z<&]{1,6}".prop_map(|word| format!("`{word}`")),
            1 => "[a-z]{1,6}".prop_map(|word| format!("[{word}](https://a.example/{word})")),
            1 => "[a-z]{1,3}".prop_map(|word| format!("${word}_1$")),
            1 => Just("中文，**重点**。".to_owned()),
            1 => Just("costs $5".to_owned()),
            1 => Just("<b>raw</b>".to_owned()),
            1 => Just("5 * 3 _ x [y] !".to_owned()),
        ]
    }

    fn words() -> impl Strategy<Value = String> {
        prop::collection::vec(inline(), 1..6).prop_map(|parts| parts.join(" "))
    }

    fn block() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => prop::collection::vec(words(), 1..4).prop_map(|lines| lines.join("\n")),
            1 => (1_usize..5, words()).prop_map(|(level, words)| format!("{} {words}", "#".repeat(level))),
            1 => prop::collection::vec(words(), 1..6).prop_map(|items| items.iter().map(|item| format!("- {item}\n")).collect()),
            1 => prop::collection::vec(words(), 1..5).prop_map(|items| items.iter().enumerate().map(|(n, item)| format!("{}. {item}\n\n   more\n", n + 1)).collect::<Vec<_>>().join("\n")),
            1 => prop::collection::vec(words(), 1..5).prop_map(|items| items.iter().map(|item| format!("- {item}\n  - inner {item}\n")).collect()),
            1 => prop::collection::vec("[a-z =(){};\"#*`$]{0,30}", 0..8).prop_map(|lines| format!("~~~js\n{}\n~~~", lines.join("\n"))),
            1 => prop::collection::vec(words(), 1..5).prop_map(|rows| format!("| a | b |\n|---|:-:|\n{}", rows.iter().map(|row| format!("| {row} | x |\n")).collect::<String>())),
            1 => prop::collection::vec(words(), 1..4).prop_map(|lines| lines.iter().map(|line| format!("> {line}\n")).collect()),
            1 => Just("$$\n\\frac{1}{2}\n$$".to_owned()),
            1 => Just("---".to_owned()),
            1 => Just("<div>\nraw\n</div>".to_owned()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn any_document_cut_anywhere_ends_as_the_whole(blocks in prop::collection::vec(block(), 1..12), cuts in prop::collection::vec(1_usize..24, 1..40)) {
            let text = blocks.join("\n\n");
            let mut next = 0;
            let (page, stream) = streamed(&text, &mut |_| { next += 1; cuts[next % cuts.len()] });
            let whole = normal_html(&render(&text));
            prop_assert_eq!(page.normal(), whole.clone(), "{:?}", text);
            let mut again = Page::new();
            again.apply(&stream.snapshot());
            prop_assert_eq!(again.normal(), whole);
        }

        #[test]
        fn any_signs_at_all_stream_without_a_panic(text in "[-a\\n *_`#>|\\[\\]()!$\\\\~<&1.中:]{0,300}", step in 1_usize..9) {
            let (_, stream) = streamed(&text, &mut |_| step);
            let mut again = Page::new();
            again.apply(&stream.snapshot());
        }
    }
}
