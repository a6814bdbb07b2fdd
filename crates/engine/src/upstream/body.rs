//! The request body an upstream gets: the client's words unchanged, our own fields in place of the client's.
//!
//! What must stay true: `stream`, usage and priority are always ours; a field that reaches into the engine instead of the generation
//! ([`ENGINE_INTERNAL`]) never passes; nothing is parsed, raw JSON is copied.

use rempart_domain::{AccountId, Band, Sensitive};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Priority;
use crate::{EmbedRequest, GOES_ON, GenerateRequest, Prompt, Sampling};

/// Fields that steer the engine itself and not the answer: order in its queue, its prefix cache (CVE-2025-46570) and slots,
/// disaggregated prefill (addresses it would connect to), request ids (abort by id), templates and code it would run; engines' own names
/// for what we cap or refuse (llama-server prefers `n_predict` to `max_tokens`; `n_probs`, `prompt_logprobs` and their like tell
/// log-probabilities).
const ENGINE_INTERNAL: &[&str] = &[
    "model",
    "messages",
    "prompt",
    "stream",
    "stream_options",
    "priority",
    "cache_salt",
    "extra_key",
    "n",
    "best_of",
    "request_id",
    "rid",
    "kv_transfer_params",
    "bootstrap_host",
    "bootstrap_port",
    "bootstrap_room",
    "chat_template",
    "custom_logit_processor",
    "logits_processors",
    "max_tokens",
    "max_completion_tokens",
    "n_predict",
    "n_cmpl",
    "n_probs",
    "post_sampling_probs",
    "logprobs",
    "top_logprobs",
    "prompt_logprobs",
    "return_logprob",
    "logprob_start_len",
    "top_logprobs_num",
    "return_hidden_states",
    "id_slot",
    "cache_prompt",
    "lora",
    "lora_path",
    "session_params",
    "data_parallel_rank",
];

/// Writes the body of `/chat/completions` or `/completions`.
pub(super) fn write_generate(request: &GenerateRequest, priority: Priority) -> Vec<u8> {
    let extra_bytes: usize = request.extra.iter().map(|(key, value)| key.len() + value.expose().get().len() + 4).sum();
    let mut body = Body(Vec::with_capacity(request.prompt.len_bytes() + extra_bytes + 256));
    body.0.extend_from_slice(b"{\"model\":");
    body.value(&request.model);
    match &request.prompt {
        Prompt::Chat(messages) => body.raw("messages", messages.expose()),
        Prompt::Text(text) => body.field("prompt", text.expose()),
    }
    body.0.extend_from_slice(if request.is_asked_whole() {
        b",\"stream\":false"
    } else {
        b",\"stream\":true,\"stream_options\":{\"include_usage\":true}"
    });
    if let Some(tokens) = request.max_tokens {
        body.field("max_tokens", &tokens.0);
    }
    body.sampling(&request.sampling, priority);
    if request.is_json_object {
        body.0.extend_from_slice(b",\"response_format\":{\"type\":\"json_object\"}");
    }
    for (key, value) in &request.extra {
        if key == GOES_ON {
            body.go_on(priority);
            continue;
        }
        let is_taken = request.is_json_object && key == "response_format";
        if !is_taken && !ENGINE_INTERNAL.contains(&key.as_str()) {
            body.raw(key, value.expose());
        }
    }
    body.steer(request.band, request.account, priority);
    body.close()
}

/// Writes the body of `/embeddings`.
pub(super) fn write_embed(request: &EmbedRequest) -> Vec<u8> {
    let extra: &[(String, Sensitive<Box<RawValue>>)] = &request.body;
    let mut body = Body(Vec::with_capacity(256));
    body.0.extend_from_slice(b"{\"model\":");
    body.value(&request.model);
    for (key, value) in extra {
        if !ENGINE_INTERNAL.contains(&key.as_str()) {
            body.raw(key, value.expose());
        }
    }
    body.close()
}

/// JSON as it is written.
struct Body(Vec<u8>);

impl Body {
    /// A value in JSON. Writing into memory cannot fail, and none of our values has a key that is no text.
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    fn key(&mut self, key: &str) {
        self.0.push(b',');
        self.value(key);
        self.0.push(b':');
    }

    /// vLLM and SGLang open a new turn unless told not to; others take an assistant's last message as the beginning of the answer, or
    /// would refuse a field that they do not know.
    fn go_on(&mut self, priority: Priority) {
        if priority != Priority::None {
            self.0.extend_from_slice(b",\"continue_final_message\":true,\"add_generation_prompt\":false");
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.key(key);
        self.value(value);
    }

    fn raw(&mut self, key: &str, value: &RawValue) {
        self.key(key);
        self.0.extend_from_slice(value.get().as_bytes());
    }

    fn number(&mut self, key: &str, value: Option<f32>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.field(key, &value);
        }
    }

    fn sampling(&mut self, sampling: &Sampling, priority: Priority) {
        self.number("temperature", sampling.temperature);
        self.number("top_p", sampling.top_p);
        if let Some(top_k) = sampling.top_k {
            self.field("top_k", &top_k);
        }
        self.number("min_p", sampling.min_p);
        self.number("presence_penalty", sampling.presence_penalty);
        self.number("frequency_penalty", sampling.frequency_penalty);
        let repeat = if priority == Priority::None { "repeat_penalty" } else { "repetition_penalty" };
        self.number(repeat, sampling.repeat_penalty);
        if let Some(seed) = sampling.seed {
            self.field("seed", &seed);
        }
        if !sampling.stop.is_empty() {
            self.field("stop", &sampling.stop);
        }
    }

    /// Our own fields for engines that know them: vLLM serves the lower priority first, SGLang the higher. The cache is salted by
    /// account; nobody can send a salt of their own, so it need not be a secret.
    fn steer(&mut self, band: Band, account: Option<AccountId>, priority: Priority) {
        let rank = i32::from(band.to_u8());
        match priority {
            Priority::None => return,
            Priority::Vllm => self.field("priority", &(i32::from(Band::Trusted.to_u8()) - rank)),
            Priority::Sglang => self.field("priority", &rank),
        }
        let salt = account.map_or_else(|| "visitors".to_owned(), |account| account.to_string());
        self.field("cache_salt", &salt);
    }

    fn close(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
