//! Sign-in under guessing: known devices are never held back, strangers are, and an incident's sessions count for little.

use http::{Method, header};
use rempart_domain::{Standing, UnixSeconds};
use rempart_gateway::Limits;
use serde_json::json;

use crate::world::{Answer, Credential, PASSWORD, Setup, World};

async fn sign_in(world: &World, name: &str, password: &str, cookie: Option<&str>) -> Answer {
    let body = json!({ "name": name, "password": password });
    let credential = cookie.map_or(Credential::None, Credential::Cookie);
    world.call(Method::POST, "/api/v1/sessions", credential, Some(body)).await
}

/// Registers; the device cookie of it.
async fn register_device(world: &World, name: &str) -> (String, String) {
    let body = json!({ "name": name, "password": PASSWORD, "email": format!("{name}@example.org") });
    let answer = world.call(Method::POST, "/api/v1/registrations", Credential::None, Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    (answer.cookie("rmp_session"), answer.cookie("rmp_device"))
}

#[tokio::test]
async fn a_known_device_signs_in_while_its_account_is_guessed_from_the_same_address() {
    let world = World::hasty().await;
    let (_, device) = register_device(&world, "victim").await;
    let mut refused = 0;
    for n in 0..16 {
        let answer = sign_in(&world, "victim", &format!("wrong guess {n}"), None).await;
        refused += u32::from(answer.status == 429);
    }
    assert_eq!(refused, 6, "of 16");
    sign_in(&world, "victim", PASSWORD, None).await.assert_refused(429, "too_many_requests");
    assert_eq!(sign_in(&world, "victim", PASSWORD, Some(&device)).await.status, 201);
    assert_eq!(sign_in(&world, "victim", PASSWORD, None).await.status, 429, "others' devices stay strangers");
}

#[tokio::test]
async fn a_name_that_nobody_has_is_held_back_like_any_other() {
    let world = World::hasty().await;
    world.register("known").await;
    let ask = async |name: &str| {
        let mut answers = Vec::new();
        for n in 0..13 {
            let answer = sign_in(&world, name, &format!("wrong guess {n}"), None).await;
            answers.push((answer.status.as_u16(), answer.text().to_owned()));
        }
        answers
    };
    assert_eq!(ask("known").await, ask("nobody").await);
}

#[tokio::test]
async fn another_accounts_device_is_a_strangers() {
    let world = World::hasty().await;
    register_device(&world, "victim").await;
    let (_, device) = register_device(&world, "attacker").await;
    for n in 0..12 {
        sign_in(&world, "victim", &format!("wrong guess {n}"), Some(&device)).await;
    }
    sign_in(&world, "victim", PASSWORD, Some(&device)).await.assert_refused(429, "too_many_requests");
}

#[tokio::test]
async fn a_browser_stays_the_same_device_and_can_be_forgotten() {
    let world = World::hasty().await;
    let (session, device) = register_device(&world, "ada").await;
    let again = sign_in(&world, "ada", PASSWORD, Some(&device)).await;
    assert_eq!(again.status, 201);
    let list = world.call(Method::GET, "/api/v1/devices", Credential::Cookie(&session), None).await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    let both = format!("{session}; {device}");
    let list = world.call(Method::GET, "/api/v1/devices", Credential::Cookie(&both), None).await.json();
    assert_eq!(list["data"][0]["current"], true);
    let path = format!("/api/v1/devices/{}", list["data"][0]["id"].as_str().unwrap());
    let other = world.register("bob").await;
    assert_eq!(world.call(Method::DELETE, &path, Credential::Cookie(&other), None).await.status, 404);
    assert_eq!(world.call(Method::DELETE, &path, Credential::Cookie(&session), None).await.status, 204);
    for n in 0..12 {
        sign_in(&world, "ada", &format!("wrong guess {n}"), None).await;
    }
    assert_eq!(sign_in(&world, "ada", PASSWORD, Some(&device)).await.status, 429, "a stranger again");
    let me = world.call(Method::GET, "/api/v1/account", Credential::Cookie(&session), None).await;
    assert_eq!(me.status, 200, "the session goes on");
}

#[tokio::test]
async fn a_session_from_an_unknown_device_during_an_incident_is_a_newcomers_until_a_mailed_link_confirms_it() {
    let world = World::hasty().await;
    let (_, device) = register_device(&world, "ada").await;
    let account = world.store.find_account_by_name(&"ada".parse_name()).await.unwrap().unwrap();
    world.store.set_standing(account.id, Standing::Member).await.unwrap();
    world.revocations.freeze(UnixSeconds(i64::from(u32::MAX)));
    let band = async |answer: &Answer| {
        let session = answer.cookie("rmp_session");
        let page = world.call(Method::GET, "/security", Credential::Cookie(&session), None).await;
        page.text().contains("served like a newcomer")
    };
    let known = sign_in(&world, "ada", PASSWORD, Some(&device)).await;
    assert!(!band(&known).await, "a known device is sure");
    let unknown = sign_in(&world, "ada", PASSWORD, None).await;
    assert!(band(&unknown).await, "an unknown one is not");
    let ask = json!({ "who": "ada", "for": "sign-in" });
    let asked = world.call(Method::POST, "/api/v1/recovery", Credential::None, Some(ask)).await;
    assert_eq!(asked.status, 202);
    let mail = world.mail(1).await;
    let link = mail.split("link=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let mut request = world.request(Method::POST, "/sign-in", Credential::None, None);
    *request.body_mut() = http_body_util::Full::new(format!("link={link}").into());
    request.headers_mut().insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    let linked = world.send(request).await;
    assert_eq!(linked.status, 303, "{}", linked.text());
    assert!(!band(&linked).await, "the mailbox confirms it");
    assert!(world.store.find_account(account.id).await.unwrap().unwrap().email_confirmed);
}

#[tokio::test]
async fn no_allowance_is_larger_than_its_limit_says() {
    let limits = Limits { sign_in_guesses_per_account: 4, refusal_hold_ms: 1, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    world.register("ada").await;
    let mut statuses = Vec::new();
    for n in 0..6 {
        statuses.push(sign_in(&world, "ada", &format!("wrong guess {n}"), None).await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
}

#[tokio::test]
async fn pages_carry_what_keeps_others_out_of_them() {
    let world = World::hasty().await;
    let page = world.call(Method::GET, "/sign-in", Credential::None, None).await;
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("strict-transport-security", ""),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    assert!(page.header("permissions-policy").contains("camera=()"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
}

trait ParseName {
    fn parse_name(&self) -> rempart_domain::AccountName;
}

impl ParseName for str {
    fn parse_name(&self) -> rempart_domain::AccountName {
        rempart_domain::AccountName::parse(self).unwrap()
    }
}
