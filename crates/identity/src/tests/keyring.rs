//! The key file: made once, private, durable, rotated, and never replaced when it cannot be read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{IdentityError, random};

#[test]
fn the_first_start_makes_a_private_file_and_the_second_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys").join("mac.key");
    let text = Keyring::load_or_create(&path).unwrap().seal_ticket(&fields());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let again = Keyring::load_or_create(&path).unwrap();
    assert!(again.open_ticket(TicketKind::Session, &text, LATER).is_ok());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside the key file");
}

#[test]
fn a_rotation_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mac.key");
    let keyring = Keyring::load_or_create(&path).unwrap();
    let old = keyring.seal_ticket(&fields());
    let lookup = keyring.lookup_hash("email", "a@example.org");
    keyring.rotate().unwrap();
    let again = Keyring::load_or_create(&path).unwrap();
    assert_eq!(again.ticket_key_id(), 2);
    assert!(again.open_ticket(TicketKind::Session, &old, LATER).is_ok());
    assert!(again.open_ticket(TicketKind::Session, &keyring.seal_ticket(&fields()), LATER).is_ok());
    assert_eq!(again.lookup_hash("email", "a@example.org"), lookup, "what is stored outlives a rotation");
}

#[test]
fn a_key_outlives_rotations() {
    let keyring = Keyring::in_memory().unwrap();
    let key = crate::issue(&keyring, random::key_id().unwrap()).unwrap();
    for _ in 0..3 {
        keyring.rotate().unwrap();
    }
    assert!(crate::parse(&keyring, key.text.expose()).is_ok());
}

#[test]
fn ticket_key_ids_wrap_past_zero() {
    let keyring = Keyring::in_memory().unwrap();
    let ids: Vec<u8> = (0..256).map(|_| keyring.rotate().unwrap()).collect();
    assert!(!ids.contains(&0));
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_file_that_is_not_understood_is_an_error_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mac.key");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for text in [
        "",
        "rempart mac keys 2\n",
        "rempart mac keys 1\n",
        &format!("rempart mac keys 1\nroot 1 {key}\n"),
        &format!("rempart mac keys 1\nticket 1 {key}\n"),
        &format!("rempart mac keys 1\nroot 1 {key}\nticket 0 {key}\n"),
        &format!("rempart mac keys 1\nroot 1 {key}\nticket 1 {key}\nticket 1 {key}\n"),
        &format!("rempart mac keys 1\nroot 1 {key}\nroot 1 {key}\nticket 1 {key}\n"),
        "rempart mac keys 1\nroot 1 AAEC\nticket 1 AAEC\n",
        &"x".repeat(5000),
    ] {
        write_key_file(&path, text);
        let loaded = Keyring::load_or_create(&path);
        assert!(matches!(loaded, Err(IdentityError::KeyFileFormat { .. })), "{text:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_file_that_others_could_read_is_made_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mac.key");
    fs::write(&path, GOLDEN_KEY_FILE).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    Keyring::load_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn look_up_hashes_of_two_tables_differ() {
    let keyring = golden_keyring();
    assert_ne!(keyring.lookup_hash("email", "x"), keyring.lookup_hash("name", "x"));
    assert_ne!(keyring.lookup_hash("a", "bx"), keyring.lookup_hash("ab", "x"));
}

#[test]
fn a_form_token_is_good_for_its_session_only() {
    let keyring = golden_keyring();
    let (mine, other) = (SessionId::from_bits(1), SessionId::from_bits(2));
    let token = keyring.form_token(mine);
    assert_eq!(token.len(), 22);
    assert!(keyring.is_form_token(mine, &token));
    assert!(!keyring.is_form_token(other, &token));
    for odd in [
        "",
        "é",
        token.strip_suffix(char::is_alphanumeric).unwrap_or("-"),
        &format!("{token}A"),
        &"A".repeat(22),
        &"é".repeat(11),
    ] {
        assert!(!keyring.is_form_token(mine, odd), "{odd}");
    }
}

#[test]
fn nothing_of_a_key_is_printed() {
    let shown = format!("{:?}", golden_keyring());
    assert_eq!(shown, "Keyring { ticket_key_id: 7, .. }");
}
