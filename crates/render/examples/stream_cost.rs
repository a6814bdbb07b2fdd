//! What a token of a streamed answer costs: 100 KiB of each shape, four bytes an event, processor time of this thread.
//!
//! `cargo run --release -p rempart-render --example stream_cost [WORD]`, for the shapes whose name has the word.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement on the command line"
)]

use std::time::Duration;

use cpu_time::ThreadTime;
use rempart_render::{Incremental, Patch, render};

const ANSWER_BYTES: usize = 100 * 1024;
const TOKEN_BYTES: usize = 4;

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    let start = ThreadTime::now();
    rempart_render::warm();
    println!("warm: {:.1} ms of processor time, once", start.elapsed().as_secs_f64() * 1e3);
    println!("| shape | events | mean µs | p50 | p99 | p99.9 | max | sent / text | whole ms |");
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: |");
    for (name, text) in shapes().into_iter().filter(|(name, _)| name.contains(&word)) {
        print_row(name, &text);
    }
}

fn print_row(name: &str, text: &str) {
    let mut stream = Incremental::new();
    let mut costs = Vec::with_capacity(text.len() / TOKEN_BYTES + 1);
    let mut sent = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let at = (TOKEN_BYTES.min(rest.len())..=rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (token, later) = rest.split_at(at);
        let start = ThreadTime::now();
        let patches = stream.push(token);
        costs.push(start.elapsed());
        sent += len_of(&patches);
        rest = later;
    }
    let start = ThreadTime::now();
    let patches = stream.finish();
    costs.push(start.elapsed());
    sent += len_of(&patches);
    let start = ThreadTime::now();
    drop(render(text));
    let whole = start.elapsed();
    costs.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let at = |share: f64| micros(costs.get(((costs.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default());
    let mean = micros(costs.iter().sum::<Duration>()) / costs.len() as f64;
    println!(
        "| {name} | {} | {mean:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} |",
        costs.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        sent as f64 / text.len() as f64,
        whole.as_secs_f64() * 1e3
    );
}

fn len_of(patches: &[Patch]) -> usize {
    let len = |patch: &Patch| match patch {
        Patch::Set { html, .. } | Patch::Append { html, .. } => html.len() + 16,
    };
    patches.iter().map(len).sum()
}

/// A line again and again, numbered, up to the size of the answer.
fn filled(head: &str, line: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    let mut number = 0;
    while text.len() < ANSWER_BYTES {
        text.push_str(&line(number));
        number += 1;
    }
    text
}

const RUST: &str = "pub fn decide(now: Millis, queue: &Queue) -> Option<Verdict> {\n    // A member is served first.\n    \
                    let next = queue.iter().filter(|entry| entry.band >= Band::Member).min_by_key(|entry| entry.service)?;\n    \
                    if next.tokens > 4_096 { return Some(Verdict::Refuse(\"too large\")); }\n    Some(Verdict::Start(next.id))\n}\n\n";
const WORDS: &str = "The queue before a scarce resource is **bounded**, and who is asking is *known* before anything scarce is touched; \
                     `admission` decides, see [the design](https://example.org/design). ";
const CHINESE: &str =
    "系统在每一个稀缺资源之前都放置一个**有界的优先队列**，因此无论攻击是什么样子，老用户始终先得到服务。";

fn shapes() -> Vec<(&'static str, String)> {
    let mixed = |n: usize| {
        format!(
            "## Part {n}\n\n{WORDS}{WORDS}\n\n1. First, `one`\n2. Second:\n\n   ```rust\n   let x = {n};\n   ```\n\n3. Third\n\n\
                 | key | value |\n| --- | ---: |\n| a | {n} |\n| b | **2** |\n\n> A quote with $x_{n}$.\n\n```python\ndef f(x):\n    return x + {n}\n```\n\n$$\\sum_{{i=0}}^{{{n}}} i$$\n\n"
        )
    };
    vec![
        ("ordinary answer", filled("", mixed)),
        ("code, rust", filled("```rust\n", |_| RUST.to_owned())),
        (
            "code, python",
            filled("```python\n", |n| {
                format!(
                    "def f{n}(a, b=\"x\"):\n    \"\"\"Adds.\"\"\"\n    return [a + i * {n} for i in range(10) if i % 2 == 0]\n\n"
                )
            }),
        ),
        (
            "code, typescript",
            filled("```ts\n", |n| {
                format!(
                    "export const f{n} = async (a: number, b?: string): Promise<Map<string, number>> => {{\n  return new Map([[`${{b}}`, a ?? {n}]]);\n}};\n\n"
                )
            }),
        ),
        (
            "code, html",
            filled("```html\n", |n| {
                format!(
                    "<section id=\"s{n}\" class=\"a b\"><p style=\"color: red\">text {n} &amp; more</p></section>\n"
                )
            }),
        ),
        ("code, no language", filled("```\n", |n| format!("line {n} of some output, plain\n"))),
        ("code, one line", filled("```js\n", |n| format!("a[{n}]=f({n});"))),
        ("paragraph", filled("", |_| WORDS.to_owned())),
        ("paragraph, Chinese", filled("", |_| CHINESE.to_owned())),
        ("paragraph, no space", filled("", |_| "abcdefgh".to_owned())),
        ("paragraph, lines", filled("", |_| format!("{}\n", WORDS.trim_end()))),
        ("paragraph, one bold", filled("**", |_| "word ".to_owned())),
        ("heading", filled("# ", |_| "word ".to_owned())),
        (
            "table",
            filled("| a | b | c | d |\n|---|:-:|--:|---|\n", |n| {
                format!("| row {n} | `x` | **{n}** | some words in a cell |\n")
            }),
        ),
        ("table, one row", filled("| a | b |\n|---|---|\n| ", |n| format!("word {n} "))),
        (
            "table, wide",
            filled(&format!("{}|\n{}|\n", "| a ".repeat(50), "|---".repeat(50)), |_| {
                format!("{}|\n", "| x ".repeat(50))
            }),
        ),
        ("list", filled("", |n| format!("- item {n} with **bold** and `code` in it\n"))),
        (
            "list, loose",
            filled("", |n| format!("{}. item {n} with **bold** and `code` in it\n\n   more of it\n\n", n + 1)),
        ),
        ("list, nested", filled("", |n| format!("{}- item {n} with words\n", "  ".repeat(n % 6)))),
        ("list, one item", filled("- ", |_| WORDS.to_owned())),
        (
            "list, code in an item",
            filled("1. Do this:\n\n   ```rust\n", |_| RUST.lines().map(|line| format!("   {line}\n")).collect()),
        ),
        ("tasks", filled("", |n| format!("- [{}] task {n}\n", if n % 2 == 0 { 'x' } else { ' ' }))),
        ("quote", filled("", |n| format!("> line {n} of a quote with **bold** words\n"))),
        ("quote, paragraphs", filled("", |n| format!("> paragraph {n} with some words\n>\n"))),
        ("quote, code", filled("> ```rust\n", |_| RUST.lines().map(|line| format!("> {line}\n")).collect())),
        (
            "math, display",
            filled("", |n| {
                format!("$$\n\\int_0^{{{n}}} \\frac{{x^2 + 1}}{{\\sqrt{{x}}}} \\, dx = \\sum_{{k=1}}^{{n}} a_k\n$$\n\n")
            }),
        ),
        ("math, inline", filled("", |n| format!("so $x_{{{n}}} = \\frac{{a}}{{b}}$ and \\(y^2\\), "))),
        ("math, one matrix", filled("$$\\begin{pmatrix}", |n| format!("{n} & a_{n} \\\\ "))),
        ("raw HTML", filled("<div>\n", |n| format!("<p onclick=\"x\">raw {n}</p>\n"))),
        ("brackets", filled("", |_| "[".to_owned())),
        ("stars", filled("", |_| "*a ".to_owned())),
        ("stars, closed", filled("", |_| "*a* **b** ".to_owned())),
        ("backticks", filled("", |n| format!("{} a ", "`".repeat(n % 40 + 1)))),
        ("dollars", filled("", |_| "$a ".to_owned())),
        ("quotes in quotes", filled("", |n| format!("{} x\n", ">".repeat(n % 200)))),
        ("lists in lists", filled("", |_| "- ".to_owned())),
        ("angle brackets", filled("", |_| "<a".to_owned())),
        ("links", filled("", |n| format!("[a{n}](https://example.org/{n}) "))),
        ("half links", filled("", |_| "[a](b ".to_owned())),
        ("definitions", filled("", |n| format!("[a{n}]: https://example.org/{n}\n"))),
        ("blank lines", filled("a", |_| "\n".to_owned())),
        ("pipes", filled("", |_| "|".to_owned())),
        ("indented code", filled("", |n| format!("    line {n}\n"))),
    ]
}
