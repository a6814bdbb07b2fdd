//! Is somebody trying passwords over many accounts? Told from counts in sketches, within seconds, keeping neither name nor password.
//!
//! Three ways of telling, each over unknown devices only:
//! - *fast*: in five seconds many more attempts than on a quiet day, over many accounts, and most of them are not right (a crowd of people
//!   who come back at once is no spraying: their passwords are right);
//! - *steady*: in a minute, wrong passwords over many accounts, hardly a right one among them;
//! - *slow*: in ten minutes the same password, wrong, at a dozen accounts, however slowly.
//!
//! It is over after a minute without any of them. What is seen while it lasts does not teach what a quiet day is.

use rempart_domain::Millis;

/// Seconds that are told apart.
const SLOTS: usize = 64;
/// Bits of a second's sketch of accounts (linear counting: Whang et al., 1990).
const BITS: usize = 1024;
const WORDS: usize = BITS / 64;
/// Cells of the sketch of passwords, 64 bits each: half a MiB for both halves of ten minutes.
const PASSWORD_CELLS: usize = 32_768;
/// Half of the time over which the same password is looked for.
const HALF_WINDOW: Millis = Millis::from_secs(300);
/// It is over after so long without a sign of it.
const QUIET: Millis = Millis::from_secs(60);

/// Fast: attempts in [`FAST_S`] seconds at least, and so many times a quiet day's.
const FAST_S: usize = 5;
const FAST_ATTEMPTS: u32 = 60;
const FAST_FACTOR: f64 = 8.0;
/// Fast, to begin with: wrong passwords among them at least, or so many attempts that nobody waits to see what they are.
const FAST_WRONG: u32 = 20;
const FAST_FLOOD: u32 = 1500;
/// Steady: wrong passwords in a minute at least.
const STEADY_WRONG: u32 = 40;
/// Slow: accounts at which one password was wrong.
const SAME_PASSWORD: u32 = 12;

/// What is known of an attempt: keyed hashes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) account: u64,
    pub(super) password: u64,
    pub(super) is_wrong: bool,
}

/// What is seen, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SprayState {
    /// It is going on.
    pub is_open: bool,
    /// Attempts of unknown devices a second, over the last five.
    pub attempts_per_s: u32,
    /// Accounts tried in the last minute, about.
    pub accounts: u32,
    /// Attempts since the start.
    pub attempts_total: u64,
    /// Incidents since the start.
    pub incidents_total: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    attempts: u32,
    right: u32,
    wrong: u32,
    wrong_with_work: u32,
    accounts: [u64; WORDS],
}

impl Slot {
    const EMPTY: Self = Self { attempts: 0, right: 0, wrong: 0, wrong_with_work: 0, accounts: [0; WORDS] };
}

/// The detector.
#[derive(Debug)]
pub(super) struct Spray {
    slots: Vec<Slot>,
    second: u64,
    /// Each cell: a bit for each account (of 64) at which passwords of that hash were wrong. The first half is being written.
    passwords: [Vec<u64>; 2],
    turned: Millis,
    most_alike: u32,
    /// Attempts in [`FAST_S`] seconds on a quiet day: a slow average.
    quiet: f64,
    last_sign: Option<Millis>,
    is_open: bool,
    attempts_total: u64,
    incidents_total: u64,
    /// Fast and steady: accounts at least.
    accounts_min: u32,
}

impl Spray {
    /// A detector that speaks from so many accounts on.
    pub(super) fn new(accounts_min: u32) -> Self {
        Self {
            accounts_min,
            slots: vec![Slot::EMPTY; SLOTS],
            second: 0,
            passwords: [vec![0; PASSWORD_CELLS], vec![0; PASSWORD_CELLS]],
            turned: Millis(0),
            most_alike: 0,
            quiet: 0.0,
            last_sign: None,
            is_open: false,
            attempts_total: 0,
            incidents_total: 0,
        }
    }

