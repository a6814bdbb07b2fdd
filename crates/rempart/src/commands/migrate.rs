//! `migrate`: opening a store migrates it; a running platform has done so already.

use super::Scene;
use crate::admin::{Command, Door};
use crate::cli::Globals;
use crate::outcome::{Failure, say};

pub(crate) async fn run(globals: &Globals) -> Result<(), Failure> {
    let scene = Scene::open(globals)?;
    let mut door = Door::open(&scene.config, &scene.folder).await?;
    door.execute(Command::Ping).await?;
    let is_running = door.is_running();
    door.close().await;
    if scene.json {
        return say(&serde_json::json!({ "status": "ok", "running": is_running }).to_string());
    }
    say(if is_running { "up to date: the platform runs on it" } else { "up to date" })
}
