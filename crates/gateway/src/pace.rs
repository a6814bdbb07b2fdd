//! Paced refusals: a stranger who keeps asking for what is refused is answered ever later.
//!
//! An attacker in a closed loop asks as fast as it is answered: an answer that comes five seconds later costs it five seconds and us a
//! place in a table. Who is held is a connection that was refused before, or a source that was (a new connection for each try gains
//! nothing); the first refusal is always told at once, and a member's is never held. An unbounded tarpit would be the opposite of a
//! defence: it fills up, and then it is us who wait. So the places are few, and when they are taken the greediest loses its own, then the
//! one that was held longest: it is told its refusal and its connection is closed.
//!
//! What must stay true: nothing here allocates by what a caller says; the table of sources is of one size and forgets by itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rempart_domain::{Millis, ReasonCode};
use tokio::sync::Notify;

use crate::ctx::Source;

/// Slots of the table of sources. Two sources that meet in one share its count: a refusal comes a little late.
const SOURCES: usize = 16_384;

/// A source's count halves in this time without a refusal.
const HALF_LIFE_MS: u64 = 2_000;

/// The second refusal in a row waits this long, each next twice as long.
const FIRST_DELAY_MS: u64 = 125;

/// A source's count up to here is anybody's: a page with a few dead links, two people behind one address.
const SOURCE_FREE: u32 = 4;

/// A source's count above here is nobody's mistake any more.
const SOURCE_NOISY: u32 = 16;

/// What became of a refusal that was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Its time is over: it is told.
    ToTheEnd,
    /// Its place was needed: it is told, and its connection ends.
    Dropped,
}

/// The places, and who was refused lately.
#[derive(Debug)]
pub(crate) struct Pacer {
    places: Mutex<Places>,
    places_max: usize,
    delay_max_ms: u64,
    sources: Box<[AtomicU64]>,
    key: u64,
}

#[derive(Debug, Default)]
struct Places {
    /// By greed, then by who came first (the larger number is the earlier): the last is dropped first.
    held: BTreeMap<(u32, u64), Arc<Notify>>,
    next: u64,
}

/// A place, given back on drop.
struct Place<'a> {
    pacer: &'a Pacer,
    key: (u32, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pacer.places().held.remove(&self.key);
    }
}

impl Pacer {
    /// `key` hides which sources meet.
    pub(crate) fn new(places_max: u64, delay_max_ms: u64, key: u64) -> Self {
        Self {
            places: Mutex::default(),
            places_max: usize::try_from(places_max).unwrap_or(usize::MAX).max(1),
            delay_max_ms,
            sources: (0..SOURCES).map(|_| AtomicU64::new(0)).collect(),
            key,
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refusals held now.
    pub(crate) fn held(&self) -> usize {
        self.places().held.len()
    }

    /// Counts a refusal of a source; how many it had lately, this one included.
    pub(crate) fn count(&self, source: Source, now: Millis) -> u32 {
        let Some(cell) = self.slot(source) else { return 1 };
        let at = u32::try_from(now.0 / 64).unwrap_or(u32::MAX);
        let mut count = 1;
        // Two at once may count as one; nothing hangs on it.
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let half = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
            let (seen, before) = (half(word >> 32), half(word));
            let halvings = u64::from(at.saturating_sub(seen)) * 64 / HALF_LIFE_MS;
            count = before.checked_shr(u32::try_from(halvings).unwrap_or(32)).unwrap_or(0).saturating_add(1);
            Some(u64::from(at) << 32 | u64::from(count))
        });
        count
    }

