//! Second factors, lost passwords, changed addresses, the console's door.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{Answer, Credential, PASSWORD, World};

const MAIL: &str = "ada@example.org";

async fn register(world: &World) -> String {
    let body = json!({ "name": "ada", "password": PASSWORD, "email": MAIL });
    let answer = world.call(Method::POST, "/api/v1/registrations", Credential::None, Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.cookie("rmp_session")
}

async fn post(world: &World, path: &str, cookie: &str, body: Value) -> Answer {
    let credential = if cookie.is_empty() { Credential::None } else { Credential::Cookie(cookie) };
    world.call(Method::POST, path, credential, Some(body)).await
}

async fn sign_in(world: &World, code: Option<&str>) -> Answer {
    let mut body = json!({ "name": "ada", "password": PASSWORD });
    if let Some(code) = code {
        body["code"] = code.into();
    }
    post(world, "/api/v1/sessions", "", body).await
}

/// A form, as a browser sends it, to a side of the platform.
async fn form(world: &World, url: &str, cookie: &str, body: String) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    if !cookie.is_empty() {
        request = request.header(header::COOKIE, cookie);
    }
    world.send(request.body(Full::new(body.into())).unwrap()).await
}

/// The code of a secret, `steps` from now.
fn code_of(secret: &str, steps: i64) -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let at = u64::try_from(now + 30 * steps).unwrap();
    let totp = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(secret).unwrap())
        .with_algorithm(totp_rs::Algorithm::SHA1)
        .with_digits(6)
        .build()
        .unwrap();
    totp.generate(at).to_string()
}

