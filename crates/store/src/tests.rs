//! What cannot be seen from outside: migrations that do not exist yet, and keys in memory.

use std::path::Path;

use rempart_domain::AccountId;

use crate::data_keys::DataKeys;
use crate::migrate::{MIGRATIONS, Migration, beside};
use crate::open::open;
use crate::seal::Sealer;
use crate::{MasterKey, Store, StoreError, StoreOptions, StoreUrl};

fn master_key() -> MasterKey {
    MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

fn options(path: &Path) -> StoreOptions {
    StoreOptions::new(StoreUrl::Sqlite(path.to_owned()), master_key())
}

/// The version after all there are.
fn next_version() -> i64 {
    MIGRATIONS.last().unwrap().version + 1
}

fn with_next(script: &'static str) -> Vec<Migration> {
    let next = Migration { version: next_version(), name: "test", sqlite: script, postgres: script };
    MIGRATIONS.iter().copied().chain([next]).collect()
}

async fn made_at_this_version(path: &Path) {
    let store = Store::open(options(path)).await.unwrap();
    store.set_setting("colour", "blue").await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_file_is_copied_aside_before_it_is_migrated_and_the_copy_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rempart.db");
    made_at_this_version(&path).await;
    let store = open(options(&path), &with_next("-- Why: test.\nCREATE TABLE extra (id INTEGER NOT NULL PRIMARY KEY)"))
        .await
        .unwrap();
    assert_eq!(store.get_setting("colour").await.unwrap().as_deref(), Some("blue"));
    store.close().await;
    let copy = Store::open(options(&beside(&path, &format!("before-{:04}", next_version())))).await.unwrap();
    assert_eq!(copy.get_setting("colour").await.unwrap().as_deref(), Some("blue"));
    copy.close().await;
    let (newer, known) = (next_version(), next_version() - 1);
    let opened = Store::open(options(&path)).await;
    assert!(matches!(opened, Err(StoreError::TooNew { found, known: ours }) if found == newer && ours == known));
}

#[tokio::test]
async fn a_failing_migration_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rempart.db");
    made_at_this_version(&path).await;
    let broken = with_next(
        "-- Why: test.\nCREATE TABLE extra (id INTEGER NOT NULL PRIMARY KEY); INSERT INTO nowhere VALUES (1)",
    );
    assert!(
        matches!(open(options(&path), &broken).await, Err(StoreError::Migration { version, .. }) if version == next_version())
    );
    let store = Store::open(options(&path)).await.unwrap();
    assert_eq!(store.get_setting("colour").await.unwrap().as_deref(), Some("blue"));
    store.close().await;
}

#[tokio::test]
async fn a_database_of_somebody_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rempart.db");
    let theirs =
        sqlx::SqlitePool::connect_with(crate::backend::sqlite_options(&path).create_if_missing(true)).await.unwrap();
    sqlx::query("CREATE TABLE recipes (id INTEGER)").execute(&theirs).await.unwrap();
    theirs.close().await;
    assert!(matches!(Store::open(options(&path)).await, Err(StoreError::NotOurs)));
}

#[test]
fn a_destroyed_key_does_not_come_back_with_a_late_reader() {
    let (sealer, keys, account) = (Sealer::new(&master_key()), DataKeys::new(2), AccountId::from_bits(1));
    let wrapped = sealer.make_data_key(account).unwrap();
    keys.destroy(account);
    assert!(keys.insert(account, sealer.open_data_key(account, &wrapped).unwrap()).is_none());
    assert!(matches!(keys.get(account), Some(None)));
}

#[test]
fn keys_in_memory_stay_within_their_bound() {
    let (sealer, keys) = (Sealer::new(&master_key()), DataKeys::new(2));
    for bits in 1..=5 {
        let account = AccountId::from_bits(bits);
        let wrapped = sealer.make_data_key(account).unwrap();
        assert!(keys.insert(account, sealer.open_data_key(account, &wrapped).unwrap()).is_some());
    }
    let held = (1..=5).filter(|bits| keys.get(AccountId::from_bits(*bits)).is_some()).count();
    assert_eq!(held, 2);
}

#[test]
fn a_wrapped_key_opens_for_its_own_account_only() {
    let sealer = Sealer::new(&master_key());
    let wrapped = sealer.make_data_key(AccountId::from_bits(1)).unwrap();
    assert!(sealer.open_data_key(AccountId::from_bits(1), &wrapped).is_ok());
    assert!(matches!(sealer.open_data_key(AccountId::from_bits(2), &wrapped), Err(StoreError::Sealed(_))));
}