    /// An attempt was seen, whatever becomes of it.
    pub(super) fn note(&mut self, now: Millis, seen: &Seen) {
        self.advance(now);
        self.attempts_total = self.attempts_total.wrapping_add(1);
        let bit = place(seen.account, BITS);
        if let Some(slot) = self.slot_mut(0) {
            slot.attempts = slot.attempts.saturating_add(1);
            if let Some(word) = slot.accounts.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        // Looked at now and then while it pours, so that a flood is told within its first hundred attempts.
        if self.slot(0).is_some_and(|slot| slot.attempts % 16 == 0) {
            self.judge(now);
        }
    }

    /// An attempt's password was wrong.
    pub(super) fn note_wrong(&mut self, now: Millis, seen: &Seen, has_worked: bool) {
        self.advance(now);
        debug_assert!(seen.is_wrong, "told after the check");
        if let Some(slot) = self.slot_mut(0) {
            slot.wrong = slot.wrong.saturating_add(1);
            slot.wrong_with_work = slot.wrong_with_work.saturating_add(u32::from(has_worked));
        }
        let cell = place(seen.password, PASSWORD_CELLS);
        let bit = 1_u64 << place(seen.account.rotate_left(23), 64);
        let [newer, older] = &mut self.passwords;
        if let (Some(newer), Some(older)) = (newer.get_mut(cell), older.get(cell)) {
            *newer |= bit;
            self.most_alike = self.most_alike.max((*newer | *older).count_ones());
        }
        self.judge(now);
    }

    /// An attempt's password was right.
    pub(super) fn note_right(&mut self, now: Millis) {
        self.advance(now);
        if let Some(slot) = self.slot_mut(0) {
            slot.right = slot.right.saturating_add(1);
        }
    }

    /// Moves the seconds on.
    pub(super) fn advance(&mut self, now: Millis) {
        let second = now.0 / 1000;
        let passed = second.saturating_sub(self.second);
        if passed == 0 {
            return;
        }
        self.judge(now);
        if !self.is_open {
            let seen = f64::from(self.attempts(FAST_S));
            // A time constant of about ten minutes.
            let part = (u32::try_from(passed).map_or(600.0, f64::from) / 600.0).min(1.0);
            self.quiet += (seen - self.quiet) * part;
        }
        for step in 1..=passed.min(SLOTS as u64) {
            let at = index(second.saturating_sub(passed) + step);
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = Slot::EMPTY;
            }
        }
        if passed > SLOTS as u64 {
            self.slots.fill(Slot::EMPTY);
        }
        self.second = second;
        if now.since(self.turned) >= HALF_WINDOW {
            let [newer, older] = &mut self.passwords;
            std::mem::swap(newer, older);
            newer.fill(0);
            self.most_alike = older.iter().map(|cell| cell.count_ones()).max().unwrap_or(0);
            // Two halves old: nothing of it is left.
            if now.since(self.turned).0 >= 2 * HALF_WINDOW.0 {
                older.fill(0);
                self.most_alike = 0;
            }
            self.turned = now;
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// How dear the work is while it lasts: by how many showed it and still guessed wrong, for the others do not get far.
    pub(super) fn effort(&self) -> u8 {
        if !self.is_open {
            return 0;
        }
        let worked: u32 = (0..10).filter_map(|back| self.slot(back)).map(|slot| slot.wrong_with_work).sum();
        match worked {
            0..=9 => 0,
            10..=39 => 1,
            40..=99 => 2,
            _ => 3,
        }
    }

    pub(super) fn state(&self) -> SprayState {
        SprayState {
            is_open: self.is_open,
            attempts_per_s: self.attempts(FAST_S) / u32::try_from(FAST_S).unwrap_or(1),
            accounts: self.accounts(60),
            attempts_total: self.attempts_total,
            incidents_total: self.incidents_total,
        }
    }

    fn judge(&mut self, now: Millis) {
        if self.has_sign() {
            self.last_sign = Some(now);
            self.incidents_total += u64::from(!self.is_open);
            self.is_open = true;
        } else if self.last_sign.is_none_or(|last| now.since(last) >= QUIET) {
            self.is_open = false;
        }
    }

    fn has_sign(&self) -> bool {
        let fast = self.attempts(FAST_S);
        let sum = |seconds: usize, of: fn(&Slot) -> u32| {
            (0..seconds).filter_map(|back| self.slot(back)).map(of).fold(0, u32::saturating_add)
        };
        let is_hostile = self.is_open || fast >= FAST_FLOOD || sum(FAST_S, |slot| slot.wrong) >= FAST_WRONG;
        let is_fast = fast >= FAST_ATTEMPTS
            && f64::from(fast) >= FAST_FACTOR * self.quiet
            && is_hostile
            && u64::from(sum(FAST_S, |slot| slot.right)) * 2 < u64::from(fast)
            && self.accounts(FAST_S) >= self.accounts_min;
        let wrong = sum(60, |slot| slot.wrong);
        let is_steady = wrong >= STEADY_WRONG
            && u64::from(wrong) * 10 >= u64::from(self.attempts(60)) * 9
            && self.accounts(60) >= self.accounts_min;
        is_fast || is_steady || self.most_alike >= SAME_PASSWORD
    }

    fn attempts(&self, seconds: usize) -> u32 {
        (0..seconds).filter_map(|back| self.slot(back)).fold(0, |sum, slot| sum.saturating_add(slot.attempts))
    }

    /// Different accounts in the last seconds: the zeros of the joined sketches tell.
    fn accounts(&self, seconds: usize) -> u32 {
        let mut joined = [0_u64; WORDS];
        for slot in (0..seconds).filter_map(|back| self.slot(back)) {
            joined.iter_mut().zip(slot.accounts).for_each(|(word, other)| *word |= other);
        }
        let zeros: u32 = joined.iter().map(|word| word.count_zeros()).sum();
        let bits = f64::from(u32::try_from(BITS).unwrap_or(u32::MAX));
        let count = -bits * (f64::from(zeros.max(1)) / bits).ln();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1024 * ln 1024")]
        let count = count.round() as u32;
        count
    }

    fn slot(&self, back: usize) -> Option<&Slot> {
        let at = self.second.checked_sub(u64::try_from(back).ok()?)?;
        self.slots.get(index(at)).filter(|_| back < SLOTS)
    }

    fn slot_mut(&mut self, back: u64) -> Option<&mut Slot> {
        let at = index(self.second.saturating_sub(back));
        self.slots.get_mut(at)
    }
}

fn index(second: u64) -> usize {
    usize::try_from(second % SLOTS as u64).unwrap_or(0)
}

/// A place below `len` by the high half of a hash.
fn place(hash: u64, len: usize) -> usize {
    let len = u64::try_from(len).unwrap_or(1);
    usize::try_from((hash >> 32).wrapping_mul(len) >> 32).unwrap_or(0)
}
