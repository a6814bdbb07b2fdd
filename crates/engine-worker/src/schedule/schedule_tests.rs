//! The scheduler over a toy model whose answer depends on a generation's own tokens only: whatever is batched, shared, cut and cancelled
//! around it, each answer is what it would be alone.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use proptest::prelude::*;
use rempart_engine::worker_protocol::{FrameReader, GenerateParams, PromptFrame, SamplingFrame};

use super::*;

const TOKENS: u32 = 33;
const END: u32 = 32;

/// Keeps what llama.cpp would: for each sequence its tokens, in cells that sequences share.
#[derive(Default)]
struct Toy {
    sequences: HashMap<u32, Vec<(u32, Rc<()>)>>,
    logits: Vec<Vec<f32>>,
    pool: usize,
    rows_max: usize,
    log: Rc<RefCell<Log>>,
    fails_at: Option<usize>,
}

#[derive(Default)]
struct Log {
    steps: usize,
    rows: Vec<usize>,
    fulls: usize,
}

/// The next token after these.
fn next(tokens: impl Iterator<Item = u32>) -> u32 {
    let hash = tokens.fold(17_u32, |hash, token| hash.wrapping_mul(31).wrapping_add(token + 1));
    (hash >> 7) % TOKENS
}

fn answer_alone(prompt: &[u32], most: usize) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    while tokens.len() < prompt.len() + most {
        let token = next(tokens.iter().copied());
        if token == END {
            break;
        }
        tokens.push(token);
    }
    tokens.split_off(prompt.len())
}

impl Toy {
    fn used(&self) -> usize {
        let cells: HashSet<*const ()> = self.sequences.values().flatten().map(|(_, cell)| Rc::as_ptr(cell)).collect();
        cells.len()
    }
}

impl Kernel for Toy {
    fn decode(&mut self, rows: &[Row]) -> Result<(), StepError> {
        let mut log = self.log.borrow_mut();
        log.steps += 1;
        log.rows.push(rows.len());
        assert!(!rows.is_empty() && rows.len() <= self.rows_max);
        if self.fails_at == Some(log.steps) {
            return Err(StepError::Failed);
        }
        if self.used() + rows.len() > self.pool {
            log.fulls += 1;
            return Err(StepError::Full);
        }
        self.logits = vec![Vec::new(); rows.len()];
        for (at, row) in rows.iter().enumerate() {
            let sequence = self.sequences.entry(row.sequence).or_default();
            assert_eq!(sequence.len(), row.position as usize, "positions are dense");
            sequence.push((row.token, Rc::new(())));
            if row.wants_logits {
                let chosen = next(sequence.iter().map(|(token, _)| *token));
                self.logits[at] = (0..TOKENS).map(|token| if token == chosen { 9.0 } else { 0.0 }).collect();
            }
        }
        Ok(())
    }

    fn logits(&self, row: usize) -> &[f32] {
        &self.logits[row]
    }

    fn share(&mut self, from: u32, to: u32, len: u32) {
        let shared = self.sequences[&from][..len as usize].to_vec();
        assert!(self.sequences.insert(to, shared).is_none_or(|old| old.is_empty()));
    }

    fn remove(&mut self, sequence: u32) {
        self.sequences.remove(&sequence);
    }
}

fn vocab() -> Vocab {
    let mut vocab = Vocab::default();
    for token in 0..END {
        vocab.push(&[b'A' + token as u8], false);
    }
    vocab.push(b"", true);
    vocab
}

fn text_of(tokens: &[u32]) -> String {
    tokens.iter().map(|token| char::from(b'A' + *token as u8)).collect()
}

fn job(id: u64, tokens: Vec<u32>, most: u32, salt: Option<u64>, rank: u8) -> Job {
    let params = Box::new(GenerateParams {
        id,
        prompt: PromptFrame::Text(String::new()),
        template_fields: Vec::new(),
        sampling: SamplingFrame { temperature: Some(0.0), ..SamplingFrame::default() },
        max_tokens: Some(most),
        is_json_object: false,
        salt,
        rank,
        prefill_slice: None,
    });
    Job { tokens, params }
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Told {
    started: Option<(u32, u32)>,
    text: String,
    ends: Vec<Option<FinishWord>>,
    output: u32,
}

fn read(schedule: &mut Schedule<'_, Toy>, told: &mut HashMap<u64, Told>) {
    let out = std::mem::take(schedule.out());
    let mut frames = FrameReader::new(FROM_WORKER_FRAME_BYTES_MAX);
    for piece in out.chunks(60_000) {
        frames.room()[..piece.len()].copy_from_slice(piece);
        frames.filled(piece.len());
        while let Some(frame) = frames.next_frame::<FromWorker>().unwrap() {
            match frame {
                FromWorker::Started { id, input, cached } => {
                    told.entry(id).or_default().started = Some((input, cached))
                }
                FromWorker::Delta { id, text, .. } => told.entry(id).or_default().text.push_str(&text),
                FromWorker::Finished { id, reason, usage } => {
                    let told = told.entry(id).or_default();
                    told.ends.push(Some(reason));
                    told.output = usage.output;
                }
                FromWorker::Failed { id, .. } => told.entry(id).or_default().ends.push(None),
                _ => {}
            }
        }
    }
}

struct World<'v> {
    schedule: Schedule<'v, Toy>,
    told: HashMap<u64, Told>,
    log: Rc<RefCell<Log>>,
}

