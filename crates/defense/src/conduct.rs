//! Members gone bad: whose conduct has turned, judged by what they take and how, against their own history and their peers.
//!
//! An account that was bought, stolen or patient has a member's standing. What it cannot have is a member's conduct: while members wait,
//! it takes many times its part of the engine and many times its own usual, or it asks and asks what is refused, or leaves before its
//! answers. Such an account falls one band for a time; nothing else happens to it, and the same conduct on a quiet day is nobody's concern.
//!
//! What must stay true: nobody is judged but under pressure; at most a budgeted part of the members seen lately is down at once, the
//! greediest first; a demotion ends by itself; the table has a bound, and who was seen longest ago is forgotten first.

use std::collections::HashMap;

use rempart_domain::Millis;

/// Seconds over which conduct is judged.
const WINDOW: usize = 3;

/// The bounds of the judgement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConductRules {
    /// Members remembered.
    pub accounts: usize,
    /// Service in a window: this many times what a member usually takes is greed.
    pub times_part: f64,
    /// And this many times the account's own usual, where that is known.
    pub times_usual: f64,
    /// Less service in a window (tokens of prompt, and twice those of answer) is nobody's harm.
    pub service_min: f64,
    /// Refused or abandoned requests in a window that are too many, if they are most of the account's.
    pub wasted_min: u32,
    /// How long a demotion lasts.
    pub lasts: Millis,
    /// Part of the members seen in the last ten minutes that may be down at once.
    pub budget_percent: u32,
    /// And at least so many.
    pub budget_min: usize,
}

impl Default for ConductRules {
    fn default() -> Self {
        Self {
            accounts: 65_536,
            times_part: 4.0,
            times_usual: 4.0,
            service_min: 400.0,
            wasted_min: 30,
            lasts: Millis::from_secs(300),
            budget_percent: 25,
            budget_min: 16,
        }
    }
}

/// Something a member did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    /// Work of so many weighted tokens began for it (an estimate).
    Began(f64),
    /// It ended, and was so much more (or less) than estimated.
    Settled(f64),
    /// A request of its was refused for its own excess.
    Refused,
    /// It left before its answer began.
    Left,
}

/// Who falls a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demotion {
    /// The account's bits.
    pub account: u64,
    /// For how long.
    pub lasts: Millis,
    /// A word for the journal.
    pub why: &'static str,
}

/// Who is remembered, and what they did lately.
#[derive(Debug)]
pub struct Conduct {
    rules: ConductRules,
    rows: HashMap<u64, Row>,
    second: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// By second, the running one first.
    recent: [Second; WINDOW],
    /// Service of a window in which it was served, as a fading mean; learnt only while nothing presses.
    usual: Option<f64>,
    seen: Millis,
    down_until: Option<Millis>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    service: f64,
    asked: u32,
    wasted: u32,
}

impl Row {
    fn sum(&self) -> Second {
        self.recent.iter().fold(Second::default(), |sum, second| Second {
            service: sum.service + second.service,
            asked: sum.asked + second.asked,
            wasted: sum.wasted + second.wasted,
        })
    }

    fn is_down(&self, now: Millis) -> bool {
        self.down_until.is_some_and(|until| until > now)
    }
}

/// A member seen this long ago still counts as one who is there.
const PRESENT_FOR: Millis = Millis::from_secs(600);

impl Conduct {
    /// Knows nobody.
    pub fn new(rules: ConductRules) -> Self {
        Self { rules, rows: HashMap::new(), second: 0 }
    }

    /// A member did something.
    pub fn observe(&mut self, now: Millis, account: u64, act: Act) {
        if !self.rows.contains_key(&account) && self.rows.len() >= self.rules.accounts && !self.forget(now) {
            return;
        }
        let row = self.rows.entry(account).or_default();
        row.seen = now;
        let [second, ..] = &mut row.recent;
        match act {
            Act::Began(service) => {
                second.asked = second.asked.saturating_add(1);
                second.service += service.max(0.0);
            }
            // A correction of an earlier second may make this one negative; the window's sum is what counts.
            Act::Settled(more) => second.service += more,
            Act::Refused => {
                second.asked = second.asked.saturating_add(1);
                second.wasted = second.wasted.saturating_add(1);
            }
            Act::Left => second.wasted = second.wasted.saturating_add(1),
        }
    }

