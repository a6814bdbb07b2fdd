//! Answers on a fixed grid of time, so that how long an answer took does not tell whether an account exists.

use rempart_domain::Millis;

/// The smallest multiple of `grid` that is not before `now`; a grid of zero gives `now`.
pub const fn next_grid(now: Millis, grid: Millis) -> Millis {
    if grid.0 == 0 { now } else { Millis(now.0.div_ceil(grid.0).saturating_mul(grid.0)) }
}

/// A grid that starts at each request's arrival, so that answers of different callers do not leave in one burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeGrid {
    step: Millis,
}

impl TimeGrid {
    /// A grid of `step`; 250 ms suits sign-in (a hash takes a tenth of it).
    pub const fn new(step: Millis) -> Self {
        Self { step }
    }

    /// When to answer what arrived at `arrived` and was decided at `now`: the first step after arrival that has not passed.
    /// At least one whole step, so that a refusal without a hash and a verified password look alike.
    pub fn answer_at(self, arrived: Millis, now: Millis) -> Millis {
        let spent = now.since(arrived).0.max(1);
        arrived + next_grid(Millis(spent), self.step)
    }
}