fn world(vocab: &Vocab, pool: usize, sequences: usize, cached: usize) -> World<'_> {
    let log = Rc::new(RefCell::new(Log::default()));
    let chunk = 16;
    let toy = Toy { pool, rows_max: chunk + sequences, log: Rc::clone(&log), ..Toy::default() };
    let limits = Limits { sequences, cached, kv_tokens: pool, context_len: pool as u32, chunk };
    World { schedule: Schedule::new(toy, vocab, limits), told: HashMap::new(), log }
}

impl World<'_> {
    fn step(&mut self) {
        self.schedule.step();
        read(&mut self.schedule, &mut self.told);
    }

    fn run(&mut self) {
        for _ in 0..100_000 {
            if self.schedule.is_idle() {
                return;
            }
            self.step();
        }
        unreachable!("never idle");
    }
}

fn prompt(seed: u32, len: u32) -> Vec<u32> {
    (0..len).map(|at| (at * 7 + seed * 13) % END).collect()
}

/// A prompt whose answer alone has at least `least` tokens.
fn talkative(seed: u32, len: u32, least: usize) -> Vec<u32> {
    (seed..).map(|seed| prompt(seed, len)).find(|prompt| answer_alone(prompt, least).len() == least).unwrap()
}

#[test]
fn eight_at_once_answer_as_each_would_alone() {
    let vocab = vocab();
    let mut world = world(&vocab, 4096, 8, 0);
    for id in 1..=8 {
        world.schedule.offer(job(id, prompt(id as u32, 10 + 9 * id as u32), 40, None, 3));
    }
    world.run();
    for id in 1..=8 {
        let alone = answer_alone(&prompt(id as u32, 10 + 9 * id as u32), 40);
        assert_eq!(world.told[&id].text, text_of(&alone));
        assert_eq!(world.told[&id].output as usize, alone.len());
        assert_eq!(world.told[&id].ends, [Some(if alone.len() == 40 { FinishWord::Length } else { FinishWord::Stop })]);
    }
}

#[test]
fn a_cancelled_generation_is_gone_before_the_next_step_and_its_place_is_free() {
    let vocab = vocab();
    let mut world = world(&vocab, 4096, 1, 0);
    world.schedule.offer(job(1, talkative(1, 10, 60), 60, None, 3));
    world.schedule.offer(job(2, prompt(2, 10), 5, None, 3));
    world.step();
    world.step();
    assert!(!world.told.contains_key(&2), "one sequence only");
    world.schedule.cancel(1);
    world.step();
    assert!(world.told[&2].started.is_some() && world.told[&1].ends.is_empty());
    assert_eq!(*world.log.borrow().rows.last().unwrap(), 10, "only the second is computed");
    // Cancelled while it is being tokenised: it comes later, and is not taken up.
    world.schedule.cancel(3);
    world.schedule.offer(job(3, prompt(3, 10), 5, None, 3));
    world.run();
    assert!(!world.told.contains_key(&3));
    assert_eq!(world.schedule.cells.free(), 4096);
    assert!(world.schedule.cancelled.is_empty());
}

#[test]
fn a_prompt_that_goes_on_from_a_finished_one_reads_only_what_is_new_and_only_for_its_own_salt() {
    let vocab = vocab();
    let mut world = world(&vocab, 4096, 4, 8);
    let first = prompt(1, 100);
    world.schedule.offer(job(1, first.clone(), 20, Some(7), 3));
    world.run();
    let mut second = [first.clone(), answer_alone(&first, 20)].concat();
    second.extend(prompt(5, 10));
    for (id, salt) in [(2, Some(7)), (3, Some(8)), (4, None)] {
        world.schedule.offer(job(id, second.clone(), 20, salt, 3));
        world.run();
        assert_eq!(world.told[&id].text, text_of(&answer_alone(&second, 20)), "{salt:?}");
    }
    let cached = |id: u64| world.told[&id].started.unwrap().1 as usize;
    assert!(cached(2) >= 100 && cached(3) == 0 && cached(4) == 0);
    // The very same prompt again: all but its last token is there.
    world.schedule.offer(job(5, second.clone(), 20, Some(7), 3));
    world.run();
    assert_eq!(world.told[&5].started.unwrap().1 as usize, second.len() - 1);
    assert_eq!(world.told[&5].text, world.told[&2].text);
}

