//! What a key's type cannot say: what fits together, which addresses are safe, which files must be readable.
//!
//! What must stay true: no listener and no database that answers strangers without credentials gets past here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http::Uri;

use super::load::Sources;
use super::section::ConfigError;
use super::{Config, EngineKind, EngineSection, RegistrationLevel, SecretText, StoreUrlText, check_mail};

/// Largest secret file, in bytes.
const SECRET_BYTES_MAX: u64 = 16_384;

/// Longest name of an engine.
const ENGINE_NAME_LEN_MAX: usize = 32;

/// Reads the secrets' files, resolves folders, and adds a line for everything that does not fit.
pub(super) fn finish(config: &mut Config, sources: &Sources, errors: &mut Vec<ConfigError>) {
    read_secrets(config, errors);
    check_mail::read_secrets(config, errors);
    check_server(config, errors);
    check_site(config, errors);
    check_store(config, errors);
    check_registration(config, errors);
    check_mail::check_mail(config, errors);
    check_standing(config, errors);
    check_models(config, errors);
    for (name, engine) in &config.engine {
        check_engine(name, engine, errors);
    }
    check_log(config, errors);
    match find_models_dir(&config.models.dir, sources) {
        Some(dir) => config.models_dir = dir,
        None => {
            errors.push(ConfigError::new("models.dir", "set it: neither XDG_CACHE_HOME nor HOME says where caches go"))
        }
    }
}

fn find_models_dir(configured: &str, sources: &Sources) -> Option<PathBuf> {
    if !configured.is_empty() {
        return Some(PathBuf::from(configured));
    }
    let variable = |name: &str| sources.env.get(name).filter(|text| Path::new(text).is_absolute()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("rempart").join("models"))
}

fn read_secrets(config: &mut Config, errors: &mut Vec<ConfigError>) {
    let store = &mut config.store;
    if !store.url_file.is_empty() {
        if store.url.get() != StoreUrlText::SQLITE {
            errors.push(ConfigError::new("store.url_file", "give store.url or store.url_file, not both"));
        } else if let Some(text) = read_secret_file("store.url_file", &store.url_file, errors) {
            store.url = StoreUrlText::new(text);
        }
    }
    if !store.master_key_file.is_empty() && store.master_key.get().is_some() {
        errors.push(ConfigError::new(
            "store.master_key_file",
            "give store.master_key or store.master_key_file, not both",
        ));
    }
    for (name, engine) in &mut config.engine {
        if engine.api_key_file.is_empty() {
            continue;
        }
        let place = format!("engine.{name}.api_key_file");
        if engine.api_key.get().is_some() {
            errors.push(ConfigError::new(place, "give api_key or api_key_file, not both"));
        } else if let Some(text) = read_secret_file(&place, &engine.api_key_file, errors) {
            engine.api_key = SecretText::new(text);
        }
    }
}

/// The file's text without the white space around it.
pub(super) fn read_secret_file(place: &str, path: &str, errors: &mut Vec<ConfigError>) -> Option<String> {
    let text = std::fs::metadata(path).and_then(|meta| {
        if meta.len() > SECRET_BYTES_MAX {
            return Err(std::io::Error::other("too large for a secret"));
        }
        std::fs::read_to_string(path)
    });
    match text.map(|text| text.trim().to_owned()) {
        Ok(text) if !text.is_empty() => return Some(text),
        Ok(_) => errors.push(ConfigError::new(place, format!("{path} is empty"))),
        Err(error) => errors.push(ConfigError::new(place, format!("{path} cannot be read: {error}"))),
    }
    None
}

fn check_server(config: &Config, errors: &mut Vec<ConfigError>) {
    let server = &config.server;
    if server.listen.is_empty() {
        errors.push(ConfigError::new("server.listen", "name at least one address"));
    }
    if !server.console.ip().is_loopback() {
        let reason = format!(
            "{} is no loopback address; the console speaks no TLS, so it stays on this machine (use an SSH tunnel)",
            server.console
        );
        errors.push(ConfigError::new("server.console", reason));
    }
    let all: Vec<_> = server.listen.iter().chain(std::iter::once(&server.console)).collect();
    for (index, address) in all.iter().enumerate() {
        if address.port() != 0 && all.iter().take(index).any(|earlier| earlier == address) {
            errors.push(ConfigError::new(
                "server.listen",
                format!("{address} is named twice (server.console counts too)"),
            ));
        }
    }
    if !is_origin(&server.public_url) {
        errors.push(ConfigError::new(
            "server.public_url",
            "expected http://HOST or https://HOST, with a port if need be, and no path",
        ));
    }
    for origin in server.cors_origins.iter().filter(|origin| !is_origin(origin)) {
        errors.push(ConfigError::new(
            "server.cors_origins",
            format!("{origin:?} is no origin such as https://app.example.org"),
        ));
    }
    for network in server.trusted_proxies.iter().filter(|network| !is_network(network)) {
        errors.push(ConfigError::new(
            "server.trusted_proxies",
            format!("{network:?} is no address or network such as 10.0.0.0/8"),
        ));
    }
}

