//! What the drill asks of this machine: cores, priority, and what a process has used. Linux; elsewhere nothing is pinned or measured.

use rustix::process::{Pid, Resource, getpid, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Clock ticks a second in /proc; fixed on every Linux that Rust runs on.
const TICKS_PER_S: f64 = 100.0;

/// Cores for the server and its engine, and for the generator; `None` if there is one only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cores {
    server: usize,
    generator: usize,
}

impl Cores {
    /// The first and the last core that this process may use.
    pub(super) fn find() -> Option<Self> {
        let allowed = sched_getaffinity(None).ok()?;
        let mut all = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = all.next()?;
        all.next_back().map(|generator| Self { server, generator })
    }

    pub(super) fn pin_server(self) {
        pin(self.server);
    }

    pub(super) fn pin_generator(self) {
        pin(self.generator);
    }
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    // What cannot be pinned is measured less exactly, not wrongly.
    let _unpinned = sched_setaffinity(None, &set);
}

/// This thread yields to others on its core.
pub(super) fn lower_priority() {
    if let Some(thread) = Pid::from_raw(rustix::thread::gettid().as_raw_nonzero().get()) {
        let _same = rustix::process::setpriority_process(Some(thread), 10);
    }
}

/// As many open files as this process may have: each client is one.
pub(super) fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _fewer = setrlimit(Resource::Nofile, limit);
}

/// A process and its children, as /proc tells of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched(pub(super) u32);

impl Watched {
    /// CPU time, user and system, of it and its children, in seconds.
    pub(super) fn cpu_s(self) -> Option<f64> {
        self.family().into_iter().map(cpu_s).sum()
    }

    /// Resident memory of it and its children, in MB.
    pub(super) fn memory_mb(self) -> Option<f64> {
        self.family().into_iter().map(memory_mb).sum()
    }

    fn family(self) -> Vec<u32> {
        let listed = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0)).unwrap_or_default();
        std::iter::once(self.0).chain(listed.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }
}

/// The drill's own CPU time, in seconds.
pub(super) fn own_cpu_s() -> Option<f64> {
    cpu_s(u32::try_from(getpid().as_raw_nonzero().get()).ok()?)
}

fn cpu_s(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_S)
}

fn memory_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kb| kb / 1_024.0)
}
