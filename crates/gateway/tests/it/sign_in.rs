//! Sign-in under guessing: known devices are never held back, strangers are, and an incident's sessions count for little.

use http::{Method, header};
use rempart_domain::{Standing, UnixSeconds};
use rempart_gateway::Limits;
use serde_json::json;

use crate::gate::solved_for;
use crate::world::{Answer, Credential, PASSWORD, Setup, World};

/// Signs in, and solves the challenge that is asked for, if one is.
async fn sign_in(world: &World, name: &str, password: &str, cookie: Option<&str>) -> Answer {
    let answer = try_sign_in(world, name, password, cookie, None).await;
    if answer.status != 403 {
        return answer;
    }
    answer.assert_refused(403, "challenge_required");
    let challenge = solved_for(world, "sign-in").await;
    try_sign_in(world, name, password, cookie, Some(&challenge)).await
}

async fn try_sign_in(
    world: &World,
    name: &str,
    password: &str,
    cookie: Option<&str>,
    challenge: Option<&str>,
) -> Answer {
    let body = json!({ "name": name, "password": password, "challenge": challenge });
    let credential = cookie.map_or(Credential::None, Credential::Cookie);
    world.call(Method::POST, "/api/v1/sessions", credential, Some(body)).await
}

/// Guesses until unknown devices pay for that account.
async fn guess(world: &World, name: &str) {
    for n in 0..3 {
        try_sign_in(world, name, &format!("wrong guess {n}"), None, None)
            .await
            .assert_refused(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn an_unknown_device_pays_a_challenge_for_sign_in_and_no_other() {
    let world = World::hasty().await;
    let (_, device) = register_device(&world, "victim").await;
    guess(&world, "victim").await;
    let ask = async |challenge: Option<&str>| try_sign_in(&world, "victim", PASSWORD, None, challenge).await;
    ask(None).await.assert_refused(403, "challenge_required");
    let other = solved_for(&world, "registration").await;
    ask(Some(&other)).await.assert_refused(403, "challenge_required");
    let challenge = solved_for(&world, "sign-in").await;
    let cookie = Some(device.as_str());
    assert_eq!(try_sign_in(&world, "victim", PASSWORD, cookie, None).await.status, 201, "a known device pays nothing");
    assert_eq!(ask(Some(&challenge)).await.status, 201);
    guess(&world, "victim").await;
    ask(Some(&challenge)).await.assert_refused(403, "challenge_required");
}

#[tokio::test]
async fn the_form_of_sign_in_carries_a_challenge_when_one_is_asked_for() {
    let world = World::hasty().await;
    let (_, device) = register_device(&world, "victim").await;
    let carries = |answer: &Answer| answer.text().contains("data-challenge=\"/api/v1/challenge?for=sign-in\"");
    assert!(!carries(&world.page("/sign-in").await), "not on a quiet day");
    guess(&world, "victim").await;
    assert!(!carries(&world.page("/sign-in").await), "nobody typed a name yet");
    let form = format!("name=victim&password={}", PASSWORD.replace(' ', "+"));
    let asked = world.form("/sign-in", &form).await;
    assert!(asked.status == 403 && carries(&asked), "{}", asked.text());
    assert!(asked.text().contains("value=\"victim\"") && asked.text().contains("A small computation comes first."));
    let challenge = solved_for(&world, "sign-in").await.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let made = world.form("/sign-in", &format!("{form}&challenge={challenge}")).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (303, "/"), "{}", made.text());
    for n in 0..8 {
        try_sign_in(&world, &format!("nobody{n}"), PASSWORD, None, None).await;
    }
    assert!(carries(&world.page("/sign-in").await), "the whole network is asked");
    let known = world.call(Method::GET, "/sign-in", Credential::Cookie(&device), None).await;
    assert!(!carries(&known), "a known device is not");
    let console = world.console(Method::GET, "/api/v1/challenge?for=sign-in", None, None).await;
    assert_eq!(console.status, 200, "operators' forms find it too");
}

#[tokio::test]
async fn without_script_an_unknown_device_waits_in_a_line_and_signs_in() {
    let world = World::hasty().await;
    register_device(&world, "victim").await;
    guess(&world, "victim").await;
    let asked = world.form("/sign-in", "name=victim&password=whatever").await;
    assert!(asked.text().contains("name=\"wait\""), "{}", asked.text());
    let taken = world.form("/sign-in", "name=Victim&password=&wait=yes&next=%2Faccount").await;
    assert_eq!(taken.status, 303, "{}", taken.text());
    let link = taken.header("location").to_owned();
    assert!(link.starts_with("/sign-in?ticket=") && link.ends_with("&name=Victim&next=/account"), "{link}");
    let mut page = world.page(&link).await;
    while page.status == 202 {
        assert!(page.text().contains("http-equiv=\"refresh\""), "{}", page.text());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        page = world.page(&link).await;
    }
    assert!(page.text().contains("name=\"ticket\"") && page.text().contains("It is your turn"), "{}", page.text());
    assert!(!page.text().contains("data-challenge"));
    let ticket = link.split("ticket=").nth(1).unwrap().split('&').next().unwrap();
    let form = async |name: &str, password: &str| {
        let body = format!("name={name}&password={}&ticket={ticket}", password.replace(' ', "+"));
        world.form("/sign-in", &body).await
    };
    guess(&world, "other").await;
    assert_eq!(form("other", PASSWORD).await.status, 400, "it is for one name");
    let registers =
        world.form("/register", &format!("name=victim2&ticket={ticket}&password=correct+horse+battery")).await;
    assert_eq!(registers.status, 400, "and for one line");
    let wrong = form("victim", "not this one").await;
    assert!(wrong.status == 401 && wrong.text().contains("name=\"ticket\""), "{}", wrong.text());
    let made = form("victim", PASSWORD).await;
    assert_eq!(made.status, 303, "{}", made.text());
    assert!(!made.cookie("rmp_device").is_empty());
    guess(&world, "victim").await;
    let again = form("victim", PASSWORD).await;
    assert!(again.status == 400 && again.text().contains("name=\"wait\""), "a place is good once");
}

#[tokio::test]
async fn a_program_takes_a_place_in_the_line_as_the_form_does() {
    let world = World::hasty().await;
    register_device(&world, "victim").await;
    guess(&world, "victim").await;
    let ask = async |body: serde_json::Value| {
        world.call(Method::POST, "/api/v1/sessions", Credential::None, Some(body)).await
    };
    let wait = async |ticket: Option<&str>| {
        let answer = ask(json!({ "name": "victim", "password": "", "wait": true, "ticket": ticket })).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        answer.json()
    };
    let mut place = wait(None).await;
    let ticket = place["ticket"].as_str().unwrap().to_owned();
    while place["position"] != 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        place = wait(Some(&ticket)).await;
    }
    let made = ask(json!({ "name": "victim", "password": PASSWORD, "ticket": ticket })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    guess(&world, "victim").await;
    ask(json!({ "name": "victim", "password": PASSWORD, "ticket": ticket })).await.assert_refused(400, "bad_parameter");
    ask(json!({ "name": "victim", "password": "", "wait": true, "ticket": "x" }))
        .await
        .assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn a_mailed_link_costs_work_when_a_network_asks_often_and_nothing_for_who_is_signed_in() {
    let limits = Limits { mail_links_per_network: 1, refusal_hold_ms: 1, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let (session, _) = register_device(&world, "ada").await;
    assert_eq!(world.form("/recover", "who=ada&for=sign-in").await.status, 200);
    let page = world.page("/recover").await;
    assert!(page.text().contains("data-challenge"), "it says so beforehand");
    let asked = world.form("/recover", "who=ada&for=sign-in").await;
    assert!(asked.status == 403 && asked.text().contains("value=\"ada\""), "{}", asked.text());
    let body = |challenge: Option<String>| json!({ "who": "ada", "for": "sign-in", "challenge": challenge });
    let ask =
        async |challenge| world.call(Method::POST, "/api/v1/recovery", Credential::None, Some(body(challenge))).await;
    ask(None).await.assert_refused(403, "challenge_required");
    assert_eq!(ask(Some(solved_for(&world, "sign-in").await)).await.status, 202);
    let taken = world.form("/recover", "who=ada&wait=yes").await;
    let link = taken.header("location").to_owned();
    assert!(taken.status == 303 && !link.contains("ada"), "{link}");
    let mut page = world.page(&link).await;
    while page.status == 202 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        page = world.page(&link).await;
    }
    let ticket = link.split("ticket=").nth(1).unwrap();
    let sent = world.form("/recover", &format!("who=ada&for=reset&ticket={ticket}")).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let security = world.call(Method::GET, "/security", Credential::Cookie(&session), None).await;
    let csrf = security.text().split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut request = world.request(Method::POST, "/security", Credential::Cookie(&session), None);
    *request.body_mut() = http_body_util::Full::new(format!("csrf={csrf}&action=confirm_session").into());
    request.headers_mut().insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    let confirmed = world.send(request).await;
    assert!(confirmed.status.as_u16() < 400, "{} {}", confirmed.status, confirmed.text());
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
