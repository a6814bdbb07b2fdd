//! The table: what each account and key holds and has spent.
//!
//! What must stay true: `reserve` checks every limit of account and key before it changes anything; an entry with something held is
//! never forgotten; forgetting an idle entry forgets at most what the store can tell again ([`Meter::restore`]).

use std::collections::HashMap;

use rempart_domain::{AccountId, Band, Day, KeyId, Millis, TokenCount, Usage};

use crate::budget::{Budget, BudgetError, Payer, Reservation};
use crate::predictor::Predictor;
use crate::window::{Bucket, DayWindow, Moment, RateWindow};

/// The bounds of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Accounts and keys remembered at once; the longest idle of a few is forgotten first. Full of busy ones: `TableFull`.
    pub entries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 131_072 }
    }
}

/// Slots looked at when room is needed.
const EVICTION_PROBES: usize = 32;

/// What has been reserved for one request. Give it back with [`Meter::settle`], whatever became of the request.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a hold that is not settled is held for ever"]
pub struct Hold {
    reservation: Reservation,
    /// Held of the day, of account and key alike.
    tokens: u64,
    /// Taken from the minute.
    taken: u64,
    output_cap: TokenCount,
}

impl Hold {
    /// Most tokens of answer that the day's budget still allows; never above what was asked.
    pub const fn output_cap(&self) -> TokenCount {
        self.output_cap
    }

    /// Who pays.
    pub const fn payer(&self) -> Payer {
        self.reservation.payer
    }
}

/// The `x-ratelimit-*` numbers: of account and key, whichever has less left. `None`: unlimited, no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// `…-requests`.
    pub requests: Option<RateWindow>,
    /// `…-tokens`.
    pub tokens: Option<RateWindow>,
}

/// What an account or key has spent today and holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Input and output of settled requests.
    pub tokens: u64,
    /// Requests begun.
    pub requests: u64,
    /// Held for requests in flight.
    pub held: u64,
    /// Requests in flight.
    pub in_flight: u32,
}

/// A table of what is held and spent.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    index: HashMap<u64, u32>,
    entries: Vec<Entry>,
    hand: usize,
    bands: [Predictor; 5],
    charged: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    id: u64,
    used: Millis,
    in_flight: u32,
    held: u64,
    /// Days that `today` spans: see `Budget::days`.
    days: u16,
    today: DayWindow,
    minute_tokens: Bucket,
    minute_requests: Bucket,
    output: Predictor,
}

impl Entry {
    fn new(id: u64, at: Moment) -> Self {
        Self {
            id,
            used: at.now,
            in_flight: 0,
            held: 0,
            days: 1,
            today: DayWindow { day: at.wall.day(), tokens: 0, requests: 0 },
            minute_tokens: Bucket::default(),
            minute_requests: Bucket::default(),
            output: Predictor::default(),
        }
    }

    fn refresh(&mut self, at: Moment, budget: &Budget) {
        self.used = at.now;
        self.days = budget.days;
        self.today.roll(at, self.days);
        self.minute_tokens.refill(at.now, budget.tokens_per_minute.unwrap_or(0));
        self.minute_requests.refill(at.now, budget.requests_per_minute.unwrap_or(0));
    }

    /// Tokens the day still has; refuses by the first limit that is reached.
    fn check(&self, at: Moment, budget: &Budget, input: u64, minute: u64) -> Result<u64, BudgetError> {
        if budget.in_flight.is_some_and(|most| self.in_flight >= most) {
            return Err(BudgetError::InFlight);
        }
        let retry_after = at.to_midnight();
        if budget.requests_per_day.is_some_and(|most| self.today.requests >= most) {
            return Err(BudgetError::RequestsPerDay { retry_after });
        }
        let spent = self.today.tokens.saturating_add(self.held);
        let left = budget.tokens_per_day.map_or(u64::MAX, |most| most.saturating_sub(spent));
        // At least one token of answer must be left, or there is nothing to buy.
        if left <= input {
            return Err(BudgetError::TokensPerDay { retry_after });
        }
        if let Some(limit) = budget.requests_per_minute {
            self.minute_requests
                .check(limit, 1)
                .map_err(|retry_after| BudgetError::RequestsPerMinute { retry_after })?;
        }
        if let Some(limit) = budget.tokens_per_minute {
            self.minute_tokens
                .check(limit, minute)
                .map_err(|retry_after| BudgetError::TokensPerMinute { retry_after })?;
        }
        Ok(left)
    }

    fn hold(&mut self, budget: &Budget, tokens: u64, minute: u64) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.held = self.held.saturating_add(tokens);
        self.today.requests = self.today.requests.saturating_add(1);
        if let Some(limit) = budget.requests_per_minute {
            self.minute_requests.take(limit, 1);
        }
        if let Some(limit) = budget.tokens_per_minute {
            self.minute_tokens.take(limit, minute);
        }
    }

    fn settle(&mut self, budget: &Budget, hold: &Hold, spent: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.held = self.held.saturating_sub(hold.tokens);
        self.today.tokens = self.today.tokens.saturating_add(spent);
        if let Some(limit) = budget.tokens_per_minute {
            if spent > hold.taken {
                self.minute_tokens.take(limit, spent - hold.taken);
            } else {
                self.minute_tokens.give_back(hold.taken - spent);
            }
        }
    }

    const fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.held == 0
    }
}

