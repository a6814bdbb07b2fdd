//! Drives a generation: reserve, admission, engine, settle. One task each, independent of who listens.
//!
//! An engine that is full, starting or gone before it told anything is left, and the next that serves the model is asked, through its own
//! queue. What must stay true: nothing starts without a hold and a permit; both are given back however it ends; a stop takes effect within
//! one step of the engine, because the engine's stream is dropped; nothing is asked twice once a piece of an answer was told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rempart_admission::AccountKey;
use rempart_defense::Act;
use rempart_domain::sabotage::{Sabotage, breaks};
use rempart_domain::{Band, Millis, ReasonCode, TokenCount, Usage};
use rempart_engine::{EngineError, EngineEvent, EngineStatus, FinishReason, GenerateRequest, Prompt};
use rempart_metering::{Caps, caps};

use crate::Gateway;
use crate::admit::{Lane, Permit, Want, cohort_of};
use crate::meter::Reserved;
use crate::observe::Observation;
use crate::refusal::Refusal;
use crate::serve::Call;
use crate::serve::generation::{End, Generation};
use crate::wire::openai::refusal_of;
use crate::wire::parse::Asked;

/// How often capacity that was lent and taken back is asked for again.
const TRIES_MAX: usize = 8;

/// Everything a generation needs to run by itself.
pub struct Plan {
    gateway: Arc<Gateway>,
    generation: Arc<Generation>,
    /// Who is asked, in this order.
    lanes: Vec<Arc<Lane>>,
    request: Arc<GenerateRequest>,
    want: Want,
    reserved: Reserved,
    observation: Arc<Observation>,
    arrived: Instant,
    /// Who keeps a chat's answer.
    keep: Option<Keeper>,
    /// What the prompt holds of the memory for bodies.
    _room: Arc<Option<tokio::sync::OwnedSemaphorePermit>>,
}

/// Keeps a chat's answer when it is over, before its readers are told.
pub type Keeper = Box<dyn for<'a> FnOnce(&'a Generation, &'a End) -> BoxFuture<'a, ()> + Send + Sync>;

/// [`plan`] for a prompt that was gathered from the store: its memory is counted like a body's.
pub fn plan_gathered(call: &Call, asked: Asked, generation: &Arc<Generation>) -> Result<Plan, Refusal> {
    let bytes = asked.prompt.len_bytes() as u64;
    let room = call.gateway.body_memory.try_take(call.ctx.band, bytes).ok_or(ReasonCode::Overloaded)?;
    let plan = plan(call, asked, generation)?;
    Ok(Plan { _room: Arc::new(Some(room)), ..plan })
}

/// Finds the engine, holds the budget, and makes the plan; refuses what cannot be begun.
pub fn plan(call: &Call, asked: Asked, generation: &Arc<Generation>) -> Result<Plan, Refusal> {
    let (gateway, ctx) = (&call.gateway, &*call.ctx);
    let route = gateway.engines.route(&asked.model).map_err(|e| refusal_of(&e))?;
    if let Some(key) = &ctx.key
        && !key.may_use_model(&route.model)
        && !key.may_use_model(&asked.model)
    {
        return Err(Refusal { param: Some("model".into()), ..ReasonCode::ModelNotFound.into() });
    }
    let lanes = order_lanes(gateway, &route.candidates)?;
    let lane = lanes.first().ok_or(ReasonCode::Internal)?;
    leak_if_sabotaged(&asked.prompt);
    let request = GenerateRequest {
        model: route.model,
        prompt: asked.prompt,
        max_tokens: asked.max_tokens,
        sampling: asked.sampling,
        is_whole: !asked.is_stream,
        is_json_object: asked.is_json_object,
        extra: asked.extra,
        account: ctx.principal.account,
        band: ctx.band,
        prefill_slice: None,
    };
    let input = lane.engine.estimate(&request).input;
    let context_len = context_len_of(lane, &request.model);
    let caps = caps_of(gateway, ctx.band);
    if input > caps.input {
        let message = format!("prompts of newcomers are limited to about {} tokens now", caps.input.0);
        return Err(Refusal::new(ReasonCode::ContextLengthExceeded, message));
    }
    let asked_output = caps.output_cap(request.max_tokens).min(context_len.unwrap_or(TokenCount(u32::MAX)));
    let reserved = gateway.metering.reserve(ctx, &request.model, input, asked_output);
    let (reserved, cap, expected) = reserved.inspect_err(|refusal| {
        if ctx.band.is_member() && is_for_excess(refusal) {
            gateway.note_conduct(generation.owner, Act::Refused);
        }
    })?;
    let account = AccountKey(generation.owner.bits());
    let want = Want {
        band: ctx.band,
        cohort: cohort_of(gateway, ctx, &call.head, account),
        account,
        input,
        output_cap: cap,
        output_expected: expected,
        wait_max: Millis(gateway.limits.queue_wait_ms),
        price: gateway.metering.price(generation.owner),
    };
    let request = GenerateRequest { max_tokens: Some(cap), ..request };
    Ok(Plan {
        gateway: Arc::clone(gateway),
        generation: Arc::clone(generation),
        lanes,
        request: Arc::new(request),
        want,
        reserved,
        observation: Arc::clone(&ctx.observation),
        arrived: ctx.arrived,
        keep: None,
        _room: Arc::clone(&call.room),
    })
}

