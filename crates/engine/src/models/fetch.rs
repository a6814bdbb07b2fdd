//! Fetching one file by address into a part file: ranged, resumed, bounded.
//!
//! A transfer that breaks goes on where it stopped, as long as the server still has the very same file (`If-Range` with its strong
//! ETag, or its date); else it begins anew. It is given up after [`BREAKS_MAX`] breaks without a byte between them; what came is kept
//! for the next pull.
//!
//! What must stay true: https only, but for an address of this machine that was asked for as such; redirects are bounded and never lead
//! to plain http; nothing grows past the size that is allowed or the room on the disk.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::file::{self, MAGIC, Sink};
use super::pull::OnProgress;
use super::{ModelsError, ModelsOptions, Progress};
use crate::upstream::is_loopback;
use crate::upstream::wire::{Answer, Connector, Wire, WireError};

/// Breaks in a row without progress before giving up.
const BREAKS_MAX: u32 = 5;

/// Redirects that are followed.
const REDIRECTS_MAX: u32 = 5;

/// To connect, and to a head.
const CONNECT_MAX: Duration = Duration::from_secs(20);

/// What a hub says of a large file: its SHA-256, as an ETag.
const LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");

/// What to fetch and where to.
pub(super) struct Fetch<'a> {
    pub(super) url: String,
    pub(super) part: &'a Path,
    pub(super) state: &'a Path,
    pub(super) options: &'a ModelsOptions,
    pub(super) lock: Arc<File>,
}

/// What came.
pub(super) struct Fetched {
    pub(super) sha256: String,
    pub(super) bytes: u64,
    /// The SHA-256 the hub says the file has.
    pub(super) told_sha256: Option<String>,
}

/// What a part file is a part of.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    url: String,
    /// For `If-Range`; without it a transfer is not resumed.
    validator: Option<String>,
    total: Option<u64>,
    told_sha256: Option<String>,
}

/// How an attempt ended without the file.
enum Stop {
    /// Try again: the network.
    Broke { cause: String, came: u64 },
    /// Trying again is of no use.
    Fatal(ModelsError),
}

impl From<ModelsError> for Stop {
    fn from(error: ModelsError) -> Self {
        Self::Fatal(error)
    }
}

/// Fetches until the file is whole.
pub(super) async fn fetch(fetch: &Fetch<'_>, progress: OnProgress<'_>) -> Result<Fetched, ModelsError> {
    let url: Uri = fetch.url.parse().map_err(|_| ModelsError::BadSource { what: fetch.url.clone() })?;
    let host = url.host().unwrap_or_default().to_owned();
    if url.scheme() != Some(&Scheme::HTTPS) && !(url.scheme() == Some(&Scheme::HTTP) && is_loopback(&url)) {
        return Err(ModelsError::BadSource { what: fetch.url.clone() });
    }
    let connector =
        Connector::new().map_err(|error| ModelsError::Network { host: host.clone(), cause: describe(&error) })?;
    let mut breaks = 0;
    loop {
        let cause = match attempt(fetch, &url, &connector, progress).await {
            Ok(fetched) => return Ok(fetched),
            Err(Stop::Fatal(error)) => return Err(error),
            Err(Stop::Broke { cause, came }) => {
                breaks = if came > 0 { 1 } else { breaks + 1 };
                cause
            }
        };
        if breaks >= BREAKS_MAX {
            return Err(ModelsError::Network { host, cause });
        }
        let bytes = std::fs::metadata(fetch.part).map_or(0, |meta| meta.len());
        progress(Progress::Resuming { bytes });
        tokio::time::sleep(fetch.options.retry_pause).await;
    }
}

