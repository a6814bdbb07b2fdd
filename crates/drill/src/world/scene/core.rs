//! Lines of work: a core does one thing after the other. The costs are estimates, of the size that whole-path measurements of the release build gave.

/// CPU microseconds of the server's core, which carries the engine too, as in a live drill. Estimates: the parts of a request were not measured one by one, only
/// whole requests (`docs/notes`). They decide how much a flood of refusals delays an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// Accepting a connection.
    pub(super) connection_us: u64,
    /// Reading a request up to admission.
    pub(super) request_us: u64,
    /// Refusing a key that is none.
    pub(super) bad_key_us: u64,
    /// Writing a refusal of admission or metering.
    pub(super) refusal_us: u64,
    /// Starting a generation at the engine.
    pub(super) start_us: u64,
    /// Passing one token on, from the engine to the reader.
    pub(super) token_us: u64,
    /// Ending an answer.
    pub(super) end_us: u64,
    /// Hashing a password.
    pub(super) hash_us: u64,
    /// Making a challenge.
    pub(super) challenge_us: u64,
    /// The generator's own work for a request.
    pub(super) generator_us: u64,
    /// From the generator's socket to the server's, and back.
    pub(super) way_us: u64,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            connection_us: 45,
            request_us: 30,
            bad_key_us: 25,
            refusal_us: 15,
            start_us: 40,
            token_us: 28,
            end_us: 20,
            hash_us: 22_000,
            challenge_us: 40,
            generator_us: 35,
            way_us: 40,
        }
    }
}

/// What one core has before it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WorkLine {
    free_at_us: u64,
}

impl WorkLine {
    /// Work that arrives at `at_us` and takes `cost_us` is done then.
    pub(super) fn work(&mut self, at_us: u64, cost_us: u64) -> u64 {
        self.free_at_us = self.free_at_us.max(at_us) + cost_us;
        self.free_at_us
    }

    /// Work lies before it.
    pub(super) const fn is_busy(&self, at_us: u64) -> bool {
        self.free_at_us > at_us
    }
}

/// The server's core: the members' threads go first, and what they do is on top of what the strangers' have before them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Server {
    members: WorkLine,
    all: WorkLine,
}

impl Server {
    /// Work on the members' threads or on the strangers' is done then.
    pub(super) fn work(&mut self, is_members: bool, at_us: u64, cost_us: u64) -> u64 {
        let after_all = self.all.work(at_us, cost_us);
        if is_members { self.members.work(at_us, cost_us) } else { after_all }
    }

    /// Work lies before it.
    pub(super) const fn is_busy(&self, at_us: u64) -> bool {
        self.all.is_busy(at_us)
    }
}
