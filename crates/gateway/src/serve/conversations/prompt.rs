//! The prompt of an answer: instructions, the turns of the branch that fit the model, attached files, the question.
//!
//! What must stay true: the oldest turns are left out first, instructions and the newest question never; how many were left out is told;
//! no more text is read than the API takes in a body, however long the branch is.

use rempart_domain::{MessageId, ReasonCode, Sensitive};
use rempart_engine::{GenerateRequest, Prompt, Sampling};
use rempart_store::{Conversation, File, Message, MessageRole};
use serde_json::{Value, json};

use super::find_message;
use crate::refusal::Refusal;
use crate::serve::{Call, drive, store_refusal};
use crate::wire::openai::refusal_of;
use crate::wire::parse::Asked;

/// Messages of a branch that are read at once.
const BRANCH_PAGE_LEN: u32 = 32;

/// Of a context of this many parts, one is kept for the answer.
const ANSWER_PART: u32 = 4;

/// An estimate is believed again once this much of the conversation was counted by an engine.
const COUNTED_TOKENS_MIN: f64 = 64.0;

/// One turn as the model reads it.
#[derive(Debug)]
pub(super) struct Turn {
    role: MessageRole,
    text: String,
    /// What the engine counted, for an answer of a model.
    counted: Option<u32>,
}

impl Turn {
    /// A person's turn, attached files before the words.
    pub(super) fn question(text: &str, files: &[(File, Sensitive<String>)]) -> Self {
        Self { role: MessageRole::User, text: with_files(text, files), counted: None }
    }

    /// What a model said so far.
    pub(super) const fn answer(text: String) -> Self {
        Self { role: MessageRole::Assistant, text, counted: None }
    }

    fn json(&self) -> Value {
        json!({ "role": self.role.as_str(), "content": self.text })
    }
}

/// A prompt, and how many messages of the branch are not in it.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) asked: Asked,
    pub(super) omitted: u64,
}

/// What was read of a branch.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Oldest first; messages without text are no turns.
    pub(super) turns: Vec<Turn>,
    /// Messages before the oldest that was read.
    unread: u64,
}

impl History {
    /// Turns that came with the question.
    pub(super) const fn of(turns: Vec<Turn>) -> Self {
        Self { turns, unread: 0 }
    }
}

/// Files as the model reads them: named, before the question.
fn with_files(text: &str, files: &[(File, Sensitive<String>)]) -> String {
    let mut out = String::new();
    for (file, content) in files {
        // A name is its owner's; it cannot end the line it stands on.
        let name: String = file.name.expose().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        out.push_str(&format!("[file: {name}]\n{}\n[end of file: {name}]\n\n", content.expose().trim_end()));
    }
    out.push_str(text);
    out
}

/// Reads the branch that ends in `leaf`, from the leaf on in small pages, until a limit: a short question buys no more memory than a
/// long one.
pub(super) async fn read_history(
    call: &Call,
    conversation: &Conversation,
    leaf: Option<MessageId>,
) -> Result<History, Refusal> {
    let Some(leaf) = leaf else { return Ok(History::default()) };
    let (store, account, limits) = (&call.gateway.store, call.account()?, &call.gateway.limits);
    let mut left = usize::try_from(limits.body_bytes_api).unwrap_or(usize::MAX);
    let messages_max = u32::try_from(limits.context_messages).unwrap_or(u32::MAX);
    let mut newest_first: Vec<Turn> = Vec::new();
    let mut page = vec![find_message(call, conversation.id, leaf).await?];
    let mut read = 0_u32;
    let is_whole = 'branch: loop {
        let (Some(oldest), Some(newest)) = (page.first(), page.last()) else { break true };
        let (before, is_root) = (oldest.id, oldest.parent.is_none());
        let page_len = u32::try_from(page.len()).unwrap_or(u32::MAX);
        let attached = store
            .list_attachments(account, conversation.id, newest.id, page_len)
            .await
            .map_err(|e| store_refusal(&e))?;
        for message in page.into_iter().rev() {
            let id = message.id;
            let files = attached.iter().filter(|(of, _)| *of == id).map(|(_, file)| file).collect();
            let Some(turn) = read_turn(call, message, files, &mut left).await? else { break 'branch false };
            newest_first.push(turn);
            read += 1;
        }
        if is_root {
            break true;
        }
        let wanted = messages_max.saturating_sub(read).min(BRANCH_PAGE_LEN);
        if wanted == 0 {
            break false;
        }
        page =
            store.list_messages(account, conversation.id, Some(before), wanted).await.map_err(|e| store_refusal(&e))?;
    };
    let unread = if is_whole {
        0
    } else {
        let all = store.count_branch(account, conversation.id, leaf).await.map_err(|e| store_refusal(&e))?;
        all.saturating_sub(newest_first.len() as u64)
    };
    newest_first.reverse();
    // An answer that failed, or is not there yet, is no turn of the conversation.
    newest_first.retain(|turn| !turn.text.is_empty());
    Ok(History { turns: newest_first, unread })
}

