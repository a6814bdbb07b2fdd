//! Figures of the path of every request; filled in below.
fn main() {}
