//! The chat's stream of events: `accepted`, `queued`, `delta` with ids, `done`, `error`.
//!
//! What must stay true: an event's id is that of the last piece in it, so a reader who names it reads on without a gap; another
//! account's generation is not found.

use std::sync::Arc;

use axum::extract::Path;
use rempart_domain::{GenerationId, ReasonCode};
use rempart_web::render::{Incremental, Patch};
use serde_json::{Value, json};

use super::ask::outcome_of;
use super::rows::answer_json;
use crate::refusal::Refusal;
use crate::serve::answer::Writer;
use crate::serve::api::{streaming, usage_json};
use crate::serve::generation::{End, Generation, Look, Phase, WakeOn};
use crate::serve::{Answer, Call, no_content};
use crate::wire::openai::push_keep_alive;

/// `GET /api/v1/generations/{id}/events`: from the beginning, or after `Last-Event-ID`.
pub async fn events(call: Call, Path(id): Path<String>) -> Answer {
    let generation = find_generation(&call, &id)?;
    if generation.subscribers() as u64 >= call.gateway.limits.readers_per_generation {
        return Err(ReasonCode::TooManyInFlight.into());
    }
    let after = call.head.headers.get("last-event-id").and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let next = after.map_or(0, |id| id.saturating_add(1));
    let subscription = generation.subscribe(next, WakeOn::News);
    let writer = EventWriter::resumed(&generation, subscription.next_event());
    Ok(streaming(&call, subscription, writer, "text/event-stream; charset=utf-8"))
}

/// `POST /api/v1/generations/{id}/stop`.
pub async fn stop(call: Call, Path(id): Path<String>) -> Answer {
    find_generation(&call, &id)?.stop();
    no_content()
}

fn find_generation(call: &Call, id: &str) -> Result<Arc<Generation>, Refusal> {
    let id: GenerationId = id.parse().map_err(|_| ReasonCode::NotFound)?;
    call.gateway.generations.find(id, call.account()?).ok_or_else(|| ReasonCode::NotFound.into())
}

/// Writes the chat's events for one reader, and renders for them: no reader's page costs the task that drives the engine.
pub struct EventWriter {
    generation: Arc<Generation>,
    preface: Vec<u8>,
    /// The answer as this reader's page shows it.
    blocks: Incremental,
}

impl EventWriter {
    /// The stream of whoever asked: it begins with `accepted`.
    pub(super) fn accepted(generation: &Arc<Generation>, accepted: &Value) -> Self {
        let preface = format!("event: accepted\ndata: {accepted}\n\n").into_bytes();
        Self { generation: Arc::clone(generation), preface, blocks: Incremental::new() }.showing(0)
    }

    /// The stream of whoever comes back and reads on from event `next`.
    fn resumed(generation: &Arc<Generation>, next: u64) -> Self {
        Self { generation: Arc::clone(generation), preface: Vec::new(), blocks: Incremental::new() }.showing(next)
    }

    /// What was said before event `next` is shown first, whatever the reader's page holds: its patches build every block anew.
    fn showing(mut self, next: u64) -> Self {
        let said = self.generation.text_before(next);
        if said.is_empty() {
            return self;
        }
        self.blocks.push(&said);
        let data = json!({ "content": "", "reasoning": "", "patches": patches_json(self.blocks.snapshot()) });
        match next.checked_sub(1) {
            Some(last) => push_event(&mut self.preface, last, "delta", &data),
            None => self.preface.extend_from_slice(format!("event: delta\ndata: {data}\n\n").as_bytes()),
        }
        self
    }

    fn done(&mut self, end: &End) -> Value {
        let End::Finished { reason, usage, is_stopped } = end else { return Value::Null };
        let message = self.generation.place().map(|place| {
            let (text, reasoning) = self.generation.text();
            let (status, usage) = outcome_of(&self.generation, end, place.spent, text.is_empty());
            answer_json(place, (&text, &reasoning), status, usage)
        });
        json!({
            "finish_reason": reason.as_str(), "stopped": is_stopped, "usage": usage_json(*usage), "message": message,
            "patches": patches_json(self.blocks.finish()),
        })
    }
}

/// Patches as `["set" or "append", block, html]`.
fn patches_json(patches: Vec<Patch>) -> Value {
    let each = patches.into_iter().map(|patch| match patch {
        Patch::Set { block, html } => json!(["set", block, html]),
        Patch::Append { block, html } => json!(["append", block, html]),
    });
    each.collect()
}

fn push_event(out: &mut Vec<u8>, id: u64, name: &str, data: &Value) {
    out.extend_from_slice(format!("id: {id}\nevent: {name}\ndata: {data}\n\n").as_bytes());
}

impl Writer for EventWriter {
    fn preface(&mut self) -> Option<Vec<u8>> {
        (!self.preface.is_empty()).then(|| std::mem::take(&mut self.preface))
    }

    fn push(&mut self, out: &mut Vec<u8>, look: &Look) {
        for delta in &look.deltas {
            let patches = patches_json(self.blocks.push(delta.content.expose()));
            let content = delta.content.expose();
            let data = json!({ "content": content, "reasoning": delta.reasoning.expose(), "patches": patches });
            push_event(out, look.next_event.saturating_sub(1), "delta", &data);
        }
        match &look.end {
            None => {}
            Some(end @ End::Finished { .. }) => push_event(out, look.next_event, "done", &self.done(end)),
            Some(End::Failed(refusal)) => {
                let data = serde_json::from_slice(&refusal.to_json()).unwrap_or_default();
                push_event(out, look.next_event, "error", &data);
            }
        }
    }

    fn push_alive(&mut self, out: &mut Vec<u8>, phase: &Phase) {
        match phase {
            Phase::Queued { position, eta } => {
                let data = json!({ "position": position, "eta_s": eta.map(|e| e.0.div_ceil(1000)) });
                out.extend_from_slice(format!("event: queued\ndata: {data}\n\n").as_bytes());
            }
            _ => push_keep_alive(out, 0, None),
        }
    }
}
