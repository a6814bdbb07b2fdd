//! Reserve before, settle after, and remember what is to be written: the driver of the pure meter.
//!
//! What must stay true: nothing starts without a hold, every hold is settled, and usage rows are lost only if the process is killed
//! within seconds of the answer's end. Rows are content-free.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rempart_domain::{AccountId, Day, KeyId, Millis, ReasonCode, TokenCount, Usage};
use rempart_metering::{Budget, BudgetError, Hold, Meter, Moment, Payer, Prices, Rates, Reservation, first_day};
use rempart_store::{Store, StoreError, UsageRow};
use tokio::sync::{RwLock, RwLockReadGuard, Semaphore};

use crate::budgets::Budgets;
use crate::clock::Clock;
use crate::ctx::Ctx;
use crate::refusal::Refusal;

type RowKey = (AccountId, Option<KeyId>, Day, String);

/// The platform's meter.
#[derive(Debug)]
pub struct Metering {
    meter: Mutex<Meter>,
    rows: Mutex<HashMap<RowKey, UsageRow>>,
    /// Held for writing while rows go to the store: they are neither here nor there then.
    flushing: RwLock<()>,
    rows_max: usize,
    /// `[limits] key_budget_days`.
    key_days: u16,
    prices: Mutex<Prices>,
    bands: Budgets,
    clock: Arc<Clock>,
}

/// A hold that is settled when dropped, with what was used until then.
#[derive(Debug)]
pub struct Reserved {
    metering: Arc<Metering>,
    hold: Option<Hold>,
    model: String,
    usage: Usage,
}

