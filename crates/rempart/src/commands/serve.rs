//! `serve`: from a configuration to a platform that answers, and back to nothing when it is told to stop.
//!
//! What must stay true: the order on stdout (`rempart`, `public`, `console`, `operator`, `ready`); the folder is locked and every port
//! bound before the store is opened, and say `starting` until it is; `run.json` appears after the ports answer and goes with the process; the first signal drains, the
//! second ends at once.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rempart_domain::UnixSeconds;
use rempart_gateway::{Gateway, GatewayConfig, Parts, StandingRules, Tasks, listen, starting};
use rempart_identity::random;
use rempart_mail::Mailer;
use rempart_store::LinkPurpose;
use tokio::net::TcpListener;

use super::Scene;
use crate::admin;
use crate::cli::{Globals, Serve};
use crate::config::{Config, PUBLIC_URL_DEFAULT};
use crate::engines::{self, Fleet};
use crate::folder::{DataFolder, RunFile};
use crate::outcome::{Failure, say, tell};
use crate::platform::{Platform, hash_pool, registration_pool, store_failure};
use crate::signals::Signals;

/// The program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long the operator's link is good.
const OPERATOR_LINK_S: i64 = 86_400;

/// The setting that remembers until when the operator's link is good.
const OPERATOR_LINK_SETTING: &str = "operator_link_expires";

/// Time for tasks to end once nothing is in flight.
const TASKS_DEADLINE: Duration = Duration::from_secs(5);

/// How often expired sessions and links are removed from the store.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// File descriptors that are asked for at most.
const NOFILE_MAX: u64 = 1_048_576;

/// What is bound, and how it is called.
struct Ports {
    public: Vec<TcpListener>,
    console: TcpListener,
    addresses: Vec<SocketAddr>,
    public_url: String,
    console_url: String,
}

pub(crate) fn run(globals: &Globals, args: Serve) -> Result<ExitCode, Failure> {
    let mut scene = Scene::open(globals)?;
    crate::logs::start(&scene.config.log);
    raise_nofile();
    let is_listen_given = !args.listen.is_empty();
    if is_listen_given {
        scene.config.server.listen = args.listen;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("rempart").build();
    let runtime = runtime.map_err(|error| Failure::internal("runtime", &error))?;
    let strangers = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("rempart-others")
        .on_thread_start(give_way)
        .build()
        .map_err(|error| Failure::internal("runtime", &error))?;
    let tasks = Tasks::on(runtime.handle().clone(), strangers.handle().clone());
    let served = runtime.block_on(Box::pin(serve(&scene, is_listen_given, &tasks)));
    // What a blocking thread still does (a look at a disk) is not waited for.
    strangers.shutdown_timeout(Duration::from_millis(100));
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

/// How much strangers' threads give way: of a core that both want they get a quarter, and the members' have it as soon as they ask.
#[cfg(target_os = "linux")]
const STRANGERS_NICENESS: i32 = 5;

/// This thread lets those of the members go first where both want the same core.
fn give_way() {
    // On Linux a niceness is a thread's; elsewhere it would be the whole process's.
    #[cfg(target_os = "linux")]
    if let Some(thread) = rustix::process::Pid::from_raw(rustix::thread::gettid().as_raw_nonzero().get()) {
        // Where it is not allowed all are alike, as they were.
        let _same = rustix::process::setpriority_process(Some(thread), STRANGERS_NICENESS);
    }
}

async fn serve(scene: &Scene, is_listen_given: bool, tasks: &Tasks) -> Result<ExitCode, Failure> {
    let (config, folder) = (&scene.config, &scene.folder);
    let mut signals = Signals::listen()?;
    folder.create()?;
    let Some(_lock) = folder.try_lock()? else { return Err(folder.taken()) };
    let _run_files = RunFiles(folder);
    let ports = bind(config, is_listen_given)?;
    let (platform, gateway, operator_link) = {
        let listeners: Vec<&TcpListener> = ports.public.iter().chain([&ports.console]).collect();
        tokio::select! {
            opened = Box::pin(open(config, folder, &ports, tasks)) => opened?,
            never = starting::answer(&listeners, config.limits.gateway.connections_late) => match never {},
        }
    };
    let run_file = RunFile {
        pid: std::process::id(),
        public: ports.addresses.iter().map(|address| format!("http://{address}")).collect(),
        console: ports.console_url.clone(),
        version: VERSION.to_owned(),
    };
    announce(&ports, operator_link.as_deref())?;
    gateway.listen(ports.public, Some(ports.console));
    folder.write_run_file(&run_file)?;
    say("ready")?;
    tracing::info!(version = VERSION, "ready");
    signals.stop().await;
    let code = stop(&gateway, tasks, &mut signals).await;
    platform.store.close().await;
    Ok(code)
}

/// Everything between bound ports and open doors; the ports say `starting` meanwhile.
async fn open(
    config: &Config,
    folder: &DataFolder,
    ports: &Ports,
    tasks: &Tasks,
) -> Result<(Arc<Platform>, Arc<Gateway>, Option<String>), Failure> {
    let mut platform = Platform::open(config, folder).await?;
    platform.public_url.clone_from(&ports.public_url);
    platform.warm_up(config.limits.platform.known_keys).await?;
    let cut = platform.store.cut_streaming_messages().await.map_err(|error| store_failure(&error))?;
    if cut > 0 {
        tracing::info!(messages = cut, "answers that the last process did not finish are marked as cut");
    }
    let platform = Arc::new(platform);
    let fleet = engines::build(config)?;
    let mailer = crate::mail::mailer(config, folder, &ports.public_url)?;
    let gateway = Gateway::new(parts(config, &platform, &fleet, ports, tasks, mailer.clone())?)
        .map_err(|error| Failure::internal("gateway", &error))?;
    tasks.spawn("mail", mailer.run(tasks.stopping()));
    gateway.restore_budgets().await.map_err(|error| store_failure(&error))?;
    gateway.restore_gate().await.map_err(|error| store_failure(&error))?;
    let control = admin::listen(folder)?;
    tasks.spawn("control socket", admin::serve(control, Arc::clone(&platform), tasks.stopping()));
    tasks.spawn("sweep", sweep(Arc::clone(&platform), tasks.stopping()));
    fleet.start(tasks);
    // 0.7 s of processor time that the first answer with code would pay otherwise.
    tokio::task::spawn_blocking(rempart_web::render::warm);
    let operator_link = operator_link(&platform, &ports.console_url).await?;
    Ok((platform, gateway, operator_link))
}

/// Removes what only a running platform has, whichever way it ends; made while the lock is held.
struct RunFiles<'a>(&'a DataFolder);

impl Drop for RunFiles<'_> {
    fn drop(&mut self) {
        self.0.clear_run_files();
    }
}

