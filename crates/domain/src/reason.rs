//! The closed set of reason codes: the same word in answer, metric, log, console and drill report.

use crate::UnknownWord;
use crate::posture::words;

/// Why a request was refused. HTTP knows the status of each (`gateway::refusal`), this crate does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ReasonCode {
    /// The body is no JSON, or no form.
    BadJson,
    /// A field is missing or out of range; `param` names it.
    BadParameter,
    /// Prompt and answer do not fit the model's context.
    ContextLengthExceeded,
    /// The key is not one of ours, or revoked, or expired.
    InvalidApiKey,
    /// No session.
    NotSignedIn,
    /// Name or password wrong; never says which.
    InvalidCredentials,
    /// The account's or key's budget is spent.
    BudgetExhausted,
    /// Known, but this is not theirs to do.
    NotAllowed,
    /// A proof of work is due.
    ChallengeRequired,
    /// A second factor is due.
    SecondFactorRequired,
    /// Registration is closed now.
    RegistrationClosed,
    /// No such thing, or not theirs.
    NotFound,
    /// No engine serves that model.
    ModelNotFound,
    /// The name belongs to somebody.
    NameTaken,
    /// The body is over its limit.
    TooLarge,
    /// About you: too many in a time.
    TooManyRequests,
    /// About you: too many at once.
    TooManyInFlight,
    /// A broken invariant; logged with its chain.
    Internal,
    /// About us: full.
    Overloaded,
    /// About us: the engine is down.
    EngineUnavailable,
    /// About us: the model is being loaded.
    EngineStarting,
    /// About us: the engine went down while it answered.
    EngineRestarted,
    /// About us: the store takes no writes.
    StorageUnavailable,
    /// About us: shutting down.
    Draining,
}

words!(
    ReasonCode,
    "reason code",
    BadJson = "bad_json",
    BadParameter = "bad_parameter",
    ContextLengthExceeded = "context_length_exceeded",
    InvalidApiKey = "invalid_api_key",
    NotSignedIn = "not_signed_in",
    InvalidCredentials = "invalid_credentials",
    BudgetExhausted = "budget_exhausted",
    NotAllowed = "not_allowed",
    ChallengeRequired = "challenge_required",
    SecondFactorRequired = "second_factor_required",
    RegistrationClosed = "registration_closed",
    NotFound = "not_found",
    ModelNotFound = "model_not_found",
    NameTaken = "name_taken",
    TooLarge = "too_large",
    TooManyRequests = "too_many_requests",
    TooManyInFlight = "too_many_in_flight",
    Internal = "internal",
    Overloaded = "overloaded",
    EngineUnavailable = "engine_unavailable",
    EngineStarting = "engine_starting",
    EngineRestarted = "engine_restarted",
    StorageUnavailable = "storage_unavailable",
    Draining = "draining"
);

impl ReasonCode {
    /// Position in [`ReasonCode::ALL`], for tables of counters.
    pub const fn index(self) -> usize {
        self as usize
    }
}
