//! Devices, second factors, recovery codes, mailed links: used once, by their owner, and readable by nobody else.

use rempart_domain::{AccountId, Day, KeyId, Secret, SessionId, UnixSeconds};
use rempart_store::{FactorKind, LinkPurpose, NewDevice, NewFactor, NewSession, Store, StoreError};

use crate::fixture::{make_account, on_both, sensitive};

const SOON: UnixSeconds = UnixSeconds(4_000_000_000);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn device(account: AccountId, id: u64, day: i64) -> NewDevice {
    let seen = UnixSeconds(NOW.0 + day * 86_400);
    NewDevice { id: SessionId::from_bits(id), account, seen, expires: SOON, agent: Some("Firefox, Linux".into()) }
}

fn session(account: AccountId, id: u64) -> NewSession {
    NewSession { id: SessionId::from_bits(id), account, created: NOW, expires: SOON, agent: None }
}

fn factor(account: AccountId, id: u64, kind: FactorKind) -> NewFactor {
    let data = Secret::new(format!("canary-secret-{id}"));
    NewFactor { id: KeyId::from_bits(id), account, kind, name: format!("f{id}"), data, last_step: 0, created: NOW }
}

fn codes(words: &[&str]) -> Vec<Secret<String>> {
    words.iter().map(|word| Secret::new((*word).to_owned())).collect()
}

async fn use_code(store: &Store, account: AccountId, code: &str) -> bool {
    store.use_recovery_code(account, Secret::new(code.to_owned())).await.unwrap()
}

