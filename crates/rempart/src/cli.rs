//! The command line: what can be asked, one variant a command. What is not built is not listed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{account, bench, drill, engine, gate, invite, key, model, posture, read_pdf};

/// A generative-AI platform that keeps serving its members while it is under attack.
#[derive(Debug, Parser)]
#[command(name = "rempart", version, about, max_term_width = 110)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Given before or after the command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Globals {
    /// Configuration file (TOML); without it the defaults hold. REMPART__SECTION__KEY goes over either.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data folder.
    #[arg(long, global = true, value_name = "DIR", default_value = "./data")]
    pub(crate) data: PathBuf,
    /// Results as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Takes a protection out, for the drill's own test: priority, freeze, gate, cohorts or log-leak.
    #[cfg(feature = "sabotage")]
    #[arg(long, global = true, value_name = "CHOICE", value_parser = read_sabotage)]
    pub(crate) sabotage: Option<rempart_domain::sabotage::Sabotage>,
}

#[cfg(feature = "sabotage")]
fn read_sabotage(word: &str) -> Result<rempart_domain::sabotage::Sabotage, rempart_domain::UnknownWord> {
    rempart_domain::sabotage::Sabotage::parse(word)
}

/// One file in `commands/` each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts the platform and runs it until SIGTERM or SIGINT
    Serve(Serve),
    /// Reads the configuration and says everything that is wrong with it
    CheckConfig(CheckConfig),
    /// Looks whether this machine and this data folder can run a platform
    Doctor,
    /// Brings the database to this program's version
    Migrate,
    /// Writes a copy of the database; keys/ is not in it
    Backup(BackupFile),
    /// Puts a backup in the database's place, on a stopped platform
    Restore(BackupFile),
    /// Accounts
    #[command(subcommand)]
    Account(account::Account),
    /// API keys
    #[command(subcommand)]
    Key(key::Key),
    /// The declared state of the system
    Posture(PostureArgs),
    /// How hard it is to register
    Gate {
        /// What to do with it
        #[command(subcommand)]
        command: Option<gate::Gate>,
    },
    /// Invitations to register
    #[command(subcommand)]
    Invite(invite::Invite),
    /// Language models on this machine
    #[command(subcommand)]
    Model(model::Model),
    /// Engines as processes of their own
    #[command(subcommand)]
    Engine(engine::Engine),
    /// Reads the text out of a PDF, for the platform
    #[command(hide = true)]
    ReadPdf(read_pdf::ReadPdf),
    /// Measures a server that you run; loopback only
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Attacks a platform of its own and says whether the promises hold
    Drill(drill::Drill),
}

/// Arguments of `posture`.
#[derive(Debug, Args)]
pub(crate) struct PostureArgs {
    /// Without it: show
    #[command(subcommand)]
    pub(crate) what: Option<posture::Posture>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Listens here instead of server.listen; may be given several times; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<SocketAddr>,
}

/// Arguments of `check-config`.
#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// Prints a configuration file with every key, its default and meaning
    #[arg(long)]
    pub(crate) example: bool,
}

/// Arguments of `backup` and `restore`.
#[derive(Debug, Args)]
pub(crate) struct BackupFile {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}
