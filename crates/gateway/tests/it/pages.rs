//! Pages without script: forms that post to themselves.

use http::{Method, header};
use http_body_util::Full;

use crate::world::{Answer, Credential, PASSWORD, World};

async fn post(world: &World, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let encode = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02x}")).collect() };
    let body: Vec<_> = fields.iter().map(|(k, v)| format!("{k}={}", encode(v))).collect();
    let mut builder = http::Request::post(format!("{}{path}", world.url))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    if !cookie.is_empty() {
        builder = builder.header(header::COOKIE, cookie);
    }
    world.send(builder.body(Full::new(body.join("&").into())).unwrap()).await
}

fn csrf(html: &str) -> String {
    let at = html.find("name=\"csrf\" value=\"").unwrap() + "name=\"csrf\" value=\"".len();
    html[at..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn one_registers_asks_makes_a_key_and_signs_out_without_script() {
    let world = World::new().await;
    let page = world.call(Method::GET, "/register", Credential::None, None).await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy").contains("default-src 'none'"),
        "{}",
        page.header("content-security-policy")
    );
    let done = post(&world, "/register", "", &[("name", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let cookie = done.cookie("rmp_session");
    let home = world.call(Method::GET, "/", Credential::Cookie(&cookie), None).await;
    let token = csrf(home.text());
    let asked = post(&world, "/", &cookie, &[("csrf", &token), ("text", "<b>bonjour</b>")]).await;
    assert_eq!(asked.status, 303, "{}", asked.text());
    let page = world.call(Method::GET, asked.header("location"), Credential::Cookie(&cookie), None).await;
    assert!(page.text().contains("&#60;b&#62;bonjour") || page.text().contains("&lt;b&gt;bonjour"), "{}", page.text());
    let made =
        post(&world, "/account", &cookie, &[("csrf", &token), ("action", "create_key"), ("name", "laptop")]).await;
    assert_eq!(made.status, 200);
    assert!(made.text().contains("rmp_"));
    let forged = post(&world, "/account", &cookie, &[("csrf", "x"), ("action", "create_key"), ("name", "evil")]).await;
    assert_eq!(forged.status, 403);
    let out = post(&world, "/sign-out", &cookie, &[("csrf", &token)]).await;
    assert_eq!(out.status, 303);
    let gone = world.call(Method::GET, "/account", Credential::Cookie(&cookie), None).await;
    assert_eq!((gone.status.as_u16(), gone.header("location")), (303, "/sign-in"));
}

#[tokio::test]
async fn a_wrong_form_is_shown_again_with_its_fault_in_the_readers_language() {
    let world = World::new().await;
    for (language, word) in [("zh-CN", "zh"), ("en", "en"), ("fr", "fr")] {
        let request = http::Request::post(format!("{}/register", world.url))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT_LANGUAGE, language)
            .body(Full::new("name=ada&password=short".into()))
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(&format!("lang=\"{word}")), "{language}");
        assert!(answer.text().contains("value=\"ada\""));
        assert!(!answer.text().contains("short"));
    }
}

#[tokio::test]
async fn sign_in_leads_on_to_a_path_of_ours_only() {
    let world = World::new().await;
    world.register("ada").await;
    for (next, to) in
        [("/account", "/account"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\\evil", "/")]
    {
        let fields = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        let answer = post(&world, "/sign-in", "", &fields).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, to));
    }
}
