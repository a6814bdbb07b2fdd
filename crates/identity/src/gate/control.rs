//! The control loop: from figures of the last second to a level, a rate and an effort. Pure.
//!
//! **Rate.** So many registrations a second as the members' lane has room for: the most the operator allows, times the members' headroom,
//! times what is left of the newcomers' share. It falls at once and rises slowly.
//!
//! **Level.** It goes up, one step at a time, when for three seconds more people come who meet what the level asks than the rate lets in;
//! each step up starts a new count. It goes down one step when for a minute little more than half the rate came, and never within a minute
//! of another step. So what goes on and off every half minute finds the level standing still, and no minute sees more than one step back.
//! People who meet every demand end in the waiting line, however many they are: the loop closes the gate only when members have had no
//! headroom at all for a minute with nobody let in, in a posture that says attack.
//!
//! **Effort.** How dear a challenge is: four steps, up while those who solve it are still too many, down with a minute's quiet. It is
//! capped by what a slow phone can do, so that raising it is no way to lock people out ("Onions Got Puzzled", USENIX Security 2025).

use rempart_domain::{GateLevel, Millis, Posture, UnixSeconds};

/// Members' saturation up to which newcomers come at the full rate, and from which on none do.
const SATURATION: (f64, f64) = (0.70, 0.95);

/// Part of the newcomers' share from which on the rate falls.
const SHARE_KNEE: f64 = 0.75;

/// The rate rises by this part of its most in a second.
const RATE_RISE: f64 = 0.05;

/// Demand below this part of the rate is quiet.
const QUIET: f64 = 0.5;

/// Seconds of backlog in the line that count as pressure.
const BACKLOG_S: f64 = 15.0;

/// They are counted at this part of the highest rate at least.
const BACKLOG_PART: f64 = 0.25;

/// Demand is counted up to so many times the highest rate.
const DEMAND_TOLD: f64 = 8.0;

/// Half-lives of the two averages, in milliseconds.
const FAST_MS: f64 = 3_000.0;
const SLOW_MS: f64 = 15_000.0;

/// The highest effort: see [`super::EFFORTS`].
const EFFORT_MAX: u8 = 3;

/// What the operator allows.
#[derive(Debug, Clone, Copy)]
pub struct ControlLimits {
    /// Registrations a second on a quiet day, at most.
    pub rate_max: f64,
    /// And at least, as long as there is any room.
    pub rate_min: f64,
    /// The share of capacity that newcomers may hold.
    pub newcomers_share_max: f64,
    /// Without mail the level `verified` is skipped.
    pub has_mail: bool,
    /// How long demand must be too high before a step up.
    pub rise: Millis,
    /// How long quiet must last before a step down, and the least time between a step and a step down.
    pub hold: Millis,
}

impl Default for ControlLimits {
    fn default() -> Self {
        Self {
            rate_max: 4.0,
            rate_min: 0.2,
            newcomers_share_max: 0.35,
            has_mail: false,
            rise: Millis(3_000),
            hold: Millis(60_000),
        }
    }
}

/// What was measured since the last tick.
#[derive(Debug, Clone, Copy, Default)]
pub struct Readings {
    /// How full the members' lane is, 0 to 1: the fullest of its scarce dimensions; 1 while members wait.
    pub members_saturation: f64,
    /// The part of capacity that newcomers hold, 0 to 1.
    pub newcomers_share: f64,
    /// The declared posture.
    pub posture: Posture,
    /// Registrations a second that were asked for, whatever they showed.
    pub asked_per_s: f64,
    /// Of them, those that met what the level asks.
    pub met_per_s: f64,
    /// Who waits in the line.
    pub queue_len: u64,
}

/// Who set the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This loop.
    Auto,
    /// Configuration, or an operator.
    Manual,
}

impl Source {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Manual => "manual",
        }
    }
}

/// A level set by hand, over what configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override {
    /// The level.
    pub level: GateLevel,
    /// Until when; `None` until it is taken back.
    pub until: Option<UnixSeconds>,
}

impl Override {
    /// As it is kept in the store: `LEVEL` or `LEVEL UNTIL`.
    pub fn to_text(self) -> String {
        self.until.map_or_else(|| self.level.as_str().to_owned(), |until| format!("{} {}", self.level, until.0))
    }

    /// Reads [`Override::to_text`]; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (level, until) = text.split_once(' ').map_or((text, None), |(level, until)| (level, Some(until)));
        let until = until.map(|until| until.parse().ok().map(UnixSeconds));
        match until {
            Some(None) => None,
            other => Some(Self { level: GateLevel::parse(level).ok()?, until: other.flatten() }),
        }
    }

    /// True once its time is over.
    pub fn is_over(self, date: UnixSeconds) -> bool {
        self.until.is_some_and(|until| until <= date)
    }
}

