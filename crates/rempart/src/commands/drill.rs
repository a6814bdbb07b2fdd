//! `drill …`: runs a scenario in virtual time or against a platform that it starts itself, and says whether the promises held.
//!
//! What must stay true: it attacks only what it started, or a literal loopback address; 0 says that all held, 1 that one broke, and
//! then the seed and the command that repeats it are told.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rempart_drill::live::{self, Against, LiveOptions, Progress, Target};
use rempart_drill::promises::{Verdict, judge};
use rempart_drill::report::{Comparison, Language, Run, to_html, to_json, to_lines};
use rempart_drill::scenario::{Scenario, catalogue, load, parse};

use rempart_web::Locale;

use crate::cli::Globals;
use crate::outcome::{Failure, chain, say, tell};

/// Arguments of `drill`.
#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// The scenario: a name of the list, or a file ending in .toml
    #[arg(value_name = "SCENARIO", required_unless_present_any = ["list", "compare"])]
    scenario: Option<String>,
    /// Lists the scenarios
    #[arg(long)]
    list: bool,
    /// Puts two report.json side by side, the older first; with --report also as pages
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 2, conflicts_with_all = ["scenario", "list", "world", "against", "write_keys"])]
    compare: Option<Vec<PathBuf>>,
    /// A folder of scenarios instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
    /// In virtual time, over the same machines that serve: seconds instead of minutes
    #[arg(long, conflicts_with_all = ["against", "write_keys"])]
    world: bool,
    /// Where chance begins, instead of the scenario's seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Writes report.json and the pages report.html, report.zh.html and report.fr.html here
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Another gateway that you run: http://127.0.0.1:PORT, a literal loopback address
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// The model that is named to it
    #[arg(long, value_name = "NAME", default_value = "scripted", requires = "against")]
    model: String,
    /// Its process, to tell its CPU time and memory
    #[arg(long, value_name = "PID", requires = "against")]
    pid: Option<u32>,
    /// NAME: VALUE, sent to it with every request, by members and attackers alike; may be given several times
    #[arg(long, value_name = "HEADER", requires = "against")]
    header: Vec<String>,
    /// A folder of such files as --write-keys makes, with keys that it knows: for a platform of your own, made for the drill
    #[arg(long, value_name = "DIR", requires = "against")]
    keys: Option<PathBuf>,
    /// Writes the keys that the scenario uses with --against (members.txt, newcomers.txt, new.txt, turned.txt) and ends
    #[arg(long, value_name = "DIR")]
    write_keys: Option<PathBuf>,
    /// Times are told, and only counts are judged: for machines that do other things meanwhile
    #[arg(long)]
    counts: bool,
    /// A PostgreSQL server on this machine, for scenarios in which the database goes away
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: &Drill) -> Result<ExitCode, Failure> {
    if args.list {
        return list(globals, args);
    }
    if let Some([old, new]) = args.compare.as_deref() {
        return compare(args, old, new);
    }
    let name = args.scenario.clone().unwrap_or_default();
    let scenario = load(&name, args.scenarios.as_deref()).map_err(|error| Failure::Usage(chain(&error)))?;
    if let Some(folder) = &args.write_keys {
        return write_keys(&scenario, folder);
    }
    let seed = args.seed.unwrap_or(scenario.seed);
    let run = if args.world { run_world(&scenario, seed)? } else { run_live(globals, args, &scenario, seed)? };
    let verdicts = judge(&scenario, &run);
    let report = to_json(&scenario, &run, &verdicts);
    if let Some(folder) = &args.report {
        let written = write_report(folder, &scenario, &run, &verdicts, &report);
        written.map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
    }
    if globals.json {
        say(&report.to_string())?;
    } else {
        say(to_lines(&scenario, &run, &verdicts).trim_end())?;
    }
    Ok(conclude(args, &name, seed, &verdicts))
}

