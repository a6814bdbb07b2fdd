//! What comes out, whatever goes in.
#![cfg(test)]

mod answers;
mod bounds;
mod hostile;
