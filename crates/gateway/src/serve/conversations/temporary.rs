//! A temporary chat: the page holds the conversation and sends it whole with each question; nothing is stored but content-free usage.
//!
//! What must stay true: no part of it reaches the store; the answer waits in memory for a reader who lost the connection, a minute at most.

use bytes::Bytes;
use rempart_domain::{GenerationId, ReasonCode, Sensitive};
use serde::Deserialize;
use serde_json::json;

use super::events::EventWriter;
use super::prompt::{self, Gathered, History, Turn};
use super::{check_model, check_system, check_temperature};
use crate::refusal::Refusal;
use crate::serve::accounts::parse;
use crate::serve::api::streaming;
use crate::serve::generation::{Generation, Kind, WakeOn};
use crate::serve::{Answer, Call, drive};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    messages: Vec<Said>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    system: Option<String>,
    #[serde(default)]
    temperature: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    role: Role,
    text: String,
}

#[derive(Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Role {
    User,
    Assistant,
}

/// `POST /api/v1/temporary/messages`: SSE as of a question that is kept, without ids of messages.
pub async fn ask_temporary(call: Call, body: Bytes) -> Answer {
    let wanted: Wanted = parse(&body)?;
    let (gateway, account) = (&call.gateway, call.account()?);
    let messages_max = gateway.limits.context_messages;
    if wanted.messages.is_empty() || wanted.messages.len() as u64 > messages_max {
        return Err(Refusal::parameter("messages", format!("1 to {messages_max} messages")));
    }
    let mut said = wanted.messages;
    let Some(question) = said.pop().filter(|last| last.role == Role::User && !last.text.trim().is_empty()) else {
        return Err(Refusal::parameter("messages", "the last message is the question"));
    };
    let model = wanted.model.unwrap_or_else(|| gateway.engines.default_model().to_owned());
    check_model(&model)?;
    let system = check_system(&call, wanted.system)?;
    let system = system.as_ref().map(|text| Sensitive::expose(text).as_str());
    let temperature = check_temperature(wanted.temperature)?;
    let turns = said.into_iter().filter(|turn| !turn.text.is_empty()).map(|turn| match turn.role {
        Role::User => Turn::question(&turn.text, &[]),
        Role::Assistant => Turn::answer(turn.text),
    });
    let history = History::of(turns.collect());
    let newest = Turn::question(&question.text, &[]);
    let Gathered { asked, omitted } =
        prompt::gather_with(&call, &model, (system, temperature), &history, &newest, false)?;
    let id = GenerationId::from_bits(gateway.next_request_id().bits());
    let generation = Generation::new(id, account, Kind::Temporary);
    let plan = drive::plan_gathered(&call, asked, &generation)?;
    if !gateway.generations.has_room() {
        return Err(ReasonCode::Overloaded.into());
    }
    let subscription = generation.subscribe(0, WakeOn::News);
    gateway.generations.insert(std::sync::Arc::clone(&generation));
    plan.start();
    let accepted = json!({
        "generation": generation.id.to_string(), "message": null, "answer": null, "kept": false, "omitted": omitted,
        "siblings": null, "temporary": true,
    });
    let writer = EventWriter::accepted(&generation, &accepted);
    Ok(streaming(&call, subscription, writer, "text/event-stream; charset=utf-8"))
}
