//! Usage: how much, never what. One row per account, key, day and model.

use rempart_domain::{AccountId, Day, KeyId};

use crate::conn::args;
use crate::lane::Lane;
use crate::{Store, StoreError, queries};

/// Something to be added to a day's usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Who.
    pub account: AccountId,
    /// By which key; `None` for the chat.
    pub key: Option<KeyId>,
    /// When (UTC).
    pub day: Day,
    /// Which model.
    pub model: String,
    /// Requests.
    pub requests: u64,
    /// Prompt tokens.
    pub input: u64,
    /// Answer tokens, reasoning included.
    pub output: u64,
    /// Of `input`: found in the prefix cache.
    pub cached: u64,
    /// Of `output`: reasoning.
    pub reasoning: u64,
}

/// An account's usage of a day, all keys and models together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageDay {
    /// The day (UTC).
    pub day: Day,
    /// Requests.
    pub requests: u64,
    /// Prompt tokens.
    pub input: u64,
    /// Answer tokens, reasoning included.
    pub output: u64,
    /// Of `input`: found in the prefix cache.
    pub cached: u64,
    /// Of `output`: reasoning.
    pub reasoning: u64,
}

/// What one account spent on one day, by one of its keys or by the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaySpent {
    /// Who.
    pub account: AccountId,
    /// By which key; `None` for the chat.
    pub key: Option<KeyId>,
    /// Requests.
    pub requests: u64,
    /// Input and output together.
    pub tokens: u64,
}

/// More than any day can hold; keeps sums within 64 bits.
const COUNT_MAX: u64 = 1 << 53;

fn to_sql(count: u64) -> i64 {
    count.min(COUNT_MAX).cast_signed()
}

fn from_sql(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

impl Store {
    /// Adds to what is there, all rows or none. Rows of deleted accounts are dropped.
    pub async fn add_usage(&self, rows: Vec<UsageRow>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                for row in rows {
                    let (key, day) = (row.key.map_or(0, KeyId::to_sql), i64::from(row.day.0));
                    let counts = [row.requests, row.input, row.output, row.cached, row.reasoning];
                    let mut values = args![row.account.to_sql(), key, day, row.model];
                    values.extend(counts.into_iter().map(|count| to_sql(count).into()));
                    c.execute(queries::USAGE_ADD, values).await?;
                    if row.key.is_some() {
                        c.execute(queries::KEY_RECORD_USED, args![key, day]).await?;
                    }
                }
                Ok(())
            })
        })
        .await
    }

    /// Days with usage in `from..=to`, oldest first.
    pub async fn read_usage(&self, account: AccountId, from: Day, to: Day) -> Result<Vec<UsageDay>, StoreError> {
        let range = args![account.to_sql(), i64::from(from.0), i64::from(to.0)];
        let rows = self.read(Lane::Other, queries::USAGE_READ, range).await?;
        let day_of = |row: &crate::conn::Row| {
            Ok(UsageDay {
                day: crate::account::day_of(row.int(0)?),
                requests: from_sql(row.int(1)?),
                input: from_sql(row.int(2)?),
                output: from_sql(row.int(3)?),
                cached: from_sql(row.int(4)?),
                reasoning: from_sql(row.int(5)?),
            })
        };
        rows.iter().map(day_of).collect()
    }

    /// What every account spent on a day, the greatest first, at most `limit` rows: read at start, so that a restart gives no day's
    /// budget again. Not bound by the usual deadline.
    pub async fn load_usage_of(&self, day: Day, limit: u32) -> Result<Vec<DaySpent>, StoreError> {
        let inner = &self.inner;
        let mut spent = Vec::new();
        let mut push = |row: crate::conn::Row| {
            let key = row.int(1)?;
            spent.push(DaySpent {
                account: AccountId::from_sql(row.int(0)?),
                key: (key != 0).then(|| KeyId::from_sql(key)),
                requests: from_sql(row.int(2)?),
                tokens: from_sql(row.int(3)?),
            });
            Ok(())
        };
        let range = args![i64::from(day.0), i64::from(limit)];
        inner.database.read_bulk(&inner.health, queries::USAGE_LOAD_DAY, range, &mut push).await?;
        Ok(spent)
    }

    /// What the keys with a budget of their own have spent since `first`, input and output together, the greatest first, at most `limit`
    /// rows: read at start, so that a restart gives no key its budget again. Not bound by the usual deadline.
    pub async fn load_spent_by_keys(&self, first: Day, limit: u32) -> Result<Vec<(KeyId, u64)>, StoreError> {
        let inner = &self.inner;
        let mut spent = Vec::new();
        let mut push = |row: crate::conn::Row| {
            spent.push((KeyId::from_sql(row.int(0)?), from_sql(row.int(1)?)));
            Ok(())
        };
        let range = args![i64::from(first.0), i64::from(limit)];
        inner.database.read_bulk(&inner.health, queries::USAGE_LOAD_KEYS, range, &mut push).await?;
        Ok(spent)
    }

    /// Tokens (input and output) ever spent by the account.
    pub async fn budget_spent(&self, account: AccountId) -> Result<u64, StoreError> {
        let row = self.read_one(Lane::Other, queries::USAGE_SPENT, args![account.to_sql()]).await?;
        row.map_or(Ok(0), |row| row.int(0).map(from_sql))
    }

    /// Tokens (input and output) spent by one of the account's keys since `first`.
    pub async fn budget_spent_by_key(&self, account: AccountId, key: KeyId, first: Day) -> Result<u64, StoreError> {
        let range = args![account.to_sql(), key.to_sql(), i64::from(first.0)];
        let row = self.read_one(Lane::Other, queries::USAGE_SPENT_BY_KEY, range).await?;
        row.map_or(Ok(0), |row| row.int(0).map(from_sql))
    }
}
