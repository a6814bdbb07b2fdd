//! The drill: what is promised, measured. One scenario file describes people, attackers, faults and promises; it runs in virtual time
//! over the product's own machines ([`world`]) and against the real binary on loopback ([`live`]), and the promises are judged alike.
//!
//! What must stay true: nothing here opens a socket to anything but a literal loopback address (`live::target` alone connects); the
//! same file and seed ask the same questions at the same moments in both ways of running.

pub mod live;
mod plan;
pub mod promises;
mod random;
pub mod report;
pub mod scenario;
pub mod tally;
pub mod world;