/// The candidates that are ready, in fallback order; the best refusal if none is.
pub(super) fn order_lanes(
    gateway: &Gateway,
    candidates: &[Arc<dyn rempart_engine::Engine>],
) -> Result<Vec<Arc<Lane>>, Refusal> {
    let lanes = || candidates.iter().filter_map(|engine| gateway.lane_of(engine.name()));
    let ready: Vec<_> = lanes().filter(|lane| lane.engine.status() == EngineStatus::Ready).map(Arc::clone).collect();
    if !ready.is_empty() {
        return Ok(ready);
    }
    let is_loading = lanes().any(|lane| lane.engine.status() == EngineStatus::Loading);
    Err(if is_loading { ReasonCode::EngineStarting } else { ReasonCode::EngineUnavailable }.into())
}

/// The first of [`order_lanes`].
pub(super) fn choose_lane(
    gateway: &Gateway,
    candidates: &[Arc<dyn rempart_engine::Engine>],
) -> Result<Arc<Lane>, Refusal> {
    order_lanes(gateway, candidates)?.into_iter().next().ok_or_else(|| ReasonCode::Internal.into())
}

/// Tokens of prompt and answer together that the engine takes for a model.
pub(super) fn context_len_of(lane: &Lane, model: &str) -> Option<TokenCount> {
    lane.engine.models().iter().find(|m| m.id == model).and_then(|m| m.context_len)
}

/// The longest answer of a band.
pub(super) fn band_cap(gateway: &Gateway, band: Band) -> TokenCount {
    caps_of(gateway, band).max_tokens
}

/// The longest prompt of a band, by its estimate.
pub(super) fn input_cap(gateway: &Gateway, band: Band) -> TokenCount {
    caps_of(gateway, band).input
}

/// What amplifies work, by band and posture; the most of an answer is the operator's to say.
fn caps_of(gateway: &Gateway, band: Band) -> Caps {
    let max_tokens =
        if band.is_member() { gateway.limits.max_tokens_member } else { gateway.limits.max_tokens_newcomer };
    let max_tokens = TokenCount(u32::try_from(max_tokens).unwrap_or(u32::MAX));
    Caps { max_tokens, ..caps(band) }.under(band, gateway.posture.level())
}

/// Refused for more than an account may have at once or a minute: about them, not about us.
const fn is_for_excess(refusal: &Refusal) -> bool {
    matches!(refusal.reason, ReasonCode::TooManyInFlight | ReasonCode::TooManyRequests)
}

impl Plan {
    /// Says who keeps the answer.
    #[must_use]
    pub fn kept_by(mut self, keep: Keeper) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Runs it as a task of its own.
    pub fn start(self) {
        let tasks = self.gateway.tasks.clone();
        // Boxed before it is handed on: what holds a whole generation is moved once.
        tasks.spawn_light(Box::pin(self.run()));
    }

