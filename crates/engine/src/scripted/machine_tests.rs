//! The machine's timing is exact, its queue is fair, and nothing it lends is lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

use std::collections::HashMap;

use proptest::prelude::*;

use super::machine::{Event, EventKind, Machine, Nanos, OfferError, Script};

const SCRIPT: Script = Script { sequences: 2, kv_tokens: 100, prefill_tps: 1_000, decode_tps: 3, tokens: 4 };

fn tokens_of(events: &[Event], id: u64) -> Vec<u64> {
    let is_token = |event: &&Event| event.id == id && matches!(event.kind, EventKind::Token { .. });
    events.iter().filter(is_token).map(|event| event.at.0).collect()
}

fn started_at(events: &[Event], id: u64) -> Option<u64> {
    events.iter().find(|event| event.id == id && event.kind == EventKind::Started).map(|event| event.at.0)
}

#[test]
fn tokens_are_due_at_exact_times_however_seldom_the_machine_is_asked() {
    let mut machine = Machine::new(SCRIPT);
    let mut events = Vec::new();
    machine.offer(Nanos(0), 7, 10, 99, &mut events).unwrap();
    machine.advance(Nanos::from_micros(60_000_000), &mut events);
    // 10 tokens of prompt take 10 ms; a third of a second is rounded up to whole nanoseconds, each from the start.
    assert_eq!(tokens_of(&events, 7), vec![343_333_334, 676_666_667, 1_010_000_000, 1_343_333_334]);
    assert_eq!(events.last().unwrap().kind, EventKind::Finished);
    assert_eq!(machine.next_event_at(), None);
}

#[test]
fn prompts_share_the_prefill_rate_one_after_the_other() {
    let mut machine = Machine::new(SCRIPT);
    let mut events = Vec::new();
    machine.offer(Nanos(0), 1, 30, 1, &mut events).unwrap();
    machine.offer(Nanos(0), 2, 20, 1, &mut events).unwrap();
    machine.advance(Nanos::from_micros(60_000_000), &mut events);
    assert_eq!(tokens_of(&events, 1), vec![30_000_000 + 333_333_334]);
    assert_eq!(tokens_of(&events, 2), vec![50_000_000 + 333_333_334]);
}

#[test]
fn the_head_of_the_queue_waits_for_kv_tokens_and_blocks_those_behind_it() {
    let mut machine = Machine::new(SCRIPT);
    let mut events = Vec::new();
    machine.offer(Nanos(0), 1, 60, 4, &mut events).unwrap();
    machine.offer(Nanos(0), 2, 50, 4, &mut events).unwrap();
    machine.offer(Nanos(0), 3, 1, 1, &mut events).unwrap();
    assert_eq!(machine.counts().waiting, 2);
    machine.advance(Nanos::from_micros(60_000_000), &mut events);
    let end_of_first = tokens_of(&events, 1)[3];
    assert_eq!(started_at(&events, 2), Some(end_of_first));
    assert_eq!(started_at(&events, 3), Some(end_of_first));
}

#[test]
fn cancelling_a_prompt_hands_the_prefill_to_the_next_at_once() {
    let mut machine = Machine::new(SCRIPT);
    let mut events = Vec::new();
    machine.offer(Nanos(0), 1, 60, 1, &mut events).unwrap();
    machine.offer(Nanos(0), 2, 30, 1, &mut events).unwrap();
    machine.offer(Nanos(0), 3, 50, 1, &mut events).unwrap();
    let at = Nanos::from_micros(5_000);
    assert!(machine.cancel(at, 1, &mut events));
    assert!(!machine.cancel(at, 1, &mut events));
    assert_eq!(started_at(&events, 3), Some(at.0));
    machine.advance(Nanos::from_micros(60_000_000), &mut events);
    assert_eq!(tokens_of(&events, 2), vec![35_000_000 + 333_333_334]);
    assert!(tokens_of(&events, 1).is_empty());
}

