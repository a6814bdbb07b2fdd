//! Decisions and properties of the meter.

use proptest::prelude::*;
use rempart_domain::{AccountId, Band, KeyId, Millis, Posture, ReasonCode, TokenCount, UnixSeconds, Usage};

use crate::{Budget, BudgetError, Caps, Hold, Limits, Meter, Moment, Payer, Predictor, Reservation, caps};

/// Noon of a day, and some milliseconds.
fn at(ms: u64) -> Moment {
    Moment { now: Millis(ms), wall: UnixSeconds(20_000 * 86_400 + 43_200 + i64::try_from(ms / 1_000).unwrap()) }
}

fn payer(account: u64) -> Payer {
    Payer { account: AccountId::from_bits(account), key: None }
}

fn request(account: u64, budget: Budget, input: u32, output: u32) -> Reservation {
    Reservation {
        payer: payer(account),
        band: Band::Newcomer,
        account_budget: budget,
        key_budget: Budget::UNLIMITED,
        input: TokenCount(input),
        output_cap: TokenCount(output),
    }
}

fn usage(input: u32, output: u32) -> Usage {
    Usage { input: TokenCount(input), output: TokenCount(output), ..Usage::default() }
}

fn tokens_a_day(tokens: u64) -> Budget {
    Budget { tokens_per_day: Some(tokens), ..Budget::UNLIMITED }
}

fn meter() -> Meter {
    Meter::new(Limits::default())
}

#[test]
fn parallel_first_requests_on_a_tiny_budget_spend_at_most_the_budget() {
    let mut meter = meter();
    let budget = tokens_a_day(275);
    let holds: Vec<Hold> = (0..8).filter_map(|_| meter.reserve(at(0), &request(1, budget, 20, 60)).ok()).collect();
    assert_eq!(holds.len(), 4, "three whole ones, and one with what is left");
    assert_eq!(holds[3].output_cap(), TokenCount(15));
    for hold in holds {
        let output = hold.output_cap().0;
        meter.settle(at(1), hold, usage(20, output));
    }
    let spent = meter.spent(at(2), AccountId::from_bits(1));
    assert!(spent.tokens <= 275, "{spent:?}");
    assert_eq!((spent.held, spent.in_flight), (0, 0));
}

#[test]
fn each_limit_has_its_own_refusal() {
    let mut meter = meter();
    let base = Budget::UNLIMITED;
    let cases = [
        (Budget { tokens_per_day: Some(10), ..base }, ReasonCode::BudgetExhausted),
        (Budget { requests_per_day: Some(0), ..base }, ReasonCode::BudgetExhausted),
        (Budget { requests_per_minute: Some(0), ..base }, ReasonCode::TooManyRequests),
        (Budget { tokens_per_minute: Some(0), ..base }, ReasonCode::TooManyRequests),
        (Budget { in_flight: Some(0), ..base }, ReasonCode::TooManyInFlight),
    ];
    for (budget, reason) in cases {
        let refused = meter.reserve(at(0), &request(1, budget, 20, 20)).unwrap_err();
        assert_eq!(refused.reason(), reason);
        assert!(refused.retry_after() >= Millis(1));
    }
    let spent = meter.spent(at(0), AccountId::from_bits(1));
    assert_eq!(spent, Default::default(), "a refusal holds nothing");
}

#[test]
fn a_key_has_a_budget_within_the_accounts() {
    let mut meter = meter();
    let key = KeyId::from_bits(1);
    let mut asked = request(1, tokens_a_day(1_000), 50, 50);
    asked.payer.key = Some(key);
    asked.key_budget = tokens_a_day(150);
    let hold = meter.reserve(at(0), &asked).unwrap();
    let second = meter.reserve(at(0), &asked);
    assert!(matches!(second, Err(BudgetError::TokensPerDay { .. })), "50 of the key are left, the prompt takes them");
    meter.settle(at(0), hold, usage(50, 10));
    assert_eq!(meter.spent_by_key(at(0), key).tokens, 60);
    assert_eq!(meter.spent(at(0), AccountId::from_bits(1)).tokens, 60);
    asked.payer.key = None;
    let hold = meter.reserve(at(0), &asked).unwrap();
    meter.settle(at(0), hold, usage(50, 50));
    assert_eq!(meter.spent(at(0), AccountId::from_bits(1)).tokens, 160);
    assert_eq!(meter.spent_by_key(at(0), key).tokens, 60);
}

