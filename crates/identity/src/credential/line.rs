//! The line before the hashing threads: a pure queue of two lanes, each job priced before it waits.
//!
//! Known devices go first and have a worker that strangers never hold. Strangers go when nobody known waits and fewer than their
//! share run. A job that could not start before its deadline is refused when it comes, with the time after which the line
//! would take it. A job whose parameters need memory of their own runs only when no other such job does.
//!
//! What must stay true: a job counts as running from [`Line::take`] to [`Line::finish`], whatever became of its caller; each
//! lane has a bound; no clock here, `now` is an argument.

use std::collections::VecDeque;

use rempart_domain::Millis;

/// Who asks for the hash. The caller decides, before it hashes: a device ticket whose account is a newcomer's is better called
/// unknown while an attack lasts, or attackers' own devices would go before members' new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashLane {
    /// A browser with a valid device ticket of that account, or an operator at the command line.
    Known,
    /// Anybody else: sign-in from a new device, registration.
    Unknown,
}

/// Bounds of the line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineLimits {
    /// Jobs that run at once.
    pub(crate) workers: usize,
    /// Of them, strangers' at most.
    pub(crate) unknown_running_max: usize,
    /// Waiting jobs, in each lane.
    pub(crate) queue_len_max: usize,
    /// How long a job may wait for its start.
    pub(crate) deadline: Millis,
}

/// What a job costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quote {
    /// KiB over all passes.
    pub(crate) work: u64,
    /// Needs memory beyond a worker's arena.
    pub(crate) is_foreign: bool,
}

struct Waiting<J> {
    job: J,
    quote: Quote,
    since: Millis,
}

/// What a worker got from the line.
pub(crate) enum Taken<J> {
    /// Run it, then call [`Line::finish`] with the same lane and quote.
    Run(J, HashLane, Quote),
    /// It waited past its deadline: refuse it, do not run it.
    Late(J),
    /// Nothing that may run now.
    Nothing,
}

/// The line.
pub(crate) struct Line<J> {
    limits: LineLimits,
    known: VecDeque<Waiting<J>>,
    unknown: VecDeque<Waiting<J>>,
    running_known: usize,
    running_unknown: usize,
    running_work: u64,
    foreign_running: bool,
    /// What a thousand KiB took lately, in nanoseconds: a moving average over about eight jobs.
    ns_per_kilo_work: u64,
}

impl<J> Line<J> {
    /// An empty line; `ns_per_kilo_work` is the price of the first jobs.
    pub(crate) fn new(limits: LineLimits, ns_per_kilo_work: u64) -> Self {
        Self {
            limits,
            known: VecDeque::with_capacity(limits.queue_len_max),
            unknown: VecDeque::with_capacity(limits.queue_len_max),
            running_known: 0,
            running_unknown: 0,
            running_work: 0,
            foreign_running: false,
            ns_per_kilo_work: ns_per_kilo_work.max(1),
        }
    }

    /// Queues the job, or hands it back with how long it would have to wait.
    pub(crate) fn offer(&mut self, now: Millis, lane: HashLane, quote: Quote, job: J) -> Result<(), (J, Millis)> {
        let wait = self.wait_of(lane);
        let deadline = self.limits.deadline;
        let queue_len_max = self.limits.queue_len_max;
        let queue = self.queue(lane);
        if queue.len() >= queue_len_max || wait > deadline {
            return Err((job, wait));
        }
        queue.push_back(Waiting { job, quote, since: now });
        Ok(())
    }

    /// Whether a job would be queued now, or how long it would have to wait.
    pub(crate) fn check_room(&self, lane: HashLane) -> Result<(), Millis> {
        let wait = self.wait_of(lane);
        let is_full = self.queue_len(lane) >= self.limits.queue_len_max || wait > self.limits.deadline;
        if is_full { Err(wait) } else { Ok(()) }
    }

