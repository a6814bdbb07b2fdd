//! Start, what is printed and written, signals, a folder that is taken.

use std::io::Read as _;
use std::net::{Ipv6Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;

use crate::rig::{Rig, get, read_answer, send};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_start_prints_its_lines_in_order_and_the_second_no_operator_link() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    let lines = running.lines.clone();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[0].starts_with("rempart 0."));
    assert_eq!(lines[1], format!("public  http://localhost:{}", running.public.port()));
    let console = lines[2].strip_prefix("console ").unwrap();
    let link = lines[3].strip_prefix("operator ").unwrap().strip_suffix(" (once, 24 h)").unwrap();
    assert!(link.starts_with(&format!("{console}/first-run?link=")) && link.len() > console.len() + 40, "{link}");
    assert_eq!(lines[4], "ready");
    assert_eq!(running.run_file["pid"], running.child.id());
    assert_eq!(running.run_file["console"], console);
    assert_eq!(running.get("/healthz", None), (200, "{\"status\":\"ok\"}".to_owned()));
    let (status, body) = running.get("/readyz", None);
    assert_eq!((status, body.as_str()), (200, "{\"status\":\"ready\",\"engines\":{\"script\":\"ready\"}}"));
    let (code, said) = running.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(!rig.data().join("run.json").exists() && !rig.data().join("control.sock").exists());
    let again = rig.start();
    assert!(again.lines.iter().all(|line| !line.starts_with("operator")), "{:?}", again.lines);
}

#[test]
fn what_is_in_the_folder_is_for_its_owner_only() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    let data = rig.data();
    assert_eq!((mode(&data), mode(&data.join("keys"))), (0o700, 0o700));
    for file in ["keys/master.key", "keys/mac.key", "rempart.db", "lock", "control.sock", "run.json"] {
        assert_eq!(mode(&data.join(file)) & 0o077, 0, "{file} is open to others");
    }
    drop(running);
}

#[test]
fn a_second_platform_on_the_same_folder_exits_69() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    let second = rig.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another rempart runs on"));
    assert!(second.stdout.is_empty());
    assert_eq!(running.get("/healthz", None).0, 200);
}

#[test]
fn a_port_that_is_taken_exits_69() {
    let Some(rig) = Rig::new() else { return };
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = rig.run(&["serve", "--listen", &holder.local_addr().unwrap().to_string()]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(!rig.data().join("rempart.db").exists(), "the store was opened before the ports were had");
}

#[test]
fn several_listeners_and_ipv6_answer() {
    let Some(rig) = Rig::new() else { return };
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("skipped: no IPv6 on this machine");
        return;
    }
    let running = rig.start_with(&["--listen", "[::1]:0", "--listen", "127.0.0.1:0"]);
    let addresses = running.run_file["public"].as_array().unwrap();
    assert_eq!(addresses.len(), 2);
    assert_eq!(running.lines[1], format!("public  {}", addresses[0].as_str().unwrap()));
    for address in addresses {
        let address = address.as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        assert_eq!(get(address, "/healthz", None).0, 200, "{address}");
    }
}

#[test]
fn what_is_in_flight_is_finished_before_the_end() {
    let Some(rig) = Rig::new() else { return };
    rig.done(&["account", "create", "ada"]);
    let key = rig.done(&["key", "create", "--account", "ada"]);
    let mut running = rig.start();
    let body = r#"{"model":"scripted","stream":true,"messages":[{"role":"user","content":"one two three"}]}"#;
    let mut stream = send(running.public, "POST", "/v1/chat/completions", Some(&key), body);
    let mut begun = [0_u8; 2048];
    let len = stream.read(&mut begun).unwrap();
    assert!(
        String::from_utf8_lossy(&begun[..len]).starts_with("HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&begun[..len])
    );
    running.signal(Signal::TERM);
    running.signal(Signal::HUP);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("data: [DONE]"), "the stream was cut: {rest}");
    assert_eq!(running.wait().0, Some(0));
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let Some(rig) = Rig::with_config(
        "[server]\nconsole = \"127.0.0.1:0\"\n[models]\nfetch = false\n[engine.slow]\nkind = \"scripted\"\ndecode_tps = 1\ntokens = 1000\n",
    ) else {
        return;
    };
    rig.done(&["account", "create", "ada"]);
    let key = rig.done(&["key", "create", "--account", "ada"]);
    let mut running = rig.start();
    let body = r#"{"model":"scripted","stream":true,"messages":[{"role":"user","content":"one"}]}"#;
    let mut stream = send(running.public, "POST", "/v1/chat/completions", Some(&key), body);
    let mut begun = [0_u8; 64];
    assert!(stream.read(&mut begun).unwrap() > 0);
    running.signal(Signal::TERM);
    // The first one is taken up before the second comes.
    crate::rig::eventually("draining", || {
        std::net::TcpStream::connect(running.public).is_err() || get_ready(&running) == 503
    });
    running.signal(Signal::INT);
    assert_eq!(running.wait().0, Some(1));
    drop(read_answer(&mut stream));
}

fn get_ready(running: &crate::rig::Running) -> u16 {
    let Ok(mut stream) = std::net::TcpStream::connect(running.public) else { return 503 };
    use std::io::Write as _;
    let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    if asked.is_err() || stream.read_to_string(&mut answer).is_err() || answer.is_empty() {
        return 503;
    }
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(503)
}

#[test]
fn the_sign_in_line_outlives_a_restart() {
    let config = format!("{}[limits]\nsign_in_places_per_minute = 1\n", crate::rig::CONFIG);
    let Some(rig) = Rig::with_config(&config) else { return };
    rig.done(&["account", "create", "ada"]);
    let ask = |running: &crate::rig::Running, body: serde_json::Value| {
        let mut stream = send(running.public, "POST", "/api/v1/sessions", None, &body.to_string());
        let (status, body) = read_answer(&mut stream);
        (status, serde_json::from_str::<serde_json::Value>(&body).unwrap_or_default())
    };
    let wait = |running: &crate::rig::Running, ticket: Option<&serde_json::Value>| {
        let (status, place) =
            ask(running, serde_json::json!({ "name": "ada", "password": "", "wait": true, "ticket": ticket }));
        assert_eq!(status, 202, "{place}");
        (place["ticket"].clone(), place["position"].as_u64().unwrap())
    };
    let running = rig.start();
    for n in 0..3 {
        let guess = serde_json::json!({ "name": "ada", "password": format!("a wrong guess {n}") });
        assert_eq!(ask(&running, guess).0, 401);
    }
    let before: Vec<_> = (0..5).map(|_| wait(&running, None)).collect();
    assert!(before[4].1 >= 2, "of one minute all are told the middle of them: {before:?}");
    assert_eq!(running.stop().0, Some(0));
    let running = rig.start();
    // Nobody has come back yet: who is new finds the others before it all the same.
    let late = wait(&running, None).1;
    assert!(late >= 2, "the line was forgotten: {late}");
    for (ticket, _) in &before {
        // 0: a minute has turned, and it is the turn of one of them.
        let now = wait(&running, Some(ticket)).1;
        assert!(now <= 4, "the middle of six is not {now}");
    }
}
