//! The control loop in virtual time: a plant of members and newcomers, and attacks of several shapes.

use rempart_domain::{GateLevel, Millis, Posture, UnixSeconds};

use crate::gate::{Control, ControlLimits, Override, Published, Readings, Source};

/// A small platform: whoever is let in asks for a part of its capacity for a while, and the loop sees how much that is.
struct Plant {
    control: Control,
    limits: ControlLimits,
    now: u64,
    /// When each newcomer leaves, and what they hold until then.
    newcomers: Vec<(u64, f64)>,
    queue: f64,
    credit: f64,
    levels: Vec<GateLevel>,
    share_max: f64,
    let_in: u64,
}

/// What comes in a second.
#[derive(Clone, Copy, Default)]
struct Arrivals {
    /// Without a solved challenge.
    bare: f64,
    /// With one.
    solved: f64,
    /// What each holds of capacity once inside, and for how long.
    holds: f64,
    lasts_s: u64,
    members: f64,
    posture: Posture,
}

impl Plant {
    fn new(has_mail: bool) -> Self {
        let limits = ControlLimits { has_mail, ..ControlLimits::default() };
        let control = Control::new(limits, None);
        let newcomers = Vec::new();
        Self {
            control,
            limits,
            now: 0,
            newcomers,
            queue: 0.0,
            credit: 0.0,
            levels: Vec::new(),
            share_max: 0.0,
            let_in: 0,
        }
    }

    fn share(&self) -> f64 {
        self.newcomers.iter().map(|(_, holds)| holds).sum()
    }

    fn second(&mut self, arrivals: Arrivals) -> Published {
        self.now += 1;
        let now = self.now;
        self.newcomers.retain(|(until, _)| *until > now);
        let level = self.levels.last().copied().unwrap_or_default();
        let met = if level == GateLevel::Open { arrivals.bare + arrivals.solved } else { arrivals.solved };
        // At an open gate whoever finds the rate spent must show a solved challenge.
        let joins = if level == GateLevel::Open { arrivals.solved + arrivals.bare.min(self.credit) } else { met };
        self.queue += if level == GateLevel::Closed { 0.0 } else { joins };
        let readings = Readings {
            members_saturation: arrivals.members,
            newcomers_share: self.share(),
            posture: arrivals.posture,
            asked_per_s: arrivals.bare + arrivals.solved,
            met_per_s: met,
            queue_len: whole(self.queue),
        };
        let published = self.control.tick(Millis(now * 1000), UnixSeconds(0), &readings);
        let rate = if published.level == GateLevel::Closed { 0.0 } else { published.rate_per_s };
        self.credit = (self.credit + rate).min(8.0 * rate);
        while self.credit >= 1.0 && self.queue >= 1.0 {
            self.credit -= 1.0;
            self.queue -= 1.0;
            self.let_in += 1;
            self.newcomers.push((now + arrivals.lasts_s, arrivals.holds));
        }
        self.levels.push(published.level);
        self.share_max = self.share_max.max(self.share());
        published
    }

    fn run(&mut self, seconds: u64, arrivals: impl Fn(u64) -> Arrivals) {
        for second in 0..seconds {
            self.second(arrivals(second));
        }
    }

    /// The most that the level goes back on itself within any minute: up and down again, or down and up again.
    fn swing_in_a_minute(&self) -> usize {
        let steps: Vec<usize> = self.levels.iter().map(|level| *level as usize).collect();
        let mut most = 0;
        for window in steps.windows(60.min(steps.len())) {
            let (mut low, mut high, mut fall, mut rise) = (window[0], window[0], 0, 0);
            for step in window {
                fall = fall.max(high.saturating_sub(*step));
                rise = rise.max(step.saturating_sub(low));
                low = low.min(*step);
                high = high.max(*step);
            }
            most = most.max(fall.min(rise));
        }
        most
    }

