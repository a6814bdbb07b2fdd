//! The ticket queue: order, fairness, absence, bounds, restart.

use std::collections::{HashMap, HashSet};

use rempart_domain::{Millis, UnixSeconds};

use crate::Keyring;
use crate::gate::{InLine, Place, PlaceFlags, Purpose, QueueLimits, TicketQueue, TryEnd};

fn place(id: u64, minute: i64, cohort: u64) -> Place {
    let cohort = u32::try_from(cohort).unwrap();
    let flags = PlaceFlags { is_proved: true, ..PlaceFlags::default() };
    Place { purpose: Purpose::Registration, id, issued: UnixSeconds(minute * 60), cohort, name: 7, contact: 0, flags }
}

fn plain(id: u64, minute: i64, cohort: u64) -> Place {
    Place { flags: PlaceFlags::default(), ..place(id, minute, cohort) }
}

/// A queue whose first burst is spent.
fn spent(limits: QueueLimits) -> TicketQueue {
    let mut queue = TicketQueue::new(QueueLimits { burst: 1.0, ..limits }, 42);
    assert!(queue.try_pass());
    queue.tick(Millis(0), 0.0);
    queue
}

/// Lets `count` in, one a second, everybody present; their ids in order.
fn let_in(queue: &mut TicketQueue, places: &[Place], from: Millis, count: usize) -> Vec<u64> {
    let mut order = Vec::new();
    let mut inside: HashSet<u64> = HashSet::new();
    for second in 0..count as u64 {
        let now = Millis(from.0 + 1000 * (second + 1));
        queue.tick(now, 1.0);
        for place in places {
            if queue.present(now, place) == InLine::LetIn && inside.insert(place.id) {
                order.push(place.id);
            }
        }
    }
    order
}

#[test]
fn who_comes_to_an_empty_line_goes_through_as_long_as_the_rate_has_room() {
    let mut queue = TicketQueue::new(QueueLimits { burst: 2.0, ..QueueLimits::default() }, 1);
    queue.tick(Millis(0), 1.0);
    assert!(queue.try_pass() && queue.try_pass());
    assert!(!queue.try_pass());
    queue.tick(Millis(1000), 1.0);
    assert!(queue.try_pass());
    let _waits = queue.present(Millis(1000), &place(1, 0, 1));
    queue.tick(Millis(1500), 1.0);
    assert!(!queue.try_pass(), "somebody waits");
}

#[test]
fn earlier_minutes_go_first_and_within_a_minute_racing_gains_nothing() {
    let mut first_of_minute = HashSet::new();
    for seed in 0..40 {
        let mut queue = TicketQueue::new(QueueLimits { burst: 1.0, ..QueueLimits::default() }, seed);
        assert!(queue.try_pass());
        let places: Vec<Place> = (0..20).map(|id| place(id, if id < 10 { 2 } else { 1 }, 1)).collect();
        for place in &places {
            queue.present(Millis(0), place);
        }
        queue.tick(Millis(0), 0.0);
        let order = let_in(&mut queue, &places, Millis(0), 20);
        assert_eq!(order.len(), 20);
        assert!(order[..10].iter().all(|id| *id >= 10), "{order:?}");
        first_of_minute.insert(order[0]);
    }
    assert!(first_of_minute.len() >= 8, "any of ten may be first: {first_of_minute:?}");
}

#[test]
fn a_thousand_from_one_network_have_one_share() {
    let mut queue = spent(QueueLimits::default());
    let mut places: Vec<Place> = (0..1000).map(|id| place(id, 1, 99)).collect();
    // Ten honest ones, each elsewhere, five minutes later.
    places.extend((0..10).map(|n| place(5000 + n, 6, n)));
    for place in &places {
        queue.present(Millis(0), place);
    }
    let order = let_in(&mut queue, &places, Millis(0), 12);
    let honest = order.iter().filter(|id| **id >= 5000).count();
    assert!(honest >= 10, "{order:?}");
}

