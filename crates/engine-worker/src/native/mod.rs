//! llama.cpp behind a narrow face: the model and its vocabulary, shared by threads that only read, and the kernel, owned by one.
//!
//! What must stay true: a batch is never larger than the context was made for (llama.cpp would abort); positions of a sequence are
//! dense; every path from here to the scheduler is safe Rust.

pub(crate) mod log;

use std::num::NonZeroU32;
use std::time::Instant;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use rempart_engine::worker_protocol::LoadParams;

use crate::WorkerError;
use crate::vocab::{Control, Vocab};

/// Sequences that llama.cpp can tell apart.
const SEQUENCES_MAX: u32 = 256;
/// Longest text given to llama.cpp's tokenizer at once, in bytes: some of its patterns recurse over the text.
const TOKENISE_BYTES_MAX: usize = 16 << 10;

/// A loaded model.
pub(crate) struct Native {
    backend: LlamaBackend,
    model: LlamaModel,
    log: log::Captured,
    load_ms: u64,
}

/// One row of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) token: u32,
    pub(crate) position: u32,
    pub(crate) sequence: u32,
    pub(crate) wants_logits: bool,
}

/// Why a step failed; what was in the batch is not in the KV pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepError {
    /// No room in the KV pool.
    Full,
    /// Something else.
    Failed,
}

/// What the scheduler needs of llama.cpp; tests have another.
pub(crate) trait Kernel {
    /// Computes one batch.
    fn decode(&mut self, rows: &[Row]) -> Result<(), StepError>;
    /// The logits of a row of the last batch that wanted them.
    fn logits(&self, row: usize) -> &[f32];
    /// Lets `to` share the first `len` positions of `from`.
    fn share(&mut self, from: u32, to: u32, len: u32);
    /// Forgets a sequence.
    fn remove(&mut self, sequence: u32);
}

impl Native {
    /// Loads the model; gives up as soon as `is_given_up` says so.
    pub(crate) fn load(params: &LoadParams, is_given_up: impl Fn() -> bool + 'static) -> Result<Self, WorkerError> {
        let started = Instant::now();
        let log = log::capture();
        // llama.cpp says only "failed to open": the operating system says why.
        std::fs::File::open(&params.model_path)
            .map_err(|error| WorkerError::Load(format!("{}: {error}", params.model_path.display())))?;
        let backend = LlamaBackend::init().map_err(|error| WorkerError::Load(error.to_string()))?;
        let how = LlamaModelParams::default().with_progress_callback(move |_| !is_given_up());
        let model = LlamaModel::load_from_file(&backend, &params.model_path, &how)
            .map_err(|_| WorkerError::Load(log.last_error()))?;
        let load_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Self { backend, model, log, load_ms })
    }

    /// A context of the asked size.
    pub(crate) fn kernel(&self, params: &LoadParams) -> Result<LlamaKernel<'_>, WorkerError> {
        let sequences = params.sequences.saturating_add(params.cached_sequences).clamp(1, SEQUENCES_MAX);
        let batch_len = params.chunk.saturating_add(params.sequences).max(1);
        let threads = i32::try_from(params.threads).unwrap_or(1).max(1);
        let context = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(params.kv_tokens))
            .with_n_batch(batch_len)
            .with_n_ubatch(batch_len)
            .with_n_seq_max(sequences)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_kv_unified(true)
            .with_swa_full(true)
            .with_no_perf(true);
        let context =
            self.model.new_context(&self.backend, context).map_err(|_| WorkerError::Load(self.log.last_error()))?;
        let batch = LlamaBatch::new(batch_len as usize, 1);
        Ok(LlamaKernel { context, batch })
    }

    /// Tokens of prompt and answer together: what the model learned and the pool holds.
    pub(crate) fn context_len(&self, kernel: &LlamaKernel<'_>) -> u32 {
        self.model.n_ctx_train().min(kernel.context.n_ctx())
    }

    /// A text of the file's metadata, or nothing.
    pub(crate) fn meta(&self, key: &str) -> String {
        self.model.meta_val_str(key).unwrap_or_default()
    }

    /// Whether the beginning of a sequence can be shared: recurrent states cannot be cut.
    pub(crate) fn may_reuse(&self) -> bool {
        !self.model.is_recurrent() && !self.model.is_hybrid()
    }

    pub(crate) fn model_bytes(&self) -> u64 {
        self.model.size()
    }

    pub(crate) fn load_ms(&self) -> u64 {
        self.load_ms
    }

    /// The vocabulary as tables, so that no step asks llama.cpp for a token's text.
    pub(crate) fn vocab_tables(&self) -> Vocab {
        let vocab = self.model.vocab();
        let mut tables = Vocab::default();
        let mut piece = Vec::with_capacity(64);
        for token in vocab.tokens() {
            piece.clear();
            vocab.token_to_piece_into(token, &mut piece, false, None);
            tables.push(&piece, vocab.is_eog(token));
            let attrs = vocab.attr(token);
            if attrs.contains(LlamaTokenAttr::Control) || attrs.contains(LlamaTokenAttr::Unknown) {
                let text = vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
                tables.push_control(Control {
                    text,
                    token: token.0.cast_unsigned(),
                    strips_before: attrs.contains(LlamaTokenAttr::LStrip),
                    strips_after: attrs.contains(LlamaTokenAttr::RStrip),
                });
            }
        }
        let text_of =
            |token: LlamaToken| vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        let bos = vocab.bos();
        tables.bos = (bos.0 >= 0).then(|| (bos.0.cast_unsigned(), text_of(bos)));
        tables.eos_text = if vocab.eos().0 >= 0 { text_of(vocab.eos()) } else { String::new() };
        tables.adds_bos = vocab.should_add_bos();
        tables
    }

    /// Appends the tokens of plain text: nothing in it becomes a control token. Long text is cut, before a space where there is one.
    pub(crate) fn tokenise_plain(&self, text: &str, tokens: &mut Vec<u32>) {
        let vocab = self.model.vocab();
        for piece in pieces(text, TOKENISE_BYTES_MAX) {
            tokens.extend(vocab.tokenize(piece.as_bytes(), false, false).iter().map(|token| token.0.cast_unsigned()));
        }
    }
}

