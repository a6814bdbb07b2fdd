//! Requests as bytes: bodies, headers, prompts with a canary in front.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use super::answer::{CANARY_LEN, CANARY_WORD};
use super::target::Target;
use crate::random::Random;
use crate::tally::Group;

/// Bytes of text that the scripted engine counts as a token.
const BYTES_PER_TOKEN: usize = 4;

/// What all requests of a run have in common.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    /// Where.
    pub(super) target: Target,
    host: HeaderValue,
    model: String,
    /// Sent with every request, by members and attackers alike: some gateways want a header to know what they may believe.
    extra: Vec<(HeaderName, HeaderValue)>,
}

impl Asker {
    pub(super) fn new(target: Target, model: &str, extra: Vec<(HeaderName, HeaderValue)>) -> Self {
        let host = HeaderValue::from_str(&target.authority()).unwrap_or(HeaderValue::from_static("localhost"));
        Self { target, host, model: model.to_owned(), extra }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, self.host.clone());
        for (name, value) in &self.extra {
            headers.insert(name, value.clone());
        }
        headers
    }

    /// The body of a chat completion.
    pub(super) fn chat_body(&self, prompt: &str, max_tokens: u32, is_stream: bool) -> Bytes {
        let body = serde_json::json!({
            "model": self.model,
            "messages": [{ "role": "user", "content": prompt }],
            "max_tokens": max_tokens,
            "stream": is_stream,
        });
        Bytes::from(body.to_string())
    }

    /// A chat completion.
    pub(super) fn chat(&self, key: Option<&HeaderValue>, body: Bytes) -> Request<Full<Bytes>> {
        self.post("/v1/chat/completions", key, body)
    }

    /// A POST of JSON.
    pub(super) fn post(&self, path: &'static str, key: Option<&HeaderValue>, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(path);
        let mut headers = self.headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, key.clone());
        }
        *request.headers_mut() = headers;
        request
    }

    /// A GET.
    pub(super) fn get(&self, path: &str, key: Option<&HeaderValue>) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = path.parse().unwrap_or_default();
        *request.headers_mut() = self.headers();
        if let Some(key) = key {
            request.headers_mut().insert(AUTHORIZATION, key.clone());
        }
        request
    }
}

/// `Authorization` of a key.
pub(super) fn bearer(key: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).unwrap_or(HeaderValue::from_static("Bearer x"));
    value.set_sensitive(true);
    value
}

/// A word that stands in one account's prompts and nowhere else.
pub(super) fn canary_of(seed: u64, group: Group, account: u32) -> String {
    let mut random = Random::new(seed ^ 0x00ca_0a57, (group as u64) << 32 | u64::from(account));
    let mut word = CANARY_WORD.to_owned();
    for _ in 0..CANARY_LEN {
        let letter = u8::try_from(random.below(26)).unwrap_or(0);
        word.push(char::from(b'a' + letter));
    }
    word
}

/// A prompt of so many tokens that begins with `word`.
pub(super) fn prompt_of(word: &str, tokens: u32) -> String {
    let bytes = usize::try_from(tokens).unwrap_or(1).saturating_mul(BYTES_PER_TOKEN);
    let mut prompt = word.to_owned();
    while prompt.len() + 5 <= bytes {
        prompt.push_str(" word");
    }
    prompt
}

/// A prompt of so many bytes that begins with something of its own, so that no cache helps.
pub(super) fn junk_of(number: u64, bytes: u32) -> String {
    prompt_of(&format!("tell {number:x}"), bytes / 4)
}

/// The loopback address that a group's connections come from when nothing else is said.
pub(super) const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
