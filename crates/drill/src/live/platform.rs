//! The platform under drill: the real binary on a data folder of its own, before a scripted engine of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::child::Program;
use super::machine::{Cores, Watched};
use super::store_proxy::StoreProxy;
use super::{LiveError, LiveOptions, Target};
use crate::scenario::{Keys as WhoseKeys, Scenario};

/// Keys of everybody, in the order of their accounts.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    /// Members.
    pub members: Vec<String>,
    /// Honest newcomers.
    pub newcomers: Vec<String>,
    /// Accounts made for an attack.
    pub new: Vec<String>,
    /// Members gone bad.
    pub turned: Vec<String>,
}

/// A platform and its engine.
#[derive(Debug)]
pub(super) struct Platform {
    program: PathBuf,
    root: TempDir,
    cores: Option<Cores>,
    engine: Program,
    engine_args: Vec<String>,
    serving: Program,
    serve_args: Vec<String>,
    /// Arguments of `serve` that no other command takes.
    besides: Vec<String>,
    store: Option<StoreProxy>,
    pub(super) public: Target,
    pub(super) console: Target,
}

impl Platform {
    /// Starts an engine, brings the accounts in and starts the platform.
    pub(super) fn start(
        options: &LiveOptions,
        scenario: &Scenario,
        store_url: Option<&str>,
        cores: Option<Cores>,
    ) -> Result<(Self, Keyring), LiveError> {
        let program = options.program.as_path();
        let root = tempfile::Builder::new().prefix("rempart-drill-").tempdir().map_err(LiveError::Folder)?;
        let shape = scenario.engine;
        let args = |listen: &str| -> Vec<String> {
            let numbers = [
                ("--sequences", shape.sequences),
                ("--kv-tokens", shape.kv_tokens),
                ("--prefill-tps", shape.prefill_tps),
                ("--decode-tps", shape.decode_tps),
                ("--tokens", shape.tokens),
            ];
            let mut args: Vec<String> = ["engine", "scripted", "--listen", listen].map(str::to_owned).to_vec();
            args.extend(numbers.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]));
            args
        };
        let engine = Program::start(program, &args("127.0.0.1:0"), &root.path().join("engine.log"), cores)?;
        let engine_at = engine.address("engine")?;
        let config = root.path().join("rempart.toml");
        let store = store_url.map(StoreProxy::start).transpose()?;
        let store_url = store.as_ref().map(StoreProxy::url);
        let text = config_of(scenario, root.path(), engine_at, store_url);
        std::fs::write(&config, text).map_err(LiveError::Folder)?;
        let base = |command: &[&str]| -> Vec<String> {
            let mut args: Vec<String> = command.iter().map(|arg| (*arg).to_owned()).collect();
            args.extend(["--config".to_owned(), config.display().to_string()]);
            args.extend(["--data".to_owned(), root.path().join("data").display().to_string()]);
            args
        };
        let keyring = bring_in(program, scenario, root.path(), &base)?;
        let serve_args = base(&["serve"]);
        let besides = options.serve_args.clone();
        let all_args = [serve_args.as_slice(), besides.as_slice()].concat();
        let serving = Program::start(program, &all_args, &root.path().join("platform.log"), cores)?;
        let (public, console) = (serving.address("public")?, serving.address("console")?);
        let engine_args = args(&engine_at.authority());
        let program = program.to_owned();
        let platform =
            Self { program, root, cores, engine, engine_args, serving, serve_args, besides, store, public, console };
        Ok((platform, keyring))
    }

    /// Runs a command of the binary beside the platform; what it printed.
    pub(super) fn command(&self, args: &[&str], stdin: Option<&str>) -> Result<String, LiveError> {
        let mut command = Command::new(&self.program);
        command.args(args).args(self.serve_args.iter().skip(1));
        run_command(&mut command, stdin)
    }

    /// The platform's process.
    pub(super) fn watched(&self) -> Watched {
        self.serving.watched()
    }

    /// The engine dies.
    pub(super) fn kill_engine(&mut self) {
        self.engine.kill();
    }

    /// Another one takes its address.
    pub(super) fn restart_engine(&mut self) -> Result<(), LiveError> {
        self.engine =
            Program::start(&self.program, &self.engine_args, &self.root.path().join("engine.log"), self.cores)?;
        Ok(())
    }

    /// The platform is killed and starts again at the same addresses.
    pub(super) fn kill_and_restart(&mut self) -> Result<(), LiveError> {
        self.serving.kill();
        let mut args = [self.serve_args.as_slice(), self.besides.as_slice()].concat();
        args.extend(["--listen".to_owned(), self.public.authority()]);
        self.serving = Program::start(&self.program, &args, &self.root.path().join("platform.log"), self.cores)?;
        self.console = self.serving.address("console")?;
        Ok(())
    }

    /// The database is out of reach, or back.
    pub(super) fn cut_store(&mut self, is_cut: bool) -> Result<(), LiveError> {
        let Some(proxy) = &self.store else { return Err(LiveError::Needs("a PostgreSQL address (--store)")) };
        proxy.cut(is_cut);
        Ok(())
    }

    /// Ends both in order, so that everything is written.
    pub(super) fn stop(&mut self) {
        self.serving.stop();
        self.engine.stop();
    }

    /// Data folder, log and everything else that the platform wrote.
    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }
}

