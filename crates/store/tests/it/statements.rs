//! Each statement is one file, in a dialect that both databases take.

use sqlx::{Connection as _, Executor as _, SqlSafeStr as _};

use crate::fixture::{Kind, on_both};

on_both! {
    async fn every_statement_is_understood(fx: Fixture) {
        fx.open().await.close().await;
        for (file, sql) in rempart_store::queries::ALL {
            let prepared = if fx.kind == Kind::Sqlite {
                let mut conn = sqlx::SqliteConnection::connect(&format!("sqlite:{}", fx.path().display())).await.unwrap();
                conn.prepare(sql.into_sql_str()).await.map(|_| ())
            } else {
                let mut conn = sqlx::PgConnection::connect(&fx.url_text()).await.unwrap();
                conn.prepare(sql.into_sql_str()).await.map(|_| ())
            };
            assert!(prepared.is_ok(), "{file}: {prepared:?}");
        }
    }
}

fn names_in(folder: &str) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_file_of_queries_is_listed() {
    let listed: Vec<String> = rempart_store::queries::ALL.iter().map(|(file, _)| format!("{file}.sql")).collect();
    assert_eq!(names_in("queries"), listed);
}

#[test]
fn migrations_have_the_same_names_for_both_databases_and_say_why() {
    let names = names_in("../../migrations/sqlite");
    assert_eq!(names, names_in("../../migrations/postgres"));
    for (number, file) in (1..).zip(&names) {
        assert!(file.starts_with(&format!("{number:04}_")), "{file}");
        for database in ["sqlite", "postgres"] {
            let path =
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(database).join(file);
            assert!(std::fs::read_to_string(path).unwrap().starts_with("-- Why: "), "{database}/{file}");
        }
    }
}
