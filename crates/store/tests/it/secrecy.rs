//! What must not be readable: by a thief of the files, by a swap of rows, by a wrong key, after a deletion.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rempart_domain::Secret;
use rempart_store::{MasterKey, MessageStatus, Store, StoreError, StoreOptions, StoreUrl};

use crate::fixture::{Fixture, Kind, make_account, make_conversation, on_both, say, sensitive};

fn holds(path: &Path, needle: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

/// Every byte of the database: the files of SQLite, a dump of PostgreSQL (bytes there are base64, so text columns are what it shows).
fn files_of(dir: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

on_both! {
    async fn nothing_a_person_wrote_lies_in_clear(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "canary-title-7431").await;
        let message = say(&store, ada, conversation, None, "canary-text-7432").await;
        store.update_message(ada, message, sensitive("canary-text-7433"), Some(sensitive("canary-reasoning-7434")), MessageStatus::Stopped, None).await.unwrap();
        store.set_email(ada, Some(sensitive("canary-mail-7435@mail.example")), false).await.unwrap();
        store.set_password_hash(ada, Some(Secret::new("$argon2id$canary-hash-7436".to_owned()))).await.unwrap();
        let before_close = files_of(fx.dir.path());
        let scan = |files: &[std::path::PathBuf]| {
            for file in files {
                assert!(!holds(file, b"canary"), "{}", file.display());
                assert!(!holds(file, b"mail.example"), "{}", file.display());
                assert!(!holds(file, b"argon2id"), "{}", file.display());
            }
        };
        scan(&before_close);
        store.dump(&fx.dir.path().join("all.jsonl")).await.unwrap();
        store.close().await;
        let after_close = files_of(fx.dir.path());
        scan(&after_close);
        if fx.kind == Kind::Sqlite {
            // The scan can fail: what is stored in clear is found.
            assert!(before_close.iter().any(|file| holds(file, b"ada")));
            let hex = fx.tamper("UPDATE message SET text_sealed = CAST('canary-found' AS BLOB)").await;
            assert_eq!(hex, 1);
            assert!(files_of(fx.dir.path()).iter().any(|file| holds(file, b"canary-found")));
        } else {
            for (table, columns) in [("message", "text_sealed"), ("message", "reasoning_sealed"), ("conversation", "title_sealed"), ("account", "email_sealed"), ("account", "password_sealed")] {
                let clear = format!("UPDATE {table} SET account_id = 0 WHERE position('canary'::bytea in {columns}) > 0").replace("account SET account_id", "account SET epoch");
                assert_eq!(fx.tamper(&clear).await, 0, "{table}.{columns}");
            }
        }
    }

    async fn sealed_values_do_not_open_in_another_place(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        let (of_ada, other, of_bob) =
            (make_conversation(&store, ada, "a").await, make_conversation(&store, ada, "b").await, make_conversation(&store, bob, "c").await);
        let first = say(&store, ada, of_ada, None, "first").await;
        let second = say(&store, ada, of_ada, None, "second").await;
        store.update_message(ada, first, sensitive("first"), Some(sensitive("thought")), MessageStatus::Complete, None).await.unwrap();

        let copy = |table: &str, column: &str, from: i64, to: i64| {
            format!("UPDATE {table} SET {column} = (SELECT x.{column} FROM {table} x WHERE x.id = {from}) WHERE id = {to}")
        };
        fx.tamper(&copy("message", "text_sealed", first.to_sql(), second.to_sql())).await;
        assert!(matches!(store.find_message(ada, second).await, Err(StoreError::Sealed("text"))), "another message's text");
        fx.tamper(&format!("UPDATE message SET text_sealed = reasoning_sealed WHERE id = {}", first.to_sql())).await;
        assert!(matches!(store.find_message(ada, first).await, Err(StoreError::Sealed("text"))), "another column");
        fx.tamper(&copy("conversation", "title_sealed", of_ada.to_sql(), other.to_sql())).await;
        assert!(matches!(store.find_conversation(ada, other).await, Err(StoreError::Sealed("title"))), "another conversation's title");
        fx.tamper(&format!("UPDATE conversation SET account_id = {} WHERE id = {}", bob.to_sql(), of_ada.to_sql())).await;
        assert!(matches!(store.find_conversation(bob, of_ada).await, Err(StoreError::Sealed("title"))), "given to another account");
        fx.tamper(&copy("account", "password_sealed", ada.to_sql(), bob.to_sql())).await;
        assert!(matches!(store.find_account(bob).await, Err(StoreError::Sealed("password hash"))), "another's password");
        assert!(store.find_conversation(bob, of_bob).await.unwrap().is_some());

        // The other account's key, put in this account's row: it is bound to its own.
        fx.tamper(&format!(
            "UPDATE data_key SET wrapped = (SELECT x.wrapped FROM data_key x WHERE x.account_id = {}) WHERE account_id = {}", ada.to_sql(), bob.to_sql()
        )).await;
        store.close().await;
        let store = fx.open().await;
        assert!(matches!(store.find_conversation(bob, of_bob).await, Err(StoreError::Sealed("data key"))));
    }

    async fn a_wrong_master_key_is_told_at_open(fx: Fixture) {
        fx.open().await.close().await;
        let other = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let given = other.id();
        let options = StoreOptions { master_key: other, ..fx.options() };
        match Store::open(options).await {
            Err(StoreError::WrongMasterKey { stored, given: told }) => {
                assert_eq!(stored, fx.options().master_key.id());
                assert_eq!(told, given);
            }
            other => panic!("{other:?}"),
        }
        fx.open().await.close().await;
    }

    async fn a_deleted_accounts_texts_from_an_older_backup_do_not_open_with_todays_keys(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "t").await;
        let message = say(&store, ada, conversation, None, "to be forgotten").await;
        let copies = [
            "CREATE TABLE old_message AS SELECT * FROM message",
            "CREATE TABLE old_conversation AS SELECT * FROM conversation",
            "CREATE TABLE old_account AS SELECT * FROM account",
        ];
        for sql in copies {
            fx.tamper(sql).await;
        }
        assert!(store.delete_account(ada).await.unwrap());
        for sql in ["INSERT INTO account SELECT * FROM old_account", "INSERT INTO conversation SELECT * FROM old_conversation", "INSERT INTO message SELECT * FROM old_message"] {
            assert_eq!(fx.tamper(sql).await, 1);
        }
        assert!(matches!(store.find_message(ada, message).await, Err(StoreError::NotFound)), "while the process lives");
        store.close().await;
        let store = fx.open().await;
        assert!(matches!(store.find_message(ada, message).await, Err(StoreError::NotFound)), "after a restart");
        assert!(matches!(store.find_conversation(ada, conversation).await, Err(StoreError::NotFound)));
    }
}

