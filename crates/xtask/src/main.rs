//! `cargo xtask tidy` checks the house rules, `cargo xtask ci` everything that needs no service and no model.
//!
//! What must stay true: tidy takes under a second and needs no network; each rule has a name that ARCHITECTURE.md or STYLE.md
//! refers to, says why it exists, and has a failing sample in its tests.

mod ci;
mod rules;
mod tree;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("this crate lies in crates/xtask")?;
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy(root),
        Some("ci") => {
            let tidied = tidy(root)?;
            if tidied == ExitCode::SUCCESS { ci::run(root) } else { Ok(tidied) }
        }
        _ => {
            eprintln!("usage: cargo xtask tidy | ci");
            Ok(ExitCode::from(2))
        }
    }
}

fn tidy(root: &Path) -> anyhow::Result<ExitCode> {
    let tree = tree::Tree::read(root)?;
    let mut count = 0;
    for rule in rules::ALL {
        for finding in (rule.check)(&tree) {
            eprintln!("{}: {}", rule.name, finding);
            count += 1;
        }
    }
    if count == 0 {
        eprintln!("tidy: {} rules hold over {} files", rules::ALL.len(), tree.len());
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {count} findings");
    Ok(ExitCode::FAILURE)
}
