//! A search without script: what the API finds, at the side of the page.

use axum::extract::Query;
use rempart_web::{FoundView, HitRow};
use serde_json::Value;

use super::{json_of, query_value};
use crate::refusal::Refusal;
use crate::serve::Call;

/// What was looked for, and the API's answer.
pub(super) struct Found {
    words: String,
    data: Value,
}

/// Looks for the words of `?q=`; `None` where nothing is looked for.
pub(super) async fn find(call: &Call) -> Result<Option<Found>, Refusal> {
    let Some(words) = query_value(call, "q").filter(|words| !words.trim().is_empty()) else { return Ok(None) };
    // The page's address has the same `q` as the API's.
    let wanted = Query::try_from_uri(&call.head.uri).map_err(|_| Refusal::parameter("q", "this cannot be read"))?;
    let data = json_of(crate::serve::search::search(call.clone(), wanted).await).await?;
    Ok(Some(Found { words, data }))
}

impl Found {
    /// As the page shows it.
    pub(super) fn view(&self) -> FoundView<'_> {
        let hits = self.data.get("data").and_then(Value::as_array).into_iter().flatten().filter_map(|hit| {
            let text = |name: &str| hit.get(name).and_then(Value::as_str).unwrap_or("");
            let in_it =
                |name: &str| hit.pointer(&format!("/conversation/{name}")).and_then(Value::as_str).unwrap_or("");
            Some(HitRow {
                conversation: in_it("id").parse().ok()?,
                message: text("message").parse().ok(),
                title: in_it("title"),
                snippet: text("snippet"),
            })
        });
        FoundView { words: &self.words, hits: hits.collect() }
    }
}
