//! Tickets: the layout is fixed, every change is refused, kinds and times are kept apart.

use proptest::prelude::*;
use rempart_domain::{Day, Provenance, Role, UnixSeconds};

use super::*;
use crate::{TICKET_LEN, TicketError};

const ALL_KINDS: [TicketKind; 4] =
    [TicketKind::Session, TicketKind::Device, TicketKind::SignIn, TicketKind::Registration];

/// Computed from the layout's description by another program (Python's hmac and struct).
const GOLDEN: &str =
    "AQcBA4h3ZlVEMyIRCAcGBQQDAgEA8VNlAH57ZQUAAAACAAAA20wBAAAAAAAAAAAAsurt_F9TsKdLJqnp-eiSwzGlX92-gilw1LEKaaQK6cs";

#[test]
fn the_layout_is_the_one_that_is_written_down() {
    let keyring = golden_keyring();
    assert_eq!(keyring.seal_ticket(&fields()), GOLDEN);
    assert_eq!(GOLDEN.len(), TICKET_LEN);
    assert_eq!(keyring.open_ticket(TicketKind::Session, GOLDEN, LATER), Ok(fields()));
    assert_eq!(fields().flags.role(), Role::Operator);
}

#[test]
fn every_flipped_bit_of_the_text_is_refused() {
    let keyring = golden_keyring();
    for at in 0..GOLDEN.len() {
        for bit in 0..7 {
            let mut text = GOLDEN.as_bytes().to_vec();
            text[at] ^= 1 << bit;
            let text = String::from_utf8(text).unwrap();
            let opened = keyring.open_ticket(TicketKind::Session, &text, LATER);
            assert!(
                matches!(opened, Err(TicketError::Forged | TicketError::Malformed)),
                "byte {at} bit {bit}: {opened:?}"
            );
        }
    }
}

#[test]
fn every_flipped_bit_of_the_bytes_is_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let keyring = golden_keyring();
    let bytes = URL_SAFE_NO_PAD.decode(GOLDEN).unwrap();
    for at in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[at / 8] ^= 1 << (at % 8);
        let opened = keyring.open_ticket(TicketKind::Session, &URL_SAFE_NO_PAD.encode(changed), LATER);
        assert!(matches!(opened, Err(TicketError::Forged | TicketError::Malformed)), "bit {at}: {opened:?}");
    }
}

#[test]
fn a_ticket_of_one_kind_is_never_one_of_another() {
    let keyring = Keyring::in_memory().unwrap();
    for sealed in ALL_KINDS {
        let text = keyring.seal_ticket(&TicketFields { kind: sealed, ..fields() });
        for wanted in ALL_KINDS {
            let opened = keyring.open_ticket(wanted, &text, LATER);
            if wanted == sealed {
                assert_eq!(opened.unwrap().kind, sealed);
            } else {
                assert_eq!(opened, Err(TicketError::WrongKind));
            }
        }
    }
}

#[test]
fn a_ticket_is_good_until_the_second_before_it_expires() {
    let keyring = golden_keyring();
    let open = |now: i64| keyring.open_ticket(TicketKind::Session, GOLDEN, UnixSeconds(now));
    assert!(open(EXPIRES.0 - 1).is_ok());
    assert_eq!(open(EXPIRES.0), Err(TicketError::Expired));
    assert_eq!(open(i64::MAX), Err(TicketError::Expired));
}

#[test]
fn a_clock_that_was_set_back_ends_no_session() {
    let keyring = golden_keyring();
    assert!(keyring.open_ticket(TicketKind::Session, GOLDEN, UnixSeconds(0)).is_ok());
    assert!(keyring.open_ticket(TicketKind::Session, GOLDEN, UnixSeconds(-5)).is_ok());
}

#[test]
fn another_platform_s_ticket_is_forged() {
    let text = Keyring::in_memory().unwrap().seal_ticket(&fields());
    let opened = Keyring::in_memory().unwrap().open_ticket(TicketKind::Session, &text, LATER);
    assert_eq!(opened, Err(TicketError::Forged));
}

#[test]
fn a_rotated_key_still_opens_until_the_next_rotation() {
    let keyring = Keyring::in_memory().unwrap();
    let old = keyring.seal_ticket(&fields());
    assert_eq!(keyring.rotate().unwrap(), 2);
    let new = keyring.seal_ticket(&fields());
    assert_ne!(old, new);
    assert!(keyring.open_ticket(TicketKind::Session, &old, LATER).is_ok());
    assert!(keyring.open_ticket(TicketKind::Session, &new, LATER).is_ok());
    keyring.rotate().unwrap();
    assert_eq!(keyring.open_ticket(TicketKind::Session, &old, LATER), Err(TicketError::Forged));
    assert!(keyring.open_ticket(TicketKind::Session, &new, LATER).is_ok());
}

#[test]
fn times_outside_the_field_are_cut_to_it() {
    let keyring = Keyring::in_memory().unwrap();
    let odd = TicketFields { issued: UnixSeconds(-1), expires: UnixSeconds(i64::MAX), ..fields() };
    let opened = keyring.open_ticket(TicketKind::Session, &keyring.seal_ticket(&odd), LATER).unwrap();
    assert_eq!((opened.issued.0, opened.expires.0), (0, i64::from(u32::MAX)));
}

proptest! {
    #[test]
    fn what_was_sealed_is_what_opens(
        account_bits: u64, session: u64, issued: u32, account_epoch: u32, global_epoch: u32, day: u16, flags: u16,
        standing in 0_u8..5, kind in 0_usize..4,
    ) {
        let sealed = TicketFields {
            kind: ALL_KINDS[kind],
            standing: Standing::from_u8(standing),
            account: account(account_bits),
            session: SessionId::from_bits(session),
            issued: UnixSeconds(i64::from(issued)),
            expires: UnixSeconds(i64::from(u32::MAX)),
            account_epoch,
            global_epoch,
            created_day: Day(day),
            flags: TicketFlags(flags),
            provenance: Provenance::default(),
        };
        let keyring = golden_keyring();
        let text = keyring.seal_ticket(&sealed);
        prop_assert_eq!(text.len(), TICKET_LEN);
        prop_assert_eq!(keyring.open_ticket(sealed.kind, &text, LATER), Ok(sealed));
    }

    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text in ".{0,200}", alphabet in "[A-Za-z0-9_-]{107}") {
        let keyring = golden_keyring();
        prop_assert!(keyring.open_ticket(TicketKind::Session, &text, LATER).is_err());
        prop_assert!(keyring.open_ticket(TicketKind::Session, &alphabet, LATER).is_err());
    }
}