#[test]
fn an_account_and_a_key_of_the_same_number_are_two() {
    let mut meter = meter();
    let mut asked = request(5, Budget::UNLIMITED, 10, 10);
    asked.payer.key = Some(KeyId::from_bits(5));
    let hold = meter.reserve(at(0), &asked).unwrap();
    assert_eq!(meter.len(), 2);
    meter.settle(at(0), hold, usage(10, 10));
}

#[test]
fn the_day_begins_anew_at_midnight_and_not_when_the_clock_jumps_back() {
    let mut meter = meter();
    let budget = tokens_a_day(100);
    let hold = meter.reserve(at(0), &request(1, budget, 50, 49)).unwrap();
    meter.settle(at(0), hold, usage(50, 49));
    let BudgetError::TokensPerDay { retry_after } = meter.reserve(at(0), &request(1, budget, 50, 49)).unwrap_err()
    else {
        panic!("another limit")
    };
    assert_eq!(retry_after, Millis::from_secs(43_200));
    let yesterday = Moment { now: Millis(1), wall: UnixSeconds(19_999 * 86_400) };
    assert!(meter.reserve(yesterday, &request(1, budget, 50, 49)).is_err());
    let tomorrow = Moment { now: Millis(2), wall: UnixSeconds(20_001 * 86_400) };
    let hold = meter.reserve(tomorrow, &request(1, budget, 50, 49)).unwrap();
    meter.settle(tomorrow, hold, usage(0, 0));
}

#[test]
fn the_minute_refills_evenly_and_the_headers_tell_it() {
    let mut meter = meter();
    let budget = Budget { requests_per_minute: Some(60), tokens_per_minute: Some(6_000), ..Budget::UNLIMITED };
    for _ in 0..60 {
        let hold = meter.reserve(at(0), &request(1, budget, 50, 50)).unwrap();
        meter.settle(at(0), hold, usage(50, 50));
    }
    let BudgetError::RequestsPerMinute { retry_after } = meter.reserve(at(0), &request(1, budget, 1, 1)).unwrap_err()
    else {
        panic!("another limit")
    };
    assert_eq!(retry_after, Millis(1_000));
    let rates = meter.rates(at(0), payer(1), &budget, &Budget::UNLIMITED);
    let (requests, tokens) = (rates.requests.unwrap(), rates.tokens.unwrap());
    assert_eq!((requests.limit, requests.remaining, requests.reset), (60, 0, Millis(60_000)));
    assert_eq!((tokens.limit, tokens.remaining, tokens.reset), (6_000, 0, Millis(60_000)));
    let later = meter.rates(at(30_000), payer(1), &budget, &Budget::UNLIMITED).requests.unwrap();
    assert_eq!((later.remaining, later.reset), (30, Millis(30_000)));
    let hold = meter.reserve(at(1_000), &request(1, budget, 1, 1)).unwrap();
    meter.settle(at(1_000), hold, usage(1, 1));
    assert_eq!(meter.rates(at(0), payer(2), &Budget::UNLIMITED, &Budget::UNLIMITED).requests, None);
}

#[test]
fn a_request_larger_than_the_minute_is_served_on_a_full_one() {
    let mut meter = meter();
    let budget = Budget { tokens_per_minute: Some(100), ..Budget::UNLIMITED };
    let hold = meter.reserve(at(0), &request(1, budget, 1_000, 1_000)).unwrap();
    meter.settle(at(0), hold, usage(1_000, 1_000));
    let refused = meter.reserve(at(0), &request(1, budget, 1, 1)).unwrap_err();
    assert!(refused.retry_after() <= Millis(120_000), "the debt has a bound: {refused:?}");
}

#[test]
fn an_exact_count_gives_back_before_the_end() {
    let mut meter = meter();
    let budget = tokens_a_day(200);
    let mut hold = meter.reserve(at(0), &request(1, budget, 150, 40)).unwrap();
    assert!(meter.reserve(at(0), &request(1, budget, 50, 40)).is_err());
    meter.true_up(&mut hold, TokenCount(60));
    let second = meter.reserve(at(0), &request(1, budget, 50, 40)).unwrap();
    meter.settle(at(0), hold, usage(60, 40));
    meter.settle(at(0), second, usage(50, 40));
    assert_eq!(meter.spent(at(0), AccountId::from_bits(1)).tokens, 190);
}

