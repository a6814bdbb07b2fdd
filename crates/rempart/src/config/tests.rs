//! Everything wrong is said at once; the example file is what the types say; nothing unsafe is bound.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

fn sources(file: Option<&str>, env: &[(&str, &str)]) -> (Option<tempfile::NamedTempFile>, Sources) {
    let file = file.map(|text| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    });
    let mut all: BTreeMap<String, String> = env.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
    all.entry("HOME".to_owned()).or_insert_with(|| "/home/someone".to_owned());
    let path = file.as_ref().map(|file| file.path().to_owned());
    (file, Sources { file: path, env: all })
}

fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let (_file, sources) = sources(Some(text), env);
    load(&sources).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn engine<'a>(config: &'a Config, name: &str) -> &'a EngineSection {
    &config.engine.iter().find(|(known, _)| known == name).unwrap().1
}

fn errors_of(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    load_text(text, env).expect_err("this configuration is wrong")
}

#[test]
fn without_anything_the_defaults_hold() {
    let config = load_text("", &[]).unwrap();
    assert_eq!(config.server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.server.public_url, "http://localhost:8080");
    assert!(config.engine.is_empty() && config.models.fetch);
    assert_eq!(config.models_dir, Path::new("/home/someone/.cache/rempart/models"));
}

#[test]
fn every_error_is_told_at_once() {
    let errors = errors_of(
        "[server]\nlisten = [\"here\"]\nconsole = \"0.0.0.0:8081\"\npublic_url = \"ftp://x\"\nhost = 1\n[limits]\nqueue_len = 0\nnope = 3\n[nowhere]\nx = 1\n[engine.a]\nkind = \"magic\"\n",
        &[("REMPART__STANDING__MEMBER_AFTER_DAYS", "soon"), ("REMPART__SERVER__NOPE", "1")],
    );
    for part in [
        "server.listen: expected a list of addresses",
        "server.console: 0.0.0.0:8081 is no loopback address",
        "server.public_url: expected http",
        "server.host: unknown key",
        "limits.queue_len: expected a whole number above 0",
        "limits.nope: unknown key",
        "nowhere: unknown section",
        "engine.a.kind: expected \"embedded\"",
        "REMPART__STANDING__MEMBER_AFTER_DAYS: no TOML value",
        "REMPART__SERVER__NOPE: unknown key",
    ] {
        assert!(errors.iter().any(|line| line.contains(part)), "{part:?} is missing in {errors:#?}");
    }
    assert!(errors.iter().all(|line| !line.contains('\n')), "{errors:?}");
}

#[test]
fn broken_toml_names_its_line() {
    let errors = errors_of("[server]\nlisten = [\n", &[]);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("line "), "{errors:?}");
}

#[test]
fn the_environment_sets_each_kind_of_key() {
    let env = [
        ("REMPART__SERVER__LISTEN", "[\"[::1]:0\", \"127.0.0.1:0\"]"),
        ("REMPART__SERVER__PUBLIC_URL", "https://chat.example.org"),
        ("REMPART__MODELS__ALIASES", "{ \"deepseek-chat\" = \"m\" }"),
        ("REMPART__MODELS__FETCH", "false"),
        ("REMPART__LIMITS__QUEUE_LEN", "7"),
        ("REMPART__LIMITS__KNOWN_KEYS", "8"),
        ("REMPART__ENGINE__BIG__KIND", "upstream"),
        ("REMPART__ENGINE__BIG__URL", "http://127.0.0.1:9/v1"),
        ("REMPART__ENGINE__BIG__MODELS", "[\"m\"]"),
        ("REMPART_TEST_MODEL", "not ours"),
    ];
    let config = load_text("[server]\nlisten = [\"127.0.0.1:1\"]\n", &env).unwrap();
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.public_url, "https://chat.example.org");
    assert_eq!(config.models.aliases["deepseek-chat"], "m");
    assert!(!config.models.fetch);
    assert_eq!((config.limits.gateway.queue_len, config.limits.platform.known_keys), (7, 8));
    assert_eq!(engine(&config, "big").models, ["m"]);
}

#[test]
fn a_database_that_strangers_reach_needs_a_password_and_tls() {
    let check = |url: &str| load_text(&format!("[store]\nurl = {url:?}\n"), &[]);
    for fine in [
        "sqlite",
        "postgres:///rempart?host=/run/postgresql",
        "postgres://u@localhost/r",
        "postgres://u:p@[::1]:5432/r",
        "postgres://u:p@db.example.org/r?sslmode=verify-full",
    ] {
        assert!(check(fine).is_ok(), "{fine}");
    }
    for bad in [
        "postgres://db.example.org/r?sslmode=require",
        "postgres://u:secretword@db.example.org/r",
        "postgres://u:secretword@10.0.0.1/r?sslmode=prefer",
        "postgres://u:secretword@127.0.0.1/r?host=10.0.0.1",
        "mysql://x",
        "",
    ] {
        let errors = check(bad).expect_err(bad);
        assert!(errors.iter().all(|line| line.contains("store.url") && !line.contains("secretword")), "{errors:?}");
    }
}

