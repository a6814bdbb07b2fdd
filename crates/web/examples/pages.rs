//! Writes every sample page into a folder, to be looked at: `cargo run -p rempart-web --example pages -- DIR`, then serve DIR.
#![allow(clippy::indexing_slicing, reason = "a sample that is not there should be noticed")]

use std::path::PathBuf;

#[path = "../tests/it/samples.rs"]
mod samples;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| String::from("target/pages")));
    std::fs::create_dir_all(folder.join("static"))?;
    for name in ["tokens.css", "page.css", "chat.css", "answer.css", "mark.svg", "wall.svg", "icons.svg"] {
        if let Some(asset) = rempart_web::asset(name) {
            std::fs::write(folder.join("static").join(name), &asset.bytes)?;
        }
    }
    for locale in rempart_web::Locale::ALL {
        for (name, html) in samples::all(*locale) {
            std::fs::write(folder.join(format!("{name}-{locale}.html")), html)?;
        }
    }
    Ok(())
}