#[test]
fn a_cohort_that_waited_elsewhere_earned_nothing() {
    let mut queue = spent(QueueLimits::default());
    let old: Vec<Place> = (0..50).map(|id| place(id, 1, 1)).collect();
    for place in &old {
        queue.present(Millis(0), place);
    }
    assert_eq!(let_in(&mut queue, &old, Millis(0), 20).len(), 20);
    let now = Millis(20_000);
    let new: Vec<Place> = (100..150).map(|id| place(id, 2, 2)).collect();
    let all: Vec<Place> = old.into_iter().chain(new).collect();
    for place in &all {
        queue.present(now, place);
    }
    let order = let_in(&mut queue, &all, now, 20);
    let newer = order.iter().filter(|id| **id >= 100).count();
    assert!((9..=11).contains(&newer), "half each, not all: {newer}");
}

#[test]
fn those_without_a_challenge_get_every_fifth_turn() {
    let mut queue = spent(QueueLimits::default());
    let mut places: Vec<Place> = (0..100).map(|id| place(id, 1, id)).collect();
    places.extend((0..100).map(|n| plain(1000 + n, 1, n)));
    for place in &places {
        queue.present(Millis(0), place);
    }
    let order = let_in(&mut queue, &places, Millis(0), 50);
    assert_eq!(order.iter().filter(|id| **id >= 1000).count(), 10);
}

