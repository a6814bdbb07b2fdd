//! A wall around libraries that read what strangers write: if one of them breaks, the text is shown plain.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `run` gives, or nothing if it panicked. Whoever calls this must not go on with what `run` had half changed.
pub(crate) fn unharmed<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}
