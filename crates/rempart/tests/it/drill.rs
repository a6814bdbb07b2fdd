//! The drill as a command: its list, its world, its report, and what it refuses to attack.

use serde_json::Value;

use crate::rig::Rig;

#[test]
fn every_scenario_is_listed() {
    let Some(rig) = Rig::new() else { return };
    let list: Value = serde_json::from_str(&rig.done(&["drill", "--list", "--json"])).unwrap();
    let names: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    for name in ["quiet-day", "token-flood", "token-flood-inside", "january-2025"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_world_drill_reports_and_exits_with_what_became_of_the_promises() {
    let Some(rig) = Rig::new() else { return };
    let folder = rig.path("report");
    let held = rig.run(&["drill", "token-flood", "--world", "--json", "--report", folder.to_str().unwrap()]);
    assert_eq!(held.status.code(), Some(0), "{held:?}");
    let report: Value = serde_json::from_slice(&held.stdout).unwrap();
    assert_eq!((report["mode"].as_str(), report["held"].as_bool()), (Some("world"), Some(true)));
    assert!(report["phases"][2]["attackers"]["sent"].as_u64().unwrap() > 100, "{report}");
    for page in ["report.html", "report.zh.html", "report.fr.html"] {
        let html = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(html.contains("<svg") && !html.contains("drill-"), "{page}: a text is missing");
    }
    // The same with a promise that nobody can keep.
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../drill/scenarios/token-flood.toml"));
    let impossible = text.unwrap().replace("members_done_percent_min = 99.9", "members_done_percent_min = 100.5");
    let file = rig.path("impossible.toml");
    std::fs::write(&file, impossible).unwrap();
    let broken = rig.run(&["drill", file.to_str().unwrap(), "--world"]);
    assert_eq!(broken.status.code(), Some(1));
    let told = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(told.contains("members_served") && told.contains("--seed 1"), "{told}");
}

#[test]
fn nothing_but_this_machine_is_attacked() {
    let Some(rig) = Rig::new() else { return };
    for url in
        ["http://192.0.2.1:80", "http://example.org", "http://localhost:8080", "https://127.0.0.1", "http://[::]:1"]
    {
        let refused = rig.run(&["drill", "quiet-day", "--against", url]);
        assert_eq!(refused.status.code(), Some(2), "{url}");
        assert!(refused.stdout.is_empty(), "{url}");
    }
}

#[test]
fn a_wrong_scenario_is_told_with_its_line() {
    let Some(rig) = Rig::new() else { return };
    let file = rig.path("wrong.toml");
    std::fs::write(&file, "title = \"x\"\nseeed = 1\n").unwrap();
    let refused = rig.run(&["drill", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 2"), "{refused:?}");
}
