//! Random ids and the grid of answer times.

use std::collections::HashSet;

use proptest::prelude::*;
use rempart_domain::Millis;

use crate::{TimeGrid, next_grid, random};

#[test]
fn ids_do_not_repeat() {
    let ids: HashSet<u64> = (0..10_000).map(|_| random::account_id().unwrap().bits()).collect();
    assert_eq!(ids.len(), 10_000);
}

#[test]
fn a_one_time_token_is_found_again_by_its_hash() {
    let token = random::one_time_token().unwrap();
    assert_eq!(token.text.expose().len(), 43);
    assert_eq!(random::token_hash(token.text.expose()), token.hash);
    assert_ne!(random::one_time_token().unwrap().hash, token.hash);
}

#[test]
fn answers_leave_on_the_grid_of_their_own_arrival() {
    let grid = TimeGrid::new(Millis(250));
    let at = |now: u64| grid.answer_at(Millis(1_007), Millis(now)).0 - 1_007;
    assert_eq!([at(1_007), at(1_008), at(1_256), at(1_257), at(1_258)], [250, 250, 250, 250, 500]);
    assert_eq!(grid.answer_at(Millis(9), Millis(3)), Millis(259), "a clock that stands still");
    assert_eq!(TimeGrid::new(Millis(0)).answer_at(Millis(9), Millis(20)), Millis(20));
}

proptest! {
    #[test]
    fn the_next_step_of_a_grid_is_the_first_that_has_not_passed(now in 0_u64..1 << 40, grid in 1_u64..100_000) {
        let next = next_grid(Millis(now), Millis(grid)).0;
        prop_assert!(next >= now && next - now < grid && next.is_multiple_of(grid));
    }
}
