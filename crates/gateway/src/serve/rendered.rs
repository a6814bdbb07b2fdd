//! Answers as HTML: made where nobody else waits, and kept a while for those who come back.
//!
//! Colouring code costs up to 13 µs a byte, so a page colours what `render_colours_bytes` allows, the newest answers first; what went
//! short is not kept and gets its colours when the page is opened again. More text than [`LONG_BYTES`] waits in a line of its own.
//!
//! What must stay true: what is kept is found only under the account it was made for and the very text; the processor time of a page
//! is bounded whatever its answers hold; nothing is rendered on a thread that serves others.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use rempart_domain::ReasonCode;
use rempart_web::render::{Colours, render_with};
use sha2::{Digest, Sha256};

use crate::refusal::Refusal;
use crate::serve::Call;
use crate::work::Asker;

/// Text of a page, in bytes, above which it waits for its turn.
const LONG_BYTES: usize = 16 * 1024;
/// Time after the last use until HTML is forgotten.
const IDLE: Duration = Duration::from_hours(1);

/// Under what HTML is kept: a digest of the account and the text.
type Key = [u8; 32];

/// HTML that was made lately.
#[derive(Debug)]
pub(crate) struct Rendered {
    kept: Cache<Key, Arc<str>>,
}

impl Rendered {
    /// Keeps at most `bytes` of HTML.
    pub(crate) fn new(bytes: u64) -> Self {
        let weigh = |_: &Key, html: &Arc<str>| u32::try_from(html.len() + 128).unwrap_or(u32::MAX);
        Self { kept: Cache::builder().max_capacity(bytes).weigher(weigh).time_to_idle(IDLE).build() }
    }

    /// What was kept, or made now; what went short of colours is not kept.
    fn html_of(&self, account: u64, source: &Source, colours: &mut Colours) -> Option<Arc<str>> {
        let text = source.text.as_ref()?;
        let key = source.is_over.then(|| key_of(account, text));
        if let Some(kept) = key.and_then(|key| self.kept.get(&key)) {
            return Some(kept);
        }
        let html: Arc<str> = render_with(text, colours).into();
        if let Some(key) = key.filter(|_| !colours.is_short()) {
            self.kept.insert(key, Arc::clone(&html));
        }
        Some(html)
    }
}

/// What becomes HTML.
pub(crate) struct Source {
    /// An answer; what is not is left as it is.
    pub(crate) text: Option<String>,
    /// False for one that still grows.
    pub(crate) is_over: bool,
}

/// The HTML of a page's answers, in their order; `None` for what is no answer.
///
/// # Errors
/// `overloaded` or `too_many_in_flight` where the page is long and the line for long ones is too.
pub(crate) async fn render_page(call: &Call, sources: Vec<Source>) -> Result<Vec<Option<Arc<str>>>, Refusal> {
    let account = call.ctx.principal.account.map_or(0, |account| account.bits());
    let is_long = sources.iter().filter_map(|source| source.text.as_ref()).map(String::len).sum::<usize>() > LONG_BYTES;
    let permit = if is_long { Some(call.gateway.work.pages.acquire(Asker::of(&call.ctx)).await?) } else { None };
    let gateway = Arc::clone(&call.gateway);
    let made = tokio::task::spawn_blocking(move || {
        // Given back when the work is over, not when the one who asked is gone.
        let _permit = permit;
        let mut colours = Colours::new(usize::try_from(gateway.limits.render_colours_bytes).unwrap_or(usize::MAX));
        let mut page: Vec<_> =
            sources.iter().rev().map(|source| gateway.rendered.html_of(account, source, &mut colours)).collect();
        page.reverse();
        page
    });
    made.await.map_err(|_| ReasonCode::Internal.into())
}

fn key_of(account: u64, text: &str) -> Key {
    Sha256::new().chain_update(account.to_le_bytes()).chain_update(text).finalize().into()
}