    /// The next job that may run.
    pub(crate) fn take(&mut self, now: Millis) -> Taken<J> {
        if self.running() >= self.limits.workers {
            return Taken::Nothing;
        }
        // Strangers may starve behind the known, but not in silence.
        for lane in [HashLane::Known, HashLane::Unknown] {
            let deadline = self.limits.deadline;
            let late = self.queue(lane).pop_front_if(|first| now.since(first.since) > deadline);
            if let Some(late) = late {
                return Taken::Late(late.job);
            }
        }
        let lane = if self.first_that_may_run(HashLane::Known).is_some() {
            HashLane::Known
        } else if self.running_unknown < self.limits.unknown_running_max {
            HashLane::Unknown
        } else {
            return Taken::Nothing;
        };
        let at = self.first_that_may_run(lane);
        let Some(waiting) = at.and_then(|at| self.queue(lane).remove(at)) else { return Taken::Nothing };
        let Waiting { job, quote, .. } = waiting;
        *self.running_of(lane) += 1;
        self.running_work = self.running_work.saturating_add(quote.work);
        self.foreign_running |= quote.is_foreign;
        Taken::Run(job, lane, quote)
    }

    /// A job ended, well or not. `took_ns` teaches the price; `None` if nothing was hashed.
    pub(crate) fn finish(&mut self, lane: HashLane, quote: Quote, took_ns: Option<u64>) {
        let running = self.running_of(lane);
        *running = running.saturating_sub(1);
        self.running_work = self.running_work.saturating_sub(quote.work);
        if quote.is_foreign {
            self.foreign_running = false;
        }
        if let Some(took_ns) = took_ns {
            let seen = took_ns.saturating_mul(1000) / quote.work.max(1);
            self.ns_per_kilo_work = (self.ns_per_kilo_work.saturating_mul(7).saturating_add(seen) / 8).max(1);
        }
    }

    /// Drops waiting jobs that nobody waits for any more, so that callers who hang up do not hold places.
    pub(crate) fn retain(&mut self, mut is_wanted: impl FnMut(&J) -> bool) {
        self.known.retain(|waiting| is_wanted(&waiting.job));
        self.unknown.retain(|waiting| is_wanted(&waiting.job));
    }

    /// Drops everything that waits: the pool is closing.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.unknown.clear();
    }

    /// Jobs waiting in the lane.
    pub(crate) fn queue_len(&self, lane: HashLane) -> usize {
        match lane {
            HashLane::Known => self.known.len(),
            HashLane::Unknown => self.unknown.len(),
        }
    }

    /// Jobs running.
    pub(crate) const fn running(&self) -> usize {
        self.running_known + self.running_unknown
    }

    /// How long a job offered to the lane now would wait for its start. The known overtake strangers; strangers wait for all
    /// and have only their share of the workers.
    fn wait_of(&self, lane: HashLane) -> Millis {
        let sum = |queue: &VecDeque<Waiting<J>>| queue.iter().map(|waiting| waiting.quote.work).sum::<u64>();
        let (is_free, ahead, workers) = match lane {
            HashLane::Known => {
                (self.known.is_empty() && self.running() < self.limits.workers, sum(&self.known), self.limits.workers)
            }
            HashLane::Unknown => {
                let is_free = self.known.is_empty()
                    && self.unknown.is_empty()
                    && self.running() < self.limits.workers
                    && self.running_unknown < self.limits.unknown_running_max;
                (is_free, sum(&self.known) + sum(&self.unknown), self.limits.unknown_running_max)
            }
        };
        if is_free {
            return Millis(0);
        }
        let work = ahead.saturating_add(self.running_work);
        let workers = u64::try_from(workers).unwrap_or(1).max(1);
        Millis(work.saturating_mul(self.ns_per_kilo_work) / 1000 / workers / 1_000_000)
    }

    fn first_that_may_run(&self, lane: HashLane) -> Option<usize> {
        let queue = match lane {
            HashLane::Known => &self.known,
            HashLane::Unknown => &self.unknown,
        };
        queue.iter().position(|waiting| !(waiting.quote.is_foreign && self.foreign_running))
    }

    const fn queue(&mut self, lane: HashLane) -> &mut VecDeque<Waiting<J>> {
        match lane {
            HashLane::Known => &mut self.known,
            HashLane::Unknown => &mut self.unknown,
        }
    }

    const fn running_of(&mut self, lane: HashLane) -> &mut usize {
        match lane {
            HashLane::Known => &mut self.running_known,
            HashLane::Unknown => &mut self.running_unknown,
        }
    }
}
