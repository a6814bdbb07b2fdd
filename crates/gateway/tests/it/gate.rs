//! The gate through the door: what each level asks, what a stranger cannot order, what a place is worth.

use altcha::{Challenge, Payload, SolveChallengeOptions, solve_challenge};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rempart_domain::GateLevel;
use rempart_gateway::Limits;
use rempart_mail::MailLimits;
use serde_json::{Value, json};

use crate::world::{Answer, Credential, PASSWORD, Setup, World};

/// Without mail a level asks for no address.
async fn at(level: GateLevel) -> World {
    let has_mail = level == GateLevel::Verified;
    World::with(Setup { registration: Some(level), has_mail, ..Setup::default() }).await
}

async fn register(world: &World, name: &str, more: Value) -> Answer {
    let mut body = json!({ "name": name, "password": PASSWORD });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.call(Method::POST, "/api/v1/registrations", Credential::None, Some(body)).await
}

async fn solved(world: &World) -> String {
    solved_for(world, "registration").await
}

/// A challenge for that purpose, solved.
pub async fn solved_for(world: &World, purpose: &str) -> String {
    let path = format!("/api/v1/challenge?for={purpose}");
    let answer = world.call(Method::GET, &path, Credential::None, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    let challenge: Challenge = serde_json::from_slice(&answer.body).unwrap();
    let solution = solve_challenge(SolveChallengeOptions::new(&challenge)).unwrap().unwrap();
    STANDARD.encode(serde_json::to_vec(&Payload { challenge, solution }).unwrap())
}

async fn gate(world: &World) -> Value {
    world.call(Method::GET, "/api/v1/gate", Credential::None, None).await.json()
}

#[tokio::test]
async fn the_set_point_is_published() {
    let world = World::with(Setup { registration: None, ..Setup::default() }).await;
    let auto = gate(&world).await;
    assert_eq!((&auto["level"], &auto["source"], &auto["until"]), (&json!("open"), &json!("auto"), &Value::Null));
    assert_eq!(auto["queue"], json!({ "length": 0, "eta_s": 0 }));
    assert!(auto["rate_per_s"].as_f64().unwrap() > 0.0);
    let fixed = gate(&at(GateLevel::Queue).await).await;
    assert_eq!((&fixed["level"], &fixed["source"]), (&json!("queue"), &json!("manual")));
}

#[tokio::test]
async fn a_challenge_is_asked_for_solved_once_and_spent() {
    let world = at(GateLevel::Challenge).await;
    register(&world, "ada", json!({})).await.assert_refused(403, "challenge_required");
    register(&world, "ada", json!({ "challenge": "bm9uZQ==" })).await.assert_refused(403, "challenge_required");
    let challenge = solved(&world).await;
    let answer = register(&world, "ada", json!({ "challenge": challenge })).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["account"]["standing"], "newcomer");
    world.call(Method::GET, "/api/v1/account", Credential::Cookie(&answer.cookie("rmp_session")), None).await;
    register(&world, "eve", json!({ "challenge": challenge })).await.assert_refused(403, "challenge_required");
    let wrong = world.call(Method::GET, "/api/v1/challenge", Credential::None, None).await;
    wrong.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn a_taken_name_is_told_only_after_the_challenge() {
    let world = at(GateLevel::Challenge).await;
    let first = solved(&world).await;
    assert_eq!(register(&world, "ada", json!({ "challenge": first })).await.status, 201);
    register(&world, "ada", json!({})).await.assert_refused(403, "challenge_required");
    let second = solved(&world).await;
    register(&world, "ADA", json!({ "challenge": second })).await.assert_refused(409, "name_taken");
}

#[tokio::test]
async fn above_the_rate_one_gets_a_place_and_with_it_an_account() {
    let limits = Limits { registrations_per_minute: 60, ..Limits::default() };
    let world =
        World::with(Setup { limits, registration: Some(GateLevel::Queue), has_mail: false, ..Setup::default() }).await;
    let mut waiting = None;
    for n in 0..40 {
        let challenge = solved(&world).await;
        let answer = register(&world, &format!("n{n}"), json!({ "challenge": challenge })).await;
        if answer.status == 202 {
            waiting = Some((format!("n{n}"), answer));
            break;
        }
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let (name, answer) = waiting.expect("the rate ends");
    let place = answer.json();
    assert!(place["position"].as_u64().unwrap() >= 1 && place["eta_s"].as_u64().unwrap() >= 1);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    let ticket = place["ticket"].clone();
    register(&world, "other", json!({ "ticket": ticket })).await.assert_refused(400, "bad_parameter");
    register(&world, &name, json!({ "ticket": "x" })).await.assert_refused(400, "bad_parameter");
    let made = loop {
        let answer = register(&world, &name, json!({ "ticket": ticket })).await;
        if answer.status != 202 {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(made.status, 201, "{}", made.text());
    register(&world, &name, json!({ "ticket": ticket })).await.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn operators_set_the_gate_and_everybody_sees_it() {
    let world = World::with(Setup { registration: None, ..Setup::default() }).await;
    let refused = world.console(Method::POST, "/api/gate", None, Some(json!({ "level": "closed" }))).await;
    refused.assert_refused(401, "not_signed_in");
    let key = world.console_key().await;
    let set =
        world.console(Method::POST, "/api/gate", Some(&key), Some(json!({ "level": "closed", "for_s": 60 }))).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let seen = gate(&world).await;
    assert_eq!((&seen["level"], &seen["source"]), (&json!("closed"), &json!("manual")));
    assert!(seen["until"].as_str().unwrap().ends_with('Z'));
    register(&world, "ada", json!({})).await.assert_refused(403, "registration_closed");
    for bad in [json!({ "level": "ajar" }), json!({ "level": "open", "for_s": 0 })] {
        world.console(Method::POST, "/api/gate", Some(&key), Some(bad)).await.assert_refused(400, "bad_parameter");
    }
    world.console(Method::POST, "/api/gate", Some(&key), Some(json!({ "level": "auto" }))).await;
    assert_eq!(gate(&world).await["source"], "auto");
    assert_eq!(world.store.get_setting("gate_override").await.unwrap().as_deref(), Some(""));
}

impl World {
    pub async fn console(&self, method: Method, path: &str, key: Option<&str>, body: Option<Value>) -> Answer {
        let builder = http::Request::builder().method(method).uri(format!("{}{path}", self.console_url));
        let builder = match key {
            Some(key) => builder.header(http::header::AUTHORIZATION, format!("Bearer {key}")),
            None => builder,
        };
        let builder = builder.header(http::header::CONTENT_TYPE, "application/json");
        self.send(builder.body(body.map(|body| body.to_string()).unwrap_or_default().into()).unwrap()).await
    }

    /// An operator's key, made in the store.
    async fn console_key(&self) -> String {
        let account = rempart_identity::random::account_id().unwrap();
        let new = rempart_store::NewAccount {
            id: account,
            name: rempart_domain::AccountName::parse("op").unwrap(),
            standing: rempart_domain::Standing::Trusted,
            role: rempart_domain::Role::Operator,
            created: rempart_domain::UnixMillis(0),
            email: None,
            password_hash: None,
            locale: None,
            provenance: rempart_domain::Provenance::default(),
        };
        self.store.create_account(new).await.unwrap();
        let id = rempart_identity::random::key_id().unwrap();
        let issued = rempart_identity::issue(&self.keyring, id).unwrap();
        let key = rempart_store::NewKey {
            id,
            account,
            name: "op".to_owned(),
            hash: issued.hash,
            scope: rempart_domain::KeyScope::Console,
            models: None,
            limits: rempart_domain::KeyLimits::default(),
            created: rempart_domain::UnixSeconds(0),
            expires: None,
        };
        self.store.create_key(key).await.unwrap();
        issued.text.expose().clone()
    }
}

#[tokio::test]
async fn an_invitation_opens_the_line_once_and_a_member_has_so_many() {
    let limits = Limits { invites_per_member: 1, ..Limits::default() };
    let world =
        World::with(Setup { limits, registration: Some(GateLevel::Queue), has_mail: false, ..Setup::default() }).await;
    let challenge = solved(&world).await;
    let newcomer = register(&world, "ada", json!({ "challenge": challenge })).await.cookie("rmp_session");
    let path = "/api/v1/invites";
    world.call(Method::POST, path, Credential::Cookie(&newcomer), None).await.assert_refused(403, "not_allowed");
    let ada = rempart_domain::AccountName::parse("ada").unwrap();
    let ada = world.store.find_account_by_name(&ada).await.unwrap().unwrap().id;
    let standing = rempart_domain::Standing::Member;
    world.store.set_standing(ada, standing).await.unwrap();
    world.revocations.set_standing(ada, standing, rempart_identity::ChangedBy::Operator).unwrap();
    let made = world.call(Method::POST, path, Credential::Cookie(&newcomer), None).await;
    assert_eq!(made.status, 201, "{}", made.text());
    world.call(Method::POST, path, Credential::Cookie(&newcomer), None).await.assert_refused(403, "not_allowed");
    let url = made.json()["url"].as_str().unwrap().to_owned();
    let invite = url.split("invite=").nth(1).unwrap();
    register(&world, "eve", json!({ "invite": "x" })).await.assert_refused(400, "bad_parameter");
    let bob = register(&world, "bob", json!({ "invite": invite })).await;
    assert_eq!(bob.status, 201, "{}", bob.text());
    register(&world, "eve", json!({ "invite": invite })).await.assert_refused(400, "bad_parameter");
    let eve = rempart_domain::AccountName::parse("eve").unwrap();
    assert!(!world.store.is_name_taken(&eve).await.unwrap(), "nothing of it was written");
    let bob = rempart_domain::AccountName::parse("bob").unwrap();
    let bob = world.store.find_account_by_name(&bob).await.unwrap().unwrap();
    assert_eq!(world.store.find_inviter(bob.id).await.unwrap(), Some(ada));
    let expected = rempart_identity::gate::provenance(&world.keyring, Some(ada), None);
    assert_eq!(bob.provenance, expected, "whom ada invites weigh as one");
    let listed = world.call(Method::GET, path, Credential::Cookie(&newcomer), None).await.json();
    assert_eq!((&listed["data"][0]["used_by"], &listed["left"]), (&json!("bob"), &json!(0)));
    world.gateway_closes().await;
    let closed = register(&world, "eve", json!({ "invite": invite })).await;
    closed.assert_refused(403, "registration_closed");
}

impl World {
    async fn gateway_closes(&self) {
        let key = self.console_key().await;
        let set = self.console(Method::POST, "/api/gate", Some(&key), Some(json!({ "level": "closed" }))).await;
        assert_eq!(set.status, 200);
    }

    pub async fn form(&self, path: &str, body: &str) -> Answer {
        let request = http::Request::post(format!("{}{path}", self.url))
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(body.to_owned().into()).unwrap()).await
    }

    pub async fn page(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Credential::None, None).await
    }
}

#[tokio::test]
async fn without_script_a_place_is_taken_kept_by_a_link_and_turned_into_an_account() {
    let limits = Limits { registrations_per_minute: 60, ..Limits::default() };
    let world =
        World::with(Setup { limits, registration: Some(GateLevel::Queue), has_mail: false, ..Setup::default() }).await;
    let first = world.page("/register").await;
    assert!(first.text().contains("data-challenge") && !first.text().contains("type=\"password\""));
    let taken = world.form("/register", "name=ada&password=").await;
    assert_eq!(taken.status, 303, "{}", taken.text());
    let link = taken.header("location").to_owned();
    assert!(link.starts_with("/register?ticket="), "{link}");
    let mut page = world.page(&link).await;
    while page.status == 202 {
        assert!(page.text().contains("http-equiv=\"refresh\"") && page.text().contains(&link.replace('&', "&#38;")));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        page = world.page(&link).await;
    }
    assert!(page.text().contains("type=\"password\"") && page.text().contains("name=\"ticket\""), "{}", page.text());
    let ticket = link.split("ticket=").nth(1).unwrap().split('&').next().unwrap();
    let made = world.form("/register", &format!("name=ada&ticket={ticket}&password=correct+horse+battery")).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (303, "/"), "{}", made.text());
    assert!(!made.cookie("rmp_session").is_empty());
    let again = world.page(&link).await;
    assert!(again.text().contains("error"), "the place is used");
}

#[tokio::test]
async fn a_network_without_script_takes_so_many_places_and_no_more() {
    let world = at(GateLevel::Queue).await;
    let mut refused = 0;
    for n in 0..24 {
        let answer = world.form("/register", &format!("name=n{n}&password=")).await;
        refused += usize::from(answer.status == 429);
    }
    assert_eq!(refused, 4);
}

#[tokio::test]
async fn an_account_comes_with_the_mailed_link_and_no_letter_before_the_gate() {
    let world = at(GateLevel::Verified).await;
    let email = "ada+chat@example.org";
    register(&world, "ada", json!({ "email": email })).await.assert_refused(403, "challenge_required");
    let challenge = solved(&world).await;
    let none = register(&world, "ada", json!({ "challenge": challenge })).await;
    none.assert_refused(400, "bad_parameter");
    assert_eq!(std::fs::read_dir(&world.mails).unwrap().count(), 0);
    let challenge = solved(&world).await;
    let thrown = register(&world, "ada", json!({ "challenge": challenge, "email": "a@x.mailinator.com" })).await;
    thrown.assert_refused(400, "bad_parameter");
    let challenge = solved(&world).await;
    let mailed = register(&world, "ada", json!({ "challenge": challenge, "email": email })).await;
    assert_eq!((mailed.status.as_u16(), &mailed.json()["verify"]), (202, &json!("email")), "{}", mailed.text());
    let place = mailed.json()["ticket"].clone();
    let again = register(&world, "ada", json!({ "ticket": place, "email": email })).await;
    assert_eq!(again.status, 202, "the place alone makes no account");
    let mail = world.mail(1).await;
    let link = mail.split_whitespace().find(|word| word.contains("/register?ticket=")).unwrap();
    assert!(link.contains("ada%2Bchat@example.org"), "{link}");
    let path = link.strip_prefix(&world.url).unwrap();
    let page = world.page(path).await;
    assert!(page.text().contains("type=\"password\""), "{}", page.text());
    let ticket = link.split("ticket=").nth(1).unwrap().split('&').next().unwrap();
    let other = register(&world, "ada", json!({ "ticket": ticket, "email": "eve@example.org" })).await;
    other.assert_refused(400, "bad_parameter");
    let made = register(&world, "ada", json!({ "ticket": ticket, "email": email })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let cookie = made.cookie("rmp_session");
    let me = world.call(Method::GET, "/api/v1/account", Credential::Cookie(&cookie), None).await.json();
    assert_eq!((&me["account"]["email"], &me["account"]["email_confirmed"]), (&json!(email), &json!(true)));
    let used = register(&world, "ada", json!({ "ticket": ticket, "email": email })).await;
    used.assert_refused(400, "bad_parameter");
    let mail_domain = provenance_of(&world, "ada").await.mail_domain;
    let neighbour = rempart_domain::Sensitive::new("bob@mail.example.org".to_owned());
    assert_eq!(rempart_identity::gate::provenance(&world.keyring, None, Some(&neighbour)).mail_domain, mail_domain);
}

async fn provenance_of(world: &World, name: &str) -> rempart_domain::Provenance {
    let name = rempart_domain::AccountName::parse(name).unwrap();
    world.store.find_account_by_name(&name).await.unwrap().unwrap().provenance
}

#[tokio::test]
async fn a_domain_that_is_only_claimed_is_nothing_in_common() {
    let world = at(GateLevel::Open).await;
    assert_eq!(register(&world, "eve", json!({ "email": "eve@example.org" })).await.status, 201);
    assert_eq!(provenance_of(&world, "eve").await, rempart_domain::Provenance::default());
}

/// A place at `verified`, with its letter sent to that address.
async fn letter(world: &World, name: &str, email: &str) -> Value {
    let challenge = solved(world).await;
    let mailed = register(world, name, json!({ "challenge": challenge, "email": email })).await;
    assert_eq!(mailed.status, 202, "{}", mailed.text());
    mailed.json()
}

#[tokio::test]
async fn a_letter_is_sent_again_and_to_another_address_and_so_often_for_one_place() {
    let world = at(GateLevel::Verified).await;
    let place = letter(&world, "ada", "typo@exmaple.org").await;
    world.mail(1).await;
    let again = async |email: &str| register(&world, "ada", json!({ "ticket": place["ticket"], "email": email })).await;
    assert_eq!(again("typo@exmaple.org").await.status, 202);
    world.mail(2).await;
    assert_eq!(again("ada@example.org").await.status, 202);
    let mail = world.mail(3).await;
    assert_eq!(again("ada@example.org").await.status, 202, "the fourth is answered the same");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(std::fs::read_dir(&world.mails).unwrap().count(), 3, "and not sent");
    let link = mail.split_whitespace().find(|word| word.contains("/register?ticket=")).unwrap();
    let ticket = link.split("ticket=").nth(1).unwrap().split('&').next().unwrap();
    let old = register(&world, "ada", json!({ "ticket": ticket, "email": "typo@exmaple.org" })).await;
    old.assert_refused(400, "bad_parameter");
    let made = register(&world, "ada", json!({ "ticket": ticket, "email": "ada@example.org" })).await;
    assert_eq!(made.status, 201, "{}", made.text());
}

#[tokio::test]
async fn one_domain_gets_its_share_of_letters_and_others_go_on() {
    let mail = MailLimits { per_domain_per_minute: 4, ..MailLimits::default() };
    let setup = Setup { registration: Some(GateLevel::Verified), mail, ..Setup::default() };
    let world = World::with(setup).await;
    for n in 0..5 {
        letter(&world, &format!("bomb{n}"), &format!("u{n}@victim.org")).await;
    }
    letter(&world, "ada", "ada@example.org").await;
    world.mail(2).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let files = std::fs::read_dir(&world.mails).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()));
    let mails: Vec<String> = files.map(Result::unwrap).collect();
    let count_to = |domain: &str| {
        mails
            .iter()
            .filter(|mail| mail.contains(&format!("@{domain}>")) || mail.contains(&format!("@{domain}\r\n")))
            .count()
    };
    assert_eq!((count_to("victim.org"), count_to("example.org")), (1, 1), "a quarter of its minute at once");
}
