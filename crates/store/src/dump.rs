//! The logical dump: every table as JSON lines, the same for both databases, so that one can be restored into the other.
//!
//! What must stay true: it is one snapshot; it says at its end how many rows it has, so that a cut file is refused; it is loaded in one
//! transaction or not at all; nothing in it is opened, sealed values travel sealed.
//!
//! Line 1 is `{"rempart_dump":1,"schema":N}`; then for each table `{"table":"…","columns":[…]}` and its rows as arrays, where bytes are
//! `{"b":"base64"}`; the last line is `{"end":ROWS}`. Statements here are made from the two constant lists below, not from files.

use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use crate::backend::AnyDatabase;
use crate::conn::{Cell, Conn, Link, Value, column_names, postgres_row, sqlite_row};
use crate::lane::{DEADLINE_BULK, Lane};
use crate::{Store, StoreError, migrate, open};

/// Every table but `migration`, in an order that references allow.
pub(crate) const TABLES: [&str; 19] = [
    "meta",
    "setting",
    "account",
    "data_key",
    "deleted_account",
    "session",
    "api_key",
    "link",
    "device",
    "factor",
    "recovery_code",
    "invite",
    "conversation",
    "message",
    "file",
    "attachment",
    "share",
    "holding",
    "usage",
];

const BEGIN_SNAPSHOT: &str =
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = 0";

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Head { rempart_dump: u32, schema: i64 },
    Table { table: String, columns: Vec<String> },
    End { end: u64 },
    Row(Vec<Item>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Item {
    Int(i64),
    Text(String),
    Bytes { b: String },
    Null(()),
}

impl From<Cell> for Item {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Null => Self::Null(()),
            Cell::Int(value) => Self::Int(value),
            Cell::Text(value) => Self::Text(value),
            Cell::Bytes(value) => Self::Bytes { b: BASE64.encode(value) },
        }
    }
}

struct Out {
    file: BufWriter<fs::File>,
    rows: u64,
}

impl Out {
    fn line(&mut self, line: &Line) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        self.file.write_all(b"\n")
    }
}

/// Writes a dump to a new file (mode 0600) and syncs it.
pub(crate) async fn write(store: &Store, to: &Path) -> Result<(), StoreError> {
    let failed = |e| StoreError::file("write", to, e);
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    let mut out = Out { file: BufWriter::new(made), rows: 0 };
    let health = &store.inner.health;
    let mut conn = match &store.inner.database {
        AnyDatabase::Sqlite(file) => {
            Conn::new(Link::Sqlite(file.readers.other.acquire().await.map_err(StoreError::Connect)?), health)
        }
        AnyDatabase::Postgres(server) => {
            Conn::new(Link::PostgresTx(server.pools.other.begin().await.map_err(StoreError::Connect)?), health)
        }
    };
    conn.script(if conn.is_sqlite() { "BEGIN" } else { BEGIN_SNAPSHOT }).await?;
    let written = write_all(&mut conn, &mut out).await;
    let ended = conn.script("ROLLBACK").await;
    written?;
    ended?;
    let file = out.file.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)
}

async fn write_all(conn: &mut Conn, out: &mut Out) -> Result<(), StoreError> {
    let failed = |e| StoreError::file("write", "dump", e);
    let schema = migrate::version(conn).await?;
    out.line(&Line::Head { rempart_dump: 1, schema }).map_err(failed)?;
    for table in TABLES {
        write_table(conn, out, table).await?;
    }
    let end = out.rows;
    out.line(&Line::End { end }).map_err(failed)
}

async fn write_table(conn: &mut Conn, out: &mut Out, table: &str) -> Result<(), StoreError> {
    let sql = AssertSqlSafe(format!("SELECT * FROM {table}"));
    let mut is_first = true;
    macro_rules! write_stream {
        ($conn:expr, $read:ident) => {{
            let mut rows = sqlx::query(sql).fetch(&mut **$conn);
            while let Some(row) = rows.try_next().await? {
                if std::mem::take(&mut is_first) {
                    let head = Line::Table { table: table.to_owned(), columns: column_names(&row) };
                    out.line(&head).map_err(|e| StoreError::file("write", "dump", e))?;
                }
                let items = $read(&row)?.0.into_iter().map(Item::from).collect();
                out.line(&Line::Row(items)).map_err(|e| StoreError::file("write", "dump", e))?;
                out.rows = out.rows.saturating_add(1);
            }
        }};
    }
    match &mut conn.link {
        Link::Sqlite(link) => write_stream!(link, sqlite_row),
        Link::Postgres(link) => write_stream!(link, postgres_row),
        Link::PostgresTx(link) => write_stream!(link, postgres_row),
    }
    Ok(())
}

