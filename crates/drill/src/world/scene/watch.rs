//! What the gateway looks at once a second: the posture by pressure, and members' conduct. The decisions are the product's machines'.
//!
//! What must stay true: what is counted here is what `gateway::pressure` counts, at the same moments of a request's life.

use std::collections::HashMap;

use rempart_defense::{Act, Conduct, ConductRules, PostureMachine, PostureRules, Reading};
use rempart_domain::{Band, Millis, Posture, ReasonCode};

use super::path::{HASHES_WAITING_MAX, Request, Wants};
use super::{Happening, Scene};
use crate::tally::Fate;

pub(super) const SECOND_US: u64 = 1_000_000;

/// A mean wait of members that is pressure (`gateway::pressure`).
const PRESSED_WAIT_MS: u64 = 50;

/// Posture and conduct of the world's platform.
#[derive(Debug)]
pub(super) struct Watch {
    posture: PostureMachine,
    /// Declared by a phase, until another gives it back.
    declared: Option<Posture>,
    in_force: Posture,
    conduct: Conduct,
    /// Accounts that are down a band, and until when.
    down: HashMap<u64, Millis>,
    members: Mean,
    members_ttft: Mean,
    strangers_asked: u32,
    strangers_refused: u32,
    hashing_refused: u32,
}

/// A sum and a count of the running second.
#[derive(Debug, Default)]
struct Mean {
    sum: u64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: u64) {
        self.sum += value;
        self.count += 1;
    }

    fn take(&mut self) -> Option<u64> {
        let Self { sum, count } = std::mem::take(self);
        (count > 0).then(|| sum / count)
    }
}

impl Watch {
    pub(super) fn new(demoted_percent: u64) -> Self {
        let budget_percent = u32::try_from(demoted_percent.min(100)).unwrap_or(100);
        Self {
            posture: PostureMachine::new(PostureRules::default()),
            declared: None,
            in_force: Posture::Calm,
            conduct: Conduct::new(ConductRules { budget_percent, ..ConductRules::default() }),
            down: HashMap::new(),
            members: Mean::default(),
            members_ttft: Mean::default(),
            strangers_asked: 0,
            strangers_refused: 0,
            hashing_refused: 0,
        }
    }

    /// The band that an account has now: one lower while its conduct is held against it.
    pub(super) fn band(&self, now: Millis, account: u64, band: Band) -> Band {
        if self.down.get(&account).is_some_and(|until| *until > now) { band.demoted() } else { band }
    }

    pub(super) fn note(&mut self, now: Millis, request: &Request, act: Act) {
        if request.band.is_member() {
            self.conduct.observe(now, request.account, act);
        }
    }

    /// A request ended.
    fn ended(&mut self, request: &Request, fate: &Fate) {
        if request.band.is_member() {
            if let Some(first_us) = request.first_token_us.filter(|_| !request.is_heavy) {
                self.members.add(request.waited.0);
                self.members_ttft.add(first_us.saturating_sub(request.asked_us).div_ceil(1_000));
            }
            return;
        }
        self.strangers_asked += 1;
        let Fate::Refused(reason) = fate else { return };
        self.strangers_refused += u32::from(PRESSURE.iter().any(|code| code.as_str() == reason));
        let is_hashing = request.wants == Wants::Hash && reason == ReasonCode::Overloaded.as_str();
        self.hashing_refused += u32::from(is_hashing);
    }
}

/// Refusals that a flood brings (`gateway::pressure`).
const PRESSURE: [ReasonCode; 8] = [
    ReasonCode::InvalidApiKey,
    ReasonCode::InvalidCredentials,
    ReasonCode::BudgetExhausted,
    ReasonCode::ChallengeRequired,
    ReasonCode::RegistrationClosed,
    ReasonCode::TooManyRequests,
    ReasonCode::TooManyInFlight,
    ReasonCode::Overloaded,
];

impl Scene<'_> {
    /// The request's life at the platform is over.
    pub(super) fn observe_end(&mut self, ticket: u64, fate: &Fate) {
        if let Some(request) = self.requests.get(&ticket) {
            self.watch.ended(request, fate);
        }
    }

    /// Once a second: who fell a band, and which posture holds.
    pub(super) fn watch_second(&mut self) {
        let now = self.now();
        let state = self.gate.snapshot();
        let ([members, ..], heavy) = (state.groups, state.heavy);
        let watch = &mut self.watch;
        let reading = Reading {
            members_waiting: members.queued.saturating_sub(heavy.queued),
            members_wait_ms: watch.members.take().unwrap_or(0),
            members_ttft_ms: watch.members_ttft.take(),
            strangers_asked: std::mem::take(&mut watch.strangers_asked),
            strangers_refused: std::mem::take(&mut watch.strangers_refused),
            hashing_refused: std::mem::take(&mut watch.hashing_refused),
            hashing_percent: u8::try_from(self.hashes_waiting * 100 / HASHES_WAITING_MAX).unwrap_or(100),
            ..Reading::default()
        };
        let is_pressed = reading.members_waiting > 0 || reading.members_wait_ms >= PRESSED_WAIT_MS;
        for fallen in watch.conduct.tick(now, is_pressed) {
            watch.down.insert(fallen.account, now + fallen.lasts);
        }
        let _change = watch.posture.tick(now, &reading);
        self.apply_posture();
        if self.now_us < self.end_us {
            self.plan(self.now_us + SECOND_US, Happening::Second);
        }
    }

    /// A phase declares a posture, or gives it back (`None`).
    pub(super) fn declare_posture(&mut self, posture: Option<Posture>) {
        self.watch.declared = posture;
        self.apply_posture();
    }

    fn apply_posture(&mut self) {
        let next = self.watch.declared.unwrap_or(self.watch.posture.level());
        if next != self.watch.in_force {
            self.watch.in_force = next;
            let at_s = super::from_us(self.now_us);
            self.notes.push(format!("posture {} from {at_s:.0} s on", next.as_str()));
            let now = self.now();
            self.gate.set_posture(now, next, &mut self.decisions);
            self.follow();
        }
    }
}