/// Drains; a second signal ends it at once, with exit code 1: something may have been cut.
async fn stop(gateway: &Arc<Gateway>, tasks: &Tasks, signals: &mut Signals) -> ExitCode {
    tracing::info!("draining: nothing new is begun");
    let drain = async {
        gateway.drain().await;
        tasks.shut_down(TASKS_DEADLINE).await
    };
    tokio::select! {
        is_done = drain => {
            if !is_done {
                tracing::warn!(tasks = tasks.len(), "tasks did not end in time");
            }
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        () = signals.stop() => {
            tracing::warn!("second signal: ending at once");
            ExitCode::from(1)
        }
    }
}

fn announce(ports: &Ports, operator_link: Option<&str>) -> Result<(), Failure> {
    say(&format!("rempart {VERSION}"))?;
    say(&format!("public  {}", ports.public_url))?;
    say(&format!("console {}", ports.console_url))?;
    operator_link.map_or(Ok(()), |link| say(&format!("operator {link} (once, 24 h)")))
}

fn parts(
    config: &Config,
    platform: &Platform,
    fleet: &Fleet,
    ports: &Ports,
    tasks: &Tasks,
    mailer: Mailer,
) -> Result<Parts, Failure> {
    let proxies = config.server.trusted_proxies.iter().map(|text| text.parse());
    let trusted_proxies =
        proxies.collect::<Result<Vec<_>, _>>().map_err(|error| Failure::internal("trusted_proxies", &error))?;
    Ok(Parts {
        config: GatewayConfig {
            public_url: ports.public_url.clone(),
            cors_origins: config
                .server
                .cors_origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_owned())
                .collect(),
            pdf_reader: pdf_reader(),
            trusted_proxies,
            site: rempart_web::Site {
                name: config.site.name.clone(),
                contact: config.site.contact.clone(),
                terms_url: config.site.terms_url.clone(),
                privacy_url: config.site.privacy_url.clone(),
            },
            standing: StandingRules {
                member_after_days: u32::from(config.standing.member_after_days),
                member_after_good_days: u32::from(config.standing.member_after_good_days),
                trusted_after_days: u32::from(config.standing.trusted_after_days),
            },
            session_days: u32::try_from(config.limits.platform.session_days).unwrap_or(u32::MAX),
            version: VERSION,
        },
        limits: config.limits.gateway.clone(),
        clock: Arc::clone(&platform.clock),
        keyring: Arc::clone(&platform.keyring),
        revocations: Arc::clone(&platform.revocations),
        known_keys: platform.known_keys.clone(),
        hash_pool: hash_pool(&config.limits.platform)?,
        posture: Arc::clone(&platform.posture),
        gate: Arc::clone(&platform.gate),
        registration_pool: registration_pool(&config.limits.platform)?,
        store: platform.store.clone(),
        engines: Arc::clone(&fleet.engines),
        mailer,
        tasks: tasks.clone(),
    })
}

