//! What the gateway hands to each page: plain values, already authorised; nothing here looks anything up.

pub(crate) mod account;
pub(crate) mod chart;
pub(crate) mod chat;
pub(crate) mod console;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod public;
pub(crate) mod security;
