//! Time stays in proportion to the text, whatever the text: four times the text may cost ten times, never the square's sixteen.

use std::time::Duration;

use cpu_time::ThreadTime;
use rempart_render::{Incremental, render};

/// Texts that make parsers of Markdown, HTML or TeX walk in squares.
#[allow(clippy::too_many_lines, reason = "a table")]
fn bombs(len: usize) -> Vec<(&'static str, String)> {
    let repeat = |unit: &str| unit.repeat(len / unit.len());
    let half = |unit: &str, other: &str| {
        format!("{}{}", unit.repeat(len / 2 / unit.len()), other.repeat(len / 2 / other.len()))
    };
    vec![
        ("brackets", repeat("[")),
        ("brackets closed", half("[", "]")),
        ("images", repeat("![")),
        ("half links", repeat("[a](")),
        ("references", repeat("[a][b] ")),
        ("stars", repeat("*")),
        ("stars and words", repeat("*a ")),
        ("stars closed", half("*a ", "a* ")),
        ("strong in emphasis", repeat("*a **b ")),
        ("underscores", repeat("_a _b_")),
        ("tildes", repeat("~~a ")),
        (
            "backticks growing",
            (1..)
                .map(|n| format!("{}a", "`".repeat(n)))
                .scan(0, |sum, run| {
                    *sum += run.len();
                    (*sum < len).then_some(run)
                })
                .collect(),
        ),
        ("backticks", repeat("`a``b")),
        ("quotes", repeat(">")),
        ("quotes on lines", repeat("> > > > > > > > > > a\n")),
        ("lists", repeat("- ")),
        (
            "lists on lines",
            (0..)
                .map(|n| format!("{}- a\n", " ".repeat(2 * (n % 60))))
                .scan(0, |sum, line| {
                    *sum += line.len();
                    (*sum < len).then_some(line)
                })
                .collect(),
        ),
        ("quotes in lists", repeat("- > ")),
        ("numbers", repeat("1. ")),
        ("pipes", repeat("|")),
        (
            "table of many columns",
            format!("{}|\n{}|\n{}", "|a".repeat(len / 6), "|-".repeat(len / 6), "|\n".repeat(len / 6)),
        ),
        ("table of short rows", format!("{}|\n{}|\n{}", "|a".repeat(60), "|-".repeat(60), "|\n".repeat(len / 2))),
        ("angle brackets", repeat("<a ")),
        ("comments", repeat("<!--")),
        ("instructions", repeat("<?")),
        ("sections", repeat("<![CDATA[")),
        ("declarations", repeat("<!A ")),
        ("entities", repeat("&#1")),
        ("web addresses", repeat("https://")),
        ("hosts", repeat("www.a.")),
        ("mail", repeat("a@")),
        ("dollars", repeat("$a ")),
        ("dollars close", repeat("$a$")),
        ("displays", repeat("$$a ")),
        ("formula brackets", repeat("\\(")),
        ("formula displays", repeat("\\[a\n")),
        ("formula braces", format!("$${}$$", "{".repeat(len))),
        ("formula fractions", repeat("$\\frac1{\\frac1{\\frac1{x}}}$ ")),
        ("formula macros", format!("$${}$$", "\\def\\a{aaaaaaaa}\\def\\b{\\a\\a\\a\\a}".repeat(len / 40))),
        ("formula matrix", format!("$$\\begin{{matrix}}{}\\end{{matrix}}$$", "&".repeat(len))),
        (
            "definitions",
            (0..)
                .map(|n| format!("[{n}]: x\n"))
                .scan(0, |sum, line| {
                    *sum += line.len();
                    (*sum < len).then_some(line)
                })
                .collect(),
        ),
        ("headings", repeat("# a\n")),
        ("rules under lines", repeat("a\n-\n")),
        ("fences", repeat("```\n")),
        ("fences in lists", repeat("- ```\n")),
        ("escapes", repeat("\\")),
        ("feeds", repeat("\n")),
        ("breaks", repeat("a<br>")),
        ("indents", repeat("    a\n\n")),
        ("one line of code", format!("```js\n{}", "a[1]=(".repeat(len / 6))),
        ("code of strings", format!("```py\n{}", "f\"{".repeat(len / 4))),
    ]
}

fn cost(run: impl Fn()) -> Duration {
    let start = ThreadTime::now();
    run();
    start.elapsed()
}

#[test]
fn four_times_the_text_costs_about_four_times() {
    rempart_render::warm();
    let mut bad = Vec::new();
    for ((name, small), (_, large)) in bombs(8 * 1024).into_iter().zip(bombs(32 * 1024)) {
        let (one, four) = (cost(|| drop(render(&small))), cost(|| drop(render(&large))));
        // Four times the text: a square would be sixteen times the cost. Below that is noise and the allocator.
        if four > one * 10 + Duration::from_millis(20) {
            bad.push(format!("{name}: {one:?}, four times the text {four:?}"));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn html_stays_in_proportion_to_its_text() {
    for (name, text) in bombs(16 * 1024) {
        let html = render(&text);
        assert!(html.len() < 60 * text.len(), "{name}: {} bytes became {}", text.len(), html.len());
    }
}

#[test]
fn a_hostile_stream_ends_and_shows_its_text_in_bounded_pieces() {
    for (name, text) in bombs(4 * 1024) {
        let mut stream = Incremental::new();
        let letters: Vec<char> = text.chars().collect();
        let start = ThreadTime::now();
        for piece in letters.chunks(32) {
            stream.push(&piece.iter().collect::<String>());
        }
        stream.finish();
        let spent = start.elapsed();
        // Without optimisation; a machine that is busy does not change the time of a thread much.
        assert!(spent < Duration::from_secs(20), "{name}: {spent:?}");
    }
}
