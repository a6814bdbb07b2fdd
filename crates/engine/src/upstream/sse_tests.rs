//! The event reader: every way to cut and to end a line.

use proptest::prelude::*;

use super::{EVENT_BYTES_MAX, Sse};
use crate::EngineError;

fn read(chunks: &[&[u8]]) -> Result<Vec<String>, EngineError> {
    let mut events = Vec::new();
    let mut sse = Sse::default();
    let mut on_data = |data: &[u8]| {
        events.push(String::from_utf8(data.to_vec()).unwrap());
        Ok(())
    };
    for chunk in chunks {
        sse.feed(chunk, &mut on_data)?;
    }
    sse.finish(&mut on_data)?;
    Ok(events)
}

#[test]
fn comments_unknown_fields_and_empty_events_are_skipped() {
    let text = b": keep-alive\n\nevent: message\nid: 7\nretry: 10\ndata: one\n\n\n\n: x\ndata:two\n\ndatax: no\n\n";
    assert_eq!(read(&[text]), Ok(vec!["one".into(), "two".into()]));
}

#[test]
fn several_data_lines_are_joined_and_one_space_is_taken_off() {
    assert_eq!(read(&[b"data: a\ndata:  b\ndata\ndata:c\n\n"]), Ok(vec!["a\n b\n\nc".into()]));
}

#[test]
fn crlf_cr_and_byte_order_mark_are_understood_wherever_they_are_cut() {
    let text: &[u8] = b"\xEF\xBB\xBFdata: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\n";
    let wanted: Vec<String> = ["a", "b", "c", "d"].map(String::from).into();
    assert_eq!(read(&[text]), Ok(wanted.clone()));
    for cut in 3..text.len() {
        let (left, right) = text.split_at(cut);
        assert_eq!(read(&[left, right]), Ok(wanted.clone()), "cut at {cut}");
    }
}

#[test]
fn last_event_without_its_blank_line_counts() {
    assert_eq!(read(&[b"data: a\n\ndata: [DONE]"]), Ok(vec!["a".into(), "[DONE]".into()]));
}

#[test]
fn endless_line_and_endless_event_are_refused() {
    let long = vec![b'x'; EVENT_BYTES_MAX / 2 + 1];
    assert_eq!(read(&[b"data: ", &long, &long]), Err(EngineError::Protocol("event is too long")));
    let mut line = b"data: ".to_vec();
    line.extend_from_slice(&long);
    line.push(b'\n');
    assert_eq!(read(&[&line, &line]), Err(EngineError::Protocol("event is too long")));
}

proptest! {
    #[test]
    fn cuts_never_change_what_is_read(
        texts in prop::collection::vec("[^\r\n]{0,40}", 1..20),
        endings in prop::collection::vec(0_usize..3, 1..20),
        cuts in prop::collection::vec(1_usize..30, 1..60),
    ) {
        let mut bytes = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let ending = ["\n", "\r\n", "\r"][endings[index % endings.len()]];
            bytes.extend_from_slice(format!("data: {text}{ending}{ending}").as_bytes());
        }
        let mut chunks: Vec<&[u8]> = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (left, right) = rest.split_at((*cut).min(rest.len()));
            chunks.push(left);
            rest = right;
        }
        prop_assert_eq!(read(&chunks), Ok(texts));
    }
}