/// Sets an authenticator; the secret, the recovery codes and the session that took the old one's place.
async fn set_totp(world: &World, cookie: &str) -> (String, Vec<String>, String) {
    let begun = post(world, "/api/v1/factors/totp/start", cookie, json!({ "password": PASSWORD })).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    let begun = begun.json();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert!(begun["otpauth"].as_str().unwrap().starts_with("otpauth://totp/"), "{begun}");
    let body = json!({ "setup": begun["setup"], "code": code_of(&secret, -1), "name": "phone" });
    let made = post(world, "/api/v1/factors/totp", cookie, body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let codes =
        made.json()["recovery_codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
    (secret, codes, made.cookie("rmp_session"))
}

#[tokio::test]
async fn an_authenticator_is_asked_for_and_its_codes_are_good_once() {
    let world = World::hasty().await;
    let first = register(&world).await;
    let (secret, codes, cookie) = set_totp(&world, &first).await;
    let me = "/api/v1/account";
    assert_eq!(
        world.call(Method::GET, me, Credential::Cookie(&first), None).await.status,
        401,
        "the old session ended"
    );
    assert_eq!(world.call(Method::GET, me, Credential::Cookie(&cookie), None).await.status, 200);
    sign_in(&world, None).await.assert_refused(403, "second_factor_required");
    sign_in(&world, Some("000000")).await.assert_refused(401, "invalid_credentials");
    let code = code_of(&secret, 0);
    assert_eq!(sign_in(&world, Some(&code)).await.status, 201);
    sign_in(&world, Some(&code)).await.assert_refused(401, "invalid_credentials");
    assert_eq!(codes.len(), 10);
    let typed = codes[3].to_uppercase().replace('-', " ");
    assert_eq!(sign_in(&world, Some(&typed)).await.status, 201);
    sign_in(&world, Some(&codes[3])).await.assert_refused(401, "invalid_credentials");
    let list = world.call(Method::GET, "/api/v1/factors", Credential::Cookie(&cookie), None).await.json();
    assert_eq!((&list["data"][0]["kind"], &list["recovery_codes"]), (&json!("totp"), &json!(9)));
}

#[tokio::test]
async fn codes_cannot_be_tried_out_by_who_knows_the_password() {
    let world = World::hasty().await;
    let first = register(&world).await;
    let (secret, _, _) = set_totp(&world, &first).await;
    let mut tried = 0;
    for n in 0..14 {
        tried += u32::from(sign_in(&world, Some(&format!("{n:06}"))).await.status == 401);
    }
    assert!(tried <= 10, "{tried}");
    sign_in(&world, Some(&code_of(&secret, 0))).await.assert_refused(429, "too_many_requests");
}

#[tokio::test]
async fn what_cannot_be_undone_asks_for_the_password_and_for_a_session_won_with_the_factor() {
    let world = World::hasty().await;
    let first = register(&world).await;
    let second = sign_in(&world, None).await.cookie("rmp_session");
    let wrong = json!({ "email": "new@example.org", "password": "not the password" });
    post(&world, "/api/v1/account/email", &first, wrong).await.assert_refused(401, "invalid_credentials");
    let (_, _, strong) = set_totp(&world, &first).await;
    let change = json!({ "email": "new@example.org", "password": PASSWORD });
    let refused = post(&world, "/api/v1/account/email", &second, change.clone()).await;
    refused.assert_refused(403, "second_factor_required");
    let again = json!({ "password": PASSWORD });
    let list = world.call(Method::GET, "/api/v1/factors", Credential::Cookie(&second), None).await.json();
    let path = format!("/api/v1/factors/{}", list["data"][0]["id"].as_str().unwrap());
    let refused = world.call(Method::DELETE, &path, Credential::Cookie(&second), Some(again.clone())).await;
    refused.assert_refused(403, "second_factor_required");
    assert_eq!(post(&world, "/api/v1/account/email", &strong, change).await.status, 202);
    assert_eq!(world.call(Method::DELETE, &path, Credential::Cookie(&strong), Some(again)).await.status, 204);
    assert_eq!(sign_in(&world, None).await.status, 201, "none is set any more");
}

fn link_in(mail: &str) -> String {
    mail.split("link=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_password_is_replaced_by_mail_and_nobody_is_told_who_exists() {
    let world = World::hasty().await;
    let cookie = register(&world).await;
    let ask = async |who: &str| post(&world, "/api/v1/recovery", "", json!({ "who": who, "for": "reset" })).await;
    let (known, unknown, by_mail) = (ask("ada").await, ask("nobody").await, ask("someone@example.net").await);
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    assert_eq!((known.status.as_u16(), &known.body), (202, &by_mail.body));
    let mail = world.mail(1).await;
    assert!(mail.contains(&format!("To: {MAIL}")) && mail.contains("ada"), "{mail}");
    let link = link_in(&mail);
    let weak = json!({ "link": link, "new_password": "password123" });
    post(&world, "/api/v1/recovery/password", "", weak).await.assert_refused(400, "bad_parameter");
    let fresh = json!({ "link": link, "new_password": "another long password" });
    let reset = post(&world, "/api/v1/recovery/password", "", fresh.clone()).await;
    assert_eq!(reset.status, 201, "{}", reset.text());
    post(&world, "/api/v1/recovery/password", "", fresh).await.assert_refused(404, "not_found");
    let me = "/api/v1/account";
    assert_eq!(world.call(Method::GET, me, Credential::Cookie(&cookie), None).await.status, 401, "all sessions ended");
    sign_in(&world, None).await.assert_refused(401, "invalid_credentials");
    let account = world.call(Method::GET, me, Credential::Cookie(&reset.cookie("rmp_session")), None).await.json();
    assert_eq!(account["account"]["email_confirmed"], true);
    assert!(world.mail(2).await.contains("Subject: "), "told of the change");
}

#[tokio::test]
async fn asking_for_mails_again_and_again_fills_nobodys_mailbox() {
    let world = World::hasty().await;
    register(&world).await;
    for _ in 0..9 {
        post(&world, "/api/v1/recovery", "", json!({ "who": MAIL, "for": "reset" })).await;
    }
    world.mail(5).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(std::fs::read_dir(&world.mails).unwrap().count(), 5);
}

#[tokio::test]
async fn a_reset_does_not_get_past_a_second_factor() {
    let world = World::hasty().await;
    let first = register(&world).await;
    let (secret, _, _) = set_totp(&world, &first).await;
    world.mail(1).await; // Told that a factor was added.
    post(&world, "/api/v1/recovery", "", json!({ "who": "ada", "for": "reset" })).await;
    let link = link_in(&world.mail(2).await);
    let body = format!("link={link}&new_password=another+long+password");
    let page = form(&world, &format!("{}/reset", world.url), "", body).await;
    assert!(page.status == 200 && page.text().contains("name=\"half\""), "{}", page.text());
    assert!(page.headers.get(header::SET_COOKIE).is_none());
    let half = page.text().split("name=\"half\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let wrong = form(&world, &format!("{}/sign-in", world.url), "", format!("half={half}&code=000000")).await;
    assert!(wrong.status == 401 && wrong.text().contains("name=\"half\""), "{}", wrong.text());
    let body = format!("half={half}&code={}", code_of(&secret, 0));
    let done = form(&world, &format!("{}/sign-in", world.url), "", body).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert!(done.cookie("rmp_session").len() > 100);
}

#[tokio::test]
async fn a_new_address_counts_when_its_mailbox_has_said_so() {
    let world = World::hasty().await;
    let cookie = register(&world).await;
    let change = json!({ "email": "new@example.org", "password": PASSWORD });
    assert_eq!(post(&world, "/api/v1/account/email", &cookie, change).await.status, 202);
    let me = async || world.call(Method::GET, "/api/v1/account", Credential::Cookie(&cookie), None).await.json();
    assert_eq!(me().await["account"]["email"], MAIL);
    let mail = world.mail(1).await;
    assert!(mail.contains("To: new@example.org"), "{mail}");
    let looked = world.call(Method::GET, &format!("/confirm?link={}", link_in(&mail)), Credential::None, None).await;
    assert_eq!(looked.status, 200);
    assert_eq!(me().await["account"]["email"], MAIL, "mail programs look at links");
    let done = form(&world, &format!("{}/confirm", world.url), "", format!("link={}", link_in(&mail))).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let account = me().await;
    assert_eq!(
        (&account["account"]["email"], &account["account"]["email_confirmed"]),
        (&json!("new@example.org"), &json!(true))
    );
}

#[tokio::test]
async fn an_operator_sets_a_second_factor_before_the_console_opens() {
    let world = World::hasty().await;
    let hash = post(&world, "/api/v1/registrations", "", json!({ "name": "ada", "password": PASSWORD })).await;
    assert_eq!(hash.status, 201);
    let name = rempart_domain::AccountName::parse("ada").unwrap();
    let account = world.store.find_account_by_name(&name).await.unwrap().unwrap();
    world.store.set_role(account.id, rempart_domain::Role::Operator).await.unwrap();
    world.revocations.set_role(account.id, rempart_domain::Role::Operator).unwrap();
    let console = |path: &str| format!("{}{path}", world.console_url);
    let door =
        form(&world, &console("/sign-in"), "", format!("name=ada&password={}", PASSWORD.replace(' ', "+"))).await;
    assert_eq!((door.status.as_u16(), door.header("location")), (303, "/security"), "{}", door.text());
    let weak = door.cookie("rmp_session");
    let get = async |path: &str, cookie: &str| {
        world.send(Request::get(console(path)).header(header::COOKIE, cookie).body(Full::default()).unwrap()).await
    };
    assert_eq!(get("/", &weak).await.header("location"), "/security");
    get("/api/status", &weak).await.assert_refused(403, "second_factor_required");
    let page = get("/security", &weak).await;
    let field = |page: &Answer, name: &str| {
        let mark = format!("name=\"{name}\" value=\"");
        page.text().split(&mark).nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let csrf = field(&page, "csrf");
    let begun = form(&world, &console("/security"), &weak, format!("csrf={csrf}&action=start_totp")).await;
    let secret =
        begun.text().split("class=\"secret\" translate=\"no\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(begun.text().contains("<svg class=\"qr\""), "a picture to scan");
    let body = format!("csrf={csrf}&action=finish_totp&setup={}&code={}", field(&begun, "setup"), code_of(&secret, -1));
    let set = form(&world, &console("/security"), &weak, body).await;
    assert!(set.status == 200 && set.text().contains("class=\"codes\""), "{}", set.text());
    let strong = set.cookie("rmp_session");
    assert_eq!(get("/", &strong).await.status, 200);
    assert_eq!(get("/", &weak).await.header("location"), "/sign-in", "the old session ended");
    let door =
        form(&world, &console("/sign-in"), "", format!("name=ada&password={}", PASSWORD.replace(' ', "+"))).await;
    let half = field(&door, "half");
    let done = form(&world, &console("/sign-in"), "", format!("half={half}&code={}", code_of(&secret, 0))).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/"));
}
