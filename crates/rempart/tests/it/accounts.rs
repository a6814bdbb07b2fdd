//! Accounts and keys by the command line, on a stopped and on a running platform.

use crate::rig::Rig;

#[test]
fn an_account_is_made_changed_and_deleted_on_a_stopped_platform() {
    let Some(rig) = Rig::new() else { return };
    let made = rig.json(&["account", "create", "Ada.L", "--standing", "newcomer", "--email", "ada@example.org"]);
    assert_eq!((made["name"].as_str(), made["standing"].as_str()), (Some("ada.l"), Some("newcomer")));
    assert!(made["id"].as_str().unwrap().starts_with("a_") && made["has_password"] == false);
    let taken = rig.run(&["account", "create", "ada.l"]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&taken.stderr).contains("taken"));
    let hashed = rig.run_with(&["account", "set", "ada.l", "--password-stdin", "--json"], b"correct horse battery\n");
    assert!(String::from_utf8_lossy(&hashed.stdout).contains("\"has_password\":true"), "{hashed:?}");
    assert_eq!(rig.json(&["account", "suspend", "ada.l"])["standing"], "suspended");
    assert_eq!(rig.run(&["account", "link", "ada.l"]).status.code(), Some(1));
    assert_eq!(
        rig.json(&["account", "set", "ada.l", "--standing", "trusted", "--role", "operator"])["role"],
        "operator"
    );
    assert_eq!(rig.json(&["account", "show", "ada.l"])["email"], "ada@example.org");
    let link = rig.done(&["account", "link", "ada.l"]);
    assert!(link.starts_with("http://localhost:8080/sign-in?link="), "{link}");
    rig.done(&["account", "create", "bob"]);
    let names: Vec<_> =
        rig.json(&["account", "list"])["data"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["ada.l", "bob"]);
    rig.done(&["account", "delete", "ada.l"]);
    assert_eq!(rig.run(&["account", "show", "ada.l"]).status.code(), Some(1));
    assert_eq!(rig.run(&["account", "delete", "ada.l"]).status.code(), Some(1));
}

#[test]
fn what_is_wrong_is_refused_with_the_right_code() {
    let Some(rig) = Rig::new() else { return };
    for (args, code) in [
        (vec!["account", "create", "-x-"], 2),
        (vec!["account", "create", "x"], 1),
        (vec!["account", "create", "eve", "--standing", "king"], 2),
        (vec!["account", "create", "eve", "--standing", "visitor"], 2),
        (vec!["account", "create", "eve", "--email", "nonsense"], 1),
        (vec!["account", "show", "nobody"], 1),
        (vec!["key", "create", "--account", "nobody"], 1),
        (vec!["key", "revoke", "k_00000000000"], 1),
        (vec!["key", "create", "--account", "x", "--expires", "soon"], 2),
        (vec!["frobnicate"], 2),
        (vec![], 2),
    ] {
        let output = rig.run(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
    let short = rig.run_with(&["account", "create", "eve", "--password-stdin"], b"short\n");
    assert_eq!(short.status.code(), Some(1));
    let weak = rig.run_with(&["account", "create", "eve", "--password-stdin"], b"password1\n");
    assert_eq!(weak.status.code(), Some(1));
    assert_eq!(rig.run_with(&["account", "create", "eve", "--password-stdin"], b"").status.code(), Some(2));
}

#[test]
fn global_flags_stand_before_or_after_the_command() {
    let Some(rig) = Rig::new() else { return };
    let (data, config) = (rig.data(), rig.config());
    let globals = ["--json", "--data", data.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let before: Vec<&str> = globals.iter().copied().chain(["account", "create", "ada"]).collect();
    let between: Vec<&str> = ["account"].into_iter().chain(globals).chain(["show", "ada"]).collect();
    for args in [before, between] {
        let output = rig.bare(&args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).starts_with('{'));
    }
}

#[test]
fn changes_on_a_running_platform_count_at_once() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    rig.done(&["account", "create", "ada"]);
    let key = rig.done(&["key", "create", "--account", "ada", "--name", "laptop", "--expires", "90d"]);
    assert!(key.starts_with("rmp_") && !key.contains(char::is_whitespace), "{key}");
    let ask = || running.get("/v1/models", Some(&key)).0;
    assert_eq!(ask(), 200);
    rig.done(&["account", "suspend", "ada"]);
    assert_ne!(ask(), 200, "a suspended account is served");
    rig.done(&["account", "set", "ada", "--standing", "member"]);
    assert_eq!(ask(), 200);
    let id = rig.json(&["key", "list", "--account", "ada"])["data"][0]["id"].as_str().unwrap().to_owned();
    rig.done(&["key", "revoke", &id]);
    assert_eq!(ask(), 401);
    let second = rig.done(&["key", "create", "--account", "ada"]);
    assert_eq!(running.get("/v1/models", Some(&second)).0, 200);
    rig.done(&["account", "delete", "ada"]);
    assert_eq!(running.get("/v1/models", Some(&second)).0, 401);
    let (code, said) = running.stop();
    assert_eq!(code, Some(0));
    for secret in [&key, &second] {
        assert!(!said.contains(secret.as_str()), "a key is in the log");
    }
}

#[test]
fn a_revocation_outlives_a_restart_and_a_deletion_too() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    rig.done(&["account", "create", "ada"]);
    rig.done(&["account", "create", "bob"]);
    let (ada, bob) =
        (rig.done(&["key", "create", "--account", "ada"]), rig.done(&["key", "create", "--account", "bob"]));
    let id = rig.json(&["key", "list", "--account", "ada"])["data"][0]["id"].as_str().unwrap().to_owned();
    rig.done(&["key", "revoke", &id]);
    rig.done(&["account", "delete", "bob"]);
    assert_eq!(running.stop().0, Some(0));
    let running = rig.start();
    assert_eq!(running.get("/v1/models", Some(&ada)).0, 401);
    assert_eq!(running.get("/v1/models", Some(&bob)).0, 401);
}

#[test]
fn a_console_key_belongs_to_an_operator() {
    let Some(rig) = Rig::new() else { return };
    rig.done(&["account", "create", "ada"]);
    assert_eq!(rig.run(&["key", "create", "--account", "ada", "--scope", "console"]).status.code(), Some(1));
    rig.done(&["account", "set", "ada", "--role", "operator"]);
    rig.done(&["key", "create", "--account", "ada", "--scope", "console"]);
    rig.done(&["key", "create", "--account", "ada", "--scope", "metrics"]);
    let keys = rig.json(&["key", "list", "--account", "ada"]);
    assert_eq!(keys["data"].as_array().unwrap().len(), 2);
}
