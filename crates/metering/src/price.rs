//! What an account's next request weighs: more for whoever lets engines work for nobody.
//!
//! A request costs a client a few hundred bytes and can cost an engine seconds. Whoever reads what it asked for pays the price of one.
//! Whoever leaves before its answer, or lets it pile up unread, pays for the next as if it were larger: up to [`PRICE_MAX`] times, by the
//! part of the engine's time that went to nobody. It fades as the account reads again.
//!
//! What must stay true: the table has one size; accounts that meet in a slot push each other out, never into each other's price.

use rempart_domain::{AccountId, Millis};

/// Accounts remembered.
const SLOTS: usize = 16_384;

/// The most that a request weighs.
pub const PRICE_MAX: f64 = 8.0;

/// What was seen this long ago counts half.
const HALF_LIFE_MS: f64 = 60_000.0;

/// Engine time under which nothing is judged, in milliseconds: a reader who closes a tab is none of our concern.
const JUDGED_FROM_MS: f64 = 500.0;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    account: u64,
    read_ms: f64,
    unread_ms: f64,
    at: Millis,
}

/// The table.
#[derive(Debug)]
pub struct Prices {
    slots: Vec<Slot>,
}

impl Default for Prices {
    fn default() -> Self {
        Self { slots: vec![Slot::default(); SLOTS] }
    }
}

impl Prices {
    /// An engine worked for an account; `is_read`: somebody took the answer.
    pub fn observe(&mut self, now: Millis, account: AccountId, engine: Millis, is_read: bool) {
        let Some(slot) = self.slot(account) else { return };
        let faded = if slot.account == account.bits() { fade(slot, now) } else { Slot::default() };
        let ms = number(engine.0);
        *slot = Slot {
            account: account.bits(),
            read_ms: faded.read_ms + if is_read { ms } else { 0.0 },
            unread_ms: faded.unread_ms + if is_read { 0.0 } else { ms },
            at: now,
        };
    }

    /// What its next request weighs: 1 to [`PRICE_MAX`].
    pub fn price(&mut self, now: Millis, account: AccountId) -> f64 {
        let Some(slot) = self.slot(account).filter(|slot| slot.account == account.bits()) else { return 1.0 };
        let Slot { read_ms, unread_ms, .. } = fade(slot, now);
        if unread_ms < JUDGED_FROM_MS {
            return 1.0;
        }
        1.0 + (PRICE_MAX - 1.0) * unread_ms / (read_ms + unread_ms)
    }

    fn slot(&mut self, account: AccountId) -> Option<&mut Slot> {
        let mixed = account.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = usize::try_from(mixed >> 20).unwrap_or(0) % SLOTS;
        self.slots.get_mut(at)
    }
}

fn fade(slot: &Slot, now: Millis) -> Slot {
    let part = (-number(now.since(slot.at).0) / HALF_LIFE_MS).exp2();
    Slot { read_ms: slot.read_ms * part, unread_ms: slot.unread_ms * part, ..*slot }
}

#[allow(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
const fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVE: AccountId = AccountId::from_bits(7);

    #[test]
    fn whoever_reads_pays_once_and_whoever_never_does_pays_the_most() {
        let mut prices = Prices::default();
        for n in 0..10 {
            prices.observe(Millis(n * 100), EVE, Millis(1_000), true);
        }
        assert!((prices.price(Millis(1_000), EVE) - 1.0).abs() < 0.001);
        let mut prices = Prices::default();
        for n in 0..10 {
            prices.observe(Millis(n * 100), EVE, Millis(1_000), false);
        }
        assert!((prices.price(Millis(1_000), EVE) - PRICE_MAX).abs() < 0.001);
        prices.observe(Millis(1_000), EVE, Millis(10_000), true);
        let half = prices.price(Millis(1_000), EVE);
        assert!(half > 4.0 && half < 5.0, "{half}");
    }

    #[test]
    fn a_tab_that_was_closed_is_forgiven_and_everything_is_forgotten() {
        let mut prices = Prices::default();
        prices.observe(Millis(0), EVE, Millis(400), false);
        assert!((prices.price(Millis(0), EVE) - 1.0).abs() < 0.001);
        prices.observe(Millis(0), EVE, Millis(4_000), false);
        assert!(prices.price(Millis(0), EVE) > 7.0);
        assert!((prices.price(Millis(300_000), EVE) - 1.0).abs() < 0.001);
    }
}
