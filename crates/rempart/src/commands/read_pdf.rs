//! `read-pdf PAGES BYTES`: a PDF comes on standard input, its text goes to standard output. The platform starts it for each file; people
//! have no use for it, so it is not shown.
//!
//! What must stay true: before the first byte is read, this process has given up all it does not need: memory, time, files, children. A
//! reader of hostile files may panic, loop or allocate without end; here that ends this process and nothing else.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use clap::Args;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::outcome::Failure;

/// What the platform understands: see `gateway::serve::files`.
const UNREADABLE: u8 = 1;
const TOO_MANY_PAGES: u8 = 3;

/// Address space: a PDF of 10 MiB may unpack to many times that.
const MEMORY_BYTES: u64 = 768 << 20;

/// Processor time; the platform's own deadline comes later.
const CPU_SECONDS: u64 = 20;

/// Largest PDF that is read, in bytes; the platform takes no larger ones.
const PDF_BYTES_MAX: u64 = 64 << 20;

/// Arguments of `read-pdf`.
#[derive(Debug, Args)]
pub(crate) struct ReadPdf {
    /// Most pages
    pages: usize,
    /// Most bytes of text
    bytes: usize,
}

pub(crate) fn run(args: &ReadPdf) -> Result<ExitCode, Failure> {
    confine();
    // What a reader says while it panics is about a stranger's file.
    std::panic::set_hook(Box::new(|_| {}));
    let mut pdf = Vec::new();
    let read = std::io::stdin().lock().take(PDF_BYTES_MAX).read_to_end(&mut pdf);
    read.map_err(|error| Failure::internal("standard input", &error))?;
    let Ok(document) = pdf_extract::Document::load_mem(&pdf) else { return Ok(ExitCode::from(UNREADABLE)) };
    if document.is_encrypted() {
        return Ok(ExitCode::from(UNREADABLE));
    }
    if document.get_pages().len() > args.pages {
        return Ok(ExitCode::from(TOO_MANY_PAGES));
    }
    drop(document);
    let Ok(pages) = pdf_extract::extract_text_from_mem_by_pages(&pdf) else { return Ok(ExitCode::from(UNREADABLE)) };
    let text = tidy(&pages.join("\n\n"));
    // One byte more than may be is enough to say that it is too much.
    let end = text.len().min(args.bytes.saturating_add(1));
    let sent = std::io::stdout().lock().write_all(text.as_bytes().get(..end).unwrap_or_default());
    sent.map_err(|error| Failure::internal("standard output", &error))?;
    Ok(ExitCode::SUCCESS)
}

/// Gives up what reading a file does not need. A limit that cannot be set (a container's rule) leaves the platform's deadline.
fn confine() {
    let limits = [
        (Resource::As, MEMORY_BYTES),
        (Resource::Cpu, CPU_SECONDS),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        // Standard input, output and error are open already; nothing else will be.
        (Resource::Nofile, 3),
        (Resource::Nproc, 0),
    ];
    for (resource, most) in limits {
        let _as_it_is = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

/// Text without the blank lines and spaces that a page's layout leaves, and without characters that are no text.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.lines() {
        let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        let line = line.trim_end();
        blank = if line.is_empty() { blank + 1 } else { 0 };
        if blank < 2 && !(out.is_empty() && line.is_empty()) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn layout_leaves_one_blank_line_at_most() {
        assert_eq!(tidy("\n\n one \u{0}\n\n\n\ntwo\u{c}\n"), " one\n\ntwo\n");
    }
}
