//! What may depend on what: read from the manifests, and from the sources where a crate is only partly free to use something.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::tree::{Tree, code_lines, has_word};

/// Crates that decide: no runtime, no HTTP, no SQL, no serde, no clock, no randomness.
const PURE: &[&str] = &["domain", "admission", "metering", "defense"];

/// What a pure crate may not depend on.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "hyper",
    "hyper-util",
    "http",
    "axum",
    "sqlx",
    "fred",
    "serde",
    "serde_json",
    "getrandom",
    "rand",
    "reqwest",
    "tracing",
];

/// What a pure crate's source may not name: clocks, files, sockets, threads.
const IMPURE_WORDS: &[&str] = &["Instant", "SystemTime", "std::fs", "std::net", "std::thread", "async fn", "std::env"];

/// Where hyper may be named, and why: the path, engines that speak HTTP, the load generator, the drill.
const HYPER_PLACES: &[&str] = &[
    "crates/gateway/",
    "crates/engine/src/upstream/",
    "crates/engine/src/scripted/",
    "crates/engine/src/models/",
    "crates/engine/tests/",
    "crates/engine/examples/",
    "crates/drill/",
    "crates/rempart/src/commands/bench",
    "crates/rempart/tests/",
];

/// Short name and manifest of each crate.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, Table)> {
    tree.under("crates/", "/Cargo.toml").filter_map(|(path, text)| {
        let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        Some((name, text.parse().unwrap_or_default()))
    })
}

/// Names of the dependencies in `[section]` and in every `[target.….section]`.
fn dependencies(manifest: &Table, section: &str) -> BTreeSet<String> {
    let direct = manifest.get(section).and_then(Value::as_table);
    let by_target = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(|targets| targets.values());
    direct
        .into_iter()
        .chain(by_target.filter_map(|target| target.get(section)?.as_table()))
        .flat_map(|table| table.keys().cloned())
        .collect()
}

fn named_only_by(tree: &Tree, dependency: &str, allowed: &[&str]) -> Vec<String> {
    manifests(tree)
        .filter(|(name, manifest)| {
            !allowed.contains(name)
                && (dependencies(manifest, "dependencies").contains(dependency)
                    || dependencies(manifest, "dev-dependencies").contains(dependency))
        })
        .map(|(name, _)| format!("crates/{name}/Cargo.toml names {dependency}; only {} may", allowed.join(", ")))
        .collect()
}

pub(super) fn only_gateway_names_axum(tree: &Tree) -> Vec<String> {
    named_only_by(tree, "axum", &["gateway", "web"])
}

pub(super) fn only_store_names_sql(tree: &Tree) -> Vec<String> {
    ["sqlx", "fred", "rusqlite", "tokio-postgres", "redis"]
        .iter()
        .flat_map(|dependency| named_only_by(tree, dependency, &["store"]))
        .collect()
}

pub(super) fn hyper_has_its_places(tree: &Tree) -> Vec<String> {
    let mut found: Vec<String> = ["hyper", "hyper-util", "hyper-rustls"]
        .iter()
        .flat_map(|dependency| named_only_by(tree, dependency, &["gateway", "engine", "drill", "rempart"]))
        .collect();
    for (path, text) in tree.rust() {
        if HYPER_PLACES.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for (line, code) in code_lines(text) {
            if ["hyper", "hyper_util", "hyper_rustls"]
                .iter()
                .any(|name| has_word(code, name) && code.contains(&format!("{name}::")))
            {
                found.push(format!("{path}:{line} names hyper outside its places"));
            }
        }
    }
    found
}

pub(super) fn pure_crates_are_pure(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (name, manifest) in manifests(tree).filter(|(name, _)| PURE.contains(name)) {
        for dependency in dependencies(&manifest, "dependencies") {
            if IMPURE.contains(&dependency.as_str()) {
                found.push(format!("crates/{name}/Cargo.toml depends on {dependency}"));
            }
        }
    }
    for pure in PURE {
        let folder = format!("crates/{pure}/src/");
        for (path, text) in tree.under(&folder, ".rs") {
            for (line, code) in code_lines(text) {
                if let Some(word) = IMPURE_WORDS.iter().find(|word| has_word(code, word)) {
                    found.push(format!("{path}:{line} names {word}: time and chance are arguments here"));
                }
            }
        }
    }
    found
}

