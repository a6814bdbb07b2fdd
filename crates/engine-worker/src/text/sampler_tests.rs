//! The sampler keeps what it should keep, draws as often as the weights say, and repeats itself for a seed.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests")]

use super::*;

fn frame() -> SamplingFrame {
    SamplingFrame {
        temperature: Some(1.0),
        top_p: Some(1.0),
        top_k: Some(0),
        min_p: Some(0.0),
        seed: 7,
        ..SamplingFrame::default()
    }
}

/// Logits of the vocabulary's size, with known probabilities for the first few.
fn logits_of(probabilities: &[f32]) -> Vec<f32> {
    let mut logits = vec![-60.0; 49_152];
    for (at, probability) in probabilities.iter().enumerate() {
        logits[at * 1000] = probability.ln();
    }
    logits
}

fn shares(frame: &SamplingFrame, logits: &[f32], takes: Option<&dyn Fn(u32) -> bool>) -> HashMap<u32, f32> {
    let mut sampler = Sampler::new(frame, &[]);
    let mut scratch = Scratch::default();
    let draws = 4000;
    let mut counts: HashMap<u32, f32> = HashMap::new();
    for _ in 0..draws {
        *counts.entry(sampler.choose(logits, &mut scratch, takes).unwrap()).or_default() += 1.0 / draws as f32;
    }
    counts
}

#[test]
fn draws_follow_the_probabilities() {
    let shares = shares(&frame(), &logits_of(&[0.5, 0.3, 0.2]), None);
    for (token, expected) in [(0, 0.5), (1000, 0.3), (2000, 0.2)] {
        assert!((shares[&token] - expected).abs() < 0.03, "{shares:?}");
    }
}

#[test]
fn each_cut_leaves_the_likeliest() {
    let logits = logits_of(&[0.5, 0.3, 0.15, 0.05]);
    let tokens = |frame: SamplingFrame| {
        let mut tokens: Vec<u32> = shares(&frame, &logits, None).into_keys().collect();
        tokens.sort_unstable();
        tokens
    };
    assert_eq!(tokens(SamplingFrame { top_k: Some(2), ..frame() }), [0, 1000]);
    assert_eq!(tokens(SamplingFrame { top_p: Some(0.79), ..frame() }), [0, 1000]);
    assert_eq!(tokens(SamplingFrame { top_p: Some(0.0), ..frame() }), [0]);
    assert_eq!(tokens(SamplingFrame { min_p: Some(0.25), ..frame() }), [0, 1000, 2000]);
    assert_eq!(tokens(SamplingFrame { temperature: Some(0.0), ..frame() }), [0]);
}

#[test]
fn a_constraint_keeps_the_distribution_of_what_it_takes() {
    let logits = logits_of(&[0.5, 0.3, 0.2]);
    let takes = |token: u32| token != 0;
    let shares = shares(&frame(), &logits, Some(&takes));
    assert!((shares[&1000] - 0.6).abs() < 0.03 && !shares.contains_key(&0), "{shares:?}");
}

#[test]
fn a_constraint_that_no_likely_token_meets_finds_the_one_that_does() {
    for temperature in [0.0, 1.0] {
        let mut sampler =
            Sampler::new(&SamplingFrame { temperature: Some(temperature), ..SamplingFrame::default() }, &[]);
        let only = |token: u32| token == 33_333;
        assert_eq!(sampler.choose(&logits_of(&[0.9]), &mut Scratch::default(), Some(&only)), Some(33_333));
        assert_eq!(sampler.choose(&logits_of(&[0.9]), &mut Scratch::default(), Some(&|_| false)), None);
    }
}

#[test]
fn a_seed_repeats_itself_and_another_does_not() {
    let logits: Vec<f32> = (0..49_152).map(|token| ((token * 7919) % 1000) as f32 / 100.0).collect();
    let run = |seed| {
        let mut sampler = Sampler::new(&SamplingFrame { seed, ..frame() }, &[]);
        let mut scratch = Scratch::default();
        (0..20).map(|_| sampler.choose(&logits, &mut scratch, None).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn penalties_count_what_was_said() {
    let logits = logits_of(&[0.5, 0.45, 0.05]);
    let greedy = |presence, frequency, repeat| {
        let frame = SamplingFrame {
            temperature: Some(0.0),
            presence_penalty: presence,
            frequency_penalty: frequency,
            repeat_penalty: repeat,
            ..SamplingFrame::default()
        };
        let mut sampler = Sampler::new(&frame, &[]);
        let mut scratch = Scratch::default();
        (0..4)
            .map(|_| {
                let token = sampler.choose(&logits, &mut scratch, None).unwrap();
                sampler.accept(token);
                token
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(greedy(None, None, None), [0, 0, 0, 0]);
    assert_eq!(greedy(Some(0.5), None, None), [0, 1000, 0, 0]);
    assert_eq!(greedy(None, Some(0.5), None), [0, 1000, 0, 1000]);
    assert_eq!(greedy(None, None, Some(1.5)), [0, 1000, 0, 0]);
}

#[test]
fn ties_and_numbers_that_are_none_do_not_matter() {
    let mut sampler = Sampler::new(&SamplingFrame { temperature: Some(0.0), ..SamplingFrame::default() }, &[]);
    let logits = [f32::NAN, 1.0, 1.0, f32::NAN];
    assert_eq!(sampler.choose(&logits, &mut Scratch::default(), None), Some(1));
    let mut sampler = Sampler::new(&frame(), &[]);
    assert!(matches!(sampler.choose(&logits, &mut Scratch::default(), None), Some(1 | 2)));
}
