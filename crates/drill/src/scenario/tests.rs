//! Scenario files: the shipped ones are sound, and what is wrong is told.

use super::{AttackKind, Keys, Sources, catalogue, load, parse};

const SMALL: &str = "title = \"t\"\nphases = [{ name = \"quiet\", seconds = 5, role = \"quiet\" }]\n[members]\naccounts = 3\nrate_per_s = 2\n";

#[test]
fn every_shipped_scenario_is_sound() {
    let all = catalogue(None).unwrap();
    assert!(all.len() >= 5, "{} scenarios", all.len());
    for (name, text) in all {
        let scenario = parse(&name, &text).unwrap_or_else(|error| panic!("{error}"));
        assert!(!scenario.title.is_empty());
        for language in ["fr", "zh-Hans"] {
            let (title, about) = scenario.words_in(language);
            assert!(title != scenario.title && about != scenario.about && !about.is_empty(), "{name} in {language}");
        }
        assert!(text.starts_with('#'), "{name} says what it is in its first line");
    }
}

#[test]
fn a_file_in_a_folder_is_a_scenario_and_no_code_changes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), SMALL).unwrap();
    assert_eq!(load("mine", Some(folder.path())).unwrap().members.accounts, 3);
    let path = folder.path().join("mine.toml");
    assert_eq!(load(path.to_str().unwrap(), None).unwrap().name, "mine");
    assert!(load("yours", Some(folder.path())).unwrap_err().to_string().contains("no scenario \"yours\""));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let error = |text: &str| parse("x", text).unwrap_err().to_string();
    assert!(
        error(&format!("{SMALL}tarif = 1\n")).contains("line 6: unknown field"),
        "{}",
        error(&format!("{SMALL}tarif = 1\n"))
    );
    assert!(error(&SMALL.replace("accounts = 3", "accounts = 0")).contains("members.accounts = 0"));
    let attack = format!("{SMALL}[attacks.flood]\nkind = \"completions\"\nclients = 9000\nduring = [\"night\"]\n");
    let told = error(&attack);
    assert!(told.contains("clients = 9000") && told.contains("no phase is named \"night\""), "{told}");
    assert_eq!(told.lines().count(), 3, "all at once: {told}");
    assert!(error("title = 1").contains("line 1"));
}

#[test]
fn sources_are_a_number_or_the_members() {
    let with = |sources: &str| {
        let text = format!(
            "{SMALL}[attacks.a]\nkind = \"completions\"\nclients = 4\nduring = [\"quiet\"]\nkeys = \"invalid\"\nsources = {sources}\n"
        );
        parse("x", &text).map(|scenario| scenario.attacks.values().next().cloned().unwrap())
    };
    let own = with("4096").unwrap();
    assert_eq!((own.sources, own.keys, own.kind), (Sources::Own(4096), Keys::Invalid, AttackKind::Completions));
    assert!(matches!(with("\"members\"").unwrap().sources, Sources::Shared(_)));
    assert!(with("\"others\"").is_err());
}

#[test]
fn an_attack_that_pauses_is_on_and_off() {
    let text = SMALL.replace("seconds = 5", "seconds = 25")
        + "[attacks.a]\nkind = \"connections\"\nclients = 4\nduring = [\"quiet\"]\non_s = 10\noff_s = 5\n";
    let scenario = parse("x", &text).unwrap();
    let spans = scenario.spans_of(scenario.attacks.values().next().unwrap());
    assert_eq!(spans, vec![(0.0, 10.0), (15.0, 25.0)]);
}
