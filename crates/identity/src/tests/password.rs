//! Password rules and stored hashes, checked against hashes of the C reference implementation.

use argon2::Block;
use proptest::prelude::*;

use crate::credential::{StoredHash, Unusable};
use crate::{HashPrice, PasswordError, check_password, is_weak, is_weak_for};

const PASSWORD: &[u8] = b"correct horse battery staple";

/// Made by argon2-cffi (the C reference); the middle one has two lanes.
pub(super) const FROM_ELSEWHERE: [&str; 3] = [
    "$argon2id$v=19$m=19456,t=2,p=1$aOFRunYDpktbE4MDBPSTIg$XwuWHEyK7SVy0RWI2P2QhAN3HfhKvRiLXx456OFyKow",
    "$argon2id$v=19$m=64,t=3,p=2$C0WtQBgagJy5757/7E/W/Q$raG9fidziMOuOvcuUrMX3BDJ4ZeTY+Sm4GV1vm1k8Bs",
    "$argon2id$v=19$m=32768,t=1,p=1$HgLRohZArtTPYXQzysUqsQ$wPM3tKz1q40R5t233ocNwADhCNcAQ2PR0wW9uRjPw0A",
];

#[test]
fn hashes_of_the_reference_implementation_verify() {
    let mut arena = vec![Block::new(); 32_768];
    for phc in FROM_ELSEWHERE {
        let stored = StoredHash::parse(phc).ok().unwrap();
        assert!(stored.verify(PASSWORD, &mut arena), "{phc}");
        assert!(!stored.verify(b"correct horse battery stapler", &mut arena), "{phc}");
    }
}

#[test]
fn only_a_hash_of_today_s_price_is_current() {
    let is_current = |at: usize| StoredHash::parse(FROM_ELSEWHERE[at]).ok().unwrap().is_current(HashPrice::DEFAULT);
    assert_eq!([is_current(0), is_current(1), is_current(2)], [true, false, false]);
}

#[test]
fn a_stored_hash_that_asks_for_too_much_is_refused_before_it_is_computed() {
    let phc = |parameters: &str| format!("$argon2id$v=19${parameters}$aOFRunYDpktbE4MDBPSTIg$XwuWHEyK7SVy0RWI2P2QhA");
    let why = |parameters: &str| StoredHash::parse(&phc(parameters)).err();
    assert_eq!(why("m=131072,t=10,p=4"), None);
    assert_eq!(why("p=4,t=10,m=131072"), None);
    for dear in ["m=131073,t=1,p=1", "m=64,t=11,p=1", "m=64,t=1,p=5", "m=4294967295,t=4294967295,p=1"] {
        assert_eq!(why(dear), Some(Unusable::TooDear), "{dear}");
    }
    for odd in
        ["m=64,t=0,p=1", "m=1,t=1,p=1", "m=64,t=1", "m=64,t=1,p=1,m=64", "m=+64,t=1,p=1", "m=64,t=1,p=1,keyid=AA", ""]
    {
        assert_eq!(why(odd), Some(Unusable::Malformed), "{odd}");
    }
}

#[test]
fn other_algorithms_are_not_verified() {
    for odd in [
        "",
        "$argon2i$v=19$m=64,t=3,p=2$C0WtQBgagJy5757/7E/W/Q$raG9fidziMOuOvcuUrMX3BDJ4ZeTY+Sm4GV1vm1k8Bs",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=20$m=64,t=3,p=2$C0WtQBgagJy5757/7E/W/Q$raG9fidziMOuOvcuUrMX3A",
        "$argon2id$v=19$m=64,t=3,p=2$C0WtQBgagJy5757/7E/W/Q",
        "$argon2id$v=19$m=64,t=3,p=2$AAAA$raG9fidziMOuOvcuUrMX3A",
        "$argon2id$v=19$m=64,t=3,p=2$C0WtQBgagJy5757/7E/W/Q$raG9fidziMOuOvcuUrMX3A$more",
        &format!("$argon2id$v=19$m=64,t=3,p=2${}$x", "A".repeat(300)),
    ] {
        assert_eq!(StoredHash::parse(odd).err(), Some(Unusable::Malformed), "{odd}");
    }
}

#[test]
fn a_password_has_8_characters_of_any_kind_up_to_1024_bytes() {
    assert_eq!(check_password("1234567"), Err(PasswordError::TooShort));
    assert_eq!(check_password("密码密码密码密"), Err(PasswordError::TooShort));
    assert_eq!(check_password("12345678"), Ok(()));
    assert_eq!(check_password("密码密码密码密码"), Ok(()));
    assert_eq!(check_password(&"😀".repeat(256)), Ok(()));
    assert_eq!(check_password(&"x".repeat(1024)), Ok(()));
    assert_eq!(check_password(&"x".repeat(1025)), Err(PasswordError::TooLong));
    assert_eq!(check_password(&"x".repeat(1_000_000)), Err(PasswordError::TooLong));
}

#[test]
fn what_people_in_china_choose_first_is_weak() {
    for weak in
        ["woaini1314", "5201314520", "a123456789", "qq123456", "aini1314", "WoAiNi520", "wang123456", "1314520123"]
    {
        assert!(is_weak(weak), "{weak}");
    }
    for good in ["woaichishuijiao", "5201314是秘密", "zhang7fei3yu"] {
        assert!(!is_weak(good), "{good}");
    }
}

#[test]
fn what_guessers_try_first_is_weak() {
    assert!(is_weak("password123") && is_weak("PassWord123") && is_weak("12345678"));
    assert!(is_weak("ZZZZZZZZZZZZZZZZZZZZ") && is_weak("1q2w3e4r"));
    assert!(is_weak("iloveyou") && is_weak("qwertyuiop") && is_weak("azertyuiop"));
    assert!(!is_weak("correct horse battery") && !is_weak("K7#pQ!vz2m"));
    let good = (0..20_000).filter(|n| is_weak(&format!("a password nobody has {n}"))).count();
    assert!(good <= 4, "{good} of 20000 good ones: one in 65536 is expected, twice asked");
}

#[test]
fn a_name_is_no_password_for_who_has_it() {
    assert!(is_weak_for("lin.mei.92", "lin.mei.92") && is_weak_for("Lin.Mei!2025", "lin.mei"));
    assert!(!is_weak_for("lin.mei eats plums", "lin.mei"));
}

#[test]
fn the_longest_password_is_looked_up_in_microseconds() {
    let longest = "@$&".repeat(341);
    let before = std::time::Instant::now();
    let weak = (0..1000).filter(|_| is_weak(&longest)).count();
    // A build without optimisation; `cargo bench` says 5 µs of a release.
    assert!(weak == 0 && before.elapsed().as_millis() < 2000, "{:?}", before.elapsed());
}

proptest! {
    #[test]
    fn arbitrary_stored_text_never_panics(text in ".{0,120}", tail in "[0-9A-Za-z$=,+/]{0,80}") {
        let _ = StoredHash::parse(&text);
        let _ = StoredHash::parse(&format!("$argon2id${tail}"));
        let _ = StoredHash::parse(&format!("$argon2id$v=19$m=64,t=1,p=1${tail}"));
    }
}
