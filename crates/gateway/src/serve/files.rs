//! Files for the chat: the body is text or a PDF; what is read out of it is kept, sealed, and the file itself is not.
//!
//! What must stay true: a body is read in memory of its own, so that files crowd out no other request; a PDF is opened in a process of its
//! own with little memory and time, because a reader of hostile files may panic, loop or eat all there is; what does not fit is refused.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use axum::extract::{Path, Query};
use bytes::Bytes;
use http::{StatusCode, header};
use rempart_domain::{FileId, ReasonCode, Sensitive};
use rempart_store::{FileKind, NewFile};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::serve::conversations::rows::file_json;
use crate::serve::{Answer, Call, json, no_content, store_refusal};

/// Longest name of a file, in characters.
const NAME_CHARS_MAX: usize = 200;

/// Where a PDF says that it is one, at the latest.
const PDF_MAGIC_WITHIN: usize = 1024;

/// What the reader's process says of a file that it cannot read (`rempart read-pdf`).
const UNREADABLE: i32 = 1;
/// The same of one with more pages than it may have.
const TOO_MANY_PAGES: i32 = 3;

/// `?name`.
#[derive(Deserialize)]
pub struct Named {
    name: String,
}

/// `POST /api/v1/files?name=…`: the raw file as body.
pub async fn upload(call: Call, Query(named): Query<Named>, body: Bytes) -> Answer {
    let name = check_name(&named.name)?;
    if body.is_empty() {
        return Err(Refusal::new(ReasonCode::BadParameter, "the file is empty"));
    }
    let gateway = &call.gateway;
    let account = call.account()?;
    let _place = gateway.uploads.enter(account, call.ctx.band)?;
    let content_type = call.head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = if is_pdf(content_type) { FileKind::Pdf } else { FileKind::Text };
    let bytes = body.len() as u64;
    let text = match kind {
        FileKind::Pdf => {
            if !body.windows(5).take(PDF_MAGIC_WITHIN).any(|window| window == b"%PDF-") {
                return Err(Refusal::new(ReasonCode::BadParameter, "this is not a PDF"));
            }
            read_pdf(&gateway.config.pdf_reader, &body, &gateway.limits).await?
        }
        FileKind::Text => {
            let charset = charset_of(content_type);
            let decoded = tokio::task::spawn_blocking(move || decode(&body, charset.as_deref())).await;
            decoded.map_err(|_| ReasonCode::Internal)??
        }
    };
    if text.len() as u64 > gateway.limits.file_text_bytes {
        return Err(too_much_text(&gateway.limits));
    }
    if text.trim().is_empty() {
        return Err(Refusal::new(ReasonCode::BadParameter, "there is no text in this file"));
    }
    let id = rempart_identity::random::file_id().map_err(|_| ReasonCode::Internal)?;
    let new = NewFile {
        id,
        name: Sensitive::new(name),
        kind,
        bytes,
        text: Sensitive::new(text),
        created: gateway.clock.date(),
    };
    gateway.store.create_file(account, new).await.map_err(|e| store_refusal(&e))?;
    let kept = gateway.store.find_file(account, id).await.map_err(|e| store_refusal(&e))?;
    json(StatusCode::CREATED, &file_json(&kept.ok_or(ReasonCode::Internal)?))
}

/// `DELETE /api/v1/files/{id}`.
pub async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let id: FileId = id.parse().map_err(|_| ReasonCode::NotFound)?;
    let was_theirs = call.gateway.store.delete_file(call.account()?, id).await.map_err(|e| store_refusal(&e))?;
    if was_theirs { no_content() } else { Err(ReasonCode::NotFound.into()) }
}

/// The last part of a path, without controls.
fn check_name(name: &str) -> Result<String, Refusal> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Refusal::parameter("name", "a file's name has 1 to 200 characters"));
    }
    Ok(name.to_owned())
}

fn is_pdf(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/pdf"))
}

fn charset_of(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Bytes as text: what a mark at the beginning says, else UTF-8, else what the sender says, else the Chinese standard if all of it reads
/// so, else the Western one.
fn decode(bytes: &[u8], charset: Option<&str>) -> Result<String, Refusal> {
    let text = if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes) {
        encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()).0.into_owned()
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        text.to_owned()
    } else {
        let said = charset.and_then(|name| encoding_rs::Encoding::for_label(name.as_bytes()));
        let said = said.filter(|encoding| *encoding != encoding_rs::UTF_8);
        match said {
            Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            None => encoding_rs::GB18030
                .decode_without_bom_handling_and_without_replacement(bytes)
                .unwrap_or_else(|| encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0)
                .into_owned(),
        }
    };
    if text.contains('\0') {
        return Err(Refusal::new(ReasonCode::BadParameter, "this is not a text"));
    }
    Ok(text)
}