/// Cuts `text` into pieces of at most `bytes_max`, before a space if one is in the second half of the piece.
pub(crate) fn pieces(text: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.floor_char_boundary(bytes_max);
        let (head, _) = rest.split_at_checked(end)?;
        let cut = if end == rest.len() { end } else { head.rfind(' ').filter(|at| *at > end / 2).unwrap_or(end) };
        let (piece, after) = rest.split_at_checked(cut)?;
        rest = after;
        Some(piece)
    })
}

/// A context and the batch it is fed with.
pub(crate) struct LlamaKernel<'m> {
    context: LlamaContext<'m>,
    batch: LlamaBatch<'m>,
}

impl LlamaKernel<'_> {
    /// Cells of the pool.
    pub(crate) fn kv_tokens(&self) -> usize {
        self.context.n_ctx() as usize
    }
}

impl Kernel for LlamaKernel<'_> {
    fn decode(&mut self, rows: &[Row]) -> Result<(), StepError> {
        self.batch.clear();
        for row in rows {
            let token = LlamaToken::new(row.token.cast_signed());
            self.batch
                .add(token, row.position.cast_signed(), &[row.sequence.cast_signed()], row.wants_logits)
                .map_err(|_| StepError::Failed)?;
        }
        self.context.decode(&mut self.batch).map_err(|error| match error {
            DecodeError::NoKvCacheSlot => StepError::Full,
            _ => StepError::Failed,
        })
    }

    fn logits(&self, row: usize) -> &[f32] {
        i32::try_from(row).map_or(&[], |row| self.context.get_logits_ith(row))
    }

    fn share(&mut self, from: u32, to: u32, len: u32) {
        // Fails only for positions beyond i32, which no context has.
        let _ = self.context.copy_kv_cache_seq(from.cast_signed(), to.cast_signed(), Some(0), Some(len));
    }

    fn remove(&mut self, sequence: u32) {
        let _ = self.context.clear_kv_cache_seq(Some(sequence), None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn pieces_are_the_text_and_prefer_to_end_before_a_space() {
        let text = "春天 in the garden, a long word".repeat(9);
        for bytes_max in 8..40 {
            let cut: Vec<&str> = pieces(&text, bytes_max).collect();
            assert_eq!(cut.concat(), text);
            assert!(cut.iter().all(|piece| !piece.is_empty() && piece.len() <= bytes_max));
        }
        assert_eq!(pieces("one two three", 9).collect::<Vec<_>>(), ["one two", " three"]);
    }
}
