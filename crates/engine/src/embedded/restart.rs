//! When a worker that ended is started again; pure.
//!
//! What must stay true: the first restart is at once; a worker that keeps ending costs at most one start a second; 3 s of health
//! forget the past.

use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const HEALTHY_AFTER: Duration = Duration::from_secs(3);

/// Failures in a row, and what they cost.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    in_a_row: u32,
}

impl Restarts {
    /// The wait before the next start, after a life in which the worker answered for `served`.
    pub(super) fn wait_after(&mut self, served: Duration) -> Duration {
        if served >= HEALTHY_AFTER {
            self.in_a_row = 0;
        }
        let wait = match self.in_a_row {
            0 => Duration::ZERO,
            again => FIRST_WAIT.saturating_mul(1 << (again - 1).min(8)).min(LONGEST_WAIT),
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_at_once_then_doubling_to_a_second_until_health_returns() {
        let mut restarts = Restarts::default();
        let short = Duration::from_millis(300);
        let waits: Vec<u128> = (0..6).map(|_| restarts.wait_after(short).as_millis()).collect();
        assert_eq!(waits, [0, 200, 400, 800, 1000, 1000]);
        assert_eq!(restarts.wait_after(HEALTHY_AFTER), Duration::ZERO);
        assert_eq!(restarts.wait_after(short), FIRST_WAIT);
    }
}
