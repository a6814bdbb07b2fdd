//! The defence of sign-in: who may have a password checked, and what it costs them first. Machinery only; the gateway speaks HTTP.
//!
//! An attempt is weighed by account × device × network. A browser that signed in to this account before (a device ticket, after OWASP's
//! device cookies) is *known*: others' guesses never hold it back, it has an allowance of its own. Everybody else shares the account's
//! *untrusted* allowance, whether the account exists or not, and pays work that grows: with the guesses at that account, with the wrong
//! ones from their network, and while a spraying over many accounts lasts ([`Spray`]). Nobody is refused for where they come from.
//!
//! What must stay true: every table is of fixed size under a key of this process; no password and no name is kept, only counts under
//! keyed hashes; a verdict takes microseconds and asks nobody; a name that no account has uses up allowances like any other.

mod spray;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rempart_admission::{Buckets, Rate};
use rempart_domain::{AccountId, Millis, SessionId};

pub use spray::SprayState;
use spray::{Seen, Spray};

/// Cells of a row of each table: accounts 2 MiB, networks and devices half of it each.
const ACCOUNT_CELLS: usize = 65_536;
const OTHER_CELLS: usize = 32_768;

const HOUR: Millis = Millis::from_secs(3600);

/// The dearest effort: an index of the gate's table.
const EFFORT_MAX: u8 = 3;

/// Bounds, all of them in `[limits]`.
#[derive(Debug, Clone, Copy)]
pub struct SignInLimits {
    /// Passwords an hour that unknown devices together may try at one account.
    pub guesses_per_account: u64,
    /// Of them, without work.
    pub free_guesses_per_account: u64,
    /// Wrong ones an hour from one network before its unknown devices pay work.
    pub free_wrong_per_network: u64,
    /// Passwords an hour that one known device may try.
    pub tries_per_device: u64,
    /// Codes of a second factor an hour, for one account.
    pub codes_per_account: u64,
    /// Accounts over which guesses must be spread to be taken for a spraying.
    pub spray_accounts: u64,
    /// Mailed links that one network may ask for in an hour before it pays work.
    pub free_mails_per_network: u64,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self {
            guesses_per_account: 10,
            free_guesses_per_account: 3,
            free_wrong_per_network: 10,
            tries_per_device: 20,
            codes_per_account: 10,
            spray_accounts: 20,
            free_mails_per_network: 10,
        }
    }
}

/// One attempt, as keyed hashes.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    account: u64,
    network: u64,
    password: u64,
    device: Option<u64>,
}

/// What stands before the password's check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// A known device: go.
    Known,
    /// An unknown device: go.
    Free,
    /// An unknown device: show work first.
    Work,
    /// Too many guesses at this account from unknown devices; known devices, links and passkeys still work.
    Wait(Millis),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The password was the account's.
    Right,
    /// It was not, or there is no such account.
    Wrong,
}

struct State {
    accounts: Buckets,
    networks: Buckets,
    devices: Buckets,
    codes: Buckets,
    mails: Buckets,
    spray: Spray,
}

/// The guard; shared behind an `Arc`.
pub struct SignInGuard {
    limits: SignInLimits,
    state: Mutex<State>,
    hash: RandomState,
    is_spraying: AtomicBool,
    worked: AtomicU64,
}

impl std::fmt::Debug for SignInGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInGuard").field("is_spraying", &self.is_spraying()).finish_non_exhaustive()
    }
}

impl Default for SignInGuard {
    fn default() -> Self {
        Self::new(SignInLimits::default())
    }
}

impl SignInGuard {
    /// Empty tables under a fresh key.
    pub fn new(limits: SignInLimits) -> Self {
        let hourly = |count| Rate::per(count, HOUR);
        // What a network did wrong is counted far enough to tell the efforts apart, and forgotten within an hour.
        let networks = Rate::per(limits.free_wrong_per_network.saturating_mul(16), HOUR);
        Self {
            limits,
            state: Mutex::new(State {
                accounts: Buckets::new(hourly(limits.guesses_per_account), ACCOUNT_CELLS),
                networks: Buckets::new(networks, OTHER_CELLS),
                devices: Buckets::new(hourly(limits.tries_per_device), OTHER_CELLS),
                codes: Buckets::new(hourly(limits.codes_per_account), OTHER_CELLS),
                mails: Buckets::new(hourly(limits.free_mails_per_network), OTHER_CELLS),
                spray: Spray::new(u32::try_from(limits.spray_accounts).unwrap_or(u32::MAX)),
            }),
            hash: RandomState::new(),
            is_spraying: AtomicBool::new(false),
            worked: AtomicU64::new(0),
        }
    }

    /// An attempt. `name` is what was typed, `network` where it came from, `device` the id of a device ticket that was issued to this very
    /// name and still holds.
    pub fn attempt(&self, name: &str, network: u64, password: &str, device: Option<SessionId>) -> Attempt {
        Attempt {
            account: self.hash.hash_one(("account", name.trim().to_lowercase())),
            network: self.network_key(network),
            password: self.hash.hash_one(("password", password)),
            device: device.map(|device| self.hash.hash_one(("device", device.bits()))),
        }
    }

