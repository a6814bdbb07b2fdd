//! One connection of either database, and the few types of value that cross it.
//!
//! What must stay true: a statement's text never holds a value; every driver error passes [`Conn::sort`], which tells health.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::{Column as _, Postgres, Row as _, SqlSafeStr, Sqlite, Transaction, TypeInfo as _, ValueRef as _};

use crate::StoreError;
use crate::health::Health;

/// A value to bind.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($from:ty => $variant:ident, $value:ident => $into:expr);+ $(;)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::$variant($into)
            }
        })+
    };
}
value_from! {
    i64 => Int, v => Some(v);
    Option<i64> => Int, v => v;
    String => Text, v => Some(v);
    &str => Text, v => Some(v.to_owned());
    Option<String> => Text, v => v;
    Vec<u8> => Bytes, v => Some(v);
    Option<Vec<u8>> => Bytes, v => v;
    [u8; 32] => Bytes, v => Some(v.to_vec());
}

/// Values in the order of `$1`, `$2`, ….
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::conn::Value::from($value)),*] };
}
pub(crate) use args;

/// A value read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row read: cells in the order of the statement's columns.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Vec<Cell>);

impl Row {
    fn take(&mut self, index: usize) -> Cell {
        self.0.get_mut(index).map_or(Cell::Null, |cell| std::mem::replace(cell, Cell::Null))
    }

    pub(crate) fn int(&self, index: usize) -> Result<i64, StoreError> {
        match self.0.get(index) {
            Some(Cell::Int(value)) => Ok(*value),
            _ => Err(StoreError::Corrupt("number")),
        }
    }

    pub(crate) fn opt_int(&self, index: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(index) {
            Some(Cell::Int(value)) => Ok(Some(*value)),
            Some(Cell::Null) => Ok(None),
            _ => Err(StoreError::Corrupt("number")),
        }
    }

    /// Takes the text out; a second read finds nothing.
    pub(crate) fn text(&mut self, index: usize) -> Result<String, StoreError> {
        self.opt_text(index)?.ok_or(StoreError::Corrupt("text"))
    }

    pub(crate) fn opt_text(&mut self, index: usize) -> Result<Option<String>, StoreError> {
        match self.take(index) {
            Cell::Text(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            _ => Err(StoreError::Corrupt("text")),
        }
    }

    /// Takes the bytes out; a second read finds nothing.
    pub(crate) fn bytes(&mut self, index: usize) -> Result<Vec<u8>, StoreError> {
        self.opt_bytes(index)?.ok_or(StoreError::Corrupt("bytes"))
    }

    pub(crate) fn opt_bytes(&mut self, index: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match self.take(index) {
            Cell::Bytes(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            _ => Err(StoreError::Corrupt("bytes")),
        }
    }
}

/// A connection, or a transaction that rolls back when it is dropped.
#[derive(Debug)]
pub(crate) enum Link {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

/// A [`Link`] that reports its failures.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) link: Link,
    pub(crate) health: Arc<Health>,
    /// Asked for by the deletion of a key: no old page of it may stay in the write-ahead log.
    pub(crate) wants_truncate: bool,
}

macro_rules! bind_all {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for value in $args {
            query = match value {
                Value::Int(v) => query.bind(v),
                Value::Text(v) => query.bind(v),
                Value::Bytes(v) => query.bind(v),
            };
        }
        query
    }};
}

macro_rules! read_row {
    ($row:expr) => {{
        let row = $row;
        let mut cells = Vec::with_capacity(row.len());
        for index in 0..row.len() {
            let raw = row.try_get_raw(index)?;
            cells.push(if raw.is_null() {
                Cell::Null
            } else {
                match raw.type_info().name() {
                    "INTEGER" | "INT8" => Cell::Int(row.try_get_unchecked::<i64, _>(index)?),
                    "INT4" => Cell::Int(i64::from(row.try_get_unchecked::<i32, _>(index)?)),
                    "BLOB" | "BYTEA" => Cell::Bytes(row.try_get_unchecked::<Vec<u8>, _>(index)?),
                    _ => Cell::Text(row.try_get_unchecked::<String, _>(index)?),
                }
            });
        }
        Ok::<Row, sqlx::Error>(Row(cells))
    }};
}

pub(crate) fn sqlite_row(row: &sqlx::sqlite::SqliteRow) -> Result<Row, sqlx::Error> {
    read_row!(row)
}

