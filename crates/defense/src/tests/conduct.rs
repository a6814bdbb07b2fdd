//! Who falls, who does not, and how many may.

use rempart_domain::Millis;

use crate::conduct::*;

struct Rig {
    conduct: Conduct,
    now: Millis,
}

impl Rig {
    fn new(rules: ConductRules) -> Self {
        Self { conduct: Conduct::new(rules), now: Millis(1_000) }
    }

    fn began(&mut self, account: u64, service: f64) {
        self.conduct.observe(self.now, account, Act::Began(service));
    }

    fn second(&mut self, is_pressed: bool) -> Vec<u64> {
        self.now = self.now + Millis(1_000);
        self.conduct.tick(self.now, is_pressed).into_iter().map(|demotion| demotion.account).collect()
    }

    /// Sixty members who ask now and then, and those who take all they can.
    fn attacked_second(&mut self, bad: std::ops::Range<u64>, is_pressed: bool) -> Vec<u64> {
        for member in 0..20 {
            self.began((self.now.0 / 1_000 % 3) * 20 + member, 150.0);
        }
        for account in bad {
            for _ in 0..4 {
                self.began(account, 400.0);
            }
        }
        self.second(is_pressed)
    }
}

#[test]
fn members_gone_bad_fall_within_seconds_and_nobody_else_does() {
    let mut rig = Rig::new(ConductRules::default());
    let mut fallen = Vec::new();
    for _ in 0..3 {
        fallen.extend(rig.attacked_second(1_000..1_010, true));
    }
    fallen.sort_unstable();
    assert_eq!(fallen, (1_000..1_010).collect::<Vec<_>>());
    assert_eq!(rig.conduct.down(rig.now), 10);
}

#[test]
fn on_a_quiet_day_nobody_is_judged() {
    let mut rig = Rig::new(ConductRules::default());
    for _ in 0..60 {
        assert!(rig.attacked_second(1_000..1_010, false).is_empty());
    }
}

#[test]
fn who_always_asks_much_is_not_unusual() {
    let mut rig = Rig::new(ConductRules::default());
    for _ in 0..300 {
        rig.attacked_second(1_000..1_001, false);
    }
    for _ in 0..10 {
        assert!(rig.attacked_second(1_000..1_001, true).is_empty());
    }
}

#[test]
fn a_demotion_ends_by_itself_and_comes_again_if_the_conduct_does() {
    let mut rig = Rig::new(ConductRules::default());
    for _ in 0..3 {
        rig.attacked_second(1_000..1_001, true);
    }
    assert_eq!(rig.conduct.down(rig.now), 1);
    for _ in 0..301 {
        rig.second(false);
    }
    assert_eq!(rig.conduct.down(rig.now), 0);
    let again: Vec<u64> = (0..3).flat_map(|_| rig.attacked_second(1_000..1_001, true)).collect();
    assert_eq!(again, [1_000]);
}

#[test]
fn no_more_fall_than_the_budget_has_and_the_greediest_first() {
    let mut rig = Rig::new(ConductRules { budget_percent: 5, budget_min: 4, ..ConductRules::default() });
    for member in 0..80 {
        rig.began(member, 100.0);
    }
    for bad in 0..20_u32 {
        rig.began(1_000 + u64::from(bad), 1_000.0 + f64::from(bad) * 100.0);
    }
    let mut fallen = rig.second(true);
    fallen.sort_unstable();
    assert_eq!(fallen, [1_015, 1_016, 1_017, 1_018, 1_019], "5 % of 100");
    assert!(rig.second(true).is_empty());
}

#[test]
fn asking_for_what_is_refused_or_left_is_conduct_too() {
    let mut rig = Rig::new(ConductRules::default());
    for n in 0..40 {
        rig.began(7, 10.0);
        rig.conduct.observe(rig.now, 7, if n % 2 == 0 { Act::Left } else { Act::Refused });
    }
    rig.began(8, 10.0);
    assert_eq!(rig.second(true), [7]);
}

#[test]
fn an_estimate_that_was_too_high_is_taken_back() {
    let mut rig = Rig::new(ConductRules::default());
    for member in 0..9 {
        rig.began(member, 100.0);
    }
    rig.began(9, 60_000.0);
    rig.conduct.observe(rig.now, 9, Act::Settled(-59_900.0));
    assert!(rig.second(true).is_empty());
}

#[test]
fn the_table_is_bounded_and_forgets_who_was_seen_longest_ago() {
    let mut rig = Rig::new(ConductRules { accounts: 100, ..ConductRules::default() });
    for account in 0..1_000 {
        rig.began(account, 1.0);
        assert!(rig.conduct.len() <= 100);
        if account % 50 == 0 {
            rig.now = rig.now + Millis::from_secs(700);
        }
    }
    assert!(rig.conduct.len() <= 100);
}
