//! Guesses passwords at a platform of one's own on loopback, closed loop, from many addresses; prints what it was answered, second by second.
//!
//! `guess ADDR --accounts 10000 --guesses 1000000 --sources 4096 --tasks 64 [--names PREFIX] [--kept N]`: each connection binds another of the
//! addresses 127.1.0.0 and up and asks N times. Names are PREFIX and a number; passwords are never right.
//!
//! `--get PATH` asks for that instead; `--post PATH --body TEXT [--cookie TEXT]` sends that, `{a}` replaced by the account's number and `{n}` by the
//! guess's. `--seconds N` ends it then. The last line is JSON.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a load generator speaks to the terminal and spawns its own tasks"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

struct Plan {
    target: SocketAddr,
    accounts: u64,
    guesses: u64,
    sources: u64,
    kept: u64,
    request: Request,
    ends: Option<Instant>,
}

/// What is sent.
struct Request {
    head: String,
    body: Option<String>,
}

impl Request {
    fn of(args: &[String]) -> Self {
        let cookie = text(args, "--cookie").map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
        if let Some(path) = text(args, "--get") {
            return Self { head: format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{cookie}\r\n"), body: None };
        }
        let names = text(args, "--names").unwrap_or_else(|| "victim-".to_owned());
        let guess = format!("{{\"name\":\"{names}{{a}}\",\"password\":\"wrong guess {{n}}\"}}");
        let path = text(args, "--post").unwrap_or_else(|| "/api/v1/sessions".to_owned());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{cookie}content-length: "
        );
        Self { head, body: Some(text(args, "--body").unwrap_or(guess)) }
    }

    fn bytes(&self, account: u64, guess: u64) -> String {
        let Some(body) = &self.body else { return self.head.clone() };
        let body = body.replace("{a}", &account.to_string()).replace("{n}", &guess.to_string());
        format!("{}{}\r\n\r\n{body}", self.head, body.len())
    }
}

#[derive(Default)]
struct Tally {
    next: AtomicU64,
    by_second: Mutex<BTreeMap<u64, BTreeMap<u16, u64>>>,
    slowest_us: AtomicU64,
    failed: AtomicU64,
}

fn number(args: &[String], name: &str, default: u64) -> u64 {
    let at = args.iter().position(|arg| arg == name);
    at.and_then(|at| args.get(at + 1)).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn text(args: &[String], name: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == name);
    at.and_then(|at| args.get(at + 1)).cloned()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let target: SocketAddr = args.first().ok_or("name the address")?.parse()?;
    if !target.ip().is_loopback() {
        return Err("loopback only".into());
    }
    let plan = Arc::new(Plan {
        target,
        accounts: number(&args, "--accounts", 10_000),
        guesses: number(&args, "--guesses", 1_000_000),
        sources: number(&args, "--sources", 4096).clamp(1, 16_000_000),
        kept: number(&args, "--kept", 64).max(1),
        request: Request::of(&args),
        ends: Some(number(&args, "--seconds", 0)).filter(|s| *s > 0).map(|s| Instant::now() + Duration::from_secs(s)),
    });
    let tally = Arc::new(Tally::default());
    let started = Instant::now();
    let tasks: Vec<_> = (0..number(&args, "--tasks", 64))
        .map(|_| tokio::spawn(attack(Arc::clone(&plan), Arc::clone(&tally), started)))
        .collect();
    for task in tasks {
        task.await?;
    }
    let elapsed = started.elapsed();
    let by_second = tally.by_second.lock().map_err(|_| "poisoned")?;
    let mut totals: BTreeMap<u16, u64> = BTreeMap::new();
    for (second, statuses) in by_second.iter() {
        if *second < 12 {
            println!("second {second}: {statuses:?}");
        }
        for (status, count) in statuses {
            *totals.entry(*status).or_default() += count;
        }
    }
    let all: u64 = totals.values().sum();
    println!(
        "answers {totals:?} in {:.1} s: {:.0} a second",
        elapsed.as_secs_f64(),
        all as f64 / elapsed.as_secs_f64()
    );
    let (slowest_us, failed) = (tally.slowest_us.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed));
    println!("slowest {} ms, failed connections {failed}", slowest_us / 1000);
    let seconds = elapsed.as_secs_f64();
    println!(
        "{}",
        serde_json::json!({ "answers": totals, "seconds": seconds, "per_s": all as f64 / seconds, "slowest_us": slowest_us, "failed": failed })
    );
    Ok(())
}

async fn attack(plan: Arc<Plan>, tally: Arc<Tally>, started: Instant) {
    loop {
        let first = tally.next.fetch_add(plan.kept, Ordering::Relaxed);
        if first >= plan.guesses || plan.ends.is_some_and(|ends| Instant::now() >= ends) {
            return;
        }
        let source = u32::try_from(first / plan.kept % plan.sources).unwrap_or(0);
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + source);
        let Ok(mut stream) = connect(plan.target, address).await else {
            tally.failed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        for guess in first..(first + plan.kept).min(plan.guesses) {
            let asked = Instant::now();
            let Some(status) = ask(&mut stream, &plan, guess).await else {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                break;
            };
            let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
            tally.slowest_us.fetch_max(took, Ordering::Relaxed);
            if let Ok(mut seconds) = tally.by_second.lock() {
                *seconds.entry(started.elapsed().as_secs()).or_default().entry(status).or_default() += 1;
            }
        }
    }
}

async fn connect(target: SocketAddr, from: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    // Closing resets: nothing stays in TIME_WAIT, or a source would run out of ports.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}

/// Asks once; the status, or `None` if the connection was closed.
async fn ask(stream: &mut TcpStream, plan: &Plan, guess: u64) -> Option<u16> {
    stream.write_all(plan.request.bytes(guess % plan.accounts, guess).as_bytes()).await.ok()?;
    let mut answer = Vec::with_capacity(1024);
    let mut chunk = [0_u8; 4096];
    loop {
        let len = stream.read(&mut chunk).await.ok()?;
        if len == 0 {
            return None;
        }
        answer.extend_from_slice(chunk.get(..len)?);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if rest.len() >= length {
                return head.get(9..12)?.parse().ok();
            }
        }
    }
}
