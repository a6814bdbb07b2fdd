//! OpenAI's API under `/v1`, and at the root as DeepSeek has it. Nothing that passes here is stored.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as AxumBody;
use axum::extract::Path;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use rempart_admission::AccountKey;
use rempart_domain::{GenerationId, Millis, ReasonCode, Sensitive, TokenCount, Usage};
use rempart_engine::EmbedRequest;
use serde_json::json;

use crate::admit::{Want, cohort_of};
use crate::refusal::Refusal;
use crate::routes::Dialect;
use crate::serve::answer::{Begin, GenerationBody, WholeAnswer, Writer, begin};
use crate::serve::generation::{Generation, Kind, Subscription, WakeOn};
use crate::serve::{Answer, Call, drive, json};
use crate::wire::openai::{Head, StreamWriter, push_usage, refusal_of};
use crate::wire::parse::{Call as Asking, parse_generate, parse_members};

/// `POST …/chat/completions`.
pub async fn chat(call: Call, body: Bytes) -> Answer {
    generate(call, &body, Asking::Chat).await
}

/// `POST …/completions`.
pub async fn completions(call: Call, body: Bytes) -> Answer {
    generate(call, &body, Asking::Completions).await
}

async fn generate(call: Call, body: &[u8], asking: Asking) -> Answer {
    let (gateway, ctx) = (&call.gateway, &call.ctx);
    let asked = parse_generate(asking, body)?;
    let owner = call.account()?;
    let id = GenerationId::from_bits(gateway.next_request_id().bits());
    let generation = Generation::new(id, owner, Kind::Api);
    let is_stream = asked.is_stream;
    let head = Head {
        call: asking,
        id: match asking {
            Asking::Chat => format!("chatcmpl-{id}"),
            Asking::Completions => format!("cmpl-{id}"),
        },
        model: if asked.model.is_empty() { gateway.engines.default_model().to_owned() } else { asked.model.clone() },
        created: gateway.clock.seconds().0,
        includes_usage: asked.includes_usage,
        is_deepseek: ctx.route.dialect == Dialect::DeepSeek,
    };
    let plan = drive::plan(&call, asked, &generation)?;
    let wake_on = if is_stream { WakeOn::News } else { WakeOn::StartAndEnd };
    let mut subscription = generation.subscribe(0, wake_on);
    plan.start();
    let limits = &gateway.limits;
    let patience = if is_stream { limits.stream_head_ms } else { limits.answer_head_ms };
    match begin(&mut subscription, Duration::from_millis(patience)).await {
        Begin::Refused(refusal) => Err(refusal),
        Begin::Head if is_stream => {
            Ok(streaming(&call, subscription, StreamWriter::new(head), "text/event-stream; charset=utf-8"))
        }
        Begin::Head => Ok(streaming(&call, subscription, WholeAnswer::new(head), "application/json")),
    }
}

