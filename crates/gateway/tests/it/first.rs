//! Members first, through the door: loans that are called in, refusals that are paced, room at the door, members gone bad.

use std::time::{Duration, Instant};

use http::Method;
use rempart_domain::{AccountId, AccountName, KeyScope, Posture, Provenance, Role, Standing, UnixMillis, UnixSeconds};
use rempart_gateway::Limits;
use rempart_store::{NewAccount, NewKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Credential, Setup, World, chat_body, engine_options};

/// An account of that standing with a key, straight into the store.
pub async fn account(world: &World, bits: u64, standing: Standing) -> String {
    let account = AccountId::from_bits(bits);
    let new = NewAccount {
        id: account,
        name: AccountName::parse(&format!("account.{bits}")).unwrap(),
        standing,
        role: Role::None,
        created: UnixMillis(0),
        email: None,
        password_hash: None,
        locale: None,
        provenance: Provenance::default(),
    };
    world.store.create_account(new).await.unwrap();
    let id = rempart_identity::random::key_id().unwrap();
    let issued = rempart_identity::issue(&world.keyring, id).unwrap();
    let key = NewKey {
        id,
        account,
        name: "k".into(),
        hash: issued.hash,
        scope: KeyScope::Api,
        models: None,
        limits: rempart_domain::KeyLimits::default(),
        created: UnixSeconds(1),
        expires: None,
    };
    world.store.create_key(key).await.unwrap();
    issued.text.expose().clone()
}

async fn status_of(stream: &mut TcpStream) -> String {
    let mut buffer = [0_u8; 12];
    match tokio::time::timeout(Duration::from_secs(8), stream.read_exact(&mut buffer)).await {
        Ok(Ok(_)) => String::from_utf8_lossy(&buffer).into_owned(),
        _ => "closed".to_owned(),
    }
}

async fn ask(stream: &mut TcpStream, path: &str, key: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
}

/// Reads one answer with a content length, whole.
async fn answer_of(stream: &mut TcpStream) -> String {
    let mut gathered = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let read = tokio::time::timeout(Duration::from_secs(8), stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
        gathered.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&gathered).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return text;
            }
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
        if read == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

#[tokio::test]
async fn a_loan_called_in_before_its_first_byte_stands_in_line_again() {
    // One token takes half a second, so everything is before its first byte.
    let world = World::with(Setup { engine: engine_options(4, 2), ..Setup::default() }).await;
    let stranger = account(&world, 1, Standing::Newcomer).await;
    let member = account(&world, 2, Standing::Member).await;
    let body = |tokens: u32| {
        let mut body = chat_body("x", true);
        body["max_tokens"] = tokens.into();
        Some(body)
    };
    let lent = async {
        let calls =
            (0..3).map(|_| world.call(Method::POST, "/v1/chat/completions", Credential::Key(&stranger), body(1)));
        futures_util::future::join_all(calls).await
    };
    let needed = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let calls = (0..4).map(|_| world.call(Method::POST, "/v1/chat/completions", Credential::Key(&member), body(1)));
        let began = Instant::now();
        let answers = futures_util::future::join_all(calls).await;
        (began.elapsed(), answers)
    };
    let (lent, (took, needed)) = tokio::join!(lent, needed);
    for answer in &needed {
        assert!(answer.text().contains("[DONE]"), "{}", answer.text());
    }
    assert!(took < Duration::from_millis(1_400), "members waited {took:?} behind loans");
    for answer in &lent {
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("[DONE]"), "a loan taken back is work again, not a refusal: {}", answer.text());
    }
}

