//! The registry and its pulls, against a server of our own.