#[test]
fn a_prompt_shares_with_one_still_at_work() {
    let vocab = vocab();
    let mut world = world(&vocab, 4096, 4, 8);
    let common = talkative(1, 64, 80);
    world.schedule.offer(job(1, common.clone(), 80, Some(7), 3));
    for _ in 0..6 {
        world.step();
    }
    let other = [common.clone(), prompt(9, 8)].concat();
    world.schedule.offer(job(2, other.clone(), 20, Some(7), 3));
    world.run();
    assert!(world.told[&2].started.unwrap().1 >= 64);
    assert_eq!(world.told[&2].text, text_of(&answer_alone(&other, 20)));
    assert_eq!(world.told[&1].text, text_of(&answer_alone(&common, 80)));
}

#[test]
fn when_the_pool_is_full_the_lowest_rank_is_cut_and_says_so() {
    let vocab = vocab();
    let mut world = world(&vocab, 96, 2, 0);
    let (member, newcomer) = (talkative(1, 20, 60), talkative(50, 20, 60));
    world.schedule.offer(job(1, newcomer.clone(), 60, None, 2));
    world.schedule.offer(job(2, member.clone(), 60, None, 3));
    world.run();
    assert_eq!(world.told[&2].ends, [Some(FinishWord::Length)]);
    assert_eq!(world.told[&2].text, text_of(&answer_alone(&member, 60)));
    assert_eq!(world.told[&1].ends, [Some(FinishWord::InsufficientSystemResource)]);
    assert!(text_of(&answer_alone(&newcomer, 60)).starts_with(&world.told[&1].text) && world.told[&1].text.len() > 10);
    assert_eq!(world.log.borrow().fulls, 0, "the mirror knew");
}

#[test]
fn a_step_that_failed_ends_who_was_in_it_and_the_rest_goes_on() {
    let vocab = vocab();
    let mut world = world(&vocab, 4096, 2, 4);
    world.schedule.kernel.fails_at = Some(4);
    for id in 1..=3 {
        world.schedule.offer(job(id, talkative(id as u32 * 40, 10, 30), 30, Some(1), 3));
    }
    world.run();
    assert_eq!((world.told[&1].ends.clone(), world.told[&2].ends.clone()), (vec![None], vec![None]));
    assert_eq!(world.told[&3].text, text_of(&answer_alone(&talkative(120, 10, 30), 30)));
}

#[test]
fn a_long_prompt_does_not_hold_up_a_short_one() {
    let vocab = vocab();
    let mut world = world(&vocab, 4096, 4, 0);
    world.schedule.offer(job(1, prompt(1, 1000), 5, None, 3));
    world.step();
    world.schedule.offer(job(2, talkative(2, 12, 3), 3, None, 3));
    for _ in 0..2 {
        world.step();
    }
    assert!(!world.told[&2].text.is_empty(), "half a chunk a step is its own");
    assert!(world.told[&1].text.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_comes_each_answer_is_its_own_and_ends_once(
        jobs in proptest::collection::vec((0_u32..6, 1_u32..90, 1_u32..40, 0_u64..4, 1_u8..5, 0_usize..6, proptest::option::weighted(0.2, 0_usize..30)), 1..30),
        pool in 128_usize..400, sequences in 1_usize..6, cached in 0_usize..8,
    ) {
        let vocab = vocab();
        let mut world = world(&vocab, pool, sequences, cached);
        let mut cancels: Vec<(usize, u64)> = Vec::new();
        let mut clock = 0;
        for (id, (seed, len, most, salt, rank, wait, cancel)) in (1_u64..).zip(&jobs) {
            world.schedule.offer(job(id, prompt(*seed, *len), *most, salt.checked_sub(1), *rank));
            if let Some(after) = cancel {
                cancels.push((clock + after, id));
            }
            for _ in 0..*wait {
                world.step();
                clock += 1;
                cancels.iter().filter(|(at, _)| *at == clock).for_each(|(_, id)| world.schedule.cancel(*id));
            }
        }
        world.run();
        let cancelled: HashSet<u64> = cancels.iter().map(|(_, id)| *id).collect();
        for (id, (seed, len, most, ..)) in (1_u64..).zip(&jobs) {
            let alone = text_of(&answer_alone(&prompt(*seed, *len), *most as usize));
            let told = world.told.get(&id).cloned().unwrap_or_default();
            prop_assert!(alone.starts_with(&told.text));
            prop_assert!(told.ends.len() == 1 || (told.ends.is_empty() && cancelled.contains(&id)));
            if matches!(told.ends.first(), Some(Some(FinishWord::Stop | FinishWord::Length))) {
                prop_assert_eq!(told.text, alone);
            }
        }
        prop_assert_eq!(world.log.borrow().fulls, 0);
        let (free, busy) = (world.schedule.cells.free(), world.schedule.cells.busy());
        prop_assert_eq!((free, busy), (pool - world.schedule.kernel.used(), 0));
    }
}
