//! What a request may cost and what it did cost: reserve before, true up while it streams, settle after.
//!
//! The caller brings time and facts; nothing here waits or asks a clock. One [`Meter`] is one table; a driver puts it behind a lock.
//!
//! What must stay true: a budget is checked and held in one step, so parallel requests together never spend more than it; what was
//! held is given back exactly once; the sum of charges is the sum of usage; the table has a bound.

mod budget;
mod caps;
mod meter;
mod predictor;
mod price;
mod window;

#[cfg(test)]
mod tests;

pub use budget::{Budget, BudgetError, Payer, Reservation};
pub use caps::{Caps, caps};
pub use meter::{Hold, Limits, Meter, Rates, Spent};
pub use predictor::Predictor;
pub use price::{PRICE_MAX, Prices};
pub use window::{Moment, RateWindow};
