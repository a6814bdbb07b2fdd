//! The worker as a program of its own, for tests and measurements; in the product it is `rempart engine worker`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["requantise", from, to] => rempart_engine_worker::requantise(Path::new(from), Path::new(to), "Q4_0"),
        [] | ["engine", "worker"] => rempart_engine_worker::run(),
        _ => {
            eprintln!("usage: rempart-engine-worker [engine worker | requantise FROM TO]");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("E {error}");
            ExitCode::FAILURE
        }
    }
}
