//! The ticket queue: who waits to register, and who is next. Pure.
//!
//! **Order.** Two lines: those who solved a challenge, and those who could not (no script); of five let in, one is of the second line if
//! somebody waits there. In a line the cohort goes next that had the fewest turns, of these one whose oldest place is of the oldest
//! minute; of a cohort somebody of its oldest minute, drawn at random. So racing within a minute gains nothing, and ten thousand from one network have one share.
//!
//! **Presence.** A place is carried by its holder ([`Place`], sealed); here is only who came by lately. Who is drawn and has not come by for
//! a while loses no place: it is forgotten here, comes back with its own minute, and is next. So nobody's turn is wasted on the absent.
//!
//! **Let in.** A turn is good for some minutes and some tries, one at a time, and once.
//!
//! What must stay true: every table has a bound; presenting a place costs a few look-ups however many wait; positions are read from a
//! table that a tick makes.

mod line;
mod snapshot;

use std::collections::{HashMap, VecDeque};

use rempart_domain::Millis;

use super::control::{to_f64, to_whole};
use super::place::Place;
use line::{Ahead, Line};

/// One turn of so many goes to those without a challenge.
const PLAIN_TURN: u64 = 5;

/// Absent ones passed over in a tick, at most.
const PASSED_MAX: usize = 1024;

/// Seconds of the rate that gather while nobody comes.
const BURST_S: f64 = 8.0;

/// The rate that a wait is computed with when nobody is let in: the true one is not known.
const RATE_FLOOR: f64 = 1.0 / 60.0;

/// Bounds of the queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Places remembered, both lines together.
    pub len_max: usize,
    /// Turns given out and not used.
    pub let_in_max: usize,
    /// Registrations let through at once after a quiet time.
    pub burst: f64,
    /// Who did not come by for so long is passed over.
    pub absent_after: Millis,
    /// How long a turn is good.
    pub turn_lasts: Millis,
    /// Tries of one turn.
    pub tries_max: u8,
    /// Used places remembered.
    pub used_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            len_max: 16_384,
            let_in_max: 4_096,
            burst: 30.0,
            absent_after: Millis(90_000),
            turn_lasts: Millis(600_000),
            tries_max: 12,
            used_max: 65_536,
        }
    }
}

/// Where somebody stands who shows a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InLine {
    /// It is their turn.
    LetIn,
    /// They wait: so many are let in before them, them included, and about when.
    Waits {
        /// From 1.
        position: u64,
        /// At the rate of now.
        eta: Millis,
    },
    /// An account was made with it.
    Used,
    /// No room even for one more; come again.
    Full,
}

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryEnd {
    /// An account was made: the place is used.
    Made,
    /// The name belongs to somebody: the same place is good for another name.
    NameTaken,
    /// Something else: the same place is good for another try.
    Failed,
}

#[derive(Debug, Clone, Copy)]
struct Spot {
    is_proved: bool,
    cohort: u32,
    minute: u32,
    seen: Millis,
    /// When its minute is over, and nobody comes any more who may be drawn before it.
    settles: Millis,
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    until: Millis,
    tries: u8,
    is_busy: bool,
    is_free_of_name: bool,
}

/// The queue.
#[derive(Debug)]
pub struct TicketQueue {
    limits: QueueLimits,
    proved: Line,
    plain: Line,
    spots: HashMap<u64, Spot>,
    turns: HashMap<u64, Turn>,
    used: HashMap<u64, ()>,
    used_order: VecDeque<u64>,
    /// Registrations that may pass now.
    credit: f64,
    rate: f64,
    at: Option<Millis>,
    draws: u64,
    random: u64,
    is_changed: bool,
}

impl TicketQueue {
    /// An empty queue; `seed` draws within minutes.
    pub fn new(limits: QueueLimits, seed: u64) -> Self {
        Self {
            limits,
            proved: Line::default(),
            plain: Line::default(),
            spots: HashMap::new(),
            turns: HashMap::new(),
            used: HashMap::new(),
            used_order: VecDeque::new(),
            credit: limits.burst,
            rate: 0.0,
            at: None,
            draws: 0,
            random: seed,
            is_changed: false,
        }
    }