/// Hands a PDF to a process of its own and takes its text.
async fn read_pdf(reader: &[OsString], pdf: &[u8], limits: &Limits) -> Result<String, Refusal> {
    let unreadable = || Refusal::new(ReasonCode::BadParameter, "this PDF cannot be read");
    let Some((program, arguments)) = reader.split_first() else {
        return Err(Refusal::new(ReasonCode::BadParameter, "this platform reads no PDF"));
    };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).arg(limits.file_pages.to_string()).arg(limits.file_text_bytes.to_string());
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        tracing::warn!(error = %error, "the reader of PDF files does not start");
        Refusal::from(ReasonCode::Internal)
    })?;
    let (mut to, mut from) = (child.stdin.take(), child.stdout.take());
    let talk = async {
        let write = async {
            if let Some(mut to) = to.take() {
                // A reader that gave up early has said enough by its exit code.
                let _gave_up = to.write_all(pdf).await;
            }
        };
        let read = async {
            let mut text = Vec::new();
            if let Some(from) = from.take() {
                // It keeps within its limit by itself; this is for one that does not.
                from.take(limits.file_text_bytes.saturating_add(1)).read_to_end(&mut text).await?;
            }
            std::io::Result::Ok(text)
        };
        let ((), text) = tokio::join!(write, read);
        Ok::<_, std::io::Error>((text?, child.wait().await?))
    };
    let talked = tokio::time::timeout(Duration::from_millis(limits.file_read_ms), talk).await;
    // Past its time it is killed when it is dropped here.
    let (text, status) = talked.map_err(|_| unreadable())?.map_err(|_| unreadable())?;
    match status.code() {
        Some(0) if text.len() as u64 <= limits.file_text_bytes => String::from_utf8(text).map_err(|_| unreadable()),
        Some(0) => Err(too_much_text(limits)),
        Some(TOO_MANY_PAGES) => {
            Err(Refusal::new(ReasonCode::TooLarge, format!("a PDF may have at most {} pages", limits.file_pages)))
        }
        Some(UNREADABLE) => Err(unreadable()),
        other => {
            tracing::debug!(code = other, "a reader of a PDF ended by itself");
            Err(unreadable())
        }
    }
}

fn too_much_text(limits: &Limits) -> Refusal {
    let kilobytes = limits.file_text_bytes / 1024;
    Refusal::new(ReasonCode::TooLarge, format!("there are more than {kilobytes} KiB of text in this file"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_text_is_read_in_the_encoding_it_came_in() {
        let row = |bytes: &[u8], charset: Option<&str>, text: &str| assert_eq!(decode(bytes, charset).unwrap(), text);
        row("héllo 你好".as_bytes(), None, "héllo 你好");
        row(b"\xef\xbb\xbfmarked", Some("gbk"), "marked");
        row(&[0xff, 0xfe, 0x60, 0x4f], None, "你");
        row(&[0xc4, 0xe3, 0xba, 0xc3], None, "你好");
        row(&[0xe9, 0x74, 0xe9], Some("iso-8859-1"), "été");
        row(b"caf\xe9", None, "café");
        assert!(decode(b"\x00\x01\x02", None).is_err());
    }

    #[test]
    fn a_name_is_the_last_part_of_a_path() {
        assert_eq!(check_name("../../etc/passwd").unwrap(), "passwd");
        assert_eq!(check_name("C:\\dir\\报告 1.pdf").unwrap(), "报告 1.pdf");
        assert_eq!(check_name("a\nb").unwrap(), "a b");
        assert!(check_name("/").is_err() && check_name(&"x".repeat(201)).is_err());
    }

    fn shell(script: &str) -> Vec<OsString> {
        ["/bin/sh", "-c", script].map(OsString::from).to_vec()
    }

    #[tokio::test]
    async fn a_reader_that_hangs_crashes_or_floods_costs_its_time_and_no_more() {
        let limits = Limits { file_read_ms: 300, file_text_bytes: 1000, ..Limits::default() };
        let reason = |read: Result<String, Refusal>| read.map_err(|refusal| refusal.reason);
        let pdf = vec![b'x'; 1 << 20];
        assert_eq!(
            reason(read_pdf(&shell("cat >/dev/null; printf 'text 文'"), &pdf, &limits).await),
            Ok("text 文".to_owned())
        );
        assert_eq!(reason(read_pdf(&shell("while :; do :; done"), &pdf, &limits).await), Err(ReasonCode::BadParameter));
        assert_eq!(reason(read_pdf(&shell("kill -9 $$"), &pdf, &limits).await), Err(ReasonCode::BadParameter));
        assert_eq!(reason(read_pdf(&shell("exit 3"), &pdf, &limits).await), Err(ReasonCode::TooLarge));
        assert_eq!(reason(read_pdf(&shell("exec cat /dev/zero"), &pdf, &limits).await), Err(ReasonCode::BadParameter));
        assert_eq!(reason(read_pdf(&[], &pdf, &limits).await), Err(ReasonCode::BadParameter));
    }
}
