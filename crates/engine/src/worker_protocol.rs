//! What the platform and the engine worker say to each other over the socket that is the worker's standard input.
//!
//! What must stay true: a frame is a little-endian `u32` length and that many bytes of JSON; both sides refuse a longer frame than
//! its bound before they allocate for it; the first frame to the worker is [`ToWorker::Load`]; a generation that was named in
//! `Generate` is answered by exactly one `Finished` or `Failed`, unless it was cancelled. Types that carry content have no `Debug`.

use std::fmt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Longest frame to the worker, in bytes: a prompt of the largest body that any route takes, with room for escapes.
pub const TO_WORKER_FRAME_BYTES_MAX: usize = 16 << 20;
/// Longest frame from the worker, in bytes: one delta never comes near.
pub const FROM_WORKER_FRAME_BYTES_MAX: usize = 1 << 20;

/// Bytes of a frame's length field.
const HEAD_BYTES: usize = 4;
/// What one read asks for, in bytes.
const READ_BYTES: usize = 64 << 10;

/// From the platform to its worker.
#[derive(Serialize, Deserialize)]
pub enum ToWorker {
    /// First, and once: which model, how large.
    Load(LoadParams),
    /// Start a generation.
    Generate(Box<GenerateParams>),
    /// Nobody wants it any more; it is gone after the step that runs.
    Cancel {
        /// The generation.
        id: u64,
    },
}

/// What the worker loads and how much it holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadParams {
    /// A GGUF file.
    pub model_path: PathBuf,
    /// Generations at once.
    pub sequences: u32,
    /// Finished generations whose KV cells are kept for prompts that begin alike.
    pub cached_sequences: u32,
    /// Tokens of KV cache shared by all.
    pub kv_tokens: u32,
    /// Threads of a step.
    pub threads: u32,
    /// Prompt tokens read in one step, over all waiting prompts.
    pub chunk: u32,
}

/// One generation.
#[derive(Serialize, Deserialize)]
pub struct GenerateParams {
    /// Names it in every frame; never reused in the life of a worker.
    pub id: u64,
    /// The prompt.
    pub prompt: PromptFrame,
    /// Fields that a chat template may read (`tools`, …), untouched.
    pub template_fields: Vec<(String, Box<RawValue>)>,
    /// How tokens are chosen.
    pub sampling: SamplingFrame,
    /// Most tokens of answer; `None` goes on to the end of the context.
    pub max_tokens: Option<u32>,
    /// The answer must be one JSON object.
    pub is_json_object: bool,
    /// Prompts share KV cells within one salt only; `None` shares with nobody.
    pub salt: Option<u64>,
    /// The band's number: when room runs out, higher ones are read first and cut last.
    pub rank: u8,
    /// Its prompt is read so many tokens a step beside those without a slice.
    pub prefill_slice: Option<u32>,
}

/// A prompt on the wire.
#[derive(Serialize, Deserialize)]
pub enum PromptFrame {
    /// The JSON array `messages`.
    Chat(Box<RawValue>),
    /// Plain text.
    Text(String),
}

/// How tokens are chosen; `None` is the worker's default.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct SamplingFrame {
    /// 0 is greedy.
    pub temperature: Option<f32>,
    /// Nucleus.
    pub top_p: Option<f32>,
    /// 0 keeps all.
    pub top_k: Option<u32>,
    /// Relative to the likeliest.
    pub min_p: Option<f32>,
    /// Once for each token that was said.
    pub presence_penalty: Option<f32>,
    /// For each time it was said.
    pub frequency_penalty: Option<f32>,
    /// Multiplicative, over the last 64 tokens.
    pub repeat_penalty: Option<f32>,
    /// Always set by the platform: the worker draws no randomness of its own.
    pub seed: u64,
    /// Texts that end the answer.
    pub stop: Vec<String>,
}