/// `http(s)://HOST[:PORT]`, nothing behind it but perhaps one slash.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let is_bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/");
    is_web && has_host && is_bare && !text.contains('@')
}

fn is_network(text: &str) -> bool {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= bits_max))
}

fn check_site(config: &Config, errors: &mut Vec<ConfigError>) {
    for (key, text) in [("site.terms_url", &config.site.terms_url), ("site.privacy_url", &config.site.privacy_url)] {
        let is_link = text.parse::<Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        if !text.is_empty() && !is_link {
            errors.push(ConfigError::new(key, "expected a URL that begins with https:// or http://"));
        }
    }
    if config.site.name.trim().is_empty() {
        errors.push(ConfigError::new("site.name", "give the platform a name"));
    }
}

fn check_store(config: &Config, errors: &mut Vec<ConfigError>) {
    let url = config.store.url.get();
    if url != StoreUrlText::SQLITE
        && let Err(reason) = check_postgres(url)
    {
        errors.push(ConfigError::new("store.url", reason));
    }
    if !config.store.shared.is_empty() {
        errors.push(ConfigError::new("store.shared", "shared state is not built yet: leave it empty"));
    }
}

/// A database that strangers could reach must ask for a password and be reached by TLS. The address itself is never repeated.
fn check_postgres(url: &str) -> Result<(), &'static str> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or("expected \"sqlite\" or \"postgres://USER:PASSWORD@HOST/NAME\"")?;
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = before_query.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let parameter = |name: &str| {
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let host = parameter("host").unwrap_or(host);
    if is_local_host(host) {
        return Ok(());
    }
    let has_password =
        user.split_once(':').is_some_and(|(_, password)| !password.is_empty()) || parameter("password").is_some();
    if !has_password {
        return Err("a database on another machine needs a password in its address");
    }
    match parameter("sslmode") {
        Some("require" | "verify-ca" | "verify-full") => Ok(()),
        _ => Err("a database on another machine needs TLS: add ?sslmode=verify-full (or verify-ca, require)"),
    }
}

/// Loopback, or a Unix socket's folder.
fn is_local_host(host: &str) -> bool {
    if host.is_empty() || host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f") {
        return true;
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn check_registration(config: &Config, errors: &mut Vec<ConfigError>) {
    if config.registration.level == RegistrationLevel::Verified && !config.mail_is_given {
        errors.push(ConfigError::new("registration.level", "\"verified\" needs [mail]: nobody can confirm an address"));
    }
}

fn check_standing(config: &Config, errors: &mut Vec<ConfigError>) {
    let standing = &config.standing;
    if standing.member_after_good_days > standing.member_after_days.saturating_add(1) {
        errors.push(ConfigError::new("standing.member_after_good_days", "more good days than days since registration"));
    }
    if standing.trusted_after_days < standing.member_after_days {
        errors.push(ConfigError::new("standing.trusted_after_days", "must not be less than member_after_days"));
    }
}

fn check_models(config: &Config, errors: &mut Vec<ConfigError>) {
    let aliases = &config.models.aliases;
    for (alias, model) in aliases {
        if alias.is_empty() || model.is_empty() {
            errors.push(ConfigError::new("models.aliases", "an alias and its model must not be empty"));
        } else if aliases.contains_key(model) {
            errors.push(ConfigError::new(
                "models.aliases",
                format!("{alias:?} points to {model:?}, which is an alias itself"),
            ));
        }
    }
}

fn check_engine(name: &str, engine: &EngineSection, errors: &mut Vec<ConfigError>) {
    let place = |key: &str| format!("engine.{name}.{key}");
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > ENGINE_NAME_LEN_MAX || !name.bytes().all(is_plain) || name.contains("__") {
        errors.push(ConfigError::new(
            format!("engine.{name}"),
            "an engine's name has at most 32 of a-z, 0-9, '-' and '_' (no '__')",
        ));
    }
    match engine.kind {
        EngineKind::Upstream => {
            if engine.url.is_empty() {
                let reason = "an upstream engine needs an address such as http://127.0.0.1:8000/v1";
                errors.push(ConfigError::new(place("url"), reason));
            } else if let Err(error) = crate::engines::upstream(name, engine) {
                errors.push(ConfigError::new(format!("engine.{name}"), crate::outcome::chain(&error)));
            }
        }
        EngineKind::Embedded | EngineKind::Scripted => {
            if !engine.url.is_empty() {
                errors.push(ConfigError::new(place("url"), "only an upstream engine has an address"));
            }
            if engine.api_key.get().is_some() {
                errors.push(ConfigError::new(place("api_key"), "only an upstream engine takes a key"));
            }
        }
    }
    if engine.kind == EngineKind::Embedded && engine.models.len() > 1 {
        errors
            .push(ConfigError::new(place("models"), "an embedded engine runs one model; add an engine for the other"));
    }
    if engine.kind == EngineKind::Embedded && !cfg!(feature = "embedded") {
        errors.push(ConfigError::new(place("kind"), "this program was built without the embedded engine"));
    }
}

fn check_log(config: &Config, errors: &mut Vec<ConfigError>) {
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&config.log.level) {
        errors.push(ConfigError::new("log.level", format!("expected error, warn, info, debug or trace ({error})")));
    }
}
