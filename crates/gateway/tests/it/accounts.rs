//! Registration, sign-in, sessions, and what another site cannot do.

use http::{Method, header};
use rempart_domain::GateLevel;
use serde_json::json;

use crate::world::{Credential, PASSWORD, Setup, World};

#[tokio::test]
async fn one_registers_once_and_the_name_is_taken_in_any_case() {
    let world = World::new().await;
    let cookie = world.register("Ada").await;
    let me = world.call(Method::GET, "/api/v1/account", Credential::Cookie(&cookie), None).await.json();
    assert_eq!(me["account"]["name"], "ada");
    assert_eq!(me["account"]["standing"], "newcomer");
    let body = json!({ "name": "ADA", "password": PASSWORD });
    let again = world.call(Method::POST, "/api/v1/registrations", Credential::None, Some(body)).await;
    again.assert_refused(409, "name_taken");
}

#[tokio::test]
async fn bad_registrations_name_the_field() {
    let world = World::new().await;
    for (name, password, param) in [("a", PASSWORD, "name"), ("a b", PASSWORD, "name"), ("ada", "short", "password")] {
        let body = json!({ "name": name, "password": password });
        let answer = world.call(Method::POST, "/api/v1/registrations", Credential::None, Some(body)).await;
        answer.assert_refused(400, "bad_parameter");
        assert_eq!(answer.json()["error"]["param"], param);
    }
}

#[tokio::test]
async fn closed_registration_says_so_and_sign_in_still_works() {
    let world = World::with(Setup { registration: Some(GateLevel::Closed), ..Setup::default() }).await;
    let body = json!({ "name": "ada", "password": PASSWORD });
    let answer = world.call(Method::POST, "/api/v1/registrations", Credential::None, Some(body.clone())).await;
    answer.assert_refused(403, "registration_closed");
    let answer = world.call(Method::POST, "/api/v1/sessions", Credential::None, Some(body)).await;
    answer.assert_refused(401, "invalid_credentials");
}

#[tokio::test]
async fn wrong_name_and_wrong_password_get_the_same_answer() {
    let world = World::new().await;
    world.register("ada").await;
    let ask = async |name: &str| {
        let body = json!({ "name": name, "password": "not the password" });
        world.call(Method::POST, "/api/v1/sessions", Credential::None, Some(body)).await
    };
    let (known, unknown) = (ask("ada").await, ask("nobody").await);
    known.assert_refused(401, "invalid_credentials");
    assert_eq!(known.body, unknown.body);
}

#[tokio::test]
async fn a_session_ends_when_signed_out_here_or_everywhere() {
    let world = World::new().await;
    let first = world.register("ada").await;
    let body = json!({ "name": "ada", "password": PASSWORD });
    let answer = world.call(Method::POST, "/api/v1/sessions", Credential::None, Some(body)).await;
    assert_eq!(answer.status, 201);
    assert!(answer.json()["expires"].as_str().unwrap().ends_with('Z'));
    let second = answer.cookie("rmp_session");
    let path = "/api/v1/sessions/current";
    assert_eq!(world.call(Method::DELETE, path, Credential::Cookie(&second), None).await.status, 204);
    let me = "/api/v1/account";
    world.call(Method::GET, me, Credential::Cookie(&second), None).await.assert_refused(401, "not_signed_in");
    assert_eq!(world.call(Method::GET, me, Credential::Cookie(&first), None).await.status, 200);
    assert_eq!(world.call(Method::DELETE, "/api/v1/sessions", Credential::Cookie(&first), None).await.status, 204);
    world.call(Method::GET, me, Credential::Cookie(&first), None).await.assert_refused(401, "not_signed_in");
}

#[tokio::test]
async fn another_site_cannot_change_anything_with_the_cookie() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let body = json!({ "name": "evil" });
    let send = async |name: &str, value: &str, content_type: &str| {
        let mut request = world.request(Method::POST, "/api/v1/keys", Credential::Cookie(&cookie), Some(&body));
        request.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        if !name.is_empty() {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        world.send(request).await.status.as_u16()
    };
    assert_eq!(send("sec-fetch-site", "cross-site", "application/json").await, 403);
    assert_eq!(send("sec-fetch-site", "same-site", "application/json").await, 403);
    assert_eq!(send("origin", "https://evil.example", "application/json").await, 403);
    assert_eq!(send("origin", "null", "application/json").await, 403);
    assert_eq!(send("", "", "text/plain").await, 400);
    assert_eq!(send("sec-fetch-site", "same-origin", "application/json").await, 201);
    assert_eq!(send("origin", &world.url, "application/json").await, 201);
}

#[tokio::test]
async fn a_password_change_ends_other_sessions_and_the_old_password() {
    let world = World::new().await;
    let cookie = world.register("ada").await;
    let body = json!({ "password": PASSWORD, "new_password": "another long password" });
    let answer = world.call(Method::POST, "/api/v1/account/password", Credential::Cookie(&cookie), Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let me = "/api/v1/account";
    world.call(Method::GET, me, Credential::Cookie(&cookie), None).await.assert_refused(401, "not_signed_in");
    let fresh = answer.cookie("rmp_session");
    assert_eq!(world.call(Method::GET, me, Credential::Cookie(&fresh), None).await.status, 200);
    let old = json!({ "name": "ada", "password": PASSWORD });
    world
        .call(Method::POST, "/api/v1/sessions", Credential::None, Some(old))
        .await
        .assert_refused(401, "invalid_credentials");
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_its_keys() {
    let world = World::new().await;
    let (cookie, key) = world.register_with_key("ada").await;
    let wrong = json!({ "password": "not the password" });
    let path = "/api/v1/account";
    world
        .call(Method::DELETE, path, Credential::Cookie(&cookie), Some(wrong))
        .await
        .assert_refused(401, "invalid_credentials");
    let right = json!({ "password": PASSWORD });
    assert_eq!(world.call(Method::DELETE, path, Credential::Cookie(&cookie), Some(right)).await.status, 204);
    world.call(Method::GET, path, Credential::Cookie(&cookie), None).await.assert_refused(401, "not_signed_in");
    world.chat(&key, "x").await.assert_refused(401, "invalid_api_key");
}

#[tokio::test]
async fn sessions_are_good_with_the_store_closed() {
    let world = World::new().await;
    let (_, key) = world.register_with_key("ada").await;
    world.store.close().await;
    assert_eq!(world.chat(&key, "still here").await.status, 200);
    let body = json!({ "name": "bob", "password": PASSWORD });
    let answer = world.call(Method::POST, "/api/v1/registrations", Credential::None, Some(body)).await;
    answer.assert_refused(503, "storage_unavailable");
}
