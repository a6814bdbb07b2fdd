//! Sessions, keys, tickets and password hashing