/// A message with its files' texts; `None` if it is more than is left to read.
async fn read_turn(
    call: &Call,
    message: Message,
    files: Vec<&File>,
    left: &mut usize,
) -> Result<Option<Turn>, Refusal> {
    let mut read = Vec::with_capacity(files.len());
    for file in files {
        let found = call.gateway.store.read_file(call.account()?, file.id).await.map_err(|e| store_refusal(&e))?;
        read.extend(found);
    }
    let counted = message.usage.map(|usage| usage.output.0.saturating_sub(usage.reasoning.0));
    let text = with_files(&message.text.into_inner(), &read);
    let Some(rest) = left.checked_sub(text.len()) else { return Ok(None) };
    *left = rest;
    Ok(Some(Turn { role: message.role, text, counted }))
}

/// What decides what fits: the model's context, and how many tokens a turn takes in it.
struct Scale<'a> {
    call: &'a Call,
    model: String,
    lane: std::sync::Arc<crate::admit::Lane>,
    /// Tokens of an empty conversation.
    base: u32,
    /// What the engine counted to what was estimated; at most 1.
    ratio: f64,
}

impl<'a> Scale<'a> {
    fn new(call: &'a Call, model: &str, turns: &[Turn]) -> Result<Self, Refusal> {
        let gateway = &call.gateway;
        let route = gateway.engines.route(model).map_err(|e| refusal_of(&e))?;
        let lane = drive::choose_lane(gateway, &route.candidates)?;
        let mut scale = Self { call, model: route.model, lane, base: 0, ratio: 1.0 };
        scale.base = scale.estimate_of(&[]);
        let (mut counted, mut estimated) = (0.0, 0.0);
        for turn in turns {
            if let Some(tokens) = turn.counted {
                counted += f64::from(tokens);
                estimated += f64::from(scale.estimate_of(&[turn.json()]).saturating_sub(scale.base));
            }
        }
        if estimated >= COUNTED_TOKENS_MIN {
            // An estimate is an upper bound; what this conversation's answers really took tells how far above it is. A fifth is added.
            scale.ratio = (counted / estimated * 1.2).clamp(0.2, 1.0);
        }
        Ok(scale)
    }

    fn context_len(&self) -> Option<u32> {
        drive::context_len_of(&self.lane, &self.model).map(|len| len.0)
    }

    fn estimate_of(&self, messages: &[Value]) -> u32 {
        let Ok(messages) = serde_json::value::to_raw_value(messages) else { return u32::MAX };
        let request = GenerateRequest {
            model: self.model.clone(),
            prompt: Prompt::Chat(Sensitive::new(messages)),
            max_tokens: None,
            sampling: Sampling::default(),
            is_whole: false,
            is_json_object: false,
            extra: Vec::new(),
            account: None,
            band: self.call.ctx.band,
            prefill_slice: None,
        };
        self.lane.engine.estimate(&request).input.0
    }

    fn estimate_turn(&self, turn: &Value) -> u32 {
        self.estimate_of(std::slice::from_ref(turn)).saturating_sub(self.base)
    }

    fn tokens(&self, turn: &Value) -> u32 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive part of a u32")]
        let scaled = (f64::from(self.estimate_turn(turn)) * self.ratio).ceil() as u32;
        scaled
    }
}

