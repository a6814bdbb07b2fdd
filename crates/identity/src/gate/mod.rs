//! The gate: how many newcomers come in, in what order, and what each must show first. Machinery only; the gateway speaks HTTP.
//!
//! `control` decides the level and the rate from figures; `challenge` sells places for work; `queue` keeps those who wait; `place` and
//! `invite` are what they hold in their hands, sealed like every ticket; `provenance` is what an account has in common with others; `share` keeps one network from taking what is meant for all.
//!
//! What must stay true: nothing here hashes a password, asks a database, writes or mails; `control` and `queue` are pure (data and `now`
//! in, verdict out, randomness from a seed); each table has a bound; what a stranger can order costs microseconds.

mod challenge;
mod control;
mod disposable;
mod invite;
mod place;
mod provenance;
mod queue;
mod share;
mod state;

pub use challenge::{
    CHALLENGE_BYTES_MAX, ChallengeError, ChallengeOptions, Challenges, EFFORTS, Now, Purpose, Shown, Unproved,
};
pub use control::{Control, ControlLimits, Override, Published, Readings, Source};
pub use disposable::is_disposable;
pub use invite::{InviteFields, open_invite, seal_invite};
pub use place::{Place, PlaceFlags};
pub use provenance::provenance;
pub use queue::{InLine, QueueLimits, TicketQueue, TryEnd};
pub use share::Shares;
pub use state::{GateState, OVERRIDE_SETTING};
