//! Everything an account wrote, as one file: JSON with all branches, or Markdown with the branch that is shown.
//!
//! What must stay true: it is written while it is read, a page at a time, however much there is; a file that could not be written to its
//! end breaks off, it never looks whole.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::Query;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response, header};
use rempart_domain::{AccountId, MessageId, ReasonCode, Sensitive};
use rempart_store::{Conversation, ConversationCursor, File, Message, MessageRole, ScanCursor, Store, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::serve::accounts::find_own_account;
use crate::serve::api::usage_json;
use crate::serve::conversations::rows::{conversation_json, file_json};
use crate::serve::places::PlaceTaken;
use crate::serve::{Answer, Call, day_text, keys, rfc3339, store_refusal};

/// Conversations, and messages, that are read at once.
const CONVERSATIONS_LEN: u32 = 100;
const MESSAGES_LEN: u32 = 32;

/// `?format=json|markdown`.
#[derive(Deserialize)]
pub struct Wanted {
    format: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Markdown,
}

/// `GET /api/v1/export`.
pub async fn export(call: Call, Query(wanted): Query<Wanted>) -> Answer {
    let (format, content_type, name) = match wanted.format.as_deref() {
        None | Some("json") => (Format::Json, "application/json", "rempart-export.json"),
        Some("markdown") => (Format::Markdown, "text/markdown; charset=utf-8", "rempart-export.md"),
        Some(_) => return Err(Refusal::parameter("format", "json or markdown")),
    };
    let account = call.account()?;
    let place = call.gateway.exports.enter(account, call.ctx.band)?;
    let head = match format {
        Format::Json => json_head(&call).await?,
        Format::Markdown => String::new(),
    };
    let writer = Writer {
        store: call.gateway.store.clone(),
        account,
        format,
        step: Step::Head(head),
        page: Vec::new().into_iter(),
        after: None,
        is_first: true,
        _place: place,
    };
    let body = stream::try_unfold(writer, |mut writer| async move {
        let piece = writer.next().await?;
        Ok::<_, StoreError>(piece.map(|piece| (Bytes::from(piece), writer)))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.insert(header::CONTENT_DISPOSITION, disposition.map_err(|_| ReasonCode::Internal)?);
    Ok(response)
}

/// The account, its keys and its usage: everything that is not a conversation.
async fn json_head(call: &Call) -> Result<String, Refusal> {
    let account = find_own_account(call).await?;
    let preferences = call.gateway.store.find_preferences(account.id).await.map_err(|e| store_refusal(&e))?;
    let today = call.gateway.clock.date().day();
    let usage = keys::read_usage(call, rempart_domain::Day(0), today).await?;
    let usage: Vec<_> = usage
        .iter()
        .map(|d| json!({ "day": day_text(d.day), "requests": d.requests, "input_tokens": d.input, "output_tokens": d.output }))
        .collect();
    let keys = call.gateway.store.list_keys(account.id).await.map_err(|e| store_refusal(&e))?;
    let keys: Vec<_> = keys
        .iter()
        .map(|k| json!({ "id": k.id.to_string(), "name": k.name, "created": rfc3339(k.created), "revoked": k.revoked.map(rfc3339) }))
        .collect();
    let account = json!({
        "id": account.id.to_string(), "name": account.name.as_str(), "standing": account.standing.as_str(),
        "created": rfc3339(account.created.seconds()), "email": account.email.as_ref().map(Sensitive::expose),
        "locale": preferences.locale, "theme": preferences.theme, "time_zone": preferences.time_zone,
    });
    let exported = rfc3339(call.gateway.clock.seconds());
    Ok(format!(
        "{{\"exported\":\"{exported}\",\"account\":{account},\"keys\":{},\"usage\":{},\"conversations\":[",
        Value::from(keys),
        Value::from(usage)
    ))
}

/// What is written next.
enum Step {
    Head(String),
    /// The next conversation.
    Between,
    /// Messages of a conversation, in the order they were written.
    Messages {
        open: Box<Open>,
        after: Option<ScanCursor>,
    },
    /// Messages of a branch: ids from the root on, the next last.
    Branch {
        open: Box<Open>,
        ids: Vec<MessageId>,
    },
    End,
}

/// The conversation that is being written.
struct Open {
    conversation: Conversation,
    files: HashMap<MessageId, Vec<File>>,
    is_first: bool,
}

struct Writer {
    store: Store,
    account: AccountId,
    format: Format,
    step: Step,
    page: std::vec::IntoIter<Conversation>,
    after: Option<ConversationCursor>,
    is_first: bool,
    /// Given back when the reader has it all, or left.
    _place: PlaceTaken,
}

impl Writer {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<String>, StoreError> {
        match std::mem::replace(&mut self.step, Step::End) {
            Step::Head(head) => {
                self.step = Step::Between;
                Ok(Some(if head.is_empty() { "# Rempart\n".to_owned() } else { head }))
            }
            Step::Between => self.begin_conversation().await.map(Some),
            Step::Messages { open, after } => self.write_messages(open, after).await.map(Some),
            Step::Branch { open, ids } => self.write_branch(open, ids).await.map(Some),
            Step::End => Ok(None),
        }
    }

    async fn begin_conversation(&mut self) -> Result<String, StoreError> {
        let conversation = match self.page.next() {
            Some(conversation) => Some(conversation),
            None => {
                let page = self.store.scan_conversations(self.account, self.after, CONVERSATIONS_LEN).await?;
                self.page = page.into_iter();
                self.page.next()
            }
        };
        let Some(conversation) = conversation else {
            // The step stays `End`: the next call says so.
            return Ok(if self.format == Format::Json { "]}\n".to_owned() } else { "\n".to_owned() });
        };
        self.after = Some(conversation.cursor());
        let mut files: HashMap<MessageId, Vec<File>> = HashMap::new();
        for (message, file) in self.store.scan_attachments(self.account, conversation.id).await? {
            files.entry(message).or_default().push(file);
        }
        let open = Box::new(Open { conversation, files, is_first: true });
        match self.format {
            Format::Json => {
                let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
                let mut row = conversation_json(&open.conversation).to_string();
                // The row's own brace is closed after its messages.
                row.pop();
                self.step = Step::Messages { open, after: None };
                Ok(format!("{comma}\n{row},\"messages\":["))
            }
            Format::Markdown => {
                let head = markdown_head(&open.conversation);
                let ids = self.branch_ids(&open.conversation).await?;
                self.step = Step::Branch { open, ids };
                Ok(head)
            }
        }
    }

    /// The branch that is shown, newest first, by its ids alone.
    async fn branch_ids(&self, conversation: &Conversation) -> Result<Vec<MessageId>, StoreError> {
        match conversation.current_leaf {
            None => Ok(Vec::new()),
            Some(leaf) => self.store.scan_branch(self.account, conversation.id, leaf).await,
        }
    }

    async fn write_messages(&mut self, mut open: Box<Open>, after: Option<ScanCursor>) -> Result<String, StoreError> {
        let page = self.store.scan_conversation(self.account, open.conversation.id, after, MESSAGES_LEN).await?;
        let mut out = String::new();
        for message in &page {
            let comma = if std::mem::take(&mut open.is_first) { "" } else { "," };
            out.push_str(comma);
            let row = self.json_row(message, open.files.get(&message.id).map_or(&[], Vec::as_slice)).await?;
            out.push_str(&row.to_string());
        }
        match page.last() {
            Some(last) if page.len() == MESSAGES_LEN as usize => {
                let after = Some(ScanCursor { created: last.created, message: last.id });
                self.step = Step::Messages { open, after };
            }
            _ => {
                out.push_str("]}");
                self.step = Step::Between;
            }
        }
        Ok(out)
    }

    async fn json_row(&self, message: &Message, files: &[File]) -> Result<Value, StoreError> {
        let mut attachments = Vec::with_capacity(files.len());
        for file in files {
            let text = self.store.read_file(self.account, file.id).await?.map(|(_, text)| text.into_inner());
            let mut row = file_json(file);
            if let Some(row) = row.as_object_mut() {
                row.insert("text".into(), text.into());
            }
            attachments.push(row);
        }
        Ok(json!({
            "id": message.id.to_string(), "parent": message.parent.map(|m| m.to_string()),
            "role": message.role.as_str(), "text": message.text.expose(),
            "reasoning": message.reasoning.as_ref().map(Sensitive::expose), "model": message.model,
            "status": message.status.as_str(), "created": rfc3339(message.created.seconds()),
            "usage": message.usage.map(usage_json), "attachments": attachments,
        }))
    }

    async fn write_branch(&mut self, open: Box<Open>, mut ids: Vec<MessageId>) -> Result<String, StoreError> {
        let Some(next) = ids.pop() else {
            self.step = Step::Between;
            return Ok(String::new());
        };
        let message = self.store.find_message(self.account, next).await?;
        let out = message.map_or_else(String::new, |message| {
            markdown_message(&message, open.files.get(&next).map_or(&[], Vec::as_slice))
        });
        self.step = Step::Branch { open, ids };
        Ok(out)
    }
}

fn markdown_head(conversation: &Conversation) -> String {
    let title = conversation.title.expose().replace(['\n', '\r'], " ");
    let created = rfc3339(conversation.created.seconds());
    let mut head = format!("\n---\n\n# {title}\n\n{created} · {}\n", conversation.model);
    if let Some(system) = &conversation.system {
        for line in system.expose().lines() {
            head.push_str("\n> ");
            head.push_str(line);
        }
        head.push('\n');
    }
    head
}

fn markdown_message(message: &Message, files: &[File]) -> String {
    let time = rfc3339(message.created.seconds());
    let mut out = match (message.role, &message.model) {
        (MessageRole::Assistant, Some(model)) => format!("\n## {model} · {time}\n\n"),
        (role, _) => format!("\n## {} · {time}\n\n", role.as_str()),
    };
    for file in files {
        let name = file.name.expose().replace(['\n', '\r'], " ");
        out.push_str(&format!("- {name}\n\n"));
    }
    out.push_str(message.text.expose().trim_end());
    out.push('\n');
    out
}