impl Metering {
    /// An empty meter.
    pub(crate) fn new(rows_max: u64, key_budget_days: u64, bands: Budgets, clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self {
            meter: Mutex::new(Meter::new(rempart_metering::Limits::default())),
            rows: Mutex::new(HashMap::new()),
            flushing: RwLock::default(),
            rows_max: usize::try_from(rows_max).unwrap_or(usize::MAX),
            key_days: u16::try_from(key_budget_days).unwrap_or(u16::MAX),
            prices: Mutex::default(),
            bands,
            clock,
        })
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<RowKey, UsageRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self) -> Moment {
        let (now, date) = self.clock.both();
        Moment { now, wall: date.seconds() }
    }

    /// Holds what the request may cost at most. Gives back the answer's cap and what the account's answers usually stay under.
    pub fn reserve(
        self: &Arc<Self>,
        ctx: &Ctx,
        model: &str,
        input: TokenCount,
        output_cap: TokenCount,
    ) -> Result<(Reserved, TokenCount, TokenCount), Refusal> {
        let (payer, account_budget, key_budget) = self.budgets(ctx)?;
        let reservation = Reservation { payer, band: ctx.band, account_budget, key_budget, input, output_cap };
        let at = self.moment();
        let mut meter = self.meter();
        let hold = meter.reserve(at, &reservation).map_err(refusal)?;
        let cap = hold.output_cap();
        let expected = meter.expected_output(payer.account, ctx.band, cap);
        drop(meter);
        let reserved =
            Reserved { metering: Arc::clone(self), hold: Some(hold), model: model.to_owned(), usage: Usage::default() };
        Ok((reserved, cap, expected))
    }

    /// What a token of the account's next request weighs: see `rempart_metering::Prices`.
    pub fn price(&self, account: AccountId) -> f64 {
        self.prices.lock().unwrap_or_else(PoisonError::into_inner).price(self.clock.now(), account)
    }

    /// An engine worked for the account, and somebody took the answer or nobody did.
    pub fn observe_work(&self, account: AccountId, engine: Millis, is_read: bool) {
        let mut prices = self.prices.lock().unwrap_or_else(PoisonError::into_inner);
        prices.observe(self.clock.now(), account, engine, is_read);
    }

    /// The numbers of the `x-ratelimit-*` headers; none for an unlimited account.
    pub fn rates(&self, ctx: &Ctx) -> Rates {
        let Ok((payer, account_budget, key_budget)) = self.budgets(ctx) else {
            return Rates::default();
        };
        if account_budget.requests_per_minute.is_none()
            && account_budget.tokens_per_minute.is_none()
            && key_budget.requests_per_minute.is_none()
        {
            return Rates::default();
        }
        self.meter().rates(self.moment(), payer, &account_budget, &key_budget)
    }

    /// Takes over what the store knows of today and of keys' budgets: a restart gives nothing again. Called once, before anything is
    /// served.
    pub async fn restore(&self, store: &Store) -> Result<(), StoreError> {
        let (day, at) = (self.clock.date().day(), self.moment());
        let rows_max = rempart_metering::Limits::default().entries / 2;
        let spent = store.load_usage_of(day, rows_max).await?;
        let of_keys = store.load_spent_by_keys(first_day(day, self.key_days), rows_max).await?;
        let mut accounts: HashMap<AccountId, (u64, u64)> = HashMap::new();
        let mut meter = self.meter();
        // A full table forgets an idle account's day; that is its stated bound.
        for row in &spent {
            let of_account = accounts.entry(row.account).or_default();
            *of_account = (of_account.0.saturating_add(row.tokens), of_account.1.saturating_add(row.requests));
        }
        for (key, tokens) in of_keys {
            let _ = meter.restore_key(at, key, self.key_days, tokens);
        }
        for (account, (tokens, requests)) in accounts {
            let _ = meter.restore(at, Payer { account, key: None }, day, tokens, requests);
        }
        Ok(())
    }

    /// Asks the store what a key with a budget of its own has spent, if the table does not know: it is new, or had to be forgotten. Without an
    /// answer nothing may be spent, since a budget is a promise to whoever set it.
    pub async fn recall_key(&self, ctx: &Ctx, store: &Store, look_ups: &Semaphore) -> Result<(), Refusal> {
        let Some(key) = ctx.key.as_ref().filter(|key| key.limits.budget_tokens.is_some()) else { return Ok(()) };
        if self.meter().knows_key(key.id) {
            return Ok(());
        }
        let _permit = look_ups.try_acquire().map_err(|_| ReasonCode::Overloaded)?;
        let first = self.first_key_day();
        // Boxed, since it is rare: what every request carries along stays small.
        let guard = self.flushing.read().await;
        let written = Box::pin(store.budget_spent_by_key(key.account, key.id, first)).await;
        let written = written.map_err(|_| ReasonCode::StorageUnavailable)?;
        let unwritten: u64 =
            self.rows().values().filter(|row| row.key == Some(key.id)).map(|row| row.input + row.output).sum();
        drop(guard);
        let at = self.moment();
        self.meter().restore_key(at, key.id, self.key_days, written.saturating_add(unwritten)).map_err(refusal)
    }

    /// The first day that still counts in keys' budgets.
    pub fn first_key_day(&self) -> Day {
        first_day(self.clock.date().day(), self.key_days)
    }

    /// What the key's budget is for, and what of it is spent.
    pub fn spent_by_key(&self, key: KeyId) -> (u16, u64) {
        let at = self.moment();
        (self.key_days, self.meter().spent_by_key(at, key).tokens)
    }

    fn budgets(&self, ctx: &Ctx) -> Result<(Payer, Budget, Budget), Refusal> {
        let account = ctx.principal.account.ok_or(ReasonCode::NotSignedIn)?;
        let key = ctx.key.as_ref().map(|k| k.id);
        let limits = ctx.key.as_ref().map(|k| k.limits).unwrap_or_default();
        let key_budget = Budget {
            days: self.key_days,
            tokens_per_day: limits.budget_tokens,
            requests_per_minute: limits.requests_per_minute,
            in_flight: limits.in_flight,
            ..Budget::UNLIMITED
        };
        Ok((Payer { account, key }, self.bands.of(ctx.band), key_budget))
    }

    fn add_row(&self, payer: Payer, model: String, usage: Usage, day: Day) {
        let mut rows = self.rows();
        let key = (payer.account, payer.key, day, model);
        let is_full = rows.len() >= self.rows_max;
        let row = match rows.entry(key) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(_) if is_full => {
                tracing::debug!("usage table is full; a row is not written");
                return;
            }
            Entry::Vacant(place) => {
                let (account, key, day, model) = place.key().clone();
                place.insert(UsageRow {
                    account,
                    key,
                    day,
                    model,
                    requests: 0,
                    input: 0,
                    output: 0,
                    cached: 0,
                    reasoning: 0,
                })
            }
        };
        row.requests += 1;
        row.input += u64::from(usage.input.0);
        row.output += u64::from(usage.output.0);
        row.cached += u64::from(usage.cached_input.0);
        row.reasoning += u64::from(usage.reasoning.0);
    }

    /// Accounts that rows not written yet are about.
    pub fn accounts_unwritten(&self) -> std::collections::HashSet<AccountId> {
        self.rows().keys().map(|(account, ..)| *account).collect()
    }

    /// Rows not written yet of an account, so that its usage page is true to the moment. None is written while the guard is held: with it,
    /// what the store has and these together are everything, each once.
    pub async fn unwritten(&self, account: AccountId) -> (Vec<UsageRow>, RwLockReadGuard<'_, ()>) {
        let guard = self.flushing.read().await;
        (self.rows().values().filter(|row| row.account == account).cloned().collect(), guard)
    }

    /// Writes what has gathered; what cannot be written is kept for the next time.
    pub async fn flush(&self, store: &Store) {
        let _guard = self.flushing.write().await;
        let rows: Vec<UsageRow> = std::mem::take(&mut *self.rows()).into_values().collect();
        if rows.is_empty() {
            return;
        }
        if store.add_usage(rows.clone()).await.is_err() {
            let mut kept = self.rows();
            for row in rows {
                let key = (row.account, row.key, row.day, row.model.clone());
                let has_room = kept.len() < self.rows_max;
                match kept.get_mut(&key) {
                    Some(newer) => {
                        newer.requests += row.requests;
                        newer.input += row.input;
                        newer.output += row.output;
                        newer.cached += row.cached;
                        newer.reasoning += row.reasoning;
                    }
                    None if has_room => {
                        kept.insert(key, row);
                    }
                    None => {}
                }
            }
        }
    }
}

impl Reserved {
    /// The engine counted the prompt: what was held too much is there for others again.
    pub fn true_up(&mut self, input: TokenCount) {
        if let Some(hold) = &mut self.hold {
            self.metering.meter().true_up(hold, input);
        }
    }

    /// What was used; settled on drop.
    pub const fn set_usage(&mut self, usage: Usage) {
        self.usage = usage;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            let payer = hold.payer();
            let at = self.metering.moment();
            self.metering.meter().settle(at, hold, self.usage);
            if self.usage != Usage::default() {
                self.metering.add_row(payer, std::mem::take(&mut self.model), self.usage, at.wall.day());
            }
        }
    }
}

fn refusal(error: BudgetError) -> Refusal {
    let refusal = Refusal::from(error.reason());
    match error.reason() {
        ReasonCode::BudgetExhausted => Refusal { retry_after: None, ..refusal },
        _ => refusal.retry_after(error.retry_after().max(Millis(1))),
    }
}