/// Says what changed between two reports; the exit code is 1 where a promise that was kept is broken now.
fn compare(args: &Drill, old: &Path, new: &Path) -> Result<ExitCode, Failure> {
    let read = |path: &Path| -> Result<serde_json::Value, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
        let text = std::fs::read(path).map_err(|error| failed(&error))?;
        serde_json::from_slice(&text).map_err(|error| failed(&error))
    };
    let comparison = Comparison::new(&read(old)?, &read(new)?).map_err(|error| Failure::Usage(error.to_string()))?;
    if let Some(folder) = &args.report {
        let pages = [
            (Locale::Zh, "中文", "compare.zh.html"),
            (Locale::En, "English", "compare.html"),
            (Locale::Fr, "Français", "compare.fr.html"),
        ];
        let written = write_pages(folder, pages, |language| comparison.to_html(language));
        written.map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
    }
    say(comparison.to_lines().trim_end())?;
    Ok(if comparison.is_worse() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A page in each language, each with links to the others.
fn write_pages(
    folder: &Path,
    pages: [(Locale, &str, &str); 3],
    page: impl Fn(&Language<'_>) -> String,
) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let all = pages.map(|(_, name, file)| (name, file));
    for (locale, _, file) in pages {
        let text = |key: &str| rempart_web::text(locale, key);
        let language = Language { code: locale.html_lang(), text: &text, others: &all };
        std::fs::write(folder.join(file), page(&language))?;
    }
    Ok(())
}

/// `report.json`, and a page in each language.
fn write_report(
    folder: &std::path::Path,
    scenario: &Scenario,
    run: &Run,
    verdicts: &[Verdict],
    report: &serde_json::Value,
) -> std::io::Result<()> {
    const PAGES: [(Locale, &str, &str); 3] = [
        (Locale::Zh, "中文", "report.zh.html"),
        (Locale::En, "English", "report.html"),
        (Locale::Fr, "Français", "report.fr.html"),
    ];
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("report.json"), format!("{report:#}\n"))?;
    write_pages(folder, PAGES, |language| to_html(scenario, run, verdicts, language))
}

/// The exit code; what broke is told with the way to repeat it.
fn conclude(args: &Drill, name: &str, seed: u64, verdicts: &[Verdict]) -> ExitCode {
    let is_judged = |verdict: &&Verdict| !(args.counts && matches!(verdict.unit, "ms" | "s"));
    let broken: Vec<&str> = verdicts.iter().filter(is_judged).filter(|v| !v.held).map(|v| v.name).collect();
    if broken.is_empty() {
        return ExitCode::SUCCESS;
    }
    let world = if args.world { " --world" } else { "" };
    let against = args.against.as_ref().map(|url| format!(" --against {url}")).unwrap_or_default();
    tell(&format!("broken: {}; again with: rempart drill {name}{world}{against} --seed {seed}", broken.join(", ")));
    ExitCode::FAILURE
}

