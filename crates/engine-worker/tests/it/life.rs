//! The worker's life: it is started, it is killed, it comes back, and it never outlives its platform.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rempart_engine::models::ModelFile;
use rempart_engine::{Engine, EngineError, EngineEvent, EngineStatus};

use crate::harness::{PATIENCE, Running, chat, model, read, start};

const MODEL: &str = "REMPART_TEST_MODEL";

fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

fn is_alive(pid: u32) -> bool {
    // A zombie has no command line; the supervisor waits for its children anyway.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn until(mut is_true: impl FnMut() -> bool) {
    let reached = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("in time");
}

#[tokio::test]
async fn a_killed_worker_ends_what_is_in_flight_and_is_back_within_two_seconds() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    for _ in 0..2 {
        let mut endless = chat("Tell me a very long story.");
        endless.max_tokens = None;
        let mut stream = engine.ask(endless);
        while !matches!(stream.next().await.unwrap().unwrap(), EngineEvent::Delta(_)) {}
        let pid = engine.engine.worker_pid().unwrap();
        let killed = Instant::now();
        kill(pid);
        assert_eq!(read(stream).await.unwrap_err(), EngineError::Restarted);
        until(|| engine.engine.worker_pid().is_some_and(|now| now != pid)).await;
        engine.wait_for(EngineStatus::Ready).await;
        assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
        assert!(engine.answer(chat("What is the capital of France?")).await.unwrap().text.contains("Paris"));
    }
}

#[tokio::test]
async fn the_worker_ends_with_its_platform() {
    let Some(path) = model(MODEL) else { return };
    let engine = Running::ready(path).await;
    let pid = engine.engine.worker_pid().unwrap();
    assert!(is_alive(pid));
    drop(engine);
    until(|| !is_alive(pid)).await;
}

#[tokio::test]
async fn a_worker_whose_socket_closes_ends_itself() {
    let Some(path) = model(MODEL) else { return };
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rempart-engine-worker"))
        .stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let load = rempart_engine::worker_protocol::ToWorker::Load(rempart_engine::worker_protocol::LoadParams {
        model_path: path,
        sequences: 2,
        cached_sequences: 0,
        kv_tokens: 512,
        threads: 1,
        chunk: 64,
    });
    let mut bytes = Vec::new();
    rempart_engine::worker_protocol::encode_frame(&mut bytes, &load, 4096).unwrap();
    std::io::Write::write_all(&mut &ours, &bytes).unwrap();
    let mut head = [0; 4];
    std::io::Read::read_exact(&mut &ours, &mut head).unwrap();
    drop(ours);
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn without_a_model_it_starts_and_takes_it_up_when_it_comes() {
    let Some(path) = model(MODEL) else { return };
    let engine = start(None, |_| {});
    assert_eq!(engine.engine.status(), EngineStatus::Loading);
    assert_eq!(engine.answer(chat("x")).await.unwrap_err(), EngineError::Starting);
    engine.model.send(Some(ModelFile { id: "test-model".to_owned(), path })).unwrap();
    engine.wait_for(EngineStatus::Ready).await;
    assert_eq!(engine.engine.models()[0].context_len.unwrap().0, 2048);
}

#[tokio::test]
async fn a_file_that_is_no_model_is_down_with_a_reason_until_it_is_another() {
    let Some(path) = model(MODEL) else { return };
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.gguf");
    std::fs::write(&broken, b"GGUF and nothing of the kind").unwrap();
    let engine = start(Some(broken), |_| {});
    engine.wait_for(EngineStatus::Down).await;
    assert!(engine.engine.down_reason().unwrap().len() > 10);
    assert_eq!(engine.answer(chat("x")).await.unwrap_err(), EngineError::Unavailable);
    engine.model.send(Some(ModelFile { id: "test-model".to_owned(), path })).unwrap();
    engine.wait_for(EngineStatus::Ready).await;
    assert_eq!(engine.engine.down_reason(), None);
}

#[tokio::test]
async fn a_worker_that_cannot_be_started_is_down_with_a_reason() {
    let path = std::path::PathBuf::from("no-model.gguf");
    let engine = start(Some(path), |options| options.worker_exe = "no-such-program".into());
    engine.wait_for(EngineStatus::Down).await;
    assert!(engine.engine.down_reason().unwrap().contains("cannot be started"));
}
