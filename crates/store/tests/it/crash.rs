//! What was acknowledged survives `kill -9` of the process that wrote it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rempart_domain::{AccountId, ConversationId, KeyId, KeyScope, MessageId};
use rempart_store::{NewConversation, NewKey, NewMessage, Store};

use crate::fixture::{Fixture, Kind, NOW, new_account, new_message, options_at, sensitive};

const ROUNDS: u64 = 10;
const WRITERS: u64 = 8;

/// Ids are made of the round, the writer and a counter, so that the reader knows what each acknowledged line stands for.
fn id_of(round: u64, writer: u64, count: u64) -> u64 {
    1 + (round << 40) + (writer << 32) + count
}

async fn write_and_say(store: &Store, id: u64) {
    let account = AccountId::from_bits(id);
    store.create_account(new_account(id, &format!("u{id}"))).await.unwrap();
    println!("\nack account {id}");
    let key = NewKey {
        id: KeyId::from_bits(id),
        account,
        name: "k".to_owned(),
        hash: [1; 32],
        scope: KeyScope::Api,
        models: None,
        limits: rempart_domain::KeyLimits::default(),
        created: NOW.seconds(),
        expires: None,
    };
    store.create_key(key).await.unwrap();
    println!("\nack key {id}");
    let conversation = ConversationId::from_bits(id);
    store
        .create_conversation(
            account,
            NewConversation {
                id: conversation,
                title: sensitive("t"),
                model: "m".to_owned(),
                system: None,
                temperature: None,
                created: NOW,
            },
        )
        .await
        .unwrap();
    let message = NewMessage { id: MessageId::from_bits(id), ..new_message(conversation, None, &format!("text {id}")) };
    store.append_message(account, message).await.unwrap();
    println!("\nack message {id}");
}

/// The process that gets killed: writes from several tasks at once and prints each acknowledgement.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests below"]
async fn child_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os("REMPART_TEST_CRASH_DIR").map(PathBuf::from) else { return };
    let url = std::env::var_os("REMPART_TEST_CRASH_URL").unwrap().into_string().unwrap();
    let round: u64 = std::env::var_os("REMPART_TEST_CRASH_ROUND").unwrap().into_string().unwrap().parse().unwrap();
    let store = Store::open(options_at(&dir, &url)).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        async move {
            for count in 0.. {
                write_and_say(&store, id_of(round, writer, count)).await;
            }
        }
    });
    futures_util::future::join_all(writers).await;
}

/// Runs the child, kills it after some acknowledgements, returns them.
fn acknowledged_before_kill(dir: &Path, url: &str, round: u64) -> Vec<(String, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child_writes_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
        .env("REMPART_TEST_CRASH_DIR", dir)
        .env("REMPART_TEST_CRASH_URL", url)
        .env("REMPART_TEST_CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).filter_map(|line| {
        let (kind, id) = line.strip_prefix("ack ")?.split_once(' ')?;
        Some((kind.to_owned(), id.parse().ok()?))
    });
    let wanted = usize::try_from(30 + round * 13).unwrap();
    let mut acknowledged: Vec<(String, u64)> = lines.by_ref().take(wanted).collect();
    child.kill().unwrap();
    acknowledged.extend(lines);
    child.wait().unwrap();
    assert!(acknowledged.len() >= wanted, "the child ended by itself after {}", acknowledged.len());
    acknowledged
}

async fn check_all(store: &Store, acknowledged: &[(String, u64)]) {
    for (kind, id) in acknowledged {
        let account = AccountId::from_bits(*id);
        match kind.as_str() {
            "account" => assert!(store.find_account(account).await.unwrap().is_some(), "account {id}"),
            "key" => assert!(store.find_key(KeyId::from_bits(*id)).await.unwrap().is_some(), "key {id}"),
            "message" => {
                let found = store.find_message(account, MessageId::from_bits(*id)).await.unwrap();
                assert_eq!(found.unwrap().text.expose(), &format!("text {id}"));
            }
            other => panic!("{other}"),
        }
    }
}

async fn nothing_is_lost(fx: &Fixture) {
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let (dir, url) = (fx.dir.path().to_owned(), fx.url_text());
        all.extend(tokio::task::spawn_blocking(move || acknowledged_before_kill(&dir, &url, round)).await.unwrap());
        let store = fx.open().await;
        assert!(store.check_integrity().await.unwrap().is_empty());
        check_all(&store, &all).await;
        store.close().await;
    }
    println!("{:?}: {ROUNDS} kills, {} acknowledged writes, none lost", fx.kind, all.len());
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_on_sqlite() {
    nothing_is_lost(&Fixture::make(Kind::Sqlite).await.unwrap()).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_on_postgres() {
    let Some(fx) = Fixture::make(Kind::Postgres).await else { return };
    nothing_is_lost(&fx).await;
    fx.drop_database().await;
}