    /// What stands before this attempt. Counts it as seen: call it once for each.
    pub fn demand(&self, now: Millis, attempt: &Attempt) -> Demand {
        let mut state = self.lock();
        if attempt.device.is_some_and(|device| state.devices.wait_of(now, device) == Millis(0)) {
            return Demand::Known;
        }
        state.spray.note(now, &Seen { account: attempt.account, password: attempt.password, is_wrong: false });
        let is_spraying = self.publish(&state);
        let wait = state.accounts.wait_of(now, attempt.account);
        if wait > Millis(0) {
            return Demand::Wait(wait);
        }
        let guesses = u64::from(state.accounts.taken(now, attempt.account));
        let wrong = u64::from(state.networks.taken(now, attempt.network));
        let is_free = !is_spraying
            && guesses < self.limits.free_guesses_per_account
            && wrong < self.limits.free_wrong_per_network;
        if is_free { Demand::Free } else { Demand::Work }
    }

    /// Takes the attempt's part of its allowance; called last before the hash. `has_worked`: work was shown.
    pub fn take(&self, now: Millis, attempt: &Attempt, demand: Demand, has_worked: bool) -> Result<(), Millis> {
        self.worked.fetch_add(u64::from(has_worked), Ordering::Relaxed);
        let mut state = self.lock();
        match (demand, attempt.device) {
            (Demand::Known, Some(device)) => state.devices.try_take(now, device),
            _ => state.accounts.try_take(now, attempt.account),
        }
    }

    /// The password was checked.
    pub fn settle(&self, now: Millis, attempt: &Attempt, demand: Demand, has_worked: bool, outcome: Outcome) {
        let mut state = self.lock();
        match (outcome, demand) {
            // A known device has an allowance of its own; what it does teaches nothing about strangers.
            (_, Demand::Known) => {}
            // It was its owner after all: what was counted against the account is forgiven, what came from the network is not.
            (Outcome::Right, _) => {
                state.accounts.forgive(now, attempt.account);
                state.spray.note_right(now);
            }
            (Outcome::Wrong, _) => {
                let _full = state.networks.try_take(now, attempt.network);
                let seen = Seen { account: attempt.account, password: attempt.password, is_wrong: true };
                state.spray.note_wrong(now, &seen, has_worked);
                self.publish(&state);
            }
        }
    }

    /// Somebody asks for a mail. True if work stands before it: their network has asked often, or a spraying is going on.
    pub fn demand_mail(&self, now: Millis, network: u64) -> bool {
        let key = self.hash.hash_one(("mail", network));
        let is_often = self.lock().mails.try_take(now, key).is_err();
        is_often || self.is_spraying()
    }

    /// True if any unknown device of that network would pay work, whichever the account: what a form asks for beforehand. Counts nothing.
    pub fn asks_work(&self, now: Millis, network: u64) -> bool {
        let key = self.network_key(network);
        let wrong = u64::from(self.lock().networks.taken(now, key));
        self.is_spraying() || wrong >= self.limits.free_wrong_per_network
    }

    /// The same for a mailed link.
    pub fn asks_work_for_mail(&self, now: Millis, network: u64) -> bool {
        let key = self.hash.hash_one(("mail", network));
        let wait = self.lock().mails.wait_of(now, key);
        self.is_spraying() || wait > Millis(0)
    }

    /// Takes one try of a second factor's code.
    pub fn take_code(&self, now: Millis, account: AccountId, is_known_device: bool) -> Result<(), Millis> {
        let key = self.hash.hash_one(("code", account.bits(), is_known_device));
        self.lock().codes.try_take(now, key)
    }

    /// The code was right: its tries are forgotten.
    pub fn forgive_codes(&self, now: Millis, account: AccountId, is_known_device: bool) {
        let key = self.hash.hash_one(("code", account.bits(), is_known_device));
        self.lock().codes.forgive(now, key);
    }

    /// How dear a challenge for a sign-in from that network is: an index of the gate's efforts.
    pub fn effort(&self, now: Millis, network: u64) -> u8 {
        let key = self.network_key(network);
        let state = self.lock();
        let wrong = u64::from(state.networks.taken(now, key));
        let free = self.limits.free_wrong_per_network.max(1);
        let of_network = match wrong / free {
            0 | 1 => 0,
            2..=3 => 1,
            4..=7 => 2,
            _ => EFFORT_MAX,
        };
        of_network.max(state.spray.effort()).min(EFFORT_MAX)
    }

    /// Called every second or so: incidents open and close although nobody asks.
    pub fn tick(&self, now: Millis) {
        let mut state = self.lock();
        state.spray.advance(now);
        self.publish(&state);
    }

    /// True while many accounts are being tried.
    pub fn is_spraying(&self) -> bool {
        self.is_spraying.load(Ordering::Relaxed)
    }

    /// What is seen of it, for the console and for metrics.
    pub fn spraying(&self) -> SprayState {
        self.lock().spray.state()
    }

    fn network_key(&self, network: u64) -> u64 {
        self.hash.hash_one(("network", network))
    }

    fn publish(&self, state: &State) -> bool {
        let is_open = state.spray.is_open();
        if self.is_spraying.swap(is_open, Ordering::Relaxed) != is_open {
            let SprayState { attempts_per_s, accounts, .. } = state.spray.state();
            if is_open {
                tracing::warn!(
                    attempts_per_s,
                    accounts,
                    "passwords are being tried over many accounts: unknown devices pay work"
                );
            } else {
                tracing::info!("the trying of passwords is over");
            }
        }
        is_open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
