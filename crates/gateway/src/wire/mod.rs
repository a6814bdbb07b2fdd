//! The words of the protocols: how requests are read and answers are written. No state, no I/O.

pub mod json;
pub mod openai;
pub mod parse;
