//! Each rule finds its failing sample and is silent on a good one.

use super::*;

/// A manifest that inherits everything.
const GOOD: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
                    license.workspace = true\n[lints]\nworkspace = true\n[dependencies]\n";

fn check(name: &str, files: &[(&str, &str)]) -> Vec<String> {
    let rule = ALL.iter().find(|rule| rule.name == name).unwrap();
    (rule.check)(&Tree::of(files))
}

fn with(dependencies: &str) -> String {
    format!("{GOOD}{dependencies}\n")
}

#[track_caller]
fn holds(name: &str, files: &[(&str, &str)]) {
    let found = check(name, files);
    assert!(found.is_empty(), "{name}: {found:?}");
}

#[track_caller]
fn breaks(name: &str, files: &[(&str, &str)], word: &str) {
    let found = check(name, files);
    assert!(found.iter().any(|finding| finding.contains(word)), "{name} did not find {word}: {found:?}");
}

#[test]
fn a_framework_outside_its_crate_is_found() {
    let (axum, sqlx, hyper) =
        (with("axum.workspace = true"), with("sqlx.workspace = true"), with("hyper.workspace = true"));
    holds("only-gateway-names-axum", &[("crates/gateway/Cargo.toml", &axum), ("crates/store/Cargo.toml", &sqlx)]);
    breaks("only-gateway-names-axum", &[("crates/identity/Cargo.toml", &axum)], "identity");
    holds("only-store-names-sql", &[("crates/store/Cargo.toml", &sqlx)]);
    breaks("only-store-names-sql", &[("crates/gateway/Cargo.toml", &sqlx)], "gateway");
    let dev = with("[dev-dependencies]\nsqlx.workspace = true");
    breaks("only-store-names-sql", &[("crates/gateway/Cargo.toml", &dev)], "gateway");
    holds(
        "hyper-has-its-places",
        &[("crates/engine/Cargo.toml", &hyper), ("crates/engine/src/upstream/mod.rs", "use hyper::Request;")],
    );
    breaks("hyper-has-its-places", &[("crates/web/Cargo.toml", &hyper)], "web");
    breaks("hyper-has-its-places", &[("crates/rempart/src/main.rs", "use hyper_util::rt::TokioIo;")], "main.rs:1");
    holds(
        "hyper-has-its-places",
        &[("crates/rempart/src/main.rs", "// hyper::Body is not used here\nuse sniper::Hyper;")],
    );
}

#[test]
fn a_pure_crate_that_asks_a_clock_or_a_runtime_is_found() {
    holds("pure-crates-are-pure", &[("crates/domain/Cargo.toml", &with("zeroize.workspace = true"))]);
    breaks("pure-crates-are-pure", &[("crates/metering/Cargo.toml", &with("tokio.workspace = true"))], "tokio");
    let by_target = with("[target.'cfg(unix)'.dependencies]\nserde.workspace = true");
    breaks("pure-crates-are-pure", &[("crates/metering/Cargo.toml", &by_target)], "serde");
    breaks("pure-crates-are-pure", &[("crates/admission/src/lib.rs", "let now = Instant::now();")], "lib.rs:1");
    holds("pure-crates-are-pure", &[("crates/admission/src/lib.rs", "/// As Instant would.\nstruct Instantly;")]);
    holds("pure-crates-are-pure", &[("crates/gateway/src/lib.rs", "let now = Instant::now();")]);
}

#[test]
fn sabotage_that_could_reach_a_product_is_found() {
    let own = with("[features]\nsabotage = [\"rempart-domain/sabotage\"]");
    holds(
        "sabotage-is-for-tests",
        &[("crates/rempart/Cargo.toml", &own), ("crates/domain/Cargo.toml", &with("[features]\nsabotage = []"))],
    );
    breaks(
        "sabotage-is-for-tests",
        &[("crates/rempart/Cargo.toml", &with("[features]\ndefault = [\"sabotage\"]"))],
        "default",
    );
    let hidden = with("[features]\nembedded = [\"rempart-domain/sabotage\"]");
    breaks("sabotage-is-for-tests", &[("crates/rempart/Cargo.toml", &hidden)], "embedded");
    breaks("sabotage-is-for-tests", &[("crates/gateway/Cargo.toml", &with("[features]\nsabotage = []"))], "alone");
    let asks = "[workspace.dependencies]\nrempart-domain = { path = \"x\", features = [\"sabotage\"] }\n";
    breaks("sabotage-is-for-tests", &[("Cargo.toml", asks)], "asks");
    breaks("sabotage-is-for-tests", &[("run", "cargo build --release --all-features")], "run");
    holds("sabotage-is-for-tests", &[("test", "cargo build --features sabotage")]);
}