#[test]
fn what_can_never_fit_is_refused_and_an_answer_is_cut_to_what_fits() {
    let mut machine = Machine::new(SCRIPT);
    let mut events = Vec::new();
    let refused = machine.offer(Nanos(0), 1, 100, 1, &mut events);
    assert_eq!(refused, Err(OfferError::TooLong { input: 100, kv_tokens: 100 }));
    machine.offer(Nanos(0), 2, 98, 99, &mut events).unwrap();
    assert_eq!(machine.offer(Nanos(0), 2, 1, 1, &mut events), Err(OfferError::IdInUse));
    machine.advance(Nanos::from_micros(60_000_000), &mut events);
    assert_eq!(tokens_of(&events, 2).len(), 2);
}

#[test]
fn a_flood_of_offers_and_cancellations_leaves_no_memory_behind() {
    let mut machine = Machine::new(Script { decode_tps: 1, ..SCRIPT });
    let mut events = Vec::new();
    machine.offer(Nanos(0), 0, 90, 4, &mut events).unwrap();
    for id in 1..100_000 {
        machine.offer(Nanos(id), id, 50, 4, &mut events).unwrap();
        if id > 10 {
            assert!(machine.cancel(Nanos(id), id - 5, &mut events));
        }
    }
    assert!(machine.places_held() < 1_000, "{}", machine.places_held());
}

#[derive(Debug, Clone)]
enum Step {
    Offer { input: u32, max_tokens: u32 },
    Cancel { back: u64 },
    Wait { micros: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..90_u32, 1..40_u32).prop_map(|(input, max_tokens)| Step::Offer { input, max_tokens }),
        1 => (0..12_u64).prop_map(|back| Step::Cancel { back }),
        2 => (0..2_000_000_u64).prop_map(|micros| Step::Wait { micros }),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    (1..6_u32, 90..400_u32, 1..5_000_u32, 1..2_000_u32, 1..30_u32).prop_map(
        |(sequences, kv_tokens, prefill_tps, decode_tps, tokens)| Script {
            sequences,
            kv_tokens,
            prefill_tps,
            decode_tps,
            tokens,
        },
    )
}

/// Plays `steps`; every invariant that can be seen from outside is checked after each.
fn play(script: Script, steps: &[Step], asks_each: bool) -> Result<(Vec<Event>, Machine), TestCaseError> {
    let mut machine = Machine::new(script);
    let (mut events, mut now, mut next_id) = (Vec::new(), 0_u64, 0_u64);
    for step in steps {
        match *step {
            Step::Offer { input, max_tokens } => {
                machine.offer(Nanos::from_micros(now), next_id, input, max_tokens, &mut events).ok();
                next_id += 1;
            }
            Step::Cancel { back } => {
                machine.cancel(Nanos::from_micros(now), next_id.saturating_sub(back), &mut events);
            }
            Step::Wait { micros } => {
                while asks_each && machine.next_event_at().is_some_and(|at| at < Nanos::from_micros(now + micros)) {
                    machine.advance(machine.next_event_at().unwrap(), &mut events);
                }
                now += micros;
                machine.advance(Nanos::from_micros(now), &mut events);
            }
        }
        let counts = machine.counts();
        prop_assert!(counts.running <= script.sequences);
        prop_assert!(counts.kv_reserved <= script.kv_tokens && counts.kv_held <= counts.kv_reserved);
        prop_assert_eq!(
            counts.offered,
            counts.finished + counts.cancelled + u64::from(counts.running) + u64::from(counts.waiting)
        );
    }
    machine.advance(Nanos(u64::MAX), &mut events);
    Ok((events, machine))
}

