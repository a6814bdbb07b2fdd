//! Ids, names and words survive the trip to text and back; wrappers print nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use crate::*;

proptest! {
    #[test]
    fn every_id_survives_the_trip_to_text(bits in any::<u64>()) {
        let id = AccountId::from_bits(bits);
        prop_assert_eq!(id.to_string().parse::<AccountId>(), Ok(id));
        prop_assert_eq!(AccountId::from_sql(id.to_sql()), id);
        prop_assert!(id.to_sql() >= 0);
    }

    #[test]
    fn arbitrary_text_never_panics_a_parser(text in ".{0,40}") {
        let _ = text.parse::<AccountId>();
        let _ = AccountName::parse(&text);
        let _ = ReasonCode::parse(&text);
    }
}

#[test]
fn an_id_of_one_kind_is_no_id_of_another() {
    assert!(AccountId::from_bits(7).to_string().parse::<KeyId>().is_err());
}

#[test]
fn names_fold_case_and_refuse_odd_edges() {
    assert_eq!(AccountName::parse("Ada.L").unwrap().as_str(), "ada.l");
    for bad in ["a", "-ada", "ada-", "a b", "名前", &"x".repeat(33)] {
        assert!(AccountName::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_word_reads_back() {
    for reason in ReasonCode::ALL {
        assert_eq!(ReasonCode::parse(reason.as_str()).as_ref(), Ok(reason));
    }
    for (index, reason) in ReasonCode::ALL.iter().enumerate() {
        assert_eq!(reason.index(), index);
    }
    for standing in Standing::ALL {
        assert_eq!(Standing::from_u8(standing.to_u8()), *standing);
    }
    assert!(Posture::parse("panic").is_err());
}

#[test]
fn wrappers_print_nothing_of_what_they_hold() {
    let shown = format!("{:?} {:?}", Secret::new(String::from("hunter2")), Sensitive::new("my prompt"));
    assert!(!shown.contains("hunter2") && !shown.contains("prompt"));
}

#[test]
fn a_demotion_stops_at_newcomer() {
    assert_eq!(Standing::Trusted.demoted().demoted().demoted(), Standing::Newcomer);
}
