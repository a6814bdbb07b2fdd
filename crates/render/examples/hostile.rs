//! The hostile cases as JSON, one array of `{"name","text"}`, for the browser's test.
#![allow(clippy::print_stdout, clippy::indexing_slicing, reason = "a generator for tests, on the command line")]

#[path = "../tests/it/hostile.rs"]
mod hostile;

fn main() {
    let cases: Vec<_> =
        hostile::cases().into_iter().map(|case| serde_json::json!({ "name": case.name, "text": case.text })).collect();
    println!("{}", serde_json::Value::Array(cases));
}
