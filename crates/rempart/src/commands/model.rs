//! `model …`: language models on this machine. The folder is shared by all data folders, so no platform is asked; one that runs sees
//! a new file within seconds.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use rempart_engine::models::{DEFAULT_MODEL, ModelEntry, Progress};

use super::{Scene, to_json};
use crate::cli::Globals;
use crate::engines::open_models;
use crate::outcome::{Failure, chain, say, tell};

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Lists the models that are here
    List,
    /// Fetches a model: nothing for the default one, owner/repo:file.gguf from a hub, an https address, or a local path
    Pull(Pull),
    /// Reads whole files and compares them with what was fetched
    Verify(Verify),
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// What to fetch; #sha256=… at its end is checked
    #[arg(value_name = "MODEL", default_value = DEFAULT_MODEL)]
    what: String,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// One model; without it, all
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub(crate) async fn run(globals: &Globals, command: Model) -> Result<ExitCode, Failure> {
    let scene = Scene::open(globals)?;
    let models = open_models(&scene.config)?;
    match command {
        Model::List => {
            let entries = models.list().map_err(|error| Failure::missing("models", &error))?;
            if scene.json {
                say(&serde_json::json!({ "data": entries, "next": null }).to_string())?;
            } else {
                entries.iter().try_for_each(|entry| say(&line_of(entry)))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Model::Pull(args) => pull(&scene, &models, &args.what).await,
        Model::Verify(args) => verify(&scene, &models, args.name).await,
    }
}

fn line_of(entry: &ModelEntry) -> String {
    let size = entry.bytes.map_or_else(|| "missing".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
    format!("{:<40} {size:>10}  {}", entry.id, entry.path.display())
}

async fn pull(scene: &Scene, models: &rempart_engine::models::Models, what: &str) -> Result<ExitCode, Failure> {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{msg} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let pulled = models.pull(what, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    let file = pulled.map_err(|error| Failure::Failed(format!("{what}: {}", chain(&error))))?;
    if scene.json {
        say(&serde_json::json!({ "id": file.id, "path": file.path }).to_string())?;
    } else {
        say(&format!("{} {}", file.id, file.path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(bar: &ProgressBar, progress: Progress) {
    match progress {
        Progress::Waiting => bar.set_message("waiting for another process that fetches it"),
        Progress::Fetching { bytes, total } => {
            bar.set_message("fetching");
            bar.set_position(bytes);
            if let Some(total) = total {
                bar.set_length(total);
            }
        }
        Progress::Resuming { bytes } => {
            bar.set_message("the connection broke: resuming");
            bar.set_position(bytes);
        }
        Progress::Checking => bar.set_message("checking"),
        Progress::Requantising => bar.set_message("turning it into a faster form"),
        Progress::Note(note) => bar.suspend(|| tell(&note)),
    }
}

async fn verify(
    scene: &Scene,
    models: &rempart_engine::models::Models,
    name: Option<String>,
) -> Result<ExitCode, Failure> {
    let names = match name {
        Some(name) => vec![name],
        None => {
            let entries = models.list().map_err(|error| Failure::missing("models", &error))?;
            entries.into_iter().map(|entry| entry.id).collect()
        }
    };
    let mut failed = 0_u8;
    for name in names {
        let verified = models.verify(&name).await;
        let reason = verified.err().map(|error| chain(&error));
        failed = failed.saturating_add(u8::from(reason.is_some()));
        if scene.json {
            say(&to_json(&serde_json::json!({ "id": name, "ok": reason.is_none(), "reason": reason }))?)?;
        } else {
            say(&format!("{name:<40} {}", reason.as_deref().unwrap_or("ok")))?;
        }
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}