on_both! {
    async fn a_device_that_signs_in_again_is_one_device_and_is_ended_by_its_owner_only(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        for (day, id) in [(0_i64, 1_u64), (1, 2), (2, 1)] {
            store.create_session_on(session(ada, 100 + day.unsigned_abs()), device(ada, id, day)).await.unwrap();
        }
        let devices = store.list_devices(ada).await.unwrap();
        assert_eq!(devices.iter().map(|d| d.id.bits()).collect::<Vec<_>>(), [1, 2], "the last used first");
        assert_eq!((devices[0].created, devices[0].last_seen), (NOW, Day(NOW.day().0 + 2)));
        assert_eq!(store.list_sessions(ada).await.unwrap().len(), 3);
        assert_eq!(store.end_device(bob, SessionId::from_bits(1)).await.unwrap(), None);
        assert_eq!(store.end_device(ada, SessionId::from_bits(1)).await.unwrap(), Some(SOON));
        assert_eq!(store.end_device(ada, SessionId::from_bits(1)).await.unwrap(), None, "once");
        store.close().await;
        let store = fx.open().await;
        assert_eq!(store.load_ended_devices(NOW).await.unwrap(), [(ada, SessionId::from_bits(1), SOON)]);
        assert_eq!(store.end_devices_of(ada).await.unwrap(), 1);
        assert!(store.list_devices(ada).await.unwrap().is_empty());
        let nobody = AccountId::from_bits(9);
        assert!(matches!(store.create_session_on(session(nobody, 7), device(nobody, 7, 0)).await, Err(StoreError::NotFound)));
    }

    async fn an_account_has_at_most_fifty_devices_and_the_least_used_goes(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        for id in 0..55 {
            store.create_session_on(session(ada, 1000 + id), device(ada, id, i64::try_from(id).unwrap())).await.unwrap();
        }
        let devices = store.list_devices(ada).await.unwrap();
        assert_eq!((devices.len(), devices[0].id.bits(), devices[49].id.bits()), (50, 54, 5));
    }

    async fn a_time_step_is_used_once_whoever_else_asks_at_that_moment(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        assert!(store.create_factor(factor(ada, 1, FactorKind::Totp), codes(&["one", "two"])).await.unwrap());
        let id = KeyId::from_bits(1);
        let tries = (0..8).map(|_| store.use_step(ada, id, 50, NOW.day()));
        let used = futures_util::future::join_all(tries).await;
        assert_eq!(used.into_iter().filter(|used| *used.as_ref().unwrap()).count(), 1);
        assert!(!store.use_step(ada, id, 49, NOW.day()).await.unwrap(), "an earlier one");
        assert!(store.use_step(ada, id, 51, NOW.day()).await.unwrap());
        assert_eq!(store.list_factors(ada).await.unwrap()[0].last_step, 51);
    }

    async fn a_recovery_code_is_its_owners_and_used_once(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        store.create_factor(factor(ada, 1, FactorKind::Totp), codes(&["one", "two"])).await.unwrap();
        store.create_factor(factor(bob, 2, FactorKind::Totp), codes(&["one"])).await.unwrap();
        assert!(!use_code(&store, bob, "two").await && use_code(&store, ada, "one").await && !use_code(&store, ada, "one").await);
        assert!(use_code(&store, bob, "one").await, "the same code of another account");
        assert_eq!(store.count_recovery_codes(ada).await.unwrap(), 1);
        store.set_recovery_codes(ada, codes(&["three", "four"])).await.unwrap();
        assert!(!use_code(&store, ada, "two").await && use_code(&store, ada, "three").await);
        assert!(store.delete_factor(ada, KeyId::from_bits(1)).await.unwrap());
        assert_eq!(store.count_recovery_codes(ada).await.unwrap(), 0, "they go with the last factor");
    }

    async fn a_factor_opens_in_its_own_row_only(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        store.create_factor(factor(ada, 1, FactorKind::Passkey), vec![]).await.unwrap();
        store.create_factor(factor(bob, 2, FactorKind::Totp), vec![]).await.unwrap();
        store.use_passkey(ada, KeyId::from_bits(1), Secret::new("canary-counted".into()), NOW.day()).await.unwrap();
        let found = store.list_factors(ada).await.unwrap();
        assert_eq!((found[0].data.expose().as_str(), found[0].kind), ("canary-counted", FactorKind::Passkey));
        assert!(!store.delete_factor(bob, KeyId::from_bits(1)).await.unwrap());
        fx.tamper("UPDATE factor SET data_sealed = (SELECT x.data_sealed FROM factor x WHERE x.id = 2) WHERE id = 1").await;
        assert!(matches!(store.list_factors(ada).await, Err(StoreError::Sealed("second factor"))));
    }

    async fn a_mailed_link_carries_its_address_and_the_latest_counts(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        for (hash, mail) in [([1; 32], "old@mail.example"), ([2; 32], "new@mail.example")] {
            store.create_mail_link(hash, ada, LinkPurpose::ConfirmEmail, SOON, Some(sensitive(mail))).await.unwrap();
        }
        store.create_mail_link([3; 32], ada, LinkPurpose::ResetPassword, NOW, None).await.unwrap();
        assert!(store.take_link([1; 32], LinkPurpose::ConfirmEmail, NOW).await.unwrap().is_none(), "an older one");
        assert!(store.take_link([2; 32], LinkPurpose::ResetPassword, NOW).await.unwrap().is_none(), "of another use");
        let link = store.take_link([2; 32], LinkPurpose::ConfirmEmail, NOW).await.unwrap().unwrap();
        assert_eq!(link.email.unwrap().expose(), "new@mail.example");
        assert!(store.take_link([3; 32], LinkPurpose::ResetPassword, NOW).await.unwrap().is_none(), "expired");
        store.set_email(ada, Some(sensitive("new@mail.example")), false).await.unwrap();
        assert!(!store.find_account(ada).await.unwrap().unwrap().email_confirmed);
        store.confirm_email(ada).await.unwrap();
        assert!(store.find_account(ada).await.unwrap().unwrap().email_confirmed);
    }

    async fn a_confirmed_address_counts_before_an_older_one_that_is_not(fx: Fixture) {
        let store = fx.open().await;
        let (squatter, owner) = (make_account(&store, "squatter").await, make_account(&store, "owner").await);
        let mail = || Some(sensitive("lin@mail.example"));
        store.set_email(squatter, mail(), false).await.unwrap();
        store.set_email(owner, mail(), true).await.unwrap();
        assert_eq!(store.find_account_by_email(&mail().unwrap()).await.unwrap().unwrap().id, owner);
    }
}
