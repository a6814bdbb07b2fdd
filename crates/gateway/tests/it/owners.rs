//! Two accounts: nothing of one is reachable by the other, whatever id it names.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Credential, World};

#[tokio::test]
async fn every_route_with_an_id_is_not_found_for_another_account() {
    let world = World::new().await;
    let (ada, _) = world.register_with_key("ada").await;
    let bob = world.register("bob").await;
    let made =
        world.call(Method::POST, "/api/v1/conversations", Credential::Cookie(&ada), Some(json!({}))).await.json();
    let conversation = made["id"].as_str().unwrap();
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let sent = world.call(Method::POST, &path, Credential::Cookie(&ada), Some(json!({ "text": "mine" }))).await;
    let data: Value = serde_json::from_str(&sent.events()[0]).unwrap();
    let generation = data["generation"].as_str().unwrap();
    let keys = world.call(Method::GET, "/api/v1/keys", Credential::Cookie(&ada), None).await.json();
    let key = keys["data"][0]["id"].as_str().unwrap();
    let sessions = world.call(Method::GET, "/api/v1/sessions", Credential::Cookie(&ada), None).await.json();
    let session = sessions["data"][0]["id"].as_str().unwrap();
    let rows = [
        (Method::GET, format!("/api/v1/conversations/{conversation}"), None),
        (Method::PATCH, format!("/api/v1/conversations/{conversation}"), Some(json!({ "title": "stolen" }))),
        (Method::DELETE, format!("/api/v1/conversations/{conversation}"), None),
        (Method::GET, path.clone(), None),
        (Method::POST, path, Some(json!({ "text": "intruder" }))),
        (Method::GET, format!("/api/v1/generations/{generation}/events"), None),
        (Method::POST, format!("/api/v1/generations/{generation}/stop"), None),
        (Method::DELETE, format!("/api/v1/keys/{key}"), None),
        (Method::DELETE, format!("/api/v1/sessions/{session}"), None),
        (Method::GET, format!("/c/{conversation}"), None),
    ];
    for (method, path, body) in rows {
        let answer = world.call(method.clone(), &path, Credential::Cookie(&bob), body.clone()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
        let stranger = world.call(method.clone(), &path, Credential::None, body).await;
        assert!([401, 303].contains(&stranger.status.as_u16()), "{method} {path}: {}", stranger.status);
    }
    let list = world.call(Method::GET, "/api/v1/conversations", Credential::Cookie(&bob), None).await.json();
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn no_route_but_the_open_ones_answers_a_stranger() {
    use rempart_gateway::ctx::Side;
    use rempart_gateway::routes::{Access, TABLE};
    let world = World::new().await;
    for route in TABLE {
        let path = route.pattern.replace("{id}", "x").replace("{*id}", "x").replace("{*path}", "page.css");
        let base = if route.side == Side::Public { &world.url } else { &world.console_url };
        let request = http::Request::builder()
            .method(route.method.clone())
            .uri(format!("{base}{path}"))
            .header("content-type", "application/json")
            .body(http_body_util::Full::new("{}".into()))
            .unwrap();
        let answer = world.send(request).await;
        let status = answer.status.as_u16();
        if route.access == Access::Open {
            let text = String::from_utf8_lossy(&answer.body);
            // The API's description names these codes too.
            let asks =
                text.starts_with("{\"error\"") && (text.contains("not_signed_in") || text.contains("invalid_api_key"));
            assert!(!asks && answer.header("location") != "/sign-in", "{} {path} is open", route.method);
        } else {
            assert!([401, 303].contains(&status), "{} {path} answered {status} to a stranger", route.method);
        }
    }
}

#[test]
fn the_description_of_the_api_names_every_route_and_no_other() {
    use rempart_gateway::ctx::Side;
    use rempart_gateway::routes::{Dialect, RouteClass, TABLE};
    let described: Value = serde_json::from_str(include_str!("../../src/openapi.json")).unwrap();
    let mut named: Vec<String> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let is_api = |route: &&rempart_gateway::routes::Route| route.side == Side::Public && route.dialect != Dialect::Page;
    let is_ours =
        |route: &&rempart_gateway::routes::Route| route.class != RouteClass::Light || route.pattern.starts_with("/api");
    let mut routes: Vec<String> = TABLE
        .iter()
        .filter(is_api)
        .filter(is_ours)
        .map(|r| format!("{} {}", r.method, r.pattern.replace("{*id}", "{id}")))
        .collect();
    named.retain(|name| {
        !["/healthz", "/readyz", "/openapi.json", "/status", "/.well-known"].iter().any(|light| name.contains(light))
    });
    named.sort();
    routes.sort();
    assert_eq!(named, routes);
}
