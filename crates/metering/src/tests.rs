//! Decisions and properties of the meter.
