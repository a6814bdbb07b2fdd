//! One line of the queue: cohorts in the order of their turns, of equal turns the one whose oldest place is of an older minute, a draw in a
//! minute. So those who keep coming from ever other networks are behind whoever came a minute before them.
//!
//! A cohort that comes to an empty place starts at the line's round, not at zero: waiting elsewhere earns nothing (the lift rule of fair
//! queueing). What must stay true: all but [`Line::measure`] cost the logarithm of the cohorts; a cohort nobody waits in is forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::gate::control::{to_f64, to_whole};

/// Rounds that positions are tabulated for; what lies beyond is the end of the line.
const ROUNDS_MAX: u64 = 65_536;

/// Cohorts that join are averaged over about so many seconds.
const JOINING_S: f64 = 6.0;

#[derive(Debug, Default)]
pub(super) struct Line {
    cohorts: HashMap<u32, Cohort>,
    /// By turns, by their oldest minute, then by a salt that changes with each turn.
    order: BTreeSet<(u64, u32, u64, u32)>,
    len: usize,
    /// The turns of the cohort that went last.
    round: u64,
    /// How many are let in until a round ends, from the round of the last measure on.
    until_round: Vec<u64>,
    measured_round: u64,
    /// Of each turn and minute: how many cohorts go before in the same round, and how many there are. As of the last measure.
    heads: BTreeMap<(u64, u32), (u64, u64)>,
    /// As of the last measure.
    largest: Option<u32>,
    /// Cohorts that joined a second, and since the last count.
    joining: f64,
    joined: u32,
}

/// Whom somebody of a line has before them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    /// So many are let in until it is their turn, them included.
    pub(super) position: u64,
    /// So many a second come to stand before them while their minute goes on.
    pub(super) overtaking: f64,
}

#[derive(Debug)]
struct Cohort {
    turns: u64,
    /// The oldest of `minutes`.
    minute: u32,
    salt: u64,
    len: usize,
    minutes: BTreeMap<u32, Vec<u64>>,
}

