//! Who may start, in what order: a bounded, prioritised queue before a scarce resource, as a pure machine.
//!
//! The caller brings time, tickets and facts; out come *start*, *wait*, *refuse* and *revoke*. No clock, no waker, no semaphore, no
//! randomness but a seeded one: the gateway drives it in real time, the drill's world the same code in virtual time.
//!
//! What must stay true: no member is refused for want of room while strangers hold more than their share or a place in the queue;
//! a cohort weighs as one; every queue and table has a bound; a decision takes O(log n).

mod buckets;
mod crowd;
mod door;
mod fair;
mod front;
mod heap;
mod heavy;
mod list;
mod machine;
mod pace;
mod room;
mod share;
mod slice;
mod table;
mod ticket;
mod types;
mod usual;

#[cfg(feature = "baselines")]
pub mod baseline;
pub mod cohort;
pub mod controller;
pub mod lane;
pub mod prefill;

#[cfg(test)]
mod tests;

pub use buckets::{Buckets, Rate};
pub use crowd::Crowd;
pub use machine::Machine;
pub use share::{Dimensions, Revocation, Share, Shares};
pub use types::{
    AccountKey, Capacity, Cause, CohortId, Decision, Grant, Group, GroupState, Limits, Offer, Refusal, Snapshot,
    TicketId, Verdict,
};