    /// Makes room by forgetting who was seen longest ago, a good part at once; false if everybody was seen just now.
    fn forget(&mut self, now: Millis) -> bool {
        let before = self.rows.len();
        for age in [PRESENT_FOR, Millis::from_secs(60), Millis::from_secs(10)] {
            self.rows.retain(|_, row| row.is_down(now) || now.since(row.seen) < age);
            if self.rows.len() < before {
                return true;
            }
        }
        false
    }

    /// Judges, about once a second. `is_pressed`: members wait now.
    pub fn tick(&mut self, now: Millis, is_pressed: bool) -> Vec<Demotion> {
        let verdicts = if is_pressed { self.judge(now) } else { Vec::new() };
        if !is_pressed {
            self.learn();
        }
        let passed = (now.0 / 1_000).saturating_sub(self.second);
        self.second = now.0 / 1_000;
        for row in self.rows.values_mut() {
            for _ in 0..passed.min(WINDOW as u64) {
                row.recent.rotate_right(1);
                let [second, ..] = &mut row.recent;
                *second = Second::default();
            }
            row.down_until = row.down_until.filter(|until| *until > now);
        }
        verdicts
    }

    /// Whose demotion an operator lifted: it is judged anew.
    pub fn reinstate(&mut self, account: u64) {
        if let Some(row) = self.rows.get_mut(&account) {
            row.down_until = None;
            row.recent = [Second::default(); WINDOW];
        }
    }

    /// Accounts down now.
    pub fn down(&self, now: Millis) -> usize {
        self.rows.values().filter(|row| row.is_down(now)).count()
    }

    /// Accounts remembered.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn learn(&mut self) {
        // What was done in an attack is nobody's usual.
        for row in self.rows.values_mut().filter(|row| row.down_until.is_none()) {
            let service = row.sum().service;
            if service > 0.0 {
                let usual = row.usual.get_or_insert(service);
                *usual += (service - *usual) / 64.0;
            }
        }
    }

    /// What the middle one of those who were served in the window took.
    fn median_service(&self, now: Millis) -> f64 {
        let served = self.rows.values().filter(|row| !row.is_down(now)).map(|row| row.sum().service);
        let mut served: Vec<f64> = served.filter(|service| *service > 0.0).collect();
        let middle = served.len() / 2;
        if served.is_empty() {
            return 0.0;
        }
        *served.select_nth_unstable_by(middle, f64::total_cmp).1
    }

    fn judge(&mut self, now: Millis) -> Vec<Demotion> {
        let rules = self.rules;
        let present = self.rows.values().filter(|row| now.since(row.seen) < PRESENT_FOR).count();
        let budget = (present * rules.budget_percent as usize / 100).max(rules.budget_min);
        let mut room = budget.saturating_sub(self.down(now));
        let usual_part = self.median_service(now);
        let mut guilty: Vec<(u64, f64, &'static str)> = self
            .rows
            .iter()
            .filter(|(_, row)| !row.is_down(now))
            .filter_map(|(account, row)| {
                let sum = row.sum();
                let is_much = sum.service >= rules.service_min;
                let is_unequal = sum.service >= usual_part * rules.times_part;
                let is_unusual = row.usual.is_none_or(|usual| sum.service >= usual * rules.times_usual);
                let is_waste = sum.wasted >= rules.wasted_min && sum.wasted * 2 > sum.asked;
                match (is_much && is_unequal && is_unusual, is_waste) {
                    (true, _) => Some((*account, sum.service, "takes far more than its part")),
                    (false, true) => Some((*account, f64::from(sum.wasted), "asks for what is refused or not awaited")),
                    (false, false) => None,
                }
            })
            .collect();
        guilty.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut verdicts = Vec::new();
        for (account, _, why) in guilty {
            if room == 0 {
                break;
            }
            room -= 1;
            if let Some(row) = self.rows.get_mut(&account) {
                row.down_until = Some(now + rules.lasts);
            }
            verdicts.push(Demotion { account, lasts: rules.lasts, why });
        }
        verdicts
    }
}