    fn assert_steady(&self) {
        assert!(self.swing_in_a_minute() <= 1, "{:?}", self.levels);
        assert!(self.share_max <= self.limits.newcomers_share_max + 0.011, "{}", self.share_max);
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "people in a line")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn attack(solved: f64) -> Arrivals {
    Arrivals { bare: 2_000.0, solved, holds: 0.01, lasts_s: 600, members: 0.4, posture: Posture::Calm }
}

fn quiet() -> Arrivals {
    Arrivals { bare: 0.05, holds: 0.002, lasts_s: 300, members: 0.4, ..Arrivals::default() }
}

#[test]
fn a_quiet_day_is_open_at_the_full_rate() {
    let mut plant = Plant::new(true);
    plant.run(600, |_| quiet());
    assert!(plant.levels.iter().all(|level| *level == GateLevel::Open));
    assert_eq!(plant.second(quiet()).rate_per_s, plant.limits.rate_max);
}

#[test]
fn a_flood_without_solver_ends_at_the_challenge_and_the_gate_opens_again() {
    let mut plant = Plant::new(true);
    plant.run(300, |_| Arrivals { solved: 0.1, ..attack(0.0) });
    assert_eq!(plant.levels.last(), Some(&GateLevel::Challenge));
    assert!(plant.levels.iter().take(10).any(|level| *level == GateLevel::Challenge), "within ten seconds");
    // Those who came in while it was open hold their share for ten minutes.
    plant.run(900, |_| quiet());
    assert_eq!(plant.levels.last(), Some(&GateLevel::Open));
    plant.assert_steady();
}

#[test]
fn a_step_with_a_solver_goes_up_to_the_line_and_no_further() {
    let mut plant = Plant::new(true);
    plant.run(900, |_| attack(30.0));
    assert_eq!(plant.levels.last(), Some(&GateLevel::Queue));
    assert!(plant.levels.iter().take(30).any(|level| *level == GateLevel::Queue), "within half a minute");
    assert!(!plant.levels.contains(&GateLevel::Closed));
    plant.assert_steady();
}

#[test]
fn a_ramp_passes_every_level_once() {
    let mut plant = Plant::new(true);
    plant.run(1200, |second| attack(second as f64 / 60.0));
    let mut seen = plant.levels.clone();
    seen.dedup();
    assert_eq!(seen, [GateLevel::Open, GateLevel::Challenge, GateLevel::Verified, GateLevel::Queue]);
    plant.assert_steady();
}

#[test]
fn without_mail_nobody_is_asked_to_confirm_an_address() {
    let mut plant = Plant::new(false);
    plant.run(600, |_| attack(30.0));
    let mut seen = plant.levels.clone();
    seen.dedup();
    assert_eq!(seen, [GateLevel::Open, GateLevel::Challenge, GateLevel::Queue]);
}

#[test]
fn an_attack_that_goes_on_and_off_finds_the_level_standing_still() {
    for period in [20, 30, 45, 59, 61, 70, 90, 120] {
        let mut plant = Plant::new(true);
        plant.run(1800, |second| if second / period % 2 == 0 { attack(30.0) } else { quiet() });
        plant.assert_steady();
        if period <= 59 {
            let after = plant.levels.iter().skip(200);
            assert!(after.clone().all(|level| *level >= GateLevel::Verified), "{period}: {:?}", plant.levels);
        }
    }
}

#[test]
fn a_slow_drip_stays_within_the_newcomers_share() {
    let mut plant = Plant::new(true);
    // Just under the rate, each greedy and long.
    plant.run(3600, |_| Arrivals {
        bare: 0.0,
        solved: 3.5,
        holds: 0.01,
        lasts_s: 1800,
        members: 0.5,
        posture: Posture::Calm,
    });
    plant.assert_steady();
    assert!(plant.share_max > 0.3, "the share is used: {}", plant.share_max);
    assert_ne!(plant.levels.last(), Some(&GateLevel::Closed));
}

#[test]
fn a_flash_crowd_of_honest_newcomers_ends_in_the_line() {
    let mut plant = Plant::new(true);
    let crowd = |second: u64| Arrivals {
        solved: if second < 1200 { 25.0 } else { 0.1 },
        bare: if second < 1200 { 5.0 } else { 0.1 },
        holds: 0.002,
        lasts_s: 300,
        members: 0.6,
        posture: if second < 600 { Posture::Calm } else { Posture::Guarded },
    };
    plant.run(1200, crowd);
    assert_eq!(plant.levels.last(), Some(&GateLevel::Queue));
    assert!(!plant.levels.contains(&GateLevel::Closed));
    assert!(plant.let_in > 300, "the line moves: {}", plant.let_in);
    plant.assert_steady();
}

#[test]
fn members_without_headroom_let_nobody_in_and_headroom_brings_the_rate_back_slowly() {
    let mut plant = Plant::new(true);
    plant.run(60, |_| Arrivals { members: 1.0, ..attack(30.0) });
    let before = plant.let_in;
    plant.run(120, |_| Arrivals { members: 1.0, ..attack(30.0) });
    assert_eq!(plant.let_in, before);
    let rate = plant.second(Arrivals { members: 0.3, ..attack(30.0) }).rate_per_s;
    assert!(rate <= plant.limits.rate_max * 0.06, "{rate}");
}

#[test]
fn the_gate_closes_only_when_attack_is_declared_and_nothing_is_left() {
    let mut plant = Plant::new(true);
    plant.run(300, |_| Arrivals { members: 1.0, ..attack(30.0) });
    assert!(!plant.levels.contains(&GateLevel::Closed), "full members in a calm posture");
    plant.run(120, |_| Arrivals { members: 1.0, posture: Posture::Siege, ..attack(30.0) });
    assert_eq!(plant.levels.last(), Some(&GateLevel::Closed));
    plant.run(120, |_| Arrivals { members: 0.3, posture: Posture::Siege, ..attack(30.0) });
    assert_eq!(plant.levels.last(), Some(&GateLevel::Queue));
    plant.second(Arrivals { posture: Posture::Fortress, ..quiet() });
    assert_eq!(plant.levels.last(), Some(&GateLevel::Closed));
}

#[test]
fn effort_rises_while_solvers_are_too_many_and_falls_with_quiet() {
    let mut plant = Plant::new(false);
    plant.run(120, |_| attack(30.0));
    assert_eq!(plant.second(attack(30.0)).effort, 3);
    plant.run(600, |_| quiet());
    assert_eq!(plant.second(quiet()).effort, 0);
}

#[test]
fn a_level_set_by_hand_holds_until_its_time_and_survives_as_text() {
    let mut control = Control::new(ControlLimits::default(), Some(GateLevel::Challenge));
    assert_eq!(control.published(UnixSeconds(0)).level, GateLevel::Challenge);
    let by_hand = Override { level: GateLevel::Closed, until: Some(UnixSeconds(100)) };
    assert_eq!(Override::parse(&by_hand.to_text()), Some(by_hand));
    assert_eq!(Override::parse("queue"), Some(Override { level: GateLevel::Queue, until: None }));
    for bad in ["", "queue x", "ajar", "ajar 5", "queue 5 6"] {
        assert_eq!(Override::parse(bad), None, "{bad}");
    }
    control.set_override(Some(by_hand));
    let held = control.tick(Millis(1000), UnixSeconds(99), &Readings::default());
    assert_eq!((held.level, held.source, held.until), (GateLevel::Closed, Source::Manual, Some(UnixSeconds(100))));
    let after = control.tick(Millis(2000), UnixSeconds(100), &Readings::default());
    assert_eq!((after.level, after.until), (GateLevel::Challenge, None));
}

#[test]
fn a_fixed_level_that_needs_mail_asks_for_a_challenge_without() {
    let control = Control::new(ControlLimits::default(), Some(GateLevel::Verified));
    assert_eq!(control.published(UnixSeconds(0)).level, GateLevel::Challenge);
}
