//! Chooses the next token from the logits.
//!
//! Order: penalties, then temperature, then top-k, min-p and top-p, then a draw. (Temperature first is what OpenAI and vLLM do;
//! llama.cpp cuts first.) What must stay true: the same seed and logits give the same tokens; no full sort of the vocabulary; a
//! constraint removes tokens before the draw is renormalised, so a constrained answer has the model's own distribution.

use std::collections::{HashMap, VecDeque};

use rempart_engine::worker_protocol::SamplingFrame;

/// Used where a request says nothing. OpenAI's 1.0 makes small models babble.
const TEMPERATURE_DEFAULT: f32 = 0.6;
const TOP_P_DEFAULT: f32 = 0.95;
const TOP_K_DEFAULT: u32 = 40;
const MIN_P_DEFAULT: f32 = 0.05;
/// Tokens that the repeat penalty looks back on, as llama.cpp has it.
const REPEAT_WINDOW: usize = 64;
/// Logits below the best by this many temperatures have no weight worth a draw (e^-25).
const NEGLIGIBLE: f32 = 25.0;
/// Candidates looked at before the whole vocabulary is searched for one that the constraint takes.
const CONSTRAINED_CANDIDATES: usize = 64;

/// Memory that one stepping thread reuses for all its generations.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    logits: Vec<f32>,
    candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    token: u32,
    logit: f32,
    weight: f32,
}

/// How one generation chooses, and what it has said.
#[derive(Debug)]
pub(crate) struct Sampler {
    temperature: f32,
    top_p: f32,
    top_k: usize,
    min_p: f32,
    presence: f32,
    frequency: f32,
    repeat: f32,
    random: SplitMix,
    said: HashMap<u32, u32>,
    recent: VecDeque<u32>,
}

impl Sampler {
    /// `prompt`: the repeat penalty looks back on it too.
    pub(crate) fn new(frame: &SamplingFrame, prompt: &[u32]) -> Self {
        let finite = |value: Option<f32>, default: f32| value.filter(|value| value.is_finite()).unwrap_or(default);
        Self {
            temperature: finite(frame.temperature, TEMPERATURE_DEFAULT).max(0.0),
            top_p: finite(frame.top_p, TOP_P_DEFAULT).clamp(0.0, 1.0),
            top_k: frame.top_k.unwrap_or(TOP_K_DEFAULT) as usize,
            min_p: finite(frame.min_p, MIN_P_DEFAULT).clamp(0.0, 1.0),
            presence: finite(frame.presence_penalty, 0.0),
            frequency: finite(frame.frequency_penalty, 0.0),
            repeat: finite(frame.repeat_penalty, 1.0).max(0.01),
            random: SplitMix(frame.seed),
            said: HashMap::new(),
            recent: prompt.iter().rev().take(REPEAT_WINDOW).rev().copied().collect(),
        }
    }

    /// A token that `takes` accepts; `None` when it accepts none at all.
    pub(crate) fn choose(
        &mut self,
        logits: &[f32],
        scratch: &mut Scratch,
        takes: Option<&dyn Fn(u32) -> bool>,
    ) -> Option<u32> {
        let Scratch { logits: adjusted, candidates } = scratch;
        let logits = if self.has_penalties() {
            adjusted.clear();
            adjusted.extend_from_slice(logits);
            self.penalise(adjusted);
            adjusted.as_slice()
        } else {
            logits
        };
        let Some(takes) = takes else {
            if self.temperature <= 0.0 {
                return best(logits);
            }
            self.select(logits, candidates);
            return self.draw(candidates, |_| true);
        };
        if self.temperature > 0.0 {
            self.select(logits, candidates);
        } else {
            likeliest(logits, CONSTRAINED_CANDIDATES, f32::NEG_INFINITY, candidates);
        }
        if let Some(token) = self.draw(candidates, takes) {
            return Some(token);
        }
        // Rare: none of the likely ones fits. Only then is each token of the vocabulary tried.
        adjusted_to(logits, takes, candidates);
        self.weigh(candidates);
        self.draw(candidates, |_| true)
    }

    /// What was chosen is now part of the answer.
    pub(crate) fn accept(&mut self, token: u32) {
        if self.presence != 0.0 || self.frequency != 0.0 {
            *self.said.entry(token).or_insert(0) += 1;
        }
        if self.repeats() {
            if self.recent.len() >= REPEAT_WINDOW {
                self.recent.pop_front();
            }
            self.recent.push_back(token);
        }
    }

    fn repeats(&self) -> bool {
        (self.repeat - 1.0).abs() > f32::EPSILON
    }

