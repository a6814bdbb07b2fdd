//! `invite create`: a way past the gate for one person.

use clap::{Args, Subcommand};

use super::{Scene, to_json};
use crate::admin::{Command, Reply, ask_once};
use crate::cli::Globals;
use crate::dates::parse_length_s;
use crate::outcome::{Failure, say};

/// What can be done with invitations.
#[derive(Debug, Subcommand)]
pub(crate) enum Invite {
    /// Makes an invitation and prints its address, this once, alone on a line
    Create(Create),
}

/// Arguments of `create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Good for so long: 12h, 14d
    #[arg(long = "for", value_name = "D", default_value = "14d", value_parser = parse_lasts)]
    lasts_s: i64,
}

fn parse_lasts(text: &str) -> Result<i64, String> {
    parse_length_s(text).ok_or_else(|| "write 12h or 14d".to_owned())
}

pub(crate) async fn run(globals: &Globals, command: Invite) -> Result<(), Failure> {
    let scene = Scene::open(globals)?;
    let Invite::Create(args) = command;
    match ask_once(&scene.config, &scene.folder, Command::InviteCreate { for_s: args.lasts_s }).await? {
        Reply::Link { url, expires } if scene.json => {
            say(&serde_json::json!({ "url": url, "expires": expires }).to_string())
        }
        Reply::Link { url, .. } => say(&url),
        other => say(&to_json(&other)?),
    }
}
