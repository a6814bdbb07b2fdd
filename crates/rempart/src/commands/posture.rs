//! `posture …`: the declared state of the system, shown and set.

use clap::{Args, Subcommand};
use rempart_domain::Posture as Level;

use super::{Scene, to_json};
use crate::admin::{Command, Reply, ask_once};
use crate::cli::Globals;
use crate::dates::parse_length_s;
use crate::outcome::{Failure, say, tell};

/// What can be done with the posture.
#[derive(Debug, Subcommand)]
pub(crate) enum Posture {
    /// Shows what is in force (the default)
    Show,
    /// Declares a level: calm, guarded, siege or fortress
    Set(Set),
    /// Leaves it to the pressure again
    Auto,
}

/// Arguments of `set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// calm, guarded, siege or fortress
    #[arg(value_name = "LEVEL", value_parser = parse_level)]
    level: Level,
    /// 90m, 12h, 3d; without it the level holds until you say otherwise
    #[arg(long = "for", value_name = "D", value_parser = parse_length)]
    for_s: Option<i64>,
}

fn parse_level(word: &str) -> Result<Level, String> {
    Level::parse(word).map_err(|_| "it is calm, guarded, siege or fortress".to_owned())
}

fn parse_length(text: &str) -> Result<i64, String> {
    parse_length_s(text).filter(|seconds| *seconds > 0).ok_or_else(|| "write 90m, 12h or 3d".to_owned())
}

pub(crate) async fn run(globals: &Globals, asked: Option<Posture>) -> Result<(), Failure> {
    let scene = Scene::open(globals)?;
    let command = match asked.unwrap_or(Posture::Show) {
        Posture::Show => Command::PostureShow,
        Posture::Set(Set { level, for_s }) => Command::PostureSet { level: Some(level.to_string()), for_s },
        Posture::Auto => Command::PostureSet { level: None, for_s: None },
    };
    match ask_once(&scene.config, &scene.folder, command).await? {
        Reply::Posture(row) if scene.json => say(&to_json(&row)?),
        Reply::Posture(row) => {
            if !row.is_stored {
                tell("in force, but the store takes no writes now: it is stored when it does");
            }
            let until = row.until.map_or_else(String::new, |until| format!(" until {until}"));
            let since = row.incident_since.map_or_else(String::new, |at| format!(", incident since {at}"));
            say(&format!("{} ({}{until}){since}", row.level, row.source))
        }
        other => say(&to_json(&other)?),
    }
}
