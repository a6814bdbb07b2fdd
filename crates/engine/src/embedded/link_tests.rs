//! A link ends everything it took, merges what is not read, and cancels what is dropped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use futures_util::FutureExt;

use super::*;
use crate::worker_protocol::{FrameReader, PromptFrame, SamplingFrame};

fn params() -> GenerateParams {
    GenerateParams {
        id: 0,
        prompt: PromptFrame::Text("hi".to_owned()),
        template_fields: Vec::new(),
        sampling: SamplingFrame::default(),
        max_tokens: Some(4),
        is_json_object: false,
        salt: None,
        rank: 3,
        prefill_slice: None,
    }
}

fn now(stream: &mut EventStream) -> Option<Result<EngineEvent, EngineError>> {
    stream.next().now_or_never().unwrap()
}

fn written(link: &Link) -> Vec<ToWorker> {
    let bytes = link.next_write().now_or_never().unwrap_or_default();
    let mut reader = FrameReader::new(TO_WORKER_FRAME_BYTES_MAX);
    reader.room().get_mut(..bytes.len()).unwrap().copy_from_slice(&bytes);
    reader.filled(bytes.len());
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

#[test]
fn deltas_that_nobody_read_are_merged_in_order() {
    let link = Arc::new(Link::default());
    let mut stream = link.submit(params()).unwrap();
    link.deliver(FromWorker::Started { id: 1, input: 9, cached: 0 });
    for text in ["春", "天", "!"] {
        link.deliver(FromWorker::Delta { id: 1, text: text.to_owned(), tokens: 2 });
    }
    let usage = UsageFrame { input: 9, cached: 0, output: 6 };
    link.deliver(FromWorker::Finished { id: 1, reason: FinishWord::Stop, usage });
    assert!(matches!(now(&mut stream), Some(Ok(EngineEvent::Started { input: Some(TokenCount(9)) }))));
    let Some(Ok(EngineEvent::Delta(delta))) = now(&mut stream) else { panic!("no delta") };
    assert_eq!((delta.content.expose().as_str(), delta.tokens), ("春天!", TokenCount(6)));
    assert!(matches!(now(&mut stream), Some(Ok(EngineEvent::Finished { reason: FinishReason::Stop, .. }))));
    assert!(now(&mut stream).is_none());
    assert_eq!(link.in_flight(), 0);
}

#[test]
fn dropping_a_stream_sends_a_cancel_and_dropping_a_finished_one_does_not() {
    let link = Arc::new(Link::default());
    let kept = link.submit(params()).unwrap();
    let left = link.submit(params()).unwrap();
    assert_eq!(written(&link).len(), 2);
    drop(left);
    assert!(matches!(written(&link).as_slice(), [ToWorker::Cancel { id: 2 }]));
    let mut kept = kept;
    link.deliver(FromWorker::Failed { id: 1, error: FailureFrame::Full });
    assert_eq!(now(&mut kept).unwrap().unwrap_err(), EngineError::FULL);
    drop(kept);
    assert!(written(&link).is_empty());
}

#[test]
fn a_closed_link_ends_what_is_in_flight_and_takes_nothing() {
    let link = Arc::new(Link::default());
    let mut stream = link.submit(params()).unwrap();
    link.close(&EngineError::Restarted);
    assert_eq!(now(&mut stream).unwrap().unwrap_err(), EngineError::Restarted);
    assert!(now(&mut stream).is_none());
    assert_eq!(link.submit(params()).err(), Some(EngineError::Starting));
}

#[test]
fn a_worker_is_given_no_more_than_the_bound() {
    let link = Arc::new(Link::default());
    let streams: Vec<EventStream> = (0..IN_FLIGHT_MAX).map(|_| link.submit(params()).unwrap()).collect();
    assert_eq!(link.submit(params()).err(), Some(EngineError::FULL));
    drop(streams);
    assert!(link.submit(params()).is_ok());
}