/// The set-point that everybody reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// What is asked of newcomers now.
    pub level: GateLevel,
    /// Who says so.
    pub source: Source,
    /// Until when, for a level set by hand.
    pub until: Option<UnixSeconds>,
    /// Registrations a second that are let through.
    pub rate_per_s: f64,
    /// How dear a challenge is, 0 to 3.
    pub effort: u8,
}

/// The loop's memory.
#[derive(Debug, Clone)]
pub struct Control {
    limits: ControlLimits,
    /// `None` is auto.
    configured: Option<GateLevel>,
    by_hand: Option<Override>,
    level: GateLevel,
    effort: u8,
    rate: f64,
    at: Option<Millis>,
    asked: Average,
    met: Average,
    /// Since when demand is too high, quiet, or members are without headroom.
    pressed_since: Option<Millis>,
    quiet_since: Option<Millis>,
    starved_since: Option<Millis>,
    effort_since: Millis,
    moved: Option<Millis>,
}

/// Two exponential averages of a rate.
#[derive(Debug, Clone, Copy, Default)]
struct Average {
    fast: f64,
    slow: f64,
}

impl Average {
    fn add(&mut self, value: f64, elapsed_ms: f64) {
        let blend = |old: f64, half_life: f64| {
            let keep = (-elapsed_ms / half_life).exp2();
            old * keep + value * (1.0 - keep)
        };
        self.fast = blend(self.fast, FAST_MS);
        self.slow = blend(self.slow, SLOW_MS);
    }
}

impl Control {
    /// A loop at rest. `configured` is a fixed level, or `None` for auto.
    pub fn new(limits: ControlLimits, configured: Option<GateLevel>) -> Self {
        Self {
            rate: limits.rate_max,
            limits,
            configured,
            by_hand: None,
            level: GateLevel::Open,
            effort: 0,
            at: None,
            asked: Average::default(),
            met: Average::default(),
            pressed_since: None,
            quiet_since: None,
            starved_since: None,
            effort_since: Millis(0),
            moved: None,
        }
    }

    /// Sets a level by hand, or gives it back to configuration.
    pub fn set_override(&mut self, by_hand: Option<Override>) {
        self.by_hand = by_hand;
    }

    /// What was set by hand and holds at `date`.
    pub fn override_at(&self, date: UnixSeconds) -> Option<Override> {
        self.by_hand.filter(|by_hand| !by_hand.is_over(date))
    }

    /// The set-point as of the last tick.
    pub fn published(&self, date: UnixSeconds) -> Published {
        let by_hand = self.override_at(date);
        let (level, source) = match (by_hand, self.configured) {
            (Some(by_hand), _) => (by_hand.level, Source::Manual),
            (None, Some(level)) => (level, Source::Manual),
            (None, None) => (self.level, Source::Auto),
        };
        Published {
            level: self.reachable(level),
            source,
            until: by_hand.and_then(|by_hand| by_hand.until),
            rate_per_s: self.rate,
            effort: self.effort,
        }
    }

    /// Takes the figures of the time since the last tick; about once a second.
    pub fn tick(&mut self, now: Millis, date: UnixSeconds, readings: &Readings) -> Published {
        let elapsed = self.at.map_or(Millis(1000), |at| now.since(at));
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        let elapsed_ms = to_f64(elapsed.0.clamp(1, 60_000));
        // More than that tells nothing more, and would take longer to be forgotten.
        let most = self.limits.rate_max * DEMAND_TOLD;
        self.asked.add(readings.asked_per_s.min(most), elapsed_ms);
        self.met.add(readings.met_per_s.min(most), elapsed_ms);
        self.set_rate(readings, elapsed_ms / 1000.0);
        self.set_effort(now);
        self.set_level(now, readings);
        self.published(date)
    }

    fn set_rate(&mut self, readings: &Readings, elapsed_s: f64) {
        let ControlLimits { rate_max, rate_min, newcomers_share_max, .. } = self.limits;
        let (free, full) = SATURATION;
        let headroom = ((full - readings.members_saturation) / (full - free)).clamp(0.0, 1.0);
        let knee = newcomers_share_max * SHARE_KNEE;
        let left = (newcomers_share_max - readings.newcomers_share) / (newcomers_share_max - knee).max(f64::EPSILON);
        let left = left.clamp(0.0, 1.0);
        let floor = if headroom > 0.0 && left > 0.0 { rate_min } else { 0.0 };
        let target = (rate_max * headroom * left).max(floor);
        self.rate = target.min(self.rate + rate_max * RATE_RISE * elapsed_s);
    }

