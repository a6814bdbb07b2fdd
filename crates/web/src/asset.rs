//! Style sheets and images, embedded in the program; each address carries its content's hash, so that it can be kept for ever.

use std::borrow::Cow;
use std::sync::LazyLock;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Static;

/// A static file.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its content.
    pub bytes: Cow<'static, [u8]>,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `ETag`, quotes included: changes with the content.
    pub etag: String,
}

/// Finds a static file by its path (`/static/page.css`, or `page.css`), without query.
pub fn asset(path: &str) -> Option<Asset> {
    let name = path.strip_prefix("/static/").unwrap_or(path);
    let file = Static::get(name)?;
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let etag = format!("\"{}\"", short_hash(&file.metadata.sha256_hash()));
    Some(Asset { bytes: file.data, content_type, etag })
}

/// Addresses of the files that every page names, computed once.
pub(crate) struct AssetUrls {
    pub(crate) tokens: String,
    pub(crate) page: String,
    pub(crate) mark: String,
}

pub(crate) static ASSET_URLS: LazyLock<AssetUrls> =
    LazyLock::new(|| AssetUrls { tokens: url("tokens.css"), page: url("page.css"), mark: url("mark.svg") });

fn url(name: &str) -> String {
    match Static::get(name) {
        Some(file) => format!("/static/{name}?v={}", short_hash(&file.metadata.sha256_hash())),
        None => format!("/static/{name}"),
    }
}

fn short_hash(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    hash.iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
