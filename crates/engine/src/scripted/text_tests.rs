//! Answers are cut at whole characters and have as many tokens as was asked for.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::text::{Answer, Asked, Message, Wish};
use super::{AnswerKind, ScriptedOptions};
use crate::FinishReason;

fn options(tokens: u32, answer: AnswerKind, reasoning: u32) -> ScriptedOptions {
    ScriptedOptions { tokens, answer, reasoning, ..ScriptedOptions::default() }
}

fn told(answer: &mut Answer) -> (String, String, u32) {
    let (mut content, mut reasoning, mut count) = (String::new(), String::new(), 0);
    while let Some(piece) = answer.next_piece() {
        count += 1;
        if piece.is_reasoning { &mut reasoning } else { &mut content }.push_str(piece.text);
    }
    (content, reasoning, count)
}

fn ask(json: &str) -> Asked {
    Asked::from_messages(&serde_json::from_str::<Vec<Message<'_>>>(json).unwrap(), AnswerKind::Echo).unwrap()
}

#[test]
fn input_is_the_bytes_of_all_texts_by_four() {
    let asked = ask(
        r#"[{"role":"system","content":"ab"},{"role":"user","content":[{"type":"text","text":"你好"},{"type":"image_url","image_url":{}}]},
            {"role":"assistant","content":null},{"role":"tool","content":"\u4e2d!"}]"#,
    );
    assert_eq!(asked, Asked { input: 3, echo: "你好".to_owned() });
}

#[test]
fn an_echo_repeats_the_last_user_message_character_for_character() {
    let mut answer = Answer::plan(&options(5, AnswerKind::Echo, 0), "a  b\n你好", &Wish::default());
    assert_eq!(told(&mut answer), ("a  b\n你好 a".to_owned(), String::new(), 5));
    assert_eq!(answer.reason(), FinishReason::Stop);
}

#[test]
fn max_tokens_cuts_and_says_so() {
    let wish = Wish { max_tokens: Some(3), ..Wish::default() };
    let mut answer = Answer::plan(&options(16, AnswerKind::Words, 2), "", &wish);
    assert_eq!(told(&mut answer), ("The".to_owned(), "Let me".to_owned(), 3));
    assert_eq!(answer.reason(), FinishReason::Length);
}

#[test]
fn a_stop_text_ends_the_answer_before_it_even_inside_a_piece() {
    let wish = Wish { stop: vec!["zzz".to_owned(), "ey my".to_owned()], ..Wish::default() };
    let mut answer = Answer::plan(&options(16, AnswerKind::Echo, 0), "oh they my dear", &wish);
    assert_eq!(told(&mut answer), ("oh th".to_owned(), String::new(), 2));
    assert_eq!(answer.reason(), FinishReason::Stop);
    let wish = Wish { stop: vec!["oh".to_owned()], ..Wish::default() };
    let mut answer = Answer::plan(&options(16, AnswerKind::Echo, 0), "oh they", &wish);
    assert_eq!(told(&mut answer), (String::new(), String::new(), 1));
}

#[test]
fn an_object_is_an_object_at_every_length() {
    for tokens in 1..40 {
        let wish = Wish { is_json_object: true, ..Wish::default() };
        let mut answer = Answer::plan(&options(tokens, AnswerKind::Echo, 0), "x", &wish);
        let (content, _, count) = told(&mut answer);
        assert_eq!(count, tokens);
        assert!(serde_json::from_str::<serde_json::Value>(&content).unwrap().is_object(), "{content}");
    }
}

proptest! {
    #[test]
    fn an_echo_has_exactly_the_tokens_asked_for(text in "\\PC{0,60}", tokens in 1..80_u32, reasoning in 0..5_u32) {
        let mut answer = Answer::plan(&options(tokens, AnswerKind::Echo, reasoning), &text, &Wish::default());
        let (content, _, count) = told(&mut answer);
        prop_assert_eq!(count, tokens + reasoning);
        let forever = format!("{text} ").repeat(tokens as usize + 1);
        prop_assert!(text.trim().is_empty() || forever.starts_with(&content) || content.starts_with(&text));
    }
}
