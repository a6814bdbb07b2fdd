//! API keys and the memory of them.

use proptest::prelude::*;
use rempart_domain::{Credential, Day, KeyId, KeyScope, Provenance, Role};

use super::*;
use crate::base62::{decode_256, encode_32, encode_256};
use crate::{KEY_LEN, KeyError, KeyLookup, KnownKey, KnownKeys, PresentedKey, Revocations, issue, parse};

/// Computed from the format's description by another program (Python's hmac, zlib and integers).
const GOLDEN: &str = "rmp_43tnYHLPGSRZaKDqbBH6IBUk817sXXznrXohZ8SbolI0vD0LX";
const GOLDEN_HASH: &str = "5a50125a89e23f50f87b879255662d753b96bb60314a79601118b242ef406dfe";

fn known(presented: &PresentedKey) -> KnownKey {
    KnownKey {
        id: presented.id,
        account: account(9),
        hash: presented.hash,
        scope: KeyScope::Api,
        standing: Standing::Member,
        role: Role::None,
        created_day: Day(1),
        created_minute: 0,
        provenance: Provenance::default(),
        models: None,
        limits: rempart_domain::KeyLimits::default(),
        expires: Some(EXPIRES),
        epoch: 0,
    }
}

fn fresh(keyring: &Keyring) -> PresentedKey {
    let key = issue(keyring, crate::random::key_id().unwrap()).unwrap();
    parse(keyring, key.text.expose()).unwrap()
}

#[test]
fn the_format_is_the_one_that_is_written_down() {
    let key = parse(&golden_keyring(), GOLDEN).unwrap();
    assert_eq!(key.id, KeyId::from_bits(0x1122_3344_5566_7788));
    let hash: String = key.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, GOLDEN_HASH);
    assert_eq!(GOLDEN.len(), KEY_LEN);
}

