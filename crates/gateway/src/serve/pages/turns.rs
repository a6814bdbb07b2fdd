//! Rows of the API as turns of a page.

use rempart_web::{MessageState, Speaker, TurnRow};
use serde_json::Value;

/// An answer's text as HTML, sanitised; a question stays text.
pub(super) fn html_of(row: &Value) -> String {
    match (row["role"].as_str(), row["html"].as_str()) {
        (Some("user"), _) => String::new(),
        (_, Some(html)) => html.to_owned(),
        (_, None) => rempart_web::render::render(row["text"].as_str().unwrap_or("")),
    }
}

/// A row as a turn; what a row lacks is left out.
pub(super) fn turn_of<'a>(row: &'a Value, html: &'a str) -> TurnRow<'a> {
    let text = |name: &str| row[name].as_str().unwrap_or("");
    let list = |value: &'a Value| value.as_array().into_iter().flatten();
    TurnRow {
        id: text("id").parse().ok(),
        parent: text("parent").parse().ok(),
        role: if text("role") == "user" { Speaker::Person } else { Speaker::Model },
        text: text("text"),
        html,
        reasoning: text("reasoning"),
        state: match text("status") {
            "streaming" => MessageState::Streaming,
            "stopped" => MessageState::Stopped,
            "cut" => MessageState::Cut,
            "failed" => MessageState::Failed,
            _ => MessageState::Complete,
        },
        model: text("model"),
        files: list(&row["attachments"]).filter_map(|file| file["name"].as_str()).collect(),
        siblings: row
            .pointer("/siblings/ids")
            .into_iter()
            .flat_map(list)
            .filter_map(|id| id.as_str()?.parse().ok())
            .collect(),
        generation: text("generation").parse().ok(),
    }
}
