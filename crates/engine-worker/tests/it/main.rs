#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
//! The embedded engine with the real worker and a real model: `REMPART_TEST_MODEL` names a GGUF file of SmolLM2-135M-Instruct,
//! `REMPART_TEST_DEEPSEEK` one written by `tests/tools/make_deepseek2_gguf.py`. Without them each test says so and passes.

mod answers;
mod deepseek;
mod harness;
mod life;