/// Replaces the whole content of a store by a dump, in one transaction; the master key must be the dump's.
pub(crate) async fn load(store: &Store, from: &Path) -> Result<(), StoreError> {
    let file = fs::File::open(from).map_err(|e| StoreError::file("open", from, e))?;
    let lines = BufReader::new(file).lines();
    let handle = store.clone();
    store
        .write_within(Lane::Other, DEADLINE_BULK * 30, Box::new(move |conn| Box::pin(replace_all(conn, lines, handle))))
        .await
}

async fn replace_all(
    conn: &mut Conn,
    lines: impl Iterator<Item = std::io::Result<String>> + Send,
    store: Store,
) -> Result<(), StoreError> {
    if !conn.is_sqlite() {
        conn.script("SET LOCAL statement_timeout = 0").await?;
    }
    for table in TABLES.iter().rev() {
        conn.execute(AssertSqlSafe(format!("DELETE FROM {table}")), vec![]).await?;
    }
    load_lines(conn, lines).await?;
    open::check_master_key(conn, &store.inner.sealer).await
}

/// What has been read of a dump so far.
#[derive(Default)]
struct Progress {
    is_begun: bool,
    is_ended: bool,
    table: String,
    columns: Vec<String>,
    rows: u64,
}

async fn load_lines(
    conn: &mut Conn,
    lines: impl Iterator<Item = std::io::Result<String>> + Send,
) -> Result<(), StoreError> {
    let schema = migrate::version(conn).await?;
    let mut progress = Progress::default();
    for line in lines {
        let line = line.map_err(|e| StoreError::file("read", "dump", e))?;
        let line =
            serde_json::from_str(&line).map_err(|_| StoreError::Backup("neither an SQLite file nor a dump of ours"))?;
        progress.take(conn, line, schema).await?;
    }
    if progress.is_ended { Ok(()) } else { Err(StoreError::Backup("the dump is cut short")) }
}

impl Progress {
    async fn take(&mut self, conn: &mut Conn, line: Line, schema: i64) -> Result<(), StoreError> {
        match line {
            Line::Head { rempart_dump: 1, schema: of_dump } if !self.is_begun => {
                self.is_begun = true;
                if of_dump > schema {
                    return Err(StoreError::TooNew { found: of_dump, known: schema });
                }
                if of_dump < schema {
                    return Err(StoreError::Backup(
                        "the dump has an older schema: restore it with the program that wrote it, then migrate",
                    ));
                }
            }
            _ if !self.is_begun || self.is_ended => return Err(StoreError::Backup("lines out of order")),
            Line::Head { .. } => return Err(StoreError::Backup("lines out of order")),
            Line::Table { table, columns } => {
                let is_word =
                    |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                if !TABLES.contains(&table.as_str()) || !columns.iter().all(is_word) {
                    return Err(StoreError::Backup("a table or column is unknown"));
                }
                (self.table, self.columns) = (table, columns);
            }
            Line::Row(items) if items.len() == self.columns.len() => {
                self.rows = self.rows.saturating_add(1);
                self.insert(conn, items).await?;
            }
            Line::Row(_) => return Err(StoreError::Backup("a row has another number of values than its table")),
            Line::End { end } => {
                self.is_ended = true;
                if end != self.rows {
                    return Err(StoreError::Backup("rows are missing"));
                }
            }
        }
        Ok(())
    }

    /// NULL is written out, because PostgreSQL wants to know the type of a bound one.
    async fn insert(&self, conn: &mut Conn, items: Vec<Item>) -> Result<(), StoreError> {
        let mut places = Vec::with_capacity(items.len());
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(match item {
                Item::Int(value) => Value::Int(Some(value)),
                Item::Text(value) => Value::Text(Some(value)),
                Item::Bytes { b } => {
                    Value::Bytes(Some(BASE64.decode(b).map_err(|_| StoreError::Backup("bytes that are not base64"))?))
                }
                Item::Null(()) => {
                    places.push("NULL".to_owned());
                    continue;
                }
            });
            places.push(format!("${}", values.len()));
        }
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", self.table, self.columns.join(", "), places.join(", "));
        conn.execute(AssertSqlSafe(sql), values).await.map(|_| ())
    }
}
