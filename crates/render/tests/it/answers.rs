//! Hostile cases against the HTML of whole and streamed answers, looked at with a parser of HTML, not with patterns.

use rempart_render::{Incremental, Patch, render};
use scraper::{Html, Node};

use crate::hostile::cases;

const ELEMENTS: &str = "p h3 h4 h5 h6 ul ol li blockquote pre code div span table thead tbody tr th td hr br em strong del a math mrow \
                        mi mo mn mtext mspace msub msup msubsup munder mover munderover mfrac msqrt mroot mtable mtr mtd mpadded";
const ATTRIBUTES: &str = "href target rel class start tabindex data-code data-lang data-tail data-block display mathvariant stretchy \
                          symmetric lspace rspace minsize maxsize movablelimits form fence separator accent width height depth voffset \
                          linethickness displaystyle scriptlevel accentunder columnspan rowspan";

/// Asserts that this HTML, put into a page, can do nothing.
fn check_harmless(name: &str, html: &str) {
    let parsed = Html::parse_fragment(html);
    for node in parsed.root_element().descendants().skip(1) {
        let element = match node.value() {
            Node::Text(_) => continue,
            Node::Element(element) => element,
            other => panic!("{name}: neither element nor text: {other:?} in {html}"),
        };
        assert!(
            ELEMENTS.split_whitespace().any(|allowed| allowed == element.name()),
            "{name}: <{}> in {html}",
            element.name()
        );
        for (key, value) in element.attrs() {
            assert!(ATTRIBUTES.split_whitespace().any(|allowed| allowed == key), "{name}: {key}={value:?} in {html}");
            if key == "href" {
                let scheme = value.split(':').next().unwrap_or_default().to_ascii_lowercase();
                assert!(["http", "https", "mailto"].contains(&scheme.as_str()), "{name}: href {value:?}");
                assert_eq!(element.attr("rel"), Some("noopener noreferrer nofollow ugc"), "{name}");
            } else {
                assert!(
                    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -+#._%".contains(&byte)),
                    "{name}: {key}={value:?}"
                );
            }
        }
    }
}

#[test]
fn there_are_hundreds_of_different_cases() {
    let mut names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(all >= 1_000, "{all}");
}

#[test]
fn no_hostile_answer_becomes_more_than_text_and_links() {
    for case in cases() {
        check_harmless(&case.name, &render(&case.text));
    }
}

#[test]
fn no_hostile_stream_becomes_more_than_text_and_links_at_any_moment() {
    for (number, case) in cases().into_iter().enumerate().filter(|(number, _)| number % 3 == 0) {
        let mut stream = Incremental::new();
        let mut patches = Vec::new();
        let letters: Vec<char> = case.text.chars().collect();
        for piece in letters.chunks(number % 5 + 2) {
            patches.extend(stream.push(&piece.iter().collect::<String>()));
        }
        patches.extend(stream.finish());
        patches.extend(stream.snapshot());
        for Patch::Set { html, .. } | Patch::Append { html, .. } in patches {
            // Rows and cells are parsed where they will stand.
            let html =
                if html.starts_with("<t") { format!("<table><tbody><tr>{html}</tr></tbody></table>") } else { html };
            check_harmless(&case.name, &html);
        }
    }
}

#[test]
fn the_check_sees_what_it_is_there_for() {
    for html in [
        "<script>1</script>",
        "<p onclick=x>",
        "<a href=\"javascript:1\">",
        "<p style=x>",
        "<img src=x>",
        "<!-- x -->",
        "<form>",
    ] {
        assert!(std::panic::catch_unwind(|| check_harmless("own", html)).is_err(), "{html}");
    }
}
