//! Opening a store: the file or the server, the migrations, the master key, then the writer.

use std::path::Path;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use tokio::task::JoinSet;

use crate::backend::{self, AnyDatabase, FileIdentity, PostgresServer, SqliteFile, Waiting};
use crate::conn::{Conn, Link, args};
use crate::data_keys::DataKeys;
use crate::health::Health;
use crate::lane::DEADLINE_BULK;
use crate::migrate::{self, Migration};
use crate::seal::Sealer;
use crate::writer::Writer;
use crate::{Inner, Outage, Store, StoreError, StoreOptions, StoreUrl, queries};

/// Any number will do, as long as only our migrations use it: "rempart" in ASCII.
const POSTGRES_MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(32199698154189428)";
/// For what may take long: inside a transaction only.
pub(crate) const NO_TIMEOUT: &str = "SET LOCAL statement_timeout = 0";
const CHECK: &str = "master_key_check";

/// Opens a store with a given list of migrations.
pub(crate) async fn open(options: StoreOptions, migrations: &[Migration]) -> Result<Store, StoreError> {
    open_with(options, Preparation { migrations, is_key_checked: true }).await
}

/// Opens a store whose content is about to be replaced: the master key may be another's.
pub(crate) async fn open_unchecked(options: StoreOptions) -> Result<Store, StoreError> {
    open_with(options, Preparation { migrations: migrate::MIGRATIONS, is_key_checked: false }).await
}

#[derive(Clone, Copy)]
struct Preparation<'a> {
    migrations: &'a [Migration],
    is_key_checked: bool,
}

async fn open_with(options: StoreOptions, preparation: Preparation<'_>) -> Result<Store, StoreError> {
    let sealer = Sealer::new(&options.master_key);
    let health = Arc::new(Health::new());
    let mut tasks = JoinSet::new();
    let (database, queues) = match &options.url {
        StoreUrl::Sqlite(path) => {
            backend::create_private(path)?;
            let pool = backend::sqlite_writer(path, options.sqlite_pages_max);
            prepare_sqlite(&pool, path, &health, &sealer, preparation).await?;
            let file = FileIdentity::of(path).map_err(|e| StoreError::file("open", path, e))?;
            let (queues, writer) = Writer::new(pool, file.clone(), Arc::clone(&health), options.queue_len_max);
            tasks.spawn(writer.run());
            (AnyDatabase::Sqlite(SqliteFile::open(file)), Some(Arc::new(queues)))
        }
        StoreUrl::Postgres(url) => {
            let server = PostgresServer::open(url.expose(), options.connections_max)?;
            let preparing = prepare_postgres(&server, &health, &sealer, preparation);
            tokio::time::timeout(DEADLINE_BULK, preparing)
                .await
                .map_err(|_| StoreError::Unavailable(Outage::Deadline))??;
            (AnyDatabase::Postgres(server), None)
        }
    };
    let inner = Inner {
        database,
        queues: ArcSwapOption::from(queues),
        waiting: Waiting::new(options.queue_len_max),
        sealer,
        data_keys: DataKeys::new(options.data_keys_max),
        holding: options.holding,
        health,
        tasks: Mutex::new(tasks),
    };
    Ok(Store { inner: Arc::new(inner) })
}

async fn prepare_sqlite(
    pool: &sqlx::SqlitePool,
    path: &Path,
    health: &Arc<Health>,
    sealer: &Sealer,
    preparation: Preparation<'_>,
) -> Result<(), StoreError> {
    let link = pool.acquire().await.map_err(StoreError::Connect)?;
    let mut conn = Conn::new(Link::Sqlite(link), health);
    migrate::copy_aside(&mut conn, path, preparation.migrations).await?;
    conn.script("BEGIN IMMEDIATE").await?;
    let prepared = prepare(&mut conn, sealer, preparation).await;
    let end = conn.script(if prepared.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
    prepared?;
    Ok(end?)
}

async fn prepare_postgres(
    server: &PostgresServer,
    health: &Arc<Health>,
    sealer: &Sealer,
    preparation: Preparation<'_>,
) -> Result<(), StoreError> {
    let begun = server.pools.other.begin().await.map_err(StoreError::Connect)?;
    let mut conn = Conn::new(Link::PostgresTx(begun), health);
    conn.script(NO_TIMEOUT).await?;
    conn.script(POSTGRES_MIGRATION_LOCK).await?;
    prepare(&mut conn, sealer, preparation).await?;
    let Link::PostgresTx(transaction) = conn.link else { return Err(StoreError::Corrupt("transaction")) };
    Ok(transaction.commit().await?)
}

/// Migrates, then proves that the master key is the store's; a new store takes the key it is given.
async fn prepare(conn: &mut Conn, sealer: &Sealer, preparation: Preparation<'_>) -> Result<(), StoreError> {
    migrate::apply(conn, preparation.migrations).await?;
    if preparation.is_key_checked { check_master_key(conn, sealer).await } else { Ok(()) }
}

pub(crate) async fn check_master_key(conn: &mut Conn, sealer: &Sealer) -> Result<(), StoreError> {
    if let Some(mut row) = conn.row(queries::META_FIND, args![CHECK]).await? {
        return sealer.verify_check(&row.bytes(0)?);
    }
    if conn.row(queries::DATA_KEY_ANY, vec![]).await?.is_some() {
        return Err(StoreError::Corrupt("master key check"));
    }
    conn.execute(queries::META_SET, args![CHECK, sealer.make_check()?]).await.map(|_| ())
}