/// From the worker to the platform.
#[derive(Serialize, Deserialize)]
pub enum FromWorker {
    /// The model is ready.
    Loaded(Loaded),
    /// It is not, and the worker ends.
    LoadFailed {
        /// What llama.cpp or the operating system said.
        reason: String,
    },
    /// A prompt was counted and taken up.
    Started {
        /// The generation.
        id: u64,
        /// Prompt tokens.
        input: u32,
        /// Of them, found in the cache.
        cached: u32,
    },
    /// A piece of answer.
    Delta {
        /// The generation.
        id: u64,
        /// Whole characters; may be empty while text is held back.
        text: String,
        /// Tokens since the last delta.
        tokens: u32,
    },
    /// The end of a generation.
    Finished {
        /// The generation.
        id: u64,
        /// Why.
        reason: FinishWord,
        /// What it cost.
        usage: UsageFrame,
    },
    /// The end of a generation that could not be done.
    Failed {
        /// The generation.
        id: u64,
        /// Why.
        error: FailureFrame,
    },
    /// The worker's own reading, when it changed.
    Stats(StatsFrame),
}

/// What was loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Loaded {
    /// `general.name` of the file, or empty.
    pub model_name: String,
    /// `general.architecture`.
    pub architecture: String,
    /// Most tokens of prompt and answer together.
    pub context_len: u32,
    /// KV tokens as the context has them (rounded up by llama.cpp).
    pub kv_tokens: u32,
    /// Whether the file brings a chat template that we could read; without one a plain form is used.
    pub has_chat_template: bool,
    /// Bytes of the weights.
    pub model_bytes: u64,
    /// Milliseconds it took to load.
    pub load_ms: u64,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishWord {
    /// The model ended, or a stop text came.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// The KV pool is full and this one was last in rank.
    InsufficientSystemResource,
}

/// What a generation cost, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageFrame {
    /// The whole prompt.
    pub input: u32,
    /// Of it, found in the cache.
    pub cached: u32,
    /// The answer; the token that ends it is not counted.
    pub output: u32,
}

/// Why a generation could not be done.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureFrame {
    /// Prompt and one token of answer do not fit.
    ContextLength {
        /// Prompt tokens.
        input: u32,
        /// Tokens that fit.
        context_len: u32,
    },
    /// The template or the tokenizer did not take it; for the caller, may quote the request.
    Rejected {
        /// Words for the caller.
        message: String,
        /// The field at fault.
        param: Option<String>,
    },
    /// No room in the KV pool before the answer began.
    Full,
    /// llama.cpp failed in this step; the worker goes on.
    Internal,
}

