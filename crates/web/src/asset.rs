//! Style sheets, scripts and images, embedded in the program, compressed once, at the first use of any.
//!
//! What must stay true: a file costs its reader's bytes and nothing else (no copy, no compression, no disk); an address carries the hash of
//! the whole folder, so that it can be kept for ever, and the files that a file names carry it too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Static;

/// A static file.
#[derive(Debug)]
pub struct Asset {
    /// Its content.
    pub bytes: Vec<u8>,
    /// The same as gzip, where that is smaller.
    pub gzip: Option<Vec<u8>>,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `ETag`, quotes included: changes with the content of any file.
    pub etag: &'static str,
}

/// Finds a static file by its path (`/static/page.css`, or `page.css`), without query.
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.get(path.strip_prefix("/static/").unwrap_or(path))
}

/// The value of `v` in the addresses that pages name: another value is of another version of the program.
pub fn asset_version() -> &'static str {
    &VERSION
}

/// One hash over all files, names included. It tells versions apart; nobody but the builder chooses what goes into it.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<Cow<'static, str>> = Static::iter().collect();
    names.sort_unstable();
    let mut hasher = DefaultHasher::new();
    for name in names {
        hasher.write(name.as_bytes());
        if let Some(file) = Static::get(&name) {
            hasher.write(&file.metadata.sha256_hash());
        }
    }
    format!("{:016x}", hasher.finish())
});

static ETAG: LazyLock<String> = LazyLock::new(|| format!("\"{}\"", *VERSION));

static ASSETS: LazyLock<HashMap<Cow<'static, str>, Asset>> = LazyLock::new(|| {
    Static::iter().filter_map(|name| Some((name.clone(), prepare(&name, &Static::get(&name)?.data)))).collect()
});

fn prepare(name: &str, content: &[u8]) -> Asset {
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let bytes = with_versions(name, content);
    let gzip = gzip(&bytes).filter(|small| small.len() < bytes.len());
    Asset { bytes, gzip, content_type, etag: &ETAG }
}

/// What a script imports and a style sheet shows is asked for under this version too: `from "./x.js"`, `url("x.svg")`.
fn with_versions(name: &str, content: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(content) else { return content.to_vec() };
    let query = format!("?v={}\"", *VERSION);
    match name.rsplit('.').next() {
        Some("js") => text.replace(".js\";", &format!(".js{query};")).into_bytes(),
        Some("css") => text.replace(".svg\")", &format!(".svg{query})")).into_bytes(),
        _ => content.to_vec(),
    }
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Addresses of the files that pages name, computed once.
pub(crate) struct AssetUrls {
    pub(crate) tokens: String,
    pub(crate) page: String,
    pub(crate) chat: String,
    pub(crate) answer: String,
    pub(crate) mark: String,
    pub(crate) icons: String,
    pub(crate) solve: String,
    pub(crate) solve_worker: String,
    /// The chat's modules, the one that begins first: the page asks for all of them at once.
    pub(crate) chat_scripts: [String; 6],
}

pub(crate) static ASSET_URLS: LazyLock<AssetUrls> = LazyLock::new(|| AssetUrls {
    tokens: url("tokens.css"),
    page: url("page.css"),
    chat: url("chat.css"),
    answer: url("answer.css"),
    mark: url("mark.svg"),
    icons: url("icons.svg"),
    solve: url("solve.js"),
    solve_worker: url("solve-worker.js"),
    chat_scripts: ["chat.js", "api.js", "composer.js", "history.js", "stream.js", "turns.js"].map(url),
});

fn url(name: &str) -> String {
    format!("/static/{name}?v={}", *VERSION)
}
