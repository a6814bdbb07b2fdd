//! Full, read-only, gone, crowded: what is refused, what goes on, and how it ends by itself.

use std::time::Duration;

use futures_util::future::join_all;
use rempart_domain::{SessionId, UnixSeconds};
use rempart_store::{NewSession, Outage, Store, StoreError, StoreHealth, StoreOptions};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::fixture::{Fixture, Kind, NOW, fresh, make_account, make_conversation, new_message, say};

fn outage_of<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Outage {
    match result {
        Err(StoreError::Unavailable(outage)) => outage,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_full_sqlite_file_refuses_writes_serves_reads_and_recovers() {
    let fx = Fixture::make(Kind::Sqlite).await.unwrap();
    let options = StoreOptions { sqlite_pages_max: Some(300), ..fx.options() };
    let store = Store::open(options).await.unwrap();
    let ada = make_account(&store, "ada").await;
    let (kept, big) = (make_conversation(&store, ada, "kept").await, make_conversation(&store, ada, "big").await);
    let message = say(&store, ada, kept, None, "hello").await;
    let text = "x".repeat(20_000);
    let outage = loop {
        if let Err(error) = store.append_message(ada, new_message(big, None, &text)).await {
            break outage_of::<()>(Err(error));
        }
    };
    assert_eq!((outage, store.health()), (Outage::ReadOnly, StoreHealth::ReadOnly));
    assert_eq!(store.find_message(ada, message).await.unwrap().unwrap().text.expose(), "hello");
    assert!(store.check_integrity().await.unwrap().is_empty());
    // Space comes back: here because something is deleted.
    assert!(store.delete_conversation(ada, big).await.unwrap());
    assert_eq!(store.health(), StoreHealth::Ok);
    say(&store, ada, kept, Some(message), &text).await;
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_not_written_and_is_used_again_when_it_is_back() {
    let fx = Fixture::make(Kind::Sqlite).await.unwrap();
    let store = fx.open().await;
    store.set_setting("a", "1").await.unwrap();
    let elsewhere = fx.dir.path().join("elsewhere.db");
    std::fs::rename(fx.path(), &elsewhere).unwrap();
    assert_eq!(outage_of(store.set_setting("a", "2").await), Outage::Down);
    store.probe().await;
    assert_eq!(store.health(), StoreHealth::Down);
    std::fs::rename(&elsewhere, fx.path()).unwrap();
    // While down, one trial a second goes through.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    store.probe().await;
    assert_eq!(store.health(), StoreHealth::Ok);
    store.set_setting("a", "3").await.unwrap();
    assert_eq!(store.get_setting("a").await.unwrap().as_deref(), Some("3"));
}

async fn end_connections(fx: &Fixture) {
    let name = &fx.postgres.as_ref().unwrap().1;
    let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    fx.admin().await.execute(AssertSqlSafe(sql)).await.unwrap();
}

async fn alter(fx: &Fixture, what: &str) {
    let name = &fx.postgres.as_ref().unwrap().1;
    fx.admin().await.execute(AssertSqlSafe(format!("ALTER DATABASE {name} {what}"))).await.unwrap();
    end_connections(fx).await;
}

#[tokio::test]
async fn a_postgres_that_went_away_is_refused_fast_and_used_again_when_it_is_back() {
    let Some(fx) = Fixture::make(Kind::Postgres).await else { return };
    let store = fx.open().await;
    store.set_setting("a", "1").await.unwrap();
    end_connections(&fx).await;
    assert_eq!(store.get_setting("a").await.unwrap().as_deref(), Some("1"), "ended connections are replaced");
    alter(&fx, "ALLOW_CONNECTIONS false").await;
    assert_eq!(outage_of(store.set_setting("a", "2").await), Outage::Down);
    assert_eq!(store.health(), StoreHealth::Down);
    let started = std::time::Instant::now();
    let refused = join_all((0..200).map(|_| store.get_setting("a"))).await;
    assert!(refused.iter().filter(|r| matches!(r, Err(StoreError::Unavailable(_)))).count() >= 199);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    alter(&fx, "ALLOW_CONNECTIONS true").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    store.probe().await;
    assert_eq!(store.health(), StoreHealth::Ok);
    store.set_setting("a", "3").await.unwrap();
    fx.drop_database().await;
}

#[tokio::test]
async fn a_read_only_postgres_serves_reads_and_recovers() {
    let Some(fx) = Fixture::make(Kind::Postgres).await else { return };
    let store = fx.open().await;
    store.set_setting("a", "1").await.unwrap();
    alter(&fx, "SET default_transaction_read_only = on").await;
    assert_eq!(outage_of(store.set_setting("a", "2").await), Outage::ReadOnly);
    assert_eq!(store.health(), StoreHealth::ReadOnly);
    assert_eq!(store.get_setting("a").await.unwrap().as_deref(), Some("1"));
    store.probe().await;
    assert_eq!(store.health(), StoreHealth::ReadOnly);
    alter(&fx, "RESET default_transaction_read_only").await;
    store.probe().await;
    assert_eq!(store.health(), StoreHealth::Ok);
    fx.drop_database().await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_sign_in_has_its_own() {
    let fx = Fixture::make(Kind::Sqlite).await.unwrap();
    let store = Store::open(StoreOptions { queue_len_max: 8, ..fx.options() }).await.unwrap();
    let ada = make_account(&store, "ada").await;
    let session = NewSession {
        id: SessionId::from_bits(fresh()),
        account: ada,
        created: NOW.seconds(),
        expires: UnixSeconds(4_000_000_000),
        agent: None,
    };
    // On this test's one thread the writer cannot run before all of them are offered.
    let (crowd, sign_in) =
        tokio::join!(join_all((0..20).map(|_| store.set_setting("a", "1"))), store.create_session(session));
    assert_eq!(crowd.iter().filter(|r| r.is_ok()).count(), 8);
    assert_eq!(crowd.iter().filter(|r| matches!(r, Err(StoreError::Unavailable(Outage::QueueFull)))).count(), 12);
    sign_in.unwrap();
    assert_eq!(store.queue_len(), [0; 3]);
}

#[tokio::test]
async fn two_stores_on_one_file_both_write() {
    let fx = Fixture::make(Kind::Sqlite).await.unwrap();
    let (first, second) = (fx.open().await, fx.open().await);
    let writes = (0..50).map(|n| {
        let store = if n % 2 == 0 { &first } else { &second };
        async move { make_account(store, &format!("user-{n}")).await }
    });
    let ids = join_all(writes).await;
    for id in ids {
        assert!(first.find_account(id).await.unwrap().is_some());
    }
    assert!(second.check_integrity().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_closed_store_finishes_what_waits_and_refuses_the_rest() {
    let fx = Fixture::make(Kind::Sqlite).await.unwrap();
    let store = fx.open().await;
    let (writes, ()) = tokio::join!(
        join_all((0..20).map(|n| {
            let store = &store;
            async move { store.set_setting(&format!("s{n}"), "1").await }
        })),
        store.close()
    );
    assert!(writes.iter().all(Result::is_ok), "{writes:?}");
    assert_eq!(outage_of(store.set_setting("late", "1").await), Outage::Closed);
    assert_eq!(outage_of(store.get_setting("late").await), Outage::Closed);
    let store = fx.open().await;
    assert_eq!(store.get_setting("s19").await.unwrap().as_deref(), Some("1"));
}

/// Needs a small file system of its own, such as a tmpfs of 8 MiB, named by `REMPART_TEST_SMALL_DISK`.
#[tokio::test]
async fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let Some(disk) = std::env::var_os("REMPART_TEST_SMALL_DISK").map(std::path::PathBuf::from) else {
        println!("skipped: small disk (REMPART_TEST_SMALL_DISK is not set)");
        return;
    };
    let dir = tempfile::tempdir_in(disk).unwrap();
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let store = Store::open(crate::fixture::options_at(dir.path(), "sqlite")).await.unwrap();
    let ada = make_account(&store, "ada").await;
    let conversation = make_conversation(&store, ada, "t").await;
    let message = say(&store, ada, conversation, None, "hello").await;
    let text = "x".repeat(50_000);
    let outage = loop {
        if let Err(error) = store.append_message(ada, new_message(conversation, Some(message), &text)).await {
            break outage_of::<()>(Err(error));
        }
    };
    assert_eq!((outage, store.health()), (Outage::ReadOnly, StoreHealth::ReadOnly));
    assert_eq!(store.find_message(ada, message).await.unwrap().unwrap().text.expose(), "hello");
    let crowd =
        join_all((0..100).map(|_| store.append_message(ada, new_message(conversation, Some(message), &text)))).await;
    assert!(crowd.iter().all(|r| matches!(r, Err(StoreError::Unavailable(_)))));
    std::fs::remove_file(&ballast).unwrap();
    store.probe().await;
    assert_eq!(store.health(), StoreHealth::Ok);
    store.append_message(ada, new_message(conversation, Some(message), &text)).await.unwrap();
    assert!(store.check_integrity().await.unwrap().is_empty());
}
