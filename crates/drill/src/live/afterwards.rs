//! After the run: is what was acknowledged still there, and is anything somewhere where it must not be?

use std::collections::HashMap;
use std::path::Path;

use super::ask::{Asker, bearer, canary_of};
use super::platform::{Keyring, Platform};
use super::writers::{self, Written};
use super::{LiveError, platform};
use crate::scenario::Scenario;
use crate::tally::Group;

/// Members whose ledger is looked at.
const LEDGERS: u32 = 25;

/// Keys and canaries of each group that are looked for.
const LOOKED_FOR: u32 = 50;

/// A file of the platform's is read in pieces of so many bytes.
const PIECE: usize = 1 << 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What was acknowledged and is not there.
    pub(super) lost: Vec<String>,
    /// What is where it must not be.
    pub(super) leaked: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// What is known of the run.
pub(super) struct Evidence<'a> {
    pub(super) platform: &'a mut Platform,
    pub(super) asker: &'a Asker,
    pub(super) keyring: &'a Keyring,
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    pub(super) done_of: &'a HashMap<u32, u64>,
    pub(super) registered: &'a [String],
    pub(super) written: Option<Written>,
}

/// Asks the running platform, ends it, and reads what it wrote.
pub(super) fn look(evidence: &mut Evidence<'_>) -> Result<Findings, LiveError> {
    let mut findings = Findings::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LiveError::Generator)?;
    runtime.block_on(async {
        look_at_ledgers(evidence, &mut findings).await;
        look_at_messages(evidence, &mut findings).await;
    });
    look_at_accounts(evidence, &mut findings)?;
    evidence.platform.stop();
    let secrets = secrets_of(evidence);
    for (what, found) in search(evidence.platform.root(), &secrets).map_err(LiveError::Folder)? {
        findings.leaked.push(format!("{what} in {found}"));
    }
    Ok(findings)
}

/// A member's usage must hold at least what was answered to it.
async fn look_at_ledgers(evidence: &Evidence<'_>, findings: &mut Findings) {
    for account in 0..evidence.scenario.members.accounts.min(LEDGERS) {
        let done = evidence.done_of.get(&account).copied().unwrap_or(0);
        let Some(key) = evidence.keyring.members.get(usize::try_from(account).unwrap_or(usize::MAX)) else { continue };
        let told = writers::once(evidence.asker, evidence.asker.get("/api/v1/usage", Some(&bearer(key)))).await;
        let usage: serde_json::Value = serde_json::from_slice(&told.body).unwrap_or_default();
        let days = usage.get("data").and_then(|data| data.as_array()).cloned().unwrap_or_default();
        let requests: u64 = days.iter().filter_map(|day| day.get("requests")?.as_u64()).sum();
        if requests < done {
            let name = platform::member_name(account);
            findings.lost.push(format!("{name}'s ledger: {requests} requests of {done} that were answered"));
        }
    }
}

async fn look_at_messages(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(written) = &evidence.written else { return };
    for (who, scribe) in written.scribes.iter().enumerate() {
        let all = writers::read_back(evidence.asker, scribe).await;
        let missing = written.kept.iter().filter(|(of, text)| *of == who && !all.contains(text.as_str())).count();
        if missing > 0 {
            findings.lost.push(format!("{missing} messages of writer{who} that were accepted"));
        }
    }
    findings.notes.push(format!("messages: {} accepted, {} not taken", written.kept.len(), written.refused));
}

fn look_at_accounts(evidence: &Evidence<'_>, findings: &mut Findings) -> Result<(), LiveError> {
    if evidence.registered.is_empty() {
        return Ok(());
    }
    let listed = evidence.platform.command(&["account", "list"], None)?;
    let names: std::collections::HashSet<&str> =
        listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let missing = evidence.registered.iter().filter(|name| !names.contains(name.as_str())).count();
    if missing > 0 {
        findings.lost.push(format!("{missing} accounts of {} that were made", evidence.registered.len()));
    }
    Ok(())
}

/// What must not be found anywhere: keys, prompts, passwords, messages.
fn secrets_of(evidence: &Evidence<'_>) -> Vec<(String, Vec<u8>)> {
    let mut secrets = vec![
        ("a password".to_owned(), writers::PASSWORD.as_bytes().to_vec()),
        ("a message".to_owned(), writers::MESSAGE.as_bytes().to_vec()),
    ];
    let few = usize::try_from(LOOKED_FOR).unwrap_or(usize::MAX);
    let keys = evidence.keyring.members.iter().take(few).chain(evidence.keyring.new.iter().take(few));
    secrets.extend(keys.map(|key| ("a key".to_owned(), key.as_bytes().to_vec())));
    for account in 0..LOOKED_FOR {
        let canary = canary_of(evidence.seed, Group::Members, account);
        secrets.push(("a prompt".to_owned(), canary.into_bytes()));
    }
    secrets
}

/// Looks through all files under a folder; each kind of secret and file is told once.
pub(super) fn search(root: &Path, secrets: &[(String, Vec<u8>)]) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let name = entry.path().strip_prefix(root).unwrap_or(&entry.path()).display().to_string();
                for what in search_file(&entry.path(), secrets)? {
                    if !found.iter().any(|(w, n)| *w == what && *n == name) {
                        found.push((what, name.clone()));
                    }
                }
            }
        }
    }
    Ok(found)
}

fn search_file(path: &Path, secrets: &[(String, Vec<u8>)]) -> std::io::Result<Vec<String>> {
    use std::io::Read as _;
    // Each secret by its first eight bytes, so that a file is gone through once.
    let mut by_head: HashMap<&[u8], Vec<&(String, Vec<u8>)>> = HashMap::new();
    for secret in secrets {
        by_head.entry(secret.1.get(..HEAD).unwrap_or(&secret.1)).or_default().push(secret);
    }
    let overlap = secrets.iter().map(|(_, secret)| secret.len()).max().unwrap_or(0);
    let mut file = std::fs::File::open(path)?;
    let (mut window, mut found) = (Vec::new(), Vec::new());
    loop {
        let mut piece = vec![0; PIECE];
        let len = file.read(&mut piece)?;
        if len == 0 {
            return Ok(found);
        }
        window.extend_from_slice(piece.get(..len).unwrap_or_default());
        for (at, head) in window.windows(HEAD).enumerate() {
            let Some(candidates) = by_head.get(head) else { continue };
            for (what, secret) in candidates {
                if window.get(at..).is_some_and(|rest| rest.starts_with(secret)) && !found.contains(what) {
                    found.push(what.clone());
                }
            }
        }
        let keep = window.len().saturating_sub(overlap);
        window.drain(..keep);
    }
}

const HEAD: usize = 8;
