//! Figures, printed: what an import, a start and a crowd of writers cost. Only the import has a promise to keep.

use std::time::Instant;

use futures_util::future::join_all;
use rempart_domain::{KeyId, KeyScope};
use rempart_store::{NewAccountWithKeys, NewKey};

use crate::fixture::{NOW, fresh, name, new_account, on_both};

/// Without optimisation sealing alone takes most of the half minute: a debug build imports a tenth.
const ACCOUNTS: u64 = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
const HALF: u64 = ACCOUNTS / 2;

on_both! {
    async fn a_hundred_thousand_accounts_are_imported_in_half_a_minute(fx: Fixture) {
        let store = fx.open().await;
        let started = Instant::now();
        for part in 0..10 {
            let accounts = (0..ACCOUNTS / 10).map(|n| {
                let account = new_account(fresh(), &format!("user-{:06}", part * (ACCOUNTS / 10) + n));
                let key = NewKey {
                    id: KeyId::from_bits(fresh()), account: account.id, name: "k".to_owned(), hash: [3; 32], scope: KeyScope::Api, models: None,
                    limits: rempart_domain::KeyLimits::default(), created: NOW.seconds(), expires: None,
                };
                NewAccountWithKeys { account, keys: vec![key] }
            });
            assert_eq!(store.import_accounts(accounts.collect()).await.unwrap().created, ACCOUNTS / 10);
        }
        let imported = started.elapsed();
        let started = Instant::now();
        let page = store.list_accounts(Some(name(&format!("user-{HALF:06}"))), 50).await.unwrap();
        assert_eq!(page[0].name, name(&format!("user-{:06}", HALF + 1)));
        let paged = started.elapsed();
        let started = Instant::now();
        assert_eq!(store.load_keys(1_000_000).await.unwrap().len() as u64, ACCOUNTS);
        let keys_loaded = started.elapsed();
        fx.tamper("UPDATE account SET changed = 1").await;
        let started = Instant::now();
        assert_eq!(store.load_epochs().await.unwrap().len() as u64, ACCOUNTS);
        println!("{:?}: {ACCOUNTS} accounts with a key each imported in {imported:?}; a page of 50 in {paged:?}; all keys loaded in {keys_loaded:?}, epochs in {:?}", fx.kind, started.elapsed());
        assert!(imported.as_secs() < 30, "{imported:?}");
        store.close().await;
    }

    async fn writers_together_share_a_commit(fx: Fixture) {
        let store = fx.open().await;
        let started = Instant::now();
        for n in 0..200 {
            store.set_setting(&format!("a{n}"), "1").await.unwrap();
        }
        let alone = started.elapsed();
        let started = Instant::now();
        let together = join_all((0..1000).map(|n| {
            let store = &store;
            async move { store.set_setting(&format!("b{n}"), "1").await }
        })).await;
        assert!(together.iter().all(Result::is_ok));
        let together = started.elapsed();
        println!("{:?}: a write alone {:?}, of 1 000 together {:?}", fx.kind, alone / 200, together / 1000);
        store.close().await;
    }
}
