//! Tests of identity; one file a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod api_key;
mod gate_challenge;
mod gate_control;
mod gate_queue;
mod keyring;
mod line;
mod password;
mod pool;
mod revocation;
mod sign_in;
mod small;
mod ticket;
mod weak;

use std::path::Path;
use std::sync::Arc;

use rempart_domain::{AccountId, Day, Provenance, SessionId, Standing, UnixSeconds};

use crate::{Keyring, TicketFields, TicketFlags, TicketKind};

/// A key file with known keys: root 0…31, ticket key 32…63.
const GOLDEN_KEY_FILE: &str = "rempart mac keys 1\n\
    root 0000002a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\
    ticket 7 ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n";

const ISSUED: UnixSeconds = UnixSeconds(1_700_000_000);
const EXPIRES: UnixSeconds = UnixSeconds(1_702_592_000);
const LATER: UnixSeconds = UnixSeconds(1_700_000_100);

fn golden_keyring() -> Arc<Keyring> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mac.key");
    write_key_file(&path, GOLDEN_KEY_FILE);
    Keyring::load_or_create(&path).unwrap()
}

fn write_key_file(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn account(number: u64) -> AccountId {
    AccountId::from_bits(number)
}

fn fields() -> TicketFields {
    TicketFields {
        kind: TicketKind::Session,
        standing: Standing::Member,
        account: account(0x1122_3344_5566_7788),
        session: SessionId::from_bits(0x0102_0304_0506_0708),
        issued: ISSUED,
        expires: EXPIRES,
        account_epoch: 5,
        global_epoch: 2,
        created_day: Day(19_675),
        flags: TicketFlags::OPERATOR,
        provenance: Provenance::default(),
    }
}
