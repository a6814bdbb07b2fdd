//! Texts are complete in three languages, formats are each language's own, colours can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rempart_domain::{Day, ReasonCode, UnixSeconds};

use crate::format::{Date, Span, number};
use crate::words::{Words, message, reason_key};
use crate::{CSP, FieldError, Locale, asset};

const NARROW: char = '\u{202f}';

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(extension) {
            found.push(format!("{folder}/{name}"));
        }
    }
    found
}

/// Every message and attribute of a language with its text, in Fluent's own words.
fn texts(locale: Locale) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut message = String::new();
    for file in files(&format!("locales/{locale}"), ".ftl") {
        for line in read(&file).lines() {
            let trimmed = line.trim_start();
            if trimmed.starts_with('#') || trimmed.is_empty() {
                continue;
            }
            if let (false, Some((key, text))) = (line.starts_with(' '), line.split_once(" = ")) {
                message = key.to_owned();
                assert!(found.insert(message.clone(), text.to_owned()).is_none(), "{locale}: {key} twice");
            } else if let Some((name, text)) = trimmed.strip_prefix('.').and_then(|rest| rest.split_once(" = ")) {
                found.insert(format!("{message}.{name}"), text.to_owned());
            } else {
                found.get_mut(&message).unwrap().push_str(trimmed);
            }
        }
    }
    found
}

#[test]
fn the_three_languages_have_the_same_texts() {
    let english: BTreeSet<String> = texts(Locale::En).into_keys().collect();
    assert!(english.len() > 150, "{}", english.len());
    for locale in [Locale::Zh, Locale::Fr] {
        let other: BTreeSet<String> = texts(locale).into_keys().collect();
        let differing: Vec<_> = english.symmetric_difference(&other).collect();
        assert!(differing.is_empty(), "{locale}: {differing:?}");
    }
}

#[test]
fn every_text_is_used_and_every_used_text_exists() {
    let mut sources = String::new();
    let folders = ["src", "src/view", "src/pages", "../drill/src/report"];
    let sources_of_ours = folders.iter().flat_map(|folder| files(folder, ".rs"));
    for file in files("templates", ".html").into_iter().chain(sources_of_ours) {
        if !file.ends_with("tests.rs") {
            sources.push_str(&read(&file));
        }
    }
    let known: BTreeSet<String> = texts(Locale::En).into_keys().collect();
    let reasons: BTreeSet<String> = ReasonCode::ALL
        .iter()
        .flat_map(|reason| ["", ".meaning", ".action"].map(|part| format!("{}{part}", reason_key(*reason))))
        .collect();
    for key in &known {
        // Promises, groups and phases of the drill's report: their keys are made of their names.
        let is_of_drill = ["drill-promise-", "drill-who-", "drill-phase-is-"].iter().any(|of| key.starts_with(of));
        let is_used = is_of_drill || reasons.contains(key) || sources.contains(&format!("\"{key}\""));
        assert!(is_used, "{key} is used nowhere");
    }
    for key in &reasons {
        assert!(known.contains(key), "{key} is missing");
    }
    for call in ["w.t(\"", "w.with(\"", "w.count(\""] {
        for rest in sources.split(call).skip(1) {
            let key = rest.split('"').next().unwrap();
            assert!(known.contains(key), "{key} is missing");
        }
    }
    for quoted in sources.split('"').filter(|text| text.starts_with("error-") && !text.contains(' ')) {
        assert!(known.contains(quoted), "{quoted} is missing");
    }
}

#[test]
fn texts_follow_the_typography_of_their_language() {
    for (key, text) in texts(Locale::Fr) {
        for sign in [';', '!', '?', ':', '»'] {
            assert!(!text.contains(&format!(" {sign}")), "fr {key}: plain space before {sign}");
        }
        assert!(!text.contains('\'') || text.contains("{ "), "fr {key}: straight apostrophe");
    }
    for (key, text) in texts(Locale::Zh) {
        let characters: Vec<char> = text.chars().collect();
        for pair in characters.windows(2) {
            let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
            let is_bad_comma = matches!(pair[1], ',' | ';' | '?' | '!' | '.') && is_han(pair[0]);
            let is_tight = (is_han(pair[0]) && pair[1].is_ascii_alphanumeric())
                || (pair[0].is_ascii_alphanumeric() && is_han(pair[1]));
            assert!(!is_bad_comma && !is_tight, "zh {key}: {}{}", pair[0], pair[1]);
        }
    }
    for locale in Locale::ALL {
        for (key, text) in texts(*locale) {
            let lower = text.to_lowercase();
            assert!(!lower.contains("oops") && !lower.contains("server is busy"), "{locale} {key}");
        }
    }
}

