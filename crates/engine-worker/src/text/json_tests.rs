//! The automaton takes what serde_json takes, and from wherever it is it can reach an end that serde_json takes.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn takes(text: &[u8]) -> Option<bool> {
    let mut json = JsonObject::new();
    json.push(text).then(|| json.is_done())
}

#[test]
fn objects_in_all_their_parts_are_taken() {
    for text in [
        r"{}",
        r#"{"a":1}"#,
        r#"{ "a" : [ ] , "b":{"c":[1,-0.5e+3,true,false,null,"x"]}}"#,
        r#"{"春":"天\n\u00e9\ud83d\ude00😀"}"#,
        r#"{"n":[0,10,1.5,1e9,-0]}"#,
        "{\n\t\"a\": \"\"\r\n}",
    ] {
        assert_eq!(takes(text.as_bytes()), Some(true), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(text).unwrap().is_object());
    }
}

#[test]
fn what_is_no_beginning_of_an_object_is_refused() {
    for text in [
        "[1]",
        " {}",
        "\"a\"",
        "{a:1}",
        r#"{"a"1}"#,
        r#"{"a":01}"#,
        r#"{"a":.5}"#,
        r#"{"a":1.}"#,
        r#"{"a":+1}"#,
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[1}"#,
        r#"{,}"#,
        r#"{"a":tru }"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00"}"#,
        r#"{"a":"\ud800\u0041"}"#,
        "{\"a\":\"\n\"}",
        "{\"a\":\"\u{1}\"}",
        "{}{",
        "{} ",
        r#"{"a":1e999}"#,
        r#"{"a":--1}"#,
        r#"{"a":1e}"#,
    ] {
        assert_eq!(takes(text.as_bytes()), None, "{text}");
    }
    for bytes in [b"{\"a\":\"\xff".as_slice(), b"{\"\xc0\x80", b"{\"\xed\xa0\x80", b"{\"\xe6\x98\"", b"{\"\xf5"] {
        assert_eq!(takes(bytes), None, "{bytes:?}");
    }
}

#[test]
fn depth_and_white_space_are_bounded() {
    assert_eq!(takes(format!("{{\"a\":{}", "[".repeat(200)).as_bytes()), None);
    assert_eq!(takes(format!("{{{}", " ".repeat(25)).as_bytes()), None);
    assert_eq!(takes(format!("{{{}", " ".repeat(24)).as_bytes()), Some(false));
}

/// From any state, the greedy choice among these leads to the end: closing what is open.
fn close(mut json: JsonObject, text: &mut Vec<u8>) {
    for _ in 0..1000 {
        if json.is_done() {
            return;
        }
        let next = b"\"}]\\udCc0:ntruefals{\x80\x90\xa0".iter().find(|byte| {
            let mut trial = json;
            trial.push(&[**byte])
        });
        let byte = *next.unwrap();
        json.push(&[byte]);
        text.push(byte);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A walk over bytes, each chosen among those it takes, as a model with odd taste would.
    #[test]
    fn every_walk_ends_in_a_text_that_parses(choices in proptest::collection::vec((any::<u8>(), any::<u16>()), 0..200)) {
        let mut json = JsonObject::new();
        let mut text = Vec::new();
        let likely = br#"{}[]",:\u0123456789eE+-.truefalsn dD8cC"#;
        for (byte, pick) in choices {
            let byte = if pick % 8 == 0 { byte } else { likely[pick as usize / 8 % likely.len()] };
            let mut trial = json;
            if trial.push(&[byte]) {
                json = trial;
                text.push(byte);
            }
            if json.is_done() {
                break;
            }
        }
        close(json, &mut text);
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&text);
        prop_assert!(parsed.as_ref().is_ok_and(serde_json::Value::is_object), "{:?}: {:?}", String::from_utf8_lossy(&text), parsed);
    }

    #[test]
    fn what_it_takes_does_not_depend_on_where_tokens_are_cut(text in "\\PC{0,12}", cut in 1_usize..5) {
        let whole = serde_json::json!({ "k": text, "n": [1, 2.5, { "x": null }] }).to_string();
        let mut json = JsonObject::new();
        prop_assert!(whole.as_bytes().chunks(cut).all(|piece| json.push(piece)));
        prop_assert!(json.is_done());
    }
}
