//! A shared conversation, for everybody who has its link.
//!
//! What must stay true: a guess is refused before the store is asked; what is shown was rendered and sanitised like any answer; the page
//! is in no cache and in no index, and tells nobody from where it was asked for.

use axum::extract::Path;
use http::{HeaderName, HeaderValue, StatusCode, header};
use rempart_domain::UnixSeconds;
use rempart_web::{MessageState, SharedView, Speaker, TurnRow};

use super::{page, with_page};
use crate::serve::rendered::{Source, render_page};
use crate::serve::sessions::own_session;
use crate::serve::share::{SharedMessage, read_share};
use crate::serve::{Answer, Call};

/// `GET /s/{token}`.
pub async fn shared(call: Call, Path(token): Path<String>) -> Answer {
    let found = read_share(&call, &token).await?;
    let answers = found.messages.iter();
    let answers =
        answers.map(|message| Source { text: (!message.is_question).then(|| message.text.clone()), is_over: true });
    let rendered = render_page(&call, answers.collect()).await?;
    let view = SharedView {
        title: &found.title,
        created: UnixSeconds(found.shared_ms.div_euclid(1000)),
        turns: found
            .messages
            .iter()
            .zip(&rendered)
            .map(|(message, html)| turn_of(message, html.as_deref().unwrap_or("")))
            .collect(),
    };
    let signed_in = own_session(&call).map(|_| "");
    let mut response = with_page(&call, signed_in, |ctx| page(StatusCode::OK, rempart_web::shared_page(ctx, &view)))?;
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow"));
    Ok(response)
}

fn turn_of<'a>(message: &'a SharedMessage, html: &'a str) -> TurnRow<'a> {
    TurnRow {
        id: None,
        parent: None,
        role: if message.is_question { Speaker::Person } else { Speaker::Model },
        text: &message.text,
        html,
        reasoning: "",
        state: MessageState::Complete,
        model: message.model.as_deref().unwrap_or(""),
        files: message.files.iter().map(String::as_str).collect(),
        siblings: Vec::new(),
        generation: None,
    }
}