impl Meter {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self { limits, index: HashMap::new(), entries: Vec::new(), hand: 0, bands: Default::default(), charged: 0 }
    }

    /// Holds what the request may cost at most, of account and key, or nothing at all.
    pub fn reserve(&mut self, at: Moment, request: &Reservation) -> Result<Hold, BudgetError> {
        let input = u64::from(request.input.0);
        let cap = u64::from(request.output_cap.0);
        let expected = u64::from(self.expected_output(request.payer.account, request.band, request.output_cap).0);
        let minute = input.saturating_add(expected);
        let account = account_id(request.payer.account);
        let key = request.payer.key.map(key_id);

        let mut left = self.entry(account, at)?.refreshed(at, &request.account_budget, input, minute)?;
        if let Some(key) = key {
            left = left.min(self.entry(key, at)?.refreshed(at, &request.key_budget, input, minute)?);
        }
        let output = cap.min(left.saturating_sub(input));
        let tokens = input.saturating_add(output);
        // The look-up of the key may have made room: neither may have gone meanwhile.
        if self.find(account).is_none() {
            return Err(BudgetError::TableFull);
        }
        if let Some(entry) = self.find(account) {
            entry.hold(&request.account_budget, tokens, minute);
        }
        if let Some(entry) = key.and_then(|key| self.find(key)) {
            entry.hold(&request.key_budget, tokens, minute);
        }
        let output_cap = TokenCount(u32::try_from(output).unwrap_or(u32::MAX));
        Ok(Hold { reservation: *request, tokens, taken: minute, output_cap })
    }

    /// The prompt was counted exactly: what was held too much is given back before the end. Never takes more than was held.
    pub fn true_up(&mut self, hold: &mut Hold, input: TokenCount) {
        let over = u64::from((hold.reservation.input - input).0).min(hold.tokens);
        hold.tokens -= over;
        hold.reservation.input = hold.reservation.input.min(input);
        let payer = hold.reservation.payer;
        for id in [Some(account_id(payer.account)), payer.key.map(key_id)].into_iter().flatten() {
            if let Some(entry) = self.find(id) {
                entry.held = entry.held.saturating_sub(over);
            }
        }
    }

    /// Charges what it cost and gives the rest back.
    #[allow(clippy::needless_pass_by_value, reason = "taking the hold over is what makes settling twice impossible")]
    pub fn settle(&mut self, at: Moment, hold: Hold, usage: Usage) {
        let spent = u64::from(usage.input.0) + u64::from(usage.output.0);
        let Reservation { payer, band, account_budget, key_budget, .. } = hold.reservation;
        let has_answer = usage.output.0 > 0;
        if let Some(entry) = self.find(account_id(payer.account)) {
            entry.refresh(at, &account_budget);
            entry.settle(&account_budget, &hold, spent);
            if has_answer {
                entry.output.observe(usage.output);
            }
        }
        if let Some(entry) = payer.key.and_then(|key| self.find(key_id(key))) {
            entry.refresh(at, &key_budget);
            entry.settle(&key_budget, &hold, spent);
        }
        if has_answer && let Some(predictor) = self.bands.get_mut(usize::from(band.to_u8())) {
            predictor.observe(usage.output);
        }
        self.charged = self.charged.saturating_add(spent);
    }

    /// What nine of ten answers stay under, for admission's KV reservation: the account's own, else its band's, else the cap.
    pub fn expected_output(&self, account: AccountId, band: Band, cap: TokenCount) -> TokenCount {
        let own = self.peek(account_id(account)).and_then(|entry| entry.output.p90());
        let of_band = || self.bands.get(usize::from(band.to_u8())).and_then(Predictor::p90);
        own.or_else(of_band).map_or(cap, |p90| p90.min(cap))
    }

    /// The numbers for the `x-ratelimit-*` headers.
    pub fn rates(&self, at: Moment, payer: Payer, account_budget: &Budget, key_budget: &Budget) -> Rates {
        let mut rates = self.rates_of(at, account_id(payer.account), account_budget);
        if let Some(key) = payer.key {
            let of_key = self.rates_of(at, key_id(key), key_budget);
            rates.requests = tighter(rates.requests, of_key.requests);
            rates.tokens = tighter(rates.tokens, of_key.tokens);
        }
        rates
    }

    /// What an account has spent today.
    pub fn spent(&mut self, at: Moment, account: AccountId) -> Spent {
        self.spent_of(at, account_id(account))
    }

    /// What a key has spent today.
    pub fn spent_by_key(&mut self, at: Moment, key: KeyId) -> Spent {
        self.spent_of(at, key_id(key))
    }

    /// What the store knows of today, after a start or for an account not [`known`](Self::knows): the larger of both counts.
    pub fn restore(
        &mut self,
        at: Moment,
        payer: Payer,
        day: Day,
        tokens: u64,
        requests: u64,
    ) -> Result<(), BudgetError> {
        if day != at.wall.day() {
            return Ok(());
        }
        for id in [Some(account_id(payer.account)), payer.key.map(key_id)].into_iter().flatten() {
            let entry = self.entry(id, at)?;
            entry.today.roll(at, entry.days);
            entry.today.tokens = entry.today.tokens.max(tokens);
            entry.today.requests = entry.today.requests.max(requests);
        }
        Ok(())
    }

    /// What the store knows that a key has spent in the span of `days` days that is now, after a start or when the table had to forget it.
    pub fn restore_key(&mut self, at: Moment, key: KeyId, days: u16, tokens: u64) -> Result<(), BudgetError> {
        let entry = self.entry(key_id(key), at)?;
        entry.days = days;
        entry.today.roll(at, days);
        entry.today.tokens = entry.today.tokens.max(tokens);
        Ok(())
    }

    /// Whether the table remembers the key; if not, [`Meter::restore_key`] first.
    pub fn knows_key(&self, key: KeyId) -> bool {
        self.index.contains_key(&key_id(key))
    }

    /// Whether the table remembers the account; if not, `restore` what the store knows of its day first.
    pub fn knows(&self, account: AccountId) -> bool {
        self.index.contains_key(&account_id(account))
    }

    /// Sum of all charges since the start: equals the sum of usage.
    pub const fn charged(&self) -> u64 {
        self.charged
    }

    /// Accounts and keys remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True before the first request.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&mut self, id: u64) -> Option<&mut Entry> {
        let at = *self.index.get(&id)?;
        self.entries.get_mut(at as usize)
    }

    fn peek(&self, id: u64) -> Option<&Entry> {
        self.entries.get(*self.index.get(&id)? as usize)
    }

    fn entry(&mut self, id: u64, at: Moment) -> Result<&mut Entry, BudgetError> {
        let slot = match self.index.get(&id) {
            Some(&slot) => slot,
            None => {
                let slot = self.free_slot(at, id)?;
                self.index.insert(id, slot);
                slot
            }
        };
        self.entries.get_mut(slot as usize).ok_or(BudgetError::TableFull)
    }

    /// A slot holding a new entry for `id`: a fresh one while there is room, else that of the longest idle of a few.
    fn free_slot(&mut self, at: Moment, id: u64) -> Result<u32, BudgetError> {
        if self.entries.len() < self.limits.entries as usize {
            let slot = u32::try_from(self.entries.len()).map_err(|_| BudgetError::TableFull)?;
            self.entries.push(Entry::new(id, at));
            return Ok(slot);
        }
        let len = self.entries.len();
        let mut oldest: Option<(Millis, usize)> = None;
        for probe in 0..EVICTION_PROBES.min(len) {
            let slot = (self.hand + probe) % len;
            // What was used at this very moment may be the account whose key is being looked up.
            if let Some(entry) = self.entries.get(slot).filter(|e| e.is_idle() && e.used < at.now)
                && oldest.is_none_or(|(used, _)| entry.used < used)
            {
                oldest = Some((entry.used, slot));
            }
        }
        self.hand = (self.hand + EVICTION_PROBES) % len.max(1);
        let (_, slot) = oldest.ok_or(BudgetError::TableFull)?;
        let entry = self.entries.get_mut(slot).ok_or(BudgetError::TableFull)?;
        let old = std::mem::replace(entry, Entry::new(id, at));
        self.index.remove(&old.id);
        u32::try_from(slot).map_err(|_| BudgetError::TableFull)
    }

    fn spent_of(&mut self, at: Moment, id: u64) -> Spent {
        self.find(id).map_or_else(Spent::default, |entry| {
            entry.today.roll(at, entry.days);
            Spent {
                tokens: entry.today.tokens,
                requests: entry.today.requests,
                held: entry.held,
                in_flight: entry.in_flight,
            }
        })
    }

    fn rates_of(&self, at: Moment, id: u64, budget: &Budget) -> Rates {
        let fresh = Entry::new(id, at);
        let mut entry = self.peek(id).cloned().unwrap_or(fresh);
        entry.refresh(at, budget);
        Rates {
            requests: budget.requests_per_minute.map(|limit| entry.minute_requests.numbers(limit)),
            tokens: budget.tokens_per_minute.map(|limit| entry.minute_tokens.numbers(limit)),
        }
    }
}

impl Entry {
    fn refreshed(&mut self, at: Moment, budget: &Budget, input: u64, minute: u64) -> Result<u64, BudgetError> {
        self.refresh(at, budget);
        self.check(at, budget, input, minute)
    }
}

fn tighter(a: Option<RateWindow>, b: Option<RateWindow>) -> Option<RateWindow> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.remaining < a.remaining { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Ids have 63 bits: the top bit tells keys from accounts.
const fn account_id(account: AccountId) -> u64 {
    account.bits()
}

const fn key_id(key: KeyId) -> u64 {
    key.bits() | (1 << 63)
}