fn bind(config: &Config, is_listen_given: bool) -> Result<Ports, Failure> {
    let open = |address: SocketAddr| {
        let bound = listen::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        bound.map_err(|error| Failure::Missing(format!("cannot listen at {address}: {error}")))
    };
    let (mut public, mut addresses) = (Vec::new(), Vec::new());
    for address in &config.server.listen {
        let (bound, listener) = open(*address)?;
        addresses.push(bound);
        public.push(listener);
    }
    let (console_address, console) = open(config.server.console)?;
    let first = addresses
        .first()
        .copied()
        .ok_or_else(|| Failure::Config("server.listen: name at least one address".to_owned()))?;
    let is_given = is_listen_given || config.server.listen.iter().any(|address| address.port() == 0);
    Ok(Ports {
        public,
        console,
        public_url: public_url(&config.server.public_url, first, is_given),
        addresses,
        console_url: url_of(console_address),
    })
}

/// The configured address; but the default one, and one on this machine whose port was chosen at the start, follow the first listener.
fn public_url(configured: &str, first: SocketAddr, is_port_chosen_late: bool) -> String {
    let configured = configured.trim_end_matches('/');
    let host = configured.strip_prefix("http://").unwrap_or_default();
    let is_here = ["localhost", "127.", "[::1]"].iter().any(|here| host.starts_with(here));
    if configured == PUBLIC_URL_DEFAULT || (is_here && is_port_chosen_late) {
        url_of(first)
    } else {
        configured.to_owned()
    }
}

/// `localhost` wherever it leads there (a passkey cannot belong to an address), else the address itself.
fn url_of(address: SocketAddr) -> String {
    let is_localhost = address.ip() == std::net::Ipv4Addr::LOCALHOST || address.ip().is_unspecified();
    if is_localhost { format!("http://localhost:{}", address.port()) } else { format!("http://{address}") }
}

/// A one-time link to the console's first page: on the first start, and again when nobody used it in time.
async fn operator_link(platform: &Platform, console_url: &str) -> Result<Option<String>, Failure> {
    let failed = |error| store_failure(&error);
    if platform.store.has_operator().await.map_err(failed)? {
        return Ok(None);
    }
    let now = platform.clock.seconds();
    let good_until = platform.store.get_setting(OPERATOR_LINK_SETTING).await.map_err(failed)?;
    if good_until.and_then(|text| text.parse::<i64>().ok()).is_some_and(|until| until > now.0) {
        tell(
            "nobody operates this platform yet: use the link of the first start, or rempart account create NAME --role operator --password-stdin",
        );
        return Ok(None);
    }
    let token = random::one_time_token().map_err(|error| Failure::internal("operator link", &error))?;
    let expires = UnixSeconds(now.0 + OPERATOR_LINK_S);
    platform.store.delete_links(LinkPurpose::Operator).await.map_err(failed)?;
    platform.store.create_link(token.hash, None, LinkPurpose::Operator, expires).await.map_err(failed)?;
    platform.store.set_setting(OPERATOR_LINK_SETTING, &expires.0.to_string()).await.map_err(failed)?;
    Ok(Some(format!("{console_url}/first-run?link={}", token.text.expose())))
}

/// Removes what has expired from the store, until `stop`.
/// This same program, as the reader of a stranger's files.
fn pdf_reader() -> Vec<std::ffi::OsString> {
    std::env::current_exe().map(|program| vec![program.into_os_string(), "read-pdf".into()]).unwrap_or_default()
}

async fn sweep(platform: Arc<Platform>, stop: tokio_util::sync::CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_some() {
        // The store logs its own outages when they begin.
        drop(platform.store.sweep(platform.clock.seconds()).await);
    }
}

/// As many file descriptors as the system gives: each connection takes one.
fn raise_nofile() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(NOFILE_MAX).min(NOFILE_MAX);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
        if let Err(error) = raised {
            tracing::warn!(%error, "cannot raise the number of open files");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_public_address_follows_the_port_only_on_this_machine() {
        let check =
            |configured: &str, first: &str, is_late: bool| public_url(configured, first.parse().unwrap(), is_late);
        assert_eq!(check("http://localhost:8080", "127.0.0.1:9", false), "http://localhost:9");
        assert_eq!(check("http://localhost:8080", "0.0.0.0:9", false), "http://localhost:9");
        assert_eq!(check("http://localhost:8080", "[::1]:9", false), "http://[::1]:9");
        assert_eq!(check("http://localhost:7000", "127.0.0.1:9", false), "http://localhost:7000");
        assert_eq!(check("http://localhost:7000", "127.0.0.1:9", true), "http://localhost:9");
        assert_eq!(check("https://chat.example.org/", "127.0.0.1:9", true), "https://chat.example.org");
    }
}