pub(crate) fn postgres_row(row: &sqlx::postgres::PgRow) -> Result<Row, sqlx::Error> {
    read_row!(row)
}

/// Names of a row's columns.
pub(crate) fn column_names<R: sqlx::Row>(row: &R) -> Vec<String> {
    row.columns().iter().map(|column| column.name().to_owned()).collect()
}

impl Conn {
    pub(crate) fn new(link: Link, health: &Arc<Health>) -> Self {
        Self { link, health: Arc::clone(health), wants_truncate: false }
    }

    fn sort(&self, error: sqlx::Error) -> StoreError {
        self.health.note_error(&error);
        StoreError::from(error)
    }

    /// Runs a statement and reads all its rows; what calls this bounds them by `LIMIT` or by meaning.
    pub(crate) async fn rows(&mut self, sql: impl SqlSafeStr, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        let outcome = match &mut self.link {
            Link::Sqlite(conn) => {
                let rows = bind_all!(sqlx::query::<Sqlite>(sql), args).fetch_all(&mut **conn).await;
                rows.and_then(|rows| rows.iter().map(sqlite_row).collect())
            }
            Link::Postgres(conn) => {
                let rows = bind_all!(sqlx::query::<Postgres>(sql), args).fetch_all(&mut **conn).await;
                rows.and_then(|rows| rows.iter().map(postgres_row).collect())
            }
            Link::PostgresTx(conn) => {
                let rows = bind_all!(sqlx::query::<Postgres>(sql), args).fetch_all(&mut **conn).await;
                rows.and_then(|rows| rows.iter().map(postgres_row).collect())
            }
        };
        outcome.map_err(|error| self.sort(error))
    }

    /// Runs a statement and hands its rows over one by one.
    pub(crate) async fn each(
        &mut self,
        sql: &'static str,
        args: Vec<Value>,
        each: &mut (dyn FnMut(Row) -> Result<(), StoreError> + Send),
    ) -> Result<(), StoreError> {
        macro_rules! stream {
            ($db:ty, $conn:expr, $read:ident) => {{
                let mut rows = bind_all!(sqlx::query::<$db>(sql), args).fetch(&mut **$conn);
                loop {
                    match rows.try_next().await.and_then(|row| row.map(|row| $read(&row)).transpose()) {
                        Ok(Some(row)) => each(row)?,
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                }
            }};
        }
        let read = match &mut self.link {
            Link::Sqlite(conn) => stream!(Sqlite, conn, sqlite_row),
            Link::Postgres(conn) => stream!(Postgres, conn, postgres_row),
            Link::PostgresTx(conn) => stream!(Postgres, conn, postgres_row),
        };
        read.map_err(|error| self.sort(error))
    }

    /// Runs a statement and reads its first row.
    pub(crate) async fn row(&mut self, sql: impl SqlSafeStr, args: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Runs a statement: rows it changed.
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr, args: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        let outcome = match &mut self.link {
            Link::Sqlite(conn) => {
                bind_all!(sqlx::query::<Sqlite>(sql), args).execute(&mut **conn).await.map(|done| done.rows_affected())
            }
            Link::Postgres(conn) => bind_all!(sqlx::query::<Postgres>(sql), args)
                .execute(&mut **conn)
                .await
                .map(|done| done.rows_affected()),
            Link::PostgresTx(conn) => bind_all!(sqlx::query::<Postgres>(sql), args)
                .execute(&mut **conn)
                .await
                .map(|done| done.rows_affected()),
        };
        outcome.map_err(|error| self.sort(error))
    }

    /// Runs a statement that must change a row, else `NotFound`.
    pub(crate) async fn execute_one(&mut self, sql: impl SqlSafeStr, args: Vec<Value>) -> Result<(), StoreError> {
        if self.execute(sql, args).await? == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Runs a script of several statements without values (migrations, transaction control).
    pub(crate) async fn script(&mut self, sql: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        let script = sqlx::raw_sql(sql);
        let outcome = match &mut self.link {
            Link::Sqlite(conn) => script.execute(&mut **conn).await.map(|_| ()),
            Link::Postgres(conn) => script.execute(&mut **conn).await.map(|_| ()),
            Link::PostgresTx(conn) => script.execute(&mut **conn).await.map(|_| ()),
        };
        if let Err(error) = &outcome {
            self.health.note_error(error);
        }
        outcome
    }

    pub(crate) const fn is_sqlite(&self) -> bool {
        matches!(self.link, Link::Sqlite(_))
    }
}