/// A platform and its engine for whoever measures, without people or attackers; ended on drop.
#[derive(Debug)]
pub struct Stand {
    platform: Platform,
    keyring: Keyring,
}

impl Stand {
    /// Starts both with the accounts of a scenario.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn open(program: &Path, scenario: &Scenario) -> Result<Self, LiveError> {
        let options = LiveOptions {
            program: program.to_owned(),
            seed: 1,
            against: None,
            store_url: None,
            serve_args: Vec::new(),
            is_stopped: std::sync::Arc::default(),
        };
        let cores = Cores::find();
        let (platform, keyring) = Platform::start(&options, scenario, None, cores)?;
        if let Some(cores) = cores {
            cores.pin_generator();
        }
        Ok(Self { platform, keyring })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.platform.public.authority())
    }

    /// Keys of its members.
    pub fn members(&self) -> &[String] {
        &self.keyring.members
    }

    /// CPU time of the platform's process so far, in seconds.
    pub fn cpu_s(&self) -> Option<f64> {
        self.platform.watched().cpu_s()
    }
}

fn run_command(command: &mut Command, stdin: Option<&str>) -> Result<String, LiveError> {
    let failed = |source| LiveError::Start { what: "a command".to_owned(), source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        use std::io::Write as _;
        input.write_all(stdin.unwrap_or_default().as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let last = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("nothing").to_owned();
    let what = command.get_args().take(2).map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
    Err(LiveError::NotReady { what, last })
}

fn config_of(scenario: &Scenario, root: &Path, engine: Target, store_url: Option<&str>) -> String {
    let shape = scenario.engine;
    let mut text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nconsole = \"127.0.0.1:0\"\n\
         [models]\ndir = {:?}\ndefault = \"scripted\"\nfetch = false\n\
         [engine.drill]\nkind = \"upstream\"\nurl = \"http://{}\"\nsequences = {}\nkv_tokens = {}\n",
        root.join("models"),
        engine.authority(),
        shape.sequences,
        shape.kv_tokens,
    );
    if let Some(url) = store_url {
        text.push_str(&format!("[store]\nurl = {url:?}\n"));
    }
    if let Some(level) = &scenario.platform.registration {
        text.push_str(&format!("[registration]\nlevel = {level:?}\n"));
    }
    if !scenario.platform.standing.is_empty() {
        text.push_str("[standing]\n");
        for (name, value) in &scenario.platform.standing {
            text.push_str(&format!("{name} = {value}\n"));
        }
    }
    if !scenario.platform.limits.is_empty() {
        text.push_str("[limits]\n");
        for (name, value) in &scenario.platform.limits {
            text.push_str(&format!("{name} = {value}\n"));
        }
    }
    text
}

/// Name of a member; also what spraying attackers try.
pub(super) fn member_name(number: u32) -> String {
    format!("member{number}")
}

/// Honest newcomers were made so far apart, in seconds.
const NEWCOMERS_APART_S: u64 = 420;

/// Imports everybody while the platform is not running yet.
fn bring_in(
    program: &Path,
    scenario: &Scenario,
    root: &Path,
    base: &dyn Fn(&[&str]) -> Vec<String>,
) -> Result<Keyring, LiveError> {
    let most = |whose: WhoseKeys| {
        let of = scenario.attacks.values().filter(|a| a.keys == whose && a.kind.asks_for_text());
        of.map(|attack| attack.accounts).max().unwrap_or(0)
    };
    let newcomers = scenario.newcomers.as_ref().map_or(0, |people| people.accounts);
    let groups = [
        ("member", scenario.members.accounts, "member"),
        ("newcomer", newcomers, "newcomer"),
        ("new", most(WhoseKeys::New), "newcomer"),
        ("turned", most(WhoseKeys::Turned), "member"),
    ];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut lines = String::new();
    for (group, count, standing) in groups {
        for number in 0..count {
            let name = format!("{group}{number}");
            // Honest newcomers came one by one; accounts made for an attack came together.
            let ago_s = if group == "newcomer" { u64::from(number + 1) * NEWCOMERS_APART_S } else { 0 };
            let created = now.saturating_sub(ago_s);
            let line = serde_json::json!({ "name": name, "standing": standing, "keys": 1, "created": created });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
    }
    let file = root.join("accounts.jsonl");
    std::fs::write(&file, lines).map_err(LiveError::Folder)?;
    let mut command = Command::new(program);
    command.args(base(&["account", "import", &file.display().to_string()]));
    let told = run_command(&mut command, None)?;
    let mut all = told.lines().filter_map(|line| {
        let row: Value = serde_json::from_str(line).ok()?;
        row.pointer("/keys/0")?.as_str().map(str::to_owned)
    });
    let mut take = |count: u32| -> Vec<String> { all.by_ref().take(usize::try_from(count).unwrap_or(0)).collect() };
    let [(_, members, _), (_, newcomers, _), (_, new, _), (_, turned, _)] = groups;
    let keyring = Keyring { members: take(members), newcomers: take(newcomers), new: take(new), turned: take(turned) };
    let wanted: u32 = groups.iter().map(|(_, count, _)| count).sum();
    let got = keyring.members.len() + keyring.newcomers.len() + keyring.new.len() + keyring.turned.len();
    if got == usize::try_from(wanted).unwrap_or(usize::MAX) {
        Ok(keyring)
    } else {
        Err(LiveError::NotReady { what: "account import".to_owned(), last: format!("{got} keys of {wanted}") })
    }
}
