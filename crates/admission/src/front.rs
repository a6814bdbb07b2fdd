//! Those who were lifted to the least service, in the order in which they are next.
//!
//! Lifting makes many equal. Among equals, whoever has attained less in fact goes first (in steps of two), then who came first. Came
//! first alone would be a race, which a flood wins: it always has somebody at the door when a place falls vacant.

use crate::pace::{to_f64, to_u64};

/// Steps of attained service: below 64 tokens, then twice as wide each.
const STEPS: usize = LAST_STEP as usize + 1;

const LAST_STEP: u8 = 15;

const FIRST_STEP_TOKENS: f64 = 64.0;

/// The step of an attained service, in tokens of now.
pub(crate) fn step_of(tokens: f64) -> u8 {
    let steps = (tokens / FIRST_STEP_TOKENS).max(0.5).log2() + 1.0;
    u8::try_from(to_u64(steps)).unwrap_or(u8::MAX).min(LAST_STEP)
}

/// A place in front: a step, and a number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    step: u8,
    number: u32,
}

/// How many came to each step, and how many are gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Front {
    steps: [(u32, u32); STEPS],
}

impl Front {
    pub(crate) fn join(&mut self, step: u8) -> Option<Place> {
        let (came, _) = self.steps.get_mut(usize::from(step))?;
        let number = *came;
        *came = came.wrapping_add(1);
        Some(Place { step, number })
    }

    /// Takes the place away, if there is one.
    pub(crate) fn leave(&mut self, place: &mut Option<Place>) {
        if let Some(Place { step, .. }) = place.take()
            && let Some((_, gone)) = self.steps.get_mut(usize::from(step))
        {
            *gone = gone.wrapping_add(1);
        }
    }

    /// How many stand before a place; about, as some leave from the middle.
    pub(crate) fn before(&self, place: Place) -> u64 {
        let gone = self.steps.get(usize::from(place.step)).map_or(0, |(_, gone)| *gone);
        // A number that was passed while others left from behind it counts as next.
        let ahead = place.number.wrapping_sub(gone).cast_signed().max(0).unsigned_abs();
        self.up_to(usize::from(place.step)) + u64::from(ahead)
    }

    /// How many would stand before one who came now.
    pub(crate) fn before_new(&self, step: u8) -> u64 {
        self.up_to(usize::from(step) + 1)
    }

    pub(crate) fn len(&self) -> u64 {
        self.up_to(STEPS)
    }

    fn up_to(&self, steps: usize) -> u64 {
        self.steps.iter().take(steps).map(|(came, gone)| u64::from(came.wrapping_sub(*gone))).sum()
    }
}

/// One level of the queue, seen by one who asks how many start before it.
pub(crate) struct Level<'a> {
    pub(crate) front: &'a Front,
    /// The least service of who waits, scaled; `None` if nobody does.
    pub(crate) least: Option<f64>,
    /// How many wait, with the one who asks.
    pub(crate) size: u64,
    /// What a request is charged on average, scaled.
    pub(crate) charge: f64,
}

impl Level<'_> {
    /// An estimate from service, as a heap knows no ranks. A turn raises the least service by what a request is charged, shared by
    /// all who wait; so a lead in service is worth so many turns.
    pub(crate) fn rank(&self, waits: bool, place: Option<Place>, service: f64, step: u8) -> u64 {
        if let Some(place) = place.filter(|_| waits) {
            return self.front.before(place);
        }
        let lead = self.least.map_or(0.0, |least| (service - least).max(0.0));
        if lead > 0.0 || waits {
            let turns = to_u64(lead * to_f64(self.size) / self.charge.max(f64::MIN_POSITIVE));
            return turns.saturating_add(self.front.len());
        }
        // Who is next already may go first.
        self.front.before_new(step).max(u64::from(self.front.len() == 0 && self.size > 1))
    }
}
