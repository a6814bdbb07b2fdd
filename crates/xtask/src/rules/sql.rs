//! SQL: migrations of both databases go together, and a query file holds one statement.

use std::collections::BTreeSet;

use crate::tree::Tree;

fn migrations<'a>(tree: &'a Tree, folder: &'a str) -> BTreeSet<&'a str> {
    tree.under(folder, ".sql").filter_map(|(path, _)| path.strip_prefix(folder)).collect()
}

pub(super) fn migrations_are_twins(tree: &Tree) -> Vec<String> {
    let (sqlite, postgres) = (migrations(tree, "migrations/sqlite/"), migrations(tree, "migrations/postgres/"));
    let mut found: Vec<String> = sqlite
        .symmetric_difference(&postgres)
        .map(|name| format!("migrations: {name} is not in both folders"))
        .collect();
    for (index, name) in sqlite.iter().enumerate() {
        if !name.starts_with(&format!("{:04}_", index + 1)) {
            found.push(format!("migrations/sqlite/{name}: number {:04} was expected", index + 1));
        }
    }
    for (path, text) in tree.under("migrations/", ".sql") {
        let why = text.lines().next().and_then(|line| line.strip_prefix("--"));
        if why.is_none_or(|why| why.trim().len() <= 10) {
            found.push(format!("{path}: the first line does not say why"));
        }
    }
    found
}

pub(super) fn one_statement_a_file(tree: &Tree) -> Vec<String> {
    tree.under("crates/store/queries/", ".sql")
        .filter(|(_, text)| {
            let code: String =
                text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
            code.trim().trim_end_matches(';').contains(';') || code.trim().is_empty()
        })
        .map(|(path, _)| format!("{path} does not hold exactly one statement"))
        .collect()
}
