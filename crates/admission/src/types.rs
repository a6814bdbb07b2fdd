//! What goes into the machine and what comes out. Shapes only: the order of service is decided in `machine`.

use rempart_domain::sabotage::{Sabotage, breaks};
use rempart_domain::{Band, Millis, Posture, ReasonCode, TokenCount};

use crate::share::Shares;

/// A request for the resource, named by the caller; used once, until it was released, cancelled or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketId(pub u64);

/// What look-alikes share (registration minute, network, fingerprint, …), folded into a number by the caller. A cohort weighs as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CohortId(pub u64);

/// Who pays: an account, or a source of visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey(pub u64);

impl AccountKey {
    /// A member weighs for itself: its own cohort.
    pub const fn own_cohort(self) -> CohortId {
        CohortId(self.0)
    }
}

/// Bands that stand in one line. Strict order: nobody of a later group starts while one of an earlier group waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Group {
    /// `trusted` and `member`: whom the reserve is for.
    Members = 0,
    /// Of the same, while an incident is open: what is many times as much as members usually ask. Told with the members.
    Heavy = 1,
    /// `newcomer`.
    Newcomers = 2,
    /// `visitor`.
    Visitors = 3,
}

impl Group {
    /// As they are told outside, in strict order.
    pub const ALL: [Self; 3] = [Self::Members, Self::Newcomers, Self::Visitors];

    /// Every line, in strict order.
    pub(crate) const LINES: [Self; 4] = [Self::Members, Self::Heavy, Self::Newcomers, Self::Visitors];

    /// The line a band stands in; `None` for the suspended, who are not served.
    pub fn of(band: Band) -> Option<Self> {
        match band {
            Band::Newcomer | Band::Visitor if breaks(Sabotage::Priority) => Some(Self::Members),
            Band::Trusted | Band::Member => Some(Self::Members),
            Band::Newcomer => Some(Self::Newcomers),
            Band::Visitor => Some(Self::Visitors),
            Band::Suspended => None,
        }
    }

    /// Position in [`Group::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Members | Self::Heavy => 0,
            Self::Newcomers => 1,
            Self::Visitors => 2,
        }
    }

    /// Whether it is members who stand in it.
    pub const fn is_members(self) -> bool {
        matches!(self, Self::Members | Self::Heavy)
    }
}

/// What the resource can hold at once. Every number is a dimension of its own: whichever binds first holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Generations at once.
    pub sequences: u32,
    /// Tokens of KV cache, shared by all of them.
    pub kv_tokens: u64,
    /// Prompt tokens at once between start and first byte: what the engine takes up within the time to first token that is promised
    /// (its prefill tokens a step times the steps of that time). One prompt alone always fits.
    pub prefill_tokens: u64,
}

impl Capacity {
    /// One dimension only: `permits` at once.
    pub const fn permits(permits: u32) -> Self {
        Self { sequences: permits, kv_tokens: u64::MAX, prefill_tokens: u64::MAX }
    }
}

/// The bounds of one machine. Each has a default and a refusal ([`Cause`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// What the resource holds.
    pub capacity: Capacity,
    /// How it is split, by posture.
    pub shares: Shares,
    /// Waiting at once, of one account.
    pub queue_len_per_account: u32,
    /// Waiting at once, of one cohort of strangers. Members' cohorts are bound by their accounts.
    pub queue_len_per_cohort: u32,
    /// Waiting at once, of one group.
    pub queue_len_per_group: u32,
    /// Waiting at once, all groups.
    pub queue_len_total: u32,
    /// Running and waiting at once, of one account, by group (members, newcomers, visitors).
    pub in_flight_per_account: [u32; 3],
    /// Accounts of one group whose attained service is remembered; the longest idle is forgotten first.
    pub accounts_remembered: u32,
    /// Longest wait promised in a `Retry-After`.
    pub retry_after_max: Millis,
    /// The engine reads one prompt after the other: from `guarded` on a stranger's must fit what it reads in a moment, or every member
    /// behind it would wait.
    pub prompts_are_whole: bool,
    /// In an incident a member's request that is so many times what members usually ask is heavy: see `usual`. 0: none is.
    pub heavy_times: u32,
    /// How long a member's waiter outlives its deadline while strangers are being revoked to make room for it.
    pub revocation_grace: Millis,
}

impl Limits {
    /// Defaults for a resource of this capacity.
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            shares: Shares::default(),
            queue_len_per_account: 4,
            queue_len_per_cohort: 64,
            queue_len_per_group: 4_096,
            queue_len_total: 8_192,
            in_flight_per_account: [16, 4, 2],
            accounts_remembered: 16_384,
            retry_after_max: Millis::from_secs(60),
            prompts_are_whole: false,
            heavy_times: 4,
            revocation_grace: Millis::from_secs(1),
        }
    }
}

