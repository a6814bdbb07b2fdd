//! Up, down, and what must not move it.

use proptest::prelude::*;
use rempart_domain::{Millis, Posture};

use crate::posture::*;

const FLOOD: Reading = Reading {
    strangers_asked: 4_000,
    strangers_refused: 3_900,
    members_waiting: 0,
    members_wait_ms: 0,
    members_ttft_ms: Some(100),
    hashing_refused: 0,
    hashing_percent: 0,
    connections_refused: 0,
    connections_percent: 0,
};

const QUIET: Reading = Reading { strangers_asked: 2, strangers_refused: 0, ..FLOOD };

const HURT: Reading = Reading { members_waiting: 9, members_wait_ms: 900, ..FLOOD };

struct Rig {
    machine: PostureMachine,
    now: Millis,
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self { machine: PostureMachine::new(PostureRules::default()), now: Millis(0) };
        rig.pass(60, &QUIET);
        rig
    }

    /// So many seconds of a reading; the changes.
    fn pass(&mut self, seconds: u64, reading: &Reading) -> Vec<Change> {
        let mut changes = Vec::new();
        for _ in 0..seconds {
            self.now = self.now + Millis(1_000);
            changes.extend(self.machine.tick(self.now, reading));
        }
        changes
    }
}

#[test]
fn two_signals_for_two_seconds_raise_it_and_it_names_them() {
    let mut rig = Rig::new();
    assert!(rig.pass(2, &FLOOD).is_empty());
    let changes = rig.pass(1, &FLOOD);
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].from, changes[0].to), (Posture::Calm, Posture::Guarded));
    assert_eq!(changes[0].signals, [Signal::StrangersRefused, Signal::StrangersSurge]);
    assert_eq!(changes[0].since, Millis(61_000), "when it began, not when it was believed");
}

#[test]
fn one_signal_raises_nothing_however_long() {
    let mut rig = Rig::new();
    let busy = Reading { members_waiting: 50, members_wait_ms: 5_000, ..QUIET };
    assert!(rig.pass(600, &busy).is_empty(), "members alone make no attack");
    let crowd = Reading { strangers_asked: 500, ..QUIET };
    assert!(rig.pass(600, &crowd).is_empty(), "a crowd that is served is welcome");
}

#[test]
fn a_flood_that_hurts_nobody_stays_at_guarded() {
    let mut rig = Rig::new();
    assert_eq!(rig.pass(3_600, &FLOOD).len(), 1);
    assert_eq!(rig.machine.level(), Posture::Guarded);
}

#[test]
fn what_hurts_members_goes_to_siege_and_what_goes_on_hurting_to_fortress() {
    let mut rig = Rig::new();
    rig.pass(3, &HURT);
    assert_eq!(rig.machine.level(), Posture::Guarded);
    rig.pass(3, &HURT);
    assert_eq!(rig.machine.level(), Posture::Siege);
    rig.pass(20, &HURT);
    assert_eq!(rig.machine.level(), Posture::Siege);
    rig.pass(15, &HURT);
    assert_eq!(rig.machine.level(), Posture::Fortress);
}

#[test]
fn a_reading_that_comes_late_or_is_dark_once_ends_no_count() {
    let mut rig = Rig::new();
    rig.pass(1, &FLOOD);
    rig.pass(1, &QUIET);
    rig.pass(1, &FLOOD);
    assert_eq!(rig.machine.level(), Posture::Guarded);
    let mut rig = Rig::new();
    rig.pass(1, &FLOOD);
    rig.pass(3, &QUIET);
    rig.pass(2, &FLOOD);
    assert_eq!(rig.machine.level(), Posture::Calm);
}

#[test]
fn it_comes_down_a_level_after_each_minute_of_quiet() {
    let mut rig = Rig::new();
    rig.pass(10, &HURT);
    assert_eq!(rig.machine.level(), Posture::Siege);
    assert!(rig.pass(60, &QUIET).is_empty());
    assert_eq!(rig.pass(1, &QUIET)[0].to, Posture::Guarded);
    assert_eq!(rig.pass(61, &QUIET)[0].to, Posture::Calm);
}

#[test]
fn between_lit_and_half_of_it_nothing_moves() {
    let mut rig = Rig::new();
    rig.pass(10, &FLOOD);
    let half = Reading { strangers_asked: 25, strangers_refused: 8, ..QUIET };
    assert!(rig.machine.signals(&half).len() < 2);
    assert!(rig.pass(600, &half).is_empty());
    assert_eq!(rig.machine.level(), Posture::Guarded);
}

#[test]
fn an_attacker_who_stops_and_starts_finds_it_up_ever_longer() {
    let mut rig = Rig::new();
    let mut downs = Vec::new();
    for _ in 0..5 {
        rig.pass(5, &FLOOD);
        let from = rig.now;
        while rig.machine.level() != Posture::Calm {
            rig.pass(1, &QUIET);
        }
        downs.push(rig.now.since(from).0 / 1_000);
    }
    assert_eq!(downs, [61, 121, 241, 301, 301]);
}

#[test]
fn stopping_and_starting_every_thirty_seconds_does_not_make_it_flap() {
    let mut rig = Rig::new();
    let mut changes = 0;
    for _ in 0..40 {
        changes += rig.pass(30, &FLOOD).len();
        changes += rig.pass(30, &QUIET).len();
    }
    assert_eq!(changes, 1);
}

#[test]
fn an_attack_that_begins_slowly_does_not_become_usual() {
    let mut rig = Rig::new();
    for minute in 1..=120_u32 {
        let reading =
            Reading { strangers_asked: 2 + minute * 5, strangers_refused: minute * 4, members_waiting: 0, ..QUIET };
        rig.pass(60, &reading);
    }
    assert_eq!(rig.machine.level(), Posture::Guarded);
}

#[test]
fn members_whose_first_token_is_late_are_noticed() {
    let rig = Rig::new();
    let late = Reading { members_ttft_ms: Some(400), ..QUIET };
    assert_eq!(rig.machine.signals(&late), [Signal::MembersSlow]);
    let usual = Reading { members_ttft_ms: Some(130), ..QUIET };
    assert!(rig.machine.signals(&usual).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_moves_one_step_at_a_time_and_never_faster_than_its_rules(
        seconds in prop::collection::vec((0_u32..3_000, 0_u32..3_000, 0_u32..6, 0_u8..100), 1..900)
    ) {
        let mut rig = Rig::new();
        let mut last: Option<(Millis, Posture)> = None;
        for (asked, refused, waiting, hashing) in seconds {
            let reading = Reading {
                strangers_asked: asked,
                strangers_refused: refused.min(asked),
                members_waiting: waiting,
                hashing_percent: hashing,
                ..QUIET
            };
            for change in rig.pass(1, &reading) {
                let step = (change.to as i8) - (change.from as i8);
                prop_assert_eq!(step.abs(), 1);
                if let Some((at, level)) = last {
                    prop_assert_eq!(level, change.from);
                    let least = if step > 0 { 1_000 } else { 60_000 };
                    prop_assert!(rig.now.since(at).0 >= least);
                }
                last = Some((rig.now, change.to));
            }
        }
    }
}
