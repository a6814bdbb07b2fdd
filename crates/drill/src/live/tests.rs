//! What the live runner must never do, and how it reads answers.

use std::net::SocketAddr;

use super::answer::{Answer, Ending, reason_of};
use super::{Target, TargetError};

#[test]
fn nothing_but_a_literal_loopback_address_is_a_target() {
    for url in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.9.8.7:1", "http://[::1]:80"] {
        assert!(Target::parse(url).is_ok(), "{url}");
    }
    for url in [
        "http://192.0.2.1:80",
        "http://10.0.0.1",
        "http://0.0.0.0:80",
        "http://169.254.1.1",
        "http://example.org",
        "http://localhost:8080",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://2130706433",
        "http://0x7f000001",
        "http://[::]:80",
        "http://[::ffff:192.0.2.1]:80",
        "http://[::ffff:127.0.0.1]:80",
        "http://[2001:db8::1]:80",
    ] {
        assert!(matches!(Target::parse(url), Err(TargetError::Foreign(_) | TargetError::Form(_))), "{url}");
    }
    for url in
        ["https://127.0.0.1", "127.0.0.1:80", "http://127.0.0.1/path", "http://a@127.0.0.1", "ftp://127.0.0.1", ""]
    {
        assert!(matches!(Target::parse(url), Err(TargetError::Form(_))), "{url}");
    }
    let other: SocketAddr = "192.0.2.7:80".parse().unwrap();
    assert!(Target::of(other).is_err());
}

#[test]
fn text_end_and_refusals_are_read_wherever_a_stream_is_cut() {
    let stream =
        b"data: {\"delta\":{\"content\":\"\"}}\n\ndata: {\"delta\":{\"content\": \"Par\"}}\n\ndata: [DONE]\n\n";
    let refusal = b": keep-alive\n\ndata: {\"error\":{\"code\":\"overloaded\"}}\n\n";
    for len in 1..stream.len() {
        let mut answer = Answer::new("");
        let texts = stream.chunks(len).filter(|piece| answer.read(piece)).count();
        assert_eq!(texts, 1, "pieces of {len}");
        assert_eq!(answer.ending(), Ending::Done);
    }
    let mut answer = Answer::new("");
    assert!(!answer.read(refusal));
    assert_eq!(answer.ending(), Ending::Refused("overloaded".to_owned()));
    let mut answer = Answer::new("");
    answer.read(b"data: {\"finish_reason\":\"insufficient_system");
    answer.read(b"_resource\"}\n\ndata: [DONE]\n\n");
    assert_eq!(answer.ending(), Ending::Cut);
    assert_eq!(Answer::new("").ending(), Ending::Cut, "no end is no answer");
}

#[test]
fn another_ones_canary_is_a_leak_and_the_own_is_none() {
    let (own, other) = ("canaryaaaaaaaaaaaaaaaaaa", "canarybbbbbbbbbbbbbbbbbb");
    for len in 1..60 {
        let mut answer = Answer::new(own);
        for piece in format!("data: {own} and more text {own}").as_bytes().chunks(len) {
            answer.read(piece);
        }
        assert!(!answer.is_leak);
        for piece in format!("data: {other} and more").as_bytes().chunks(len) {
            answer.read(piece);
        }
        assert!(answer.is_leak, "pieces of {len}");
    }
}

#[test]
fn a_reason_is_the_code_or_the_status() {
    assert_eq!(reason_of(429, b"\n\n{\"error\":{\"code\":\"too_many_requests\"}}"), "too_many_requests");
    assert_eq!(reason_of(503, b"<html>"), "503");
}

#[test]
fn a_secret_is_found_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = vec![("a key".to_owned(), b"rmp_verysecretkey".to_vec())];
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    let mut text = vec![b'x'; (1 << 20) - 5];
    text.extend_from_slice(b"rmp_verysecretkey");
    std::fs::write(folder.path().join("deep/across.bin"), &text).unwrap();
    std::fs::write(folder.path().join("clean"), b"rmp_verysecretke").unwrap();
    let found = super::afterwards::search(folder.path(), &secrets).unwrap();
    assert_eq!(found, vec![("a key".to_owned(), "deep/across.bin".to_owned())]);
}

/// A server that answers once on a connection and closes it then, as every server does with idle ones.
fn answer_once_and_close() -> (super::Target, std::thread::JoinHandle<()>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::of(listener.local_addr().unwrap()).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).unwrap() > 0);
        let event = "data: {\"delta\":{\"content\":\"a\"}}\n\n";
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        write!(stream, "{head}{:x}\r\n{event}\r\n", event.len()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        stream.write_all(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    });
    (target, thread)
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_noticed_and_nobody_waits_on_it() {
    for asks_if_ready in [true, false] {
        let (target, server) = answer_once_and_close();
        let asker = super::ask::Asker::new(target, "scripted", Vec::new());
        let stream = target.connect(super::ask::HERE, None, std::time::Duration::from_secs(5)).await.unwrap();
        let mut line = super::line::Line::begin(stream).await.unwrap();
        assert_eq!(line.ask(asker.get("/", None), true, "").await.ending, Ending::Done);
        server.join().unwrap();
        if asks_if_ready {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            assert!(!line.is_ready().await);
        }
        let again = line.ask(asker.get("/", None), false, "");
        let told = tokio::time::timeout(std::time::Duration::from_secs(5), again).await;
        let told = told.expect("an answer that can never come is not waited for");
        assert_eq!((told.status, told.ending), (0, Ending::Broken));
        assert!(!line.is_open());
    }
}
