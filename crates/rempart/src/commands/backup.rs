//! `backup` and `restore`: the database, never the keys. A backup without `keys/` is closed to whoever finds it.

use std::path::Path;

use rempart_store::Store;

use super::Scene;
use crate::admin::{Command, ask_once};
use crate::cli::{BackupFile, Globals};
use crate::outcome::{Failure, chain, say, tell};
use crate::platform::store_options;

pub(crate) async fn back_up(globals: &Globals, args: BackupFile) -> Result<(), Failure> {
    let scene = Scene::open(globals)?;
    let to =
        std::path::absolute(&args.file).map_err(|error| Failure::Usage(format!("{}: {error}", args.file.display())))?;
    if to.exists() {
        return Err(Failure::Failed(format!("{} is there already", to.display())));
    }
    require_folder(&scene)?;
    ask_once(&scene.config, &scene.folder, Command::Backup { to: to.clone() }).await?;
    tell("conversations in it are sealed: keep a copy of keys/master.key (or of store.master_key) in another place");
    report(&scene, &to)
}

pub(crate) async fn restore(globals: &Globals, args: BackupFile) -> Result<(), Failure> {
    let scene = Scene::open(globals)?;
    if !args.file.is_file() {
        return Err(Failure::Failed(format!("{} is no file", args.file.display())));
    }
    scene.folder.create()?;
    let Some(_lock) = scene.folder.try_lock()? else { return Err(scene.folder.taken()) };
    let options = store_options(&scene.config, &scene.folder)?;
    let restored = Store::restore(options, &args.file).await;
    restored
        .map_err(|error| Failure::Failed(format!("{} was not restored: {}", args.file.display(), chain(&error))))?;
    report(&scene, &args.file)
}

/// A command that only reads makes no folder.
fn require_folder(scene: &Scene) -> Result<(), Failure> {
    if scene.folder.exists() {
        return Ok(());
    }
    Err(Failure::Missing(format!("there is no data folder {}", scene.folder.root().display())))
}

fn report(scene: &Scene, file: &Path) -> Result<(), Failure> {
    let len_bytes = std::fs::metadata(file).map_or(0, |meta| meta.len());
    if scene.json {
        return say(&serde_json::json!({ "file": file, "bytes": len_bytes }).to_string());
    }
    say(&format!("{} ({len_bytes} bytes)", file.display()))
}
