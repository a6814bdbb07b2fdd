//! `check-config`: everything that is wrong, or what is in force.

use super::Scene;
use crate::cli::{CheckConfig, Globals};
use crate::config::example_toml;
use crate::outcome::{Failure, say};

pub(crate) fn run(globals: &Globals, args: &CheckConfig) -> Result<(), Failure> {
    if args.example {
        return say(example_toml().trim_end());
    }
    let scene = Scene::open(globals)?;
    if scene.json {
        let summary = serde_json::json!({
            "status": "ok",
            "listen": scene.config.server.listen,
            "console": scene.config.server.console,
            "public_url": scene.config.server.public_url,
            "models_dir": scene.config.models_dir,
            "engines": scene.config.engine.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "limits": scene.config.limits.to_table(),
        });
        return say(&summary.to_string());
    }
    say("ok")
}