fn list(globals: &Globals, args: &Drill) -> Result<ExitCode, Failure> {
    let all = catalogue(args.scenarios.as_deref()).map_err(|error| Failure::Usage(chain(&error)))?;
    let mut rows = Vec::new();
    for (name, text) in all {
        let scenario = parse(&name, &text).map_err(|error| Failure::Usage(chain(&error)))?;
        if !globals.json {
            say(&format!("{name:<28} {:>5.0} s  {}", scenario.seconds(), scenario.title))?;
        }
        rows.push(serde_json::json!({ "name": name, "title": scenario.title, "seconds": scenario.seconds() }));
    }
    if globals.json {
        say(&serde_json::json!({ "data": rows, "next": null }).to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_keys(scenario: &Scenario, folder: &std::path::Path) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let keyring = live::foreign_keys(scenario);
    let groups = [
        ("members", keyring.members),
        ("newcomers", keyring.newcomers),
        ("new", keyring.new),
        ("turned", keyring.turned),
    ];
    for (name, keys) in groups {
        let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
        std::fs::write(folder.join(format!("{name}.txt")), text).map_err(failed)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What [`write_keys`] writes; a file that is not there is a group without keys.
fn read_keys(folder: &std::path::Path) -> Result<live::Keyring, Failure> {
    let read = |name: &str| -> Result<Vec<String>, Failure> {
        let path = folder.join(format!("{name}.txt"));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.split_whitespace().map(str::to_owned).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Failure::Usage(format!("--keys: {}: {error}", path.display()))),
        }
    };
    Ok(live::Keyring {
        members: read("members")?,
        newcomers: read("newcomers")?,
        new: read("new")?,
        turned: read("turned")?,
    })
}

fn run_world(scenario: &Scenario, seed: u64) -> Result<Run, Failure> {
    rempart_drill::world::run_scenario(scenario, seed)
        .map_err(|error| Failure::Usage(format!("--world: {}", chain(&error))))
}

fn run_live(globals: &Globals, args: &Drill, scenario: &Scenario, seed: u64) -> Result<Run, Failure> {
    let against = match &args.against {
        None => None,
        Some(url) => {
            // Before anything is started or opened.
            let target = Target::parse(url).map_err(|error| Failure::Usage(format!("--against: {error}")))?;
            let keyring = args.keys.as_deref().map(read_keys).transpose()?;
            let headers = read_headers(&args.header)?;
            Some(Against { target, model: args.model.clone(), pid: args.pid, headers, keyring })
        }
    };
    let program = std::env::current_exe().map_err(|error| Failure::internal("own program", &error))?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    stop_on_signal(Arc::clone(&is_stopped))?;
    let options = LiveOptions {
        program,
        seed,
        against,
        store_url: args.store.clone(),
        serve_args: sabotage_args(globals),
        is_stopped: Arc::clone(&is_stopped),
    };
    let mut board = Board::new(globals.json);
    let run = live::run(scenario, &options, &mut |progress| board.show(progress));
    board.end();
    let run = run.map_err(|error| Failure::Missing(chain(&error)))?;
    if is_stopped.load(Ordering::Relaxed) {
        return Err(Failure::Failed("stopped before its end".to_owned()));
    }
    Ok(run)
}

/// What the platform under drill is started with besides.
#[cfg(feature = "sabotage")]
fn sabotage_args(globals: &Globals) -> Vec<String> {
    globals.sabotage.map(|sabotage| format!("--sabotage={sabotage}")).into_iter().collect()
}

#[cfg(not(feature = "sabotage"))]
const fn sabotage_args(_globals: &Globals) -> Vec<String> {
    Vec::new()
}

fn read_headers(texts: &[String]) -> Result<Vec<(http::HeaderName, http::HeaderValue)>, Failure> {
    let read = |text: &String| {
        let (name, value) = text.split_once(':')?;
        Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
    };
    let wrong = |text: &String| Failure::Usage(format!("--header {text:?}: it is NAME: VALUE"));
    texts.iter().map(|text| read(text).ok_or_else(|| wrong(text))).collect()
}

/// SIGTERM and SIGINT end the run in order, so that what was started ends too.
fn stop_on_signal(is_stopped: Arc<AtomicBool>) -> Result<(), Failure> {
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let spawned = thread.spawn(move || {
        let caught = super::on_runtime(async {
            let signals = crate::signals::Signals::listen();
            let _told = ready.send(());
            let mut signals = signals?;
            signals.stop().await;
            is_stopped.store(true, Ordering::Relaxed);
            Ok(())
        });
        drop(caught);
    });
    spawned.map_err(|error| Failure::internal("signals", &error))?;
    // Caught before anything is started.
    let _caught = is_ready.recv_timeout(Duration::from_secs(5));
    Ok(())
}

/// Live progress: phase, members' success, attacks a second. Only on a terminal.
struct Board {
    bar: Option<ProgressBar>,
    seen: Seen,
    line: String,
}

#[derive(Default)]
struct Seen {
    second: u64,
    sent: u64,
    done: u64,
    attacks: u64,
}

impl Board {
    fn new(is_json: bool) -> Self {
        let is_shown = !is_json && std::io::stderr().is_terminal();
        let bar = is_shown.then(|| {
            let bar = ProgressBar::new(1);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, seen: Seen::default(), line: String::new() }
    }

    fn show(&mut self, progress: Progress<'_>) {
        let Some(bar) = &self.bar else { return };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of one run")]
        let (second, of) = (progress.at_s.max(0.0) as u64, progress.of_s as u64);
        if second != self.seen.second {
            let (sent, done) = (progress.members_sent - self.seen.sent, progress.members_done - self.seen.done);
            let attacks = progress.attacks_sent - self.seen.attacks;
            self.line = format!("members {done} of {sent} done, {attacks} attacks a second");
            self.seen = Seen {
                second,
                sent: progress.members_sent,
                done: progress.members_done,
                attacks: progress.attacks_sent,
            };
        }
        bar.set_length(of);
        bar.set_position(second);
        bar.set_message(format!("{:<14} {second} of {of} s  {}", progress.phase, self.line));
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