    /// Who waits.
    pub fn len(&self) -> usize {
        self.spots.len()
    }

    /// True if nobody waits.
    pub fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    /// Turns given out and not used.
    pub fn turns(&self) -> usize {
        self.turns.len()
    }

    /// How long somebody would wait who came now.
    pub fn eta(&self) -> Millis {
        self.wait_of(self.spots.len() as u64)
    }

    /// Lets time pass at `rate` a second: turns end, others are given.
    pub fn tick(&mut self, now: Millis, rate: f64) {
        let elapsed_ms = self.at.map_or(0, |at| now.since(at).0);
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        self.rate = rate.max(0.0);
        if elapsed_ms > 0 {
            let elapsed_s = to_f64(elapsed_ms) / 1000.0;
            self.proved.count_joined(elapsed_s);
            self.plain.count_joined(elapsed_s);
        }
        // What gathered at a higher rate is not let in at a lower one.
        let most = if self.rate > 0.0 { (self.rate * BURST_S).min(self.limits.burst).max(1.0) } else { 0.0 };
        self.credit = (self.credit + self.rate * to_f64(elapsed_ms) / 1000.0).min(most);
        let before = self.turns.len();
        self.turns.retain(|_, turn| turn.is_busy || turn.until > now);
        self.is_changed |= self.turns.len() != before;
        let mut passed = 0;
        while self.credit >= 1.0 && self.turns.len() < self.limits.let_in_max && passed < PASSED_MAX {
            let Some((id, spot)) = self.draw() else { break };
            self.is_changed = true;
            if now.since(spot.seen) > self.limits.absent_after {
                passed += 1;
                continue;
            }
            self.count_turn(spot);
            self.credit -= 1.0;
            self.give_turn(id, now);
        }
        self.proved.measure();
        self.plain.measure();
    }

    /// True if somebody who met the level's demand may go through without a place: nobody waits, and the rate has room.
    pub fn try_pass(&mut self) -> bool {
        let may = self.spots.is_empty() && self.credit >= 1.0;
        if may {
            self.credit -= 1.0;
        }
        may
    }

    /// Somebody shows a place: an old one, or one just made.
    pub fn present(&mut self, now: Millis, place: &Place) -> InLine {
        if self.used.contains_key(&place.id) {
            return InLine::Used;
        }
        if self.turns.contains_key(&place.id) {
            return InLine::LetIn;
        }
        if place.flags.is_let_in {
            if self.turns.len() >= self.limits.let_in_max {
                return InLine::Full;
            }
            self.give_turn(place.id, now);
            return InLine::LetIn;
        }
        if let Some(spot) = self.spots.get_mut(&place.id) {
            spot.seen = now;
        } else if !self.insert(now, place) {
            return InLine::Full;
        }
        let Ahead { position, overtaking } = self.ahead(place);
        let left = self.spots.get(&place.id).map_or(Millis(0), |spot| spot.settles.since(now));
        InLine::Waits { position, eta: self.wait_in_minute(position, overtaking, left) }
    }

    /// Begins a try with a turn; false if there is none, one is going on, or there were too many.
    pub fn begin(&mut self, id: u64) -> bool {
        let most = self.limits.tries_max;
        let Some(turn) = self.turns.get_mut(&id).filter(|turn| !turn.is_busy && turn.tries < most) else {
            return false;
        };
        turn.is_busy = true;
        turn.tries += 1;
        true
    }

    /// Ends a try that was begun.
    pub fn end(&mut self, id: u64, end: TryEnd) {
        self.is_changed = true;
        if end == TryEnd::Made {
            self.turns.remove(&id);
            self.mark_used(id);
        } else if let Some(turn) = self.turns.get_mut(&id) {
            turn.is_busy = false;
            turn.is_free_of_name |= end == TryEnd::NameTaken;
        }
    }

    /// Whether a turn may be used for another name than it was taken for: its own belonged to somebody.
    pub fn is_free_of_name(&self, id: u64) -> bool {
        self.turns.get(&id).is_some_and(|turn| turn.is_free_of_name)
    }

