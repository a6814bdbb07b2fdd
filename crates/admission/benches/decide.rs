//! Placeholder bench target until the machine stands.
fn main() {}
