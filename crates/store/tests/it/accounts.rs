//! Accounts: names, changes, deletion, import.

use futures_util::future::join_all;
use rempart_domain::{AccountId, Day, KeyId, KeyScope, Role, Secret, Standing, UnixSeconds};
use rempart_store::{NewAccountWithKeys, NewKey, NewSession, StoreError};

use crate::fixture::{NOW, fresh, make_account, make_conversation, name, new_account, on_both, say, sensitive};

fn new_key(account: AccountId) -> NewKey {
    NewKey {
        id: KeyId::from_bits(fresh()),
        account,
        name: "laptop".to_owned(),
        hash: [7; 32],
        scope: KeyScope::Api,
        models: Some(vec!["small".to_owned()]),
        limits: rempart_domain::KeyLimits { budget_tokens: Some(1_000_000), ..Default::default() },
        created: NOW.seconds(),
        expires: None,
    }
}

on_both! {
    async fn an_account_reads_back_as_it_was_made(fx: Fixture) {
        let store = fx.open().await;
        let id = make_account(&store, "ada").await;
        let found = store.find_account_by_name(&name("ada")).await.unwrap().unwrap();
        assert_eq!((found.id, found.standing, found.role, found.created, found.epoch), (id, Standing::Newcomer, Role::None, NOW, 0));
        assert_eq!(found.email.unwrap().expose(), "ada@mail.example");
        assert!(found.password_hash.unwrap().expose().ends_with("hash-of-ada"));
        assert_eq!(found.locale.as_deref(), Some("fr"));
        assert_eq!(found.provenance, new_account(1, "ada").provenance);
        assert_eq!(store.find_account(id).await.unwrap().unwrap().name, name("ada"));
        let by_email = store.find_account_by_email(&sensitive(" ADA@mail.example ")).await.unwrap().unwrap();
        assert_eq!(by_email.id, id);
        assert!(store.find_account_by_email(&sensitive("bob@mail.example")).await.unwrap().is_none());
        assert!(store.find_account(AccountId::from_bits(1)).await.unwrap().is_none());
    }

    async fn of_many_who_want_a_name_one_gets_it_and_others_are_not_harmed(fx: Fixture) {
        let store = fx.open().await;
        let same = (0..20).map(|_| store.create_account(new_account(fresh(), "wanted")));
        let other = (0..20).map(|n| store.create_account(new_account(fresh(), &format!("other-{n}"))));
        let (same, other) = tokio::join!(join_all(same), join_all(other));
        assert_eq!(same.iter().filter(|r| r.is_ok()).count(), 1);
        assert_eq!(same.iter().filter(|r| matches!(r, Err(StoreError::NameTaken))).count(), 19);
        assert!(other.iter().all(Result::is_ok), "{other:?}");
        assert_eq!(store.list_accounts(None, 100).await.unwrap().len(), 21);
    }

    async fn an_id_that_exists_is_not_called_a_name(fx: Fixture) {
        let store = fx.open().await;
        let id = make_account(&store, "ada").await;
        let again = store.create_account(new_account(id.bits(), "bob")).await;
        assert!(matches!(again, Err(StoreError::IdTaken)), "{again:?}");
        assert!(store.find_account_by_name(&name("bob")).await.unwrap().is_none());
    }

    async fn accounts_are_listed_in_pages_by_name(fx: Fixture) {
        let store = fx.open().await;
        for handle in ["b_2", "a-1", "c", "a.0", "b1"].map(|h| format!("{h}x")) {
            make_account(&store, &handle).await;
        }
        let first: Vec<String> = store.list_accounts(None, 3).await.unwrap().iter().map(|a| a.name.to_string()).collect();
        assert_eq!(first, ["a-1x", "a.0x", "b1x"]);
        let rest: Vec<String> = store.list_accounts(Some(name("b1x")), 3).await.unwrap().iter().map(|a| a.name.to_string()).collect();
        assert_eq!(rest, ["b_2x", "cx"]);
    }

    async fn changes_are_kept_and_what_sessions_must_learn_is_loaded_at_start(fx: Fixture) {
        let store = fx.open().await;
        let (plain, promoted, operator) = (make_account(&store, "plain").await, make_account(&store, "promoted").await, make_account(&store, "operator").await);
        assert!(!store.has_operator().await.unwrap());
        store.set_standing(promoted, Standing::Member).await.unwrap();
        store.set_role(operator, Role::Operator).await.unwrap();
        assert_eq!(store.bump_epoch(operator).await.unwrap(), 1);
        assert_eq!(store.bump_epoch(operator).await.unwrap(), 2);
        store.set_password_hash(plain, Some(Secret::new("$argon2id$other".to_owned()))).await.unwrap();
        store.set_email(plain, None, false).await.unwrap();
        store.set_locale(plain, Some("zh".to_owned())).await.unwrap();
        store.close().await;

        let store = fx.open().await;
        assert!(store.has_operator().await.unwrap());
        let found = store.find_account(plain).await.unwrap().unwrap();
        assert_eq!(found.password_hash.unwrap().expose(), "$argon2id$other");
        assert!(found.email.is_none());
        assert_eq!(found.locale.as_deref(), Some("zh"));
        let mut epochs = store.load_epochs().await.unwrap();
        epochs.sort_by_key(|(id, _)| id.bits());
        assert_eq!(epochs.len(), 2);
        assert_eq!((epochs[0].0, epochs[0].1.standing, epochs[0].1.epoch), (promoted, Standing::Member, 0));
        assert_eq!((epochs[1].0, epochs[1].1.role, epochs[1].1.epoch, epochs[1].1.created_day), (operator, Role::Operator, 2, NOW.day()));
    }

    async fn changing_an_account_that_is_not_there_is_not_found(fx: Fixture) {
        let store = fx.open().await;
        let nobody = AccountId::from_bits(1);
        assert!(matches!(store.set_standing(nobody, Standing::Member).await, Err(StoreError::NotFound)));
        assert!(matches!(store.bump_epoch(nobody).await, Err(StoreError::NotFound)));
        assert!(matches!(store.set_email(nobody, None, false).await, Err(StoreError::NotFound)));
        assert!(!store.delete_account(nobody).await.unwrap());
        assert!(matches!(store.create_key(new_key(nobody)).await, Err(StoreError::NotFound)));
    }

    async fn a_good_day_counts_once(fx: Fixture) {
        let store = fx.open().await;
        let id = make_account(&store, "ada").await;
        assert_eq!(store.record_good_day(id, Day(20_000)).await.unwrap(), Some(1));
        assert_eq!(store.record_good_day(id, Day(20_000)).await.unwrap(), None);
        assert_eq!(store.record_good_day(id, Day(19_999)).await.unwrap(), None);
        assert_eq!(store.record_good_day(id, Day(20_001)).await.unwrap(), Some(2));
        let found = store.find_account(id).await.unwrap().unwrap();
        assert_eq!((found.good_days, found.last_good_day), (2, Day(20_001)));
    }

    async fn a_deleted_account_leaves_nothing_but_its_ended_sessions(fx: Fixture) {
        let store = fx.open().await;
        let (gone, stays) = (make_account(&store, "gone").await, make_account(&store, "stays").await);
        for account in [gone, stays] {
            store.create_key(new_key(account)).await.unwrap();
            let session = NewSession {
                id: rempart_domain::SessionId::from_bits(fresh()), account, created: NOW.seconds(), expires: UnixSeconds(i64::MAX / 2), agent: None,
            };
            store.create_session(session).await.unwrap();
            let conversation = make_conversation(&store, account, "title").await;
            say(&store, account, conversation, None, "hello").await;
        }
        assert!(store.delete_account(gone).await.unwrap());
        assert!(!store.delete_account(gone).await.unwrap());
        assert!(store.find_account(gone).await.unwrap().is_none());
        assert!(store.list_keys(gone).await.unwrap().is_empty());
        assert!(store.list_sessions(gone).await.unwrap().is_empty());
        assert!(store.list_conversations(gone, None, 10).await.unwrap().is_empty());
        let refused = store.create_conversation(gone, crate::fixture::new_conversation("again")).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
        for table in ["message", "conversation", "data_key", "api_key", "session"] {
            assert_eq!(fx.tamper(&format!("UPDATE {table} SET account_id = account_id WHERE account_id = {}", gone.to_sql())).await, 0, "{table}");
            assert_eq!(fx.tamper(&format!("UPDATE {table} SET account_id = account_id WHERE account_id = {}", stays.to_sql())).await, 1, "{table}");
        }
        // A session of a deleted account must stay dead after a restart.
        assert!(store.load_epochs().await.unwrap().iter().any(|(id, row)| *id == gone && row.epoch == u32::MAX && row.standing == Standing::Suspended));
        // The name is free again.
        make_account(&store, "gone").await;
    }

    async fn what_an_interrupted_deletion_left_is_swept(fx: Fixture) {
        let store = fx.open().await;
        let id = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, id, "title").await;
        say(&store, id, conversation, None, "hello").await;
        for sql in ["DELETE FROM account WHERE id = ID", "INSERT INTO deleted_account (id, deleted, is_purged) VALUES (ID, 1, 0)"] {
            let sql = sql.replace("ID", &id.to_sql().to_string());
            fx.tamper(&format!("{}{sql}", if fx.postgres.is_none() { "PRAGMA foreign_keys = ON; " } else { "" })).await;
        }
        assert_eq!(store.sweep(UnixSeconds(0)).await.unwrap(), 3, "conversation, message, what was counted of them");
        assert_eq!(store.sweep(UnixSeconds(0)).await.unwrap(), 0);
    }

    async fn an_import_reports_names_that_exist_and_keeps_the_rest(fx: Fixture) {
        let store = fx.open().await;
        make_account(&store, "user-7").await;
        let accounts = (0..150).map(|n| {
            let account = new_account(fresh(), &format!("user-{n}"));
            let keys = vec![new_key(account.id), new_key(account.id)];
            NewAccountWithKeys { account, keys }
        });
        let accounts: Vec<NewAccountWithKeys> = accounts.collect();
        let (of_taken, of_made) = (accounts[7].account.id, accounts[8].account.id);
        let report = store.import_accounts(accounts).await.unwrap();
        assert_eq!((report.created, report.taken), (149, vec![name("user-7")]));
        assert_eq!(store.list_keys(of_made).await.unwrap().len(), 2);
        assert!(store.list_keys(of_taken).await.unwrap().is_empty());
        // An imported account can chat: its data key is there.
        let conversation = make_conversation(&store, of_made, "title").await;
        say(&store, of_made, conversation, None, "hello").await;
    }
}