    /// Marks a place as used up that needed no turn.
    pub fn mark_used(&mut self, id: u64) {
        while self.used_order.len() >= self.limits.used_max.max(1) {
            if let Some(oldest) = self.used_order.pop_front() {
                self.used.remove(&oldest);
            }
        }
        if self.used.insert(id, ()).is_none() {
            self.used_order.push_back(id);
        }
    }

    fn line(&mut self, is_proved: bool) -> &mut Line {
        if is_proved { &mut self.proved } else { &mut self.plain }
    }

    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn insert(&mut self, now: Millis, place: &Place) -> bool {
        let (is_proved, cohort) = (place.flags.is_proved, place.cohort);
        if self.spots.len() >= self.limits.len_max && !self.displace(is_proved, cohort) {
            return false;
        }
        let salt = self.next_random();
        let minute = place.minute();
        self.line(is_proved).insert(cohort, minute, place.id, salt);
        let settles = now + Millis::from_secs(u64::try_from(60 - place.issued.0.rem_euclid(60)).unwrap_or(60));
        self.spots.insert(place.id, Spot { is_proved, cohort, minute, seen: now, settles });
        self.is_changed = true;
        true
    }

    /// Makes room for one of a smaller cohort by forgetting one of the largest, newest first. Its holder may come again.
    fn displace(&mut self, is_proved: bool, cohort: u32) -> bool {
        let random = self.next_random();
        let displaced = self.line(is_proved).displace(cohort, random);
        displaced.is_some_and(|id| self.spots.remove(&id).is_some())
    }

    /// The next in order, taken out of its line; its cohort's turn is not counted yet.
    fn draw(&mut self) -> Option<(u64, Spot)> {
        let is_plain = (self.draws % PLAIN_TURN == PLAIN_TURN - 1 && self.plain.len() > 0) || self.proved.len() == 0;
        let random = self.next_random();
        let id = self.line(!is_plain).draw(random)?;
        let spot = self.spots.remove(&id)?;
        Some((id, spot))
    }

    fn count_turn(&mut self, spot: Spot) {
        self.draws += 1;
        let salt = self.next_random();
        self.line(spot.is_proved).count_turn(spot.cohort, salt);
    }

    fn give_turn(&mut self, id: u64, now: Millis) {
        let until = now + self.limits.turn_lasts;
        self.turns.insert(id, Turn { until, tries: 0, is_busy: false, is_free_of_name: false });
        self.is_changed = true;
    }

    fn ahead(&self, place: &Place) -> Ahead {
        let (own, other) =
            if place.flags.is_proved { (&self.proved, &self.plain) } else { (&self.plain, &self.proved) };
        let Ahead { position: before, overtaking } = own.ahead(place.cohort, place.minute());
        let others =
            if place.flags.is_proved { before / (PLAIN_TURN - 1) } else { before.saturating_mul(PLAIN_TURN - 1) };
        let position = before + others.min(other.len() as u64);
        // Who joins this line brings as many of the other's turns with them as those do who stand in it.
        Ahead { position, overtaking: overtaking * to_f64(position) / to_f64(before.max(1)) }
    }

    /// The wait of somebody before whom `overtaking` a second come to stand while their minute goes on for `left`.
    ///
    /// The line before them shrinks by the rest of the rate until it is gone; or the minute is over first, and then by all of it.
    fn wait_in_minute(&self, position: u64, overtaking: f64, left: Millis) -> Millis {
        let rate = self.rate.max(RATE_FLOOR);
        let position = to_f64(position);
        let over_s = (position + overtaking * to_f64(left.0) / 1000.0) / rate;
        let drawn_s = if rate > overtaking { position / (rate - overtaking) } else { f64::INFINITY };
        Millis::from_secs(to_whole(drawn_s.min(over_s).ceil()))
    }

    fn wait_of(&self, position: u64) -> Millis {
        let seconds = to_f64(position) / self.rate.max(RATE_FLOOR);
        Millis::from_secs(to_whole(seconds.ceil()))
    }
}