#[test]
fn positions_tell_about_when_it_will_be() {
    let mut queue = spent(QueueLimits::default());
    let places: Vec<Place> = (0..300).map(|id| place(id, (id / 50).cast_signed(), id % 7)).collect();
    for place in &places {
        queue.present(Millis(0), place);
    }
    queue.tick(Millis(0), 0.0);
    let told: HashMap<u64, u64> = places
        .iter()
        .map(|place| match queue.present(Millis(0), place) {
            InLine::Waits { position, eta } => {
                assert!(eta.0 >= position * 1000);
                (place.id, position)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let order = let_in(&mut queue, &places, Millis(0), 300);
    assert_eq!(order.len(), 300);
    let off: Vec<i64> =
        order.iter().enumerate().map(|(n, id)| i64::try_from(n).unwrap() + 1 - told[id].cast_signed()).collect();
    let worst = off.iter().map(|off| off.abs()).max().unwrap();
    assert!(worst <= 50, "within the minute's draw: {worst}");
    assert!(off.iter().sum::<i64>().abs() <= 300, "and right on the average");
}

#[test]
fn the_absent_lose_no_place_and_waste_no_turn() {
    let mut queue = spent(QueueLimits::default());
    let absent = place(1, 1, 1);
    queue.present(Millis(0), &absent);
    let present: Vec<Place> = (10..20).map(|id| place(id, 2, 1)).collect();
    let now = Millis(100_000);
    for place in &present {
        queue.present(now, place);
    }
    queue.tick(now, 0.0);
    let order = let_in(&mut queue, &present, now, 3);
    assert_eq!(order.len(), 3, "nobody's second was lost");
    let back = Millis(104_000);
    assert!(matches!(queue.present(back, &absent), InLine::Waits { .. }));
    queue.tick(Millis(105_000), 1.0);
    assert_eq!(queue.present(Millis(105_000), &absent), InLine::LetIn, "next, by its minute");
}

#[test]
fn a_turn_is_good_once_one_try_at_a_time_and_not_for_ever() {
    let mut queue = TicketQueue::new(QueueLimits { tries_max: 3, ..QueueLimits::default() }, 1);
    let held = place(1, 1, 1);
    queue.present(Millis(0), &held);
    queue.tick(Millis(0), 1.0);
    assert_eq!(queue.present(Millis(0), &held), InLine::LetIn);
    assert!(queue.begin(1));
    assert!(!queue.begin(1), "one at a time");
    queue.end(1, TryEnd::NameTaken);
    assert!(queue.is_free_of_name(1));
    assert!(queue.begin(1));
    queue.end(1, TryEnd::Failed);
    assert!(queue.begin(1));
    queue.end(1, TryEnd::Made);
    assert_eq!(queue.present(Millis(0), &held), InLine::Used);
    let other = place(2, 1, 1);
    queue.present(Millis(0), &other);
    queue.tick(Millis(1), 1.0);
    assert_eq!(queue.present(Millis(1), &other), InLine::LetIn);
    for _ in 0..3 {
        assert!(queue.begin(2));
        queue.end(2, TryEnd::Failed);
    }
    assert!(!queue.begin(2), "too many tries");
    queue.tick(Millis(700_000), 0.0);
    assert!(matches!(queue.present(Millis(700_000), &other), InLine::Waits { .. }), "its time was over");
}

#[test]
fn a_full_line_makes_room_for_a_small_cohort_at_the_largest_ones_cost() {
    let mut queue = spent(QueueLimits { len_max: 100, ..QueueLimits::default() });
    for id in 0..100 {
        queue.present(Millis(0), &place(id, 1, 1));
    }
    queue.tick(Millis(0), 0.0);
    assert_eq!(queue.present(Millis(0), &place(200, 1, 1)), InLine::Full, "the largest itself gets none");
    assert!(matches!(queue.present(Millis(0), &place(300, 9, 2)), InLine::Waits { .. }));
    assert_eq!(queue.len(), 100);
}

#[test]
fn a_snapshot_keeps_order_and_turns() {
    let mut queue = spent(QueueLimits::default());
    let places: Vec<Place> = (0..30).map(|id| place(id, 30 - id.cast_signed(), 1)).collect();
    for place in &places {
        queue.present(Millis(0), place);
    }
    let first = let_in(&mut queue, &places, Millis(0), 1);
    assert_eq!(first, [29]);
    let bytes = queue.take_snapshot(Millis(1000)).unwrap();
    assert!(queue.take_snapshot(Millis(1000)).is_none(), "unchanged");
    assert!(bytes.len() < 30 * 20);
    let mut again = spent(QueueLimits::default());
    again.restore(&bytes, Millis(0));
    assert_eq!((again.len(), again.turns()), (29, 1));
    // Somebody of a late minute comes by first, and gains nothing.
    again.present(Millis(1), &places[0]);
    let mut order = let_in(&mut again, &places, Millis(0), 3);
    order.retain(|id| *id != 29);
    assert_eq!(order, [28, 27, 26]);
    for cut in 0..bytes.len() {
        spent(QueueLimits::default()).restore(&bytes[..cut], Millis(0));
    }
}

#[test]
fn a_place_is_sealed_with_all_it_says() {
    let keyring = Keyring::in_memory().unwrap();
    let flags = PlaceFlags { is_proved: true, is_confirmed: false, is_let_in: true };
    let name = Place::bind_name(&keyring, Purpose::Registration, "ada");
    let contact = Place::bind_contact(&keyring, " Ada@Example.org ");
    assert_eq!(contact, Place::bind_contact(&keyring, "ada@example.org"));
    let place = Place {
        purpose: Purpose::Registration,
        id: 9,
        issued: UnixSeconds(6_000),
        cohort: 0xdead_beef,
        name,
        contact,
        flags,
    };
    let text = place.seal(&keyring);
    let open = |keyring: &Keyring, purpose, now| Place::open(keyring, purpose, &text, now);
    assert_eq!(open(&keyring, Purpose::Registration, UnixSeconds(6_001)), Ok(place));
    assert!(open(&keyring, Purpose::SignIn, UnixSeconds(6_001)).is_err(), "a place in the other line");
    assert!(open(&keyring, Purpose::Registration, place.expires()).is_err());
    assert_ne!(name, Place::bind_name(&keyring, Purpose::SignIn, "ada"));
    let other = Keyring::in_memory().unwrap();
    assert!(open(&other, Purpose::Registration, UnixSeconds(6_001)).is_err());
}

/// Somebody comes a hundred times a minute from a network of their own each, while the line lets in forty: what is told, and what it was.
#[test]
fn who_came_a_minute_before_goes_before_ever_new_networks_and_is_told_about_how_long() {
    let mut queue = spent(QueueLimits::default());
    let mut told: HashMap<u64, (u64, u64)> = HashMap::new();
    let mut waited = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    let (mut longest, mut next_id) = (0, 0_u64);
    for tick in 0..1_600_u64 {
        let now = Millis(tick * 250);
        queue.tick(now, 40.0 / 60.0);
        // Ten seconds in twelve: four in ten ticks.
        if tick % 10 < 4 && tick < 960 {
            next_id += 1;
            let issued = UnixSeconds(1_700_000_040 + i64::try_from(tick / 4).unwrap());
            places.push(Place { issued, ..place(next_id, 0, 1_000 + next_id) });
        }
        let mut rest = Vec::new();
        for place in places.drain(..) {
            match queue.present(now, &place) {
                InLine::Waits { eta, .. } => {
                    // What is told after five seconds, when somebody looks for the first time.
                    let (since, _) = *told.entry(place.id).or_insert((tick, 0));
                    if tick == since + 20 {
                        told.insert(place.id, (since, eta.0 / 1000));
                    }
                    rest.push(place);
                }
                InLine::LetIn => {
                    let (since, eta_s) = told.get(&place.id).copied().unwrap_or((tick, 0));
                    let real_s = (tick - since) / 4;
                    longest = longest.max(real_s);
                    if eta_s > 0 && since > 120 {
                        waited.push((eta_s, real_s.saturating_sub(5)));
                    }
                }
                _ => {}
            }
        }
        places = rest;
    }
    let near = waited.iter().filter(|(eta, real)| real.abs_diff(*eta) <= (real / 2).max(10)).count();
    let mean = |of: fn(&(u64, u64)) -> u64| waited.iter().map(of).sum::<u64>() / waited.len() as u64;
    let (told_s, real_s) = (mean(|(told, _)| *told), mean(|(_, real)| *real));
    assert!(waited.len() > 100 && near * 10 >= waited.len() * 9, "{near} of {}, {told_s} s, {real_s} s", waited.len());
    assert!(told_s.abs_diff(real_s) <= real_s / 4, "{told_s} s told, {real_s} s waited on the average");
    assert!(longest <= 300, "{longest} s");
}

/// Solvers in 200 networks keep 400 places; whoever comes from a network of their own is told at once how long it takes, and it does.
#[test]
fn somebody_alone_in_their_network_is_told_their_own_wait_and_not_the_crowds() {
    let mut queue = spent(QueueLimits::default());
    let (mut crowd, mut honest): (Vec<Place>, Vec<(Place, u64, u64)>) = (Vec::new(), Vec::new());
    let (mut waited, mut id) = (Vec::new(), 0_u64);
    for tick in 0..1_200_u64 {
        let (now, rate) = (Millis(tick * 250), 3.3);
        queue.tick(now, rate);
        let issued = UnixSeconds(1_700_000_040 + i64::try_from(tick / 4).unwrap());
        crowd.retain(|place| matches!(queue.present(now, place), InLine::Waits { .. }));
        while crowd.len() < 400 {
            id += 1;
            crowd.push(Place { issued, ..place(id, 0, 1_000 + id * 7 % 200) });
            queue.present(now, crowd.last().unwrap());
        }
        honest.retain(|(place, eta_s, since)| {
            let is_waiting = matches!(queue.present(now, place), InLine::Waits { .. });
            if !is_waiting && *since > 100 {
                waited.push((*eta_s, (tick - since) / 4));
            }
            is_waiting
        });
        if tick % 12 == 0 && tick < 1_000 {
            let place = Place { issued, ..place(1_000_000 + tick, 0, 5_000 + tick) };
            if let InLine::Waits { eta, .. } = queue.present(now, &place) {
                honest.push((place, eta.0 / 1000, tick));
            }
        }
    }
    let near = waited.iter().filter(|(eta, real)| real.abs_diff(*eta) <= (real / 2).max(10)).count();
    assert!(waited.len() > 60 && near * 10 >= waited.len() * 9, "{near} of {}: {waited:?}", waited.len());
}