async fn attempt(
    fetch: &Fetch<'_>,
    url: &Uri,
    connector: &Connector,
    progress: OnProgress<'_>,
) -> Result<Fetched, Stop> {
    let kept = read_state(fetch);
    let begun = match &kept {
        Some(State { validator: Some(_), .. }) => std::fs::metadata(fetch.part).map_or(0, |meta| meta.len()),
        _ => 0,
    };
    let mut headers = HeaderMap::new();
    if let Some(validator) = kept.as_ref().and_then(|state| state.validator.as_ref()).filter(|_| begun > 0)
        && let (Ok(range), Ok(validator)) =
            (HeaderValue::try_from(format!("bytes={begun}-")), HeaderValue::try_from(validator))
    {
        headers.insert(header::RANGE, range);
        headers.insert(header::IF_RANGE, validator);
    }
    let mut opened = open(connector, url, &headers).await?;
    let answer = &opened.answer;
    let is_rest = answer.status == StatusCode::PARTIAL_CONTENT;
    match answer.status {
        StatusCode::OK => {}
        StatusCode::PARTIAL_CONTENT if range_begin(&answer.headers) == Some(begun) && begun > 0 => {}
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT => {
            // Either it was whole already (then its hash says so), or our part is of another file.
            let _ = std::fs::remove_file(fetch.state);
            if let Some(state) = kept.filter(|state| state.total == Some(begun) && begun > 0) {
                return whole(fetch, state.told_sha256, progress).await;
            }
            return Err(Stop::Broke { cause: "the file changed on the server".to_owned(), came: 0 });
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Stop::Broke { cause: format!("the server answered {}", status.as_u16()), came: 0 });
        }
        status => return Err(ModelsError::Status { host: opened.host, status: status.as_u16() }.into()),
    }
    let begun = if is_rest { begun } else { 0 };
    let coming = content_len(&answer.headers);
    if coming.is_none() && !answer.headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Stop::Broke { cause: "the server does not say where the file ends".to_owned(), came: 0 });
    }
    let total = coming.map(|coming| coming.saturating_add(begun));
    let options = fetch.options;
    if total.unwrap_or(0) > options.size_max {
        return Err(ModelsError::TooLarge { size_max: options.size_max }.into());
    }
    let dir = fetch.part.parent().unwrap_or(fetch.part);
    file::check_room(dir, coming.unwrap_or(0), options.disk_reserve)?;
    let told = opened.told_sha256.take().or_else(|| kept.and_then(|state| state.told_sha256).filter(|_| is_rest));
    let validator = validator(&answer.headers);
    write_state(fetch, &State { url: fetch.url.clone(), validator, total, told_sha256: told.clone() })?;
    let sink = if is_rest {
        Sink::append(fetch.part, Arc::clone(&fetch.lock))?
    } else {
        Sink::create(fetch.part, Arc::clone(&fetch.lock))?
    };
    let sink = receive(fetch, opened, sink, total, progress).await?;
    let (sha256, bytes) = sink.finish().await?;
    if total.is_some_and(|total| total != bytes) {
        return Err(Stop::Broke { cause: "the file came short".to_owned(), came: 0 });
    }
    Ok(Fetched { sha256, bytes, told_sha256: told })
}

/// Writes what comes, and keeps what came when it breaks.
async fn receive(
    fetch: &Fetch<'_>,
    mut opened: Opened,
    mut sink: Sink,
    total: Option<u64>,
    progress: OnProgress<'_>,
) -> Result<Sink, Stop> {
    let options = fetch.options;
    let begun = sink.len;
    let mut came = begun;
    let mut magic: Vec<u8> = Vec::with_capacity(MAGIC.len());
    let mut told = 0;
    loop {
        let cause = match tokio::time::timeout(options.silence_max, opened.wire.next_piece(&mut opened.answer)).await {
            Ok(None) => return Ok(sink),
            Ok(Some(Ok(piece))) => {
                came = came.saturating_add(u64::try_from(piece.len()).unwrap_or(0));
                if came > options.size_max {
                    return Err(ModelsError::TooLarge { size_max: options.size_max }.into());
                }
                if begun == 0 && magic.len() < MAGIC.len() {
                    magic.extend(piece.iter().take(MAGIC.len() - magic.len()));
                    if !MAGIC.starts_with(&magic) {
                        drop(sink);
                        let _ = std::fs::remove_file(fetch.part);
                        return Err(ModelsError::NotGguf { from: fetch.url.clone() }.into());
                    }
                }
                sink = sink.take(&piece).await?;
                if sink.len != told {
                    told = sink.len;
                    if total.is_none() {
                        file::check_room(fetch.part.parent().unwrap_or(fetch.part), 0, options.disk_reserve)?;
                    }
                    progress(Progress::Fetching { bytes: sink.len, total });
                }
                continue;
            }
            Ok(Some(Err(error))) => describe(&error),
            Err(_elapsed) => "the server fell silent".to_owned(),
        };
        sink.flush().await?;
        return Err(Stop::Broke { cause, came: came - begun });
    }
}

