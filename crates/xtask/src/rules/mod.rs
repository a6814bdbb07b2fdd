//! The list of rules. A rule looks at the tree and returns findings: `path:line what is wrong`.

mod dependencies;
mod documents;
mod sources;
mod sql;

#[cfg(test)]
mod tests;

use crate::tree::Tree;

/// A house rule.
pub(crate) struct Rule {
    /// How documents and findings call it.
    pub(crate) name: &'static str,
    /// Findings; none means that it holds.
    pub(crate) check: fn(&Tree) -> Vec<String>,
}

/// Every rule, in the order of the report.
pub(crate) const ALL: &[Rule] = &[
    // What may depend on what.
    Rule { name: "only-gateway-names-axum", check: dependencies::only_gateway_names_axum },
    Rule { name: "hyper-has-its-places", check: dependencies::hyper_has_its_places },
    Rule { name: "only-store-names-sql", check: dependencies::only_store_names_sql },
    Rule { name: "pure-crates-are-pure", check: dependencies::pure_crates_are_pure },
    Rule { name: "only-the-worker-is-native", check: dependencies::only_the_worker_is_native },
    Rule { name: "the-worker-is-optional", check: dependencies::the_worker_is_optional },
    Rule { name: "sabotage-is-for-tests", check: dependencies::sabotage_is_for_tests },
    Rule { name: "crates-inherit-the-workspace", check: dependencies::crates_inherit_the_workspace },
    Rule { name: "sources-are-crates-io", check: dependencies::sources_are_crates_io },
    // How sources are written.
    Rule { name: "files-say-what-they-are", check: sources::files_say_what_they_are },
    Rule { name: "files-are-short", check: sources::files_are_short },
    Rule { name: "nothing-is-left-for-later", check: sources::nothing_is_left_for_later },
    Rule { name: "no-machine-paths", check: sources::no_machine_paths },
    Rule { name: "names-are-ours", check: sources::names_are_ours },
    Rule { name: "templates-hold-no-text", check: sources::templates_hold_no_text },
    Rule { name: "the-policy-is-strict", check: sources::the_policy_is_strict },
    // SQL.
    Rule { name: "migrations-are-twins", check: sql::migrations_are_twins },
    Rule { name: "one-statement-a-file", check: sql::one_statement_a_file },
    // Documents.
    Rule { name: "documents-are-short", check: documents::documents_are_short },
    Rule { name: "decisions-are-numbered", check: documents::decisions_are_numbered },
    Rule { name: "notes-are-dated", check: documents::notes_are_dated },
    Rule { name: "runbooks-begin-with-what-you-see", check: documents::runbooks_begin_with_what_you_see },
    Rule { name: "documents-name-rules-that-exist", check: documents::documents_name_rules_that_exist },
];