#[test]
fn a_secret_file_is_read_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "sk-hidden\n").unwrap();
    let text = format!("[engine.a]\nkind = \"upstream\"\nurl = \"http://127.0.0.1:1\"\napi_key_file = {path:?}\n");
    let config = load_text(&text, &[]).unwrap();
    assert_eq!(engine(&config, "a").api_key.get(), Some("sk-hidden"));
    assert!(!format!("{config:?}").contains("sk-hidden"));
    let both = errors_of(&text, &[("REMPART__ENGINE__A__API_KEY", "x")]);
    assert!(both[0].contains("not both"), "{both:?}");
    let missing = errors_of(
        "[engine.a]\nkind = \"upstream\"\nurl = \"http://127.0.0.1:1\"\napi_key_file = \"/nowhere/x\"\n",
        &[],
    );
    assert!(missing[0].contains("cannot be read"), "{missing:?}");
}

#[test]
fn what_is_not_built_is_refused_instead_of_ignored() {
    for (text, part) in [
        ("[registration]\nlevel = \"verified\"\n", "registration.level"),
        ("[store]\nshared = \"redis://127.0.0.1\"\n", "store.shared"),
    ] {
        assert!(errors_of(text, &[])[0].contains(part), "{part}");
    }
}

#[test]
fn a_mail_server_is_named_and_reached_by_tls_unless_it_is_here() {
    let check = |keys: &str| load_text(&format!("[mail]\n{keys}"), &[]);
    for fine in [
        "",
        "from = \"chat@example.org\"\n",
        "kind = \"smtp\"\nhost = \"mail.example.org\"\nusername = \"u\"\npassword = \"p\"\n",
        "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = 2525\ntls = \"none\"\n",
    ] {
        assert!(check(fine).is_ok_and(|config| config.mail_is_given), "{fine}");
    }
    for (bad, place) in [
        ("kind = \"smtp\"\n", "mail.host"),
        ("kind = \"smtp\"\nhost = \"mail.example.org:25\"\n", "mail.host"),
        ("kind = \"smtp\"\nhost = \"mail.example.org\"\ntls = \"none\"\n", "mail.tls"),
        ("kind = \"smtp\"\nhost = \"mail.example.org\"\nusername = \"u\"\n", "mail.username"),
        ("kind = \"smtp\"\nhost = \"m.example.org\"\npassword_file = \"/nowhere/x\"\n", "mail.password_file"),
        ("host = \"mail.example.org\"\n", "mail.kind"),
        ("from = \"a@example.org\\nBcc: b@example.org\"\n", "mail.from"),
    ] {
        assert!(errors_of(&format!("[mail]\n{bad}"), &[]).iter().any(|line| line.starts_with(place)), "{bad}");
    }
    assert!(!load_text("", &[]).unwrap().mail_is_given);
}

#[test]
fn an_upstream_address_or_key_that_cannot_be_used_is_told_at_once() {
    let text = "[engine.a]\nkind = \"upstream\"\n[engine.b]\nkind = \"upstream\"\nurl = \"http://u:p@h/v1\"\n[engine.c]\nkind = \"upstream\"\nurl = \"http://127.0.0.1:1\"\napi_key = \"a\\nb\"\n";
    let errors = errors_of(text, &[]);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(
        errors[0].starts_with("engine.a.url")
            && errors[1].starts_with("engine.b: url")
            && errors[2].starts_with("engine.c: api key")
    );
}

#[test]
fn the_order_of_engines_is_the_order_of_the_file() {
    let text =
        "[engine.zeta]\nkind = \"scripted\"\n[engine.alpha]\nkind = \"scripted\"\n[engine.mid]\nkind = \"scripted\"\n";
    let config = load_text(text, &[("REMPART__ENGINE__EXTRA__KIND", "scripted")]).unwrap();
    let names: Vec<_> = config.engine.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["zeta", "alpha", "mid", "extra"]);
}

#[test]
fn an_address_is_named_once() {
    let errors = errors_of("[server]\nlisten = [\"127.0.0.1:9\", \"127.0.0.1:9\"]\n", &[]);
    assert!(errors[0].contains("named twice"), "{errors:?}");
    assert!(load_text("[server]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n", &[]).is_ok());
}

#[test]
fn the_example_reads_back_as_the_defaults() {
    let text = example_toml();
    load_text(&text, &[]).unwrap();
    let keys: String = text
        .lines()
        .skip_while(|line| *line != "# [engine.NAME]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = ") && !line.contains(": "))
        .map(|line| format!("{line}\n"))
        .collect();
    let text = format!("[engine.x]\n{keys}url = \"http://127.0.0.1:1\"\n").replace("url = \"\"\n", "");
    assert_eq!(load_text(&text, &[]).unwrap().engine[0].1.kind, EngineKind::Upstream);
}

#[test]
fn the_example_file_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/example.toml");
    let file = std::fs::read_to_string(path).unwrap_or_default();
    assert!(file == example_toml(), "write it anew: rempart check-config --example > config/example.toml");
}
