//! Sessions, keys, usage, links, settings.

use rempart_domain::{AccountId, Day, KeyId, KeyLimits, KeyScope, SessionId, Standing, UnixSeconds};
use rempart_store::{LinkPurpose, NewKey, NewSession, StoreError, UsageDay, UsageRow};

use crate::fixture::{NOW, fresh, make_account, new_account, on_both};

const FAR: UnixSeconds = UnixSeconds(4_000_000_000);

fn session(account: AccountId, expires: UnixSeconds) -> NewSession {
    NewSession {
        id: SessionId::from_bits(fresh()),
        account,
        created: NOW.seconds(),
        expires,
        agent: Some("Firefox on Linux".to_owned()),
    }
}

fn key(account: AccountId, name: &str) -> NewKey {
    NewKey {
        id: KeyId::from_bits(fresh()),
        account,
        name: name.to_owned(),
        hash: [9; 32],
        scope: KeyScope::Api,
        models: Some(vec!["small".to_owned(), "de\"ep".to_owned()]),
        limits: KeyLimits { budget_tokens: Some(5_000), requests_per_minute: Some(60), in_flight: Some(2) },
        created: NOW.seconds(),
        expires: Some(FAR),
    }
}

fn usage(account: AccountId, key: Option<KeyId>, day: u16, tokens: u64) -> UsageRow {
    UsageRow {
        account,
        key,
        day: Day(day),
        model: "small".to_owned(),
        requests: 1,
        input: tokens,
        output: 2 * tokens,
        cached: 3,
        reasoning: 4,
    }
}

