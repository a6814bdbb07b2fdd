//! What `render` gives for what people and models write.
#![cfg(test)]

use crate::{Colours, render, render_with};

fn check(markdown: &str, html: &str) {
    assert_eq!(render(markdown), html, "for {markdown:?}");
}

#[test]
fn ordinary_markdown_becomes_plain_elements() {
    check(
        "Hello *you* and **me**, `code`, ~~gone~~.",
        "<p>Hello <em>you</em> and <strong>me</strong>, <code>code</code>, <del>gone</del>.</p>",
    );
    check("# One\n\n#### Four", "<h3>One</h3><h6>Four</h6>");
    check("- a\n- b\n", "<ul><li>a</li><li>b</li></ul>");
    check("3. a\n\n4. b\n", "<ol start=\"3\"><li><p>a</p></li><li><p>b</p></li></ol>");
    check("> a\n> b\n\n---\n", "<blockquote><p>a\nb</p></blockquote><hr>");
    check(
        "- [x] done\n- [ ] open\n",
        "<ul><li><span class=\"task\">\u{2611}</span> done</li><li><span class=\"task\">\u{2610}</span> open</li></ul>",
    );
}

#[test]
fn tables_scroll_in_their_own_box_and_keep_their_alignment() {
    check(
        "| a | b |\n|---|--:|\n| 1<br>2 | 3 |\n",
        "<div class=\"table\" tabindex=\"0\"><table><thead><tr><th>a</th><th class=\"r\">b</th></tr></thead>\
         <tbody><tr><td>1<br>2</td><td class=\"r\">3</td></tr></tbody></table></div>",
    );
}

#[test]
fn links_lead_only_to_the_web_and_to_mail() {
    let rel = "target=\"_blank\" rel=\"noopener noreferrer nofollow ugc\"";
    check("[a](https://b.example/c?d=e&f)", &format!("<p><a href=\"https://b.example/c?d=e&amp;f\" {rel}>a</a></p>"));
    check("https://b.example", &format!("<p><a href=\"https://b.example\" {rel}>https://b.example</a></p>"));
    check("[a](javascript:alert(1)) [b](/account) [c](//d.example) [d](data:text/html,x)", "<p>a b c d</p>");
}

#[test]
fn an_image_is_never_loaded_but_linked_by_its_description() {
    let rel = "target=\"_blank\" rel=\"noopener noreferrer nofollow ugc\"";
    check("![a cat](https://b.example/c.png)", &format!("<p><a href=\"https://b.example/c.png\" {rel}>a cat</a></p>"));
    check("![a cat](data:image/png;base64,AA)", "<p>a cat</p>");
}

#[test]
fn raw_html_is_text() {
    check("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>");
    check("<script>alert(1)</script>", "<p class=\"raw\">&lt;script&gt;alert(1)&lt;/script&gt;</p>");
}

#[test]
fn chinese_lines_join_without_a_space_and_emphasis_works_beside_their_punctuation() {
    check("中文\n换行\nabc\n中", "<p>中文换行\nabc\n中</p>");
    check("**“重点”**在此", "<p><strong>“重点”</strong>在此</p>");
    check("这是**重点：**内容", "<p>这是<strong>重点：</strong>内容</p>");
}

#[test]
fn formulas_are_set_in_all_four_notations_and_prices_are_not() {
    for tex in ["$x_1$", "\\(x_1\\)"] {
        let html = render(&format!("a {tex} b"));
        assert!(html.contains("<math display=\"inline\"><msub><mi>x</mi><mn>1</mn></msub></math>"), "{html}");
    }
    for tex in ["$$x_1$$", "\\[x_1\\]", "\\[\nx_1\n\\]", "$$\nx_1\n$$"] {
        let html = render(tex);
        assert!(html.contains("<span class=\"math\"><math display=\"block\"><msub>"), "{html}");
    }
    check("It costs $5 and $10 or US$20.", "<p>It costs $5 and $10 or US$20.</p>");
    check("`$x$` and `\\(y\\)`", "<p><code>$x$</code> and <code>\\(y\\)</code></p>");
    assert!(render("```\n$x$ \\(y\\)\n```").contains("$x$ \\(y\\)\n"));
    check("$\\undefinedthing$", "<p><code class=\"math\">$\\undefinedthing$</code></p>");
}

#[test]
fn code_has_classes_and_a_place_for_the_copy_button() {
    let html = render("```rust\nfn main() {} // done\n```\n");
    assert!(html.starts_with("<div class=\"code\" data-code=\"\" data-lang=\"rust\"><pre tabindex=\"0\"><code><span class=\"k\">fn </span><span class=\"f\">main</span>"), "{html}");
    assert!(html.contains("<span class=\"c\">// done</span>"), "{html}");
    check(
        "```\"><script>\nx\n```",
        "<div class=\"code\" data-code=\"\"><pre tabindex=\"0\"><code>x\n</code></pre></div>",
    );
}

#[test]
fn texts_of_one_page_share_their_colours() {
    let text = "```rust\nfn main() {} // done\n```\n";
    let mut colours = Colours::new("fn main() {} // done\n".len() * 2 - 1);
    assert_eq!(render_with(text, &mut colours), render(text));
    assert!(!colours.is_short());
    let plain = render_with(text, &mut colours);
    assert!(colours.is_short() && !plain.contains("<span"), "{plain}");
    assert!(plain.contains("data-lang=\"rust\"") && plain.contains("fn main() {} // done"), "{plain}");
    // A shorter one still fits.
    assert!(render_with("```rust\nfn a() {}\n```\n", &mut colours).contains("<span"));
}

#[test]
fn what_is_too_long_is_shown_as_it_stands() {
    let html = render(&"*a* <b>\n".repeat(crate::SOURCE_BYTES_MAX / 8 + 1));
    assert!(html.starts_with("<p class=\"raw\">*a* &lt;b&gt;\n"), "{}", html.len());
}

#[test]
fn long_text_comes_out_as_it_went_in() {
    check(&"a & b < c ".repeat(2_000), &format!("<p>{}</p>", "a &amp; b &lt; c ".repeat(2_000).trim_end()));
}

mod properties {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn no_formula_breaks_the_library(parts in prop::collection::vec(prop_oneof![
            Just("\\frac"), Just("{"), Just("}"), Just("^"), Just("_"), Just("\\left("), Just("\\right)"), Just("\\begin{matrix}"),
            Just("\\end{matrix}"), Just("\\begin{array}{c|c}"), Just("\\end{array}"), Just("&"), Just("\\\\"), Just("\\text{é}"), Just("x"),
            Just("1.5"), Just("\\sqrt[3]"), Just("\\hline"), Just("\\color{red}"), Just("\\mathbb R"), Just("\\"), Just("%"), Just("'"), Just("中"),
            Just("\\kern"), Just("\\hspace{1em}"), Just("\\not"), Just("\\overset"), Just("\\substack"), Just("\\limits"), Just("["), Just("]"),
            Just("\\genfrac"), Just("\\operatorname*"), Just("\\tag{1}"), Just("#"), Just("~"), Just("\\char"), Just("\\begin{alignat}{"), Just("\\end{alignat}"), Just("\\cfrac"), Just("\\middle|")
        ], 0..24)) {
            let tex = parts.concat();
            // Not through the wall that catches: what breaks the library shall be known here.
            if crate::math::is_tame(&tex) {
                let _ = crate::math::written(&tex, true);
            }
        }
    }
}