    /// The demand that decides about a step up from the level that holds.
    const fn demand(&self) -> f64 {
        if matches!(self.level, GateLevel::Open) { self.asked.fast } else { self.met.fast }
    }

    /// What demand is compared with: a single person is no pressure, also when nobody is let in.
    const fn floor_rate(&self) -> f64 {
        self.rate.max(self.limits.rate_min)
    }

    fn set_effort(&mut self, now: Millis) {
        let since = now.since(self.effort_since);
        let is_pressed = self.level > GateLevel::Open && self.met.fast > self.floor_rate();
        let is_quiet = self.met.slow < self.floor_rate() * QUIET;
        let step = self.limits.rise.0 * 3;
        if is_pressed && self.effort < EFFORT_MAX && since.0 >= step {
            self.effort += 1;
            self.effort_since = now;
        } else if is_quiet && self.effort > 0 && since >= self.limits.hold {
            self.effort -= 1;
            self.effort_since = now;
        }
    }

    fn set_level(&mut self, now: Millis, readings: &Readings) {
        let backlog = to_f64(readings.queue_len) > self.rate.max(self.limits.rate_max * BACKLOG_PART) * BACKLOG_S;
        let is_pressed = self.demand() > self.floor_rate() || backlog;
        // A level may be left downwards when the demand on the one below it would not lead back.
        let below = if self.level <= GateLevel::Challenge { self.asked } else { self.met };
        let is_quiet = below.slow < self.floor_rate() * QUIET && readings.queue_len == 0;
        mark(&mut self.pressed_since, is_pressed, now);
        mark(&mut self.quiet_since, is_quiet, now);
        mark(&mut self.starved_since, readings.members_saturation >= SATURATION.1, now);
        let floor = self.floor(now, readings.posture);
        let lasts = |since: Option<Millis>, time: Millis| since.is_some_and(|since| now.since(since) >= time);
        if self.level < floor {
            self.step_to(floor, now);
        } else if lasts(self.pressed_since, self.limits.rise) && self.level < GateLevel::Queue {
            self.step_to(self.above(), now);
        } else if self.level > floor && self.may_step_down(now) {
            self.step_to(self.below().max(floor), now);
        }
    }

    /// What the posture asks for, whatever the demand.
    fn floor(&self, now: Millis, posture: Posture) -> GateLevel {
        let is_starved = self.starved_since.is_some_and(|since| now.since(since) >= self.limits.hold);
        match posture {
            Posture::Fortress => GateLevel::Closed,
            Posture::Siege if is_starved && self.level >= GateLevel::Queue => GateLevel::Closed,
            Posture::Siege => GateLevel::Queue,
            Posture::Guarded => GateLevel::Challenge,
            Posture::Calm => GateLevel::Open,
        }
    }

    fn may_step_down(&self, now: Millis) -> bool {
        let hold = self.limits.hold;
        let is_settled = self.moved.is_none_or(|moved| now.since(moved) >= hold);
        // Nobody is counted at a closed gate: it opens onto the line as soon as nothing asks for it to be closed.
        let is_quiet = self.level == GateLevel::Closed || self.quiet_since.is_some_and(|s| now.since(s) >= hold);
        is_settled && is_quiet
    }

    fn step_to(&mut self, level: GateLevel, now: Millis) {
        self.level = level;
        self.moved = Some(now);
        self.pressed_since = None;
        self.quiet_since = None;
        // Who met the last level's demand says nothing of this one's.
        self.met.fast = 0.0;
    }

    fn above(&self) -> GateLevel {
        match self.level {
            GateLevel::Open => GateLevel::Challenge,
            GateLevel::Challenge if self.limits.has_mail => GateLevel::Verified,
            _ => GateLevel::Queue,
        }
    }

    fn below(&self) -> GateLevel {
        match self.level {
            GateLevel::Closed => GateLevel::Queue,
            GateLevel::Queue if self.limits.has_mail => GateLevel::Verified,
            GateLevel::Queue | GateLevel::Verified => GateLevel::Challenge,
            GateLevel::Challenge | GateLevel::Open => GateLevel::Open,
        }
    }

    /// `verified` without mail asks what it can: a challenge.
    fn reachable(&self, level: GateLevel) -> GateLevel {
        if level == GateLevel::Verified && !self.limits.has_mail { GateLevel::Challenge } else { level }
    }
}

fn mark(since: &mut Option<Millis>, holds: bool, now: Millis) {
    *since = if holds { since.or(Some(now)) } else { None };
}

#[allow(clippy::cast_precision_loss, reason = "times and lengths stay far below 2^53")]
pub(super) const fn to_f64(number: u64) -> f64 {
    number as f64
}

/// Saturating; what is no number is 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates and maps NaN to 0")]
pub(super) const fn to_whole(number: f64) -> u64 {
    number as u64
}