/// How many of `turns`, counted from the newest, fit before `fixed` (instructions, the question): in the model's context, and in what the
/// band may send, which is held against the estimate as it stands.
fn count_fitting(scale: &Scale<'_>, turns: &[Turn], fixed: &[Value]) -> usize {
    let (gateway, band) = (&scale.call.gateway, scale.call.ctx.band);
    let context_len = scale.context_len().unwrap_or(u32::MAX);
    let for_answer = drive::band_cap(gateway, band).0.min(context_len / ANSWER_PART);
    let mut left = context_len.saturating_sub(for_answer).saturating_sub(scale.base);
    let mut may_send = drive::input_cap(gateway, band).0.saturating_sub(scale.base);
    for turn in fixed {
        left = left.saturating_sub(scale.tokens(turn));
        may_send = may_send.saturating_sub(scale.estimate_turn(turn));
    }
    let mut fitting = 0;
    for turn in turns.iter().rev() {
        let turn = turn.json();
        let rest = (left.checked_sub(scale.tokens(&turn)), may_send.checked_sub(scale.estimate_turn(&turn)));
        let (Some(rest), Some(rest_to_send)) = rest else { break };
        (left, may_send) = (rest, rest_to_send);
        fitting += 1;
    }
    fitting
}

/// Joins instructions, what fits of the branch, and the newest turn. `goes_on` asks for more of an answer that is the last turn.
pub(super) fn gather(
    call: &Call,
    model: &str,
    conversation: &Conversation,
    history: &History,
    newest: &Turn,
    goes_on: bool,
) -> Result<Gathered, Refusal> {
    let system = conversation.system.as_ref().map(|text| text.expose().as_str());
    gather_with(call, model, (system, conversation.temperature), history, newest, goes_on)
}

/// [`gather`] for a chat that is no conversation of the store.
pub(super) fn gather_with(
    call: &Call,
    model: &str,
    (system, temperature): (Option<&str>, Option<u16>),
    history: &History,
    newest: &Turn,
    goes_on: bool,
) -> Result<Gathered, Refusal> {
    let scale = Scale::new(call, model, &history.turns)?;
    let system = system.filter(|text| !text.is_empty()).map(|text| json!({ "role": "system", "content": text }));
    let newest = newest.json();
    let fixed: Vec<Value> = system.clone().into_iter().chain([newest.clone()]).collect();
    let fitting = count_fitting(&scale, &history.turns, &fixed);
    let mut skipped = history.turns.len().saturating_sub(fitting);
    // An answer without its question makes no sense to a model.
    if skipped > 0 || history.unread > 0 {
        let rest = history.turns.get(skipped..).unwrap_or_default();
        skipped += rest.iter().take_while(|turn| turn.role == MessageRole::Assistant).count();
    }
    let kept = history.turns.get(skipped..).unwrap_or_default();
    let messages: Vec<Value> = system.into_iter().chain(kept.iter().map(Turn::json)).chain([newest]).collect();
    let omitted = history.unread.saturating_add(skipped as u64);
    Ok(Gathered { asked: asked_of(model, &messages, temperature, goes_on)?, omitted })
}

fn asked_of(model: &str, messages: &[Value], temperature: Option<u16>, goes_on: bool) -> Result<Asked, Refusal> {
    let messages = serde_json::value::to_raw_value(messages).map_err(|_| ReasonCode::Internal)?;
    let mut extra = Vec::new();
    if goes_on {
        let yes = serde_json::value::to_raw_value(&true).map_err(|_| ReasonCode::Internal)?;
        extra.push((rempart_engine::GOES_ON.to_owned(), Sensitive::new(yes)));
    }
    Ok(Asked {
        model: model.to_owned(),
        prompt: Prompt::Chat(Sensitive::new(messages)),
        is_stream: true,
        includes_usage: true,
        max_tokens: None,
        sampling: Sampling { temperature: temperature.map(|t| f32::from(t) / 1000.0), ..Sampling::default() },
        is_json_object: false,
        extra,
    })
}
