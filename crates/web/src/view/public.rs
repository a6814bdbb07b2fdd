//! Views that anybody may see: refusals and the status page.

use rempart_domain::{GateLevel, Posture, ReasonCode, UnixSeconds};

/// A refusal as a page: what happened, what it means for you, what to do, how long.
#[derive(Debug, Clone, Copy)]
pub struct RefusalView<'a> {
    /// Why.
    pub reason: ReasonCode,
    /// HTTP status, shown small.
    pub status: u16,
    /// The value of `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    /// The same id as in `x-request-id`.
    pub request_id: &'a str,
}

/// Whether a part of the service works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceState {
    /// As it should.
    #[default]
    Works,
    /// Starting, or a model is being loaded.
    Starting,
    /// With limits; the page says which.
    Limited,
    /// Not.
    Down,
}

/// `/status`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatusView {
    /// When these states were read.
    pub checked: UnixSeconds,
    /// Signing in.
    pub sign_in: ServiceState,
    /// Registering.
    pub registration: ServiceState,
    /// How far the gate is closed.
    pub gate: GateLevel,
    /// Getting answers, in the chat and by the API.
    pub answers: ServiceState,
    /// Keeping conversations.
    pub storage: ServiceState,
    /// The declared state.
    pub posture: Posture,
}
