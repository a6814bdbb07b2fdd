//! Backup and restore, within a database and from one to the other.

use std::os::unix::fs::PermissionsExt as _;

use rempart_store::{MasterKey, Store, StoreError, StoreOptions, StoreUrl};

use crate::fixture::{Fixture, Kind, make_account, make_conversation, name, on_both, say};

on_both! {
    async fn a_backup_made_while_running_brings_everything_back(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "title").await;
        let message = say(&store, ada, conversation, None, "hello").await;
        let backup = fx.dir.path().join("backup");
        store.backup(&backup).await.unwrap();
        assert!(matches!(store.backup(&backup).await, Err(StoreError::Backup(_))), "an existing file is not overwritten");
        assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
        make_account(&store, "later").await;
        store.close().await;

        Store::restore(fx.options(), &backup).await.unwrap();
        let store = fx.open().await;
        assert_eq!(store.find_message(ada, message).await.unwrap().unwrap().text.expose(), "hello");
        assert!(store.find_account_by_name(&name("later")).await.unwrap().is_none());
        make_account(&store, "again").await;
    }

    async fn a_cut_dump_is_refused_and_changes_nothing(fx: Fixture) {
        let store = fx.open().await;
        make_account(&store, "ada").await;
        let dump = fx.dir.path().join("dump");
        store.dump(&dump).await.unwrap();
        store.close().await;
        let text = std::fs::read_to_string(&dump).unwrap();
        let without_end = text.trim_end().rsplit_once('\n').unwrap().0.to_owned();
        let lines: Vec<&str> = text.lines().collect();
        let without_a_row = lines.iter().filter(|line| !line.contains("\"ada\"")).copied().collect::<Vec<_>>().join("\n");
        let of_a_newer_program = text.replacen("\"schema\":", "\"schema\":99", 1);
        for broken in [without_end, without_a_row, of_a_newer_program, "nonsense".to_owned(), String::new(), text.replace("account", "pg_user")] {
            let file = fx.dir.path().join("broken");
            std::fs::write(&file, broken).unwrap();
            assert!(Store::restore(fx.options(), &file).await.is_err());
            let store = fx.open().await;
            assert!(store.find_account_by_name(&name("ada")).await.unwrap().is_some());
            store.close().await;
        }
    }

    async fn a_backup_of_another_master_key_is_refused(fx: Fixture) {
        let store = fx.open().await;
        make_account(&store, "ada").await;
        let backup = fx.dir.path().join("backup");
        store.backup(&backup).await.unwrap();
        store.close().await;
        let other = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let refused = Store::restore(StoreOptions { master_key: other, ..fx.options() }, &backup).await;
        assert!(matches!(refused, Err(StoreError::WrongMasterKey { .. })), "{refused:?}");
        assert!(fx.open().await.find_account_by_name(&name("ada")).await.unwrap().is_some());
    }

    async fn a_dump_moves_a_platform_to_the_other_database(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "Titre 花").await;
        let message = say(&store, ada, conversation, None, "你好 \"quoted\" \n line").await;
        let dump = fx.dir.path().join("dump");
        store.dump(&dump).await.unwrap();
        store.close().await;
        let other = if fx.kind == Kind::Sqlite { Kind::Postgres } else { Kind::Sqlite };
        let Some(target) = Fixture::make(other).await else { return };
        let options = || {
            let key = MasterKey::load(&fx.dir.path().join("keys/master.key")).unwrap();
            StoreOptions::new(StoreUrl::parse(&target.url_text(), target.dir.path()).unwrap(), key)
        };
        Store::restore(options(), &dump).await.unwrap();
        let moved = Store::open(options()).await.unwrap();
        assert_eq!(moved.find_message(ada, message).await.unwrap().unwrap().text.expose(), "你好 \"quoted\" \n line");
        assert_eq!(moved.find_account(ada).await.unwrap().unwrap().email.unwrap().expose(), "ada@mail.example");
        let back = target.dir.path().join("dump");
        moved.dump(&back).await.unwrap();
        let (there, here) = (std::fs::read_to_string(&dump).unwrap(), std::fs::read_to_string(&back).unwrap());
        assert_eq!(there, here, "a dump of the moved platform is the same dump");
        moved.close().await;
        target.drop_database().await;
    }
}

#[tokio::test]
async fn what_a_restore_replaces_is_kept_aside() {
    let fx = Fixture::make(Kind::Sqlite).await.unwrap();
    let store = fx.open().await;
    let backup = fx.dir.path().join("backup");
    store.backup(&backup).await.unwrap();
    make_account(&store, "later").await;
    store.close().await;
    Store::restore(fx.options(), &backup).await.unwrap();
    let aside = fx.dir.path().join("rempart.db.before-restore");
    let options = StoreOptions { url: StoreUrl::Sqlite(aside), ..fx.options() };
    assert!(Store::open(options).await.unwrap().find_account_by_name(&name("later")).await.unwrap().is_some());
}
