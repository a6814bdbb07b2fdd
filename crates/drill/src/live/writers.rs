//! Members who write in conversations. What the platform acknowledged to them as durable is looked for afterwards.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::Full;

use super::LiveError;
use super::ask::{Asker, HERE};
use super::line::{Line, Told};
use super::platform::Platform;
use super::stage::Shared;
use crate::scenario::Writers;

/// An answer that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Password of all writers; a canary too.
pub(super) const PASSWORD: &str = "canarywriterspasswordq";

/// What every message begins with; followed by its number.
pub(super) const MESSAGE: &str = "canarymessageinsealed";

/// Writers with a session and a conversation each.
#[derive(Debug, Clone, Default)]
pub(super) struct Scribes(Vec<Scribe>);

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Scribe {
    pub(super) cookie: HeaderValue,
    pub(super) conversation: String,
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) scribes: Vec<Scribe>,
    /// Writer and text of each message that was accepted as kept.
    pub(super) kept: Vec<(usize, String)>,
    /// Messages that were not taken.
    pub(super) refused: u64,
}

/// Makes the accounts, signs them in and begins their conversations.
pub(super) fn prepare(platform: &Platform, plan: Writers, asker: &Asker) -> Result<Scribes, LiveError> {
    for number in 0..plan.accounts {
        let name = format!("writer{number}");
        let args = ["account", "create", &name, "--standing", "member", "--password-stdin"];
        platform.command(&args, Some(&format!("{PASSWORD}\n")))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LiveError::Generator)?;
    runtime.block_on(async {
        let mut scribes = Vec::new();
        for number in 0..plan.accounts {
            let failed = || LiveError::Generator(std::io::Error::other("a writer cannot sign in"));
            scribes.push(sign_in(asker, number).await.ok_or_else(failed)?);
        }
        Ok(Scribes(scribes))
    })
}

async fn sign_in(asker: &Asker, number: u32) -> Option<Scribe> {
    let body = serde_json::json!({ "name": format!("writer{number}"), "password": PASSWORD });
    let told = once(asker, asker.post("/api/v1/sessions", None, Bytes::from(body.to_string()))).await;
    let cookie = cookie_of(&told.headers)?;
    let mut request = asker.post("/api/v1/conversations", None, Bytes::from_static(b"{}"));
    request.headers_mut().insert(COOKIE, cookie.clone());
    let told = once(asker, request).await;
    let made: serde_json::Value = serde_json::from_slice(&told.body).ok()?;
    Some(Scribe { cookie, conversation: made.get("id")?.as_str()?.to_owned() })
}

/// All cookies of an answer, as they are sent back.
pub(super) fn cookie_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let pairs: Vec<&str> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next())
        .filter(|pair| pair.starts_with("rmp_"))
        .collect();
    if pairs.is_empty() {
        return None;
    }
    HeaderValue::from_str(&pairs.join("; ")).ok()
}

/// One request over a connection of its own.
pub(super) async fn once(asker: &Asker, request: Request<Full<Bytes>>) -> Told {
    let asked = async {
        let stream = asker.target.connect(HERE, None, PATIENCE).await.ok()?;
        let mut line = Line::begin(stream).await?;
        Some(line.ask(request, false, "").await)
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten().unwrap_or_else(Told::broken)
}

/// Writes until the run's end.
pub(super) fn run(
    plan: Writers,
    scribes: Scribes,
    asker: &Asker,
    shared: &Shared,
    until_s: f64,
) -> std::io::Result<Written> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut written = Written { scribes: scribes.0, ..Written::default() };
    runtime.block_on(async {
        let mut at_s = 0.0;
        let mut number = 0_u64;
        while at_s < until_s && !shared.is_stopped.load(Ordering::Relaxed) {
            let due = shared.origin + Duration::from_secs_f64(at_s);
            tokio::time::sleep_until(due.into()).await;
            for (who, scribe) in written.scribes.clone().iter().enumerate() {
                number += 1;
                let text = format!("{MESSAGE}{number} and what I think of it");
                match write(asker, scribe, &text).await {
                    true => written.kept.push((who, text)),
                    false => written.refused += 1,
                }
            }
            at_s = (at_s + plan.gap_s).max(shared.origin.elapsed().as_secs_f64());
        }
    });
    Ok(written)
}

/// True if the platform said that it keeps the message.
async fn write(asker: &Asker, scribe: &Scribe, text: &str) -> bool {
    let path = format!("/api/v1/conversations/{}/messages", scribe.conversation);
    let body = Bytes::from(serde_json::json!({ "text": text }).to_string());
    let mut request = asker.post("/", None, body);
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert(COOKIE, scribe.cookie.clone());
    let accepted = tokio::time::timeout(PATIENCE, until_accepted(asker, request)).await.ok().flatten();
    let Some(accepted) = accepted else { return false };
    // The question is what is kept; nobody waits for the answer, nor holds a sequence for it.
    if let Some(generation) = accepted.get("generation").and_then(|id| id.as_str()) {
        let mut stop = asker.post("/", None, Bytes::from_static(b"{}"));
        *stop.uri_mut() = format!("/api/v1/generations/{generation}/stop").parse().unwrap_or_default();
        stop.headers_mut().insert(COOKIE, scribe.cookie.clone());
        once(asker, stop).await;
    }
    accepted.get("kept").and_then(serde_json::Value::as_bool).unwrap_or(false)
}

/// What the first event says.
async fn until_accepted(asker: &Asker, request: Request<Full<Bytes>>) -> Option<serde_json::Value> {
    let stream = asker.target.connect(HERE, None, PATIENCE).await.ok()?;
    let mut line = Line::begin(stream).await?;
    let mut body = line.send(request).await?.into_body();
    let mut said = Vec::new();
    while let Some(Ok(data)) = line.frame(&mut body).await {
        said.extend_from_slice(&data);
        let text = String::from_utf8_lossy(&said);
        let event = text.split_once("event: accepted\ndata: ").and_then(|(_, rest)| rest.split_once('\n'));
        if let Some((json, _)) = event {
            return serde_json::from_str(json).ok();
        }
    }
    None
}

/// Texts of a conversation as the platform gives them out.
pub(super) async fn read_back(asker: &Asker, scribe: &Scribe) -> String {
    let mut all = String::new();
    let mut cursor = None::<String>;
    // A page of 200; more pages than anybody wrote end it.
    for _ in 0..100 {
        let query = cursor.as_ref().map_or_else(|| "?limit=200".to_owned(), |c| format!("?limit=200&cursor={c}"));
        let path = format!("/api/v1/conversations/{}/messages{query}", scribe.conversation);
        let mut request = asker.get(&path, None);
        request.headers_mut().insert(COOKIE, scribe.cookie.clone());
        let told = once(asker, request).await;
        all.push_str(&String::from_utf8_lossy(&told.body));
        let page: serde_json::Value = serde_json::from_slice(&told.body).unwrap_or_default();
        cursor = page.get("next").and_then(|next| next.as_str()).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    all
}
