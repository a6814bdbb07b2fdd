//! The watch beside an upstream: does it answer, what does it serve, how busy is it.
//!
//! What must stay true: one check at a time, each with a deadline and a bound; models known once are kept while the upstream is away; our
//! key is not sent to `/metrics`; a line is logged only when something changed.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use rempart_domain::TokenCount;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Health, Inner, fault};
use crate::{EngineError, EngineLoad, ModelInfo};

/// Between two checks while all is well; a provider is not to be bothered.
const EVERY_WELL: Duration = Duration::from_secs(10);

/// Between two checks until the first success and after a failure.
const EVERY_ILL: Duration = Duration::from_secs(1);

/// Between two readings of the load.
const EVERY_LOAD: Duration = Duration::from_millis(500);

/// Before an upstream without metrics is asked for them again.
const EVERY_LOAD_ABSENT: Duration = Duration::from_secs(60);

/// Longest a check may take.
const CHECK_MAX: Duration = Duration::from_secs(5);

/// Largest answer to a check.
const CHECK_BYTES_MAX: usize = 4 << 20;

/// Most models taken from one upstream.
const MODELS_MAX: usize = 1_000;

/// Checks until `shutdown`.
pub(super) async fn run(inner: &Arc<Inner>, shutdown: CancellationToken) {
    let mut check_at = Instant::now();
    let mut load_at = Instant::now();
    loop {
        let work = async {
            tokio::time::sleep_until(check_at.min(load_at)).await;
            if Instant::now() >= check_at {
                inner.pool.sweep();
                check(inner).await;
                let every = if Health::read(&inner.health) == Health::Well { EVERY_WELL } else { EVERY_ILL };
                check_at = Instant::now() + every;
            }
            if Instant::now() >= load_at {
                let every = if read_load(inner).await { EVERY_LOAD } else { EVERY_LOAD_ABSENT };
                let is_well = Health::read(&inner.health) == Health::Well;
                load_at = Instant::now() + if is_well { every } else { EVERY_ILL };
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = work => {}
        }
    }
}

/// `GET /models`: any answer but a server's error means that it lives.
async fn check(inner: &Arc<Inner>) {
    let now_is = match fetch(inner, &inner.base.models, true).await {
        Some((StatusCode::OK, body)) => {
            take_models(inner, &body);
            Health::Well
        }
        Some((status, body)) => match fault::from_status(status, &body, None, None) {
            EngineError::Starting => Health::Loading,
            error if fault::is_ours(status, &error) && status != StatusCode::NOT_FOUND => {
                inner.tell_refusal(status);
                Health::Ill
            }
            _ if status.is_server_error() => Health::Ill,
            _ => Health::Well,
        },
        None => Health::Ill,
    };
    let was = Health::read(&inner.health);
    inner.health.store(now_is as u8, Ordering::Relaxed);
    let change = {
        let mut breaker = inner.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        match now_is {
            Health::Well => {
                breaker.note_healthy();
                super::Change::None
            }
            Health::Ill => breaker.note_unhealthy(inner.now()),
            Health::Unknown | Health::Loading => super::Change::None,
        }
    };
    inner.log_change(change);
    if was != now_is {
        match now_is {
            Health::Well => {
                tracing::info!(engine.name = inner.name, models.len = inner.models.load().len(), "engine is ready")
            }
            Health::Ill => tracing::warn!(engine.name = inner.name, "engine does not answer its health check"),
            Health::Unknown | Health::Loading => tracing::info!(engine.name = inner.name, "engine is loading"),
        }
    }
}

/// One small GET; `None` if no whole answer came in time.
async fn fetch(inner: &Arc<Inner>, path: &Uri, with_key: bool) -> Option<(StatusCode, Vec<u8>)> {
    let get = async {
        let mut begun = inner.ask(Method::GET, path, Bytes::new(), with_key).await?;
        let (body, is_all) = begun.wire.collect(&mut begun.body, CHECK_BYTES_MAX).await?;
        if is_all {
            inner.pool.give(begun.wire, None);
        }
        Ok::<_, super::WireError>((begun.status, body))
    };
    match tokio::time::timeout(CHECK_MAX, get).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            inner.lost(&error);
            None
        }
        Err(_elapsed) => None,
    }
}

/// The list as OpenAI writes it, with vLLM's `max_model_len` and others' `context_length`.
#[derive(serde::Deserialize)]
struct List {
    data: Vec<Listed>,
}

