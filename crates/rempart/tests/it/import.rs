//! Bringing accounts in: fast, line by line, telling what was not taken.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::Rig;

const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";

#[test]
fn a_hundred_thousand_accounts_come_in_within_half_a_minute() {
    let Some(rig) = Rig::new() else { return };
    let mut lines = String::new();
    for number in 0..100_000 {
        writeln!(lines, "{{\"name\":\"member-{number}\",\"standing\":\"member\",\"created\":\"2024-03-01T10:00:00Z\",\"email\":\"m{number}@example.org\",\"password_hash\":\"{PHC}\",\"keys\":1}}").unwrap();
    }
    let file = rig.path("accounts.jsonl");
    std::fs::write(&file, lines).unwrap();
    let began = Instant::now();
    let output = rig.run(&["account", "import", file.to_str().unwrap()]);
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("100 000 accounts with a key each in {took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 100_000);
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["name"], "member-99999");
    let key = last["keys"][0].as_str().unwrap();
    let running = rig.start();
    assert_eq!(running.get("/v1/models", Some(key)).0, 200);
    let show = rig.json(&["account", "show", "member-99999"]);
    assert_eq!((show["created"].as_str(), show["has_password"].as_bool()), (Some("2024-03-01T10:00:00Z"), Some(true)));
}

#[test]
fn bad_lines_are_told_and_the_others_come_in() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    rig.done(&["account", "create", "taken"]);
    let lines = format!(
        "{{\"name\":\"ada\",\"keys\":2}}\n\nnot json\n{{\"name\":\"taken\"}}\n{{\"name\":\"bob\",\"standing\":\"king\"}}\n{{\"name\":\"cid\",\"created\":\"2999-01-01\"}}\n{{\"name\":\"dot\",\"password_hash\":\"plain\"}}\n{{\"name\":\"ada\"}}\n{{\"name\":\"eve\",\"created\":1700000000,\"password_hash\":\"{PHC}\"}}\n{{\"name\":\"fay\",\"what\":1}}"
    );
    let output = rig.run_with(&["account", "import", "-"], lines.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let rows: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ada", "eve"]);
    assert_eq!(rows[0]["keys"].as_array().unwrap().len(), 2);
    let said = String::from_utf8(output.stderr).unwrap();
    for part in [
        "line 3:",
        "line 4: the name taken is taken",
        "line 5:",
        "line 6:",
        "line 7:",
        "line 8:",
        "line 10:",
        "2 imported, 7 refused",
    ] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    let key = rows[0]["keys"][1].as_str().unwrap();
    assert_eq!(running.get("/v1/models", Some(key)).0, 200);
}
