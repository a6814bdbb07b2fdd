//! The commands, one file each.

pub(crate) mod account;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod breached;
pub(crate) mod check_config;
pub(crate) mod doctor;
pub(crate) mod drill;
pub(crate) mod engine;
pub(crate) mod gate;
pub(crate) mod invite;
pub(crate) mod key;
pub(crate) mod migrate;
pub(crate) mod model;
pub(crate) mod posture;
pub(crate) mod read_pdf;
pub(crate) mod serve;

use std::process::ExitCode;

use rempart_domain::sabotage::{Sabotage, breaks};

use crate::cli::{Command, Globals};
use crate::config::{Config, RegistrationLevel, Sources, load};
use crate::folder::DataFolder;
use crate::outcome::Failure;

/// What a command that works on a data folder starts from.
pub(crate) struct Scene {
    /// The configuration, checked.
    pub(crate) config: Config,
    /// The data folder.
    pub(crate) folder: DataFolder,
    /// Results as JSON.
    pub(crate) json: bool,
}

impl Scene {
    /// Reads the configuration; every error is a line, and the exit code is 64.
    pub(crate) fn open(globals: &Globals) -> Result<Self, Failure> {
        let mut config =
            load(&Sources::of_process(globals.config.clone())).map_err(|errors| config_failure(&errors))?;
        if breaks(Sabotage::Gate) {
            config.registration.level = RegistrationLevel::Open;
            config.limits.gateway.registrations_per_minute = 1_000_000;
        }
        Ok(Self { config, folder: DataFolder::new(&globals.data), json: globals.json })
    }
}

/// All errors, a line each.
pub(crate) fn config_failure(errors: &[crate::config::ConfigError]) -> Failure {
    Failure::Config(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Runs one command to its end.
pub(crate) fn run(globals: &Globals, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(args) => serve::run(globals, args),
        Command::CheckConfig(args) => done(check_config::run(globals, &args)),
        Command::Doctor => doctor::run(globals),
        Command::Migrate => done(on_runtime(migrate::run(globals))),
        Command::Backup(args) => done(on_runtime(backup::back_up(globals, args))),
        Command::Restore(args) => done(on_runtime(backup::restore(globals, args))),
        Command::Account(args) => on_runtime(account::run(globals, args)),
        Command::Gate { command } => done(on_runtime(gate::run(globals, command))),
        Command::Invite(args) => done(on_runtime(invite::run(globals, args))),
        Command::Key(args) => done(on_runtime(key::run(globals, args))),
        Command::Posture(args) => done(on_runtime(posture::run(globals, args.what))),
        Command::Model(args) => on_runtime(model::run(globals, args)),
        Command::Engine(args) => engine::run(args),
        Command::ReadPdf(args) => read_pdf::run(&args),
        Command::Bench(args) => bench::run(args),
        Command::Drill(args) => drill::run(globals, &args),
    }
}

fn done(result: Result<(), Failure>) -> Result<ExitCode, Failure> {
    result.map(|()| ExitCode::SUCCESS)
}

/// A runtime of one thread: enough for commands, which do one thing.
pub(crate) fn on_runtime<T>(task: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::internal("runtime", &error))?.block_on(Box::pin(task))
}

/// A reply as JSON.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::internal("json", &error))
}