#[test]
fn every_refusal_has_its_sentences_in_every_language() {
    let mut seen = BTreeSet::new();
    for locale in Locale::ALL {
        for reason in ReasonCode::ALL {
            let text = message(*locale, *reason);
            assert!(
                !text.contains("reason-") && !text.contains('{') && text.chars().count() > 10,
                "{locale} {reason}: {text}"
            );
            assert!(seen.insert(text), "{locale} {reason}: said twice");
        }
    }
    assert_eq!(
        message(Locale::En, ReasonCode::InvalidApiKey),
        "This API key does not work. Use a key that your account page lists, or make a new one there."
    );
    assert!(message(Locale::Zh, ReasonCode::Overloaded).starts_with("位置已满。"));
}

#[test]
fn every_form_error_has_a_text() {
    use FieldError as E;
    let all = [
        E::NameLength,
        E::NameCharacters,
        E::NameTaken,
        E::PasswordLength,
        E::PasswordWeak,
        E::NewPasswordLength,
        E::NewPasswordWeak,
        E::PasswordWrong,
        E::Email,
        E::InvalidCredentials,
        E::KeyName,
        E::KeyExpires,
        E::TimeZone,
        E::KeysFull,
        E::FormExpired,
        E::Reason(ReasonCode::Overloaded),
    ];
    for error in all {
        for locale in Locale::ALL {
            let text = Words::new(*locale).error(&error);
            assert!(!text.is_empty() && !text.starts_with("error-"), "{locale} {error:?}");
        }
    }
}

#[test]
fn a_language_is_chosen_by_word_then_by_browser_then_english() {
    let rows = [
        (Some("fr"), Some("zh-CN"), Locale::Fr),
        (Some("tlh"), Some("zh-CN,zh;q=0.9,en;q=0.8"), Locale::Zh),
        (None, Some("de-DE,fr;q=0.7,en;q=0.3"), Locale::Fr),
        (None, Some("en;q=0.2, ZH-tw;q=0.6"), Locale::Zh),
        (None, Some("fr;q=0, *"), Locale::En),
        (None, Some("fr;q=nan,;;;,zh;q=1e9"), Locale::Zh),
        (None, Some(""), Locale::En),
        (None, None, Locale::En),
    ];
    for (said, accepted, expected) in rows {
        assert_eq!(Locale::choose(said, accepted), expected, "{said:?} {accepted:?}");
    }
}

#[test]
fn dates_and_numbers_are_written_as_each_language_writes_them() {
    let time = UnixSeconds(1_738_011_180); // 27 January 2025, 20:53 UTC
    assert_eq!(Words::new(Locale::En).moment(&time), "27 January 2025, 20:53 UTC");
    assert_eq!(Words::new(Locale::Zh).moment(&time), "2025 年 1 月 27 日 20:53（UTC）");
    assert_eq!(Words::new(Locale::Fr).moment(&time), "27 janvier 2025, 20:53 UTC");
    assert_eq!(Words::new(Locale::Fr).day(&Day(20_454)), "1er janvier 2026");
    assert_eq!(Date::of_day(Day(0)), Date { year: 1970, month: 1, day: 1 });
    assert_eq!(Date::of_day(Day(19_782)), Date { year: 2024, month: 2, day: 29 });
    assert_eq!(Date::of_seconds(UnixSeconds(-1)), Date { year: 1969, month: 12, day: 31 });
    assert_eq!(number(Locale::En, 1_234_567), "1,234,567");
    assert_eq!(number(Locale::Fr, 12_345), format!("12{NARROW}345"));
    assert_eq!(number(Locale::Zh, 999), "999");
}

#[test]
fn a_wait_is_never_told_too_short() {
    assert_eq!(Span::of_seconds(90), Span::Seconds(90));
    assert_eq!(Span::of_seconds(91), Span::Minutes(2));
    assert_eq!(Span::of_seconds(5_401), Span::Hours(2));
    assert_eq!(Span::of_seconds(172_801), Span::Days(3));
    assert_eq!(Words::new(Locale::En).span(&1), "1 second");
    assert_eq!(Words::new(Locale::Fr).span(&100), "2 minutes");
    assert_eq!(Words::new(Locale::Zh).span(&7_200), "2 小时");
}

/// Custom properties with a colour in the first block after `marker`.
fn colours(css: &str, marker: &str) -> BTreeMap<String, [f64; 3]> {
    let (_, rest) = css.split_once(marker).unwrap();
    let block = rest.split('{').nth(if marker.starts_with('@') { 2 } else { 1 }).unwrap();
    let mut found = BTreeMap::new();
    for line in block.split('}').next().unwrap().lines() {
        if let Some((name, value)) = line.trim().split_once(": #") {
            let value = u32::from_str_radix(value.trim_end_matches(';'), 16).unwrap();
            let channel = |shift: u32| f64::from((value >> shift) & 255) / 255.0;
            found.insert(name.to_owned(), [channel(16), channel(8), channel(0)]);
        }
    }
    found
}

