//! `gate …`: how hard it is to register, shown and set by hand.

use clap::{Args, Subcommand};
use rempart_domain::GateLevel;

use super::{Scene, to_json};
use crate::admin::{Command, Reply, ask_once};
use crate::cli::Globals;
use crate::dates::parse_length_s;
use crate::outcome::{Failure, say};

/// What can be done with the gate; without a word it is shown.
#[derive(Debug, Subcommand)]
pub(crate) enum Gate {
    /// Shows level, rate and waiting line
    Show,
    /// Sets a level, over what is configured; survives a restart
    Set(Set),
    /// Gives the level back to configuration
    Auto,
}

/// Arguments of `set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// open, challenge, verified, queue or closed
    #[arg(value_name = "LEVEL", value_parser = parse_level)]
    level: GateLevel,
    /// For so long: 30m, 2h, 1d; without it until taken back
    #[arg(long = "for", value_name = "D", value_parser = parse_lasts)]
    lasts_s: Option<i64>,
}

fn parse_level(word: &str) -> Result<GateLevel, String> {
    GateLevel::parse(word).map_err(|_| "it is open, challenge, verified, queue or closed".to_owned())
}

fn parse_lasts(text: &str) -> Result<i64, String> {
    parse_length_s(text).ok_or_else(|| "write 30m, 2h or 1d".to_owned())
}

pub(crate) async fn run(globals: &Globals, command: Option<Gate>) -> Result<(), Failure> {
    let scene = Scene::open(globals)?;
    let command = match command.unwrap_or(Gate::Show) {
        Gate::Show => Command::GateShow,
        Gate::Set(args) => Command::GateSet { level: Some(args.level.to_string()), for_s: args.lasts_s },
        Gate::Auto => Command::GateSet { level: None, for_s: None },
    };
    match ask_once(&scene.config, &scene.folder, command).await? {
        Reply::Gate(row) if scene.json => say(&to_json(&serde_json::json!({
            "level": row.level, "source": row.source, "until": row.until, "rate_per_s": row.rate_per_s,
            "queue": { "length": row.queue_len, "eta_s": row.eta_s },
        }))?),
        Reply::Gate(row) => {
            let until = row.until.map_or_else(String::new, |until| format!(" until {until}"));
            say(&format!("{} ({}{until})", row.level, row.source))?;
            say(&format!("{:.2} registrations a second", row.rate_per_s))?;
            say(&format!("{} waiting, about {} s", row.queue_len, row.eta_s))
        }
        other => say(&to_json(&other)?),
    }
}
