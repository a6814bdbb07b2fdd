//! `key …`: API keys by an operator's hand.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, value_parser};
use rempart_domain::KeyScope;

use super::{Scene, to_json};
use crate::admin::{Command, Reply, ask_once};
use crate::cli::Globals;
use crate::dates::{parse_length_s, parse_rfc3339};
use crate::outcome::{Failure, say};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Makes a key and prints it, this once, alone on a line
    Create(Create),
    /// Lists an account's keys, or all usable ones
    List(List),
    /// Revokes a key; it opens nothing from then on
    Revoke(Revoke),
}

/// Arguments of `create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Whose
    #[arg(long, value_name = "NAME")]
    account: String,
    /// What its owner calls it
    #[arg(long, value_name = "N", default_value = "key")]
    name: String,
    /// api (the OpenAI-compatible API), console (an operator's) or metrics
    #[arg(long, value_name = "SCOPE", default_value = "api", value_parser = parse_scope)]
    scope: KeyScope,
    /// 90d, 12h, 15m, or a date such as 2027-01-31
    #[arg(long, value_name = "D", value_parser = parse_expiry)]
    expires: Option<i64>,
    /// Tokens that it may spend: in its life, or in each span of `[limits] key_budget_days`
    #[arg(long, value_name = "TOKENS", value_parser = value_parser!(u64).range(1..))]
    budget: Option<u64>,
    /// Requests a minute
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    requests_per_minute: Option<u64>,
    /// Answers at once
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    in_flight: Option<u32>,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Whose; revoked ones are shown too then
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

/// Arguments of `revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The key's id, k_…
    #[arg(value_name = "ID")]
    id: String,
}

fn parse_scope(word: &str) -> Result<KeyScope, String> {
    KeyScope::parse(word).map_err(|_| "it is api, console or metrics".to_owned())
}

/// Unix seconds of an expiry.
fn parse_expiry(text: &str) -> Result<i64, String> {
    if let Some(length_s) = parse_length_s(text) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        return Ok(i64::try_from(now).unwrap_or(i64::MAX).saturating_add(length_s));
    }
    parse_rfc3339(text)
        .map(|at| at.seconds().0)
        .ok_or_else(|| "write 90d, 12h, 15m or a date such as 2027-01-31".to_owned())
}

pub(crate) async fn run(globals: &Globals, command: Key) -> Result<(), Failure> {
    let scene = Scene::open(globals)?;
    let command = match command {
        Key::Create(args) => {
            let Create { account, name, scope, expires, budget, requests_per_minute, in_flight } = args;
            let scope = scope.to_string();
            Command::KeyCreate { account, name, scope, expires, budget, requests_per_minute, in_flight }
        }
        Key::List(args) => Command::KeyList { account: args.account },
        Key::Revoke(args) => Command::KeyRevoke { id: args.id },
    };
    match ask_once(&scene.config, &scene.folder, command).await? {
        Reply::Key { id, key } if scene.json => say(&serde_json::json!({ "id": id, "key": key }).to_string()),
        Reply::Key { key, .. } => say(&key),
        Reply::Keys { data } if scene.json => say(&serde_json::json!({ "data": data, "next": null }).to_string()),
        Reply::Keys { data } => {
            for row in &data {
                let until = row.expires.as_deref().unwrap_or("-");
                let state = row.revoked.as_deref().map_or_else(String::new, |at| format!("  revoked {at}"));
                say(&format!(
                    "{} {} {:<8} since {} until {until}  {}{state}",
                    row.id, row.account, row.scope, row.created, row.name
                ))?;
            }
            Ok(())
        }
        other if scene.json => say(&to_json(&other)?),
        _ => say("done"),
    }
}