#[test]
fn the_table_has_a_bound_and_never_forgets_who_holds_something() {
    let mut meter = Meter::new(Limits { entries: 64 });
    let busy = meter.reserve(at(0), &request(1, Budget::UNLIMITED, 10, 10)).unwrap();
    for n in 2..10_000_u64 {
        let hold = meter.reserve(at(n), &request(n, Budget::UNLIMITED, 10, 10)).unwrap();
        meter.settle(at(n), hold, usage(10, 10));
    }
    assert_eq!(meter.len(), 64);
    assert!(meter.knows(AccountId::from_bits(1)));
    meter.settle(at(10_000), busy, usage(10, 10));
    let holds: Vec<Hold> = (0..100)
        .filter_map(|n| meter.reserve(at(20_000), &request(50_000 + n, Budget::UNLIMITED, 1, 1)).ok())
        .collect();
    assert!(holds.len() <= 64);
    let refused = meter.reserve(at(20_001), &request(90_000, Budget::UNLIMITED, 1, 1));
    assert!(holds.len() < 64 || refused == Err(BudgetError::TableFull));
    for hold in holds {
        meter.settle(at(20_002), hold, usage(1, 1));
    }
}

#[test]
fn what_the_store_knows_of_today_counts_and_of_yesterday_does_not() {
    let mut meter = meter();
    let today = at(0).wall.day();
    meter.restore(at(0), payer(1), today, 90, 3).unwrap();
    assert!(meter.reserve(at(0), &request(1, tokens_a_day(100), 20, 20)).is_err());
    meter.restore(at(0), payer(2), rempart_domain::Day(1), 90, 3).unwrap();
    let hold = meter.reserve(at(0), &request(2, tokens_a_day(100), 20, 20)).unwrap();
    meter.settle(at(0), hold, usage(20, 20));
}

#[test]
fn a_budget_for_life_or_for_a_week_does_not_begin_anew_at_midnight() {
    let later = |days: i64| Moment { wall: rempart_domain::UnixSeconds(at(0).wall.0 + days * 86_400), ..at(0) };
    for (days, is_whole_after) in [(1, Some(1)), (7, Some(7)), (0, None)] {
        let mut meter = meter();
        let budget = Budget { days, ..tokens_a_day(100) };
        let asked = Reservation {
            payer: Payer { key: Some(KeyId::from_bits(7)), ..payer(1) },
            account_budget: Budget::UNLIMITED,
            key_budget: budget,
            ..request(1, budget, 50, 50)
        };
        let hold = meter.reserve(at(0), &asked).unwrap();
        meter.settle(at(0), hold, usage(50, 50));
        for day in 0..20 {
            let refused =
                meter.reserve(later(day), &asked).map(|hold| meter.settle(later(day), hold, usage(0, 0))).is_err();
            let span = |day: i64| is_whole_after.map_or(0, |whole: i64| (i64::from(at(0).wall.day().0) + day) / whole);
            assert_eq!(refused, span(day) == span(0), "{days}: day {day}");
        }
    }
}

#[test]
fn what_the_store_knows_of_a_key_counts() {
    let (mut meter, key) = (meter(), KeyId::from_bits(7));
    assert!(!meter.knows_key(key));
    meter.restore_key(at(0), key, 0, 90).unwrap();
    let asked = Reservation {
        payer: Payer { key: Some(key), ..payer(1) },
        account_budget: Budget::UNLIMITED,
        key_budget: Budget { days: 0, ..tokens_a_day(100) },
        ..request(1, Budget::UNLIMITED, 20, 20)
    };
    assert!(meter.reserve(at(0), &asked).is_err());
    assert_eq!((meter.spent_by_key(at(0), key).tokens, meter.knows_key(key)), (90, true));
}

#[test]
fn answers_are_predicted_from_the_accounts_own_and_else_from_its_bands() {
    let mut meter = meter();
    let cap = TokenCount(2_048);
    for n in 0..20 {
        let hold = meter.reserve(at(n), &request(1, Budget::UNLIMITED, 10, 2_048)).unwrap();
        meter.settle(at(n), hold, usage(10, 100));
    }
    let expected = |meter: &Meter, account, band| meter.expected_output(AccountId::from_bits(account), band, cap);
    assert_eq!(expected(&meter, 1, Band::Newcomer), TokenCount(122), "nine tenths from 64 to 128");
    assert_eq!(expected(&meter, 2, Band::Newcomer), TokenCount(122));
    assert_eq!(expected(&meter, 2, Band::Member), cap);
    assert_eq!(meter.expected_output(AccountId::from_bits(1), Band::Newcomer, TokenCount(50)), TokenCount(50));
}

