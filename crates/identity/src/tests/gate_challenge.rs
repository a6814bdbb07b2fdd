//! Challenges: solved by the official library, refused when forged, replayed, late, misused or not solved.

use altcha::{Challenge, Payload, Solution, SolveChallengeOptions, solve_challenge};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rempart_domain::{Millis, UnixSeconds};

use crate::Keyring;
use crate::gate::{ChallengeError, ChallengeOptions, Challenges, EFFORTS, Now, Purpose, Shown};

const NETWORK: u32 = 77;

fn now(second: i64) -> Now {
    Now { clock: Millis(second.unsigned_abs() * 1000), date: UnixSeconds(unix() + second) }
}

/// The library compares with the system's clock.
fn unix() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn desk(pool_len: usize) -> Challenges {
    let options = ChallengeOptions { pool_len, pool_cpu_percent: 100, ..ChallengeOptions::default() };
    Challenges::start(&Keyring::in_memory().unwrap(), options).unwrap()
}

fn issue(desk: &Challenges) -> Challenge {
    let text = desk.issue(Purpose::Registration, NETWORK, 1, 0, now(0)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn solve(challenge: &Challenge) -> Payload {
    let solution = solve_challenge(SolveChallengeOptions::new(challenge)).unwrap().unwrap();
    Payload { challenge: challenge.clone(), solution }
}

fn text(payload: &Payload) -> String {
    STANDARD.encode(serde_json::to_vec(payload).unwrap())
}

fn show(desk: &Challenges, payload: &Payload) -> Result<(), ChallengeError> {
    show_as(desk, payload, Purpose::Registration, NETWORK, 1, now(1))
}

fn show_as(
    desk: &Challenges,
    payload: &Payload,
    purpose: Purpose,
    network: u32,
    epoch: u32,
    now: Now,
) -> Result<(), ChallengeError> {
    match desk.take(&text(payload), purpose, network, epoch, now)? {
        Shown::Solved => Ok(()),
        Shown::Unproved(unproved) => unproved.check(),
    }
}

/// Waits for the thread that fills the pool.
fn filled(desk: &Challenges) -> &Challenges {
    while desk.pool_len() == 0 {
        std::thread::yield_now();
    }
    desk
}

#[test]
fn the_official_library_solves_both_kinds_once() {
    let desk = desk(4);
    let pooled = issue(filled(&desk));
    assert!(pooled.parameters.key_signature.is_some());
    let payload = solve(&pooled);
    assert!((EFFORTS[0] / 2..EFFORTS[0]).contains(&payload.solution.counter));
    assert_eq!(show(&desk, &payload), Ok(()));
    assert_eq!(show(&desk, &payload), Err(ChallengeError::Used));
    let desk = self::desk(0);
    let cheap = issue(&desk);
    assert!(cheap.parameters.key_signature.is_none());
    let payload = solve(&cheap);
    assert_eq!(show(&desk, &payload), Ok(()));
    assert_eq!(show(&desk, &payload), Err(ChallengeError::Used));
}

#[test]
fn a_counter_whose_key_does_not_begin_as_asked_is_refused() {
    let desk = desk(0);
    let challenge = issue(&desk);
    // The known bypass: the true key of some counter that does not match the prefix.
    let mut unasked = challenge.clone();
    unasked.parameters.key_prefix = String::new();
    let true_keys = (0..).map(|counter_start| {
        let options = SolveChallengeOptions { counter_start, ..SolveChallengeOptions::new(&unasked) };
        solve_challenge(options).unwrap().unwrap()
    });
    let solution = true_keys.into_iter().find(|solution| !solution.derived_key.starts_with("00")).unwrap();
    assert_eq!(show(&desk, &Payload { challenge, solution }), Err(ChallengeError::Wrong));
}

#[test]
fn a_junk_solution_burns_its_challenge() {
    for pool_len in [0, 4] {
        let desk = desk(pool_len);
        if pool_len > 0 {
            filled(&desk);
        }
        let good = solve(&issue(&desk));
        let junk = Solution { counter: 1, derived_key: "00".repeat(32), time: None };
        assert_eq!(
            show(&desk, &Payload { challenge: good.challenge.clone(), solution: junk }),
            Err(ChallengeError::Wrong)
        );
        assert_eq!(show(&desk, &good), Err(ChallengeError::Used));
    }
}

#[test]
fn a_forged_or_eased_challenge_is_refused_before_anything_is_derived() {
    let desk = desk(0);
    let mut eased = issue(&desk);
    eased.parameters.key_prefix = String::new();
    assert_eq!(show(&desk, &solve(&eased)), Err(ChallengeError::Forged));
    let mut cheaper = issue(&desk);
    cheaper.parameters.cost = 1;
    assert_eq!(show(&desk, &solve(&cheaper)), Err(ChallengeError::Forged));
    let mut longer = solve(&issue(&desk));
    longer.challenge.parameters.expires_at = Some(i64::MAX);
    assert_eq!(show(&desk, &longer), Err(ChallengeError::Forged));
    let mut unsigned = solve(&issue(&desk));
    unsigned.challenge.signature = None;
    assert_eq!(show(&desk, &unsigned), Err(ChallengeError::Forged));
    // A derivation of so many rounds would take minutes.
    let mut bomb = solve(&issue(&desk));
    bomb.challenge.parameters.cost = u32::MAX;
    assert_eq!(show(&desk, &bomb), Err(ChallengeError::Forged));
    assert_eq!(show(&self::desk(0), &solve(&issue(&desk))), Err(ChallengeError::WrongUse), "another process's");
}

#[test]
fn a_solution_counts_for_its_purpose_network_time_and_posture_only() {
    let desk = desk(0);
    let check = |purpose, network, epoch, second, expected| {
        let payload = solve(&issue(&desk));
        assert_eq!(show_as(&desk, &payload, purpose, network, epoch, now(second)), expected);
    };
    check(Purpose::Registration, NETWORK, 1, 1, Ok(()));
    check(Purpose::Registration, NETWORK, 2, 1, Ok(()));
    check(Purpose::Registration, NETWORK, 3, 1, Err(ChallengeError::WrongUse));
    check(Purpose::SignIn, NETWORK, 1, 1, Err(ChallengeError::WrongUse));
    check(Purpose::Registration, NETWORK + 1, 1, 1, Err(ChallengeError::WrongUse));
    check(Purpose::Registration, NETWORK, 1, 200, Ok(()));
    check(Purpose::Registration, NETWORK, 1, 300, Err(ChallengeError::Expired));
}

#[test]
fn what_is_no_payload_is_refused() {
    let desk = desk(0);
    let show = |text: &str| desk.take(text, Purpose::Registration, NETWORK, 1, now(0)).map(drop);
    for text in ["", "????", "e30=", "bnVsbA==", &"A".repeat(4096), &STANDARD.encode("[".repeat(1000))] {
        assert_eq!(show(text), Err(ChallengeError::Malformed));
    }
}

#[test]
fn derivations_have_a_budget_and_whoever_finds_it_spent_keeps_the_challenge() {
    let options = ChallengeOptions { pool_len: 0, checks: 3, checks_share: 2, ..ChallengeOptions::default() };
    let desk = Challenges::start(&Keyring::in_memory().unwrap(), options).unwrap();
    let [one, two, three] = [(); 3].map(|()| solve(&issue(&desk)));
    assert_eq!(show(&desk, &one), Ok(()));
    assert_eq!(show(&desk, &two), Ok(()));
    assert_eq!(show(&desk, &three), Err(ChallengeError::Busy));
    assert_eq!(show(&desk, &one), Err(ChallengeError::Used));
    assert_eq!(show_as(&desk, &three, Purpose::Registration, NETWORK, 1, now(11)), Ok(()));
}

#[test]
fn a_network_has_its_part_of_the_pool_only() {
    let options = ChallengeOptions { pool_len: 8, pool_cpu_percent: 100, pool_share: 2, ..ChallengeOptions::default() };
    let desk = Challenges::start(&Keyring::in_memory().unwrap(), options).unwrap();
    while desk.pool_len() < 8 {
        std::thread::yield_now();
    }
    let pooled = (0..6).filter(|_| issue(&desk).parameters.key_signature.is_some()).count();
    assert_eq!(pooled, 2);
}
