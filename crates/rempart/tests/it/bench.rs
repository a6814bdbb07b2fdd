//! The scripted engine as a command, and the load generator against it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::rig::{Rig, get};

struct Engine(Child, SocketAddr);

impl Engine {
    fn start(rig: &Rig) -> Self {
        let mut command = rig.command(&[
            "engine",
            "scripted",
            "--listen",
            "127.0.0.1:0",
            "--sequences",
            "64",
            "--kv-tokens",
            "1000000",
            "--prefill-tps",
            "1000000",
            "--decode-tps",
            "100",
            "--tokens",
            "10",
        ]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.strip_prefix("engine  http://").unwrap().parse().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Self(child, address)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn bench(rig: &Rig, address: SocketAddr, args: &[&str]) -> Value {
    let url = format!("http://{address}/v1/chat/completions");
    let all: Vec<&str> = ["bench", "load", "--url", &url, "--warmup", "0.2", "--duration", "1"]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    serde_json::from_str(&rig.done(&all)).unwrap()
}

#[test]
fn a_closed_loop_of_four_streams_gets_its_hundred_milliseconds() {
    let Some(rig) = Rig::new() else { return };
    let engine = Engine::start(&rig);
    let report = bench(&rig, engine.1, &["--mode", "stream", "--streams", "4"]);
    assert!(report["done"].as_u64().unwrap() >= 20, "{report}");
    assert_eq!(report["errors"], serde_json::json!({}));
    let (first, total) = (report["ttft_ms"]["p50"].as_f64().unwrap(), report["total_ms"]["p50"].as_f64().unwrap());
    assert!((9.0..60.0).contains(&first) && (95.0..200.0).contains(&total), "{report}");
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let Some(rig) = Rig::new() else { return };
    let engine = Engine::start(&rig);
    let report = bench(&rig, engine.1, &["--mode", "chat", "--streams", "32", "--rate", "50", "--max-tokens", "1"]);
    let sent = report["sent"].as_u64().unwrap();
    assert!((48..=52).contains(&sent), "{report}");
    let stats: Value = serde_json::from_str(&get(engine.1, "/stats", None).1).unwrap();
    assert_eq!(stats["running"], 0, "{stats}");
}

#[test]
fn load_goes_to_this_machine_only() {
    let Some(rig) = Rig::new() else { return };
    for url in ["http://example.org/", "http://192.0.2.1:80/", "https://127.0.0.1/"] {
        assert_eq!(rig.run(&["bench", "load", "--url", url]).status.code(), Some(2), "{url}");
    }
}

#[test]
fn the_scripted_engine_ends_on_sigterm() {
    let Some(rig) = Rig::new() else { return };
    let mut engine = Engine::start(&rig);
    kill_process(Pid::from_child(&engine.0), Signal::TERM).unwrap();
    assert_eq!(engine.0.wait().unwrap().code(), Some(0));
}

#[test]
fn functions_are_timed_with_as_many_waiting_as_they_say() {
    let Some(rig) = Rig::new() else { return };
    let told = rig.bare(&["bench", "functions"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("decision of admission, 10000 waiting"), "{told}");
    for name in ["session opened", "API key guessed", "challenge issued", "solution replayed", "one token"] {
        let line = told.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {told}"));
        let figure: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
        assert!(figure > 0.0, "{line}");
    }
}
