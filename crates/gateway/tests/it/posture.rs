//! The posture by the console's API, the freeze that hangs on it, and standing that is earned and lost.

use std::sync::Arc;

use http::{Method, header};
use http_body_util::Full;
use rempart_domain::{
    AccountId, AccountName, Day, KeyScope, Posture, Principal, Provenance, Role, Standing, UnixMillis, UnixSeconds,
};
use rempart_gateway::PostureControl;
use rempart_identity::{ChangedBy, Revocations};
use rempart_store::{NewAccount, NewKey};
use serde_json::{Value, json};

use crate::world::{Answer, Credential, World};

/// A key, straight into the store.
async fn key_of(world: &World, account: AccountId, scope: KeyScope) -> String {
    let id = rempart_identity::random::key_id().unwrap();
    let issued = rempart_identity::issue(&world.keyring, id).unwrap();
    let new = NewKey {
        id,
        account,
        name: "k".into(),
        hash: issued.hash,
        scope,
        models: None,
        limits: rempart_domain::KeyLimits::default(),
        created: UnixSeconds(1),
        expires: None,
    };
    world.store.create_key(new).await.unwrap();
    issued.text.expose().clone()
}

async fn account_of(world: &World, cookie: &str) -> AccountId {
    let me = world.call(Method::GET, "/api/v1/account", Credential::Cookie(cookie), None).await.json();
    me["account"]["id"].as_str().unwrap().parse().unwrap()
}

async fn ask(world: &World, method: Method, key: &str, body: Option<Value>) -> Answer {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{}/api/posture", world.console_url))
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json");
    let body = body.map_or_else(String::new, |body| body.to_string());
    world.send(request.body(Full::new(body.into())).unwrap()).await
}

#[tokio::test]
async fn an_operator_declares_a_posture_and_everybody_can_see_it() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let key = key_of(&world, account_of(&world, &cookie).await, KeyScope::Console).await;
    assert_eq!(ask(&world, Method::GET, &key, None).await.json()["level"], "calm");
    let set = ask(&world, Method::POST, &key, Some(json!({ "level": "siege", "for_s": 3600 }))).await.json();
    assert_eq!((set["level"].as_str(), set["source"].as_str()), (Some("siege"), Some("manual")));
    assert_eq!(set["epoch"], 1);
    assert!(set["until"].is_string() && set["incident_since"].is_string());
    let status = world.call(Method::GET, "/status.json", Credential::None, None).await.json();
    assert_eq!(status["posture"], "siege");
    let page = world.call(Method::GET, "/status", Credential::None, None).await;
    assert!(page.text().contains("Under siege"), "{}", page.text());
    let back = ask(&world, Method::POST, &key, Some(json!({ "level": "auto" }))).await.json();
    assert_eq!((back["level"].as_str(), back["incident_since"].as_str()), (Some("calm"), None));
    ask(&world, Method::POST, &key, Some(json!({ "level": "panic" }))).await.assert_refused(400, "bad_parameter");
    let (_, api_key) = world.register_with_key("eve").await;
    ask(&world, Method::POST, &api_key, Some(json!({ "level": "calm" }))).await.assert_refused(403, "not_allowed");
}

#[tokio::test]
async fn what_is_earned_in_an_incident_counts_when_it_is_over() {
    let world = World::new().await;
    let account = account_of(&world, &world.register("eve").await).await;
    let now = UnixSeconds(2_000_000_000);
    world.posture.set(Posture::Guarded, None, UnixSeconds(now.0 - 10));
    assert!(world.store.promote(account, Standing::Newcomer, Standing::Member, now).await.unwrap());
    assert!(!world.store.promote(account, Standing::Newcomer, Standing::Member, now).await.unwrap(), "once");
    let by = ChangedBy::Rules { at: now, before: Standing::Newcomer };
    world.revocations.set_standing(account, Standing::Member, by).unwrap();
    // A session or key issued since carries the new standing; the freeze holds against it.
    let principal = Principal { account: Some(account), carried_standing: Standing::Member, ..Principal::VISITOR };
    assert_eq!(world.revocations.band(&principal), Standing::Newcomer);
    world.posture.set_auto(now);
    assert_eq!(world.revocations.band(&principal), Standing::Member);
    // What the store tells at the next start is the same.
    let rows = world.store.load_epochs().await.unwrap();
    let (_, row) = rows.iter().find(|(id, _)| *id == account).unwrap();
    assert_eq!((row.standing, row.earned), (Standing::Member, Some((now, Standing::Newcomer))));
}

#[tokio::test]
async fn an_incident_survives_a_restart_with_its_freeze() {
    let world = World::new().await;
    let now = UnixSeconds(2_000_000_000);
    world.posture.set(Posture::Siege, Some(UnixSeconds(now.0 + 600)), now);
    world.posture.save(&world.store).await.unwrap();
    let revocations = Arc::new(Revocations::default());
    let again = PostureControl::new(Arc::clone(&revocations));
    again.load(&world.store, UnixSeconds(now.0 + 60)).await.unwrap();
    assert_eq!(again.state(), world.posture.state());
    assert!(revocations.is_frozen());
    let account = AccountId::from_bits(7);
    let by = ChangedBy::Rules { at: UnixSeconds(now.0 + 5), before: Standing::Newcomer };
    revocations.set_standing(account, Standing::Member, by).unwrap();
    let principal = Principal { account: Some(account), ..Principal::VISITOR };
    assert_eq!(revocations.band(&principal), Standing::Newcomer);
    // A level whose time ran out while nobody was there is over.
    let late = PostureControl::new(Arc::new(Revocations::default()));
    late.load(&world.store, UnixSeconds(now.0 + 700)).await.unwrap();
    assert_eq!((late.level(), late.state().epoch), (Posture::Calm, 1));
}

#[tokio::test]
async fn a_posture_holds_while_the_store_takes_no_writes() {
    let world = World::new().await;
    world.store.close().await;
    world.posture.set(Posture::Fortress, None, UnixSeconds(1));
    assert!(world.posture.save(&world.store).await.is_err());
    assert_eq!(world.gateway.posture().level, Posture::Fortress);
}

#[tokio::test]
async fn days_of_use_make_a_member_but_not_in_an_incident() {
    let world = World::new().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (now, account) = (i64::try_from(now).unwrap(), AccountId::from_bits(77));
    let new = NewAccount {
        id: account,
        name: AccountName::parse("old.friend").unwrap(),
        standing: Standing::Newcomer,
        role: Role::None,
        created: UnixMillis((now - 8 * 86_400) * 1_000),
        email: None,
        password_hash: None,
        locale: None,
        provenance: Provenance::default(),
    };
    world.store.create_account(new).await.unwrap();
    let key = key_of(&world, account, KeyScope::Api).await;
    let today = u16::try_from(now / 86_400).unwrap();
    for day in [today - 2, today - 2, today - 1] {
        world.store.record_good_days(vec![account], Day(day)).await.unwrap();
    }
    assert_eq!(world.chat(&key, "x").await.status, 200);
    world.posture.set(Posture::Guarded, None, UnixSeconds(now));
    world.gateway.count_good_days().await;
    let row = world.store.find_account(account).await.unwrap().unwrap();
    assert_eq!((row.good_days, row.standing), (2, Standing::Newcomer), "an incident's days are not counted");
    world.posture.set_auto(UnixSeconds(now));
    world.gateway.count_good_days().await;
    let row = world.store.find_account(account).await.unwrap().unwrap();
    assert_eq!((row.good_days, row.standing), (3, Standing::Member));
    assert_eq!(world.revocations.standing_of(account), Some(Standing::Member));
}