#[tokio::test]
async fn the_wrapped_key_of_a_deleted_account_is_in_no_file() {
    let fx = Fixture::make(Kind::Sqlite).await.unwrap();
    let store = fx.open().await;
    let ada = make_account(&store, "ada").await;
    let mut conn = <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite:{}", fx.path().display()))
        .await
        .unwrap();
    let wrapped: Vec<u8> = sqlx::query_scalar("SELECT wrapped FROM data_key").fetch_one(&mut conn).await.unwrap();
    sqlx::Connection::close(conn).await.unwrap();
    assert!(files_of(fx.dir.path()).iter().any(|file| holds(file, &wrapped)));
    assert!(store.delete_account(ada).await.unwrap());
    for file in files_of(fx.dir.path()) {
        assert!(!holds(&file, &wrapped), "{}", file.display());
    }
}

#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    let fx = Fixture::make(Kind::Sqlite).await.unwrap();
    let store = fx.open().await;
    make_account(&store, "ada").await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in files_of(fx.dir.path()) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&fx.dir.path().join("keys")), 0o700);
    assert_eq!(mode(&fx.dir.path().join("keys/master.key")), 0o600);
}

#[test]
fn a_master_key_file_is_made_once_and_a_damaged_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys/master.key");
    assert!(matches!(MasterKey::load(&path), Err(StoreError::File { .. })));
    let id = MasterKey::load_or_create(&path).unwrap().id();
    assert_eq!(MasterKey::load_or_create(&path).unwrap().id(), id);
    let line = std::fs::read_to_string(&path).unwrap();
    let key = line.split(' ').nth(2).unwrap().trim().to_owned();
    assert_eq!(MasterKey::from_base64(&key).unwrap().id(), id, "the same key from the environment");
    std::fs::write(&path, line.replace(&id, "0123456789abcdef")).unwrap();
    assert!(matches!(MasterKey::load_or_create(&path), Err(StoreError::MasterKey(_))));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(MasterKey::load_or_create(&path), Err(StoreError::MasterKey(_))));
    assert!(!format!("{:?}", MasterKey::from_base64(&key)).contains(&key));
}

#[test]
fn a_url_is_one_of_three_forms() {
    let dir = Path::new("/data");
    assert!(
        matches!(StoreUrl::parse("sqlite", dir), Ok(StoreUrl::Sqlite(path)) if path == Path::new("/data/rempart.db"))
    );
    assert!(
        matches!(StoreUrl::parse("sqlite:/x/y.db", dir), Ok(StoreUrl::Sqlite(path)) if path == Path::new("/x/y.db"))
    );
    assert!(matches!(StoreUrl::parse("postgres://u:p@h/d", dir), Ok(StoreUrl::Postgres(_))));
    for bad in ["", "sqlite:", "mysql://h/d", "postgres"] {
        assert!(matches!(StoreUrl::parse(bad, dir), Err(StoreError::BadUrl)), "{bad}");
    }
}