pub(super) fn only_the_worker_is_native(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !path.starts_with("crates/engine-worker/")) {
        for (line, code) in code_lines(text) {
            let is_unsafe =
                ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code", "extern \"C\""]
                    .iter()
                    .any(|word| code.contains(word));
            if is_unsafe {
                found.push(format!("{path}:{line} is unsafe; only crates/engine-worker may be"));
            }
        }
    }
    for dependency in ["llama-cpp-2", "llama-cpp-sys-2", "libc"] {
        found.extend(named_only_by(tree, dependency, &["engine-worker"]));
    }
    for (path, _) in tree.iter().filter(|(path, _)| path.starts_with("crates/") && path.ends_with("/build.rs")) {
        found.push(format!("{path}: a build script is native code waiting to happen"));
    }
    found
}

pub(super) fn the_worker_is_optional(tree: &Tree) -> Vec<String> {
    let worker = "rempart-engine-worker";
    let mut found = named_only_by(tree, worker, &["rempart"]);
    for (_, manifest) in manifests(tree).filter(|(name, _)| *name == "rempart") {
        let entry = manifest.get("dependencies").and_then(|table| table.get(worker));
        let is_optional = entry.and_then(|entry| entry.get("optional")).and_then(Value::as_bool) == Some(true);
        if entry.is_some() && !is_optional {
            found.push(format!("crates/rempart/Cargo.toml: {worker} is not optional"));
        }
        if dependencies(&manifest, "dev-dependencies").contains(worker) {
            found.push(format!("crates/rempart/Cargo.toml: {worker} is a dev-dependency"));
        }
    }
    found
}

/// Protections can be taken out in a build that asks for it by name; nothing else leads there.
pub(super) fn sabotage_is_for_tests(tree: &Tree) -> Vec<String> {
    const FEATURE: &str = "sabotage";
    let mut found = Vec::new();
    for (name, manifest) in manifests(tree) {
        let place = format!("crates/{name}/Cargo.toml");
        for (feature, enables) in manifest.get("features").and_then(Value::as_table).into_iter().flatten() {
            let leads = enables.as_array().into_iter().flatten().filter_map(Value::as_str);
            let leads_there = leads.into_iter().any(|word| word.rsplit('/').next() == Some(FEATURE));
            if leads_there && !(name == "rempart" && feature == FEATURE) {
                found.push(format!("{place}: the feature {feature} leads to {FEATURE}"));
            }
            if feature == FEATURE && !["rempart", "domain"].contains(&name) {
                found.push(format!("{place}: {FEATURE} is domain's and the binary's alone"));
            }
        }
    }
    let all = tree.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    for (path, text) in all {
        let asks = text.lines().any(|line| {
            let is_dependency = line.contains("features = [") && !line.trim_start().starts_with('#');
            is_dependency && line.contains(&format!("\"{FEATURE}\""))
        });
        if asks {
            found.push(format!("{path}: a dependency asks for {FEATURE}"));
        }
    }
    // What builds the product: `./test` alone builds the other one, beside it.
    for (path, text) in tree.iter().filter(|(path, _)| *path == "run" || path.starts_with(".ci/")) {
        if text.contains(FEATURE) || text.contains("--all-features") {
            found.push(format!("{path}: it builds what is for tests only"));
        }
    }
    found
}

pub(super) fn crates_inherit_the_workspace(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (name, manifest) in manifests(tree) {
        let inherits = |path: &[&str]| {
            let mut value = manifest.get(*path.first()?)?;
            for key in path.get(1..)? {
                value = value.get(key)?;
            }
            value.get("workspace").and_then(Value::as_bool)
        };
        for path in [
            &["lints"][..],
            &["package", "edition"],
            &["package", "rust-version"],
            &["package", "license"],
            &["package", "version"],
        ] {
            if inherits(path) != Some(true) {
                found.push(format!("crates/{name}/Cargo.toml: {} is not the workspace's", path.join(".")));
            }
        }
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (dependency, value) in manifest.get(section).and_then(Value::as_table).into_iter().flatten() {
                if value.get("workspace").and_then(Value::as_bool) != Some(true) {
                    found.push(format!("crates/{name}/Cargo.toml: {dependency} is not the workspace's; versions are set once, in the root"));
                }
            }
        }
    }
    found
}

pub(super) fn sources_are_crates_io(tree: &Tree) -> Vec<String> {
    let lock = tree.get("Cargo.lock").unwrap_or_default();
    lock.lines()
        .filter_map(|line| line.strip_prefix("source = "))
        .filter(|source| *source != "\"registry+https://github.com/rust-lang/crates.io-index\"")
        .map(|source| format!("Cargo.lock takes a crate from {source}"))
        .collect()
}
