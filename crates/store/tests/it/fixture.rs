//! A store of its own for each test, on either database.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rempart_domain::{
    AccountId, AccountName, ConversationId, MessageId, Provenance, Role, Secret, Sensitive, Standing, UnixMillis,
};
use rempart_store::{
    MasterKey, MessageRole, MessageStatus, NewAccount, NewConversation, NewMessage, Store, StoreOptions, StoreUrl,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// 2025-01-27 in milliseconds.
pub(crate) const NOW: UnixMillis = UnixMillis(1_737_936_000_000);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A database that is gone when this is dropped, and the key its store is sealed with.
pub(crate) struct Fixture {
    pub(crate) kind: Kind,
    pub(crate) dir: TempDir,
    /// Server and database name.
    pub(crate) postgres: Option<(String, String)>,
}

/// Makes two tests of one: `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($fx:ident: Fixture) $body:block)+) => {
        $($(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "not every module needs every name")]
            use super::*;

            async fn check($fx: &crate::fixture::Fixture) $body

            #[tokio::test]
            async fn sqlite() {
                let fixture = crate::fixture::Fixture::make(crate::fixture::Kind::Sqlite).await.unwrap();
                check(&fixture).await;
            }

            #[tokio::test]
            async fn postgres() {
                let Some(fixture) = crate::fixture::Fixture::make(crate::fixture::Kind::Postgres).await else { return };
                check(&fixture).await;
                fixture.drop_database().await;
            }
        })+
    };
}
pub(crate) use on_both;

fn database_url(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').map_or((server, ""), |(base, query)| (base, query));
    let base = base.rsplit_once('/').unwrap().0;
    format!("{base}/{name}?{query}")
}

impl Fixture {
    pub(crate) async fn make(kind: Kind) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let postgres = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => {
                let Some(server) = std::env::var_os("REMPART_TEST_POSTGRES") else {
                    println!("skipped: postgres (REMPART_TEST_POSTGRES is not set)");
                    return None;
                };
                let server = server.into_string().unwrap();
                let mut random = [0; 8];
                getrandom::fill(&mut random).unwrap();
                let name = format!("rempart_test_{:016x}", u64::from_be_bytes(random));
                let mut admin = PgConnection::connect(&server).await.unwrap();
                admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
                Some((server, name))
            }
        };
        Some(Self { kind, dir, postgres })
    }

    pub(crate) async fn drop_database(&self) {
        let Some((_, name)) = &self.postgres else { return };
        let sql = format!("DROP DATABASE {name} WITH (FORCE)");
        self.admin().await.execute(AssertSqlSafe(sql)).await.unwrap();
    }

    /// A connection to the server's own database.
    pub(crate) async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.as_ref().unwrap().0).await.unwrap()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("rempart.db")
    }

    pub(crate) fn url_text(&self) -> String {
        self.postgres.as_ref().map_or_else(|| "sqlite".to_owned(), |(server, name)| database_url(server, name))
    }

    pub(crate) fn options(&self) -> StoreOptions {
        options_at(self.dir.path(), &self.url_text())
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(self.options()).await.unwrap()
    }

    /// Runs a statement behind the store's back; returns the rows it changed.
    pub(crate) async fn tamper(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.kind == Kind::Sqlite {
            let mut conn = SqliteConnection::connect(&format!("sqlite:{}", self.path().display())).await.unwrap();
            let done = conn.execute(sql).await.unwrap().rows_affected();
            conn.close().await.unwrap();
            done
        } else {
            let mut conn = PgConnection::connect(&self.url_text()).await.unwrap();
            conn.execute(sql).await.unwrap().rows_affected()
        }
    }
}

pub(crate) fn options_at(dir: &Path, url: &str) -> StoreOptions {
    let key = MasterKey::load_or_create(&dir.join("keys").join("master.key")).unwrap();
    StoreOptions::new(StoreUrl::parse(url, dir).unwrap(), key)
}

static NEXT: AtomicU64 = AtomicU64::new(1000);

pub(crate) fn fresh() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

pub(crate) fn sensitive(text: &str) -> Sensitive<String> {
    Sensitive::new(text.to_owned())
}

pub(crate) fn new_account(id: u64, handle: &str) -> NewAccount {
    NewAccount {
        id: AccountId::from_bits(id),
        name: name(handle),
        standing: Standing::Newcomer,
        role: Role::None,
        created: NOW,
        email: Some(sensitive(&format!("{handle}@mail.example"))),
        password_hash: Some(Secret::new(format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$hash-of-{handle}"))),
        locale: Some("fr".to_owned()),
        provenance: Provenance { inviter: 0xffff_0001, mail_domain: 7 },
    }
}

pub(crate) async fn make_account(store: &Store, handle: &str) -> AccountId {
    let id = fresh();
    store.create_account(new_account(id, handle)).await.unwrap();
    AccountId::from_bits(id)
}

pub(crate) fn new_conversation(title: &str) -> NewConversation {
    NewConversation {
        id: ConversationId::from_bits(fresh()),
        title: sensitive(title),
        model: "small".to_owned(),
        system: None,
        temperature: None,
        created: NOW,
    }
}

pub(crate) async fn make_conversation(store: &Store, account: AccountId, title: &str) -> ConversationId {
    let new = new_conversation(title);
    let id = new.id;
    store.create_conversation(account, new).await.unwrap();
    id
}

pub(crate) fn new_message(conversation: ConversationId, parent: Option<MessageId>, text: &str) -> NewMessage {
    NewMessage {
        id: MessageId::from_bits(fresh()),
        conversation,
        parent,
        role: MessageRole::User,
        text: sensitive(text),
        reasoning: None,
        model: None,
        status: MessageStatus::Complete,
        created: UnixMillis(NOW.0 + 5),
    }
}

pub(crate) async fn say(
    store: &Store,
    account: AccountId,
    conversation: ConversationId,
    parent: Option<MessageId>,
    text: &str,
) -> MessageId {
    let new = new_message(conversation, parent, text);
    let id = new.id;
    store.append_message(account, new).await.unwrap();
    id
}
