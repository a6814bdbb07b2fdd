//! Bringing many accounts in at once.

use rempart_domain::AccountName;

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::conn::{Conn, Value};
use crate::lane::{DEADLINE_BULK, Lane};
use crate::{NewAccount, NewKey, Store, StoreError, account, key, queries};

/// Accounts in one commit: bounds how long others' writes wait behind an import.
const BATCH_LEN: usize = 1024;

/// Rows in one statement. More cost SQLite more than they save: it finds a value's number by walking a list of all of them.
const STATEMENT_ROWS: usize = 16;

/// An account to be imported, with its keys.
#[derive(Debug)]
pub struct NewAccountWithKeys {
    /// The account.
    pub account: NewAccount,
    /// Its keys; `account` of each must be the account's id.
    pub keys: Vec<NewKey>,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Accounts made.
    pub created: u64,
    /// Names that existed already: neither they nor their keys were touched.
    pub taken: Vec<AccountName>,
}

/// Repeats the tuple after `VALUES` for `rows` rows: `($1, $2), ($3, $4)`. The statement stays the one of the file.
fn repeat_values(sql: &str, rows: usize) -> Option<String> {
    let (head, rest) = sql.split_once("VALUES (")?;
    let (tuple, tail) = rest.split_once(')')?;
    let items: Vec<&str> = tuple.split(',').map(str::trim).collect();
    let width = items.iter().filter(|item| item.starts_with('$')).count();
    let mut out = String::with_capacity(sql.len().saturating_mul(rows));
    out.push_str(head);
    out.push_str("VALUES ");
    for row in 0..rows {
        out.push_str(if row == 0 { "(" } else { ", (" });
        let mut value = row.saturating_mul(width);
        for (index, item) in items.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { ", " });
            if item.starts_with('$') {
                value = value.saturating_add(1);
                out.push('$');
                out.push_str(&value.to_string());
            } else {
                out.push_str(item);
            }
        }
        out.push(')');
    }
    out.push_str(tail);
    Some(out)
}

/// Inserts rows, [`STATEMENT_ROWS`] a statement; returns the first column of what `RETURNING` gives.
async fn insert_rows(conn: &mut Conn, sql: &'static str, rows: Vec<Vec<Value>>) -> Result<HashSet<i64>, StoreError> {
    let mut returned = HashSet::new();
    let mut rows = rows.into_iter().peekable();
    let mut full: Option<Arc<String>> = None;
    while rows.peek().is_some() {
        let chunk: Vec<Vec<Value>> = rows.by_ref().take(STATEMENT_ROWS).collect();
        let len = chunk.len();
        let text = match &full {
            Some(text) if len == STATEMENT_ROWS => Arc::clone(text),
            _ => Arc::new(repeat_values(sql, len).ok_or(StoreError::Corrupt("statement"))?),
        };
        if len == STATEMENT_ROWS {
            full = Some(Arc::clone(&text));
        }
        for row in conn.rows(AssertSqlSafe(text), chunk.into_iter().flatten().collect()).await? {
            returned.insert(row.int(0)?);
        }
    }
    Ok(returned)
}

/// Everything of one commit, sealed and ready.
struct Batch {
    accounts: Vec<Vec<Value>>,
    /// By account id.
    data_keys: Vec<(i64, Vec<Value>)>,
    keys: Vec<(i64, Vec<Value>)>,
    names: Vec<(i64, AccountName)>,
}

async fn insert_batch(conn: &mut Conn, batch: Batch) -> Result<ImportReport, StoreError> {
    let made = insert_rows(conn, queries::ACCOUNT_IMPORT, batch.accounts).await?;
    let of_made = |rows: Vec<(i64, Vec<Value>)>| {
        rows.into_iter().filter(|(id, _)| made.contains(id)).map(|(_, row)| row).collect()
    };
    insert_rows(conn, queries::DATA_KEY_INSERT, of_made(batch.data_keys)).await?;
    insert_rows(conn, queries::KEY_INSERT, of_made(batch.keys)).await?;
    let created = u64::try_from(made.len()).unwrap_or(u64::MAX);
    let taken = batch.names.into_iter().filter(|(id, _)| !made.contains(id)).map(|(_, name)| name).collect();
    Ok(ImportReport { created, taken })
}

impl Store {
    /// Makes accounts with their keys, in batches of one commit each; names that exist are reported. Stops at the first other error:
    /// what is counted in no report may then be in the store, and calling again reports it as taken.
    pub async fn import_accounts(&self, accounts: Vec<NewAccountWithKeys>) -> Result<ImportReport, StoreError> {
        let mut report = ImportReport::default();
        let mut accounts = accounts.into_iter().peekable();
        while accounts.peek().is_some() {
            let batch = self.seal_batch(accounts.by_ref().take(BATCH_LEN))?;
            let part = self
                .write_within(Lane::Other, DEADLINE_BULK, Box::new(move |c| Box::pin(insert_batch(c, batch))))
                .await?;
            report.created = report.created.saturating_add(part.created);
            report.taken.extend(part.taken);
        }
        Ok(report)
    }

    fn seal_batch(&self, accounts: impl Iterator<Item = NewAccountWithKeys>) -> Result<Batch, StoreError> {
        let sealer = &self.inner.sealer;
        let mut batch = Batch { accounts: Vec::new(), data_keys: Vec::new(), keys: Vec::new(), names: Vec::new() };
        for new in accounts {
            let id = new.account.id;
            batch.accounts.push(account::insert_args(sealer, &new.account)?);
            batch.data_keys.push((id.to_sql(), vec![Value::from(id.to_sql()), Value::from(sealer.make_data_key(id)?)]));
            for new_key in &new.keys {
                if new_key.account != id {
                    return Err(StoreError::NotFound);
                }
                batch.keys.push((id.to_sql(), key::insert_args(new_key)?));
            }
            batch.names.push((id.to_sql(), new.account.name));
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::repeat_values;

    #[test]
    fn a_tuple_is_repeated_with_its_numbers_going_on() {
        let repeated = repeat_values("INSERT INTO t (a, b, c) VALUES ($1, $2, 0)\nRETURNING a", 2);
        assert_eq!(repeated.as_deref(), Some("INSERT INTO t (a, b, c) VALUES ($1, $2, 0), ($3, $4, 0)\nRETURNING a"));
    }
}