on_both! {
    async fn an_ended_session_is_remembered_until_its_cookie_expires(fx: Fixture) {
        let store = fx.open().await;
        let id = make_account(&store, "ada").await;
        let (kept, ended, short) = (session(id, FAR), session(id, FAR), session(id, UnixSeconds(2_000_000_000)));
        for new in [&kept, &ended, &short] {
            store.create_session(new.clone()).await.unwrap();
        }
        assert_eq!(store.list_sessions(id).await.unwrap().len(), 3);
        assert!(store.end_session(ended.id).await.unwrap());
        assert!(!store.end_session(ended.id).await.unwrap());
        assert!(store.end_session(short.id).await.unwrap());
        store.close().await;
        let store = fx.open().await;
        let live = store.list_sessions(id).await.unwrap();
        assert_eq!((live.len(), live[0].id, live[0].agent.as_deref(), live[0].last_seen), (1, kept.id, Some("Firefox on Linux"), NOW.day()));
        assert_eq!(store.load_ended_sessions(UnixSeconds(1_999_999_999)).await.unwrap().len(), 2);
        assert_eq!(store.load_ended_sessions(UnixSeconds(2_000_000_000)).await.unwrap(), [(ended.id, FAR)]);
        assert_eq!(store.load_ended_sessions_with_accounts(UnixSeconds(2_000_000_000)).await.unwrap(), [(id, ended.id, FAR)]);
        assert_eq!(store.end_sessions_of(id).await.unwrap(), [(kept.id, FAR)]);
        assert_eq!(store.sweep(UnixSeconds(2_000_000_000)).await.unwrap(), 1);
        assert_eq!(store.load_ended_sessions(NOW.seconds()).await.unwrap().len(), 2);
    }

    async fn a_session_is_seen_once_a_day(fx: Fixture) {
        let store = fx.open().await;
        let id = make_account(&store, "ada").await;
        let new = session(id, FAR);
        store.create_session(new.clone()).await.unwrap();
        store.record_session_seen(new.id, Day(30_000)).await.unwrap();
        store.record_session_seen(new.id, Day(29_999)).await.unwrap();
        assert_eq!(store.list_sessions(id).await.unwrap()[0].last_seen, Day(30_000));
        let nobody = store.create_session(session(AccountId::from_bits(1), FAR)).await;
        assert!(matches!(nobody, Err(StoreError::NotFound)), "{nobody:?}");
    }

    async fn a_key_carries_what_admission_must_know_of_its_account(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        let new = key(ada, "laptop");
        store.create_key(new.clone()).await.unwrap();
        store.set_standing(ada, Standing::Trusted).await.unwrap();
        store.bump_epoch(ada).await.unwrap();
        let found = store.find_key(new.id).await.unwrap().unwrap();
        assert_eq!(found.provenance, new_account(1, "ada").provenance, "the account's");
        assert_eq!((found.account, found.hash, found.scope, &found.models, found.limits), (ada, [9; 32], KeyScope::Api, &new.models, new.limits));
        assert_eq!((found.standing, found.epoch, found.created_day, found.expires, found.revoked, found.last_used), (Standing::Trusted, 1, NOW.day(), Some(FAR), None, None));
        assert!(!store.revoke_key(bob, new.id).await.unwrap(), "another's key");
        assert!(store.revoke_key(ada, new.id).await.unwrap());
        assert!(!store.revoke_key(ada, new.id).await.unwrap());
        assert!(store.find_key(new.id).await.unwrap().unwrap().revoked.is_some());
        assert_eq!(store.list_keys(ada).await.unwrap().len(), 1);
        assert!(store.load_keys(10).await.unwrap().is_empty());
        assert!(store.find_key(KeyId::from_bits(1)).await.unwrap().is_none());
    }

    async fn the_keys_used_last_are_loaded_first(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let (old, new, never) = (key(ada, "old"), key(ada, "new"), key(ada, "never"));
        for k in [&old, &new, &never] {
            store.create_key(k.clone()).await.unwrap();
        }
        store.add_usage(vec![usage(ada, Some(old.id), 20_000, 1), usage(ada, Some(new.id), 20_005, 1), usage(ada, Some(new.id), 20_001, 1)]).await.unwrap();
        let loaded = store.load_keys(2).await.unwrap();
        assert_eq!(loaded.iter().map(|k| (k.id, k.last_used)).collect::<Vec<_>>(), [(new.id, Some(Day(20_005))), (old.id, Some(Day(20_000)))]);
    }

    async fn usage_adds_up_by_day_and_by_key(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        let new = key(ada, "laptop");
        store.create_key(new.clone()).await.unwrap();
        let rows = vec![usage(ada, Some(new.id), 20_000, 10), usage(ada, None, 20_000, 100), usage(ada, Some(new.id), 20_002, 1), usage(bob, None, 20_000, 7)];
        store.add_usage(rows.clone()).await.unwrap();
        store.add_usage(rows).await.unwrap();
        store.add_usage(vec![usage(AccountId::from_bits(1), None, 20_000, 9)]).await.unwrap();
        let days = store.read_usage(ada, Day(20_000), Day(20_001)).await.unwrap();
        assert_eq!(days, [UsageDay { day: Day(20_000), requests: 4, input: 220, output: 440, cached: 12, reasoning: 16 }]);
        assert_eq!(store.read_usage(ada, Day(0), Day(u16::MAX)).await.unwrap().len(), 2);
        let day = store.load_usage_of(Day(20_000), 10).await.unwrap();
        let of = |account, key| day.iter().find(|d| (d.account, d.key) == (account, key)).map(|d| (d.requests, d.tokens));
        assert_eq!(day.len(), 3);
        assert_eq!((of(ada, Some(new.id)), of(ada, None)), (Some((2, 60)), Some((2, 600))));
        assert_eq!(store.budget_spent(ada).await.unwrap(), 666);
        assert_eq!(store.budget_spent_by_key(ada, new.id, Day(0)).await.unwrap(), 66);
        assert_eq!(store.budget_spent(AccountId::from_bits(1)).await.unwrap(), 0);
    }

    async fn a_link_is_taken_by_one_caller_only_and_never_late(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        store.create_link([1; 32], Some(ada), LinkPurpose::SignIn, UnixSeconds(1000)).await.unwrap();
        store.create_link([2; 32], None, LinkPurpose::Operator, UnixSeconds(1000)).await.unwrap();
        store.create_link([3; 32], None, LinkPurpose::Operator, UnixSeconds(1000)).await.unwrap();
        assert!(store.take_link([1; 32], LinkPurpose::Operator, UnixSeconds(1)).await.unwrap().is_none(), "of another purpose");
        let takes = futures_util::future::join_all((0..10).map(|_| store.take_link([1; 32], LinkPurpose::SignIn, UnixSeconds(999)))).await;
        let taken: Vec<_> = takes.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].account, taken[0].purpose), (Some(ada), LinkPurpose::SignIn));
        assert!(store.take_link([2; 32], LinkPurpose::Operator, UnixSeconds(1000)).await.unwrap().is_none(), "expired");
        assert!(store.take_link([2; 32], LinkPurpose::Operator, UnixSeconds(1)).await.unwrap().is_none(), "gone with its late taking");
        assert_eq!(store.delete_links(LinkPurpose::Operator).await.unwrap(), 1);
    }

    async fn no_key_that_works_is_hidden_by_revoked_ones(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let old = key(ada, "k");
        store.create_key(NewKey { created: UnixSeconds(1), ..old.clone() }).await.unwrap();
        let (made, revoked) = (0..1000).map(|_| key(ada, "k")).map(|new| (new.id, new)).unzip::<_, _, Vec<_>, Vec<_>>();
        for part in revoked.chunks(100) {
            futures_util::future::try_join_all(part.iter().map(|new| store.create_key(new.clone()))).await.unwrap();
        }
        for part in made.chunks(100) {
            futures_util::future::try_join_all(part.iter().map(|id| store.revoke_key(ada, *id))).await.unwrap();
        }
        let listed = store.list_keys(ada).await.unwrap();
        assert_eq!((listed.len(), listed[0].id), (1000, old.id));
    }

    async fn a_setting_holds_its_last_value(fx: Fixture) {
        let store = fx.open().await;
        assert_eq!(store.get_setting("posture").await.unwrap(), None);
        store.set_setting("posture", "calm").await.unwrap();
        store.set_setting("posture", "siege").await.unwrap();
        assert_eq!(store.get_setting("posture").await.unwrap().as_deref(), Some("siege"));
    }
}