/// The worker's reading of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsFrame {
    /// Generations it works on.
    pub running: u32,
    /// Generations that wait for room.
    pub waiting: u32,
    /// KV tokens of generations it works on.
    pub kv_tokens_used: u32,
    /// KV tokens kept for prompts to come; given up when room is needed.
    pub kv_tokens_cached: u32,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than the bound of its direction.
    TooLong(usize),
    /// Not the JSON of a frame.
    BadJson,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => write!(f, "a frame of {bytes} bytes is over its bound"),
            Self::BadJson => f.write_str("a frame is not the JSON it should be"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Appends `frame` to `out`; many frames then leave in one write.
pub fn encode_frame<T: Serialize>(out: &mut Vec<u8>, frame: &T, bytes_max: usize) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    let written = serde_json::to_writer(&mut *out, frame);
    let body = out.len().saturating_sub(start + HEAD_BYTES);
    let checked = match (written, u32::try_from(body)) {
        (Ok(()), Ok(len)) if body <= bytes_max => Ok(len),
        (Err(_), _) => Err(FrameError::BadJson),
        _ => Err(FrameError::TooLong(body)),
    };
    match checked {
        Ok(len) => {
            if let Some(head) = out.get_mut(start..start + HEAD_BYTES) {
                head.copy_from_slice(&len.to_le_bytes());
            }
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Cuts a stream of bytes into frames; holds at most one frame of its bound and one read.
pub struct FrameReader {
    bytes: Vec<u8>,
    taken: usize,
    filled: usize,
    bytes_max: usize,
}

impl FrameReader {
    /// A reader that refuses frames over `bytes_max`.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), taken: 0, filled: 0, bytes_max }
    }

    /// Room to read into; tell [`FrameReader::filled`] how much came.
    pub fn room(&mut self) -> &mut [u8] {
        if self.taken > 0 {
            self.bytes.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        if self.bytes.len() < self.filled + READ_BYTES {
            self.bytes.resize(self.filled + READ_BYTES, 0);
        } else if self.filled == 0 && self.bytes.len() > 4 * READ_BYTES {
            self.bytes.truncate(READ_BYTES);
            self.bytes.shrink_to(READ_BYTES);
        }
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// So many bytes of the room were read.
    pub fn filled(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.bytes.len());
    }

    /// The next whole frame, if there is one.
    pub fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let waiting = self.bytes.get(self.taken..self.filled).unwrap_or_default();
        let Some((head, rest)) = waiting.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let len = u32::from_le_bytes(*head) as usize;
        if len > self.bytes_max {
            return Err(FrameError::TooLong(len));
        }
        let Some(body) = rest.get(..len) else { return Ok(None) };
        let frame = serde_json::from_slice(body).map_err(|_| FrameError::BadJson)?;
        self.taken += HEAD_BYTES + len;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn feed(reader: &mut FrameReader, bytes: &[u8]) {
        let room = reader.room();
        room.get_mut(..bytes.len()).unwrap().copy_from_slice(bytes);
        reader.filled(bytes.len());
    }

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let mut wire = Vec::new();
        for id in 0..3 {
            let frame = FromWorker::Delta { id, text: "小ß".repeat(3), tokens: 1 };
            encode_frame(&mut wire, &frame, FROM_WORKER_FRAME_BYTES_MAX).unwrap();
        }
        for cut in 1..wire.len() {
            let mut reader = FrameReader::new(FROM_WORKER_FRAME_BYTES_MAX);
            let mut seen = 0;
            for piece in [wire.get(..cut).unwrap(), wire.get(cut..).unwrap()] {
                feed(&mut reader, piece);
                while let Some(frame) = reader.next_frame::<FromWorker>().unwrap() {
                    let FromWorker::Delta { id, text, .. } = frame else { unreachable!() };
                    assert_eq!((id, text.as_str()), (seen, "小ß小ß小ß"));
                    seen += 1;
                }
            }
            assert_eq!(seen, 3, "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_over_the_bound_is_refused_before_its_body_came() {
        let mut reader = FrameReader::new(100);
        feed(&mut reader, &101_u32.to_le_bytes());
        assert_eq!(reader.next_frame::<FromWorker>().err(), Some(FrameError::TooLong(101)));
        let mut out = vec![7];
        let long = FromWorker::LoadFailed { reason: "x".repeat(200) };
        assert!(encode_frame(&mut out, &long, 100).is_err());
        assert_eq!(out, [7]);
    }

    #[test]
    fn raw_json_passes_unchanged() {
        let raw = RawValue::from_string(r#"[{"role":"user","content":"é\u00e9"}]"#.to_owned()).unwrap();
        let frame = ToWorker::Generate(Box::new(GenerateParams {
            id: 1,
            prompt: PromptFrame::Chat(raw.clone()),
            template_fields: vec![("tools".to_owned(), raw.clone())],
            sampling: SamplingFrame::default(),
            max_tokens: None,
            is_json_object: false,
            salt: None,
            rank: 3,
            prefill_slice: None,
        }));
        let mut wire = Vec::new();
        encode_frame(&mut wire, &frame, TO_WORKER_FRAME_BYTES_MAX).unwrap();
        let mut reader = FrameReader::new(TO_WORKER_FRAME_BYTES_MAX);
        feed(&mut reader, &wire);
        let Some(ToWorker::Generate(params)) = reader.next_frame().unwrap() else { unreachable!() };
        let PromptFrame::Chat(messages) = params.prompt else { unreachable!() };
        assert_eq!(messages.get(), raw.get());
    }
}