/// The part file turned out to be whole.
async fn whole(fetch: &Fetch<'_>, told_sha256: Option<String>, progress: OnProgress<'_>) -> Result<Fetched, Stop> {
    progress(Progress::Checking);
    let bytes = std::fs::metadata(fetch.part).map_err(file::io(fetch.part))?.len();
    Ok(Fetched { sha256: file::hash(fetch.part.to_owned()).await?, bytes, told_sha256 })
}

/// An answer that is no redirect.
struct Opened {
    wire: Box<Wire>,
    answer: Answer,
    host: String,
    told_sha256: Option<String>,
}

/// Asks, and follows redirects.
async fn open(connector: &Connector, url: &Uri, headers: &HeaderMap) -> Result<Opened, Stop> {
    let may_be_plain = url.scheme() == Some(&Scheme::HTTP);
    let mut url = url.clone();
    let mut told_sha256 = None;
    for _ in 0..=REDIRECTS_MAX {
        let broke = |error: &WireError| Stop::Broke { cause: describe(error), came: 0 };
        let mut wire = Wire::open(connector, &url, CONNECT_MAX).await.map_err(|error| broke(&error))?;
        let asked = tokio::time::timeout(CONNECT_MAX, wire.get(&url, headers.clone())).await;
        let answer = asked.unwrap_or(Err(WireError::TimedOut)).map_err(|error| broke(&error))?;
        told_sha256 = told_sha256.or_else(|| linked_sha256(&answer.headers));
        let host = url.host().unwrap_or_default().to_owned();
        if !answer.status.is_redirection() || answer.status == StatusCode::NOT_MODIFIED {
            return Ok(Opened { wire, answer, host, told_sha256 });
        }
        let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let refuse = |why| Stop::Fatal(ModelsError::Redirect { from: host.clone(), why });
        let next = location.and_then(|location| join(&url, location)).ok_or_else(|| refuse("it names no address"))?;
        let may_follow = next.scheme() == Some(&Scheme::HTTPS) || (may_be_plain && is_loopback(&next));
        if !may_follow {
            return Err(refuse("to an address that is not https"));
        }
        url = next;
    }
    let from = url.host().unwrap_or_default().to_owned();
    Err(Stop::Fatal(ModelsError::Redirect { from, why: "too many times" }))
}

/// The address that a `Location` means.
fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    if location.starts_with("http://") || location.starts_with("https://") {
        return location.parse().ok();
    }
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    if location.starts_with("//") {
        return format!("{scheme}:{location}").parse().ok();
    }
    if location.contains("://") {
        return None;
    }
    let path = if location.starts_with('/') {
        location.to_owned()
    } else {
        let (folder, _) = base.path().rsplit_once('/')?;
        format!("{folder}/{location}")
    };
    format!("{scheme}://{authority}{path}").parse().ok()
}

fn read_state(fetch: &Fetch<'_>) -> Option<State> {
    let state: State = serde_json::from_slice(&std::fs::read(fetch.state).ok()?).ok()?;
    (state.url == fetch.url).then_some(state)
}

fn write_state(fetch: &Fetch<'_>, state: &State) -> Result<(), ModelsError> {
    let json = serde_json::to_vec(state).unwrap_or_default();
    std::fs::write(fetch.state, json).map_err(file::io(fetch.state))
}

/// What `If-Range` may carry: a strong ETag, else a date.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let strong = text(header::ETAG).filter(|etag| etag.starts_with('"'));
    strong.or_else(|| text(header::LAST_MODIFIED)).map(str::to_owned)
}

fn content_len(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Where `Content-Range: bytes 5-9/10` begins.
fn range_begin(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

/// The hub's own word on the file's hash.
fn linked_sha256(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(LINKED_ETAG)?.to_str().ok()?.trim_matches('"').to_ascii_lowercase();
    (etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(etag)
}

/// An error and its causes in a line.
fn describe(error: &WireError) -> String {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::join;

    #[test]
    fn locations_join_as_browsers_do() {
        let base: Uri = "https://h:1/a/b?x".parse().unwrap();
        for (location, wanted) in [
            ("https://o/c", Some("https://o/c")),
            ("/c?d", Some("https://h:1/c?d")),
            ("c", Some("https://h:1/a/c")),
            ("//o/c", Some("https://o/c")),
            ("http://o/c#f", Some("http://o/c")),
            ("file:///etc/passwd", None),
        ] {
            assert_eq!(join(&base, location), wanted.map(|uri| uri.parse().unwrap()), "{location}");
        }
    }
}
