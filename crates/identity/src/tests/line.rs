//! The line before the hashing threads: lanes, bounds, deadline and memory, with `now` as an argument.

use rempart_domain::Millis;

use crate::HashLane::{self, Known, Unknown};
use crate::credential::{Line, LineLimits, Quote, Taken};

/// Ten milliseconds of work at a price of one microsecond a unit.
const JOB: Quote = Quote { work: 10_000, is_foreign: false };
const FOREIGN: Quote = Quote { work: 10_000, is_foreign: true };
const PRICE: u64 = 1_000_000;
const T0: Millis = Millis(0);

fn line(workers: usize, unknown_running_max: usize, deadline: u64) -> Line<u32> {
    let limits = LineLimits { workers, unknown_running_max, queue_len_max: 4, deadline: Millis(deadline) };
    Line::new(limits, PRICE)
}

fn take(line: &mut Line<u32>, now: Millis) -> Option<(u32, HashLane)> {
    match line.take(now) {
        Taken::Run(job, lane, _) => Some((job, lane)),
        Taken::Late(job) => panic!("job {job} is late"),
        Taken::Nothing => None,
    }
}

#[test]
fn the_known_go_first_and_strangers_never_hold_the_last_worker() {
    let mut line = line(2, 1, 1000);
    for job in 0..3 {
        line.offer(T0, Unknown, JOB, job).unwrap();
    }
    assert_eq!(take(&mut line, T0), Some((0, Unknown)));
    assert_eq!(take(&mut line, T0), None, "a worker is kept for the known");
    line.offer(T0, Known, JOB, 9).unwrap();
    assert_eq!(take(&mut line, T0), Some((9, Known)));
    assert_eq!(take(&mut line, T0), None);
    line.finish(Unknown, JOB, None);
    line.offer(T0, Known, JOB, 10).unwrap();
    assert_eq!(take(&mut line, T0), Some((10, Known)), "the known overtake strangers who wait");
    line.finish(Known, JOB, None);
    assert_eq!(take(&mut line, T0), Some((1, Unknown)));
}

#[test]
fn each_lane_has_its_own_bound() {
    let mut line = line(1, 1, 1_000_000);
    for job in 0..4 {
        line.offer(T0, Unknown, JOB, job).unwrap();
    }
    assert!(line.offer(T0, Unknown, JOB, 4).is_err());
    assert!(line.offer(T0, Known, JOB, 5).is_ok(), "a full line of strangers keeps nobody known out");
    assert_eq!((line.queue_len(Unknown), line.queue_len(Known)), (4, 1));
    assert!(line.check_room(Unknown).is_err() && line.check_room(Known).is_ok(), "asking tells what offering would");
}

#[test]
fn what_cannot_start_in_time_is_refused_when_it_comes_and_told_the_wait() {
    let mut line = line(1, 1, 15);
    line.offer(T0, Unknown, JOB, 0).unwrap();
    take(&mut line, T0).unwrap();
    line.offer(T0, Unknown, JOB, 1).unwrap();
    let (job, wait) = line.offer(T0, Unknown, JOB, 2).unwrap_err();
    assert_eq!((job, wait), (2, Millis(20)));
    assert!(line.offer(T0, Known, JOB, 3).is_ok(), "the known wait only for what runs");
}

#[test]
fn whoever_waited_past_the_deadline_is_told_and_not_hashed() {
    let mut line = line(1, 1, 1000);
    line.offer(T0, Unknown, JOB, 0).unwrap();
    assert_eq!(take(&mut line, T0), Some((0, Unknown)));
    line.offer(T0, Unknown, JOB, 1).unwrap();
    line.offer(T0, Known, JOB, 2).unwrap();
    line.finish(Unknown, JOB, None);
    line.offer(Millis(1001), Known, JOB, 3).unwrap();
    assert!(matches!(line.take(Millis(1001)), Taken::Late(2)));
    assert!(matches!(line.take(Millis(1001)), Taken::Late(1)), "strangers are told even while the known go first");
    assert_eq!(take(&mut line, Millis(1001)), Some((3, Known)));
}

#[test]
fn memory_of_their_own_is_given_to_one_job_at_a_time() {
    let mut line = line(3, 3, 1000);
    line.offer(T0, Known, FOREIGN, 0).unwrap();
    line.offer(T0, Known, FOREIGN, 1).unwrap();
    line.offer(T0, Known, JOB, 2).unwrap();
    line.offer(T0, Unknown, FOREIGN, 3).unwrap();
    line.offer(T0, Unknown, JOB, 4).unwrap();
    assert_eq!(take(&mut line, T0), Some((0, Known)));
    assert_eq!(take(&mut line, T0), Some((2, Known)), "the second waits for the first, others do not");
    assert_eq!(take(&mut line, T0), Some((4, Unknown)));
    line.finish(Known, FOREIGN, None);
    assert_eq!(take(&mut line, T0), Some((1, Known)));
}

#[test]
fn the_price_follows_what_jobs_really_took() {
    let mut line = line(1, 1, 15);
    for _ in 0..60 {
        line.offer(T0, Unknown, JOB, 0).unwrap();
        take(&mut line, T0).unwrap();
        line.finish(Unknown, JOB, Some(1_000_000));
    }
    line.offer(T0, Unknown, JOB, 0).unwrap();
    take(&mut line, T0).unwrap();
    for job in 1..5 {
        line.offer(T0, Unknown, JOB, job).unwrap();
    }
}

#[test]
fn places_of_those_who_left_are_given_back() {
    let mut line = line(1, 1, 1000);
    for job in 0..4 {
        line.offer(T0, Unknown, JOB, job).unwrap();
    }
    line.retain(|job| job % 2 == 0);
    assert_eq!(line.queue_len(Unknown), 2);
}