#[test]
fn unsafe_code_and_the_native_engine_stay_in_their_crate() {
    holds("only-the-worker-is-native", &[("crates/engine-worker/src/lib.rs", "unsafe { f() }")]);
    breaks("only-the-worker-is-native", &[("crates/store/src/lib.rs", "unsafe { f() }")], "store");
    breaks("only-the-worker-is-native", &[("crates/store/build.rs", "fn main() {}")], "build script");
    breaks(
        "only-the-worker-is-native",
        &[("crates/engine/Cargo.toml", &with("llama-cpp-2.workspace = true"))],
        "engine",
    );
    let optional = with("rempart-engine-worker = { workspace = true, optional = true }");
    holds("the-worker-is-optional", &[("crates/rempart/Cargo.toml", &optional)]);
    let always = with("rempart-engine-worker.workspace = true");
    breaks("the-worker-is-optional", &[("crates/rempart/Cargo.toml", &always)], "not optional");
    breaks("the-worker-is-optional", &[("crates/gateway/Cargo.toml", &optional)], "gateway");
}

#[test]
fn a_crate_that_sets_its_own_version_or_lints_is_found() {
    holds("crates-inherit-the-workspace", &[("crates/x/Cargo.toml", GOOD)]);
    breaks(
        "crates-inherit-the-workspace",
        &[("crates/x/Cargo.toml", &GOOD.replace("[lints]\nworkspace = true\n", ""))],
        "lints",
    );
    breaks("crates-inherit-the-workspace", &[("crates/x/Cargo.toml", &with("bytes = \"1\""))], "bytes");
    holds(
        "sources-are-crates-io",
        &[("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n")],
    );
    breaks("sources-are-crates-io", &[("Cargo.lock", "source = \"git+https://example.org/x\"\n")], "git+");
}

#[test]
fn a_file_without_an_opening_or_too_long_is_found() {
    holds(
        "files-say-what-they-are",
        &[("a.rs", "//! What this is for.\n"), ("b.rs", "#![cfg(test)]\n//! Tests of something.\n")],
    );
    breaks("files-say-what-they-are", &[("a.rs", "use std::fmt;\n")], "a.rs");
    breaks("files-say-what-they-are", &[("a.rs", "//!\nuse std::fmt;\n")], "a.rs");
    breaks("files-are-short", &[("a.rs", &"x\n".repeat(601))], "601");
    holds("files-are-short", &[("a.rs", &"x\n".repeat(600))]);
}

#[test]
fn work_left_for_later_is_found() {
    for line in ["// TODO: later", "    todo!()", "#[ignore = \"slow\"]", "// FIXME", "unimplemented!()"] {
        breaks("nothing-is-left-for-later", &[("a.rs", line)], "a.rs:1");
    }
    breaks("nothing-is-left-for-later", &[("test", "# TODO\n")], "test:1");
    holds("nothing-is-left-for-later", &[("a.rs", "#[ignore = \"started by the tests below\"]")]);
    holds("nothing-is-left-for-later", &[("a.rs", "let mastodon = TODOS; // ignored\n")]);
}

#[test]
fn a_path_of_one_machine_is_found() {
    breaks("no-machine-paths", &[("docs/a.md", "see /work/x")], "a.md:1");
    breaks("no-machine-paths", &[("a.rs", "include_str!(\"/home/me/x\")")], "a.rs:1");
    holds("no-machine-paths", &[("a.rs", "https://example.org/work/x and target/work/y and $HOME/root/z")]);
}

#[test]
fn foreign_and_empty_names_are_found() {
    breaks("names-are-ours", &[("a.rs", "let ip_whitelist = 1;")], "whitelist");
    breaks("names-are-ours", &[("a.rs", "pub struct SessionManager;")], "SessionManager");
    breaks("names-are-ours", &[("a.rs", "    pub(crate) async fn process_request() {}")], "process_request");
    holds(
        "names-are-ours",
        &[("a.rs", "pub struct Managers;\nfn processed() {}\n// a blacklist is called a denylist here\n")],
    );
}

