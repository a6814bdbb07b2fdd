//! `account breached`: builds the filter of breached passwords from the public list, streaming; nothing of it stays but the filter.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use rempart_identity::weak::FilterBuilder;

use super::Scene;
use crate::outcome::{Failure, chain, say, tell};

/// Longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 4096;

/// Lines between two words of progress.
const TELL_EVERY: u64 = 50_000_000;

/// Arguments of `account breached`.
#[derive(Debug, Args)]
pub(crate) struct Breached {
    /// The list, lines of SHA1:COUNT as the public one has them; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Leaves out passwords that were seen less often
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_count: u64,
    /// The list has a password a line instead
    #[arg(long)]
    plain: bool,
}

/// Reads the list and writes DIR/breached.filter; a running platform takes it over at its next start.
pub(crate) fn build(scene: &Scene, args: &Breached) -> Result<(), Failure> {
    scene.folder.create()?;
    let path = scene.folder.breached_filter();
    let failed = |error: &dyn std::error::Error| Failure::Failed(chain(error));
    let mut input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let cannot = |error: std::io::Error| Failure::Failed(format!("cannot read {}: {error}", args.file.display()));
        Box::new(File::open(&args.file).map_err(cannot)?)
    };
    let mut input = BufReader::with_capacity(1 << 20, &mut input);
    let mut builder = FilterBuilder::new(&path).map_err(|error| failed(&error))?;
    let (mut line, mut lines) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let read = (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::Failed(format!("cannot read on: {error}")))? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let added = if args.plain { builder.add_plain(&text) } else { builder.add_hash_line(&text, args.min_count) };
        added.map_err(|error| failed(&error))?;
        lines += 1;
        if lines.is_multiple_of(TELL_EVERY) {
            tell(&format!("{lines} lines read"));
        }
    }
    let report = builder.finish(&path).map_err(|error| failed(&error))?;
    if scene.json {
        let value = serde_json::json!({
            "passwords": report.passwords, "skipped": report.skipped, "bytes": report.bytes,
            "file": path.display().to_string(),
        });
        return say(&value.to_string());
    }
    say(&format!(
        "{} passwords in {} ({} bytes); {} lines were none. It is in force from the next start.",
        report.passwords,
        path.display(),
        report.bytes,
        report.skipped
    ))
}
