//! The data plane: path.rs lists every step of a request
