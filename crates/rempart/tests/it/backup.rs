//! Backup on a running platform, restore on a stopped one.

use crate::rig::Rig;

#[test]
fn a_backup_brings_back_what_was_deleted() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    rig.done(&["account", "create", "ada", "--email", "ada@example.org"]);
    let key = rig.done(&["key", "create", "--account", "ada"]);
    let file = rig.path("backup.db");
    let file = file.to_str().unwrap();
    rig.done(&["backup", file]);
    assert_eq!(rig.run(&["backup", file]).status.code(), Some(1), "an existing file was overwritten");
    rig.done(&["account", "delete", "ada"]);
    let refused = rig.run(&["restore", file]);
    assert_eq!(refused.status.code(), Some(69), "restored under a running platform");
    assert_eq!(running.stop().0, Some(0));
    rig.done(&["restore", file]);
    assert_eq!(rig.json(&["account", "show", "ada"])["email"], "ada@example.org");
    assert_eq!(rig.start().get("/v1/models", Some(&key)).0, 200);
}

#[test]
fn a_stopped_platform_is_backed_up_too_and_no_folder_is_made_for_nothing() {
    let Some(rig) = Rig::new() else { return };
    let file = rig.path("backup.db");
    assert_eq!(rig.run(&["backup", file.to_str().unwrap()]).status.code(), Some(69));
    assert!(!rig.data().exists());
    rig.done(&["account", "create", "ada"]);
    rig.done(&["backup", file.to_str().unwrap()]);
    assert!(file.metadata().unwrap().len() > 0);
}

#[test]
fn a_missing_master_key_is_said_and_none_is_made_in_its_place() {
    let Some(rig) = Rig::new() else { return };
    rig.done(&["account", "create", "ada"]);
    let key = rig.data().join("keys/master.key");
    std::fs::rename(&key, rig.path("aside.key")).unwrap();
    let output = rig.run(&["account", "list"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("master.key is missing"), "{output:?}");
    assert!(!key.exists());
    std::fs::rename(rig.path("aside.key"), &key).unwrap();
    rig.done(&["account", "show", "ada"]);
}

#[test]
fn migrate_and_doctor_find_a_fresh_folder_in_order() {
    let Some(rig) = Rig::new() else { return };
    assert_eq!(rig.json(&["migrate"])["status"], "ok");
    let output = rig.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<_> = report["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["grade"] == "fail" && check["what"] != "port")
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(report["data"].as_array().unwrap().iter().any(|check| check["what"] == "store" && check["grade"] == "ok"));
}
