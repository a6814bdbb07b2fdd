//! Programs that the drill starts: the platform and its engine, each ended with the drill.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::machine::{Cores, Watched};
use super::{LiveError, Target};

/// A program that is asked to end has so long.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A running program; killed when dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// What it said until it was ready.
    pub(super) lines: Vec<String>,
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it on the server's core, its messages going to a file, and waits for a line `ready`.
    pub(super) fn start(
        program: &Path,
        args: &[String],
        messages: &Path,
        cores: Option<Cores>,
    ) -> Result<Self, LiveError> {
        let failed = |source| LiveError::Start { what: args.first().cloned().unwrap_or_default(), source };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(messages).map_err(failed)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::from(log));
        // A child is pinned where the thread is that starts it.
        let spawned = std::thread::scope(|scope| {
            let spawning = scope.spawn(|| {
                if let Some(cores) = cores {
                    cores.pin_server();
                }
                command.spawn()
            });
            spawning.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts it ended")))
        });
        let mut child = spawned.map_err(failed)?;
        let stdout = child.stdout.take().map(BufReader::new);
        let mut started = Self { child, lines: Vec::new(), _stdout: None };
        let Some(mut stdout) = stdout else { return Ok(started) };
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).map_err(failed)? == 0 {
                let said = std::fs::read_to_string(messages).unwrap_or_default();
                let last = said.lines().last().unwrap_or("nothing").to_owned();
                return Err(LiveError::NotReady { what: args.first().cloned().unwrap_or_default(), last });
            }
            if line.trim() == "ready" {
                started._stdout = Some(stdout);
                return Ok(started);
            }
            started.lines.push(line.trim_end().to_owned());
        }
    }

    /// The address on the line that begins with `word`.
    pub(super) fn address(&self, word: &str) -> Result<Target, LiveError> {
        let said = self.lines.iter().find_map(|line| line.strip_prefix(word)).map(str::trim).unwrap_or_default();
        Ok(Target::parse(&said.replace("localhost", "127.0.0.1"))?)
    }

    /// Its process.
    pub(super) fn watched(&self) -> Watched {
        Watched(self.child.id())
    }

    /// Asks it to end, then makes it end.
    pub(super) fn stop(&mut self) {
        let _gone = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < ENDS_WITHIN {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        let _gone = (self.child.kill(), self.child.wait());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
