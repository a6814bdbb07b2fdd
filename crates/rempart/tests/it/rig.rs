//! A data folder of its own, a platform on free ports, and a small HTTP client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A scripted engine, so that no model is needed; nothing is fetched.
pub(crate) const CONFIG: &str = "\
[server]
console = \"127.0.0.1:0\"
[models]
fetch = false
[engine.script]
kind = \"scripted\"
models = [\"scripted\"]
decode_tps = 40
tokens = 60
";

/// The binary under test, or `None`, said once a test.
pub(crate) fn binary() -> Option<PathBuf> {
    let given = std::env::var_os("REMPART_BIN").map(PathBuf::from);
    let path = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/rempart"));
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: no release binary at {}", path.display());
    None
}

/// A folder with a configuration, and the binary.
pub(crate) struct Rig {
    binary: PathBuf,
    root: TempDir,
}

/// A running platform; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// Lines of stdout up to `ready`.
    pub(crate) lines: Vec<String>,
    /// First public address.
    pub(crate) public: SocketAddr,
    pub(crate) run_file: Value,
    _stdout: BufReader<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Rig {
    pub(crate) fn new() -> Option<Self> {
        Self::with_config(CONFIG)
    }

    pub(crate) fn with_config(config: &str) -> Option<Self> {
        let root = tempfile::tempdir().unwrap();
        let rig = Self { binary: binary()?, root };
        let models = rig.root.path().join("models");
        let config = config.replace("[models]", &format!("[models]\ndir = {models:?}"));
        std::fs::write(rig.config(), config).unwrap();
        Some(rig)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.root.path().join("rempart.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The binary with configuration and data folder given after the command.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).arg("--config").arg(self.config()).arg("--data").arg(self.data());
        command
    }

    pub(crate) fn bare(&self, args: &[&str]) -> Output {
        Command::new(&self.binary).args(args).output().unwrap()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it with something on stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs it, expects success, and gives stdout.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.done(&args)).unwrap()
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(&["--listen", "127.0.0.1:0"])
    }

    pub(crate) fn start_with(&self, args: &[&str]) -> Running {
        let args: Vec<&str> = ["serve"].into_iter().chain(args.iter().copied()).collect();
        let mut child = self.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("serve ended before it was ready: {lines:?} {said}");
            }
            lines.push(line.trim_end().to_owned());
            if line.trim_end() == "ready" {
                break;
            }
        }
        let run_file: Value = serde_json::from_slice(&std::fs::read(self.data().join("run.json")).unwrap()).unwrap();
        let public = run_file["public"][0].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        let stderr = child.stderr.take();
        Running { child, lines, public, run_file, _stdout: stdout, stderr }
    }
}

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGTERM, the exit code, and what was logged.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }

    pub(crate) fn get(&self, path: &str, key: Option<&str>) -> (u16, String) {
        get(self.public, path, key)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// GET on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str, key: Option<&str>) -> (u16, String) {
    let mut stream = send(address, "GET", path, key, "");
    read_answer(&mut stream)
}

/// Sends a request and leaves the answer to be read.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str, key: Option<&str>, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let auth = key.map(|key| format!("authorization: {} {key}\r\n", "Bearer")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{auth}\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Status and body (chunked or not, undecoded).
pub(crate) fn read_answer(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0);
    (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// Waits for something that another process does, at most ten seconds.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(10), "{what} did not happen");
        std::thread::yield_now();
    }
}