#[test]
fn a_prediction_covers_nine_of_ten_and_follows_a_change() {
    let mut predictor = Predictor::default();
    assert_eq!(predictor.p90(), None);
    for n in 0..200_u32 {
        predictor.observe(TokenCount(if n % 20 == 0 { 1_000 } else { 50 }));
    }
    assert!(predictor.p90().is_some_and(|p90| (50..=64).contains(&p90.0)), "{:?}", predictor.p90());
    for _ in 0..40 {
        predictor.observe(TokenCount(900));
    }
    assert!(predictor.p90().is_some_and(|p90| (900..=1_024).contains(&p90.0)), "{:?}", predictor.p90());
    for _ in 0..100 {
        predictor.observe(TokenCount(100_000));
    }
    assert_eq!(predictor.p90(), None, "the last bucket has no bound");
}

#[test]
fn amplifiers_are_capped_by_band_and_strangers_first() {
    let all = [Band::Visitor, Band::Newcomer, Band::Member, Band::Trusted].map(caps);
    assert!(all.windows(2).all(|pair| pair[0].max_tokens < pair[1].max_tokens));
    assert!(all.iter().all(|caps| caps.n == 1));
    assert!(!caps(Band::Newcomer).has_logprobs && caps(Band::Member).has_logprobs);
    for posture in Posture::ALL {
        assert_eq!(caps(Band::Member).under(Band::Member, *posture), caps(Band::Member));
        let newcomer: Caps = caps(Band::Newcomer).under(Band::Newcomer, *posture);
        assert!(newcomer.max_tokens.0 >= 512);
    }
    assert_eq!(caps(Band::Visitor).output_cap(Some(TokenCount(1_000_000))), TokenCount(512));
    assert_eq!(caps(Band::Visitor).output_cap(Some(TokenCount(5))), TokenCount(5));
    assert_eq!(caps(Band::Visitor).output_cap(None), TokenCount(512));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Reservations, ends and exact counts in any order: charges are usage, budgets hold, nothing stays held.
    #[test]
    fn charges_are_usage_and_no_budget_is_passed(
        day in 100_u64..5_000,
        steps in prop::collection::vec((0_u8..4, 0_u64..5, 0_u32..400, 0_u32..400), 1..200),
    ) {
        let mut meter = meter();
        let budget = Budget { tokens_per_day: Some(day), in_flight: Some(6), ..Budget::UNLIMITED };
        let mut holds: Vec<(Hold, u64, u32)> = Vec::new();
        let mut used = [0_u64; 5];
        for (n, (kind, account, a, b)) in steps.into_iter().enumerate() {
            let now = at(n as u64);
            match kind {
                0 | 1 => {
                    if let Ok(hold) = meter.reserve(now, &request(account, budget, a, b)) {
                        prop_assert!(hold.output_cap().0 <= b);
                        holds.push((hold, account, a));
                    }
                }
                2 => {
                    if let Some((hold, _, input)) = holds.first_mut() {
                        *input = (*input).min(a);
                        meter.true_up(hold, TokenCount(*input));
                    }
                }
                _ => {
                    if !holds.is_empty() {
                        let (hold, account, input) = holds.remove(b as usize % holds.len());
                        let output = a.min(hold.output_cap().0);
                        used[usize::try_from(account).unwrap()] += u64::from(input + output);
                        meter.settle(now, hold, usage(input, output));
                    }
                }
            }
            for account in 0..5 {
                let spent = meter.spent(now, AccountId::from_bits(account));
                prop_assert!(spent.tokens + spent.held <= day);
                prop_assert_eq!(spent.tokens, used[usize::try_from(account).unwrap()]);
                prop_assert!(spent.in_flight <= 6);
            }
        }
        for (hold, _, _) in holds {
            meter.settle(at(1_000), hold, usage(0, 0));
        }
        prop_assert_eq!(meter.charged(), used.iter().sum::<u64>());
        for account in 0..5 {
            let spent = meter.spent(at(1_000), AccountId::from_bits(account));
            prop_assert_eq!((spent.held, spent.in_flight), (0, 0));
        }
    }
}