#[derive(serde::Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    created: Option<serde_json::Number>,
    #[serde(default)]
    max_model_len: Option<u32>,
    #[serde(default)]
    context_length: Option<u32>,
    #[serde(default)]
    meta: Option<Meta>,
}

/// llama-server tells the context here.
#[derive(serde::Deserialize)]
struct Meta {
    #[serde(default)]
    n_ctx: Option<u32>,
    #[serde(default)]
    n_ctx_train: Option<u32>,
}

impl Listed {
    fn context_len(&self) -> Option<TokenCount> {
        let meta = self.meta.as_ref().and_then(|meta| meta.n_ctx.or(meta.n_ctx_train));
        self.max_model_len.or(self.context_length).or(meta).filter(|len| *len > 0).map(TokenCount)
    }
}

/// Takes over what the upstream lists: all of it, or for configured names what is told of them.
fn take_models(inner: &Inner, body: &[u8]) {
    let Ok(list) = serde_json::from_slice::<List>(body) else {
        tracing::debug!(engine.name = inner.name, "the engine's list of models is not readable");
        return;
    };
    let models: Vec<ModelInfo> = if inner.configured.is_empty() {
        let listed = list.data.into_iter().take(MODELS_MAX);
        listed
            .map(|model| ModelInfo {
                context_len: model.context_len(),
                created: model.created.as_ref().and_then(serde_json::Number::as_i64).unwrap_or(inner.created),
                id: model.id,
            })
            .collect()
    } else {
        let known = |id: &String| list.data.iter().find(|model| &model.id == id).and_then(Listed::context_len);
        let configured = inner.configured.iter();
        configured.map(|id| ModelInfo { id: id.clone(), context_len: known(id), created: inner.created }).collect()
    };
    if **inner.models.load_full() != *models {
        inner.models.store(Arc::new(models.into()));
    }
}

/// Reads `/metrics`; false if there are none that we know.
async fn read_load(inner: &Arc<Inner>) -> bool {
    let Some((StatusCode::OK, body)) = fetch(inner, &inner.base.metrics, false).await else { return false };
    let Some(load) = std::str::from_utf8(&body).ok().and_then(|text| parse_load(text, inner.capacity.kv_tokens)) else {
        return false;
    };
    *inner.load.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), load));
    true
}

/// vLLM's (and SGLang's) gauges from Prometheus text; several engines behind one address add up, their KV share is averaged.
fn parse_load(text: &str, kv_tokens: u32) -> Option<EngineLoad> {
    let (mut running, mut waiting, mut usage, mut usages) = (None::<f64>, 0.0, 0.0, 0.0);
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or_default().trim_end();
        let Ok(value) = value.parse::<f64>() else { continue };
        match name {
            "vllm:num_requests_running" | "sglang:num_running_reqs" => *running.get_or_insert(0.0) += value,
            "vllm:num_requests_waiting" | "sglang:num_queue_reqs" => waiting += value,
            "vllm:kv_cache_usage_perc" | "vllm:gpu_cache_usage_perc" | "sglang:token_usage" => {
                usage += value;
                usages += 1.0;
            }
            _ => {}
        }
    }
    let share = if usages > 0.0 { usage / usages } else { 0.0 };
    Some(EngineLoad {
        running: count(running?),
        waiting: count(waiting),
        kv_tokens_used: count(share.clamp(0.0, 1.0) * f64::from(kv_tokens)),
    })
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of u32; NaN becomes 0"
)]
fn count(value: f64) -> u32 {
    value.round().clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::parse_load;
    use crate::EngineLoad;

    #[test]
    fn vllm_gauges_of_several_engines_add_up() {
        let text = "# HELP vllm:num_requests_running x\nvllm:num_requests_running{engine=\"0\",model_name=\"a b\"} 3.0\n\
            vllm:num_requests_running{engine=\"1\"} 4.0\nvllm:num_requests_waiting 2\n\
            vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.75\nother 5\n";
        assert_eq!(parse_load(text, 1_000), Some(EngineLoad { running: 7, waiting: 2, kv_tokens_used: 500 }));
    }

    #[test]
    fn metrics_of_something_else_are_no_load() {
        assert_eq!(parse_load("process_cpu_seconds_total 1\n", 10), None);
        assert_eq!(
            parse_load("vllm:num_requests_running NaN\nvllm:kv_cache_usage_perc 7", 10),
            Some(EngineLoad { running: 0, waiting: 0, kv_tokens_used: 10 })
        );
    }
}
