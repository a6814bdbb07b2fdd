//! The rempart binary.
fn main() {}