    /// True if a source was refused more often lately than anybody is by mistake.
    pub(crate) fn is_noisy(&self, source: Source, now: Millis) -> bool {
        let word = self.slot(source).map_or(0, |cell| cell.load(Ordering::Relaxed));
        let (seen, count) = (word >> 32, word & 0xffff_ffff);
        let halvings = (now.0 / 64).saturating_sub(seen) * 64 / HALF_LIFE_MS;
        count.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0) > u64::from(SOURCE_NOISY)
    }

    fn slot(&self, source: Source) -> Option<&AtomicU64> {
        self.sources.get(usize::try_from(mix(source.bits() ^ self.key)).unwrap_or(0) % SOURCES)
    }

    /// How long a refusal is held: by how often this connection was refused in a row, and its source lately.
    pub(crate) fn delay(&self, in_a_row: u32, of_source: u32) -> Duration {
        let steps = in_a_row.saturating_sub(1).max(of_source.saturating_sub(SOURCE_FREE));
        if steps == 0 {
            return Duration::ZERO;
        }
        let ms = FIRST_DELAY_MS.checked_shl(steps - 1).unwrap_or(u64::MAX);
        Duration::from_millis(ms.min(self.delay_max_ms))
    }

    /// Holds a refusal for its time, or until its place is needed for somebody less greedy.
    pub(crate) async fn hold(&self, greed: u32, delay: Duration) -> Held {
        let dropped = Arc::new(Notify::new());
        let place = {
            let mut places = self.places();
            let key = (greed, u64::MAX - places.next);
            places.next += 1;
            if places.held.len() >= self.places_max {
                match places.held.last_entry() {
                    Some(last) if *last.key() > key => last.remove().notify_one(),
                    _ => return Held::Dropped,
                }
            }
            places.held.insert(key, Arc::clone(&dropped));
            Place { pacer: self, key }
        };
        let held = tokio::select! {
            () = tokio::time::sleep(delay) => Held::ToTheEnd,
            () = dropped.notified() => Held::Dropped,
        };
        drop(place);
        held
    }
}

/// Refusals that are worth asking for again to nobody but an attacker. What leads on (a challenge, a second factor, a form's fault) is
/// told at once.
pub(crate) const fn is_paced(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::InvalidApiKey
            | ReasonCode::InvalidCredentials
            | ReasonCode::BudgetExhausted
            | ReasonCode::NotAllowed
            | ReasonCode::RegistrationClosed
            | ReasonCode::NotFound
            | ReasonCode::TooManyRequests
            | ReasonCode::TooManyInFlight
            | ReasonCode::Overloaded
    )
}

/// splitmix64's finaliser.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    fn source(last: u8) -> Source {
        Source::of(std::net::IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn the_first_is_told_at_once_and_each_next_twice_as_late() {
        let pacer = Pacer::new(8, 5_000, 1);
        let delays: Vec<u128> = (1..9).map(|n| pacer.delay(n, n).as_millis()).collect();
        assert_eq!(delays, [0, 125, 250, 500, 1_000, 2_000, 4_000, 5_000]);
    }

    #[test]
    fn a_source_that_comes_anew_for_each_try_gains_nothing() {
        let pacer = Pacer::new(8, 5_000, 1);
        let mut last = 0;
        for _ in 0..20 {
            last = pacer.count(source(1), Millis(1_000));
        }
        assert_eq!(pacer.delay(1, last).as_millis(), 5_000);
        assert_eq!(pacer.delay(1, pacer.count(source(2), Millis(1_000))).as_millis(), 0);
        assert!(pacer.is_noisy(source(1), Millis(1_000)) && !pacer.is_noisy(source(2), Millis(1_000)));
        assert!(!pacer.is_noisy(source(1), Millis(21_000)));
        let later = pacer.count(source(1), Millis(61_000));
        assert_eq!(pacer.delay(1, later).as_millis(), 0, "and it is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_few_and_the_greediest_then_the_oldest_loses_its_own() {
        let pacer = Arc::new(Pacer::new(3, 5_000, 1));
        let hold = |greed: u32| {
            let pacer = Arc::clone(&pacer);
            async move { pacer.hold(greed, LONG).await }
        };
        let mut first = Box::pin(hold(5));
        let mut second = Box::pin(hold(5));
        let mut third = Box::pin(hold(2));
        for held in [&mut first, &mut second, &mut third] {
            assert!(futures_util::poll!(held.as_mut()).is_pending());
        }
        assert_eq!(hold(9).await, Held::Dropped, "greedier than all");
        let mut fourth = Box::pin(hold(3));
        assert!(futures_util::poll!(fourth.as_mut()).is_pending());
        assert_eq!(first.await, Held::Dropped, "of two alike the one held longest");
        assert_eq!(pacer.held(), 3);
        assert_eq!(futures_util::join!(second, third, fourth), (Held::ToTheEnd, Held::ToTheEnd, Held::ToTheEnd));
        assert_eq!(pacer.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_gives_its_place_back() {
        let pacer = Pacer::new(1, 5_000, 1);
        let mut held = Box::pin(pacer.hold(1, LONG));
        assert!(futures_util::poll!(held.as_mut()).is_pending());
        drop(held);
        assert_eq!(pacer.held(), 0);
    }
}