#[test]
fn an_issued_key_is_read_back_with_the_hash_that_is_stored() {
    let keyring = golden_keyring();
    let id = crate::random::key_id().unwrap();
    let key = issue(&keyring, id).unwrap();
    assert_eq!(parse(&keyring, key.text.expose()), Ok(PresentedKey { id, hash: key.hash }));
    assert!(key.text.expose().strip_prefix("rmp_").unwrap().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert!(!format!("{key:?}").contains("rmp_"));
}

#[test]
fn a_typing_error_is_seen_by_the_checksum_alone() {
    let keyring = golden_keyring();
    for at in 0..GOLDEN.len() {
        for other in ['0', 'a', 'Z', '-', ' '] {
            let typo: String = GOLDEN.chars().enumerate().map(|(n, c)| if n == at { other } else { c }).collect();
            if typo != GOLDEN {
                assert_eq!(parse(&keyring, &typo), Err(KeyError::Malformed), "{typo}");
            }
        }
    }
}

#[test]
fn a_well_formed_key_that_was_guessed_is_refused_by_the_seal() {
    let keyring = golden_keyring();
    for seed in 0..=255_u8 {
        let mut text = String::from("rmp_");
        text.extend(encode_256(&[seed; 32]).map(char::from));
        text.extend(encode_32(crc32fast::hash(text.as_bytes())).map(char::from));
        assert_eq!(parse(&keyring, &text), Err(KeyError::Forged));
    }
}

#[test]
fn another_platform_s_key_is_refused_by_the_seal() {
    assert_eq!(parse(&Keyring::in_memory().unwrap(), GOLDEN), Err(KeyError::Forged));
}

#[test]
fn a_number_of_more_than_256_bits_is_refused() {
    assert_eq!(decode_256(&[b'z'; 43]), None);
    assert_eq!(decode_256(&encode_256(&[255; 32])), Some([255; 32]));
    assert_eq!(decode_256(&[b'0'; 43]), Some([0; 32]));
    assert_eq!(decode_256(&[b'0'; 42]), None);
}

#[test]
fn a_known_key_is_found_and_another_secret_is_refused() {
    let (keyring, keys) = (golden_keyring(), KnownKeys::default());
    let key = fresh(&keyring);
    assert!(matches!(keys.find(&key, LATER), KeyLookup::Unknown));
    keys.insert(known(&key));
    assert!(matches!(keys.find(&key, LATER), KeyLookup::Known(found) if found.account == account(9)));
    let forged = PresentedKey { hash: [7; 32], ..key };
    assert!(matches!(keys.find(&forged, LATER), KeyLookup::Refused));
}

#[test]
fn a_key_is_good_until_the_second_before_it_expires() {
    let (keyring, keys) = (golden_keyring(), KnownKeys::default());
    let key = fresh(&keyring);
    keys.insert(known(&key));
    assert!(matches!(keys.find(&key, UnixSeconds(EXPIRES.0 - 1)), KeyLookup::Known(_)));
    assert!(matches!(keys.find(&key, EXPIRES), KeyLookup::Refused));
}

#[test]
fn a_look_up_that_began_before_the_revocation_cannot_put_the_key_back() {
    let (keyring, keys) = (golden_keyring(), KnownKeys::default());
    let key = fresh(&keyring);
    keys.insert(known(&key));
    keys.revoke(key.id);
    keys.insert(known(&key));
    assert!(matches!(keys.find(&key, LATER), KeyLookup::Refused));
}

#[test]
fn revoking_an_account_revokes_its_keys_and_no_others() {
    let (keyring, keys) = (golden_keyring(), KnownKeys::default());
    let (mine, other) = (fresh(&keyring), fresh(&keyring));
    keys.insert(known(&mine));
    keys.insert(KnownKey { account: account(10), ..known(&other) });
    keys.revoke_account(account(9));
    assert!(matches!(keys.find(&mine, LATER), KeyLookup::Refused));
    assert!(matches!(keys.find(&other, LATER), KeyLookup::Known(_)));
}

#[test]
fn a_row_read_anew_replaces_the_old_one() {
    let (keyring, keys) = (golden_keyring(), KnownKeys::default());
    let key = fresh(&keyring);
    keys.insert(known(&key));
    keys.insert(KnownKey { standing: Standing::Trusted, ..known(&key) });
    assert!(matches!(keys.find(&key, LATER), KeyLookup::Known(found) if found.standing == Standing::Trusted));
}

#[test]
fn a_flood_of_fresh_keys_does_not_push_out_the_one_that_is_used() {
    let (keyring, keys) = (golden_keyring(), KnownKeys::new(100));
    let member = fresh(&keyring);
    let mut missed = 0;
    for bits in 0..20_000 {
        let stranger = PresentedKey { id: KeyId::from_bits(bits), hash: [0; 32] };
        if matches!(keys.find(&stranger, LATER), KeyLookup::Unknown) {
            keys.insert(known(&stranger));
        }
        // Least recently used would miss each time: 200 strangers pass a memory of 100.
        if bits % 200 == 0 && matches!(keys.find(&member, LATER), KeyLookup::Unknown) {
            missed += 1;
            keys.insert(known(&member));
        }
    }
    assert!(keys.len() <= 200, "{}", keys.len());
    assert!(missed <= 30, "missed {missed} of 100");
}

#[test]
fn a_key_may_be_held_to_some_models() {
    let key = fresh(&golden_keyring());
    let narrow = KnownKey { models: Some(Box::new(["small".into()])), ..known(&key) };
    assert!(narrow.may_use_model("small") && !narrow.may_use_model("large"));
    assert!(known(&key).may_use_model("large"));
}

#[test]
fn the_principal_of_a_key_is_its_account_with_the_role_of_now() {
    let revocations = Revocations::default();
    let key = KnownKey { role: Role::Operator, ..known(&fresh(&golden_keyring())) };
    let principal = revocations.principal_of_key(&key);
    assert_eq!(principal.account, Some(account(9)));
    assert_eq!(principal.credential, Credential::Key(key.id, KeyScope::Api));
    assert_eq!(principal.role, Role::Operator);
    revocations.set_role(account(9), Role::None).unwrap();
    assert_eq!(revocations.principal_of_key(&key).role, Role::None);
}

proptest! {
    #[test]
    fn base_62_survives_the_trip(bytes: [u8; 32]) {
        prop_assert_eq!(decode_256(&encode_256(&bytes)), Some(bytes));
    }

    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text in ".{0,80}", alphabet in "rmp_[A-Za-z0-9]{49}") {
        let keyring = golden_keyring();
        prop_assert!(parse(&keyring, &text).is_err());
        prop_assert!(parse(&keyring, &alphabet).is_err());
    }
}
