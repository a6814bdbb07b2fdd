//! The reader of PDF files, as the platform starts it: text out, whatever is hostile ends with the process.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::rig::binary;

fn read_with(program: &Path, pdf: &[u8], pages: usize, bytes: usize) -> Output {
    let mut child = Command::new(program)
        .args(["read-pdf", &pages.to_string(), &bytes.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It may have given up before it read all.
    let _gave_up = child.stdin.take().unwrap().write_all(pdf);
    child.wait_with_output().unwrap()
}

/// A PDF of `pages` pages that say `text`, with a correct table of its objects.
fn pdf_of(pages: usize, text: &str) -> Vec<u8> {
    let stream = format!("BT /F1 12 Tf 72 700 Td ({text}) Tj ET");
    pdf_with(pages, &format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len()))
}

/// The same with the content of every page given as an object.
fn pdf_with(pages: usize, content: &str) -> Vec<u8> {
    let kids: Vec<String> = (0..pages).map(|page| format!("{} 0 R", page + 5)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {pages} >>", kids.join(" ")),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        content.to_owned(),
    ];
    for _ in 0..pages {
        objects.push("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 3 0 R >> >> >>".to_owned());
    }
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        offsets.push(out.len());
        out.extend_from_slice(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    let table = out.len();
    out.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
    for offset in offsets {
        out.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    out.extend_from_slice(
        format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1).as_bytes(),
    );
    out
}

#[test]
fn the_text_of_a_pdf_is_written_to_standard_output() {
    let Some(program) = binary() else { return };
    let read = read_with(&program, &pdf_of(3, "Hello from page"), 10, 10_000);
    assert_eq!(read.status.code(), Some(0));
    let text = String::from_utf8(read.stdout).unwrap();
    assert_eq!(text, "Hello from page\n\nHello from page\n\nHello from page\n");
}

#[test]
fn too_many_pages_too_much_text_and_no_pdf_are_told_apart() {
    let Some(program) = binary() else { return };
    let read = |pdf: &[u8], pages, bytes| read_with(&program, pdf, pages, bytes);
    assert_eq!(read(&pdf_of(11, "x"), 10, 10_000).status.code(), Some(3));
    let long = read(&pdf_of(10, &"word ".repeat(100)), 10, 1000);
    assert_eq!((long.status.code(), long.stdout.len()), (Some(0), 1001), "one byte more than may be");
    assert_eq!(read(b"%PDF-1.4 nonsense", 10, 1000).status.code(), Some(1));
    assert_eq!(read(b"", 10, 1000).status.code(), Some(1));
}

#[test]
fn a_hostile_pdf_ends_its_reader_in_bounded_time_and_memory() {
    let Some(program) = binary() else { return };
    let deep = format!("<< /Length 4 /X {}{} >>\nstream\nBT\n\nendstream", "[".repeat(200_000), "]".repeat(200_000));
    let loops = "<< /Length 4 0 R >>\nstream\nBT ET\nendstream";
    let many = "q ".repeat(2_000_000);
    let many = format!("<< /Length {} >>\nstream\n{many}\nendstream", many.len());
    let huge_count = String::from_utf8(pdf_of(1, "x")).unwrap().replace("/Count 1", "/Count 999999999").into_bytes();
    let own_parent = String::from_utf8(pdf_of(1, "x")).unwrap().replace("/Kids [5 0 R]", "/Kids [2 0 R]").into_bytes();
    for (what, pdf) in [
        ("deep nesting", pdf_with(1, &deep)),
        ("a length that is itself", pdf_with(1, loops)),
        ("two million operators", pdf_with(1, &many)),
        ("a count that lies", huge_count),
        ("a page tree that is its own child", own_parent),
    ] {
        let started = Instant::now();
        let ended = read_with(&program, &pdf, 500, 100_000);
        println!("{what}: {:?} after {:?}, {} bytes", ended.status, started.elapsed(), ended.stdout.len());
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        assert!(ended.stdout.len() <= 100_001, "{what}");
    }
}
