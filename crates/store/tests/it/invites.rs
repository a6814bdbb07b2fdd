//! Registrations and invitations: all of a registration or nothing, an invitation once, a budget that holds.

use rempart_domain::{AccountId, SessionId, UnixSeconds};
use rempart_store::{NewDevice, NewInvite, NewSession, Registration, Store, StoreError};

use crate::fixture::{make_account, name, new_account, on_both};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const SOON: UnixSeconds = UnixSeconds(1_800_086_400);

fn invite(id: u64, inviter: Option<AccountId>) -> NewInvite {
    NewInvite { id, inviter, created: NOW, expires: SOON, budget: None }
}

fn registration(id: u64, handle: &str, invite: Option<u64>) -> Registration {
    let account = AccountId::from_bits(id);
    Registration {
        account: new_account(id, handle),
        session: NewSession { id: SessionId::from_bits(id), account, created: NOW, expires: SOON, agent: None },
        device: NewDevice { id: SessionId::from_bits(id), account, seen: NOW, expires: SOON, agent: None },
        is_email_confirmed: invite.is_none(),
        invite,
    }
}

async fn is_there(store: &Store, handle: &str) -> bool {
    store.is_name_taken(&name(handle)).await.unwrap()
}

on_both! {
    async fn a_registration_is_account_session_and_device_or_nothing(fx: Fixture) {
        let store = fx.open().await;
        store.register(registration(1, "ada", None), NOW).await.unwrap();
        let ada = AccountId::from_bits(1);
        assert_eq!(store.list_sessions(ada).await.unwrap().len(), 1);
        assert_eq!(store.list_devices(ada).await.unwrap().len(), 1);
        assert!(store.find_account(ada).await.unwrap().unwrap().email_confirmed);
        assert!(matches!(store.register(registration(2, "ada", None), NOW).await, Err(StoreError::NameTaken)));
        assert!(matches!(store.register(registration(3, "bob", Some(9)), NOW).await, Err(StoreError::NotFound)));
        assert!(!is_there(&store, "bob").await, "an invitation that is none leaves no account behind");
    }

    async fn an_invitation_is_good_once_in_its_time_and_tells_who_invited(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        for id in 1..=3 {
            assert!(store.create_invite(invite(id, Some(ada))).await.unwrap());
        }
        assert!(matches!(store.register(registration(10, "late", Some(1)), SOON).await, Err(StoreError::NotFound)));
        store.register(registration(11, "bob", Some(1)), NOW).await.unwrap();
        assert!(matches!(store.register(registration(12, "eve", Some(1)), NOW).await, Err(StoreError::NotFound)));
        assert!(!store.find_account(AccountId::from_bits(11)).await.unwrap().unwrap().email_confirmed);
        assert_eq!(store.find_inviter(AccountId::from_bits(11)).await.unwrap(), Some(ada));
        let other = make_account(&store, "other").await;
        assert!(!store.revoke_invite(other, 2).await.unwrap(), "somebody else's");
        assert!(!store.revoke_invite(ada, 1).await.unwrap(), "it was used");
        assert!(store.revoke_invite(ada, 2).await.unwrap());
        assert!(matches!(store.register(registration(13, "eve", Some(2)), NOW).await, Err(StoreError::NotFound)));
        let listed = store.list_invites(ada).await.unwrap();
        assert_eq!(listed.iter().map(|i| (i.id, i.used_by.as_deref())).collect::<Vec<_>>(), [(1, Some("bob")), (3, None)]);
        assert!(store.list_invites(other).await.unwrap().is_empty());
    }

    async fn a_budget_counts_what_was_made_since_and_operators_have_none(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let budgeted = |id, since| NewInvite { budget: Some((2, UnixSeconds(since))), ..invite(id, Some(ada)) };
        let made = async |invite| store.create_invite(invite).await.unwrap();
        assert!(made(budgeted(1, NOW.0 - 1)).await && made(budgeted(2, NOW.0 - 1)).await);
        assert!(!made(budgeted(3, NOW.0 - 1)).await, "two since then");
        assert!(made(budgeted(4, NOW.0)).await, "none since then");
        assert!(made(invite(5, None)).await, "of the command line");
    }
}