/// WCAG 2.2's contrast ratio.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |rgb: [f64; 3]| {
        let [r, g, b] = rgb.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    if a > b { a / b } else { b / a }
}

#[test]
fn text_and_lines_can_be_read_in_light_and_in_dark() {
    let css = read("static/tokens.css");
    let (light, dark) = (colours(&css, ":root "), colours(&css, "@media (prefers-color-scheme: dark) "));
    assert_eq!(dark, colours(&css, ":root.console, "), "the console's colours are the dark ones");
    assert_eq!(light.keys().collect::<Vec<_>>(), dark.keys().collect::<Vec<_>>());
    for tokens in [&light, &dark] {
        for (front, back, least) in [
            ("--ink", "--paper", 7.0),
            ("--ink", "--sunken", 7.0),
            ("--soft", "--paper", 4.5),
            ("--soft", "--sunken", 4.5),
            ("--accent", "--paper", 4.5),
            ("--on-accent", "--accent", 4.5),
            ("--warning", "--paper", 4.5),
            ("--danger", "--paper", 4.5),
            ("--line", "--paper", 3.0),
            ("--danger", "--sunken", 4.5),
            ("--code-comment", "--sunken", 4.5),
            ("--code-string", "--sunken", 4.5),
            ("--code-escape", "--sunken", 4.5),
            ("--code-number", "--sunken", 4.5),
            ("--code-keyword", "--sunken", 4.5),
            ("--code-function", "--sunken", 4.5),
            ("--code-type", "--sunken", 4.5),
            ("--code-name", "--sunken", 4.5),
        ] {
            let ratio = contrast(tokens[front], tokens[back]);
            assert!(ratio >= least, "{front} on {back}: {ratio:.2}");
        }
    }
}

#[test]
fn only_the_tokens_name_colours() {
    for file in files("static", ".css").into_iter().filter(|file| !file.ends_with("tokens.css")) {
        let css = read(&file).replace("url(\"icons.svg#", "");
        for word in ["#", "rgb(", "hsl(", "oklch(", "white", "black"] {
            assert!(!css.replace("white-space", "").contains(word), "{file} names a colour: {word}");
        }
    }
}

#[test]
fn assets_are_found_by_their_address_and_nothing_else_is() {
    let page = asset("/static/page.css").unwrap();
    assert_eq!(page.content_type, "text/css; charset=utf-8");
    assert!(page.etag.len() == 18 && !page.bytes.is_empty());
    assert_eq!(asset("mark.svg").unwrap().content_type, "image/svg+xml");
    for path in ["/static/../Cargo.toml", "../src/lib.rs", "/static/", "", "page.css.map"] {
        assert!(asset(path).is_none(), "{path}");
    }
}

#[test]
fn assets_are_compressed_and_name_each_other_by_their_version() {
    use std::io::Read as _;
    let page = asset("page.css").unwrap();
    let small = page.gzip.as_ref().unwrap();
    assert!(small.len() * 2 < page.bytes.len());
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(small.as_slice()).read_to_end(&mut whole).unwrap();
    assert_eq!(whole, page.bytes);
    let css = String::from_utf8(whole).unwrap();
    assert!(css.contains(&format!("url(\"mark.svg?v={}\")", crate::asset_version())), "{css}");
    assert!(!css.contains(".svg\")"), "each image is asked for under its version");
}

#[test]
fn our_scripts_are_short_and_run_nothing_that_they_read() {
    let scripts = files("static", ".js");
    let mut lines = 0;
    for file in &scripts {
        let text = read(file);
        lines += text.lines().filter(|line| !line.trim().is_empty()).count();
        for word in ["eval(", "new Function", "document.write", "outerHTML", "import(", "http://", "https://"] {
            assert!(!text.contains(word), "{file}: {word}");
        }
        // One place makes markup of what the platform rendered, and it is in turns.js.
        let markup = text.matches("innerHTML").count() + text.matches("insertAdjacentHTML").count();
        assert!(markup == 0 || (file.ends_with("turns.js") && markup == 2), "{file} makes markup {markup} times");
    }
    assert!(lines <= 1_000, "{lines} lines of script");
    for script in &crate::asset::ASSET_URLS.chat_scripts {
        assert!(asset(script.split('?').next().unwrap()).is_some(), "{script}");
    }
}

#[test]
fn the_policy_allows_our_own_files_and_nothing_else() {
    assert!(CSP.starts_with("default-src 'none'"));
    assert!(!CSP.contains("unsafe") && !CSP.contains("http") && !CSP.contains('*') && !CSP.contains("data:"));
    for part in CSP.split("; ").skip(1) {
        let value = part.split_once(' ').unwrap().1;
        assert!(["'self'", "'none'"].contains(&value), "{part}");
    }
}
