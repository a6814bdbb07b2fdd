//! Configuration errors, the example file, help.

use std::path::Path;

use crate::rig::Rig;

#[test]
fn a_wrong_configuration_exits_64_with_every_error_before_anything_is_made() {
    let Some(rig) = Rig::with_config(
        "[server]\nlisten = [\"nowhere\"]\nconsole = \"0.0.0.0:1\"\nwhat = 1\n[limits]\nqueue_len = -1\n[unknown]\n[models]\nfetch = \"yes\"\n",
    ) else {
        return;
    };
    for command in ["serve", "check-config", "migrate"] {
        let output = rig.command(&[command]).env("REMPART__NO__SUCH", "1").output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{command}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        for part in [
            "server.listen",
            "server.console",
            "server.what",
            "limits.queue_len",
            "unknown: unknown section",
            "models.fetch",
            "REMPART__NO__SUCH",
        ] {
            assert_eq!(said.lines().filter(|line| line.contains(part)).count(), 1, "{part} in {said}");
        }
        assert!(output.stdout.is_empty());
    }
    assert!(!rig.data().exists());
}

#[test]
fn the_environment_goes_over_the_file() {
    let Some(rig) = Rig::new() else { return };
    let output = rig.command(&["check-config", "--json"]).env("REMPART__LIMITS__QUEUE_LEN", "77").output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((summary["status"].as_str(), summary["limits"]["queue_len"].as_i64()), (Some("ok"), Some(77)));
}

#[test]
fn the_example_is_the_file_in_the_repository_and_reads_back() {
    let Some(rig) = Rig::new() else { return };
    let printed = String::from_utf8(rig.bare(&["check-config", "--example"]).stdout).unwrap();
    let kept =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/example.toml")).unwrap();
    assert_eq!(printed, kept);
    std::fs::write(rig.config(), printed).unwrap();
    assert_eq!(rig.done(&["check-config"]), "ok");
}

#[test]
fn only_what_is_built_is_listed() {
    let Some(rig) = Rig::new() else { return };
    let help = String::from_utf8(rig.bare(&["--help"]).stdout).unwrap();
    for built in [
        "serve",
        "check-config",
        "doctor",
        "migrate",
        "backup",
        "restore",
        "account",
        "key",
        "model",
        "engine",
        "bench",
        "posture",
        "gate",
        "invite",
        "drill",
    ] {
        assert!(help.contains(&format!("\n  {built} ")), "{built} is missing in {help}");
    }
    assert!(!help.contains("\n  announce "), "announce is listed");
    let engine = String::from_utf8(rig.bare(&["engine", "--help"]).stdout).unwrap();
    assert!(engine.contains("scripted") && !engine.contains("worker") && !engine.contains("requantise"));
}
