//! What an account may spend, by band: the table of `metering` with the operator's numbers in it.

use rempart_domain::{Band, Standing};
use rempart_metering::Budget;

use crate::Limits;

/// Budgets by band, resolved once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budgets([Budget; 5]);

impl Budgets {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(std::array::from_fn(|index| {
            let band = Standing::ALL.get(index).copied().unwrap_or_default();
            of_band(limits, band)
        }))
    }

    /// Of a band.
    pub(crate) fn of(&self, band: Band) -> Budget {
        self.0.get(usize::from(band.to_u8())).copied().unwrap_or(Budget::of_band(band))
    }
}

fn of_band(limits: &Limits, band: Band) -> Budget {
    let at_once = |most: u64| Some(u32::try_from(most).unwrap_or(u32::MAX));
    let base = Budget::of_band(band);
    match band {
        Standing::Trusted | Standing::Member => Budget {
            requests_per_minute: Some(limits.requests_per_minute_member),
            tokens_per_minute: Some(limits.tokens_per_minute_member),
            in_flight: at_once(limits.in_flight_per_account),
            ..base
        },
        Standing::Newcomer => Budget {
            requests_per_day: Some(limits.requests_per_day_newcomer),
            tokens_per_day: Some(limits.tokens_per_day_newcomer),
            requests_per_minute: Some(limits.requests_per_minute_newcomer),
            tokens_per_minute: Some(limits.tokens_per_minute_newcomer),
            in_flight: at_once(limits.in_flight_newcomer),
            ..base
        },
        Standing::Visitor | Standing::Suspended => base,
    }
}