#[tokio::test]
async fn who_keeps_asking_for_what_is_refused_is_answered_ever_later_and_members_at_once() {
    let world = World::new().await;
    let member = account(&world, 2, Standing::Member).await;
    let mut stranger = TcpStream::connect(world.address).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        ask(&mut stranger, "/v1/models", "rmp_guess").await;
        assert!(answer_of(&mut stranger).await.contains("invalid_api_key"));
        times.push(began.elapsed().as_millis());
    }
    assert!(times[0] < 100, "{times:?}");
    assert!(times[1] >= 120 && times[2] >= 240 && times[3] >= 490 && times[4] >= 990, "{times:?}");
    let mut known = TcpStream::connect(world.address).await.unwrap();
    let began = Instant::now();
    for _ in 0..5 {
        ask(&mut known, "/v1/models/none", &member).await;
        assert!(answer_of(&mut known).await.contains("model_not_found"));
        ask(&mut known, "/nothing", &member).await;
        assert!(answer_of(&mut known).await.contains("404"));
    }
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn from_guarded_on_strangers_beyond_their_share_lose_their_connection_with_the_refusal() {
    let limits = Limits { connections: 100, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    world.posture.set(Posture::Siege, None, UnixSeconds(1));
    let mut strangers = Vec::new();
    for _ in 0..11 {
        strangers.push(TcpStream::connect(world.address).await.unwrap());
    }
    // The last one is open for sure once it is answered.
    ask(&mut strangers[10], "/v1/models", "rmp_guess").await;
    let answer = answer_of(&mut strangers[10]).await.to_ascii_lowercase();
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(status_of(&mut strangers[10]).await, "closed");
}

#[tokio::test]
async fn members_are_let_in_where_strangers_hold_every_connection_of_their_address() {
    let limits = Limits { connections_per_source: 4, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let member = account(&world, 2, Standing::Member).await;
    let mut first = TcpStream::connect(world.address).await.unwrap();
    ask(&mut first, "/v1/models", &member).await;
    assert!(answer_of(&mut first).await.contains("script-1"));
    let mut strangers = Vec::new();
    for _ in 0..3 {
        let mut stranger = TcpStream::connect(world.address).await.unwrap();
        for _ in 0..2 {
            ask(&mut stranger, "/v1/models", "rmp_guess").await;
            assert!(answer_of(&mut stranger).await.contains("invalid_api_key"));
        }
        strangers.push(stranger);
    }
    // The address is full; a member was seen there, so somebody else goes.
    let mut second = TcpStream::connect(world.address).await.unwrap();
    ask(&mut second, "/v1/models", &member).await;
    assert!(answer_of(&mut second).await.contains("script-1"));
    ask(&mut first, "/v1/models", &member).await;
    assert!(answer_of(&mut first).await.contains("script-1"), "a member's own connection is never the one that goes");
}

#[tokio::test]
async fn a_connection_moves_to_the_members_threads_with_its_first_member_and_no_stranger_does() {
    let world = World::new().await;
    let member = account(&world, 2, Standing::Member).await;
    let newcomer = account(&world, 1, Standing::Newcomer).await;
    let moved = || {
        let page = world.gateway.metrics().render();
        let line = page.lines().find(|line| line.starts_with("rempart_connections_moved_total"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let models = async |stream: &mut TcpStream, key: &str| {
        ask(stream, "/v1/models", key).await;
        answer_of(stream).await
    };
    let mut stranger = TcpStream::connect(world.address).await.unwrap();
    assert!(models(&mut stranger, "rmp_guess").await.contains("invalid_api_key"));
    assert!(models(&mut stranger, &newcomer).await.contains("script-1"));
    assert_eq!(moved(), 0);
    // Moved in the middle of a request, and asked again after it.
    let mut first = TcpStream::connect(world.address).await.unwrap();
    for _ in 0..3 {
        assert!(models(&mut first, &member).await.contains("script-1"));
        assert_eq!(moved(), 1);
    }
    // Where a member was seen the next connection begins there.
    let mut second = TcpStream::connect(world.address).await.unwrap();
    assert!(models(&mut second, &member).await.contains("script-1"));
    assert_eq!(moved(), 1);
    // A stranger's connection, too, is a member's as soon as one asks on it.
    assert!(models(&mut stranger, &member).await.contains("script-1"));
    assert_eq!(moved(), 2);
}

#[tokio::test]
async fn amplifiers_are_capped_by_band_and_posture() {
    let world = World::with(Setup { engine: engine_options(8, 100_000), ..Setup::default() }).await;
    let stranger = account(&world, 1, Standing::Newcomer).await;
    let member = account(&world, 2, Standing::Member).await;
    let long = Some(chat_body(&"word ".repeat(5_000), false));
    let chat =
        async |key: &str| world.call(Method::POST, "/v1/chat/completions", Credential::Key(key), long.clone()).await;
    assert_eq!(chat(&stranger).await.status, 200);
    world.posture.set(Posture::Siege, None, UnixSeconds(1));
    chat(&stranger).await.assert_refused(400, "context_length_exceeded");
    assert_eq!(chat(&member).await.status, 200);
}

#[tokio::test]
async fn eight_requests_at_once_spend_no_more_than_the_budget_there_is() {
    let world = World::with(Setup { engine: engine_options(16, 1_000), ..Setup::default() }).await;
    let cookie = world.register("ada").await;
    let made = world
        .call(
            Method::POST,
            "/api/v1/keys",
            Credential::Cookie(&cookie),
            Some(serde_json::json!({ "name": "k", "budget": 60 })),
        )
        .await
        .json();
    let key = made["key"].as_str().unwrap().to_owned();
    let mut body = chat_body("one two three four", false);
    body["max_tokens"] = 16.into();
    let calls =
        (0..8).map(|_| world.call(Method::POST, "/v1/chat/completions", Credential::Key(&key), Some(body.clone())));
    let answers = futures_util::future::join_all(calls).await;
    let used = |answer: &crate::world::Answer| {
        if answer.status == 200 { answer.json()["usage"]["total_tokens"].as_u64().unwrap() } else { 0 }
    };
    let spent: u64 = answers.iter().map(used).sum();
    assert!(spent > 0 && spent <= 60, "{spent} of 60 tokens were spent");
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(!refused.is_empty());
    for answer in refused {
        assert!([402, 429].contains(&answer.status.as_u16()), "{}", answer.text());
    }
}

#[tokio::test]
async fn members_gone_bad_fall_a_band_while_others_wait() {
    let world = World::with(Setup { engine: engine_options(4, 100), ..Setup::default() }).await;
    let mut engine_body = chat_body(&"word ".repeat(200), false);
    engine_body["max_tokens"] = 16.into();
    let (bad, good) = (account(&world, 1, Standing::Member).await, account(&world, 2, Standing::Member).await);
    let until = Instant::now() + Duration::from_secs(8);
    let has_fallen = || world.revocations.is_demoted(AccountId::from_bits(1));
    let takes_all = async {
        let taking = (0..12).map(|_| async {
            while Instant::now() < until && !has_fallen() {
                let body = Some(engine_body.clone());
                world.call(Method::POST, "/v1/chat/completions", Credential::Key(&bad), body).await;
            }
        });
        futures_util::future::join_all(taking).await;
    };
    let asks_now_and_then = async {
        while Instant::now() < until && !has_fallen() {
            assert_eq!(world.chat(&good, "x").await.status, 200);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::join!(takes_all, asks_now_and_then);
    assert!(has_fallen(), "it took everything for 8 s while another waited");
    assert!(!world.revocations.is_demoted(AccountId::from_bits(2)));
}

/// Members in an open loop while newcomers ask as fast as they are answered; how many members were answered within a second, and the times.
async fn flooded(world: &World, members: &[String], strangers: u64, seconds: u64) -> (usize, Vec<u128>) {
    let mut keys = Vec::new();
    for bits in 0..strangers {
        keys.push(account(world, 1_000 + bits, Standing::Newcomer).await);
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut body = chat_body("hello there", false);
    body["max_tokens"] = 10.into();
    let flood = async {
        let asking = keys.iter().map(|key| async {
            while Instant::now() < until {
                world.call(Method::POST, "/v1/chat/completions", Credential::Key(key), Some(body.clone())).await;
            }
        });
        futures_util::future::join_all(asking).await;
    };
    let asked = async {
        let begun = (0..seconds * 20).map(|n| {
            let (key, body) = (&members[usize::try_from(n).unwrap() % 20], body.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(n * 50)).await;
                let due = Instant::now();
                let answer = world.call(Method::POST, "/v1/chat/completions", Credential::Key(key), Some(body)).await;
                (answer.status.as_u16(), due.elapsed().as_millis())
            }
        });
        futures_util::future::join_all(begun).await
    };
    let ((), answers) = tokio::join!(flood, asked);
    let good = answers.iter().filter(|(status, ms)| *status == 200 && *ms <= 1_000).count();
    let mut times: Vec<u128> = answers.iter().map(|(_, ms)| *ms).collect();
    times.sort_unstable();
    (good, times)
}

#[tokio::test]
async fn members_are_served_while_newcomers_flood_from_the_same_address() {
    let world = World::with(Setup { engine: engine_options(8, 100), ..Setup::default() }).await;
    let mut members = Vec::new();
    for bits in 0..20 {
        members.push(account(&world, 100 + bits, Standing::Member).await);
    }
    let (good, times) = flooded(&world, &members, 48, 5).await;
    assert!(good * 100 >= times.len() * 99, "{good} of {}: {times:?}", times.len());
    // It stops: the next members are served as if it had never been.
    let (good, times) = flooded(&world, &members, 0, 1).await;
    assert_eq!(good, times.len(), "{times:?}");
}
