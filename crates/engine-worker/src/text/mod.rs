//! From logits to text: choosing a token, keeping JSON whole, keeping characters whole, watching for stop texts. All pure.

pub(crate) mod json;
pub(crate) mod sampler;
pub(crate) mod stop;
pub(crate) mod utf8;
