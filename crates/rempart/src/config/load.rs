//! From file and environment to a [`Config`]: one tree of TOML tables, overlaid, then read section by section.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::section::{ConfigError, KeyDoc, Section};
use super::{
    Config, EngineSection, LimitsSection, LogSection, MailSection, ModelsSection, RegistrationSection, ServerSection,
    SiteSection, StandingSection, StoreSection, check,
};

/// What begins every variable that is ours.
const PREFIX: &str = "REMPART__";

/// Largest configuration file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1_048_576;

/// Where a configuration comes from. A value of its own, so that tests need no environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `--config`; without it there is no file.
    pub(crate) file: Option<PathBuf>,
    /// The environment.
    pub(crate) env: BTreeMap<String, String>,
}

impl Sources {
    /// The process's own environment; text that is no UTF-8 is kept with replacement characters, so that it is refused by name.
    pub(crate) fn of_process(file: Option<PathBuf>) -> Self {
        let env = std::env::vars_os();
        Self { file, env: env.map(|(name, text)| (lossy(&name), lossy(&text))).collect() }
    }
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// Reads, overlays and checks. The error is every line that is wrong, never only the first.
pub(crate) fn load(sources: &Sources) -> Result<Config, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut root = match &sources.file {
        Some(file) => read_file(file).unwrap_or_else(|error| {
            errors.push(error);
            Table::new()
        }),
        None => Table::new(),
    };
    for (name, text) in sources.env.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        if let Err(reason) = overlay(&mut root, name, text) {
            errors.push(ConfigError::new(name, reason));
        }
    }
    let mut config = read_root(&root, &mut errors);
    check::finish(&mut config, sources, &mut errors);
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let place = path.display().to_string();
    let cannot = |error: std::io::Error| ConfigError::new(&place, format!("cannot be read: {error}"));
    let len_bytes = std::fs::metadata(path).map_err(cannot)?.len();
    if len_bytes > FILE_BYTES_MAX {
        return Err(ConfigError::new(
            &place,
            format!("{len_bytes} bytes are no configuration (at most {FILE_BYTES_MAX})"),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    toml::from_str(&text).map_err(|error| {
        let line =
            error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.matches('\n').count() + 1);
        ConfigError::new(place, format!("line {line}: {}", error.message().replace('\n', "; ")))
    })
}

/// Lays `REMPART__SECTION__KEY` (or `REMPART__ENGINE__NAME__KEY`) over the tree.
fn overlay(root: &mut Table, variable: &str, text: &str) -> Result<(), String> {
    let path = variable.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
    let parts: Vec<&str> = path.split("__").collect();
    let (tables, key, is_text) = match parts.as_slice() {
        ["engine", name, key] if !name.is_empty() => (vec!["engine", name], *key, find_key(EngineSection::KEYS, key)),
        ["limits", key] => (vec!["limits"], *key, LimitsSection::knows(key).then_some(false)),
        [section, key] => (vec![*section], *key, keys_of(section).and_then(|keys| find_key(keys, key))),
        _ => (Vec::new(), "", None),
    };
    let is_text = is_text.ok_or("unknown key; it is REMPART__SECTION__KEY, or REMPART__ENGINE__NAME__KEY")?;
    let value = if is_text { Value::String(text.to_owned()) } else { parse_value(text)? };
    let mut table = root;
    for name in tables {
        let next = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
        table = next.as_table_mut().ok_or_else(|| format!("{name} is no table in the file"))?;
    }
    table.insert(key.to_owned(), value);
    Ok(())
}

fn find_key(keys: &[KeyDoc], name: &str) -> Option<bool> {
    keys.iter().find(|key| key.name == name).map(|key| key.is_text)
}

fn parse_value(text: &str) -> Result<Value, String> {
    let read: Result<Table, _> = toml::from_str(&format!("value = {text}"));
    let value = read.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.ok_or_else(|| "no TOML value; write for instance 5, true, [\"a\", \"b\"] or { \"a\" = \"b\" }".to_owned())
}

/// The keys of a section of fixed name.
fn keys_of(section: &str) -> Option<&'static [KeyDoc]> {
    Some(match section {
        "server" => ServerSection::KEYS,
        "site" => SiteSection::KEYS,
        "store" => StoreSection::KEYS,
        "registration" => RegistrationSection::KEYS,
        "standing" => StandingSection::KEYS,
        "models" => ModelsSection::KEYS,
        "mail" => MailSection::KEYS,
        "log" => LogSection::KEYS,
        _ => return None,
    })
}

fn read_root(root: &Table, errors: &mut Vec<ConfigError>) -> Config {
    for (name, value) in root {
        if keys_of(name).is_none() && name != "engine" && name != "limits" {
            errors.push(ConfigError::new(name, if value.is_table() { "unknown section" } else { "unknown key" }));
        }
    }
    Config {
        server: read_section("server", root, errors),
        site: read_section("site", root, errors),
        store: read_section("store", root, errors),
        registration: read_section("registration", root, errors),
        standing: read_section("standing", root, errors),
        models: read_section("models", root, errors),
        engine: read_engines(root, errors),
        mail: read_section("mail", root, errors),
        mail_is_given: root.contains_key("mail"),
        limits: LimitsSection::read(&table_of("limits", root, errors), errors),
        log: read_section("log", root, errors),
        models_dir: PathBuf::new(),
    }
}

fn read_section<S: Section>(name: &str, root: &Table, errors: &mut Vec<ConfigError>) -> S {
    let table = table_of(name, root, errors);
    S::read(name, &table, errors)
}

fn table_of(name: &str, root: &Table, errors: &mut Vec<ConfigError>) -> Table {
    match root.get(name) {
        Some(Value::Table(table)) => table.clone(),
        Some(_) => {
            errors.push(ConfigError::new(name, "expected a table: [section]"));
            Table::new()
        }
        None => Table::new(),
    }
}

fn read_engines(root: &Table, errors: &mut Vec<ConfigError>) -> Vec<(String, EngineSection)> {
    let mut engines = Vec::new();
    for (name, value) in table_of("engine", root, errors) {
        let place = format!("engine.{name}");
        let Value::Table(table) = value else {
            errors.push(ConfigError::new(place, "expected a table: [engine.NAME]"));
            continue;
        };
        if !table.contains_key("kind") {
            errors.push(ConfigError::new(
                format!("{place}.kind"),
                "is missing: \"embedded\", \"upstream\" or \"scripted\"",
            ));
        }
        let engine = EngineSection::read(&place, &table, errors);
        engines.push((name, engine));
    }
    engines
}