    async fn run(mut self) {
        let (keep, generation) = (self.keep.take(), Arc::clone(&self.generation));
        // Settled and freed inside, before the reader is told: whoever asks again at once finds the place free.
        let end = self.run_to_end().await;
        if let Some(keep) = keep {
            // An answer is kept before its end is told: the next question stands below it.
            keep(&generation, &end).await;
        }
        generation.finish(end);
    }

    /// Asks the engines in their order; when none took it up, what the first one said is told.
    async fn run_to_end(mut self) -> End {
        let mut refused: Option<Refusal> = None;
        for lane in std::mem::take(&mut self.lanes) {
            if refused.is_some() {
                if lane.engine.status() != EngineStatus::Ready {
                    continue;
                }
                self.want.input = lane.engine.estimate(&self.request).input;
            }
            match self.ask(&lane).await {
                Ok(end) => return end,
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        End::Failed(refused.unwrap_or_else(|| ReasonCode::EngineUnavailable.into()))
    }

    /// One engine, until it ends or its time to start is over: what was lent and taken back before its first byte stands in line again. A
    /// refusal means that another engine may be asked.
    async fn ask(&mut self, lane: &Arc<Lane>) -> Result<End, Refusal> {
        for _ in 0..TRIES_MAX {
            if let Some(end) = self.ask_once(lane).await? {
                return Ok(end);
            }
            self.generation.set_queued(0, None);
        }
        Ok(End::Failed(ReasonCode::Overloaded.into()))
    }

    /// The engine's queue, its work, the bill. `None`: the capacity was borrowed, and a member needed it before a byte was said.
    async fn ask_once(&mut self, lane: &Arc<Lane>) -> Result<Option<End>, Refusal> {
        let cancelled = self.generation.cancelled().clone();
        let waited = Millis(u64::try_from(self.arrived.elapsed().as_millis()).unwrap_or(u64::MAX));
        let want = Want { wait_max: self.want.wait_max.since(waited), ..self.want };
        let acquired = tokio::select! {
            biased;
            acquired = lane.acquire(want, &self.generation) => acquired,
            () = cancelled.cancelled() => {
                self.note_conduct(Act::Left);
                return Ok(Some(stopped(Usage::default())));
            }
        };
        let mut permit = match acquired {
            Ok(permit) => permit,
            Err(refusal) if refusal.reason == ReasonCode::Overloaded => return Err(refusal),
            Err(refusal) => {
                if is_for_excess(&refusal) {
                    self.note_conduct(Act::Refused);
                }
                return Ok(Some(End::Failed(refusal)));
            }
        };
        let estimate = weight(self.want.input, self.want.output_cap.min(self.want.output_expected));
        self.note_conduct(Act::Began(estimate));
        if self.request.is_asked_whole() {
            permit.comes_whole();
        }
        Arc::make_mut(&mut self.request).prefill_slice = permit.prefill_slice;
        self.observation.waited(permit.waited);
        self.observation.heavy(permit.is_heavy);
        self.generation.set_admitted();
        let revoked = permit.revoked.clone();
        let end = tokio::select! {
            biased;
            end = self.work(lane, &mut permit) => end,
            () = cancelled.cancelled() => Ok(stopped(permit.usage())),
            () = revoked.cancelled() => Ok(End::Finished {
                reason: FinishReason::InsufficientSystemResource,
                usage: permit.usage(),
                is_stopped: false,
            }),
        };
        let end = match end {
            Ok(end) => end,
            Err(refusal) => {
                // Nothing was done here: another engine begins anew.
                self.note_conduct(Act::Settled(-estimate));
                return Err(refusal);
            }
        };
        let was_cut = matches!(end, End::Finished { reason: FinishReason::InsufficientSystemResource, .. });
        if was_cut && !permit.has_begun() && revoked.is_cancelled() {
            return Ok(None);
        }
        let mut usage = permit.usage();
        if usage.input == TokenCount(0) && matches!(end, End::Finished { is_stopped: true, .. }) {
            // Whoever leaves before the engine told the prompt's length had it read all the same.
            usage.input = self.want.input;
            permit.set_usage(usage);
        }
        self.price_next(&permit, &end);
        self.note_conduct(Act::Settled(weight(usage.input, usage.output) - estimate));
        if !permit.has_begun() && matches!(end, End::Finished { is_stopped: true, .. }) {
            self.note_conduct(Act::Left);
        }
        self.reserved.set_usage(usage);
        self.observation.tokens(usage.input.0, usage.output.0);
        Ok(Some(end))
    }

    /// Engine time whose answer nobody took weighs on the account's next request. An owner who stops a chat has read what there was.
    fn price_next(&self, permit: &Permit, end: &End) {
        let is_unread = match end {
            End::Finished { is_stopped: true, .. } => self.generation.is_api(),
            End::Finished { reason: FinishReason::InsufficientSystemResource, .. } => !permit.revoked.is_cancelled(),
            _ => false,
        };
        self.gateway.metering.observe_work(self.generation.owner, permit.held_for(), !is_unread);
    }

    /// What a member's conduct is judged by; strangers are none's.
    fn note_conduct(&self, act: Act) {
        if self.want.band.is_member() {
            self.gateway.note_conduct(self.generation.owner, act);
        }
    }

    /// Reads the engine's stream to its end; a refusal if it told nothing and another engine may be asked.
    async fn work(&mut self, lane: &Lane, permit: &mut Permit) -> Result<End, Refusal> {
        let mut events = lane.engine.generate(Arc::clone(&self.request));
        let spool_max = usize::try_from(self.gateway.limits.spool_bytes).unwrap_or(usize::MAX);
        let first_token = Duration::from_millis(self.gateway.limits.first_token_ms);
        let (mut is_taken_up, mut has_output) = (false, false);
        loop {
            let next = if has_output {
                events.next().await
            } else {
                match tokio::time::timeout(first_token, events.next()).await {
                    Ok(next) => next,
                    Err(_) => return Ok(End::Failed(ReasonCode::EngineUnavailable.into())),
                }
            };
            match next {
                Some(Ok(EngineEvent::Started { input })) => {
                    is_taken_up = true;
                    if let Some(input) = input {
                        permit.true_up(input);
                        self.reserved.true_up(input);
                    }
                    self.generation.set_running(input);
                }
                Some(Ok(EngineEvent::Delta(delta))) => {
                    if !has_output {
                        has_output = true;
                        self.observation.first_token(self.arrived.elapsed().as_micros());
                    }
                    permit.progress(delta.tokens.max(TokenCount(1)));
                    if !self.generation.push(delta, spool_max) {
                        // The reader takes nothing: the engine is not held for it.
                        return Ok(End::Finished {
                            reason: FinishReason::InsufficientSystemResource,
                            usage: permit.usage(),
                            is_stopped: false,
                        });
                    }
                }
                Some(Ok(EngineEvent::Finished { reason, usage })) => {
                    permit.set_usage(usage);
                    return Ok(End::Finished { reason, usage, is_stopped: false });
                }
                Some(Err(error)) => {
                    tracing::debug!(engine.name = lane.engine.name(), error = %error, "generation failed");
                    let refusal = self.refusal(&error);
                    let may_ask_on = !is_taken_up && error.may_be_asked_elsewhere();
                    return if may_ask_on { Err(refusal) } else { Ok(End::Failed(refusal)) };
                }
                None => return Ok(End::Failed(ReasonCode::EngineRestarted.into())),
            }
        }
    }

    fn refusal(&self, error: &EngineError) -> Refusal {
        let refusal = refusal_of(error);
        match &self.request.prompt {
            Prompt::Text(_) if refusal.param.as_deref() == Some("messages") => {
                Refusal { param: Some("prompt".into()), ..refusal }
            }
            _ => refusal,
        }
    }
}

/// For the drill's own test: see `rempart_domain::sabotage`.
fn leak_if_sabotaged(prompt: &Prompt) {
    if breaks(Sabotage::LogLeak) {
        let text = match prompt {
            Prompt::Chat(messages) => messages.expose().get(),
            Prompt::Text(text) => text.expose(),
        };
        tracing::warn!(prompt = text, "sabotage: what is asked is written down");
    }
}

/// Work in tokens: one of answer weighs as two of prompt.
fn weight(input: TokenCount, output: TokenCount) -> f64 {
    f64::from(input.0) + 2.0 * f64::from(output.0)
}

const fn stopped(usage: Usage) -> End {
    End::Finished { reason: FinishReason::Stop, usage, is_stopped: true }
}