proptest! {
    #[test]
    fn nothing_lent_is_lost_and_time_never_runs_back(script in script(), steps in prop::collection::vec(step(), 1..120)) {
        let (events, machine) = play(script, &steps, false)?;
        let counts = machine.counts();
        prop_assert_eq!((counts.running, counts.waiting, counts.kv_held, counts.kv_reserved), (0, 0, 0, 0));
        prop_assert_eq!(counts.offered, counts.finished + counts.cancelled);
        prop_assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
        let starts: Vec<u64> = events.iter().filter(|event| event.kind == EventKind::Started).map(|event| event.id).collect();
        prop_assert!(starts.windows(2).all(|pair| pair[0] < pair[1]), "first come, first served");
        let mut made: HashMap<u64, u32> = HashMap::new();
        for event in &events {
            if let EventKind::Token { index } = event.kind {
                let next = made.entry(event.id).or_default();
                prop_assert_eq!(index, *next);
                *next += 1;
            }
        }
        prop_assert_eq!(counts.output_tokens, made.values().map(|count| u64::from(*count)).sum::<u64>());
    }

    #[test]
    fn events_do_not_depend_on_how_often_the_machine_is_asked(script in script(), steps in prop::collection::vec(step(), 1..80)) {
        let (seldom, _) = play(script, &steps, false)?;
        let (often, _) = play(script, &steps, true)?;
        prop_assert_eq!(seldom, often);
    }
}

#[test]
fn thousands_of_sequences_make_millions_of_tokens_without_a_search() {
    let script = Script { sequences: 4_000, kv_tokens: u32::MAX, prefill_tps: u32::MAX, decode_tps: 100, tokens: 500 };
    let mut machine = Machine::new(script);
    let mut events = Vec::new();
    for id in 0..4_000 {
        machine.offer(Nanos(id * 1_000), id, 10, 500, &mut events).unwrap();
    }
    let (mut count, mut last) = (0_usize, Nanos(0));
    while let Some(at) = machine.next_event_at() {
        machine.advance(Nanos(at.0 + 10_000_000), &mut events);
        count += events.len();
        assert!(events.iter().all(|event| event.at >= last));
        last = events.last().map_or(last, |event| event.at);
        events.clear();
    }
    assert_eq!(count as u64, 4_000 * (500 + 2));
}

#[test]
fn a_prompt_in_slices_holds_up_a_whole_one_by_a_slice_at_most() {
    let script = Script { sequences: 4, kv_tokens: 10_000, prefill_tps: 1_000, decode_tps: 1_000, tokens: 1 };
    let mut machine = Machine::new(script);
    let mut events = Vec::new();
    machine.offer_sliced(Nanos(0), 1, 2_000, 1, 250, &mut events).unwrap();
    machine.offer_sliced(Nanos(0), 2, 500, 1, 250, &mut events).unwrap();
    machine.offer(Nanos::from_micros(100_000), 3, 100, 1, &mut events).unwrap();
    machine.advance(Nanos::from_micros(10_000_000), &mut events);
    let first_token = |id: u64| {
        let token = events.iter().find(|e| e.id == id && matches!(e.kind, EventKind::Token { index: 0 }));
        token.unwrap().at.0 / 1_000_000
    };
    // The slice that was being read ends at 250 ms; then the whole prompt, then slices in turn.
    assert_eq!(first_token(3), 351);
    assert_eq!(first_token(2), 1_101);
    assert_eq!(first_token(1), 2_601, "every token is read once");
    assert_eq!(machine.counts().running, 0);
}

#[test]
fn a_prompt_that_is_cancelled_while_it_is_read_makes_way_at_once() {
    let script = Script { sequences: 4, kv_tokens: 10_000, prefill_tps: 1_000, decode_tps: 1_000, tokens: 1 };
    for slice in [0, 300] {
        let mut machine = Machine::new(script);
        let mut events = Vec::new();
        machine.offer_sliced(Nanos(0), 1, 1_000, 1, slice, &mut events).unwrap();
        machine.offer_sliced(Nanos(0), 2, 100, 1, slice, &mut events).unwrap();
        assert!(machine.cancel(Nanos::from_micros(10_000), 1, &mut events));
        machine.advance(Nanos::from_micros(10_000_000), &mut events);
        let token = events.iter().find(|e| e.id == 2 && matches!(e.kind, EventKind::Token { .. })).unwrap();
        assert_eq!(token.at, Nanos::from_micros(111_000), "slice {slice}");
        assert_eq!(machine.places_held(), 2, "both slots, no line");
    }
}