/// 200 with a body that reads the generation.
pub(crate) fn streaming<W: Writer>(
    call: &Call,
    subscription: Subscription,
    writer: W,
    content_type: &'static str,
) -> Response<AxumBody> {
    let keep_alive = Duration::from_millis(call.gateway.limits.keep_alive_ms);
    let body = GenerationBody::new(subscription, writer, keep_alive, Arc::clone(&call.ctx.observation));
    let mut response = Response::new(AxumBody::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers a stream before passing it on would undo it.
    headers.insert(http::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// `POST …/embeddings`, where the engine can.
pub async fn embeddings(call: Call, body: Bytes) -> Answer {
    let gateway = &call.gateway;
    let members = parse_members(&body)?.0;
    let mut model = String::new();
    let mut rest = Vec::with_capacity(members.len());
    for (name, value) in members {
        if name == "model" {
            model =
                serde_json::from_str(value.get()).map_err(|_| Refusal::parameter("model", "this must be a text"))?;
        } else {
            rest.push((name.into_owned(), Sensitive::new(value.to_owned())));
        }
    }
    if !rest.iter().any(|(name, _)| name == "input") {
        return Err(Refusal::parameter("input", "this field is required"));
    }
    let route = gateway.engines.route(&model).map_err(|e| refusal_of(&e))?;
    if call.ctx.key.as_ref().is_some_and(|key| !key.may_use_model(&route.model) && !key.may_use_model(&model)) {
        return Err(Refusal { param: Some("model".into()), ..ReasonCode::ModelNotFound.into() });
    }
    let lane = drive::choose_lane(gateway, &route.candidates)?;
    let input = TokenCount(u32::try_from(body.len().div_ceil(3)).unwrap_or(u32::MAX));
    let (mut reserved, _, _) = gateway.metering.reserve(&call.ctx, &route.model, input, TokenCount(0))?;
    // Texts to embed wait in the same line as prompts: an engine has one capacity, and members' part of it is kept.
    let owner = call.account()?;
    let account = AccountKey(owner.bits());
    let want = Want {
        band: call.ctx.band,
        cohort: cohort_of(gateway, &call.ctx, &call.head, account),
        account,
        input,
        output_cap: TokenCount(0),
        output_expected: TokenCount(0),
        wait_max: Millis(gateway.limits.queue_wait_ms),
        price: gateway.metering.price(owner),
    };
    let id = GenerationId::from_bits(gateway.next_request_id().bits());
    let mut permit = lane.acquire(want, &Generation::new(id, owner, Kind::Api)).await?;
    call.ctx.observation.waited(permit.waited);
    let request = EmbedRequest { model: route.model, body: rest };
    // Whoever leaves meanwhile has had it read all the same.
    reserved.set_usage(Usage { input, ..Usage::default() });
    let embedded = tokio::select! {
        embedded = lane.engine.embed(request) => embedded.map_err(|e| refusal_of(&e)),
        () = permit.revoked.cancelled() => Err(ReasonCode::Overloaded.into()),
    };
    let embedded = embedded.inspect_err(|_| reserved.set_usage(Usage::default()))?;
    let usage = Usage { output: TokenCount(0), ..embedded.usage };
    permit.set_usage(usage);
    reserved.set_usage(usage);
    let tokens = embedded.usage.input.0;
    json(
        StatusCode::OK,
        &json!({
            "object": "list",
            "data": embedded.data,
            "model": if model.is_empty() { gateway.engines.default_model() } else { &*model },
            "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
        }),
    )
}

fn model_json(id: &str, created: i64, engine: &str, context_len: Option<TokenCount>) -> serde_json::Value {
    let mut model = json!({ "id": id, "object": "model", "created": created, "owned_by": engine });
    if let (Some(object), Some(context_len)) = (model.as_object_mut(), context_len) {
        object.insert("context_length".into(), context_len.0.into());
    }
    model
}

/// `GET …/models`.
pub async fn models(call: Call) -> Answer {
    let may_use = |id: &str| call.ctx.key.as_ref().is_none_or(|key| key.may_use_model(id));
    let models: Vec<_> = call
        .gateway
        .engines
        .models()
        .iter()
        .filter(|m| may_use(&m.info.id))
        .map(|m| model_json(&m.info.id, m.info.created, &m.engine, m.info.context_len))
        .collect();
    json(StatusCode::OK, &json!({ "object": "list", "data": models }))
}

/// `GET /v1/models/{id}`.
pub async fn model(call: Call, Path(id): Path<String>) -> Answer {
    let not_found = || Refusal { param: Some("model".into()), ..ReasonCode::ModelNotFound.into() };
    if call.ctx.key.as_ref().is_some_and(|key| !key.may_use_model(&id)) {
        return Err(not_found());
    }
    let model = call.gateway.engines.find_model(&id).ok_or_else(not_found)?;
    json(StatusCode::OK, &model_json(&model.info.id, model.info.created, &model.engine, model.info.context_len))
}

/// `GET /user/balance`: no money is configured, so nothing limits.
pub async fn balance(_call: Call) -> Answer {
    json(
        StatusCode::OK,
        &json!({
            "is_available": true,
            "balance_infos": [{
                "currency": "USD", "total_balance": "0.00", "granted_balance": "0.00", "topped_up_balance": "0.00",
            }],
        }),
    )
}

/// The usage object as text, for events of the chat.
pub(crate) fn usage_json(usage: Usage) -> serde_json::Value {
    let mut out = Vec::with_capacity(256);
    push_usage(&mut out, usage);
    serde_json::from_slice(&out).unwrap_or_default()
}
