//! Drives a generation: reserve, admission, engine, settle. One task each, independent of who listens.
//!
//! What must stay true: nothing starts without a hold and a permit; both are given back however it ends; a stop takes effect within
//! one step of the engine, because the engine's stream is dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rempart_admission::AccountKey;
use rempart_domain::{Band, Millis, ReasonCode, TokenCount, Usage};
use rempart_engine::{EngineError, EngineEvent, EngineStatus, FinishReason, GenerateRequest, Prompt};

use crate::Gateway;
use crate::admit::{Lane, Permit, Want, cohort_of};
use crate::meter::Reserved;
use crate::observe::Observation;
use crate::refusal::Refusal;
use crate::serve::Call;
use crate::serve::generation::{End, Generation};
use crate::wire::openai::refusal_of;
use crate::wire::parse::Asked;

/// Everything a generation needs to run by itself.
pub struct Plan {
    gateway: Arc<Gateway>,
    generation: Arc<Generation>,
    lane: Arc<Lane>,
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
    let lane = choose_lane(gateway, &route.candidates)?;
    let request = GenerateRequest {
        model: route.model,
        prompt: asked.prompt,
        max_tokens: asked.max_tokens,
        sampling: asked.sampling,
        is_json_object: asked.is_json_object,
        extra: asked.extra,
        account: ctx.principal.account,
        band: ctx.band,
        prefill_slice: None,
    };
    let input = lane.engine.estimate(&request).input;
    let context_len = context_len_of(&lane, &request.model);
    let asked_output = output_cap(gateway, ctx.band, request.max_tokens, context_len);
    let (reserved, cap, expected) = gateway.metering.reserve(ctx, &request.model, input, asked_output)?;
    let account = AccountKey(generation.owner.bits());
    let want = Want {
        band: ctx.band,
        cohort: cohort_of(ctx, account),
        account,
        input,
        output_cap: cap,
        output_expected: expected,
        wait_max: Millis(gateway.limits.queue_wait_ms),
    };
    let request = GenerateRequest { max_tokens: Some(cap), ..request };
    Ok(Plan {
        gateway: Arc::clone(gateway),
        generation: Arc::clone(generation),
        lane,
        request: Arc::new(request),
        want,
        reserved,
        observation: Arc::clone(&ctx.observation),
        arrived: ctx.arrived,
        keep: None,
        _room: Arc::clone(&call.room),
    })
}

/// The first candidate that is ready; else the best refusal.
pub(super) fn choose_lane(
    gateway: &Gateway,
    candidates: &[Arc<dyn rempart_engine::Engine>],
) -> Result<Arc<Lane>, Refusal> {
    let lanes = || candidates.iter().filter_map(|engine| gateway.lane_of(engine.name()));
    if let Some(lane) = lanes().find(|lane| lane.engine.status() == EngineStatus::Ready) {
        return Ok(Arc::clone(lane));
    }
    let is_loading = lanes().any(|lane| lane.engine.status() == EngineStatus::Loading);
    Err(if is_loading { ReasonCode::EngineStarting } else { ReasonCode::EngineUnavailable }.into())
}

fn context_len_of(lane: &Lane, model: &str) -> Option<TokenCount> {
    lane.engine.models().iter().find(|m| m.id == model).and_then(|m| m.context_len)
}

fn output_cap(gateway: &Gateway, band: Band, asked: Option<TokenCount>, context_len: Option<TokenCount>) -> TokenCount {
    let of_band = if band.is_member() { gateway.limits.max_tokens_member } else { gateway.limits.max_tokens_newcomer };
    let cap = TokenCount(u32::try_from(of_band).unwrap_or(u32::MAX)).min(context_len.unwrap_or(TokenCount(u32::MAX)));
    asked.map_or(cap, |asked| asked.min(cap))
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
        tasks.spawn_light(self.run());
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

    async fn run_to_end(mut self) -> End {
        let cancelled = self.generation.cancelled().clone();
        let acquired = tokio::select! {
            biased;
            acquired = self.lane.acquire(self.want, &self.generation) => acquired,
            () = cancelled.cancelled() => return stopped(Usage::default()),
        };
        let mut permit = match acquired {
            Ok(permit) => permit,
            Err(refusal) => return End::Failed(refusal),
        };
        self.observation.waited(permit.waited);
        self.generation.set_admitted();
        let revoked = permit.revoked.clone();
        let end = tokio::select! {
            biased;
            end = self.work(&mut permit) => end,
            () = cancelled.cancelled() => stopped(permit.usage()),
            () = revoked.cancelled() => End::Finished {
                reason: FinishReason::InsufficientSystemResource,
                usage: permit.usage(),
                is_stopped: false,
            },
        };
        let end = match end {
            // Nothing was said yet: that is a refusal, not an empty answer.
            End::Finished { reason: FinishReason::InsufficientSystemResource, .. }
                if permit.usage().output == TokenCount(0) && revoked.is_cancelled() =>
            {
                End::Failed(ReasonCode::Overloaded.into())
            }
            end => end,
        };
        let mut usage = permit.usage();
        if usage.input == TokenCount(0) && matches!(end, End::Finished { is_stopped: true, .. }) {
            // Whoever leaves before the engine told the prompt's length had it read all the same.
            usage.input = self.want.input;
            permit.set_usage(usage);
        }
        self.reserved.set_usage(usage);
        self.observation.tokens(usage.input.0, usage.output.0);
        end
    }

    /// Reads the engine's stream to its end.
    async fn work(&self, permit: &mut Permit) -> End {
        let mut events = self.lane.engine.generate(Arc::clone(&self.request));
        let spool_max = usize::try_from(self.gateway.limits.spool_bytes).unwrap_or(usize::MAX);
        let first_token = Duration::from_millis(self.gateway.limits.first_token_ms);
        let mut has_output = false;
        loop {
            let next = if has_output {
                events.next().await
            } else {
                match tokio::time::timeout(first_token, events.next()).await {
                    Ok(next) => next,
                    Err(_) => return End::Failed(ReasonCode::EngineUnavailable.into()),
                }
            };
            match next {
                Some(Ok(EngineEvent::Started { input })) => {
                    if let Some(input) = input {
                        permit.true_up(input);
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
                        return End::Finished {
                            reason: FinishReason::InsufficientSystemResource,
                            usage: permit.usage(),
                            is_stopped: false,
                        };
                    }
                }
                Some(Ok(EngineEvent::Finished { reason, usage })) => {
                    permit.set_usage(usage);
                    return End::Finished { reason, usage, is_stopped: false };
                }
                Some(Err(error)) => return End::Failed(self.failure(&error)),
                None => return End::Failed(ReasonCode::EngineRestarted.into()),
            }
        }
    }

    fn failure(&self, error: &EngineError) -> Refusal {
        tracing::debug!(engine = self.lane.engine.name(), error = %error, "generation failed");
        let refusal = refusal_of(error);
        match &self.request.prompt {
            Prompt::Text(_) if refusal.param.as_deref() == Some("messages") => {
                Refusal { param: Some("prompt".into()), ..refusal }
            }
            _ => refusal,
        }
    }
}

const fn stopped(usage: Usage) -> End {
    End::Finished { reason: FinishReason::Stop, usage, is_stopped: true }
}