/// A request that wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Chosen by the caller, unique among what is waiting or running.
    pub ticket: TicketId,
    /// Frozen standing.
    pub band: Band,
    /// Whom it weighs with.
    pub cohort: CohortId,
    /// Who pays.
    pub account: AccountKey,
    /// Upper bound of the prompt; [`crate::Machine::true_up`] brings the exact number.
    pub input: TokenCount,
    /// Most tokens of answer: the client's `max_tokens` under the band's cap.
    pub output_cap: TokenCount,
    /// What the account's answers usually stay under (its p90, from `metering`); `output_cap` if nothing is known.
    pub output_expected: TokenCount,
    /// Must have started by then.
    pub deadline: Millis,
}

/// The right to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// KV tokens reserved: `input + min(output_cap, output_expected)`.
    pub kv_reserved: u64,
    /// Strangers' prompts are taken up in slices of this many tokens a step, by engines that can; `None`: as fast as it goes.
    pub prefill_slice: Option<TokenCount>,
    /// How long it waited.
    pub waited: Millis,
    /// A member's, and many times what members usually ask: that it waited says nothing of how members are served.
    pub is_heavy: bool,
}

/// Why not, exactly: for the journal. Outside only `reason` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// The account has as many running and waiting as it may.
    AccountInFlight,
    /// The account has as many waiting as it may.
    AccountQueueFull,
    /// Its cohort has as many waiting as it may.
    CohortQueueFull,
    /// Its group's queue is full.
    GroupQueueFull,
    /// The whole queue is full, and nobody of lower standing waits.
    QueueFull,
    /// By the measured rate it cannot start before its deadline.
    TooLate,
    /// It waited to its deadline.
    Expired,
    /// It waited, and made room for somebody else.
    Shed,
    /// The posture serves nobody of its band.
    BandClosed,
    /// The posture serves no prompt of that length to its band.
    PromptTooLong,
    /// The account is suspended.
    Suspended,
    /// The caller used a ticket twice.
    TicketInUse,
}

impl Cause {
    /// The closed code told outside.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::AccountInFlight | Self::AccountQueueFull => ReasonCode::TooManyInFlight,
            Self::CohortQueueFull
            | Self::GroupQueueFull
            | Self::QueueFull
            | Self::TooLate
            | Self::Expired
            | Self::Shed
            | Self::BandClosed
            | Self::PromptTooLong => ReasonCode::Overloaded,
            Self::Suspended => ReasonCode::NotAllowed,
            Self::TicketInUse => ReasonCode::Internal,
        }
    }

    /// A word for the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountInFlight => "account_in_flight",
            Self::AccountQueueFull => "account_queue_full",
            Self::CohortQueueFull => "cohort_queue_full",
            Self::GroupQueueFull => "group_queue_full",
            Self::QueueFull => "queue_full",
            Self::TooLate => "too_late",
            Self::Expired => "expired",
            Self::Shed => "shed",
            Self::BandClosed => "band_closed",
            Self::PromptTooLong => "prompt_too_long",
            Self::Suspended => "suspended",
            Self::TicketInUse => "ticket_in_use",
        }
    }
}

/// A no, with when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Told outside.
    pub reason: ReasonCode,
    /// For the journal.
    pub cause: Cause,
    /// Computed from the measured rate and spread by a seeded jitter, so that the refused do not come back together.
    pub retry_after: Millis,
}

/// What becomes of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go. The ticket runs until [`crate::Machine::release`].
    Start(Grant),
    /// Waits; a later [`Decision`] says Start or Refuse, unless it is cancelled.
    Wait {
        /// 1 is next; an upper estimate, as accounts and cohorts take turns.
        position: u32,
        /// Estimated time to start, if a rate is known.
        eta: Option<Millis>,
    },
    /// No. The ticket is forgotten.
    Refuse(Refusal),
    /// It runs on borrowed capacity that a member needs now. Cancel it at the engine, then call `release`. Without a byte sent the
    /// same request may be offered again; with bytes sent it ends politely (`insufficient_system_resource`).
    Revoke {
        /// A byte has been sent.
        is_streaming: bool,
    },
}

/// A verdict for a ticket other than the one just offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whose.
    pub ticket: TicketId,
    /// What.
    pub verdict: Verdict,
}

/// What a group holds now, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupState {
    /// Waiting.
    pub queued: u32,
    /// Running.
    pub in_flight: u32,
    /// KV tokens reserved.
    pub kv_tokens: u64,
    /// Prompt tokens between start and first byte.
    pub prefill_tokens: u64,
    /// Running, revoked, not yet released.
    pub revoking: u32,
    /// Accounts remembered.
    pub accounts: u32,
}

impl GroupState {
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            queued: self.queued + other.queued,
            in_flight: self.in_flight + other.in_flight,
            kv_tokens: self.kv_tokens + other.kv_tokens,
            prefill_tokens: self.prefill_tokens + other.prefill_tokens,
            revoking: self.revoking + other.revoking,
            accounts: self.accounts + other.accounts,
        }
    }
}

/// The machine from outside, for metrics and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// What the resource holds.
    pub capacity: Capacity,
    /// The posture the shares come from.
    pub posture: Posture,
    /// By [`Group::index`].
    pub groups: [GroupState; 3],
    /// Of the members': what is many times as much as they usually ask, in a line of its own while an incident is open.
    pub heavy: GroupState,
}