impl Line {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, cohort: u32, minute: u32, id: u64, salt: u64) {
        let round = self.round;
        let order = &mut self.order;
        let entry = self.cohorts.entry(cohort).or_insert_with(|| {
            order.insert((round, minute, salt, cohort));
            Cohort { turns: round, minute, salt, len: 0, minutes: BTreeMap::new() }
        });
        if minute < entry.minute {
            order.remove(&(entry.turns, entry.minute, entry.salt, cohort));
            entry.minute = minute;
            order.insert((entry.turns, entry.minute, entry.salt, cohort));
        }
        entry.minutes.entry(minute).or_default().push(id);
        entry.len += 1;
        self.len += 1;
        self.joined = self.joined.saturating_add(u32::from(entry.len == 1));
    }

    /// Who was put back did not join just now.
    pub(super) fn forget_joined(&mut self) {
        self.joined = 0;
    }

    /// Counts who joined in the last `elapsed_s`: only a cohort of which nobody waited may go before others of its minute.
    pub(super) fn count_joined(&mut self, elapsed_s: f64) {
        let weight = 1.0 - (-elapsed_s / JOINING_S).exp();
        self.joining += weight * (f64::from(std::mem::take(&mut self.joined)) / elapsed_s - self.joining);
    }

    /// Takes out the next: of the cohort with the fewest turns, of its oldest minute, at random.
    pub(super) fn draw(&mut self, random: u64) -> Option<u64> {
        let (_, _, _, cohort) = *self.order.first()?;
        let oldest = *self.cohorts.get(&cohort)?.minutes.first_key_value()?.0;
        self.take(cohort, oldest, random)
    }

    /// Takes out somebody of the largest cohort's newest minute, if that cohort is larger than `cohort` will be.
    pub(super) fn displace(&mut self, cohort: u32, random: u64) -> Option<u64> {
        let largest = self.largest?;
        let own = self.cohorts.get(&cohort).map_or(0, |cohort| cohort.len);
        let target = self.cohorts.get(&largest).filter(|target| target.len > own + 1)?;
        let newest = *target.minutes.last_key_value()?.0;
        self.take(largest, newest, random)
    }

    fn take(&mut self, cohort: u32, minute: u32, random: u64) -> Option<u64> {
        let entry = self.cohorts.get_mut(&cohort)?;
        let ids = entry.minutes.get_mut(&minute)?;
        let index = usize::try_from(random % (ids.len() as u64).max(1)).unwrap_or(0);
        let id = (index < ids.len()).then(|| ids.swap_remove(index))?;
        if ids.is_empty() {
            entry.minutes.remove(&minute);
        }
        entry.len -= 1;
        self.len -= 1;
        let oldest = entry.minutes.first_key_value().map(|(minute, _)| *minute);
        if oldest != Some(entry.minute) {
            self.order.remove(&(entry.turns, entry.minute, entry.salt, cohort));
            if let Some(oldest) = oldest {
                entry.minute = oldest;
                self.order.insert((entry.turns, entry.minute, entry.salt, cohort));
            } else {
                self.round = self.round.max(entry.turns);
                self.cohorts.remove(&cohort);
            }
        }
        Some(id)
    }

    /// The cohort had a turn.
    pub(super) fn count_turn(&mut self, cohort: u32, salt: u64) {
        let Some(entry) = self.cohorts.get_mut(&cohort) else { return };
        self.order.remove(&(entry.turns, entry.minute, entry.salt, cohort));
        self.round = self.round.max(entry.turns);
        entry.turns += 1;
        entry.salt = salt;
        self.order.insert((entry.turns, entry.minute, entry.salt, cohort));
    }

    /// Makes the table that positions are read from.
    pub(super) fn measure(&mut self) {
        let round = self.order.first().map_or(self.round, |(turns, ..)| *turns);
        let last = self.cohorts.values().map(|cohort| cohort.turns - round + cohort.len as u64).max().unwrap_or(0);
        let rounds = usize::try_from(last.min(ROUNDS_MAX)).unwrap_or(0);
        // How many cohorts have somebody in a round: each counts from its own turns on, for as many rounds as wait in it.
        let mut steps = vec![0_i64; rounds + 2];
        let mut step = |at: u64, by: i64| {
            let at = usize::try_from(at).unwrap_or(usize::MAX).min(rounds + 1);
            if let Some(step) = steps.get_mut(at) {
                *step += by;
            }
        };
        for cohort in self.cohorts.values() {
            let from = cohort.turns - round;
            step(from, 1);
            step(from + cohort.len as u64, -1);
        }
        let (mut here, mut sum) = (0_i64, 0_u64);
        let ends = steps.into_iter().map(|by| {
            here += by;
            sum += here.unsigned_abs();
            sum
        });
        self.until_round = ends.take(rounds).collect();
        self.measured_round = round;
        self.heads.clear();
        let mut before = (round, 0);
        for (turns, minute, ..) in &self.order {
            if before.0 != *turns {
                before = (*turns, 0);
            }
            self.heads.entry((*turns, *minute)).or_insert((before.1, 0)).1 += 1;
            before.1 += 1;
        }
        self.largest = self.cohorts.iter().max_by_key(|(id, cohort)| (cohort.len, **id)).map(|(id, _)| *id);
    }

    /// About how many of this line are let in until it is the turn of somebody of that cohort and minute.
    ///
    /// Who stands first of a cohort that is alone in it has drawn their place in the minute already: it is the salt's share of the cohorts
    /// they are drawn with. Of a minute that a cohort shares half go first, as far as one can know.
    pub(super) fn ahead(&self, cohort: u32, minute: u32) -> Ahead {
        let all = (self.len as u64).max(1);
        let last = Ahead { position: all, overtaking: self.joining };
        let Some(entry) = self.cohorts.get(&cohort) else { return last };
        let older: usize = entry.minutes.range(..minute).map(|(_, ids)| ids.len()).sum();
        let same = entry.minutes.get(&minute).map_or(1, Vec::len);
        let rank = older as u64 + (same as u64).div_ceil(2);
        let ahead = entry.turns.saturating_sub(self.measured_round);
        let Ok(round) = usize::try_from(ahead + rank - rank.min(1)) else { return last };
        let Some(end) = self.until_round.get(round).copied() else { return last };
        let begin = round.checked_sub(1).and_then(|before| self.until_round.get(before)).copied().unwrap_or(0);
        let is_head = rank == 1 && minute <= entry.minute;
        // The first of a cohort stand in their round by minutes, then by their draw; of others of its minutes are not known yet.
        let share = if same == 1 { to_f64(entry.salt >> 11) / to_f64(1 << 53) } else { 0.5 };
        let (place, overtaken) = if is_head {
            let (before, count) = self.heads_of(entry.turns, minute);
            (before + to_whole((to_f64(count) * share).ceil()).max(1), share)
        } else {
            ((end - begin).div_ceil(2), 1.0)
        };
        Ahead { position: (begin + place).clamp(1, all), overtaking: self.joining * overtaken }
    }

    /// Of those with as many turns: cohorts of older minutes, and of this one. A minute that began after the last measure has none yet.
    fn heads_of(&self, turns: u64, minute: u32) -> (u64, u64) {
        match self.heads.range((turns, 0)..=(turns, minute)).next_back() {
            Some((&(_, found), &heads)) if found == minute => heads,
            Some((_, &(before, count))) => (before + count, 1),
            None => (0, 1),
        }
    }
}