#[test]
fn text_and_style_in_templates_are_found() {
    let path = "crates/web/templates/a.html";
    holds(
        "templates-hold-no-text",
        &[(path, "<p class=\"x\">{{ w.t(\"key\") }} · {# why #}<code>rempart</code>{% if a %}!{% endif %}</p>")],
    );
    breaks("templates-hold-no-text", &[(path, "<p>Hello</p>")], "Hello");
    breaks("templates-hold-no-text", &[(path, "<p>你好</p>")], "你好");
    breaks("the-policy-is-strict", &[(path, "<p style=\"color:red\">")], "a.html");
    breaks(
        "the-policy-is-strict",
        &[("crates/web/src/lib.rs", "const CSP: &str = \"style-src 'unsafe-inline'\";")],
        "loosens",
    );
    holds("the-policy-is-strict", &[("crates/web/src/lib.rs", "const CSP: &str = \"style-src 'self'\";")]);
}

#[test]
fn migrations_that_differ_and_files_of_two_statements_are_found() {
    let why = "-- the first tables\nCREATE TABLE a (b TEXT);";
    holds(
        "migrations-are-twins",
        &[("migrations/sqlite/0001_core.sql", why), ("migrations/postgres/0001_core.sql", why)],
    );
    breaks("migrations-are-twins", &[("migrations/sqlite/0001_core.sql", why)], "both");
    breaks(
        "migrations-are-twins",
        &[("migrations/sqlite/0002_b.sql", why), ("migrations/postgres/0002_b.sql", why)],
        "0001",
    );
    breaks(
        "migrations-are-twins",
        &[("migrations/sqlite/0001_a.sql", "CREATE"), ("migrations/postgres/0001_a.sql", why)],
        "why",
    );
    holds("one-statement-a-file", &[("crates/store/queries/a.sql", "-- one; only\nSELECT 1;\n")]);
    breaks("one-statement-a-file", &[("crates/store/queries/a.sql", "SELECT 1; SELECT 2")], "a.sql");
    breaks("one-statement-a-file", &[("crates/store/queries/a.sql", "-- nothing\n")], "a.sql");
}

#[test]
fn documents_out_of_form_are_found() {
    let short = [("README.md", "x"), ("ARCHITECTURE.md", "x"), ("STYLE.md", "x"), ("SECURITY.md", "x")];
    holds("documents-are-short", &short);
    breaks("documents-are-short", &short[1..], "README.md is missing");
    breaks("documents-are-short", &[("README.md", &"x\n".repeat(61))], "61");
    holds("decisions-are-numbered", &[("docs/decisions/0001-a.md", "# 1. A\n\nStatus: accepted\n")]);
    breaks("decisions-are-numbered", &[("docs/decisions/0002-a.md", "# A\n\nStatus: accepted\n")], "0001");
    breaks("decisions-are-numbered", &[("docs/decisions/0001-a.md", "# A\n")], "Status");
    holds("notes-are-dated", &[("docs/notes/2026-01-31-a.md", "x")]);
    breaks("notes-are-dated", &[("docs/notes/a.md", "x")], "a.md");
    holds("runbooks-begin-with-what-you-see", &[("docs/operate/a.md", "# A\n\n## What you see\n")]);
    breaks("runbooks-begin-with-what-you-see", &[("docs/operate/a.md", "# A\n\n## Background\n")], "a.md");
    breaks("documents-name-rules-that-exist", &[("STYLE.md", "`tidy: no-such-rule`")], "no-such-rule");
    breaks("documents-name-rules-that-exist", &[("ARCHITECTURE.md", "")], "notes-are-dated");
}

#[test]
fn names_of_rules_are_unique_and_every_rule_has_a_failing_sample_here() {
    let samples = include_str!("tests.rs");
    for (index, rule) in ALL.iter().enumerate() {
        assert!(ALL.iter().skip(index + 1).all(|other| other.name != rule.name), "{} twice", rule.name);
        assert!(samples.contains(&format!("breaks(\"{}\"", rule.name)), "{} has no failing sample", rule.name);
    }
}