    fn has_penalties(&self) -> bool {
        !self.said.is_empty() || (self.repeats() && !self.recent.is_empty())
    }

    #[allow(clippy::cast_precision_loss, reason = "a count of tokens is far below 2^24")]
    fn penalise(&self, logits: &mut [f32]) {
        for (token, count) in &self.said {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit -= self.presence + self.frequency * *count as f32;
            }
        }
        if !self.repeats() {
            return;
        }
        for (at, token) in self.recent.iter().enumerate() {
            if self.recent.iter().take(at).any(|before| before == token) {
                continue;
            }
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit = if *logit > 0.0 { *logit / self.repeat } else { *logit * self.repeat };
            }
        }
    }

    /// The candidates of a draw, likeliest first, with their weights.
    fn select(&self, logits: &[f32], candidates: &mut Vec<Candidate>) {
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let floor = top - NEGLIGIBLE * self.temperature;
        let most = if self.top_k == 0 { usize::MAX } else { self.top_k };
        likeliest(logits, most, floor, candidates);
        self.weigh(candidates);
        let least = self.min_p * candidates.first().map_or(0.0, |first| first.weight);
        let kept = candidates.iter().take_while(|candidate| candidate.weight >= least).count().max(1);
        candidates.truncate(kept);
        if self.top_p < 1.0 {
            let wanted = self.top_p * candidates.iter().map(|candidate| candidate.weight).sum::<f32>();
            let mut sum = 0.0;
            let kept = candidates.iter().take_while(|candidate| {
                let goes_on = sum < wanted;
                sum += candidate.weight;
                goes_on
            });
            let kept = kept.count().max(1);
            candidates.truncate(kept);
        }
    }

    /// Weights relative to the first, which is the likeliest; greedy leaves weight to it alone in the end.
    fn weigh(&self, candidates: &mut [Candidate]) {
        let top = candidates.first().map_or(0.0, |first| first.logit);
        for candidate in candidates {
            candidate.weight = ((candidate.logit - top) / self.temperature.max(1e-6)).exp();
        }
    }

    /// Draws until `takes` accepts: rejecting and drawing again among the rest is the distribution under the constraint.
    fn draw(&mut self, candidates: &mut Vec<Candidate>, takes: impl Fn(u32) -> bool) -> Option<u32> {
        if self.temperature <= 0.0 {
            return candidates.iter().find(|candidate| takes(candidate.token)).map(|candidate| candidate.token);
        }
        loop {
            let sum: f32 = candidates.iter().map(|candidate| candidate.weight).sum();
            let mut left = self.random.unit() * sum;
            let at = candidates.iter().position(|candidate| {
                left -= candidate.weight;
                left < 0.0
            });
            // Rounding may leave a rest beyond the last one.
            let at = at.or_else(|| candidates.len().checked_sub(1))?;
            let token = candidates.get(at)?.token;
            if takes(token) {
                return Some(token);
            }
            candidates.remove(at);
        }
    }
}

/// The token of the greatest logit; `None` only when no logit is a number.
fn best(logits: &[f32]) -> Option<u32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|logit| *logit >= top).and_then(|at| u32::try_from(at).ok())
}

/// The `most` likeliest tokens at or above `floor`, likeliest first; equal ones in order of their numbers.
fn likeliest(logits: &[f32], most: usize, floor: f32, out: &mut Vec<Candidate>) {
    out.clear();
    let full = most.saturating_mul(4).max(64);
    let mut floor = floor;
    for (token, logit) in (0_u32..).zip(logits) {
        if *logit >= floor {
            out.push(Candidate { token, logit: *logit, weight: 0.0 });
            if out.len() >= full {
                out.select_nth_unstable_by(most - 1, by_logit);
                out.truncate(most);
                floor = out.last().map_or(floor, |last| last.logit);
            }
        }
    }
    if out.len() > most {
        out.select_nth_unstable_by(most - 1, by_logit);
        out.truncate(most);
    }
    out.sort_unstable_by(by_logit);
}

/// Every token that the constraint takes, likeliest first.
fn adjusted_to(logits: &[f32], takes: &dyn Fn(u32) -> bool, out: &mut Vec<Candidate>) {
    out.clear();
    let fitting = (0_u32..).zip(logits).filter(|(token, logit)| !logit.is_nan() && takes(*token));
    out.extend(fitting.map(|(token, logit)| Candidate { token, logit: *logit, weight: 0.0 }));
    out.sort_unstable_by(by_logit);
}

fn by_logit(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token))
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to choose words.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    /// In [0, 1).
    #[allow(clippy::cast_precision_loss, reason = "24 bits fit an f32 exactly")]
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
